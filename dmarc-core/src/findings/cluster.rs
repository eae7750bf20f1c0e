//! From streams to findings: what an analyst decides about is a cluster of hosts, never one address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::class::{Class, Severity};
use super::finding::{Evidence, Finding, Source, id, rows};
use super::observe::{
    Days, DomainView, Host, Place, ReportKey, Signals, Stream, Windows, authenticated_service, report_key,
};
use super::rules::{Context, Verdict, judge};
use super::score::{caps, score};
use super::{HostName, SetAside, remedy, weights};
use crate::domain::organizational;
use crate::record::FlatRecord;

/// Reports named in a finding about reports that were set aside.
const ASIDE_SHOWN: usize = 10;

/// Streams of one class and one source.
pub(super) struct Cluster<'v, 'r> {
    pub(super) hosts: Vec<&'v Host<'r>>,
    pub(super) signals: Vec<&'v Signals<'r>>,
    pub(super) froms: BTreeSet<&'r str>,
    pub(super) messages: u64,
    pub(super) delivered: u64,
    pub(super) disagreeing: u64,
    pub(super) unverified: u64,
    pub(super) reporters: BTreeSet<&'r str>,
    pub(super) reports: BTreeSet<ReportKey<'r>>,
    pub(super) days: Days,
    /// Whether other streams of this source pass for the domain.
    pub(super) also_passes: bool,
    streams: Vec<&'v Stream<'r>>,
}

/// A stream, judged or not.
struct Judged<'v, 'r> {
    host: &'v Host<'r>,
    from: &'r str,
    signals: &'v Signals<'r>,
    stream: &'v Stream<'r>,
    verdict: Option<Verdict>,
    key: String,
}

