//! What is judged: explained down to the mail, decided by the operator, simulated, compared; over files as over the dataset.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests; the exemption of clippy.toml ends at `#[test]` functions"
)]

#[expect(dead_code, reason = "a part of it is enough here")]
mod common;

use std::collections::BTreeSet;

use common::{REPORT, Run, dmarc, folder};
use serde_json::Value;

const MAILBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox/dmarc.toml");

/// A command about the mailbox; some mail in it is refused.
fn about_mailbox(arguments: &[&str]) -> Run {
    let run = dmarc(&[arguments, &[MAILBOX, "--config", CONFIG]].concat());
    assert_eq!(run.code, 3, "{}", run.stderr);
    run
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap()
}

fn findings() -> Vec<Value> {
    json(&about_mailbox(&["findings", "--all", "--format", "json"]))["findings"].as_array().unwrap().clone()
}

fn finding_of(class: &str) -> Value {
    findings().into_iter().find(|finding| finding["class"] == class).unwrap()
}

/// A decision about the source of a finding, and what the mailbox is found to be with it.
fn decided(id: &str, status: &str, expires: &str) -> (Value, Run) {
    let hosts = std::fs::read_to_string(format!("{MAILBOX}/ptr.tsv")).unwrap();
    let config = std::fs::read_to_string(CONFIG).unwrap();
    let config = config.replace("[lookup]", "[lookup]\ndecisions_file = \"decisions.toml\"");
    let decision = format!(
        "[[decision]]\nstatus = \"{status}\"\nfinding = \"{id}\"\nowner = \"ops\"\nreason = \"a test\"\nexpires = \"{expires}\"\n"
    );
    let root = folder(&[("dmarc.toml", &config), ("ptr.tsv", &hosts), ("decisions.toml", &decision)]);
    let config = root.path().join("dmarc.toml");
    let run =
        dmarc(&["findings", MAILBOX, "--all", "--format", "json", "--config", config.to_str().unwrap()]);
    let found = json(&run)["findings"].as_array().unwrap().clone();
    (found.into_iter().find(|finding| finding["id"] == id).unwrap(), run)
}

#[test]
fn walks_from_a_finding_to_the_mail_that_brought_its_rows() {
    let finding = finding_of("unauthorized.spoof");
    let id = finding["id"].as_str().unwrap();
    let text = about_mailbox(&["explain", id]).stdout;
    for word in ["concluded", "observed", "score", "unknown", "rows", "what to do", "resolved"] {
        assert!(text.lines().any(|line| line.starts_with(word)), "{word} in {text}");
    }
    let explained = json(&about_mailbox(&["explain", id, "--format", "json"]));
    let evidence = explained["findings"][0]["evidence"].as_array().unwrap();
    let rows: Vec<&Value> = evidence.iter().filter_map(|one| one.get("row")).collect();
    assert!(rows.len() > 3, "{explained}");
    for row in rows {
        let mail = row["origin"].as_str().unwrap().split(' ').next().unwrap();
        assert!(std::path::Path::new(MAILBOX).join(mail).is_file(), "{row}");
    }
}

#[test]
fn explains_hosts_domains_and_reports_too() {
    let finding = finding_of("unauthorized.spoof");
    let row =
        &finding["evidence"].as_array().unwrap().iter().find(|one| one.get("row").is_some()).unwrap()["row"];
    for id in [&row["source_ip"], &row["report_id"], &finding["domain"]] {
        let run = about_mailbox(&["explain", id.as_str().unwrap()]);
        assert!(run.stdout.contains("messages"), "{}", run.stdout);
    }
}

#[test]
fn calls_nothing_failing_that_passed() {
    let id = finding_of("authorized")["id"].as_str().unwrap().to_owned();
    let text = about_mailbox(&["explain", &id]).stdout;
    assert!(text.contains("passed, 0 delivered though failing"), "{text}");
}

#[test]
fn says_so_where_nothing_has_the_id() {
    let run = dmarc(&["explain", "F-000000", MAILBOX, "--config", CONFIG]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("F-000000: nothing in the reports has this id"), "{}", run.stderr);
}

#[test]
fn finds_in_the_dataset_what_it_finds_in_the_files() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let imported = dmarc(&["import", MAILBOX, "--config", CONFIG, "--data", folder]);
    assert_eq!(imported.code, 3, "{}", imported.stderr);
    let stored =
        json(&dmarc(&["findings", "--all", "--format", "json", "--config", CONFIG, "--data", folder]));
    let read = json(&about_mailbox(&["findings", "--all", "--format", "json"]));
    assert_eq!(stored["domains"], read["domains"]);
    let origins = |found: &Value| found["findings"].to_string().replace(&format!("{MAILBOX}/"), "");
    assert_eq!(origins(&stored), origins(&read));
    let selected = ["--domain", "marelal0.example", "--since", "2026-09-04", "--until", "2026-09-06"];
    for question in [&["senders"][..], &["readiness"], &["simulate", "--policy", "p=reject"], &["findings"]] {
        let (csv, dataset) = (["--format", "csv"], ["--config", CONFIG, "--data", folder]);
        let stored = dmarc(&[question, &selected, &csv, &dataset].concat());
        assert_eq!(stored.code, 0, "{}", stored.stderr);
        assert_eq!(
            stored.stdout,
            about_mailbox(&[question, &selected, &csv].concat()).stdout,
            "{question:?}"
        );
    }
}

