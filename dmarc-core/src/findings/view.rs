//! What follows about a domain from all its streams: whose hosts they are, which keys are ours, what looks replayed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::borrowed::OwnKeys;
use super::decision::{Decision, Subject};
use super::observed::{Observed, Stream};
use super::said::Said;
use super::services::{Service, ServiceKind, by_domain, by_host};
use super::signals::{Indirect, Signals};
use super::{FailureObservation, HostFacts, HostName, Known, weights};
use crate::domain::organizational;

/// First and last day of activity, in days since the Unix epoch.
#[derive(Clone, Copy)]
pub(super) struct Days {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Days {
    /// Of records whose period is plausible or, without any of these, of all.
    pub(super) fn of<'s, 'o: 's>(streams: impl Iterator<Item = &'s Stream<'o>>) -> Self {
        let (mut plausible, mut others) = (None, None);
        for stream in streams {
            let days = stream.by_day();
            if let (Some((first, _)), Some((last, _))) = (days.first(), days.last()) {
                plausible = Some(Self::and(plausible, (*first, *last)));
            }
            if let Some(days) = stream.implausible_days() {
                others = Some(Self::and(others, days));
            }
        }
        plausible.or(others).unwrap_or(Self { first: 0, last: 0 })
    }

    fn and(days: Option<Self>, (first, last): (i64, i64)) -> Self {
        let days = days.unwrap_or(Self { first, last });
        Self { first: days.first.min(first), last: days.last.max(last) }
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
pub(super) struct Host<'o> {
    pub(super) ip: Option<IpAddr>,
    pub(super) facts: HostFacts,
    pub(super) place: Place,
    pub(super) service: Option<&'static Service>,
    /// Whether most reporters saw a good part of its mail pass SPF in our name. Never of a hidden address, which is many hosts.
    pub(super) passed_spf: bool,
    /// Whether most reporters saw a good part of its mail pass DMARC. Never of a hidden address.
    pub(super) passes: bool,
    /// Whether several reporters called a good part of its mail list or forwarded mail. Never of a hidden address.
    pub(super) is_called_forwarder: bool,
    /// The same, where some accepted ARC, or one says so again and again.
    pub(super) is_partly_indirect: bool,
    /// By Author Domain and signature.
    pub(super) streams: Vec<Stream<'o>>,
}

impl<'o> Host<'o> {
    fn new(ip: Option<IpAddr>, streams: Vec<Stream<'o>>, facts: HostFacts, domain: &str) -> Self {
        let (place, service) = locate(&facts, domain);
        // Anybody may send reports: no single reporter, and no single report, makes a host ours, or a forwarder, that others
        // saw too.
        let said = |is| if ip.is_some() { Said::of(&streams, is) } else { Said::default() };
        let passed_spf = said(|signals| signals.spf_aligned).by_most();
        let passes = said(Signals::is_pass).by_most();
        let is_called_forwarder = said(|signals| signals.indirect == Indirect::ListOrForwarder).by_several();
        let is_partly_indirect =
            Said::of(&streams, |signals| signals.indirect != Indirect::No).by_several_or_often();
        Self {
            ip,
            facts,
            place,
            service,
            passed_spf,
            passes,
            is_called_forwarder,
            is_partly_indirect,
            streams,
        }
    }

    /// Whether it passed SPF in our name and is no host of a service, which any of its customers may use.
    pub(super) fn is_ours_by_spf(&self) -> bool {
        self.passed_spf && self.service.is_none()
    }

    /// Whether nobody asked for its name, and the owner did not declare it.
    pub(super) fn is_not_looked_up(&self) -> bool {
        !self.facts.is_own && self.facts.name == HostName::NotLookedUp
    }

