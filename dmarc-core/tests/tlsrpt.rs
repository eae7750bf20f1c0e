//! TLS reports, read end to end. A name that begins with a letter and two digits carries the id of a conformance case.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use dmarc_core::findings::tls_observations;
use dmarc_core::model::tlsrpt::{TlsPolicyType, TlsResultType};
use dmarc_core::{ErrorKind, Found, Limits, Parsed, QuirkCode, Report, TlsReport, read};
use proptest::prelude::*;
use std::io::Write;

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../testdata/", $name))
    };
}

/// What the only outcome is; anything but a TLS report or a refusal fails the test.
fn outcome(bytes: &[u8]) -> Result<Parsed<TlsReport<'static>>, ErrorKind> {
    let mut outcomes = read(bytes, &Limits::default()).outcomes;
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    match outcomes.remove(0).found {
        Found::Report(parsed) => Ok(parsed.map(|report| match report {
            Report::Tls(report) => report,
            other => panic!("a {} report", other.kind()),
        })),
        Found::Refused(error) => Err(error.kind()),
        other => panic!("{other:?}"),
    }
}

fn one(text: &str) -> Parsed<TlsReport<'static>> {
    outcome(text.as_bytes()).unwrap()
}

fn details<'q>(parsed: &'q Parsed<TlsReport<'static>>, code: QuirkCode) -> Vec<&'q str> {
    let quirks = parsed.quirks.as_slice().iter();
    quirks.filter(|quirk| quirk.code == code).map(|quirk| quirk.detail.as_str()).collect()
}

fn report(policies: &str) -> String {
    format!(
        r#"{{"organization-name":"Beispiel","date-range":{{"start-datetime":"2025-03-04T00:00:00Z",
        "end-datetime":"2025-03-04T23:59:59Z"}},"contact-info":"tls@reporter.example","report-id":"r1",
        "policies":[{policies}]}}"#
    )
}

fn policy(kind: &str, domain: &str, counts: (u64, u64), details: &str) -> String {
    let domain = if domain.is_empty() { String::new() } else { format!(r#","policy-domain":"{domain}""#) };
    format!(
        r#"{{"policy":{{"policy-type":"{kind}"{domain}}},"summary":{{"total-successful-session-count":{},
        "total-failure-session-count":{}}},"failure-details":[{details}]}}"#,
        counts.0, counts.1
    )
}

/// A mail with more header fields, and a report under a media type and name.
fn mail(fields: &str, media: &str, name: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "From: tls@reporter.example\nTo: tls@empfang.example\n{fields}MIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=tlsrpt; boundary=_b\n\n--_b\nContent-Type: text/plain\n\n\
         A report.\n--_b\nContent-Type: {media}\nContent-Disposition: attachment; filename=\"{name}\"\n\n"
    );
    [head.as_bytes(), body, b"\n--_b--\n"].concat()
}

const NAME: &str = "reporter.example!empfang.example!1741046400!1741132799!001.json";

#[test]
fn t01_wraps_a_single_mx_host() {
    let parsed = outcome(sample!("tlsrpt/mx-host-string.json")).unwrap();
    let policy = &parsed.report.policies[0];
    assert_eq!(policy.policy.mx_host, ["*.mx.empfang.example"]);
    assert_eq!(details(&parsed, QuirkCode::JsonShape), ["mx-host"]);
    assert_eq!(parsed.quirks.as_slice().len(), 1);
    let summary = policy.summary;
    assert_eq!((summary.total_successful_session_count, summary.total_failure_session_count), (5_300, 303));
}

#[test]
fn t02_refuses_a_line_end_in_a_string() {
    assert_eq!(outcome(sample!("malformed/tlsrpt-line-end-in-string.json")).unwrap_err(), ErrorKind::Json);
}

#[test]
fn t03_takes_a_report_without_policy_for_a_heartbeat() {
    let parsed = one(&report(
        r#"{"policy":{"policy-type":"no-policy-found","policy-domain":"empfang.example"},
        "summary":{"total-successful-session-count":4,"total-failure-session-count":0}}"#,
    ));
    assert_eq!(parsed.quirks.as_slice(), []);
    assert_eq!(parsed.report.policies[0].policy.policy_type, TlsPolicyType::NoPolicyFound);
    assert_eq!(tls_observations(&parsed.report, ""), []);
}