#[test]
fn ends_with_1_if_a_finding_is_as_bad_as_asked() {
    let failing = REPORT.replace("<dkim>pass</dkim><spf>pass</spf>", "<dkim>fail</dkim><spf>fail</spf>");
    let root = folder(&[("a.xml", &failing.replace("<count>2<", "<count>900<"))]);
    let path = root.path().to_str().unwrap();
    assert_eq!(dmarc(&["findings", path, "--fail-on", "low"]).code, 1);
    assert_eq!(dmarc(&["findings", path, "--fail-on", "critical"]).code, 0);
    assert_eq!(dmarc(&["findings", path, "--fail-on", "awful"]).code, 2);
}

#[test]
fn believes_a_decision_until_it_expires_and_names_it_then() {
    let spoof = finding_of("unauthorized.spoof");
    let id = spoof["id"].as_str().unwrap();
    let (approved, _) = decided(id, "approved", "2026-09-10");
    assert_eq!((&approved["class"], &approved["decision"]["owner"]), (&"legit.broken".into(), &"ops".into()));
    assert_eq!(approved["messages"], spoof["messages"], "a decision hides no count");
    let (expired, run) = decided(id, "approved", "2026-09-09");
    assert_eq!(expired["class"], spoof["class"]);
    assert_eq!(json(&run)["expired"][0]["owner"], "ops");
}

#[test]
fn blocks_what_the_operator_blocks() {
    let id = finding_of("third_party.unaligned")["id"].as_str().unwrap().to_owned();
    let (blocked, _) = decided(&id, "blocked", "2026-12-31");
    assert_eq!((&blocked["class"], &blocked["confidence"]), (&"unauthorized.spoof".into(), &100.into()));
}

#[test]
fn simulates_a_record_as_a_range_by_source() {
    let rows = |policy: &str, more: &[&str]| {
        let run = about_mailbox(&[&["simulate", "--policy", policy, "--format", "json"], more].concat());
        json(&run)["rows"].as_array().unwrap().clone()
    };
    let none = rows("p=none", &[]);
    assert!(none.iter().all(|row| row["rejected_most"] == 0 && row["quarantined_most"] == 0));
    for row in rows("p=reject", &[]) {
        assert!(row["rejected_least"].as_u64() <= row["rejected_most"].as_u64(), "{row}");
    }
    let total = |rows: &[Value]| rows[0]["rejected_most"].as_u64().unwrap();
    let lost =
        rows("p=reject", &["--lose-selector", "s2026", "--lose-spf", "::/0", "--lose-spf", "0.0.0.0/0"]);
    assert!(total(&lost) > total(&rows("p=reject", &[])), "{lost:?}");
    assert_eq!(dmarc(&["simulate", "--policy", "p=maybe", MAILBOX]).code, 2);
}

#[test]
fn lists_each_gate_that_is_not_met() {
    let rows = json(&about_mailbox(&["readiness", "--format", "json"]));
    let rows = rows["rows"].as_array().unwrap();
    let unmet = rows.iter().filter(|row| row["met"] == false && row["gate"] != "ready").count();
    assert!(unmet > 0 && rows.iter().any(|row| row["gate"] == "unreviewed source"), "{rows:?}");
}

#[test]
fn names_new_and_gone_sources_between_two_periods() {
    let rows = json(&about_mailbox(&["diff", "--split", "3d", "--format", "json"]));
    let changes: Vec<&str> =
        rows["rows"].as_array().unwrap().iter().map(|row| row["change"].as_str().unwrap()).collect();
    for change in ["new", "gone", "changed"] {
        assert!(changes.contains(&change), "{changes:?}");
    }
}

#[test]
fn takes_a_campaign_for_the_same_source_however_many_hosts_it_has() {
    let rows = json(&about_mailbox(&["diff", "--format", "json"]));
    let campaigns = rows["rows"].as_array().unwrap().iter();
    let campaigns = campaigns.filter(|row| row["source"].as_str().unwrap().ends_with("one campaign"));
    let changes: Vec<&str> = campaigns.map(|row| row["change"].as_str().unwrap()).collect();
    assert!(!changes.contains(&"new") && !changes.contains(&"gone"), "{rows}");
    // Hosts of ours are one source too, whether one of them fails or all pass.
    let keys: BTreeSet<String> = findings()
        .iter()
        .filter(|finding| finding["source"]["name"].as_str().unwrap().contains("own host"))
        .map(|finding| format!("{} {}", finding["domain"], finding["source"]["key"]))
        .collect();
    let domains: BTreeSet<&str> = keys.iter().filter_map(|key| key.split(' ').next()).collect();
    assert_eq!(keys.len(), domains.len(), "{keys:?}");
}

