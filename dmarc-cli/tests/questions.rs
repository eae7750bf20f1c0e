//! Questions over what is stored, the real binary: against the truth of a simulated mailbox, in every format, over files as over
//! the dataset, and where something is wrong.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

#[expect(dead_code, reason = "a part of it is enough here")]
mod common;

use std::path::PathBuf;

use common::{
    REPORT, Run, dmarc, dmarc_with_closed_pipe, dmarc_with_env, dmarc_with_input, folder, json_lines,
};
use dmarc_cli::render::text::is_unsafe;
use serde_json::{Value, json};
use tempfile::TempDir;

const MAILBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox/dmarc.toml");
const VARIABLES: [(&str, &str); 2] =
    [("DMARC_AUTHENTICATE_DKIM", "false"), ("DMARC_LIMITS_BATCH_MESSAGES", "50")];
const FORMATS: [&str; 5] = ["table", "json", "ndjson", "csv", "markdown"];
const QUERY: &str = "select policy_domain, count(*) as n, sum(message_count) as messages from aggregate group by policy_domain";
/// Every question, with what it needs.
const QUESTIONS: [&[&str]; 5] = [&["summary"], &["reports"], &["tls"], &["gaps"], &["sql", QUERY]];
/// Drives the terminal, turns the line around, breaks it, hides, computes and marks up; as XML.
const HOSTILE: &str =
    "=1+a\u{1b}[31mb\u{202e}c&#10;d&#27;]0;x&#7;\u{200b}&#x9b;2J\u{2028}|`*_[x](y)&lt;b&gt;&quot;,";
const DAY: i64 = 86_400;

/// The mailbox, taken into a dataset.
struct Data(TempDir);

impl Data {
    fn with_mailbox() -> Self {
        let data = Self(tempfile::tempdir().unwrap());
        assert_eq!(data.run(&["import", MAILBOX, "--config", CONFIG]).code, 3);
        data
    }

    fn with(mails: &TempDir) -> Self {
        let data = Self(tempfile::tempdir().unwrap());
        assert_eq!(data.run(&["import", path(mails)]).code, 0);
        data
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let data = self.file("data");
        dmarc_with_env(&[arguments, &["--data", data.to_str().unwrap()]].concat(), &VARIABLES)
    }

    fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        let run = self.run(&[arguments, &["--format", "ndjson"]].concat());
        assert_eq!(run.code, 0, "{arguments:?}: {}", run.whole());
        json_lines(&run)
    }
}

fn path(folder: &TempDir) -> &str {
    folder.path().to_str().unwrap()
}

fn truth() -> Value {
    serde_json::from_str(&std::fs::read_to_string(format!("{MAILBOX}/truth.json")).unwrap()).unwrap()
}

/// A report of `reporter` about one day, with so many messages.
fn report(reporter: &str, day: i64, messages: u64) -> String {
    let begin = 1_792_886_400 + day * DAY;
    REPORT
        .replace("Receiver", reporter)
        .replace("r-1", &format!("{reporter}-{day}"))
        .replace("1792886400", &begin.to_string())
        .replace("1792972799", &(begin + DAY - 1).to_string())
        .replace("<count>2<", &format!("<count>{messages}<"))
}

/// These reports, a file each.
fn reports(reports: &[String]) -> TempDir {
    let names: Vec<String> = (0..reports.len()).map(|at| format!("{at:04}.xml")).collect();
    let files: Vec<(&str, &str)> = names.iter().zip(reports).map(|(a, b)| (a.as_str(), b.as_str())).collect();
    folder(&files)
}

fn over_files(question: &[&str], path: &str, format: &str) -> Run {
    dmarc(&[question, &[path, "--config", CONFIG, "--format", format]].concat())
}

fn sum(rows: &[Value], column: &str) -> u64 {
    rows.iter().filter_map(|row| row[column].as_u64()).sum()
}

// ---- the mailbox as a person sees it --------------------------------------------------

