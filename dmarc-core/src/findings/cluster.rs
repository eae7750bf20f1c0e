//! From streams to findings: what an analyst decides about is a cluster of hosts, never one address.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::class::Class;
use super::decision::Decision;
use super::key::Key;
use super::observed::Stream;
use super::rules::{Context, Verdict, judge};
use super::signals::Signals;
use super::view::{Days, DomainView, Host, Place, Windows, authenticated_service, distinct, streams};
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
    let first_days: Vec<Option<i64>> = judged.chunk_by(is_same_sender).map(tiny_sender).collect();
    let mut days: BTreeMap<&str, Vec<(i64, u64)>> = BTreeMap::new();
    for (sender, day) in judged.chunk_by(is_same_sender).zip(&first_days) {
        if let (Some(one), Some(day)) = (sender.first(), day) {
            days.entry(one.stream.from).or_default().push((*day, 1));
        }
    }
    let windows: BTreeMap<&str, Windows> =
        days.into_iter().map(|(from, days)| (from, Windows::new(days.into_iter()))).collect();
    for (sender, day) in judged.chunk_by_mut(is_same_sender).zip(first_days) {
        let Some((from, day)) = sender.first().map(|one| one.stream.from).zip(day) else { continue };
        if windows.get(from).is_some_and(|w| w.around(day) >= weights::CAMPAIGN_HOSTS as u64) {
            let of_campaign = sender.iter_mut().filter(|one| could_be_campaign(one));
            of_campaign.for_each(|one| one.key = Key::Campaign(from));
        }
    }
}

/// Whether two streams are of one host and Author Domain: such follow each other.
fn is_same_sender(a: &Judged<'_, '_>, b: &Judged<'_, '_>) -> bool {
    a.host.ip == b.host.ip && a.stream.from == b.stream.from
}

/// The first day of a host that sends little, and for a few days only.
fn tiny_sender(sender: &[Judged<'_, '_>]) -> Option<i64> {
    let streams = || sender.iter().filter(|one| could_be_campaign(one)).map(|one| one.stream);
    streams().next()?;
    let messages = streams().fold(0_u64, |sum, stream| sum.saturating_add(stream.messages()));
    let days = Days::of(streams());
    let is_tiny = messages <= weights::CAMPAIGN_HOST_MESSAGES && days.span() <= weights::CAMPAIGN_DAYS;
    is_tiny.then_some(days.first)
}

/// Gives what is left of many networks that nothing is known about one key, for an analyst decides about all of them at
/// once. One that sends a good part of it all stands on its own.
fn name_scattered(judged: &mut [Judged<'_, '_>]) {
    let is_left = |one: &Judged<'_, '_>| one.verdict.is_none() && matches!(one.key, Key::Network(_));
    let mut all: HashMap<&str, Scattered<'_>, RandomState> = HashMap::default();
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
    networks: HashMap<Key<'v>, u64, RandomState>,
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
        // They come in this order already, but where several groups are put together.
        hosts.sort_by_key(|host| host.ip);
        hosts.dedup_by_key(|host| host.ip);
        Self {
            hosts,
            froms: distinct(streams.iter().map(|stream| stream.from)),
            messages: sum(Stream::messages),
            dmarc_pass: sum(|stream| if stream.signals.is_pass() { stream.messages() } else { 0 }),
            delivered: sum(Stream::delivered),
            disagreeing: sum(Stream::disagreeing),
            unverified: sum(Stream::unverified),
            reporters: distinct(streams.iter().flat_map(|stream| stream.reporters())),
            is_one_report: is_one_report(streams.iter().copied()),
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

/// Whether all records of some streams are of one report.
pub(super) fn is_one_report<'s, 'o: 's>(streams: impl Iterator<Item = &'s Stream<'o>>) -> bool {
    let mut reports = streams.map(Stream::only_report);
    let first = reports.next().flatten();
    first.is_some() && reports.all(|report| report == first)
}

fn by_day(streams: &[&Stream<'_>]) -> BTreeMap<i64, u64> {
    let mut by_day: HashMap<i64, u64, RandomState> = HashMap::default();
    for (day, messages) in streams.iter().flat_map(|stream| stream.by_day()) {
        let sum = by_day.entry(*day).or_default();
        *sum = sum.saturating_add(*messages);
    }
    by_day.into_iter().collect()
}

fn host_name<'v>(host: &'v Host<'_>) -> Option<&'v str> {
    match &host.facts.name {
        HostName::Confirmed(name) => Some(name),
        _ => None,
    }
}
