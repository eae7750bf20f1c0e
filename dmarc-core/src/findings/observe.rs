//! What was observed: records of one domain, gathered by host and stream, and what follows about the domain.
//!
//! A *stream* is one cause inside a host: Author Domain and authentication signature.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::services::{Service, ServiceKind, by_domain, by_host, is_own_tenant};
use super::{FailureObservation, HostFacts, HostName, Input, weights};
use crate::domain::organizational;
use crate::model::aggregate::{DateRange, PolicyOverride, PolicyOverrideReason};
use crate::model::auth::{DkimResultCode, SpfResultCode};
use crate::record::{FlatRecord, Trust};

/// What tells one report from another.
pub(super) type ReportKey<'r> = (&'r str, &'r str, &'r str, DateRange);

pub(super) fn report_key(record: &FlatRecord) -> ReportKey<'_> {
    let report = &record.report;
    (&report.reporter, &report.policy_domain, &report.report_id, report.period)
}

/// The authentication signature of a row: everything that tells one cause from another, and nothing that is chance.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Signals<'r> {
    pub(super) spf_aligned: bool,
    pub(super) dkim_aligned: bool,
    /// Selectors of signatures in our name that passed; empty text where the reporter left the selector out.
    pub(super) own_keys_passing: BTreeSet<&'r str>,
    /// Selectors of signatures in our name that failed.
    pub(super) own_keys_failing: BTreeSet<&'r str>,
    /// Organizational domains other than ours that signed, by DKIM. A signature travels with a replayed message.
    pub(super) signed_as: BTreeSet<&'r str>,
    /// Organizational domains other than ours that the host sends for, by SPF.
    pub(super) sent_as: BTreeSet<&'r str>,
    /// A pass with the mark of our own tenant at a service.
    pub(super) own_tenant: bool,
    /// What the reporter believes about the way the mail took.
    pub(super) indirect: Indirect,
    /// DNS errors kept the reporter from a verdict.
    pub(super) dns_error: bool,
}

/// What the reporter believes about the way the mail took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Indirect {
    #[default]
    No,
    /// `local_policy` with a comment that ARC passed: weak.
    ArcPass,
    /// A list or a forwarder.
    ListOrForwarder,
}

impl Signals<'_> {
    pub(super) fn is_pass(&self) -> bool {
        self.spf_aligned || self.dkim_aligned
    }
}

/// All rows of one stream.
#[derive(Default)]
pub(super) struct Stream<'r> {
    pub(super) messages: u64,
    pub(super) delivered: u64,
    pub(super) disagreeing: u64,
    pub(super) unverified: u64,
    pub(super) records: Vec<&'r FlatRecord>,
}

impl<'r> Stream<'r> {
    fn add(&mut self, record: &'r FlatRecord) {
        let count = record.message_count;
        let add = |sum: &mut u64, when: bool| *sum = sum.saturating_add(if when { count } else { 0 });
        add(&mut self.messages, true);
        add(&mut self.delivered, record.is_delivered);
        add(&mut self.disagreeing, record.disagrees);
        add(&mut self.unverified, record.report.trust == Trust::Unverified);
        self.records.push(record);
    }
}

/// First and last day of activity, in days since the Unix epoch.
#[derive(Clone, Copy)]
pub(super) struct Days {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Days {
    /// Of records whose period is plausible or, without any of these, of all.
    pub(super) fn of<'r>(records: impl Iterator<Item = &'r FlatRecord>) -> Self {
        let (mut plausible, mut all) = (None, None);
        for period in records.map(|record| record.report.period) {
            all = Some(Self::and(all, period.day()));
            if period.is_plausible() {
                plausible = Some(Self::and(plausible, period.day()));
            }
        }
        plausible.or(all).unwrap_or(Self { first: 0, last: 0 })
    }

    fn and(days: Option<Self>, day: i64) -> Self {
        let days = days.unwrap_or(Self { first: day, last: day });
        Self { first: days.first.min(day), last: days.last.max(day) }
    }

    pub(super) fn span(self) -> i64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// Whose host it is, by what its sender cannot choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Declared by the owner, or its confirmed name is in our domain.
    Own,
    /// A service of the catalogue, by confirmed name.
    Service(&'static str),
    /// The organizational domain of its confirmed name.
    Named(String),
    /// Nothing is known.
    Unknown,
}

/// One host and its streams.
pub(super) struct Host<'r> {
    pub(super) ip: Option<IpAddr>,
    pub(super) facts: HostFacts,
    pub(super) place: Place,
    pub(super) service: Option<&'static Service>,
    /// Whether any of its mail passed SPF in our name. Never of a hidden address, which is many hosts.
    pub(super) passed_spf: bool,
    /// Whether a reporter called any of its mail list or forwarded mail. Never of a hidden address.
    pub(super) is_called_forwarder: bool,
    /// By Author Domain and signature.
    pub(super) streams: BTreeMap<(&'r str, Signals<'r>), Stream<'r>>,
}