#[test]
fn shows_every_question_on_80_columns() {
    for question in QUESTIONS {
        let arguments = [question, &[MAILBOX, "--config", CONFIG, "--limit", "8"]].concat();
        let run = dmarc_with_env(&arguments, &[("COLUMNS", "80")]);
        for line in run.stdout.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let talk = run.stderr.lines().filter(|line| line.contains("left out") || line.contains("not shown"));
        let talk: Vec<&str> = talk.collect();
        let shown = format!("{}--- stderr\n{}\n--- exit code {}", run.stdout, talk.join("\n"), run.code);
        insta::assert_snapshot!(format!("shows_{}_on_80_columns", question[0]), shown);
    }
}

#[test]
fn answers_the_same_for_files_as_for_the_dataset() {
    let data = Data::with_mailbox();
    for question in QUESTIONS {
        for format in FORMATS {
            let files = over_files(question, MAILBOX, format);
            let stored = data.run(&[question, &["--format", format]].concat());
            assert_eq!((files.code, stored.code), (3, 0), "{}", stored.whole());
            assert_eq!(files.stdout, stored.stdout, "{question:?} {format}");
            assert_eq!(files.stdout, over_files(question, MAILBOX, format).stdout);
        }
    }
}

#[test]
fn answers_the_same_after_segments_were_merged() {
    let data = Data::with_mailbox();
    let answers = || QUESTIONS.map(|question| data.run(&[question, &["--format", "csv"]].concat()).stdout);
    let before = answers();
    assert_eq!(data.run(&["dataset", "compact"]).code, 0);
    assert_eq!(answers(), before);
}

// ---- the mailbox against its truth ----------------------------------------------------

#[test]
fn sums_up_each_domain_as_the_truth_has_it() {
    let (run, truth) = (over_files(&["summary"], MAILBOX, "ndjson"), truth());
    let rows = json_lines(&run);
    assert_eq!(rows.len(), 2, "{}", run.stdout);
    for row in rows {
        let domain = row["domain"].as_str().unwrap();
        let (mail, tls) = (&truth["domains"][domain], &truth["tls"][domain]);
        let zero = json!(0);
        for (column, expected) in [
            ("messages", &mail["messages"]),
            ("failing", &mail["dmarc_fail"]),
            ("rejected", mail.get("disposition_reject").unwrap_or(&zero)),
            ("tls_successful", &tls["successful_sessions"]),
            ("tls_failed", &tls["failed_sessions"]),
        ] {
            assert_eq!(&row[column], expected, "{column} of {domain}");
        }
        let passed = mail["dmarc_pass"].as_f64().unwrap() / mail["messages"].as_f64().unwrap();
        let shown = row["pass"].as_f64().unwrap();
        assert!(shown <= passed && passed - shown < 0.0001, "{shown} {passed}");
        let delivered = if domain == "marelal0.example" { &zero } else { &mail["dmarc_fail"] };
        assert_eq!(&row["failing_delivered"], delivered);
        assert_eq!(
            (row["first_day"].as_str(), row["last_day"].as_str()),
            (Some("2026-09-01"), Some("2026-09-10"))
        );
        let sources = truth["sources"].as_array().unwrap().iter();
        let sources = sources.filter(|source| source["domain"] == domain && source["messages"] != 0).count();
        assert_eq!(row["sources"].as_u64().unwrap(), sources as u64, "{domain}");
    }
}

#[test]
fn counts_tls_sessions_as_the_truth_has_them() {
    let rows = json_lines(&over_files(&["tls"], MAILBOX, "ndjson"));
    let truth = truth();
    for result in ["certificate-expired", "validation-failure"] {
        let of_result: Vec<Value> = rows.iter().filter(|row| row["result_type"] == result).cloned().collect();
        assert_eq!(sum(&of_result, "sessions"), truth["tls"]["marelal0.example"][result].as_u64().unwrap());
        assert!(of_result.iter().all(|row| row["mx"] == "mx0.marelal0.example"), "{of_result:?}");
    }
    assert_eq!(sum(&rows, "sessions"), truth["tls"]["marelal0.example"]["failed_sessions"].as_u64().unwrap());
    assert!(rows.is_sorted_by_key(|row| std::cmp::Reverse(row["sessions"].as_u64())));
}

