//! From records to findings: who sends as a domain without authorisation, and what else needs a decision.
//!
//! Everything here is a pure function of the records, of what is known about hosts and of the tables in
//! `weights.rs` and `data/services.toml`. The order of `rules` decides; nothing that a sender chooses counts as
//! innocence: a name of a host only where it is forward-confirmed, a domain only where it authenticated.
//!
//! *Not supported yet:* operator decisions, novelty, prefix and ASN databases.

mod assemble;
mod class;
mod cluster;
mod finding;
mod observe;
mod remedy;
mod rules;
mod score;
mod services;
mod tls;
mod weights;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub use class::{Class, Severity};
pub use finding::{Evidence, EvidenceRow, Finding, Source};
pub use services::{Service, ServiceKind};
pub use tls::{TlsObservation, tls_observations};

use crate::domain::organizational;
use crate::model::aggregate::DateRange;
use crate::record::FlatRecord;

/// What is known about a host, from its owner's configuration and from DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostFacts {
    /// Whether it lies in a network that the owner declared.
    pub is_own: bool,
    /// Its name in reverse DNS.
    pub name: HostName,
}

impl HostFacts {
    /// Puts together what is known about a host.
    #[must_use]
    pub fn new(is_own: bool, name: HostName) -> Self {
        Self { is_own, name }
    }
}

/// The name of a host in reverse DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostName {
    /// Nobody asked.
    #[default]
    NotLookedUp,
    /// It has none.
    Nameless,
    /// It claims a name that does not resolve back to it: anybody can do that.
    Unconfirmed(String),
    /// Its name resolves back to it.
    Confirmed(String),
}

/// A report that is in no total, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetAside {
    /// [`Class::ReportUntrusted`] or [`Class::ReportConflict`].
    pub class: Class,
    /// The policy domain that the report is about.
    pub policy_domain: String,
    /// Who it says it is from.
    pub reporter: String,
    /// The mail or file.
    pub origin: String,
    /// Why it is set aside.
    pub reason: String,
    /// Messages that it claims.
    pub messages: u64,
    /// The period that it claims: seconds since the Unix epoch, UTC.
    pub period: (i64, i64),
}

impl SetAside {
    /// The same report, set aside because it is not to be trusted.
    #[must_use]
    pub fn untrusted(self, reason: String) -> Self {
        Self { class: Class::ReportUntrusted, reason, ..self }
    }

    /// Sets the report of `origin` aside.
    pub fn new(class: Class, origin: String, reason: String) -> Self {
        Self {
            class,
            policy_domain: String::new(),
            reporter: String::new(),
            origin,
            reason,
            messages: 0,
            period: (0, 0),
        }
    }
}

/// A failure report, as far as findings use it: as a pointer from a host to an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailureObservation {
    /// The host that sent.
    pub source_ip: IpAddr,
    /// The domain that it used.
    pub domain: String,
    /// When its message arrived, in seconds since the Unix epoch, UTC.
    pub arrived: Option<i64>,
    /// `Message-ID` of that message.
    pub message_id: Option<String>,
    /// The mail or file.
    pub origin: String,
}

impl FailureObservation {
    /// A failure report about `source_ip` sending as `domain`, read from `origin`; it says nothing of the message.
    pub fn new(source_ip: IpAddr, domain: String, origin: String) -> Self {
        Self { source_ip, domain, arrived: None, message_id: None, origin }
    }

    /// What orders examples: what they say first, so that names of files matter only between equals.
    pub(crate) fn order(&self) -> impl Ord + '_ {
        (self.arrived, self.source_ip, &self.domain, &self.message_id, &self.origin)
    }
}

/// What findings are made from.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Input<'a> {
    /// Records of reports that count: no duplicate, no conflict, nothing untrusted.
    pub records: &'a [FlatRecord],
    /// Sessions of TLS reports that count.
    pub tls: &'a [TlsObservation],
    /// Failure reports.
    pub failures: &'a [FailureObservation],
    /// Reports that do not count.
    pub set_aside: &'a [SetAside],
    /// What is known about a host.
    pub host: &'a dyn Fn(IpAddr) -> HostFacts,
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input")
            .field("records", &self.records.len())
            .field("tls", &self.tls.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Input<'a> {
    /// Findings over `records` alone, with what `host` knows; add the rest by its field.
    pub fn new(records: &'a [FlatRecord], host: &'a dyn Fn(IpAddr) -> HostFacts) -> Self {
        Self { records, tls: &[], failures: &[], set_aside: &[], host }
    }
}

/// The answer: key figures by domain, and findings with the worst first.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Findings {
    /// The time that the reports cover, in seconds since the Unix epoch, UTC; `None` without a report.
    pub period: Option<(i64, i64)>,
    /// One entry for each Organizational Domain, by name.
    pub domains: Vec<DomainSummary>,
    /// The findings of all domains: by domain, then worst first.
    pub findings: Vec<Finding>,
}

/// Key figures of one Organizational Domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DomainSummary {
    /// The Organizational Domain of the policy domains.
    pub domain: String,
    /// Messages in its records.
    pub messages: u64,
    /// Messages that passed DMARC.
    pub dmarc_pass: u64,
    /// Messages that failed DMARC.
    pub dmarc_fail: u64,
    /// Messages that failed and were neither quarantined nor rejected.
    pub delivered_failing: u64,
    /// Records.
    pub records: u64,
    /// Reports.
    pub reports: u64,
    /// Different reporters.
    pub reporters: u64,
    /// The same by day, sorted; days without a record are left out.
    pub days: Vec<DayTotals>,
}

