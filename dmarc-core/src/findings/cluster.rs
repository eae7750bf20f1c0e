//! From streams to findings: what an analyst decides about is a cluster of hosts, never one address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::class::Class;
use super::decision::Decision;
use super::key::Key;
use super::observed::{ReportId, Stream};
use super::rules::{Context, Verdict, judge};
use super::signals::Signals;
use super::view::{Days, DomainView, Host, Place, Windows, authenticated_service, streams};
use super::{HostName, weights};
use crate::model::aggregate::DateRange;

/// Streams of one class and one source.
pub(super) struct Cluster<'v, 'r> {
    pub(super) hosts: Vec<&'v Host<'r>>,
    pub(super) froms: BTreeSet<&'r str>,
    pub(super) messages: u64,
    pub(super) dmarc_pass: u64,
    pub(super) delivered: u64,
    pub(super) disagreeing: u64,
    pub(super) unverified: u64,
    pub(super) reporters: BTreeSet<&'r str>,
    /// Whether all of it is in one report.
    pub(super) is_one_report: bool,
    pub(super) days: Days,
    /// Messages by day, of plausible periods.
    pub(super) by_day: BTreeMap<i64, u64>,
    /// Whether other mail of one of its hosts is authorized for the domain, or passes in good part.
    pub(super) also_passes: bool,
    pub(super) streams: Vec<(&'v Host<'r>, &'v Stream<'r>)>,
}

/// A stream, judged or not.
pub(super) struct Judged<'v, 'r> {
    pub(super) host: &'v Host<'r>,
    pub(super) stream: &'v Stream<'r>,
    pub(super) verdict: Option<Verdict>,
    /// What the operator decided about it.
    pub(super) decision: Option<&'r Decision>,
    pub(super) key: Key<'v>,
}

/// Every stream of a domain, judged; those that no rule decides carry the key of their source or campaign.
pub(super) fn judged<'v, 'r>(view: &'v DomainView<'r>) -> Vec<Judged<'v, 'r>> {
    let mut judged: Vec<_> = streams(&view.hosts)
        .map(|(host, stream)| {
            let decision = view.decision(host, stream);
            let verdict = judge(&Context { view, host, signals: stream.signals, stream }, decision);
            let is_replay = verdict.as_ref().is_some_and(|verdict| verdict.class == Class::SuspectReplay);
            // A burst of replayed mail is one finding, from however many networks it comes.
            let key = if is_replay { Key::Replay } else { cluster_key(host, stream.signals) };
            Judged { host, stream, verdict, decision, key }
        })
        .collect();
    name_campaigns(&mut judged);
    name_scattered(&mut judged);
    judged
}

/// Whose source it is: ours, a service, the organization of the confirmed name, of what authenticated, or the network.
fn cluster_key<'v>(host: &'v Host<'_>, signals: &'v Signals) -> Key<'v> {
    match &host.place {
        Place::Own => Key::Own,
        Place::Service(name) => Key::Service(name),
        Place::Named(domain) => Key::Host(domain),
        Place::Unknown => {
            match (authenticated_service(signals), signals.signed_as.union(&signals.sent_as).next()) {
                (Some(service), _) => Key::Service(&service.name),
                (None, Some(domain)) => Key::Authenticated(domain),
                (None, None) => Key::network(host.ip),
            }
        }
    }
}

/// Gives many tiny hosts that do the same on the same days one key: a campaign.
fn name_campaigns(judged: &mut [Judged<'_, '_>]) {
    let mut hosts: BTreeMap<(&str, Option<IpAddr>), (u64, Days)> = BTreeMap::new();
    for one in judged.iter().filter(|one| could_be_campaign(one)) {
        let days = Days::of(std::iter::once(one.stream));
        let host = hosts.entry((one.stream.from, one.host.ip)).or_insert((0, days));
        host.0 = host.0.saturating_add(one.stream.messages());
        host.1 = Days { first: host.1.first.min(days.first), last: host.1.last.max(days.last) };
    }
    hosts.retain(|_, (messages, days)| {
        *messages <= weights::CAMPAIGN_HOST_MESSAGES && days.span() <= weights::CAMPAIGN_DAYS
    });
    let mut windows: BTreeMap<&str, Vec<(i64, u64)>> = BTreeMap::new();
    for ((from, _), (_, days)) in &hosts {
        windows.entry(from).or_default().push((days.first, 1));
    }
    let windows: BTreeMap<&str, Windows> =
        windows.into_iter().map(|(from, days)| (from, Windows::new(days.into_iter()))).collect();
    let is_campaign = |from: &str, ip: Option<IpAddr>| {
        let host = hosts.get(&(from, ip)).zip(windows.get(from));
        host.is_some_and(|((_, days), windows)| windows.around(days.first) >= weights::CAMPAIGN_HOSTS as u64)
    };
    let keys: Vec<bool> = judged
        .iter()
        .map(|one| could_be_campaign(one) && is_campaign(one.stream.from, one.host.ip))
        .collect();
    for (one, _) in judged.iter_mut().zip(keys).filter(|(_, in_campaign)| *in_campaign) {
        one.key = Key::Campaign(one.stream.from);
    }
}