#[test]
fn lists_what_arrived_as_the_truth_has_it() {
    let data = Data::with_mailbox();
    let (rows, truth) = (data.rows(&["reports"]), truth());
    let of_kind =
        |kind: &str| -> Vec<Value> { rows.iter().filter(|row| row["kind"] == kind).cloned().collect() };
    // One of the hostile attachments is a report of which some records count.
    assert_eq!(sum(&of_kind("aggregate"), "reports"), 231);
    for (kind, count) in [("tlsrpt", "tls"), ("failure", "failure")] {
        assert_eq!(sum(&of_kind(kind), "reports"), truth["counts"][count].as_u64().unwrap(), "{kind}");
    }
    assert_eq!(
        sum(&of_kind("aggregate"), "copies"),
        truth["counts"]["aggregate_duplicates"].as_u64().unwrap()
    );
    assert_eq!(sum(&rows, "conflicts"), 2);
    let summary = data.rows(&["summary"]);
    assert_eq!(sum(&of_kind("aggregate"), "messages"), sum(&summary, "messages"));
    let status: Value = serde_json::from_str(&data.run(&["dataset", "status", "--json"]).stdout).unwrap();
    let stored: u64 = status["rows"].as_array().unwrap().iter().filter_map(|kind| kind[1].as_u64()).sum();
    assert_eq!(sum(&rows, "rows"), stored);
}

// ---- part of it -----------------------------------------------------------------------

#[test]
fn takes_a_domain_with_what_is_below_it() {
    let sub = report("a", 0, 3)
        .replace("<domain>example.org</domain><adkim>", "<domain>mail.example.org</domain><adkim>");
    let other = report("b", 0, 5)
        .replace("<domain>example.org</domain><adkim>", "<domain>badexample.org</domain><adkim>");
    let mails = reports(&[report("c", 0, 7), sub, other]);
    let messages = |domains: &[&str]| {
        let arguments: Vec<&str> = domains.iter().flat_map(|domain| ["--domain", domain]).collect();
        let run = dmarc(&[&["summary", path(&mails), "--format", "ndjson"][..], &arguments].concat());
        sum(&json_lines(&run), "messages")
    };
    assert_eq!(messages(&[]), 15);
    assert_eq!(messages(&["Example.ORG."]), 10);
    assert_eq!(messages(&["mail.example.org"]), 3);
    assert_eq!(messages(&["mail.example.org", "badexample.org"]), 8);
    assert_eq!(messages(&["org.example"]), 0);
}

#[test]
fn takes_reports_of_a_time() {
    let all: Vec<String> = (0..10).map(|day| report("a", day, 1 << day)).collect();
    let mails = reports(&all);
    let data = Data::with(&mails);
    let cases: [(&[&str], std::ops::Range<u32>); 9] = [
        (&["--since", "2026-11-01"], 7..10),
        (&["--until", "2026-10-26"], 0..2),
        (&["--since", "2026-10-26", "--until", "2026-10-26"], 1..2),
        (&["--since", "2026-10-26T00:00:01Z"], 2..10),
        (&["--until", "2026-10-26T00:00:00Z"], 0..2),
        (&["--since", "3d"], 7..10),
        (&["--since", "1w"], 3..10),
        (&["--since", "6d", "--until", "3d"], 4..7),
        (&["--since", "2027-01-01"], 10..10),
    ];
    for (arguments, days) in cases {
        let expected: u64 = days.clone().map(|day| 1_u64 << day).sum();
        let questions: [&[&str]; 3] =
            [&["summary"], &["reports"], &["sql", "select sum(message_count) as messages from aggregate"]];
        for question in questions {
            let rows = data.rows(&[question, arguments].concat());
            assert_eq!(sum(&rows, "messages"), expected, "{question:?} {arguments:?}: {rows:?}");
        }
        let exported =
            data.run(&[&["dataset", "export", "--to", "-", "--as", "csv"][..], arguments].concat());
        assert_eq!(exported.stdout.lines().count(), days.len() + 1, "{arguments:?}: {}", exported.whole());
    }
    let run = data.run(&["summary", "--since", "3d"]);
    let talk = "ages count back from the end of 2026-11-03T23:59:59Z\n";
    assert!(run.stderr.starts_with(talk), "{}", run.stderr);
}

