//! `dmarc import`, `dmarc dataset` and `dmarc findings` on the dataset: the whole life of one, and where something is wrong.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

#[expect(dead_code, reason = "a part of it is enough here")]
mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{REPORT, Run, dmarc, dmarc_with_closed_pipe, dmarc_with_env, folder, json_lines};
use dmarc_cli::render::text::is_unsafe;
use serde_json::Value;
use tempfile::TempDir;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const MAILBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox/dmarc.toml");
/// Drives the terminal, turns the line around, breaks it and hides; as XML.
const HOSTILE: &str = "a\u{1b}[31mb\u{202e}c&#10;d&#27;]0;x&#7;\u{200b}&#x9b;2J\u{2028}";
/// No name server is asked, and batches are small.
const VARIABLES: [(&str, &str); 2] =
    [("DMARC_AUTHENTICATE_DKIM", "false"), ("DMARC_LIMITS_BATCH_MESSAGES", "20")];

/// A place for a dataset.
struct Data(TempDir);

impl Data {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Runs a command on the dataset.
    fn run(&self, arguments: &[&str]) -> Run {
        let path = self.path();
        dmarc_with_env(&[arguments, &["--data", path.to_str().unwrap()]].concat(), &VARIABLES)
    }

    /// The same, where it has nothing to complain of.
    fn ok(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{arguments:?}: {}", run.whole());
        run.stdout
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(arguments)).unwrap()
    }

    /// Files of segments.
    fn segments(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        files(&self.path().join("records"), &mut found);
        found
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn report(number: u32) -> String {
    REPORT.replace("r-1", &format!("r-{number}"))
}

// ---- the life of a dataset ------------------------------------------------------------

/// A report of more than 64 KiB.
fn large_report(number: u32) -> String {
    format!("{}<!--{}-->\n", report(number), "x".repeat(100_000))
}

#[test]
fn leaves_what_is_too_large_where_it_is_until_the_limit_is_raised() {
    let data = Data::new();
    let mbox = format!(
        "From a\nSubject: x\n\n{}\nFrom b\nFrom: a@r.example\nSubject: x\nMIME-Version: 1.0\nContent-Type: text/xml\n\n{}",
        "x\n".repeat(50_000),
        report(3)
    );
    let mails = folder(&[("a.xml", &large_report(1)), ("b.xml", &report(2)), ("c.mbox", &mbox)]);
    let path = mails.path().to_str().unwrap();
    let run = |limit| {
        let (data, limit) = (data.path(), ("DMARC_LIMITS_MESSAGE", limit));
        let arguments = ["import", path, "--data", data.to_str().unwrap()];
        dmarc_with_env(&arguments, &[VARIABLES[0], VARIABLES[1], limit])
    };
    let small = run("64KiB");
    assert_eq!(
        (small.code, small.stdout.as_str()),
        (3, "4 new mails: 2 new reports with 2 rows, 2 refused\n")
    );
    let size = large_report(1).len();
    assert!(small.stderr.contains(&format!("a.xml: {size} bytes, more than the 65536")), "{}", small.stderr);
    assert!(small.stderr.contains("c.mbox#1: 100012 bytes, more than the 65536"), "{}", small.stderr);
    assert_eq!(data.json(&["dataset", "status", "--json"])["kept"], 0);
    let known = run("64KiB");
    assert_eq!(
        (known.code, known.stdout.as_str()),
        (0, "0 new mails: 0 new reports with 0 rows, 4 known before\n")
    );
    let raised = run("1MiB");
    let expected = "2 new mails: 1 new report with 1 row, 1 no report, 2 known before\n";
    assert_eq!((raised.code, raised.stdout.as_str()), (0, expected), "{}", raised.whole());
    assert_eq!(data.json(&["dataset", "verify", "--json"])["problems"], Value::from(Vec::<Value>::new()));
}

#[test]
fn takes_a_mailbox_in_cares_for_it_and_forgets_it() {
    let data = Data::new();
    let run = data.run(&["import", MAILBOX, "--config", CONFIG]);
    assert_eq!(run.code, 3, "{}", run.whole());
    let expected = "352 new mails: 321 new reports with 4722 rows, 10 copies of reports, 2 in conflict, 2 untrusted, \
                    10 refused, 7 no report\n";
    assert_eq!(run.stdout, expected);

    let status = data.ok(&["dataset", "status"]);
    assert!(status.starts_with("dataset "), "{status}");
    assert!(status.contains("\nreports                231 aggregate, 10 failure, 80 tlsrpt\n"), "{status}");
    let json = data.ok(&["dataset", "status", "--json"]);
    assert_eq!(json.matches("\"schema\":").count(), 1, "{json}");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["schema"], &json["dataset_version"]), (&Value::from(1), &Value::from("1")));
    assert_eq!(json["kept"], 15);

    let agreed = format!(
        "352 mails, 321 reports, {} segments with 4722 rows and 254597 messages, 15 files kept aside: all agree\n",
        data.segments().len()
    );
    assert_eq!(data.ok(&["dataset", "verify"]), agreed);

    let mut segments = data.segments();
    segments.sort_unstable();
    let listed = |arguments: &[&str]| -> Vec<PathBuf> {
        data.ok(&[&["dataset", "files"], arguments].concat()).lines().map(PathBuf::from).collect()
    };
    assert_eq!(listed(&[]), segments);
    segments.retain(|path| path.to_str().unwrap().contains("/kind=tlsrpt/"));
    assert!(!segments.is_empty());
    assert_eq!(listed(&["--kind", "tlsrpt"]), segments);

    let before = data.json(&["dataset", "verify", "--json"]);
    let compacted = data.json(&["dataset", "compact", "--json"]);
    assert_eq!((&compacted["schema"], &compacted["after"]), (&Value::from(1), &Value::from(3)));
    assert_eq!(compacted["before"], before["segments"]);
    assert!(before["segments"].as_u64().unwrap() > 10, "{before}");
    assert_eq!(data.segments().len(), 3);
    let after = data.json(&["dataset", "verify", "--json"]);
    for key in ["schema", "mails", "reports", "rows", "messages", "kept", "problems"] {
        assert_eq!(before[key], after[key], "{key}");
    }

    let erased = data.ok(&["dataset", "erase", "--before", "2026-09-05"]);
    assert!(erased.ends_with(" reports and 0 files kept aside are forgotten\n"), "{erased}");
    let left = data.json(&["dataset", "verify", "--json"]);
    assert!(left["reports"].as_u64().unwrap() < 321, "{left}");
    assert!(data.ok(&["findings", "--config", CONFIG]).contains("2026-09-"));

    // What is forgotten does not come back.
    assert!(data.ok(&["import", MAILBOX, "--config", CONFIG]).starts_with("0 new mails: 0 new reports"));
    assert_eq!(data.json(&["dataset", "verify", "--json"]), left);

    assert!(data.ok(&["dataset", "erase", "--before", "2100-01-01T00:00:00Z"]).contains(" and 15 files "));
    let left = data.json(&["dataset", "verify", "--json"]);
    assert_eq!((&left["reports"], &left["rows"], &left["kept"]), (&0.into(), &0.into(), &0.into()), "{left}");
    assert!(data.segments().is_empty());
}

