//! TLS sessions that failed, by policy domain × MX × kind of failure (RFC 8460, Section 4.3).
//!
//! Totals are never added across the policies of one report: the same sessions may stand under several.

use std::collections::{BTreeMap, BTreeSet};

use super::class::{Class, Severity};
use super::finding::{Evidence, Finding, Source, id};
use super::newest::{is_believable, newest_day};
use super::novelty::novelty;
use super::view::Days;
use super::{texts, weights};
use crate::domain::organizational;
use crate::identity::tls_reporter;
use crate::model::TlsReport;
use crate::model::aggregate::DateRange;
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
    /// The type of the policy that they failed.
    pub policy_type: String,
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
                policy_type: policy.policy.policy_type.as_str().to_owned(),
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

/// One finding for each policy domain, MX and result type.
pub(super) fn findings(observations: &[TlsObservation]) -> Vec<Finding> {
    let mut groups: BTreeMap<GroupKey<'_>, Vec<&TlsObservation>> = BTreeMap::new();
    let mut domains: BTreeMap<&str, Vec<&TlsObservation>> = BTreeMap::new();
    for tls in observations {
        let (policy_domain, mx) = (tls.policy_domain.as_str(), tls.mx.as_str());
        let key = GroupKey { policy_domain, mx, class: tls.class, result: &tls.result_type };
        groups.entry(key).or_default().push(tls);
        domains.entry(key.domain()).or_default().push(tls);
    }
    let covered: BTreeMap<&str, Option<Days>> =
        domains.into_iter().map(|(domain, observations)| (domain, covered(&observations))).collect();
    let finding = |(key, sessions): (GroupKey<'_>, Vec<&TlsObservation>)| {
        finding(key, &sessions, covered.get(key.domain()).copied().flatten())
    };
    groups.into_iter().map(finding).collect()
}

/// The time that these cover, as far as it may be believed.
pub(super) fn period(observations: &[TlsObservation]) -> Option<(i64, i64)> {
    let all: Vec<&TlsObservation> = observations.iter().collect();
    let covered = covered(&all);
    let periods = all.iter().filter(|tls| tls.is_in(covered)).map(|tls| tls.period);
    periods.reduce(|(b, e), (begin, end)| (b.min(begin), e.max(end)))
}

/// What makes failed sessions one finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct GroupKey<'o> {
    policy_domain: &'o str,
    mx: &'o str,
    class: Class,
    result: &'o str,
}

impl<'o> GroupKey<'o> {
    /// The Organizational Domain.
    fn domain(self) -> &'o str {
        organizational(self.policy_domain)
    }

    /// See [`Source::key`].
    fn text(self) -> String {
        format!("tls:{}:{}:{}", self.policy_domain, self.mx, self.result)
    }

    /// For people.
    fn name(self) -> String {
        let GroupKey { policy_domain, mx, result, .. } = self;
        match mx {
            "" => format!("{policy_domain} {result}"),
            _ if policy_domain == self.domain() => format!("{mx} {result}"),
            _ => format!("{mx} {result}, for {policy_domain}"),
        }
    }
}

/// First and last day that these may be believed about; `None` if there is none.
fn covered(observations: &[&TlsObservation]) -> Option<Days> {
    let reports = || observations.iter().map(|tls| (tls.reporter.as_str(), tls.range()));
    let last = newest_day(reports())?;
    let days = reports().filter(|(_, period)| is_believable(*period)).map(|(_, period)| period.day());
    Some(Days { first: days.min().unwrap_or(last), last })
}

impl TlsObservation {
    fn range(&self) -> DateRange {
        DateRange::new(self.period.0, self.period.1)
    }

    fn day(&self) -> i64 {
        self.range().day()
    }

    /// Whether it is about a day that may be believed.
    fn is_in(&self, covered: Option<Days>) -> bool {
        is_believable(self.range()) && covered.is_some_and(|days| self.day() <= days.last)
    }
}