#[test]
fn counts_ages_from_a_day_that_may_be_believed_and_the_same_for_files_as_for_the_dataset() {
    let mut all: Vec<String> = (0..10).map(|day| report("a", day, 1 << day)).collect();
    // One that says the first second after its period, and one of another century.
    all[9] = all[9].replace("</end>", "</end><!-- -->").replace("1793750399", "1793750400");
    all.push(report("liar", 26_000, 1));
    let mails = reports(&all);
    let data = Data::with(&mails);
    for (arguments, expected) in [(["--since", "1d"], 512 + 1), (["--since", "3d"], 512 + 256 + 128 + 1)] {
        for question in ["summary", "senders"] {
            let files = dmarc(&[&[question, path(&mails), "--format", "ndjson"][..], &arguments].concat());
            assert_eq!(sum(&json_lines(&files), "messages"), expected, "{question} {}", files.whole());
            let stored = data.run(&[&[question, "--format", "ndjson"][..], &arguments].concat());
            assert_eq!(stored.whole(), files.whole(), "{question} {arguments:?}");
        }
    }
}

#[test]
fn counts_ages_where_there_are_tls_reports_only() {
    let report = |day: &str| {
        json!({
            "organization-name": "r",
            "date-range": { "start-datetime": format!("{day}T00:00:00Z"), "end-datetime": format!("{day}T23:59:59Z") },
            "contact-info": "a@r.example", "report-id": day,
            "policies": [{
                "policy": { "policy-type": "sts", "policy-domain": "example.org" },
                "summary": { "total-successful-session-count": 0, "total-failure-session-count": 3 },
                "failure-details": [{ "result-type": "certificate-expired", "failed-session-count": 3 }]
            }]
        })
        .to_string()
    };
    let mails = folder(&[("a.json", &report("2026-10-01")), ("b.json", &report("2026-10-20"))]);
    let found = |arguments: &[&str]| {
        let run = dmarc(&[&["findings", path(&mails), "--format", "ndjson"][..], arguments].concat());
        sum(&json_lines(&run), "messages")
    };
    assert_eq!((found(&[]), found(&["--since", "30d"]), found(&["--since", "5d"])), (6, 6, 3));
}

#[test]
fn says_how_many_rows_are_left_out() {
    let mails = reports(&["a", "b", "c"].map(|reporter| report(reporter, 0, 1)));
    let run = dmarc(&["reports", path(&mails), "--limit", "1"]);
    assert_eq!(run.code, 0);
    assert!(run.stderr.starts_with("2 more rows: left out by --limit\n"), "{}", run.stderr);
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.stdout);
    let run = dmarc(&["reports", path(&mails), "--limit", "1", "--format", "json"]);
    let answer: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((answer["schema"].as_u64(), answer["question"].as_str()), (Some(1), Some("reports")));
    assert_eq!((answer["left_out"].as_u64(), answer["rows"].as_array().unwrap().len()), (Some(2), 1));
    assert!(!dmarc(&["reports", path(&mails), "--limit", "3"]).stderr.contains("left out"));
}

// ---- each question --------------------------------------------------------------------

#[test]
fn names_a_day_that_is_missing_and_one_that_has_shrunk() {
    let days = (0..10).filter(|day| *day != 4);
    let mut all: Vec<String> =
        days.map(|day| report("daily", day, if day == 7 { 9 } else { 1_000 })).collect();
    // The one that sends at times only is not expected.
    all.extend([0, 1, 5, 6].map(|day| report("seldom", day, 1_000)));
    let run = dmarc(&["gaps", path(&reports(&all)), "--format", "csv"]);
    let expected = "policy_domain,reporter,gap,from,to,periods,detail,kind\r\n\
                    example.org,daily,missing,2026-10-29,2026-10-29,1,one comes every 1 d,aggregate\r\n\
                    example.org,daily,shrunk,2026-11-01,2026-11-01,1,\"at most 9 messages, usually 1000\",aggregate\r\n";
    assert_eq!(run.stdout, expected, "{}", run.whole());
}