#[test]
fn t04_keeps_two_policies_for_the_same_sessions_apart() {
    let failure = r#"{"result-type":"certificate-expired","failed-session-count":1,
        "receiving-mx-hostname":"mx.empfang.example"}"#;
    let sts = policy("sts", "empfang.example", (2, 1), failure);
    let parsed = one(&report(&format!("{sts},{}", policy("tlsa", "mx.empfang.example", (2, 1), failure))));
    let counts = |at: usize| parsed.report.policies[at].summary.total_successful_session_count;
    assert_eq!((parsed.report.policies.len(), counts(0), counts(1)), (2, 2, 2));
    // Nothing adds them up: each row of what is judged belongs to one policy.
    let observed = tls_observations(&parsed.report, "");
    let rows: Vec<_> = observed.iter().map(|row| (row.policy_domain.as_str(), row.sessions)).collect();
    assert_eq!(rows, [("empfang.example", 1), ("mx.empfang.example", 1)]);
}

#[test]
fn t05_unpacks_an_array_in_a_string() {
    let json = r#"{"policy":{"policy-type":"tlsa","policy-domain":"mx.empfang.example",
        "policy-string":["[\"3 1 1 00FF\",\"3 1 1 11EE\"]"]},
        "summary":{"total-successful-session-count":4,"total-failure-session-count":0}}"#;
    let parsed = one(&report(json));
    assert_eq!(parsed.report.policies[0].policy.policy_string, ["3 1 1 00FF", "3 1 1 11EE"]);
    assert_eq!(details(&parsed, QuirkCode::JsonShape), ["policy-string"]);
}

#[test]
fn t06_accepts_a_contact_of_null() {
    let parsed = one(&report("").replace("\"tls@reporter.example\"", "null"));
    assert_eq!(parsed.report.contact_info, None);
    assert_eq!(details(&parsed, QuirkCode::JsonNull), ["contact-info"]);
}

#[test]
fn t07_takes_the_domain_of_the_mail_or_the_file_where_the_report_has_none() {
    let json = report(&policy("no-policy-found", "", (3, 0), ""));
    let header = "TLS-Report-Domain: Empfang.example\n";
    for (fields, name, derived) in [
        (header, "", "TLS-Report-Domain: empfang.example"),
        (header, "a!other.example!1741046400!1741132799.json", "TLS-Report-Domain: empfang.example"),
        ("", NAME, "file name: empfang.example"),
    ] {
        let parsed = outcome(&mail(fields, "application/tlsrpt+json", name, json.as_bytes())).unwrap();
        assert_eq!(parsed.report.policies[0].policy.policy_domain, None);
        assert_eq!(parsed.report.policy_domains().collect::<Vec<_>>(), ["empfang.example"]);
        assert_eq!(details(&parsed, QuirkCode::DerivedDomain), [derived]);
    }
    let parsed = outcome(&mail("", "application/tlsrpt+json", "", json.as_bytes())).unwrap();
    assert_eq!((parsed.report.policy_domains().count(), &parsed.report.report_domain), (0, &None));
    assert!(!parsed.quirks.contains(QuirkCode::DerivedDomain));
}

#[test]
fn t07_does_not_need_the_domain_of_the_mail_where_the_report_has_one() {
    let json = report(&policy("sts", "empfang.example", (3, 0), ""));
    let parsed = outcome(&mail(
        "TLS-Report-Domain: other.example\n",
        "application/tlsrpt+json",
        NAME,
        json.as_bytes(),
    ));
    let parsed = parsed.unwrap();
    assert_eq!(parsed.report.policy_domains().collect::<Vec<_>>(), ["empfang.example"]);
    assert_eq!((parsed.quirks.as_slice(), parsed.report.report_domain), (&[][..], None));
}

#[test]
fn t08_maps_an_mx_to_the_domain_of_the_report() {
    let failure = r#"{"result-type":"tlsa-invalid","failed-session-count":1}"#;
    let json = report(&policy("tlsa", "mx1.hosting.example", (3, 1), failure));
    let parsed = outcome(&mail(
        "TLS-Report-Domain: empfang.example\n",
        "application/tlsrpt+json",
        NAME,
        json.as_bytes(),
    ))
    .unwrap();
    let kept = parsed.report.policies[0].policy.policy_domain.as_ref().unwrap();
    assert_eq!(kept.as_str(), "mx1.hosting.example");
    assert_eq!(tls_observations(&parsed.report, "")[0].policy_domain, "empfang.example");
    assert_eq!(details(&parsed, QuirkCode::DerivedDomain), ["TLS-Report-Domain: empfang.example"]);
    assert_eq!(one(&json).report.policy_domains().collect::<Vec<_>>(), ["mx1.hosting.example"]);
}

