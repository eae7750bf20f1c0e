//! TLS sessions that failed, by policy domain × MX × kind of failure (RFC 8460, Section 4.3).
//!
//! Totals are never added across the policies of one report: the same sessions may stand under several.

use std::collections::{BTreeMap, BTreeSet};

use super::class::{Class, Severity};
use super::finding::{Evidence, Finding, Source, id};
use super::{remedy, weights};
use crate::domain::organizational;
use crate::identity::tls_reporter;
use crate::model::TlsReport;
use crate::model::tlsrpt::{TlsPolicyType, TlsResultType};

/// Sessions of one TLS report that failed in one way at one MX.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsObservation {
    /// The mail or file.
    pub origin: String,
    /// Who reported.
    pub reporter: String,
    /// The policy domain, in normal form; empty where the reporter left it out.
    pub policy_domain: String,
    /// The MX; empty where the failure is not about one.
    pub mx: String,
    /// What failed, as the RFC names it.
    pub result_type: String,
    /// The class of the failure.
    pub class: Class,
    /// Failed sessions.
    pub sessions: u64,
    /// Whether the policy was in testing mode, so that mail was delivered all the same.
    pub is_testing: bool,
    /// The reporting period, in seconds since the Unix epoch, UTC.
    pub period: (i64, i64),
}

/// The failures of a TLS report that came from `origin`.
pub fn tls_observations(report: &TlsReport<'_>, origin: &str) -> Vec<TlsObservation> {
    let mut observations = Vec::new();
    for policy in &report.policies {
        let is_testing = policy.policy.policy_string.iter().any(|line| is_testing_mode(line));
        for failure in &policy.failure_details {
            observations.push(TlsObservation {
                origin: origin.to_owned(),
                reporter: tls_reporter(report),
                policy_domain: report
                    .domain_of(&policy.policy)
                    .map(|domain| domain.as_str().to_owned())
                    .unwrap_or_default(),
                mx: failure.receiving_mx_hostname.as_deref().unwrap_or_default().to_lowercase(),
                result_type: failure.result_type.as_str().to_owned(),
                class: class(&failure.result_type, &policy.policy.policy_type),
                sessions: failure.failed_session_count,
                is_testing,
                period: (report.date_range.begin, report.date_range.end),
            });
        }
    }
    observations
}

fn is_testing_mode(line: &str) -> bool {
    line.split_once(':').is_some_and(|(key, value)| key.trim() == "mode" && value.trim() == "testing")
}

fn class(result: &TlsResultType<'_>, policy: &TlsPolicyType<'_>) -> Class {
    use TlsResultType as R;
    match result {
        R::StsPolicyFetchError | R::StsPolicyInvalid | R::StsWebpkiInvalid => Class::TlsSts,
        R::TlsaInvalid | R::DnssecInvalid | R::DaneRequired => Class::TlsDane,
        R::StarttlsNotSupported
        | R::CertificateHostMismatch
        | R::CertificateExpired
        | R::CertificateNotTrusted => Class::TlsTransport,
        _ if *policy == TlsPolicyType::Tlsa => Class::TlsDane,
        _ => Class::TlsOther,
    }
}

/// One finding for each domain, MX and class.
pub(super) fn findings(observations: &[TlsObservation]) -> Vec<Finding> {
    let mut groups: BTreeMap<(&str, &str, Class), Vec<&TlsObservation>> = BTreeMap::new();
    for tls in observations {
        groups.entry((organizational(&tls.policy_domain), &tls.mx, tls.class)).or_default().push(tls);
    }
    groups.into_iter().map(|((domain, mx, class), sessions)| finding(domain, mx, class, &sessions)).collect()
}

fn finding(domain: &str, mx: &str, class: Class, observations: &[&TlsObservation]) -> Finding {
    let sum = |when: &dyn Fn(&TlsObservation) -> bool| {
        observations.iter().filter(|o| when(o)).fold(0_u64, |sum, o| sum.saturating_add(o.sessions))
    };
    let reporters: BTreeSet<&str> = observations.iter().map(|o| o.reporter.as_str()).collect();
    let results: BTreeSet<&str> = observations.iter().map(|o| o.result_type.as_str()).collect();
    let messages = sum(&|_| true);
    let blocked = messages.saturating_sub(sum(&|o| o.is_testing));
    let mut evidence = vec![Evidence::fact(format!("{} reporters saw it", reporters.len()))];
    evidence.extend(results.iter().map(|result| Evidence::fact(format!("result type {result}"))));
    let largest =
        observations.iter().max_by_key(|o| (o.sessions, std::cmp::Reverse((o.period, &o.reporter))));
    evidence.extend(largest.map(|o| Evidence::fact(format!("{} sessions in {}", o.sessions, o.origin))));
    let one = Evidence::Cap {
        fact: "only one reporter saw it: it may be theirs".to_owned(),
        cap: weights::CAP_ONE_REPORTER,
    };
    Finding {
        id: id("tls", domain, mx, class.as_str()),
        class,
        severity: severity(blocked, reporters.len()),
        confidence: if reporters.len() > 1 { weights::TLS_SEEN_TWICE } else { weights::CAP_ONE_REPORTER },
        domain: domain.to_owned(),
        source: Source {
            name: if mx.is_empty() { domain.to_owned() } else { mx.to_owned() },
            ..Source::default()
        },
        messages,
        delivered: messages.saturating_sub(blocked),
        first_seen: observations.iter().map(|o| o.period.0).min().unwrap_or_default(),
        last_seen: observations.iter().map(|o| o.period.1).max().unwrap_or_default(),
        evidence,
        against: if reporters.len() > 1 { Vec::new() } else { vec![one] },
        remedy: remedy::text(class, "", ""),
    }
}

/// Two reporters seeing the same failure: ours is at fault.
fn severity(blocked: u64, reporters: usize) -> Severity {
    match (blocked, reporters) {
        (0, _) => Severity::Low,
        (_, 0 | 1) => Severity::Medium,
        _ => Severity::High,
    }
}