#[test]
fn misses_no_reports_up_to_the_year_that_one_claims() {
    let good: Vec<String> = (0..10).map(|day| report("daily", day, 9)).collect();
    for liar in [report("liar", 26_000, 9), report("daily", 26_000, 9), report("daily", -6_000, 9)] {
        let all = [good.as_slice(), &[liar]].concat();
        let run = dmarc(&["gaps", path(&reports(&all)), "--format", "ndjson"]);
        assert_eq!(json_lines(&run), Vec::<Value>::new(), "{}", run.whole());
    }
}

#[test]
fn counts_the_sessions_of_several_policies_of_a_report_once() {
    let policy = |kind: &str, failed: u64| {
        json!({
            "policy": { "policy-type": kind, "policy-domain": "example.org" },
            "summary": { "total-successful-session-count": 90, "total-failure-session-count": failed },
            "failure-details": [
                { "result-type": "certificate-expired", "receiving-mx-hostname": "MX.example.org", "failed-session-count": failed }
            ]
        })
    };
    let report = json!({
        "organization-name": "r",
        "date-range": { "start-datetime": "2026-10-25T00:00:00Z", "end-datetime": "2026-10-25T23:59:59Z" },
        "contact-info": "a@r.example", "report-id": "1",
        "policies": [policy("sts", 10), policy("tlsa", 10), policy("tlsa", 1)]
    });
    let mails = folder(&[("a.json", &report.to_string())]);
    let tls = json_lines(&dmarc(&["tls", path(&mails), "--format", "ndjson"]));
    assert_eq!(tls.len(), 1, "{tls:?}");
    assert_eq!((tls[0]["sessions"].as_u64(), tls[0]["mx"].as_str()), (Some(11), Some("mx.example.org")));
    assert_eq!(tls[0]["reporters"], json!(["r"]));
    let summary = json_lines(&dmarc(&["summary", path(&mails), "--format", "ndjson"]));
    assert_eq!((&summary[0]["tls_successful"], &summary[0]["tls_failed"]), (&json!(180), &json!(11)));
}

#[test]
fn adds_more_messages_than_a_number_holds_without_wrapping_around() {
    let large = REPORT.replace("<count>2<", &format!("<count>{}<", 1_u64 << 53));
    let (head, rest) = large.split_once("<record>").unwrap();
    let (record, tail) = rest.split_once("</feedback>").unwrap();
    let records = format!("<record>{record}").repeat(2_100);
    let mails = folder(&[("a.xml", &format!("{head}{records}</feedback>{tail}"))]);
    let rows = json_lines(&dmarc(&["summary", path(&mails), "--format", "ndjson"]));
    assert_eq!(rows[0]["messages"].as_u64(), Some(u64::MAX), "{rows:?}");
    assert_eq!(rows[0]["failing"], 0);
}

#[test]
fn answers_sql_with_values_of_any_type() {
    let data = Data::with(&reports(&[report("a", 0, 2)]));
    let query = "select dkim, spf[1] as one, begin, cast(begin as date) as day, message_count, -cast(message_count as bigint) as minus, \
                 message_count / 3.0 as third, is_delivered, policy_np, reasons, source_ip from aggregate";
    let rows = data.rows(&["sql", query]);
    let dkim = json!([{ "domain": "example.org", "selector": "s1", "result": "pass", "human_result": null, "human_result_lang": null }]);
    assert_eq!(rows[0]["dkim"], dkim, "{rows:?}");
    assert_eq!(rows[0]["one"]["scope"], "mfrom");
    assert_eq!(
        (rows[0]["begin"].as_str(), rows[0]["day"].as_str()),
        (Some("2026-10-25T00:00:00Z"), Some("2026-10-25"))
    );
    assert_eq!((&rows[0]["message_count"], &rows[0]["is_delivered"]), (&json!(2), &json!(true)));
    assert_eq!((&rows[0]["minus"], rows[0]["third"].as_f64().map(f64::round)), (&json!(-2), Some(1.0)));
    assert_eq!((&rows[0]["policy_np"], &rows[0]["reasons"]), (&Value::Null, &json!([])));
    let csv = data.run(&["sql", "select dkim from aggregate", "--format", "csv"]).stdout;
    assert!(csv.starts_with("dkim\r\n\"[{\"\"domain\"\":\"\"example.org\"\","), "{csv}");
    let names = data.rows(&["sql", "select upper(org_name) as name from aggregate where org_name like 'a%'"]);
    assert_eq!(names[0]["name"], "A");
}

