//! What TLS reports may and may not make a finding say, each as one behaviour.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

use dmarc_core::findings::{Evidence, Finding, Findings, Novelty, TlsObservation, tls_observations};
use dmarc_core::{Found, Limits, Report, read};

const DAY: i64 = 86_400;
const START: i64 = 1_788_220_800; // 2026-09-01

/// `sessions` that failed on a day, at the MX of a policy domain.
fn failed(reporter: &str, day: i64, domain: &str, sessions: u64) -> Vec<TlsObservation> {
    let report = format!(
        r#"{{"organization-name":"{reporter}","date-range":{{"start-datetime":"2025-03-04T00:00:00Z",
        "end-datetime":"2025-03-04T23:59:59Z"}},"contact-info":"tls@{reporter}","report-id":"{day}",
        "policies":[{{"policy":{{"policy-type":"sts","policy-domain":"{domain}"}},
        "summary":{{"total-successful-session-count":9,"total-failure-session-count":{sessions}}},
        "failure-details":[{{"result-type":"certificate-expired","receiving-mx-hostname":"mx.example.org",
        "failed-session-count":{sessions}}}]}}]}}"#
    );
    let found = read(report.as_bytes(), &Limits::default()).outcomes.remove(0).found;
    let report = match found {
        Found::Report(parsed) => match parsed.report {
            Report::Tls(report) => Some(report),
            _ => None,
        },
        _ => None,
    };
    let mut observations = tls_observations(&report.unwrap(), &format!("{reporter}/{day}"));
    for one in &mut observations {
        one.period = (START + day * DAY, START + (day + 1) * DAY - 1);
    }
    observations
}

fn days(days: std::ops::Range<i64>, domain: &str) -> Vec<TlsObservation> {
    days.flat_map(|day| failed("a.example", day, domain, 5)).collect()
}

fn findings(observations: &[TlsObservation]) -> Vec<Finding> {
    Findings::beside(observations, &[]).findings
}

#[test]
fn lets_no_tls_report_of_another_time_call_a_failure_resolved() {
    let good = days(0..30, "example.org");
    let (before, period) = (findings(&good).remove(0), Findings::beside(&good, &[]).period);
    assert_eq!(before.novelty, Novelty::Ongoing);
    for day in [365, 26_000, 63_000, -60_000] {
        let wrong = [good.clone(), failed("tiny.example", day, "example.org", 1)].concat();
        let after = findings(&wrong).remove(0);
        let seen = |finding: &Finding| (finding.novelty, finding.first_seen, finding.last_seen);
        assert_eq!(seen(&after), seen(&before), "{day}");
        assert_eq!(Findings::beside(&wrong, &[]).period, period, "{day}");
        assert_eq!(after.messages, before.messages + 1, "what was reported is counted");
    }
}

#[test]
fn says_which_policy_domain_failed_and_makes_one_finding_of_each() {
    let all = [days(0..3, "example.org"), days(0..3, "mail.example.org")].concat();
    let found = findings(&all);
    let names: Vec<&str> = found.iter().map(|finding| finding.source.name.as_str()).collect();
    assert_eq!(
        names,
        ["mx.example.org certificate-expired", "mx.example.org certificate-expired, for mail.example.org"]
    );
    assert!(found.iter().all(|finding| finding.domain == "example.org" && finding.messages == 15));
    for (finding, domain) in found.iter().zip(["example.org", "mail.example.org"]) {
        let fact = format!("policy domain {domain}, MX mx.example.org");
        assert!(finding.evidence.contains(&Evidence::Fact { fact }), "{:?}", finding.evidence);
    }
    assert_ne!(found.first().unwrap().id, found.last().unwrap().id);
}
