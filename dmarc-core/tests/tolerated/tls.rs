//! TLS reports in forms that RFC 8460 does not have.

use dmarc_core::model::tlsrpt::{TlsPolicyType, TlsReport, TlsResultType};
use dmarc_core::{Domain, QuirkCode};

use crate::packing::gzip;
use crate::reading::{Got, json, reports, sample, tls};

/// `regular.json` with `from` replaced by `to`.
fn with(from: &str, to: &str) -> Got<TlsReport<'static>> {
    let json = json();
    assert!(json.contains(from), "{from}");
    tls(json.replace(from, to))
}

/// Successes and failures of each policy.
fn sessions(report: &TlsReport<'_>) -> Vec<(u64, u64)> {
    let summaries = report.policies.iter().map(|policy| policy.summary);
    summaries.map(|s| (s.total_successful_session_count, s.total_failure_session_count)).collect()
}

#[test]
fn reads_failure_details_of_null() {
    let heartbeat =
        "\"summary\": { \"total-successful-session-count\": 12, \"total-failure-session-count\": 0 }";
    let got = with(heartbeat, &format!("{heartbeat}, \"failure-details\": null"));
    assert_eq!(sessions(&got.report), [(4_120, 3), (12, 0)]);
    assert_eq!(got.report, tls(json()).report);
    assert_eq!(got.codes(), [QuirkCode::JsonNull]);
}

#[test]
fn reads_contact_info_of_null() {
    let got = with("\"tls-reports@reporter.example\"", "null");
    assert_eq!((got.report.contact_info.clone(), sessions(&got.report)), (None, vec![(4_120, 3), (12, 0)]));
    assert_eq!(got.codes(), [QuirkCode::JsonNull]);
}

#[test]
fn reads_a_report_without_contact_info() {
    let got = with("\"contact-info\": \"tls-reports@reporter.example\",", "");
    assert_eq!((got.report.contact_info.clone(), sessions(&got.report)), (None, vec![(4_120, 3), (12, 0)]));
    assert_eq!(got.codes(), [QuirkCode::JsonMissingKey]);
}

#[test]
fn reads_a_policy_type_in_upper_case() {
    let got = with("\"sts\"", "\"STS\"");
    assert_eq!(got.report, tls(json()).report);
    assert_eq!(got.report.policies[0].policy.policy_type, TlsPolicyType::Sts);
    assert!(got.notes(QuirkCode::NormalizedValue, "policy-type: STS"));
}

#[test]
fn keeps_the_other_policies_beside_an_odd_one() {
    let got = tls(sample("tlsrpt/odd-policy.json"));
    assert_eq!(sessions(&got.report), [(10, 1), (30, 3)]);
    let domains: Vec<_> = got.report.policy_domains().collect();
    assert_eq!(domains, ["a.example", "c.example"]);
    assert!(got.notes(QuirkCode::RejectedRecord, "policies[1]"));
}

#[test]
fn reads_numbers_as_strings() {
    let got =
        tls(json().replace(": 4120", ": \"4120\"").replace(": 3 }", ": \"3\" }").replace(": 2,", ": \"2\","));
    assert_eq!(got.report, tls(json()).report);
    let counts = ["total-successful-session-count", "total-failure-session-count", "failed-session-count"];
    assert!(counts.iter().all(|key| got.notes(QuirkCode::JsonNumber, key)), "{:?}", got.quirks);
}

#[test]
fn reads_every_report_of_an_array() {
    let text = format!("[{}, {}]", json(), json().replace("_17\"", "_18\""));
    for input in [text.clone().into_bytes(), gzip(text.as_bytes())] {
        assert_eq!(reports(&input).len(), 2);
    }
    let ids: Vec<_> = crate::reading::ids(text).into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids, ["2025-03-04_empfang.example_17", "2025-03-04_empfang.example_18"]);
}

#[test]
fn reads_mx_host_as_list_and_as_string() {
    let list = tls(json());
    assert_eq!(list.report.policies[0].policy.mx_host, ["*.mx.empfang.example"]);
    let text = with("[\"*.mx.empfang.example\"]", "\"*.mx.empfang.example\"");
    assert_eq!(text.report, list.report);
    assert!(text.notes(QuirkCode::JsonShape, "mx-host"));
}

#[test]
fn reads_policy_string_as_one_string() {
    let list = "[\"version: STSv1\", \"mode: enforce\", \"mx: *.mx.empfang.example\", \"max_age: 604800\"]";
    for text in [
        "\"version: STSv1\\r\\nmode: enforce\\r\\nmx: *.mx.empfang.example\\r\\nmax_age: 604800\\r\\n\"",
        "\"version: STSv1; mode: enforce; mx: *.mx.empfang.example; max_age: 604800\"",
    ] {
        let got = with(list, text);
        assert_eq!(got.report, tls(json()).report);
        assert!(got.notes(QuirkCode::JsonShape, "policy-string"));
    }
}

#[test]
fn keeps_all_that_a_failure_says() {
    let report = tls(json()).report;
    let failures = &report.policies[0].failure_details;
    assert_eq!(failures.iter().map(|failure| failure.failed_session_count).sum::<u64>(), 3);
    assert_eq!(failures[0].result_type, TlsResultType::CertificateExpired);
    assert_eq!(failures[0].sending_mta_ip.as_deref(), Some("192.0.2.17"));
    assert_eq!(failures[0].receiving_ip.as_deref(), Some("198.51.100.9"));
    assert_eq!(report.policies[0].policy.policy_domain, Some(Domain::new("empfang.example")));
}