#[test]
fn answers_sql_about_a_kind_of_which_nothing_is_stored() {
    let data = Data::with(&reports(&[report("a", 0, 2)]));
    for table in ["failure", "tlsrpt"] {
        let csv = data.run(&["sql", &format!("select * from {table}"), "--format", "csv"]);
        assert_eq!(csv.code, 0, "{}", csv.whole());
        assert!(csv.stdout.starts_with("reporter,"), "{}", csv.stdout);
        assert!(csv.stdout.ends_with(",mail_received,report_key\r\n"), "{}", csv.stdout);
    }
}

#[test]
fn gives_every_column_of_every_table() {
    let data = Data::with_mailbox();
    for table in ["aggregate", "failure", "tlsrpt"] {
        let rows = data.rows(&["sql", &format!("select * from {table}")]);
        let exported = data.run(&["dataset", "export", "--kind", table, "--to", "-", "--as", "csv"]).stdout;
        let head: Vec<&str> = exported.lines().next().unwrap().split(',').collect();
        let names: Vec<&str> = rows[0].as_object().unwrap().keys().map(String::as_str).collect();
        // polars reads no column of 16 bits, unless a feature of it is switched on.
        let known: Vec<&str> = head.into_iter().filter(|name| *name != "source_port").collect();
        assert_eq!(names.len(), known.len(), "{known:?} {names:?}");
        assert!(known.iter().all(|name| names.contains(name)), "{known:?} {names:?}");
        assert_eq!(exported.lines().count(), rows.len() + 1, "{table}");
    }
}

#[test]
fn sorts_what_a_query_leaves_in_any_order() {
    let data = Data::with(&reports(&[report("b", 0, 10), report("a", 0, 9), report("a", 1, 100)]));
    let query = "select message_count, reporter from aggregate";
    let counts = |query: &str| -> Vec<u64> {
        data.rows(&["sql", query]).iter().filter_map(|row| row["message_count"].as_u64()).collect()
    };
    assert_eq!(counts(query), [9, 10, 100]);
    assert_eq!(counts(&format!("{query} order by reporter desc, message_count desc")), [10, 100, 9]);
}