/// Messages of one day: of the reports whose period has its middle in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DayTotals {
    /// Days since the Unix epoch, UTC.
    pub day: i64,
    /// Messages that passed DMARC.
    pub dmarc_pass: u64,
    /// Messages that failed DMARC.
    pub dmarc_fail: u64,
    /// Messages that failed and were neither quarantined nor rejected.
    pub delivered_failing: u64,
}

/// Finds who sends as the domains of `input`. The same input in any order gives the same findings.
///
/// ```
/// use dmarc_core::findings::{Class, HostFacts, HostName, Input, find};
/// use dmarc_core::record::{Trust, flatten};
/// use dmarc_core::{Limits, parse::aggregate};
///
/// # let xml = "<feedback><report_metadata><org_name>receiver.example</org_name><report_id>1</report_id>
/// #   <date_range><begin>1789171200</begin><end>1789257599</end></date_range></report_metadata>
/// #   <policy_published><domain>example.org</domain><p>none</p></policy_published>
/// #   <record><row><source_ip>192.0.2.1</source_ip><count>700</count>
/// #     <policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>
/// #     <identifiers><header_from>example.org</header_from></identifiers>
/// #     <auth_results><spf><domain>stranger.example</domain><result>pass</result></spf></auth_results></record></feedback>";
/// let report = aggregate::parse(xml, &Limits::default()).remove(0)?.report.into_owned();
/// let records = flatten(report, "report.xml".to_owned(), Trust::Unverified);
/// let nothing_is_known = |_| HostFacts::new(false, HostName::NotLookedUp);
/// let findings = find(&Input::new(&records, &nothing_is_known));
/// assert_eq!(findings.domains[0].dmarc_fail, 700);
/// let worst = &findings.findings[0];
/// assert_eq!((worst.domain.as_str(), worst.delivered), ("example.org", 700));
/// assert_eq!(worst.class, Class::UnauthorizedUnknown);
/// # Ok::<(), dmarc_core::Error>(())
/// ```
pub fn find(input: &Input<'_>) -> Findings {
    let mut by_domain: BTreeMap<&str, Vec<&FlatRecord>> = BTreeMap::new();
    for record in input.records {
        by_domain.entry(organizational(&record.report.policy_domain)).or_default().push(record);
    }
    let elsewhere = observe::failing_domains(input.records);
    let mut findings = Vec::new();
    let mut domains = Vec::new();
    for (domain, records) in &by_domain {
        domains.push(summarize(domain, records));
        let view = observe::DomainView::new(domain, records, input, &elsewhere);
        findings.extend(assemble::findings(&view));
    }
    findings.extend(tls::findings(input.tls));
    findings.extend(assemble::set_aside(input.set_aside));
    findings.sort_by(|a, b| {
        let worst = |f: &Finding| std::cmp::Reverse((f.severity, f.delivered, f.messages));
        (&a.domain, worst(a), &a.id).cmp(&(&b.domain, worst(b), &b.id))
    });
    Findings { period: period(input), domains, findings }
}

fn summarize(domain: &str, records: &[&FlatRecord]) -> DomainSummary {
    let mut summary = DomainSummary { domain: domain.to_owned(), ..DomainSummary::default() };
    let mut reports = BTreeSet::new();
    let mut reporters = BTreeSet::new();
    let mut days: BTreeMap<i64, DayTotals> = BTreeMap::new();
    for record in records {
        let count = record.message_count;
        days.entry(record.report.period.day()).or_default().add(record);
        let result = if record.is_pass() { &mut summary.dmarc_pass } else { &mut summary.dmarc_fail };
        *result = result.saturating_add(count);
        summary.messages = summary.messages.saturating_add(count);
        if !record.is_pass() && record.is_delivered {
            summary.delivered_failing = summary.delivered_failing.saturating_add(count);
        }
        summary.records += 1;
        reporters.insert(record.report.reporter.as_str());
        reports.insert(observe::report_key(record));
    }
    summary.reports = reports.len() as u64;
    summary.reporters = reporters.len() as u64;
    summary.days = days.into_iter().map(|(day, totals)| DayTotals { day, ..totals }).collect();
    summary
}

impl DayTotals {
    fn add(&mut self, record: &FlatRecord) {
        let count = record.message_count;
        let result = if record.is_pass() { &mut self.dmarc_pass } else { &mut self.dmarc_fail };
        *result = result.saturating_add(count);
        if !record.is_pass() && record.is_delivered {
            self.delivered_failing = self.delivered_failing.saturating_add(count);
        }
    }
}

fn period(input: &Input<'_>) -> Option<(i64, i64)> {
    let records = input.records.iter().map(|record| record.report.period);
    let tls = input.tls.iter().map(|tls| DateRange::new(tls.period.0, tls.period.1));
    // One report that claims another century must not stretch what all the others cover.
    let plausible = records.chain(tls).filter(|period| period.is_plausible());
    plausible
        .map(|period| (period.begin, period.end))
        .reduce(|(begin, end), (b, e)| (begin.min(b), end.max(e)))
}