/// Failed sessions by day. The same sessions may stand under several policies of a report: of these the one with most counts.
fn by_day<'o>(observations: impl Iterator<Item = &'o TlsObservation>) -> BTreeMap<i64, u64> {
    let mut policies: BTreeMap<_, u64> = BTreeMap::new();
    for tls in observations {
        let report = (tls.day(), &tls.reporter, tls.period, &tls.origin);
        let sum = policies.entry((report, &tls.policy_type)).or_default();
        *sum = sum.saturating_add(tls.sessions);
    }
    let mut reports: BTreeMap<_, u64> = BTreeMap::new();
    for ((report, _), sessions) in policies {
        let most = reports.entry(report).or_default();
        *most = sessions.max(*most);
    }
    let mut days: BTreeMap<i64, u64> = BTreeMap::new();
    for ((day, ..), sessions) in reports {
        let sum = days.entry(day).or_default();
        *sum = sum.saturating_add(sessions);
    }
    days
}

fn finding(key: GroupKey<'_>, observations: &[&TlsObservation], covered: Option<Days>) -> Finding {
    let GroupKey { policy_domain, mx, class, result } = key;
    let days = by_day(observations.iter().copied());
    let total = |days: &BTreeMap<i64, u64>| days.values().fold(0_u64, |sum, n| sum.saturating_add(*n));
    let messages = total(&days);
    let delivered = total(&by_day(observations.iter().copied().filter(|tls| tls.is_testing))).min(messages);
    let reporters: BTreeSet<&str> = observations.iter().map(|o| o.reporter.as_str()).collect();
    let policies: BTreeSet<&str> = observations.iter().map(|o| o.policy_type.as_str()).collect();
    let policies: Vec<&str> = policies.into_iter().collect();
    let mut evidence = vec![
        Evidence::fact(texts::seen(reporters.len(), days.len())),
        Evidence::fact(format!("policy domain {policy_domain}, {}", at_mx(mx))),
        Evidence::fact(format!("result type {result}, under the policies {}", policies.join(", "))),
    ];
    let largest = observations
        .iter()
        .max_by_key(|o| (o.sessions, std::cmp::Reverse((o.period, &o.reporter, &o.origin))));
    evidence.extend(largest.map(|o| Evidence::fact(format!("{} sessions in {}", o.sessions, o.origin))));
    let one = Evidence::Cap {
        fact: "only one reporter saw it: it may be theirs".to_owned(),
        cap: weights::CAP_ONE_REPORTER,
    };
    let is_one = reporters.len() <= 1;
    let believed: Vec<&TlsObservation> =
        observations.iter().copied().filter(|tls| tls.is_in(covered)).collect();
    let seen = if believed.is_empty() { observations } else { &believed };
    let covered = covered.unwrap_or(Days { first: 0, last: 0 });
    Finding {
        id: id("tls", policy_domain, mx, result),
        class,
        severity: severity(messages - delivered, reporters.len()),
        confidence: if is_one { weights::CAP_ONE_REPORTER } else { weights::TLS_SEEN_TWICE },
        novelty: novelty(&by_day(believed.iter().copied()), covered),
        decision: None,
        domain: key.domain().to_owned(),
        source: Source { key: key.text(), name: key.name(), ..Source::default() },
        messages,
        dmarc_pass: 0,
        delivered,
        first_seen: seen.iter().map(|o| o.period.0).min().unwrap_or_default(),
        last_seen: seen.iter().map(|o| o.period.1).max().unwrap_or_default(),
        statement: texts::statement(class, "").to_owned(),
        evidence,
        against: if is_one { vec![one] } else { Vec::new() },
        unknown: Vec::new(),
        remedy: texts::remedy(class, result, None),
        resolved_when: texts::resolved_when(class).to_owned(),
    }
}

fn at_mx(mx: &str) -> String {
    if mx.is_empty() { "not at one MX".to_owned() } else { format!("MX {mx}") }
}

/// Two reporters seeing the same failure: ours is at fault.
fn severity(blocked: u64, reporters: usize) -> Severity {
    match (blocked, reporters) {
        (0, _) => Severity::Low,
        (_, 0 | 1) => Severity::Medium,
        _ => Severity::High,
    }
}