#[test]
fn knows_what_it_took_in_before() {
    let data = Data::new();
    let mails = folder(&[("a.xml", &report(1)), ("b.xml", &report(2))]);
    let path = mails.path().to_str().unwrap();
    assert_eq!(data.ok(&["import", path]), "2 new mails: 2 new reports with 2 rows\n");
    assert_eq!(data.ok(&["import", path]), "0 new mails: 0 new reports with 0 rows, 2 known before\n");
    std::fs::write(mails.path().join("c.xml"), report(3)).unwrap();
    assert_eq!(data.ok(&["import", path]), "1 new mail: 1 new report with 1 row, 2 known before\n");
    assert_eq!(data.json(&["dataset", "verify", "--json"])["messages"], 6);
}

#[test]
fn takes_in_the_rest_where_a_path_is_missing() {
    let (data, mails) = (Data::new(), folder(&[("a.xml", &report(1))]));
    let [there, missing] = ["a.xml", "gone"].map(|name| mails.path().join(name));
    let run = data.run(&["import", missing.to_str().unwrap(), there.to_str().unwrap()]);
    insta::assert_snapshot!(run.whole().replace(mails.path().to_str().unwrap(), "MAILS"), @r"
    1 new mail: 1 new report with 1 row
    --- stderr
    not read:
      MAILS/gone: no such file or folder (`-` reads standard input)
    dmarc: 1 input read; 1 not read
    --- exit code 4
    ");
    assert_eq!(data.json(&["dataset", "verify", "--json"])["reports"], 1);
}

#[test]
fn takes_in_the_rest_where_something_is_refused() {
    let (data, mails) = (Data::new(), folder(&[("a.xml", "<feedback>"), ("b.xml", &report(1))]));
    let run = data.run(&["import", mails.path().to_str().unwrap()]);
    insta::assert_snapshot!(run.whole(), @r"
    2 new mails: 1 new report with 1 row, 1 refused
    --- stderr
    refused:
      a.xml: document is cut short inside <feedback> at byte 10
    dmarc: 2 inputs read; 1 refused
    --- exit code 3
    ");
    assert_eq!(data.json(&["dataset", "verify", "--json"])["reports"], 1);
}

// ---- the same findings ----------------------------------------------------------------

#[test]
fn finds_in_the_dataset_what_one_run_over_the_mailbox_finds() {
    assert_same_findings(Path::new(MAILBOX), &["--config", CONFIG]);
    assert_same_findings(Path::new(MAILBOX), &[]);
}

#[test]
fn finds_in_the_dataset_what_one_run_over_a_world_finds() {
    let generator = Path::new(ROOT).join("../shared/worldgen/worldgen.py");
    let has_python = Command::new("python3").arg("--version").output().is_ok_and(|run| run.status.success());
    if !generator.exists() || !has_python {
        return common::skipped("no world generator");
    }
    for seed in ["4", "5"] {
        let folder = tempfile::tempdir().unwrap();
        let world = folder.path().join("world");
        python(&generator, &["--seed", seed, "--domains", "2", "--days", "10", "--out"], &world);
        python(&Path::new(ROOT).join("scripts/world-config.py"), &[], &world);
        let config = world.join("dmarc.toml");
        assert_same_findings(&world.join("Maildir"), &["--config", config.to_str().unwrap()]);
    }
}

fn python(script: &Path, options: &[&str], world: &Path) {
    let run = Command::new("python3").arg("-B").arg(script).args(options).arg(world).output().unwrap();
    assert!(run.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&run.stderr));
}

/// Byte for byte: of the dataset in many segments, in few, and of the mails themselves.
fn assert_same_findings(mails: &Path, options: &[&str]) {
    let mails = mails.to_str().unwrap();
    let json = ["--all", "--format", "json"];
    let once = dmarc(&[&["findings", mails][..], options, &json].concat());
    let once = judged(&once.stdout);
    assert!(once.len() > 1000, "{once}");
    let data = Data::new();
    let taken = data.run(&[&["import", mails], options].concat());
    assert!(matches!(taken.code, 0 | 3), "{}", taken.whole());
    let ask = || data.ok(&[&["findings"][..], options, &json].concat());
    assert!(data.segments().len() > 6, "{:?}", data.segments());
    assert_same(judged(&ask()), once, "before compaction");
    data.ok(&["dataset", "compact"]);
    assert_same(judged(&ask()), once, "after compaction");
}

/// Domains and findings, as written. What follows counts inputs: a mail that came twice is one in the dataset.
fn judged(answer: &str) -> &str {
    let from = answer.find("\"domains\":").unwrap();
    let to = answer.find(",\"not_shown\":").unwrap();
    answer.get(from..to).unwrap()
}

fn assert_same(found: &str, expected: &str, when: &str) {
    let at = found.bytes().zip(expected.bytes()).position(|(one, other)| one != other);
    let around = |text: &str| -> String {
        text.chars().skip(at.unwrap_or_default().saturating_sub(300)).take(400).collect()
    };
    assert!(found == expected, "{when}:\n{}\nexpected:\n{}", around(found), around(expected));
}

// ---- hostile text ---------------------------------------------------------------------

#[test]
fn shows_nothing_that_could_harm_a_terminal() {
    let data = Data::new();
    let hostile = |text: String| {
        text.replace(">Receiver<", &format!(">{HOSTILE}<"))
            .replace("header_from>example.org", &format!("header_from>{HOSTILE}"))
    };
    let of = |report_id: &str| hostile(REPORT.replace("r-1", report_id));
    let conflict = of(HOSTILE).replace("<count>2<", "<count>3<");
    let half =
        of("half").replace("</record>", "</record><record><row><source_ip>\u{1b}</source_ip></row></record>");
    let name = "x\u{1b}]0;y\u{7}\u{202e}";
    let mails = folder(&[
        (&format!("1{name}.xml"), &of(HOSTILE)),
        (&format!("2{name}.xml"), &conflict),
        (&format!("3{name}.xml"), &half),
        (&format!("4{name}.xml"), "<feedback>\u{1b}[2J&#x9b;<\u{1b}x></feedback>"),
        (
            &format!("5{name}.xml"),
            &hostile(report(5)).replace("<domain>example.org", &format!("<domain>{HOSTILE}")),
        ),
    ]);
    let gone = mails.path().join(format!("gone{name}"));
    let taken = data.run(&["import", mails.path().to_str().unwrap(), gone.to_str().unwrap()]);
    assert_eq!(taken.code, 4, "{}", taken.whole());
    assert!(taken.stderr.contains("refused:") && taken.stderr.contains("read in part:"), "{}", taken.stderr);
    assert_harmless(&taken);
    let list = data.run(&["quarantine", "list"]);
    for outcome in ["refused", "conflict", "rejected"] {
        assert!(list.stdout.contains(outcome), "{outcome}: {}", list.stdout);
    }
    assert_harmless(&list);
    for arguments in [
        &["quarantine", "list", "--json"][..],
        &["dataset", "status"],
        &["dataset", "status", "--json"],
        &["dataset", "verify"],
        &["findings", "--all"],
        &["findings", "--all", "--format", "json"],
        &["quarantine", "retry", "--all"],
        &["quarantine", "show", "\u{1b}[31m\u{202e}"],
        &["import", "--config", "/\u{1b}[31m\u{202e}", "x"],
    ] {
        assert_harmless(&data.run(arguments));
    }
    std::fs::write(data.path().join("quarantine").join(name), "").unwrap();
    let verified = data.run(&["dataset", "verify"]);
    assert_eq!(verified.code, 5, "{}", verified.whole());
    assert_harmless(&verified);
}

fn assert_harmless(run: &Run) {
    let found = run.whole();
    let found = found.chars().filter(|c| *c != '\n' && is_unsafe(*c)).collect::<Vec<_>>();
    assert!(found.is_empty(), "{found:?} in {}", run.whole());
}

// ---- what is wrong --------------------------------------------------------------------

#[test]
fn says_that_there_is_no_dataset() {
    let data = Data::new();
    for arguments in
        [&["dataset", "status"][..], &["dataset", "verify"], &["quarantine", "list"], &["findings"]]
    {
        let run = data.run(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.whole());
        assert!(run.stderr.contains("there is no dataset here (`dmarc import` makes one)"), "{}", run.stderr);
    }
    assert!(!data.path().exists());
    let nowhere = folder(&[("dmarc.toml", "")]);
    let config = nowhere.path().join("dmarc.toml");
    let run = dmarc(&["dataset", "status", "--config", config.to_str().unwrap()]);
    insta::assert_snapshot!(run.whole(), @r"
    --- stderr
    dmarc: it is not known where the dataset is
      hint: name its folder with --data DIR, DMARC_DATA or `data` in the configuration
    --- exit code 2
    ");
}

#[test]
fn names_what_is_damaged() {
    let data = Data::new();
    data.run(&["import", MAILBOX, "--config", CONFIG]);
    data.ok(&["dataset", "compact"]);
    let segments = data.segments();
    std::fs::remove_file(&segments[0]).unwrap();
    std::fs::write(&segments[1], "PAR1").unwrap();
    let run = data.run(&["dataset", "verify"]);
    assert_eq!(run.code, 5, "{}", run.whole());
    for (segment, what) in
        [(&segments[0], "it is missing"), (&segments[1], "its content is not what was written")]
    {
        let name = segment.strip_prefix(data.path()).unwrap().display();
        assert!(run.stdout.contains(&format!("{name}: {what}\n")), "{}", run.stdout);
    }
    assert!(run.stdout.ends_with(": not all agree\n"), "{}", run.stdout);
    let answer = &json_lines(&data.run(&["dataset", "verify", "--json"]))[0];
    assert!(answer["problems"].as_array().unwrap().len() > 1, "{answer}");
    let run = data.run(&["findings"]);
    assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{}", run.whole());
}

#[test]
fn refuses_a_date_that_is_none() {
    let data = Data::new();
    for date in ["", "yesterday", "2026-13-01", "2026-09-01T25:00:00Z"] {
        let run = data.run(&["dataset", "erase", "--before", date]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.whole());
        assert!(run.stderr.contains("expected a date such as 2026-01-31"), "{}", run.stderr);
    }
    assert!(!data.path().exists());
}

#[test]
fn ends_quietly_where_nobody_listens() {
    let (data, mails) = (Data::new(), folder(&[("a.xml", &report(1)), ("b.xml", "<feedback>")]));
    let path = data.path();
    let path = path.to_str().unwrap();
    // What was taken in is safe all the same.
    let run =
        dmarc_with_closed_pipe(&["import", mails.path().join("a.xml").to_str().unwrap(), "--data", path]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(data.json(&["dataset", "verify", "--json"])["reports"], 1);
    data.run(&["import", mails.path().to_str().unwrap()]);
    for arguments in [
        &["dataset", "status"][..],
        &["dataset", "status", "--json"],
        &["dataset", "verify"],
        &["dataset", "compact"],
        &["dataset", "erase", "--before", "2000-01-01"],
        &["quarantine", "list"],
        &["quarantine", "list", "--json"],
        &["findings"],
        &["quarantine", "drop", "--all"],
    ] {
        let run = dmarc_with_closed_pipe(&[arguments, &["--data", path]].concat());
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

// ---- help -----------------------------------------------------------------------------

#[test]
fn helps_on_80_columns() {
    for arguments in [
        &["--help"][..],
        &["check", "--help"],
        &["dataset", "--help"],
        &["dataset", "erase", "--help"],
        &["findings", "--help"],
        &["import", "--help"],
        &["quarantine", "--help"],
        &["quarantine", "retry", "--help"],
    ] {
        let run = dmarc_with_env(arguments, &[("COLUMNS", "80")]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        for line in run.stdout.lines() {
            assert!(line.chars().count() <= 80, "{arguments:?}: {line}");
        }
    }
    let help = dmarc(&["--help"]).stdout;
    let verbs: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for verb in ["check", "dataset", "findings", "import", "init", "parse", "quarantine"] {
        assert!(verbs.contains(&verb), "{verbs:?}");
    }
}