#[test]
fn explains_what_is_wrong_with_a_query() {
    let data = Data::with(&reports(&[report("a", 0, 2)]));
    for (query, part) in [
        ("select nonsense from aggregate", "nonsense"),
        ("selec 1", "selec"),
        ("select * from nowhere", "nowhere"),
        ("select '\u{1b}[31m' as", ""),
        ("", ""),
        ("select 1; select 2", ""),
        ("copy aggregate to '/tmp/never'", ""),
        ("insert into aggregate values (1)", ""),
    ] {
        let run = data.run(&["sql", query]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{query}: {}", run.whole());
        assert!(run.stderr.starts_with("dmarc: ") && run.stderr.contains(part), "{query}: {}", run.stderr);
        assert!(!run.stderr.trim_end().contains(is_unsafe), "{:?}", run.stderr);
    }
}

// ---- hostile text ---------------------------------------------------------------------

#[test]
fn lets_no_hostile_text_out_of_its_cell() {
    let mails = reports(&[
        report("x", 0, 2).replace(">x</org_name>", &format!(">{HOSTILE}</org_name>")),
        report("y", 0, 2)
            .replace("<domain>example.org</domain><adkim>", &format!("<domain>{HOSTILE}</domain><adkim>")),
    ]);
    let everything: &[&str] = &["sql", "select * from aggregate"];
    for question in [QUESTIONS[0], QUESTIONS[1], QUESTIONS[3], everything] {
        for format in FORMATS {
            let run = dmarc(&[question, &[path(&mails), "--format", format]].concat());
            assert_eq!(run.code, 0, "{}", run.whole());
            let is_line_end = |c| c == '\n' || (c == '\r' && format == "csv");
            let found = run.whole().chars().find(|c| is_unsafe(*c) && !is_line_end(*c));
            assert_eq!(found, None, "{question:?} {format}: {:?}", run.whole());
            let rows = run.stdout.lines().filter(|line| !line.contains("---"));
            let starts: Vec<&str> =
                rows.flat_map(|line| line.split("\",\"")).map(|cell| cell.trim_start_matches('"')).collect();
            assert!(format != "csv" || !starts.iter().any(|cell| cell.starts_with('=')), "{}", run.stdout);
        }
    }
    let markdown = dmarc(&["reports", path(&mails), "--format", "markdown"]).stdout;
    assert!(markdown.contains("\\[x\\](y)&lt;b&gt;"), "{markdown}");
    let data = Data::with(&mails);
    let exported = data.run(&["dataset", "export", "--to", "-", "--as", "csv"]).stdout;
    assert!(!exported.chars().any(|c| is_unsafe(c) && c != '\n' && c != '\r'), "{exported:?}");
    assert!(exported.contains("'=1+a"), "{exported}");
}

// ---- what can be wrong ----------------------------------------------------------------

#[test]
fn names_what_was_refused_and_answers_all_the_same() {
    let mails = folder(&[("a.xml", REPORT), ("b.xml", "<feedback><broken"), ("c.xml", &report("b", 1, 5))]);
    let run = dmarc(&["summary", path(&mails), "--format", "ndjson"]);
    assert_eq!(run.code, 3, "{}", run.whole());
    assert!(run.stderr.starts_with("refused:\n  "), "{}", run.stderr);
    assert!(run.stderr.ends_with("dmarc: 3 inputs read; 1 refused\n"), "{}", run.stderr);
    assert_eq!(sum(&json_lines(&run), "messages"), 7);
}

#[test]
fn ends_with_the_code_that_says_what_was_wrong() {
    let mails = reports(&[report("a", 0, 2)]);
    let empty = tempfile::tempdir().unwrap();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["summary", "/no/such/path"], 4, "/no/such/path"),
        (&["summary", path(&mails), "--domain", "not a domain"], 2, "example.org"),
        (&["summary", path(&mails), "--since", "yesterday"], 2, "2026-01-31"),
        (&["summary", path(&mails), "--since", "2026-02-01", "--until", "2026-01-01"], 2, "no time is since"),
        (&["summary", path(&mails), "--format", "xml"], 2, "markdown"),
        (&["summary", "--data", path(&empty)], 2, "there is no dataset here"),
        (&["gaps", "--data", path(&empty)], 2, "there is no dataset here"),
        (&["dataset", "export", "--to", "x.txt", "--data", path(&empty)], 2, "--as"),
    ];
    for (arguments, code, part) in cases {
        let run = dmarc_with_env(arguments, &VARIABLES);
        assert_eq!(run.code, code, "{arguments:?}: {}", run.whole());
        assert!(run.stderr.contains(part), "{arguments:?}: {}", run.stderr);
    }
    assert_eq!(dmarc_with_closed_pipe(&["reports", path(&mails)]).code, 0);
}

#[test]
fn says_so_if_there_is_nothing() {
    let mails = folder(&[("a.txt", "no report")]);
    for question in QUESTIONS {
        let run = dmarc(&[question, &[path(&mails)]].concat());
        assert_eq!((run.code, run.stdout.as_str()), (0, "nothing\n"), "{question:?}: {}", run.whole());
        let run = dmarc(&[question, &[path(&mails), "--since", "30d", "--format", "json"]].concat());
        let answer: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!((run.code, &answer["rows"]), (0, &json!([])), "{}", run.whole());
    }
}

#[test]
fn reads_standard_input_and_keeps_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let run = dmarc_with_input(&["summary", "-", "--format", "ndjson"], REPORT.as_bytes());
    assert_eq!(sum(&json_lines(&run), "messages"), 2, "{}", run.whole());
    let mails = reports(&[report("a", 0, 2)]);
    let run = dmarc_with_env(&["summary", path(&mails)], &[("TMPDIR", path(&temporary))]);
    assert_eq!(run.code, 0, "{}", run.whole());
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
    let run = dmarc_with_env(&["summary", path(&mails)], &[("TMPDIR", "/no/such/folder")]);
    assert_eq!(run.code, 4, "{}", run.whole());
}

