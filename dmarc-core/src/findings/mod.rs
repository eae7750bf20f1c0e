//! From records to findings: who sends as a domain without authorisation, and what else needs a decision.
//!
//! Everything here is a pure function of the records, of what is known about hosts and of the tables in
//! `weights.rs` and `data/services.toml`. The order of `rules` decides; nothing that a sender chooses counts as
//! innocence: a name of a host only where it is forward-confirmed, a domain only where it authenticated.
//!
//! Findings about a domain depend on its own records only: domains can be judged one after the other, on any machine, and
//! memory follows the largest. That a host fails for other domains too is therefore no evidence here.
//!
//! *Not supported:* prefix and ASN databases.

mod assemble;
mod borrowed;
mod class;
mod cluster;
mod decision;
mod finding;
mod key;
mod newest;
mod novelty;
pub(crate) mod observed;
mod rules;
mod said;
mod score;
mod services;
pub(crate) mod signals;
mod simulation;
mod texts;
mod tls;
mod view;
mod weights;

use std::net::IpAddr;

pub use class::{Class, Severity};
pub use decision::{Decision, Status, Subject};
pub use finding::{Decided, Evidence, EvidenceRow, Finding, Source, is_finding_id};
pub use newest::newest_day;
pub use novelty::Novelty;
pub use observed::{HostSummary, Observations, Observed, ReportSummary};
pub use services::{Service, ServiceKind};
pub use simulation::{Action, Candidate, CandidateError, CandidatePolicy, Simulated, simulate};
pub use tls::{TlsObservation, tls_observations};

use crate::record::FlatRecord;

/// The service of the catalogue with this name.
pub fn service_by_name(name: &str) -> Option<&'static Service> {
    services::by_name(name)
}

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

/// What is known beside the records.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Known<'a> {
    /// Failure reports.
    pub failures: &'a [FailureObservation],
    /// What the operator decided.
    pub decisions: &'a [Decision],
    /// What is known about a host.
    pub host: &'a dyn Fn(IpAddr) -> HostFacts,
    /// The largest rows that a finding shows as evidence. Default: 3. At most 10 of a stream are known.
    pub rows: usize,
}

/// Rows that a finding shows unless others are asked for.
const ROWS: usize = 3;

impl std::fmt::Debug for Known<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known")
            .field("failures", &self.failures.len())
            .field("decisions", &self.decisions.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Known<'a> {
    /// What `host` knows about hosts, and nothing else; add the rest by its field.
    pub fn new(host: &'a dyn Fn(IpAddr) -> HostFacts) -> Self {
        Self { failures: &[], decisions: &[], host, rows: ROWS }
    }
}

/// What findings are made from, where all of it is in memory.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Input<'a> {
    /// Records of reports that count: no duplicate, no conflict, nothing untrusted.
    pub records: &'a [FlatRecord],
    /// Sessions of TLS reports that count.
    pub tls: &'a [TlsObservation],
    /// Reports that do not count.
    pub set_aside: &'a [SetAside],
    /// What is known beside them.
    pub known: Known<'a>,
}

impl<'a> Input<'a> {
    /// Findings over `records` alone, with what `host` knows; add the rest by its field.
    pub fn new(records: &'a [FlatRecord], host: &'a dyn Fn(IpAddr) -> HostFacts) -> Self {
        Self { records, tls: &[], set_aside: &[], known: Known::new(host) }
    }
}

/// The answer: key figures by domain, and findings with the worst first.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Findings {
    /// The time that the reports cover, as far as they may be [believed](newest_day), in seconds since the Unix epoch, UTC; `None` without a report.
    pub period: Option<(i64, i64)>,
    /// One entry for each Organizational Domain, by name.
    pub domains: Vec<DomainSummary>,
    /// The findings of all domains: by domain, then worst first.
    pub findings: Vec<Finding>,
    /// Decisions that are not believed any more, by expiry.
    pub expired: Vec<Decision>,
}

impl Findings {
    /// What was observed of one domain, judged.
    pub fn of(observed: &Observed, known: &Known<'_>) -> Self {
        let view = view::DomainView::new(observed, known);
        let mut found = Self {
            period: observed.period(),
            domains: vec![DomainSummary { period: observed.period(), ..observed.summary() }],
            findings: assemble::findings(&view),
            expired: view.expired.into_iter().cloned().collect(),
        };
        found.sort();
        found
    }