impl<'r> Host<'r> {
    fn new(ip: Option<IpAddr>, facts: HostFacts, domain: &str) -> Self {
        let (place, service) = locate(&facts, domain);
        Self {
            ip,
            facts,
            place,
            service,
            passed_spf: false,
            is_called_forwarder: false,
            streams: BTreeMap::new(),
        }
    }

    fn add(&mut self, record: &'r FlatRecord, domain: &str) {
        let signals = signals(record, domain);
        self.passed_spf |= self.ip.is_some() && signals.spf_aligned;
        self.is_called_forwarder |= self.ip.is_some() && signals.indirect == Indirect::ListOrForwarder;
        self.streams.entry((&record.header_from, signals)).or_default().add(record);
    }

    /// Whether it passed SPF in our name and is no host of a service, which any of its customers may use.
    pub(super) fn is_ours_by_spf(&self) -> bool {
        self.passed_spf && self.service.is_none()
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &'r FlatRecord> {
        self.streams.values().flat_map(|stream| stream.records.iter().copied())
    }

    /// Whether its mail may carry a selector of ours by right: ours, or a service that sends for customers.
    fn is_ours_or_sender(&self) -> bool {
        let sends = self.service.is_some_and(|service| service.kind == ServiceKind::Sender);
        self.place == Place::Own || sends || self.passed_spf
    }
}

fn locate(facts: &HostFacts, domain: &str) -> (Place, Option<&'static Service>) {
    if facts.is_own {
        return (Place::Own, None);
    }
    let HostName::Confirmed(name) = &facts.name else {
        return (Place::Unknown, None);
    };
    if organizational(name) == domain {
        return (Place::Own, None);
    }
    match by_host(name) {
        Some(service) => (Place::Service(&service.name), Some(service)),
        None => (Place::Named(organizational(name).to_owned()), None),
    }
}

/// Everything about one Organizational Domain.
pub(super) struct DomainView<'r> {
    pub(super) domain: &'r str,
    pub(super) hosts: Vec<Host<'r>>,
    pub(super) messages: u64,
    pub(super) days: Days,
    /// Selectors that pass from hosts that are ours or send for us.
    pub(super) own_selectors: BTreeSet<&'r str>,
    /// Author Domains from which something passed.
    pub(super) passing_froms: BTreeSet<&'r str>,
    /// Hosts whose valid signatures look replayed.
    pub(super) replaying: BTreeSet<Option<IpAddr>>,
    /// For each host, in how many organizational domains it fails.
    pub(super) elsewhere: &'r BTreeMap<IpAddr, BTreeSet<&'r str>>,
    pub(super) failures: &'r [FailureObservation],
}

impl<'r> DomainView<'r> {
    pub(super) fn new(
        domain: &'r str,
        records: &[&'r FlatRecord],
        input: &Input<'r>,
        elsewhere: &'r BTreeMap<IpAddr, BTreeSet<&'r str>>,
    ) -> Self {
        let hosts = gather(domain, records, input);
        let own_selectors = streams(&hosts)
            .filter(|(host, ..)| host.is_ours_or_sender())
            .flat_map(|(_, (_, signals), _)| signals.own_keys_passing.iter().copied())
            .collect();
        let passing_froms =
            streams(&hosts).filter(|(_, (_, s), _)| s.is_pass()).map(|(_, (from, _), _)| *from).collect();
        let messages = streams(&hosts).fold(0_u64, |sum, (.., stream)| sum.saturating_add(stream.messages));
        let days = Days::of(records.iter().copied());
        let replaying = replaying(&hosts, days);
        Self {
            domain,
            hosts,
            messages,
            days,
            own_selectors,
            passing_froms,
            replaying,
            elsewhere,
            failures: input.failures,
        }
    }

    /// Whether any of these selectors is known to pass elsewhere; a selector that the reporter left out may be any.
    pub(super) fn knows_selector(&self, selectors: &BTreeSet<&str>) -> bool {
        selectors
            .iter()
            .any(|s| self.own_selectors.contains(s) || (s.is_empty() && !self.own_selectors.is_empty()))
    }
}

/// Every stream of `hosts`, with its host, Author Domain and signature.
pub(super) fn streams<'h, 'r>(
    hosts: &'h [Host<'r>],
) -> impl Iterator<Item = (&'h Host<'r>, &'h (&'r str, Signals<'r>), &'h Stream<'r>)> {
    hosts.iter().flat_map(|host| host.streams.iter().map(move |(key, stream)| (host, key, stream)))
}

/// In which organizational domains each host fails.
pub(super) fn failing_domains(records: &[FlatRecord]) -> BTreeMap<IpAddr, BTreeSet<&str>> {
    let mut failing: BTreeMap<IpAddr, BTreeSet<&str>> = BTreeMap::new();
    for record in records.iter().filter(|record| !record.is_pass()) {
        if let Some(ip) = record.source_ip {
            failing.entry(ip).or_default().insert(organizational(&record.report.policy_domain));
        }
    }
    failing
}