/// Class, rule, cluster key and cause; no class where it is still to be scored.
type GroupKey = (Option<Class>, &'static str, String, String);

/// The findings of one domain, in no particular order.
pub(super) fn findings(view: &DomainView<'_>) -> Vec<Finding> {
    let mut judged = judge_all(view);
    name_campaigns(&mut judged);
    let passing: BTreeSet<String> =
        judged.iter().filter(|j| j.signals.is_pass()).map(|j| j.key.clone()).collect();
    let mut groups: BTreeMap<GroupKey, Vec<&Judged<'_, '_>>> = BTreeMap::new();
    for one in &judged {
        let key = match &one.verdict {
            Some(verdict) => (Some(verdict.class), verdict.rule, one.key.clone(), verdict.cause.clone()),
            None => (None, "unauthenticated", one.key.clone(), String::new()),
        };
        groups.entry(key).or_default().push(one);
    }
    let mut insufficient = Vec::new();
    let mut findings = Vec::new();
    for (key, members) in groups {
        let cluster = Cluster::new(&members, passing.contains(&key.2));
        match members.first().and_then(|member| member.verdict.as_ref()) {
            Some(verdict) => findings.push(decided(&key, verdict, &cluster, view)),
            None => match score(&cluster, view) {
                score if score.class == Class::Insufficient => insufficient.extend(members),
                score => findings.push(scored(&key, score, &cluster, view)),
            },
        }
    }
    findings.extend(too_little(&insufficient, view));
    findings
}

fn judge_all<'v, 'r>(view: &'v DomainView<'r>) -> Vec<Judged<'v, 'r>> {
    let streams =
        view.hosts.iter().flat_map(|host| host.streams.iter().map(move |(key, stream)| (host, key, stream)));
    streams
        .map(|(host, (from, signals), stream)| {
            let verdict = judge(&Context { view, host, signals });
            Judged { host, from, signals, stream, verdict, key: cluster_key(host, signals) }
        })
        .collect()
}

/// Whose source it is: ours, a service, the organization of the confirmed name, of what authenticated, or the network.
fn cluster_key(host: &Host<'_>, signals: &Signals<'_>) -> String {
    match &host.place {
        Place::Own => "own".to_owned(),
        Place::Service(name) => format!("service:{name}"),
        Place::Named(domain) => format!("host:{domain}"),
        Place::Unknown => match (authenticated_service(signals), signals.passed.first()) {
            (Some(service), _) => format!("service:{}", service.name),
            (None, Some(domain)) => format!("auth:{domain}"),
            (None, None) => network_key(host.ip),
        },
    }
}

/// The /24 or /48 of an address.
fn network_key(ip: Option<IpAddr>) -> String {
    match ip {
        Some(IpAddr::V4(ip)) => {
            let [a, b, c, _] = ip.octets();
            format!("net:{a}.{b}.{c}.0/24")
        }
        Some(IpAddr::V6(ip)) => {
            let [a, b, c, ..] = ip.segments();
            format!("net:{a:x}:{b:x}:{c:x}::/48")
        }
        None => "masked".to_owned(),
    }
}

/// Gives many tiny hosts that do the same on the same days one key: a campaign.
fn name_campaigns(judged: &mut [Judged<'_, '_>]) {
    let mut hosts: BTreeMap<(&str, Option<IpAddr>), (u64, Days)> = BTreeMap::new();
    for one in judged.iter().filter(|one| could_be_campaign(one)) {
        let days = Days::of(one.stream.records.iter().copied());
        let host = hosts.entry((one.from, one.host.ip)).or_insert((0, days));
        host.0 = host.0.saturating_add(one.stream.messages);
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
    let keys: Vec<bool> =
        judged.iter().map(|one| could_be_campaign(one) && is_campaign(one.from, one.host.ip)).collect();
    for (one, _) in judged.iter_mut().zip(keys).filter(|(_, in_campaign)| *in_campaign) {
        one.key = format!("campaign:{}", one.from);
    }
}

fn could_be_campaign(one: &Judged<'_, '_>) -> bool {
    one.verdict.is_none()
        && one.host.place == Place::Unknown
        && one.signals.passed.is_empty()
        && one.host.ip.is_some()
}

impl<'v, 'r> Cluster<'v, 'r> {
    fn new(members: &[&Judged<'v, 'r>], also_passes: bool) -> Self {
        let sum = |of: fn(&Stream<'_>) -> u64| {
            members.iter().fold(0_u64, |sum, one| sum.saturating_add(of(one.stream)))
        };
        let mut hosts: Vec<&Host<'r>> = members.iter().map(|one| one.host).collect();
        hosts.dedup_by_key(|host| host.ip);
        hosts.sort_by_key(|host| host.ip);
        hosts.dedup_by_key(|host| host.ip);
        let records = || members.iter().flat_map(|one| one.stream.records.iter().copied());
        Self {
            hosts,
            signals: members.iter().map(|one| one.signals).collect(),
            froms: members.iter().map(|one| one.from).collect(),
            messages: sum(|stream| stream.messages),
            delivered: sum(|stream| stream.delivered),
            disagreeing: sum(|stream| stream.disagreeing),
            unverified: sum(|stream| stream.unverified),
            reporters: records().map(|record| record.report.reporter.as_str()).collect(),
            reports: records().map(report_key).collect(),
            days: Days::of(records()),
            also_passes,
            streams: members.iter().map(|one| one.stream).collect(),
        }
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &'r FlatRecord> {
        self.streams.iter().flat_map(|stream| stream.records.iter().copied())
    }

    fn ips(&self) -> Vec<IpAddr> {
        self.hosts.iter().filter_map(|host| host.ip).collect()
    }

    /// A name for people.
    fn name(&self, key: &str) -> String {
        let names: BTreeSet<&str> = self.hosts.iter().filter_map(|host| host_name(host)).collect();
        let hosts = self.hosts.len();
        let single = || names.first().filter(|_| hosts == 1).map(|name| (*name).to_owned());
        let (kind, rest) = key.split_once(':').unwrap_or((key, ""));
        match kind {
            "own" => {
                single().map_or_else(|| format!("{hosts} own hosts"), |name| format!("{name} (own host)"))
            }
            "service" => rest.to_owned(),
            "host" => single().unwrap_or_else(|| format!("{rest} ({hosts} hosts)")),
            "auth" => format!("authenticates as {rest}"),
            "campaign" => format!("{hosts} hosts, one campaign"),
            "net" if hosts == 1 => self.ips().first().map(ToString::to_string).unwrap_or_default(),
            "net" => format!("{rest} ({hosts} hosts)"),
            _ => "addresses hidden by reporters".to_owned(),
        }
    }
}

fn host_name<'v>(host: &'v Host<'_>) -> Option<&'v str> {
    match &host.facts.name {
        HostName::Confirmed(name) => Some(name),
        _ => None,
    }
}

/// The finding of a cluster that a rule decided.
fn decided(key: &GroupKey, verdict: &Verdict, cluster: &Cluster<'_, '_>, view: &DomainView<'_>) -> Finding {
    let evidence = vec![Evidence::fact(verdict.why)];
    finding(key, verdict.class, verdict.confidence, (evidence, Vec::new()), cluster, view)
}

/// The finding of a cluster that was scored.
fn scored(
    key: &GroupKey,
    score: super::score::Score,
    cluster: &Cluster<'_, '_>,
    view: &DomainView<'_>,
) -> Finding {
    finding(key, score.class, score.confidence, (score.raising, score.lowering), cluster, view)
}

/// One finding for all that is too little to say anything about.
fn too_little(members: &[&Judged<'_, '_>], view: &DomainView<'_>) -> Option<Finding> {
    if members.is_empty() {
        return None;
    }
    let cluster = Cluster::new(members, false);
    let key = (Some(Class::Insufficient), "insufficient", "insufficient".to_owned(), String::new());
    let evidence =
        vec![Evidence::fact("each of these sources sent one or two messages, seen in a single report")];
    let mut finding = finding(&key, Class::Insufficient, 20, (evidence, Vec::new()), &cluster, view);
    finding.source.name = format!("{} hosts, a few messages each", cluster.hosts.len());
    Some(finding)
}

fn finding(
    key: &GroupKey,
    class: Class,
    confidence: u8,
    (mut evidence, mut against): (Vec<Evidence>, Vec<Evidence>),
    cluster: &Cluster<'_, '_>,
    view: &DomainView<'_>,
) -> Finding {
    let caps = if class.is_quiet() { Vec::new() } else { caps(cluster, view) };
    let confidence = caps.iter().map(|(_, cap)| *cap).fold(confidence, u8::min);
    against.extend(caps.into_iter().map(|(fact, cap)| Evidence::Cap { fact, cap }));
    evidence.extend(observed(cluster, view));
    evidence.extend(rows(cluster.records()));
    let (_, rule, cluster_key, cause) = key;
    let times = cluster.records().map(|record| record.report.period);
    let (first_seen, last_seen) =
        times.fold((i64::MAX, i64::MIN), |(b, e), p| (b.min(p.begin), e.max(p.end)));
    Finding {
        id: id(rule, view.domain, cluster_key, cause),
        class,
        severity: severity(class, cluster, view),
        confidence,
        domain: view.domain.to_owned(),
        source: Source {
            name: cluster.name(cluster_key),
            hosts: cluster.hosts.len() as u64,
            ips: cluster.ips(),
        },
        messages: cluster.messages,
        delivered: cluster.delivered,
        first_seen,
        last_seen,
        evidence,
        against,
        remedy: remedy::text(class, cause, cluster_key),
    }
}

/// What was observed beside the reason of the class.
fn observed(cluster: &Cluster<'_, '_>, view: &DomainView<'_>) -> Vec<Evidence> {
    let mut facts =
        vec![format!("{} reports of {} reporters", cluster.reports.len(), cluster.reporters.len())];
    let forged: Vec<&str> = cluster
        .hosts
        .iter()
        .filter_map(|host| match &host.facts.name {
            HostName::Unconfirmed(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    if let Some(name) = forged.first() {
        facts.push(format!(
            "{} hosts claim a name that does not resolve back to them, such as {name}",
            forged.len()
        ));
    }
    if cluster.froms.iter().any(|from| *from != view.domain) {
        facts.push(format!(
            "sends as {}",
            cluster.froms.iter().take(5).copied().collect::<Vec<_>>().join(", ")
        ));
    }
    let ips: BTreeSet<IpAddr> = cluster.ips().into_iter().collect();
    let examples: Vec<&str> = view
        .failures
        .iter()
        .filter(|f| ips.contains(&f.source_ip) && organizational(&f.domain) == view.domain)
        .map(|f| f.origin.as_str())
        .collect();
    if let Some(origin) = examples.first() {
        facts.push(format!("{} failure reports about these hosts, such as {origin}", examples.len()));
    }
    facts.into_iter().map(Evidence::fact).collect()
}

fn severity(class: Class, cluster: &Cluster<'_, '_>, view: &DomainView<'_>) -> Severity {
    let delivered = cluster.delivered;
    match class {
        Class::UnauthorizedSpoof | Class::SuspectReplay if delivered >= weights::CRITICAL_DELIVERED => {
            Severity::Critical
        }
        Class::UnauthorizedSpoof | Class::SuspectReplay if delivered >= weights::HIGH_DELIVERED => {
            Severity::High
        }
        Class::UnauthorizedSpoof | Class::SuspectReplay if delivered > 0 => Severity::Medium,
        Class::UnauthorizedUnknown if delivered >= weights::HIGH_DELIVERED => Severity::Medium,
        Class::UnauthorizedSpoof | Class::SuspectReplay | Class::UnauthorizedUnknown => Severity::Low,
        Class::LegitBroken | Class::ThirdPartyUnaligned => broken(cluster, view),
        _ => Severity::Info,
    }
}

/// Mail of ours that fails: high where it is blocked, medium where it is more than noise.
fn broken(cluster: &Cluster<'_, '_>, view: &DomainView<'_>) -> Severity {
    let blocked = cluster.messages.saturating_sub(cluster.delivered);
    let share = u128::from(cluster.messages) * 100
        >= u128::from(view.messages) * u128::from(weights::BROKEN_SHARE_PERCENT);
    if blocked >= weights::BROKEN_BLOCKED {
        Severity::High
    } else if cluster.messages >= weights::BROKEN_FAILING && share {
        Severity::Medium
    } else {
        Severity::Low
    }
}

/// One finding for each domain and reporter whose reports were set aside.
pub(super) fn set_aside(reports: &[SetAside]) -> Vec<Finding> {
    let mut groups: BTreeMap<(Class, &str, &str), Vec<&SetAside>> = BTreeMap::new();
    for report in reports {
        let domain = organizational(&report.policy_domain);
        groups.entry((report.class, domain, report.reporter.as_str())).or_default().push(report);
    }
    groups
        .into_iter()
        .map(|((class, domain, reporter), reports)| aside_finding(class, domain, reporter, &reports))
        .collect()
}

fn aside_finding(class: Class, domain: &str, reporter: &str, reports: &[&SetAside]) -> Finding {
    let evidence = reports.iter().take(ASIDE_SHOWN).map(|report| {
        let claims = if report.messages > 0 {
            format!("; claims {} messages", report.messages)
        } else {
            String::new()
        };
        Evidence::fact(format!("{}: {}{claims}", report.origin, report.reason))
    });
    Finding {
        id: id(class.as_str(), domain, reporter, ""),
        class,
        severity: Severity::Low,
        confidence: 90,
        domain: domain.to_owned(),
        source: Source { name: format!("reports in the name of {reporter}"), ..Source::default() },
        messages: 0,
        delivered: 0,
        first_seen: reports.iter().map(|report| report.period.0).min().unwrap_or_default(),
        last_seen: reports.iter().map(|report| report.period.1).max().unwrap_or_default(),
        evidence: evidence.collect(),
        against: Vec::new(),
        remedy: remedy::text(class, "", ""),
    }
}