/// Gives what is left of many networks that nothing is known about one key, for an analyst decides about all of them at
/// once. One that sends a good part of it all stands on its own.
fn name_scattered(judged: &mut [Judged<'_, '_>]) {
    let is_left = |one: &Judged<'_, '_>| one.verdict.is_none() && matches!(one.key, Key::Network(_));
    let mut all: BTreeMap<&str, Scattered<'_>> = BTreeMap::new();
    for one in judged.iter().filter(|one| is_left(one)) {
        all.entry(one.stream.from).or_default().add(one.key, one.stream.messages());
    }
    all.retain(|_, scattered| scattered.networks.len() >= weights::CAMPAIGN_HOSTS);
    for one in judged.iter_mut().filter(|one| is_left(one)) {
        let Some(scattered) = all.get(one.stream.from) else { continue };
        let messages = scattered.networks.get(&one.key).copied().unwrap_or_default();
        if !weights::is_share(messages, scattered.messages, weights::STANDS_ALONE_PERCENT) {
            one.key = Key::Scattered(one.stream.from);
        }
    }
}

/// Networks that nothing is known about, and their messages.
#[derive(Default)]
struct Scattered<'v> {
    networks: BTreeMap<Key<'v>, u64>,
    messages: u64,
}

impl<'v> Scattered<'v> {
    fn add(&mut self, network: Key<'v>, messages: u64) {
        let of_network = self.networks.entry(network).or_default();
        *of_network = of_network.saturating_add(messages);
        self.messages = self.messages.saturating_add(messages);
    }
}

fn could_be_campaign(one: &Judged<'_, '_>) -> bool {
    let is_service = matches!(one.host.place, Place::Service(_));
    one.verdict.is_none() && !is_service && one.host.ip.is_some()
}

impl<'v, 'r> Cluster<'v, 'r> {
    /// Takes streams together.
    pub(super) fn new(members: &[&Judged<'v, 'r>], also_passes: bool) -> Self {
        let streams: Vec<&'v Stream<'r>> = members.iter().map(|one| one.stream).collect();
        let sum =
            |of: fn(&Stream<'r>) -> u64| streams.iter().fold(0_u64, |sum, one| sum.saturating_add(of(one)));
        let mut hosts: Vec<&Host<'r>> = members.iter().map(|one| one.host).collect();
        hosts.sort_by_key(|host| host.ip);
        hosts.dedup_by_key(|host| host.ip);
        Self {
            hosts,
            froms: streams.iter().map(|stream| stream.from).collect(),
            messages: sum(Stream::messages),
            dmarc_pass: sum(|stream| if stream.signals.is_pass() { stream.messages() } else { 0 }),
            delivered: sum(Stream::delivered),
            disagreeing: sum(Stream::disagreeing),
            unverified: sum(Stream::unverified),
            reporters: streams.iter().flat_map(|stream| stream.reporters()).collect(),
            is_one_report: is_one_report(&streams),
            days: Days::of(streams.iter().copied()),
            by_day: by_day(&streams),
            also_passes,
            streams: members.iter().map(|one| (one.host, one.stream)).collect(),
        }
    }

    /// From the beginning of the first period to the end of the last.
    pub(super) fn period(&self) -> DateRange {
        let periods = self.streams.iter().map(|(_, stream)| stream.period());
        let all = |a: DateRange, b: DateRange| DateRange::new(a.begin.min(b.begin), a.end.max(b.end));
        periods.reduce(all).unwrap_or_default()
    }

    pub(super) fn ips(&self) -> Vec<IpAddr> {
        self.hosts.iter().filter_map(|host| host.ip).collect()
    }

    fn first_ip(&self) -> String {
        self.hosts.iter().find_map(|host| host.ip).map(|ip| ip.to_string()).unwrap_or_default()
    }

    /// A name for people.
    pub(super) fn name(&self, key: Key<'_>) -> String {
        let names: BTreeSet<&str> = self.hosts.iter().filter_map(|host| host_name(host)).collect();
        let hosts = self.hosts.len();
        let single = || names.first().filter(|_| hosts == 1).map(|name| (*name).to_owned());
        match key {
            Key::Own => {
                single().map_or_else(|| format!("{hosts} own hosts"), |name| format!("{name} (own host)"))
            }
            Key::Service(name) => name.to_owned(),
            Key::Host(domain) => single().unwrap_or_else(|| format!("{domain} ({hosts} hosts)")),
            Key::Authenticated(domain) => format!("authenticates as {domain}"),
            Key::Campaign(_) => format!("{hosts} hosts, one campaign"),
            Key::Scattered(_) => format!("{hosts} hosts in many networks"),
            Key::Replay if hosts > 1 => format!("{hosts} hosts, one burst"),
            Key::Replay => single().unwrap_or_else(|| self.first_ip()),
            Key::Network(_) if hosts == 1 => self.first_ip(),
            Key::Network(network) => format!("{network} ({hosts} hosts)"),
            Key::Masked => "addresses hidden by reporters".to_owned(),
            Key::Insufficient => format!("{hosts} hosts, a few messages each"),
        }
    }
}

fn is_one_report(streams: &[&Stream<'_>]) -> bool {
    let mut reports = streams.iter().map(|stream| stream.only_report());
    let first: Option<&ReportId> = reports.next().flatten();
    first.is_some() && reports.all(|report| report == first)
}

fn by_day(streams: &[&Stream<'_>]) -> BTreeMap<i64, u64> {
    let mut by_day: BTreeMap<i64, u64> = BTreeMap::new();
    for (day, messages) in streams.iter().flat_map(|stream| stream.by_day()) {
        let sum = by_day.entry(*day).or_default();
        *sum = sum.saturating_add(*messages);
    }
    by_day
}

fn host_name<'v>(host: &'v Host<'_>) -> Option<&'v str> {
    match &host.facts.name {
        HostName::Confirmed(name) => Some(name),
        _ => None,
    }
}