#[test]
fn t09_corrects_no_total() {
    let failure = |kind: &str| format!(r#"{{"result-type":"{kind}","failed-session-count":1}}"#);
    let both = format!("{},{}", failure("certificate-expired"), failure("validation-failure"));
    let parsed = one(&report(&policy("sts", "empfang.example", (0, 1), &both)));
    let policy = &parsed.report.policies[0];
    assert_eq!((policy.summary.total_failure_session_count, policy.failure_details.len()), (1, 2));
    assert!(policy.failure_details.iter().all(|failure| failure.failed_session_count == 1));
}

#[test]
fn t10_accepts_a_failure_without_addresses() {
    let failure = r#"{"result-type":"sts-policy-fetch-error","failed-session-count":1}"#;
    let parsed = one(&report(&policy("sts", "empfang.example", (0, 1), failure)));
    let failure = &parsed.report.policies[0].failure_details[0];
    assert_eq!(failure.result_type, TlsResultType::StsPolicyFetchError);
    assert_eq!((&failure.sending_mta_ip, &failure.receiving_mx_hostname), (&None, &None));
    assert_eq!(parsed.quirks.as_slice(), []);
}

#[test]
fn t11_keeps_words_that_are_unknown() {
    let failure = r#"{"result-type":"foo","failed-session-count":1}"#;
    let parsed = one(&report(&policy("bar", "empfang.example", (0, 1), failure)));
    let policy = &parsed.report.policies[0];
    assert_eq!(policy.policy.policy_type, TlsPolicyType::Other("bar".into()));
    assert_eq!(policy.failure_details[0].result_type, TlsResultType::Other("foo".into()));
}

#[test]
fn t12_keeps_information_that_is_no_uri() {
    for (text, odd) in [
        ("https://reporter.example/tls?id=1#x", false),
        ("mailto:tls@reporter.example", false),
        ("https://reporter.example/a page", true),
        ("see the log", true),
        ("Fehler: Zertifikat", true),
    ] {
        let failure = format!(
            r#"{{"result-type":"validation-failure","failed-session-count":1,"additional-information":"{text}"}}"#
        );
        let parsed = one(&report(&policy("sts", "empfang.example", (0, 1), &failure)));
        let kept = parsed.report.policies[0].failure_details[0].additional_information.as_deref();
        assert_eq!(kept, Some(text));
        assert_eq!(details(&parsed, QuirkCode::BadUri), if odd { vec![text] } else { Vec::new() });
    }
}

#[test]
fn t13_reads_the_variants_of_a_date() {
    for (form, odd) in [
        ("2025-03-04t00:00:00z", false),
        ("2025-03-04T01:00:00+01:00", false),
        ("2025-03-04T00:00:00.25Z", false),
        ("2025-03-04T00:00:00", true),
    ] {
        let parsed = one(&report("").replace("2025-03-04T00:00:00Z", form));
        assert_eq!(parsed.report.date_range.begin, 1_741_046_400, "{form}");
        assert_eq!(parsed.quirks.contains(QuirkCode::JsonDate), odd, "{form}");
    }
}

#[test]
fn t14_uses_the_last_of_two_equal_keys() {
    let parsed =
        one(&report("").replace("\"report-id\":\"r1\"", "\"report-id\":\"r1\",\"report-id\":\"r2\""));
    assert_eq!(parsed.report.report_id, "r2");
    assert_eq!(details(&parsed, QuirkCode::JsonDuplicateKey), ["report-id"]);
}

#[test]
fn t18_takes_the_identifier_of_the_report_and_not_of_the_subject() {
    let fields = "Subject: Report Domain: other.example Submitter: reporter.example Report-ID: <r9@x>\n";
    let json = report(&policy("sts", "empfang.example", (3, 0), ""));
    let parsed = outcome(&mail(fields, "application/tlsrpt+json", NAME, json.as_bytes())).unwrap();
    assert_eq!(parsed.report.report_id, "r1");
    assert_eq!(parsed.report.policy_domains().collect::<Vec<_>>(), ["empfang.example"]);
}

#[test]
fn t19_reads_json_under_a_label_of_gzip() {
    let json = report(&policy("sts", "empfang.example", (3, 0), ""));
    let parsed = outcome(&mail("", "application/tlsrpt+gzip", NAME, json.as_bytes())).unwrap();
    assert_eq!(parsed.report.report_id, "r1");
    assert!(parsed.quirks.contains(QuirkCode::Mislabelled));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(json.as_bytes()).unwrap();
    assert_eq!(outcome(&gzip.finish().unwrap()).unwrap().report, parsed.report);
}

#[test]
fn t21_keeps_a_report_without_policies() {
    let parsed = one(&report(""));
    assert_eq!((parsed.report.policies.len(), parsed.quirks.as_slice()), (0, &[][..]));
}

proptest! {
    #[test]
    fn never_panics_whatever_the_names_say(name in "[ -~]{0,60}", domain in "[ -~]{0,30}") {
        let json = report(&policy("tlsa", "mx.example", (3, 0), ""));
        let fields = format!("TLS-Report-Domain: {domain}\n");
        read(&mail(&fields, "application/json", &name.replace('"', ""), json.as_bytes()), &Limits::default());
    }
}
