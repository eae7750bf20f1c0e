//! `dmarc findings`, the real binary: against the truth of a simulated mailbox, and where something is wrong.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests; the exemption of clippy.toml ends at `#[test]` functions"
)]

#[expect(dead_code, reason = "a part of it is enough here")]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use common::{REPORT, Run, dmarc, dmarc_with_env, dmarc_with_input, folder, json_lines};
use dmarc_cli::render::Screen;
use dmarc_cli::render::text::is_unsafe;
use serde_json::Value;

const MAILBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox/dmarc.toml");
/// Classes that call a source unauthorised.
const UNAUTHORISED: [&str; 3] = ["unauthorized.spoof", "unauthorized.unknown", "suspect.replay"];
const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];
/// Drives the terminal, turns the line around, breaks it and hides.
const HOSTILE: &str = "a\u{1b}[31mb\u{202e}c&#10;d&#27;]0;x&#7;\u{200b}&#x9b;2J\u{2028}";

// ---- the mailbox as a person sees it ----------------------------------------------

#[test]
fn shows_the_mailbox_on_80_columns() {
    let run = dmarc_with_env(&["findings", MAILBOX, "--config", CONFIG], &[("COLUMNS", "80")]);
    assert_fits(&run, 80);
    insta::assert_snapshot!(run.whole());
}

#[test]
fn shows_more_of_the_mailbox_on_110_columns() {
    let run = dmarc_with_env(&["findings", MAILBOX, "--config", CONFIG], &[("COLUMNS", "110")]);
    assert_fits(&run, 110);
    insta::assert_snapshot!(run.whole());
}

#[test]
fn fits_the_screen_with_every_finding_and_what_reports_may_claim() {
    let large = failing(REPORT).replace("<count>2<", "<count>9007199254740992<");
    let old = large.replace("<begin>1792886400<", "<begin>-62167219201<").replace("r-1", "r-2");
    let root = folder(&[("a.xml", &large), ("b.xml", &old)]);
    for path in [MAILBOX, root.path().to_str().unwrap()] {
        for columns in [80, 97, 200] {
            let arguments = ["findings", path, "--all"];
            assert_fits(&dmarc_with_env(&arguments, &[("COLUMNS", &columns.to_string())]), columns);
        }
    }
}

#[test]
fn uses_no_colour_where_there_is_no_terminal() {
    for variables in [&[][..], &[("NO_COLOR", "1")], &[("TERM", "xterm-256color"), ("NO_COLOR", "")]] {
        let run = dmarc_with_env(&["findings", MAILBOX, "--config", CONFIG], variables);
        assert!(run.stdout.contains("critical"), "{}", run.stdout);
        assert!(!run.whole().contains('\u{1b}'), "{}", run.whole());
    }
}

#[test]
fn adds_nothing_but_colour_on_a_terminal() {
    let [plain, coloured] = [false, true].map(|color| {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let arguments = ["dmarc", "findings", MAILBOX, "--config", CONFIG];
        let code = dmarc_cli::run(arguments, &mut out, &mut err, Screen { width: 80, color });
        assert_eq!(code, 3);
        String::from_utf8(out).unwrap()
    });
    assert!(coloured.contains("\u{1b}[1;31m critical"), "{coloured}");
    let bare = ["\u{1b}[1;31m", "\u{1b}[31m", "\u{1b}[33m", "\u{1b}[0m"]
        .into_iter()
        .fold(coloured, |text, escape| text.replace(escape, ""));
    assert_eq!(bare, plain);
}

// ---- the mailbox against its truth ------------------------------------------------

#[test]
fn counts_what_is_in_the_mailbox() {
    let (found, truth) = (everything(&["--config", CONFIG]), truth());
    let domains = found["domains"].as_array().unwrap();
    assert_eq!(domains.len(), truth["domains"].as_object().unwrap().len());
    for domain in domains {
        let truth = &truth["domains"][domain["domain"].as_str().unwrap()];
        for key in ["messages", "dmarc_pass", "dmarc_fail", "records"] {
            assert_eq!(domain[key], truth[key], "{key} of {domain}");
        }
    }
    assert_eq!(found["inputs"]["mails"], truth["mails"]);
    assert_eq!(found["inputs"]["duplicates"], truth["counts"]["aggregate_duplicates"]);
    assert_eq!(found["inputs"]["untrusted"], truth["counts"]["forged"]);
}