fn gather<'r>(domain: &'r str, records: &[&'r FlatRecord], input: &Input<'r>) -> Vec<Host<'r>> {
    let mut hosts: BTreeMap<Option<IpAddr>, Host<'r>> = BTreeMap::new();
    for record in records {
        let host = hosts.entry(record.source_ip).or_insert_with(|| {
            let facts = record.source_ip.map(input.host).unwrap_or_default();
            Host::new(record.source_ip, facts, domain)
        });
        host.add(record, domain);
    }
    hosts.into_values().collect()
}

fn signals<'r>(record: &'r FlatRecord, domain: &str) -> Signals<'r> {
    let mut signals = Signals {
        spf_aligned: record.spf_aligned,
        dkim_aligned: record.dkim_aligned,
        indirect: record.reasons.iter().map(indirect).max().unwrap_or_default(),
        ..Signals::default()
    };
    for dkim in &record.auth_results.dkim {
        let passed = dkim.result == DkimResultCode::Pass;
        let signer = dkim.domain.organizational();
        if signer == domain {
            let keys = if passed { &mut signals.own_keys_passing } else { &mut signals.own_keys_failing };
            keys.insert(dkim.selector.as_deref().unwrap_or_default());
        } else if passed {
            signals.own_tenant |= is_own_tenant(dkim.domain.as_str(), domain);
            signals.signed_as.insert(signer);
        }
    }
    for spf in &record.auth_results.spf {
        let checked = spf.domain.organizational();
        if spf.result == SpfResultCode::Pass && checked != domain && !checked.is_empty() {
            signals.sent_as.insert(checked);
        }
        signals.dns_error |= spf.result == SpfResultCode::TempError;
    }
    signals
}

fn indirect(reason: &PolicyOverrideReason<'_>) -> Indirect {
    match reason.kind {
        PolicyOverride::MailingList | PolicyOverride::TrustedForwarder | PolicyOverride::Forwarded => {
            Indirect::ListOrForwarder
        }
        PolicyOverride::LocalPolicy
            if reason.comment.as_ref().is_some_and(|c| c.text.contains("arc=pass")) =>
        {
            Indirect::ArcPass
        }
        _ => Indirect::No,
    }
}

/// The service that the host of this stream sends for, if any: by SPF, which vouches for the host. A signature of the
/// service would not, for it stays valid wherever the message is sent from.
pub(super) fn authenticated_service(signals: &Signals<'_>) -> Option<&'static Service> {
    signals.sent_as.iter().find_map(|domain| by_domain(domain))
}

/// Hosts from which valid signatures of ours burst: neither ours nor a sender, active for a few days only, and many
/// messages at once. A named host must be a burst of its own, for forwarders have names.
fn replaying(hosts: &[Host<'_>], days: Days) -> BTreeSet<Option<IpAddr>> {
    if days.span() < weights::REPLAY_HISTORY_DAYS {
        return BTreeSet::new();
    }
    let suspects: Vec<(&Host<'_>, i64, u64)> = hosts
        .iter()
        .filter(|host| {
            host.ip.is_some() && !host.is_ours_or_sender() && host.streams.keys().any(|(_, s)| s.dkim_aligned)
        })
        .filter_map(|host| {
            let days = Days::of(host.records());
            let messages =
                host.streams.values().fold(0_u64, |sum, stream| sum.saturating_add(stream.messages));
            (days.span() <= weights::CAMPAIGN_DAYS).then_some((host, days.first, messages))
        })
        .collect();
    let windows = Windows::new(suspects.iter().map(|(_, day, messages)| (*day, *messages)));
    suspects
        .into_iter()
        .filter(|(host, day, messages)| {
            let sum = if host.place == Place::Unknown { windows.around(*day) } else { *messages };
            sum >= weights::REPLAY_MESSAGES
        })
        .map(|(host, ..)| host.ip)
        .collect()
}

/// Sums by day, asked for the busiest window of [`weights::CAMPAIGN_DAYS`] around a day.
pub(super) struct Windows(BTreeMap<i64, u64>);

impl Windows {
    pub(super) fn new(days: impl Iterator<Item = (i64, u64)>) -> Self {
        let mut sums = BTreeMap::new();
        for (day, amount) in days {
            let sum: &mut u64 = sums.entry(day).or_default();
            *sum = sum.saturating_add(amount);
        }
        Self(sums)
    }

    pub(super) fn around(&self, day: i64) -> u64 {
        let reach = weights::CAMPAIGN_DAYS - 1;
        let window = |start: i64| {
            self.0.range(start..=start + reach).fold(0_u64, |sum, (_, n)| sum.saturating_add(*n))
        };
        (day.saturating_sub(reach)..=day).map(window).max().unwrap_or_default()
    }
}