    pub(super) fn messages(&self) -> u64 {
        self.streams.iter().fold(0_u64, |sum, stream| sum.saturating_add(stream.messages()))
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
pub(super) struct DomainView<'o> {
    pub(super) domain: &'o str,
    pub(super) hosts: Vec<Host<'o>>,
    pub(super) messages: u64,
    pub(super) days: Days,
    /// Selectors that pass from hosts that are ours or send for us.
    pub(super) own_selectors: BTreeSet<&'o str>,
    /// Selectors of our own hosts, and which services use them.
    pub(super) own_keys: OwnKeys<'o>,
    /// The host from which each selector passes; `None` where it passes from several.
    key_hosts: BTreeMap<&'o str, Option<IpAddr>>,
    /// Author Domains from which something passed.
    pub(super) passing_froms: BTreeSet<&'o str>,
    /// Hosts whose valid signatures look replayed.
    pub(super) replaying: BTreeSet<Option<IpAddr>>,
    pub(super) failures: Vec<&'o FailureObservation>,
    /// Decisions about the domain that are live, and those that are not any more.
    pub(super) live: Vec<&'o Decision>,
    pub(super) expired: Vec<&'o Decision>,
    /// Rows of a finding that are shown.
    pub(super) rows: usize,
}

impl<'o> DomainView<'o> {
    pub(super) fn new(observed: &'o Observed, known: &Known<'o>) -> Self {
        let domain = observed.name();
        let host = |(ip, streams): (Option<IpAddr>, _)| {
            Host::new(ip, streams, ip.map(known.host).unwrap_or_default(), domain)
        };
        let hosts: Vec<Host<'o>> = observed.streams_by_host().into_iter().map(host).collect();
        let days = Days::of(hosts.iter().flat_map(|host| &host.streams));
        let own_selectors = streams(&hosts)
            .filter(|(host, stream)| host.is_ours_or_sender() || sends_for_customers(stream.signals))
            .flat_map(|(_, stream)| stream.signals.own_keys_passing.iter().map(String::as_str))
            .collect();
        let passing = streams(&hosts).filter(|(_, stream)| stream.signals.is_pass());
        let passing_froms = passing.map(|(_, stream)| stream.from).collect();
        let messages = hosts.iter().fold(0_u64, |sum, host| sum.saturating_add(host.messages()));
        let own_keys = OwnKeys::new(&hosts);
        let replaying = with_known_keys(&hosts, &replaying(&hosts, days, &own_keys));
        let key_hosts = key_hosts(&hosts);
        let failures =
            known.failures.iter().filter(|failure| organizational(&failure.domain) == domain).collect();
        let end = observed.newest_day().map_or(i64::MIN, |day| (day + 1) * 86_400 - 1);
        let (live, expired) = known
            .decisions
            .iter()
            .filter(|decision| decision.concerns(domain))
            .partition(|decision| decision.expires > end);
        let rows = known.rows;
        Self {
            domain,
            hosts,
            messages,
            days,
            own_selectors,
            own_keys,
            key_hosts,
            passing_froms,
            replaying,
            failures,
            live,
            expired,
            rows,
        }
    }

    /// The live decision about a stream, if there is one.
    pub(super) fn decision(&self, host: &Host<'_>, stream: &Stream<'_>) -> Option<&'o Decision> {
        self.live.iter().find(|decision| decision.matches(host, stream.from)).copied()
    }

    /// The live decision about the source of a finding, if there is one.
    pub(super) fn decision_about(&self, id: &str) -> Option<&'o Decision> {
        let is_about = |decision: &&&Decision| matches!(&decision.subject, Subject::Finding(of) if of == id);
        self.live.iter().find(is_about).copied()
    }

    /// Whether `host`, and no other and none that is known to send for us, passes with this selector: it holds the key.
    /// Not where little of its mail passes, for that may be replayed.
    pub(super) fn holds_key(&self, host: &Host<'_>, key: &str) -> bool {
        let passing = host.streams.iter().filter(|stream| stream.signals.dkim_aligned);
        let passing = passing.fold(0_u64, |sum, stream| sum.saturating_add(stream.messages()));
        let alone = self.key_hosts.get(key).is_some_and(|ip| ip.is_some() && *ip == host.ip);
        alone
            && !key.is_empty()
            && !self.own_selectors.contains(key)
            && weights::is_share(passing, host.messages(), weights::ALSO_PASSES_PERCENT)
    }