#[test]
fn compares_what_is_before_and_after_the_split_of_the_time_that_is_asked_for() {
    let messages = |arguments: &[&str]| {
        let run = about_mailbox(&[&["diff", "--format", "json"], arguments].concat());
        let rows = json(&run)["rows"].as_array().unwrap().clone();
        let sum = |side: &str| rows.iter().filter_map(|row| row[side].as_u64()).sum::<u64>();
        (sum("messages_before"), sum("messages_after"))
    };
    for asked in [
        &["--until", "2026-09-08"][..],
        &["--since", "2026-09-07"],
        &["--until", "2026-09-06", "--split", "2d"],
        &["--since", "6d", "--until", "2d"],
    ] {
        let (before, after) = messages(asked);
        assert!(before > 0 && after > 0, "{asked:?}: {before} {after}");
    }
}

#[test]
fn compares_nothing_with_nothing() {
    for asked in [["--split", "2026-01-01"], ["--since", "2026-09-10"], ["--split", "2026-12-01"]] {
        let run = dmarc(&[&["diff", MAILBOX, "--config", CONFIG], &asked[..]].concat());
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{asked:?}: {}", run.whole());
        assert!(run.stderr.contains("there is nothing to compare with"), "{}", run.stderr);
    }
}

#[test]
fn says_one_number_of_what_was_delivered() {
    let found = findings();
    let senders = json(&about_mailbox(&["senders", "--format", "json"]));
    let senders = senders["rows"].as_array().unwrap();
    for sender in senders {
        let ids = sender["findings"].as_array().unwrap();
        let of_sender: Vec<&Value> = found.iter().filter(|finding| ids.contains(&finding["id"])).collect();
        let delivered: u64 = of_sender.iter().map(|finding| finding["delivered"].as_u64().unwrap()).sum();
        assert_eq!(sender["delivered"], delivered, "{sender}");
    }
    // What passed is not said to be delivered in spite of anything; a replay is.
    let of = |class: &str| found.iter().find(|finding| finding["class"] == class).unwrap();
    assert_eq!(of("authorized")["delivered"], 0);
    assert!(senders.iter().any(|sender| sender["delivered"].as_u64() > Some(0)));
}

#[test]
fn explains_a_domain_worst_first() {
    let domain = finding_of("unauthorized.spoof")["domain"].as_str().unwrap().to_owned();
    let explained = json(&about_mailbox(&["explain", &domain, "--format", "json"]));
    let order = ["info", "low", "medium", "high", "critical"];
    let severities = explained["findings"].as_array().unwrap().iter();
    let severities: Vec<_> =
        severities.map(|finding| order.iter().position(|word| finding["severity"] == *word)).collect();
    assert!(severities.is_sorted_by(|a, b| a >= b), "{severities:?}");
    // Those that are about no record, too, which are found apart from the others.
    let classes: BTreeSet<&str> =
        explained["findings"].as_array().unwrap().iter().map(|f| f["class"].as_str().unwrap()).collect();
    assert!(classes.iter().any(|class| class.starts_with("tls.") || class.starts_with("report.")));
}

#[test]
fn explains_tls_reports_by_their_identifier_and_failure_reports_by_that_of_the_message() {
    let report = r#"{"organization-name": "Receiver", "date-range": {"start-datetime": "2026-10-25T00:00:00Z",
        "end-datetime": "2026-10-25T23:59:59Z"}, "contact-info": "a@r.example", "report-id": "tls-1@r.example",
        "policies": [{"policy": {"policy-type": "sts", "policy-domain": "example.org"},
        "summary": {"total-successful-session-count": 3, "total-failure-session-count": 0}}]}"#;
    let failure = "From: a@r.example\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\
        Content-Type: text/plain\r\n\r\nA failure.\r\n--b\r\n\
        Content-Type: message/feedback-report\r\n\r\nFeedback-Type: auth-failure\r\nUser-Agent: x/1\r\nVersion: 1\r\n\
        Auth-Failure: dmarc\r\nReported-Domain: example.org\r\nSource-IP: 192.0.2.9\r\n\r\n--b\r\n\
        Content-Type: text/rfc822-headers\r\n\r\nFrom: x@example.org\r\nMessage-ID: <m1@example.org>\r\n\r\n--b--\r\n";
    let root = folder(&[("in/a.json", report), ("in/b.eml", failure)]);
    let path = |name| root.path().join(name).to_str().unwrap().to_owned();
    let imported = dmarc(&["import", &path("in"), "--data", &path("data")]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    for (id, expected) in [
        ("tls-1@r.example", ["receiver about example.org", "a.json"]),
        ("<m1@example.org>", ["192.0.2.9", "b.eml"]),
    ] {
        let files = dmarc(&["explain", id, &path("in")]);
        let stored = dmarc(&["explain", id, "--data", &path("data")]);
        for run in [&files, &stored] {
            assert!(expected.iter().all(|part| run.stdout.contains(part)), "{id}: {}", run.whole());
        }
        assert_eq!(files.stdout, stored.stdout);
    }
}