    /// Fills in where reports came from, for evidence that was observed without it.
    pub fn name_origins(&mut self, origin: &dyn Fn(&EvidenceRow) -> String) {
        let evidence = self.findings.iter_mut().flat_map(|finding| &mut finding.evidence);
        for one in evidence {
            if let Evidence::Row { row } = one
                && row.origin.is_empty()
            {
                row.origin = origin(row);
            }
        }
    }

    /// What is found without records: failed TLS sessions, and reports that do not count.
    pub fn beside(tls: &[TlsObservation], set_aside: &[SetAside]) -> Self {
        let mut findings = tls::findings(tls);
        findings.extend(assemble::set_aside(set_aside));
        Self { period: tls::period(tls), findings, ..Self::default() }
    }

    /// Takes in what was found elsewhere.
    pub fn merge(&mut self, other: Self) {
        self.period = match (self.period, other.period) {
            (Some(a), Some(b)) => Some(both(a, b)),
            (a, b) => a.or(b),
        };
        self.domains.extend(other.domains);
        self.findings.extend(other.findings);
        self.expired.extend(other.expired);
    }

    /// Puts everything in order; findings come by domain, worst first.
    pub fn sort(&mut self) {
        self.domains.sort_by(|a, b| a.domain.cmp(&b.domain));
        self.findings.sort_by(|a, b| {
            let worst = |f: &Finding| std::cmp::Reverse((f.severity, f.delivered, f.messages));
            (&a.domain, worst(a), &a.id).cmp(&(&b.domain, worst(b), &b.id))
        });
        let order =
            |d: &Decision| (d.expires, d.subject.to_string(), d.status, d.owner.clone(), d.reason.clone());
        self.expired.sort_by_cached_key(order);
        self.expired.dedup();
    }
}

/// The time from the earlier beginning to the later end.
fn both(a: (i64, i64), b: (i64, i64)) -> (i64, i64) {
    (a.0.min(b.0), a.1.max(b.1))
}

/// Key figures of one Organizational Domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DomainSummary {
    /// The Organizational Domain of the policy domains.
    pub domain: String,
    /// The time that its reports cover, as [`Findings::period`].
    pub period: Option<(i64, i64)>,
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
    /// The requested policy `p` that most of those found who reported about the domain itself in its last days; empty if nobody
    /// did.
    pub policy: String,
    /// The same of `sp`; empty if nobody says, for then it is as `policy`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "String::is_empty"))]
    pub policy_sp: String,
    /// The same of `np`; empty if nobody says, for then it is as `policy_sp`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "String::is_empty"))]
    pub policy_np: String,
    /// The same of `t`: `y` where the owner tests, and each policy is taken for the next weaker one; empty if nobody says.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "String::is_empty"))]
    pub policy_testing: String,
    /// The same by day, sorted, up to the [newest](Observed::newest_day) one; days without a record are left out. Not serialized.
    #[cfg_attr(feature = "serde", serde(skip))]
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
    let mut observations = Observations::default();
    for record in input.records {
        observations.add(record);
    }
    let mut findings = Findings::beside(input.tls, input.set_aside);
    for observed in observations.domains() {
        findings.merge(Findings::of(observed, &input.known));
    }
    findings.sort();
    findings
}

impl DayTotals {
    pub(crate) fn add(&mut self, messages: u64, is_pass: bool, is_delivered: bool) {
        let result = if is_pass { &mut self.dmarc_pass } else { &mut self.dmarc_fail };
        *result = result.saturating_add(messages);
        if !is_pass && is_delivered {
            self.delivered_failing = self.delivered_failing.saturating_add(messages);
        }
    }

    pub(crate) fn take(&mut self, other: Self) {
        self.dmarc_pass = self.dmarc_pass.saturating_add(other.dmarc_pass);
        self.dmarc_fail = self.dmarc_fail.saturating_add(other.dmarc_fail);
        self.delivered_failing = self.delivered_failing.saturating_add(other.delivered_failing);
    }
}