#[test]
fn finds_every_unauthorised_source_and_calls_no_other_a_spoof() {
    assert_sources(&everything(&["--config", CONFIG]), &truth());
}

#[test]
fn calls_no_innocent_source_a_spoof_without_a_configuration() {
    let run = dmarc(&["findings", MAILBOX, "--all", "--format", "json"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    let found = only(&run);
    assert_sources(&found, &truth());
    // Nothing was verified, so nothing can be called untrusted.
    assert_eq!(found["inputs"]["untrusted"], 0);
    assert!(found["domains"].as_array().unwrap().len() >= truth()["domains"].as_object().unwrap().len());
}

#[test]
fn names_every_forged_report() {
    let found = everything(&["--config", CONFIG]);
    let untrusted = of_class(&found, "report.untrusted");
    assert_eq!(untrusted.len(), 2, "{untrusted:?}");
    for finding in untrusted {
        assert!(finding["evidence"].to_string().contains("new/"), "{finding}");
    }
}

#[test]
fn names_every_refused_mail_of_the_mailbox() {
    let run = dmarc(&["findings", MAILBOX, "--config", CONFIG]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    // A binary and a web page are no report at all.
    let harmless = ["binary.xml.gz", "html.xml"];
    for name in truth()["hostile"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
        assert_eq!(run.stderr.contains(name), !harmless.contains(&name), "{name}: {}", run.stderr);
    }
    assert!(run.stderr.ends_with("dmarc: 352 inputs read; 10 refused, 3 read in part\n"), "{}", run.stderr);
}

// ---- brevity and order ------------------------------------------------------------

#[test]
fn shows_the_worst_first_and_says_how_many_are_missing() {
    let all = everything(&["--config", CONFIG]);
    let few = only(&dmarc(&["findings", MAILBOX, "--config", CONFIG, "--format", "json"]));
    assert_worst_first(&all);
    assert_worst_first(&few);
    assert_eq!(all["not_shown"], 0);
    assert_eq!(few["not_shown"], count(&all) - count(&few));
    assert!(of_class(&few, "authorized").is_empty() && !of_class(&all, "authorized").is_empty());
    let kept: Vec<_> = few["findings"].as_array().unwrap().iter().collect();
    assert!(kept.iter().all(|finding| all["findings"].as_array().unwrap().contains(finding)));
}

#[test]
fn shows_at_most_twelve_findings_a_domain() {
    let root = folder(&[("a.xml", &many_sources(20))]);
    let path = root.path().to_str().unwrap();
    let few = only(&dmarc(&["findings", path, "--format", "json"]));
    let all = only(&dmarc(&["findings", path, "--format", "json", "--all"]));
    assert_eq!((count(&few), few["not_shown"].as_u64()), (12, Some(8)), "{few}");
    assert_eq!((count(&all), all["not_shown"].as_u64()), (20, Some(0)));
    assert_eq!(few["findings"].as_array().unwrap()[..], all["findings"].as_array().unwrap()[..12]);
    assert_worst_first(&all);
    let table = dmarc(&["findings", path]).stdout;
    assert_eq!(
        table.lines().filter(|line| line.contains(" F-") && !line.contains("explain")).count(),
        12,
        "{table}"
    );
    assert!(table.contains("8 more findings with --all"), "{table}");
}

#[test]
fn fails_for_a_finding_that_is_not_shown_and_whatever_else_was_refused() {
    let root =
        folder(&[("a.xml", &failing(REPORT).replace("<count>2<", "<count>900<")), ("b.xml", "<feedback>")]);
    let path = root.path().to_str().unwrap();
    let run = dmarc(&["findings", path, "--fail-on", "low", "--limit", "0"]);
    assert_eq!(run.code, 1, "{}", run.whole());
    assert!(run.stderr.contains("1 refused"), "{}", run.stderr);
    assert_eq!(dmarc(&["findings", path, "--fail-on", "critical"]).code, 3);
}

#[test]
fn says_what_is_left_out_beside_rows_too() {
    let root = folder(&[("a.xml", &many_sources(20))]);
    for format in ["csv", "ndjson", "markdown"] {
        let run = dmarc(&["findings", root.path().to_str().unwrap(), "--format", format]);
        assert!(run.stderr.contains("8 more findings with --all.\n"), "{format}: {}", run.stderr);
    }
}

#[test]
fn names_the_expired_decision_beside_rows_too() {
    let decision = "[[decision]]\nstatus = \"approved\"\ndomain = \"example.org\"\nnetwork = \"192.0.2.0/24\"\n\
                    owner = \"ops\"\nreason = \"a test\"\nexpires = \"2026-01-31\"\n";
    let config = "[lookup]\ndecisions_file = \"decisions.toml\"\n";
    let root =
        folder(&[("in/a.xml", &failing(REPORT)), ("decisions.toml", decision), ("dmarc.toml", config)]);
    let path = |name| root.path().join(name).to_str().unwrap().to_owned();
    let run = dmarc(&["findings", &path("in"), "--config", &path("dmarc.toml"), "--format", "csv"]);
    assert!(run.stderr.contains("A decision has expired on 2026-01-31"), "{}", run.whole());
}

#[test]
fn says_of_each_domain_which_time_its_own_reports_cover() {
    let other = REPORT
        .replace("example.org", "example.net")
        .replace("1792886400", "1790294400")
        .replace("1792972799", "1790380799");
    let root = folder(&[("a.xml", REPORT), ("b.xml", &other)]);
    let shown = dmarc(&["findings", root.path().to_str().unwrap()]).stdout;
    for head in ["example.org   2026-10-25 … 2026-10-25", "example.net   2026-09-25 … 2026-09-25"] {
        assert!(shown.lines().any(|line| line == head), "{shown}");
    }
}

#[test]
fn gives_the_same_bytes_twice() {
    for format in ["table", "json"] {
        let arguments = ["findings", MAILBOX, "--config", CONFIG, "--all", "--format", format];
        assert_eq!(dmarc(&arguments).whole(), dmarc(&arguments).whole());
    }
}

#[test]
fn gives_the_same_bytes_for_any_order_of_mails() {
    let mut mails = mails();
    let sorted = with_paths(&mails);
    mails.reverse();
    assert_eq!(with_paths(&mails), sorted);
    // Far apart and in no order: a step that shares no factor with the number of mails.
    let step = 149;
    assert_ne!(mails.len() % step, 0);
    let shuffled: Vec<_> = (0..mails.len()).map(|at| mails[at * step % mails.len()].clone()).collect();
    assert_eq!(shuffled.iter().collect::<BTreeSet<_>>().len(), mails.len());
    assert_eq!(with_paths(&shuffled), sorted);
}

#[test]
fn finds_the_same_in_an_mbox_as_in_a_maildir() {
    let mut mbox = String::new();
    for mail in mails() {
        mbox.push_str("From reporter@example.org Thu Jan  1 00:00:00 1970\n");
        for line in std::fs::read_to_string(mail).unwrap().lines() {
            let quote = if line.trim_start_matches('>').starts_with("From ") { ">" } else { "" };
            mbox.extend([quote, line, "\n"]);
        }
        mbox.push('\n');
    }
    let root = folder(&[("all.mbox", &mbox)]);
    let path = root.path().join("all.mbox");
    let path = path.to_str().unwrap();
    for format in ["table", "json"] {
        let run = |path| {
            let arguments = ["findings", path, "--config", CONFIG, "--all", "--format", format];
            dmarc_with_input(&arguments, mbox.as_bytes()).stdout
        };
        let from_maildir = run(MAILBOX);
        assert_eq!(with_labels_of_the_maildir(&run(path), path), from_maildir);
        assert_eq!(with_labels_of_the_maildir(&run("-"), "-"), from_maildir);
    }
}

// ---- what can be wrong ------------------------------------------------------------

#[test]
fn is_content_if_all_is_fine() {
    let root = folder(&[("new/1", REPORT)]);
    let run = dmarc(&["findings", root.path().to_str().unwrap()]);
    insta::assert_snapshot!(run.whole(), @r"
    example.org   2026-10-25 … 2026-10-25
    2 messages in 1 report from 1 reporter, 100.0 % pass; 0 failed and were delivered
     nothing that needs a decision

    1 report counted in 1 mail.
    1 more finding with --all.
    --- stderr
    --- exit code 0
    ");
}

#[test]
fn says_that_there_was_no_report() {
    let run = dmarc_with_input(&["findings", "-"], b"Subject: lunch?\n\nNoon?\n");
    insta::assert_snapshot!(run.whole(), @r"
    0 reports counted in 1 mail; set aside: 1 not a report.
    --- stderr
    --- exit code 0
    ");
}

#[test]
fn counts_the_rest_and_names_what_was_refused() {
    let cut = REPORT.split("</record>").next().unwrap();
    let root = folder(&[("a.xml", cut), ("b.xml", REPORT)]);
    let run = dmarc(&["findings", root.path().to_str().unwrap()]);
    insta::assert_snapshot!(run.whole(), @r"
    example.org   2026-10-25 … 2026-10-25
    2 messages in 1 report from 1 reporter, 100.0 % pass; 0 failed and were delivered
     nothing that needs a decision

    1 report counted in 2 mails; set aside: 1 refused.
    1 more finding with --all.
    --- stderr
    refused:
      a.xml: document is cut short inside <feedback> at byte 927
    dmarc: 2 inputs read; 1 refused
    --- exit code 3
    ");
}

#[test]
fn names_a_path_that_is_not_there() {
    let run = dmarc(&["findings", "/no/such/path"]);
    insta::assert_snapshot!(run.whole(), @r"
    0 reports counted in 0 mails.
    --- stderr
    not read:
      /no/such/path: no such file or folder (`-` reads standard input)
    dmarc: 0 inputs read; 1 not read
    --- exit code 4
    ");
}

#[test]
fn counts_what_is_there_if_one_path_is_missing() {
    let root = folder(&[("a.xml", REPORT)]);
    let run = dmarc(&["findings", "/no/such/path", root.path().to_str().unwrap(), "--format", "json"]);
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert!(run.stderr.contains("/no/such/path: no such file or folder"), "{}", run.stderr);
    assert_eq!(only(&run)["domains"][0]["messages"], 2);
}

#[test]
fn names_a_folder_without_files() {
    let root = folder(&[]);
    insta::assert_snapshot!(whole_in(&root, &dmarc(&["findings", root.path().to_str().unwrap()])), @r"
    0 reports counted in 0 mails.
    --- stderr
    not read:
      [FOLDER]: no file in this folder (hidden names and links in it are passed over)
    dmarc: 0 inputs read; 1 not read
    --- exit code 4
    ");
}

#[cfg(target_os = "linux")]
#[test]
fn names_a_file_that_cannot_be_read() {
    let run = dmarc(&["findings", "/proc/self/mem"]);
    insta::assert_snapshot!(run.whole(), @r"
    0 reports counted in 0 mails.
    --- stderr
    not read:
      /proc/self/mem: cannot be read (are its permissions right?): Input/output error (os error 5)
    dmarc: 0 inputs read; 1 not read
    --- exit code 4
    ");
}

#[test]
fn explains_an_unknown_option() {
    insta::assert_snapshot!(dmarc(&["findings", MAILBOX, "--confg", CONFIG]).whole(), @r"
    --- stderr
    error: unexpected argument '--confg' found

      tip: a similar argument exists: '--config'

    Usage: dmarc findings --config <FILE> <PATH>...

    For more information, try '--help'.
    --- exit code 2
    ");
}

#[test]
fn explains_an_unknown_format() {
    insta::assert_snapshot!(dmarc(&["findings", MAILBOX, "--format", "jsn"]).whole(), @r"
    --- stderr
    error: invalid value 'jsn' for '--format <FORMAT>'
      [possible values: table, json, ndjson, csv, markdown]

      tip: a similar value exists: 'json'

    For more information, try '--help'.
    --- exit code 2
    ");
}

#[test]
fn explains_a_missing_path() {
    assert_eq!(dmarc(&["findings"]).code, 2);
}

#[test]
fn names_file_and_line_of_a_configuration_that_is_no_toml() {
    let run = configured("[owner]\ndomains = [\"example.org\"\n\n[lookup]\n", None);
    insta::assert_snapshot!(run, @r"
    --- stderr
    dmarc: [FOLDER]/dmarc.toml:4: not valid TOML: missing comma between array elements, expected `,`
    --- exit code 2
    ");
}

#[test]
fn names_the_nearest_key_of_a_configuration() {
    let run =
        configured("# mine\n[owner]\ndomains = [\"example.org\"]\nnetwroks = [\"192.0.2.0/24\"]\n", None);
    insta::assert_snapshot!(run, @r"
    --- stderr
    dmarc: [FOLDER]/dmarc.toml:4: unknown key `owner.netwroks` (did you mean `networks`?): expected domains, networks or trusted_authserv_ids
    --- exit code 2
    ");
}

#[test]
fn names_a_network_that_is_none() {
    let run = configured("[owner]\nnetworks = [\n  \"192.0.2.0/24\",\n  \"192.0.2.0/33\",\n]\n", None);
    insta::assert_snapshot!(run, @r#"
    --- stderr
    dmarc: [FOLDER]/dmarc.toml:4: `owner.networks`: expected IP addresses or networks such as "192.0.2.0/24", found "192.0.2.0/33"
    --- exit code 2
    "#);
}

#[test]
fn names_a_configuration_that_is_not_there() {
    let run = dmarc(&["findings", MAILBOX, "--config", "/no/such/dmarc.toml"]);
    insta::assert_snapshot!(run.whole(), @r"
    --- stderr
    dmarc: /no/such/dmarc.toml: the configuration cannot be read: No such file or directory (os error 2)
    --- exit code 2
    ");
}

#[test]
fn names_a_table_of_hosts_that_is_not_there() {
    insta::assert_snapshot!(configured("[lookup]\nhosts_file = \"ptr.tsv\"\n", None), @r"
    --- stderr
    dmarc: [FOLDER]/ptr.tsv: the table of hosts cannot be read: No such file or directory (os error 2)
    --- exit code 2
    ");
}

#[test]
fn names_file_and_line_of_a_broken_table_of_hosts() {
    let hosts = "192.0.2.1\tmail.example.org\tconfirmed\n192.0.2.2 mail2.example.org confirmed\n";
    insta::assert_snapshot!(configured("[lookup]\nhosts_file = \"ptr.tsv\"\n", Some(hosts)), @r"
    --- stderr
    dmarc: [FOLDER]/ptr.tsv:2: expected an IP address, a tab, a name, a tab, `confirmed` or `unconfirmed`
    --- exit code 2
    ");
}

#[test]
fn ends_silently_if_the_pipe_is_closed() {
    let root = folder(&[("a.xml", REPORT)]);
    for format in ["table", "json"] {
        let run =
            common::dmarc_with_closed_pipe(&["findings", root.path().to_str().unwrap(), "--format", format]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn says_that_the_disk_is_full() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let root = folder(&[("a.xml", REPORT)]);
    let run = common::dmarc_into(&["findings", root.path().to_str().unwrap()], full);
    insta::assert_snapshot!(run.whole(), @r"
    --- stderr
    dmarc: cannot write the output: No space left on device (os error 28)
    --- exit code 4
    ");
}

// ---- text of strangers ------------------------------------------------------------

#[test]
fn sends_no_hostile_text_of_a_report_to_the_terminal() {
    let root = hostile_reports();
    let path = root.path().to_str().unwrap();
    for arguments in
        [&["findings", path, "--all"][..], &["findings", path, "--all", "--format", "json"], &["parse", path]]
    {
        let run = dmarc(arguments);
        assert_eq!(run.code, 3, "{}", run.stderr);
        for text in [&run.stdout, &run.stderr] {
            let unsafe_chars: BTreeSet<char> = text.chars().filter(|c| *c != '\n' && is_unsafe(*c)).collect();
            assert!(unsafe_chars.is_empty(), "{unsafe_chars:?} in {text:?}");
        }
    }
}

#[test]
fn breaks_no_line_of_the_table_at_hostile_text() {
    let root = hostile_reports();
    let run = dmarc(&["findings", root.path().to_str().unwrap(), "--all"]);
    assert_fits(&run, 100);
    assert!(run.stdout.contains("\\u{202e}"), "{}", run.stdout);
    for row in run.stdout.lines().filter(|line| line.starts_with(' ')) {
        let first = row.split_whitespace().next().unwrap();
        assert!(first == "severity" || SEVERITIES.contains(&first), "{row}");
    }
}

#[test]
fn keeps_hostile_text_in_json_as_what_it_is() {
    let root = hostile_reports();
    let run = dmarc(&["parse", root.path().to_str().unwrap()]);
    let lines = json_lines(&run);
    let name = lines[0]["report"]["report_metadata"]["org_name"].as_str().unwrap();
    assert!(name.starts_with("Receivera") && name.contains("\u{202e}c\nd"), "{name:?}");
}

// ---- what the tests share ---------------------------------------------------------

fn truth() -> Value {
    serde_json::from_str(&std::fs::read_to_string(Path::new(MAILBOX).join("truth.json")).unwrap()).unwrap()
}

/// All findings in the mailbox, as JSON.
fn everything(more: &[&str]) -> Value {
    only(&dmarc(&[&["findings", MAILBOX, "--all", "--format", "json"], more].concat()))
}

/// The one object on standard output.
fn only(run: &Run) -> Value {
    let mut lines = json_lines(run);
    assert_eq!(lines.len(), 1, "{}", run.whole());
    lines.remove(0)
}

fn count(found: &Value) -> usize {
    found["findings"].as_array().unwrap().len()
}

fn of_class<'v>(found: &'v Value, class: &str) -> Vec<&'v Value> {
    found["findings"].as_array().unwrap().iter().filter(|finding| finding["class"] == class).collect()
}

/// The mails of the mailbox, by name.
fn mails() -> Vec<String> {
    let entries = std::fs::read_dir(Path::new(MAILBOX).join("new")).unwrap();
    let paths: BTreeSet<_> =
        entries.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned()).collect();
    paths.into_iter().collect()
}

/// Standard output for mails that are named one by one.
fn with_paths(mails: &[String]) -> String {
    let mut arguments = vec!["findings", "--config", CONFIG, "--all", "--format", "json"];
    arguments.extend(mails.iter().map(String::as_str));
    dmarc(&arguments).stdout
}

/// What a run with this configuration, and this table of hosts, says.
fn configured(config: &str, hosts: Option<&str>) -> String {
    let root = folder(&[("dmarc.toml", config), ("mail/a.xml", REPORT)]);
    if let Some(hosts) = hosts {
        std::fs::write(root.path().join("ptr.tsv"), hosts).unwrap();
    }
    let [config, mail] = ["dmarc.toml", "mail"].map(|name| root.path().join(name));
    let run = dmarc(&["findings", mail.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    whole_in(&root, &run)
}

fn whole_in(root: &tempfile::TempDir, run: &Run) -> String {
    run.whole().replace(root.path().to_str().unwrap(), "[FOLDER]")
}

/// The report with every message failing.
fn failing(report: &str) -> String {
    report.replace(">pass<", ">fail<")
}

/// A report on so many hosts, each authenticated as another domain of its own.
fn many_sources(number: u64) -> String {
    let (head, rest) = REPORT.split_once("<record>").unwrap();
    let (record, tail) = rest.split_once("</record>").unwrap();
    let records = (1..=number).map(|n| {
        record
            .replace("192.0.2.1", &format!("198.18.{n}.1"))
            .replace("<count>2<", &format!("<count>{}<", 1_000 + n))
            .replace("<dkim>pass</dkim><spf>pass</spf>", "<dkim>fail</dkim><spf>fail</spf>")
            .replace("<domain>example.org", &format!("<domain>stranger{n}.example"))
    });
    let records: Vec<_> = records.collect();
    format!("{head}<record>{}</record>{tail}", records.join("</record><record>"))
}

/// Reports that hold hostile text wherever they may, two that contradict each other, one that is refused.
fn hostile_reports() -> tempfile::TempDir {
    let named = failing(REPORT).replace("Receiver<", &format!("Receiver{HOSTILE}<"));
    let texts = named
        .replace("<header_from>", &format!("<header_from>{HOSTILE}."))
        .replace("<selector>", &format!("<selector>{HOSTILE}"))
        .replace("r-1", &format!("r-1{HOSTILE}"));
    let policy = failing(REPORT).replace("<domain>example.org", &format!("<domain>example.{HOSTILE}"));
    let tls = serde_json::json!({
        "organization-name": "x\u{1b}[31m\u{202e}", "contact-info": "a\nb", "report-id": "t\u{1b}1",
        "date-range": { "start-datetime": "2026-10-25T00:00:00Z", "end-datetime": "2026-10-25T23:59:59Z" },
        "policies": [{
            "policy": { "policy-type": "sts", "policy-string": ["\u{1b}"], "policy-domain": "example.org" },
            "summary": { "total-successful-session-count": 1, "total-failure-session-count": 500 },
            "failure-details": [{
                "result-type": "certificate-expired", "sending-mta-ip": "192.0.2.9",
                "receiving-mx-hostname": "mx\u{1b}[31m\u{202e}\n.example.org", "failed-session-count": 500,
            }],
        }],
    });
    folder(&[
        ("a.xml", &texts),
        ("b.xml", &policy),
        ("c.xml", &named),
        ("d.xml", &named.replace("<count>2<", "<count>3<")),
        ("e.json", &tls.to_string()),
        ("f.xml", &named.replace("<count>2<", &format!("<count>{HOSTILE}<"))),
        ("g\u{1b}[31m\u{202e}.xml", named.split("</record>").next().unwrap()),
    ])
}

/// No row of the table is wider than the screen; a row begins with a blank.
fn assert_fits(run: &Run, columns: usize) {
    let rows: Vec<_> = run.stdout.lines().filter(|line| line.starts_with(' ')).collect();
    assert!(rows.len() > 1, "{}", run.stdout);
    for row in rows {
        assert!(row.chars().count() <= columns, "{} characters: {row}", row.chars().count());
    }
}

fn assert_worst_first(found: &Value) {
    let rank = |finding: &Value| SEVERITIES.iter().position(|severity| finding["severity"] == *severity);
    let keys: Vec<_> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| (finding["domain"].as_str().unwrap(), rank(finding).unwrap()))
        .collect();
    assert!(keys.is_sorted(), "{keys:?}");
}

/// Every unauthorised source is called so, and no other a spoof.
fn assert_sources(found: &Value, truth: &Value) {
    let mut classes: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for finding in found["findings"].as_array().unwrap() {
        for ip in finding["source"]["ips"].as_array().unwrap() {
            let source = (finding["domain"].as_str().unwrap(), ip.as_str().unwrap());
            classes.entry(source).or_default().insert(finding["class"].as_str().unwrap());
        }
    }
    let sources = truth["sources"].as_array().unwrap();
    assert!(!sources.is_empty());
    for source in sources {
        let key = (source["domain"].as_str().unwrap(), source["source_ip"].as_str().unwrap());
        let classes = classes.get(&key).cloned().unwrap_or_default();
        if source["verdict"] == "unauthorized" {
            assert!(UNAUTHORISED.iter().any(|class| classes.contains(class)), "{classes:?}: {source}");
        } else {
            assert!(!classes.contains("unauthorized.spoof"), "{classes:?}: {source}");
        }
    }
}

/// What was said about the mails of an mbox, as if each had been a file of the mailbox.
fn with_labels_of_the_maildir(text: &str, mbox: &str) -> String {
    mails().iter().zip(1..).fold(text.to_owned(), |text, (mail, number)| {
        let name = Path::new(mail).file_name().unwrap().to_str().unwrap();
        text.replace(&format!("{mbox}#{number} "), &format!("new/{name} "))
    })
}