#[test]
fn leaves_nothing_of_what_it_read_where_it_is_interrupted() {
    for (signal, code) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let temporary = tempfile::tempdir().unwrap();
        let files = || std::fs::read_dir(temporary.path()).unwrap().count();
        // It waits for the rest of its input.
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_dmarc"))
            .args(["summary", "-"])
            .env("TMPDIR", temporary.path())
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        while files() == 0 {
            assert!(child.try_wait().unwrap().is_none());
            std::thread::yield_now();
        }
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert_eq!(files(), 0);
    }
}

#[test]
fn says_that_a_file_of_the_dataset_is_missing_or_broken() {
    let data = Data::with(&reports(&[report("a", 0, 2)]));
    let files = data.run(&["dataset", "files"]).stdout;
    let file = files.lines().next().unwrap();
    std::fs::write(file, "no Parquet").unwrap();
    for question in [&["summary"][..], &["sql", QUERY], &["dataset", "export", "--to", "-", "--as", "csv"]] {
        let run = data.run(question);
        assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{question:?}: {}", run.whole());
    }
    std::fs::remove_file(file).unwrap();
    for question in [&["summary"][..], &["sql", QUERY], &["dataset", "export", "--to", "-", "--as", "csv"]] {
        let run = data.run(question);
        assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{question:?}: {}", run.whole());
    }
}

// ---- export ---------------------------------------------------------------------------

#[test]
fn exports_rows_that_others_read() {
    let data = Data::with_mailbox();
    for kind in ["aggregate", "failure", "tlsrpt"] {
        let [parquet, arrow] = ["parquet", "arrow"].map(|name| data.file(&format!("rows.{name}")));
        for file in [&parquet, &arrow] {
            let run = data.run(&["dataset", "export", "--kind", kind, "--to", file.to_str().unwrap()]);
            assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.whole());
        }
        // The exported file has the same rows as the table.
        let rows = data.rows(&["sql", &format!("select * from {kind}")]);
        if kind != "failure" {
            let query = format!("select * from read_parquet('{}')", parquet.to_str().unwrap());
            assert_eq!(data.rows(&["sql", &query]), rows, "{kind}");
        }
        let file = std::fs::File::open(&arrow).unwrap();
        let reader = arrow_ipc::reader::FileReader::try_new(file, None).unwrap();
        assert_eq!(reader.schema().metadata()["dmarc.kind"], kind);
        let read: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
        assert_eq!(read, rows.len());
    }
}

#[test]
fn exports_csv_that_a_spreadsheet_reads() {
    let data = Data::with_mailbox();
    let file = data.file("rows.csv");
    let run =
        data.run(&["dataset", "export", "--to", file.to_str().unwrap(), "--domain", "marelal0.example"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, "2111 rows written\n"), "{}", run.whole());
    let mut reader = csv::Reader::from_path(&file).unwrap();
    let at = reader.headers().unwrap().iter().position(|name| name == "message_count").unwrap();
    let messages: u64 = reader.records().map(|row| row.unwrap()[at].parse::<u64>().unwrap()).sum();
    assert_eq!(json!(messages), truth()["domains"]["marelal0.example"]["messages"]);
}

#[test]
fn leaves_no_part_of_a_file() {
    let data = Data::with(&reports(&[report("a", 0, 2)]));
    let folder = data.file("out");
    std::fs::create_dir(&folder).unwrap();
    let to = folder.join("rows.csv");
    std::fs::write(&to, "before").unwrap();
    let files = data.run(&["dataset", "files"]).stdout;
    let file = files.lines().next().unwrap();
    let good = data.file("good");
    std::fs::copy(file, &good).unwrap();
    std::fs::write(file, "no Parquet").unwrap();
    let run = data.run(&["dataset", "export", "--to", to.to_str().unwrap()]);
    assert_eq!(run.code, 5, "{}", run.whole());
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "before");
    std::fs::copy(good, file).unwrap();
    assert_eq!(data.run(&["dataset", "export", "--to", to.to_str().unwrap()]).code, 0);
    assert_eq!(std::fs::read_to_string(&to).unwrap().lines().count(), 2);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    let run = data.run(&["dataset", "export", "--to", "/no/such/folder/rows.csv"]);
    assert_eq!(run.code, 4, "{}", run.whole());
}