    /// Whether any of these selectors is known to pass elsewhere; a selector that the reporter left out may be any.
    pub(super) fn knows_selector(&self, selectors: &BTreeSet<String>) -> bool {
        selectors.iter().any(|s| {
            self.own_selectors.contains(s.as_str()) || (s.is_empty() && !self.own_selectors.is_empty())
        })
    }
}

fn key_hosts<'o>(hosts: &[Host<'o>]) -> BTreeMap<&'o str, Option<IpAddr>> {
    let mut keys: BTreeMap<&'o str, Option<IpAddr>> = BTreeMap::new();
    for (host, stream) in streams(hosts) {
        for key in &stream.signals.own_keys_passing {
            let known = keys.entry(key).or_insert(host.ip);
            *known = known.filter(|ip| Some(*ip) == host.ip);
        }
    }
    keys
}

/// Of `suspects`, hosts that use a selector that passes elsewhere too. What is replayed was sent before; a new sender
/// brings a selector of its own.
fn with_known_keys(hosts: &[Host<'_>], suspects: &BTreeSet<Option<IpAddr>>) -> BTreeSet<Option<IpAddr>> {
    let elsewhere: BTreeSet<&String> = streams(hosts)
        .filter(|(host, _)| !suspects.contains(&host.ip))
        .flat_map(|(_, stream)| &stream.signals.own_keys_passing)
        .collect();
    let is_replay = |signals: &Signals| {
        let keys = &signals.own_keys_passing;
        // A reporter that leaves the selector out may have seen any.
        signals.dkim_aligned
            && (keys.is_empty() || keys.iter().any(|key| key.is_empty() || elsewhere.contains(key)))
    };
    streams(hosts)
        .filter(|(host, stream)| suspects.contains(&host.ip) && is_replay(stream.signals))
        .map(|(host, _)| host.ip)
        .collect()
}

/// Every stream of `hosts`, with its host.
pub(super) fn streams<'h, 'o>(hosts: &'h [Host<'o>]) -> impl Iterator<Item = (&'h Host<'o>, &'h Stream<'o>)> {
    hosts.iter().flat_map(|host| host.streams.iter().map(move |stream| (host, stream)))
}

/// The service that the host of this stream sends for, if any: by SPF, which vouches for the host. A signature of the
/// service would not, for it stays valid wherever the message is sent from.
pub(super) fn authenticated_service(signals: &Signals) -> Option<&'static Service> {
    signals.sent_as.iter().find_map(|domain| by_domain(domain))
}

fn sends_for_customers(signals: &Signals) -> bool {
    authenticated_service(signals).is_some_and(|service| service.kind == ServiceKind::Sender)
}

/// Hosts from which valid signatures of ours burst: neither ours nor a sender that has keys of its own, active for a few days only, and many
/// messages at once. A named host must be a burst of its own, for forwarders have names.
fn replaying<'o>(hosts: &[Host<'o>], days: Days, own_keys: &OwnKeys<'o>) -> BTreeSet<Option<IpAddr>> {
    if days.span() < weights::REPLAY_HISTORY_DAYS {
        return BTreeSet::new();
    }
    let signs = |host: &Host<'_>| host.streams.iter().any(|stream| stream.signals.dkim_aligned);
    let is_known = |host: &Host<'o>| host.is_ours_or_sender() && !own_keys.are_all_borrowed(host);
    let suspects: Vec<(&Host<'_>, i64, u64)> = hosts
        .iter()
        .filter(|host| host.ip.is_some() && signs(host) && !is_known(host))
        .filter_map(|host| {
            let days = Days::of(host.streams.iter());
            (days.span() <= weights::CAMPAIGN_DAYS).then_some((host, days.first, host.messages()))
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
