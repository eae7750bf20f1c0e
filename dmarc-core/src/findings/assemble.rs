//! From clusters to findings: names, evidence, severity, and what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::class::{Class, Severity};
use super::cluster::{Cluster, Judged, judged};
use super::finding::{Evidence, Finding, Source, id, rows};
use super::observe::DomainView;
use super::rules::Verdict;
use super::score::{Score, caps, score};
use super::{HostName, SetAside, remedy, weights};
use crate::domain::organizational;

/// Reports named in a finding about reports that were set aside.
const ASIDE_SHOWN: usize = 10;

/// Class, rule, cluster key and cause; no class where it is still to be scored.
type GroupKey = (Option<Class>, &'static str, String, String);

/// The findings of one domain, in no particular order.
pub(super) fn findings(view: &DomainView<'_>) -> Vec<Finding> {
    let judged = judged(view);
    let passing = passing_hosts(&judged);
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
        let also_passes = members.iter().any(|one| one.host.ip.is_some_and(|ip| passing.contains(&ip)));
        let cluster = Cluster::new(&members, also_passes);
        // A cluster is as sure as the least sure of its streams.
        let verdicts = members.iter().filter_map(|member| member.verdict.as_ref());
        match verdicts.min_by_key(|verdict| verdict.confidence) {
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

/// Hosts whose mail is authorized, or passes in good part. A few replayed messages make no host of ours.
fn passing_hosts(judged: &[Judged<'_, '_>]) -> BTreeSet<IpAddr> {
    let mut hosts: BTreeMap<IpAddr, (bool, u64, u64)> = BTreeMap::new();
    for one in judged {
        let Some(ip) = one.host.ip else { continue };
        let class = one.verdict.as_ref().map(|verdict| verdict.class);
        let (authorized, passed, all) = hosts.entry(ip).or_default();
        *authorized |= class == Some(Class::Authorized);
        let intact = if class == Some(Class::ForwardedIntact) { one.stream.messages } else { 0 };
        *passed = passed.saturating_add(intact);
        *all = all.saturating_add(one.stream.messages);
    }
    let passing = hosts.into_iter().filter(|(_, (authorized, passed, all))| {
        *authorized || weights::is_share(*passed, *all, weights::ALSO_PASSES_PERCENT)
    });
    passing.map(|(ip, _)| ip).collect()
}

/// The finding of a cluster that a rule decided.
fn decided(key: &GroupKey, verdict: &Verdict, cluster: &Cluster<'_, '_>, view: &DomainView<'_>) -> Finding {
    let evidence = vec![Evidence::fact(verdict.why)];
    finding(key, verdict.class, verdict.confidence, (evidence, Vec::new()), cluster, view)
}

/// The finding of a cluster that was scored.
fn scored(key: &GroupKey, score: Score, cluster: &Cluster<'_, '_>, view: &DomainView<'_>) -> Finding {
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
    let mut finding =
        finding(&key, Class::Insufficient, weights::TOO_LITTLE, (evidence, Vec::new()), &cluster, view);
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
    if let Some(name) = forged.iter().min() {
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
    let examples = view
        .failures
        .iter()
        .filter(|f| ips.contains(&f.source_ip) && organizational(&f.domain) == view.domain);
    if let Some(example) = examples.clone().min_by(|a, b| a.order().cmp(&b.order())) {
        let (count, origin) = (examples.count(), &example.origin);
        facts.push(format!("{count} failure reports about these hosts, such as {origin}"));
    }
    facts.into_iter().map(Evidence::fact).collect()
}

fn severity(class: Class, cluster: &Cluster<'_, '_>, view: &DomainView<'_>) -> Severity {
    match class {
        Class::UnauthorizedSpoof | Class::SuspectReplay => match cluster.delivered {
            weights::CRITICAL_DELIVERED.. => Severity::Critical,
            weights::HIGH_DELIVERED.. => Severity::High,
            1.. => Severity::Medium,
            0 => Severity::Low,
        },
        Class::UnauthorizedUnknown | Class::Insufficient => unexplained(cluster),
        // What is only inferred could be forged.
        Class::ForwardedModified if !cluster.hosts.iter().any(|host| host.is_called_forwarder) => {
            unexplained(cluster)
        }
        Class::LegitBroken => broken(cluster, view),
        // Any customer of the service could do that: it is not known to be ours.
        Class::ThirdPartyUnaligned => broken(cluster, view).min(Severity::Medium),
        _ => Severity::Info,
    }
}

/// Mail that nobody can explain: medium where much of it was delivered.
fn unexplained(cluster: &Cluster<'_, '_>) -> Severity {
    if cluster.delivered >= weights::HIGH_DELIVERED { Severity::Medium } else { Severity::Low }
}

/// Mail of ours that fails: high where it is blocked, medium where it is more than noise.
fn broken(cluster: &Cluster<'_, '_>, view: &DomainView<'_>) -> Severity {
    let blocked = cluster.messages.saturating_sub(cluster.delivered);
    let share = weights::is_share(cluster.messages, view.messages, weights::BROKEN_SHARE_PERCENT);
    if blocked >= weights::BROKEN_BLOCKED {
        Severity::High
    } else if cluster.messages >= weights::BROKEN_FAILING && share {
        Severity::Medium
    } else {
        Severity::Low
    }
}

/// One finding for each domain whose reports were set aside, for each reason. Who the reports say they are from is the
/// choice of whoever forged them, so it makes no finding of its own.
pub(super) fn set_aside(reports: &[SetAside]) -> Vec<Finding> {
    let mut groups: BTreeMap<(Class, &str), Vec<&SetAside>> = BTreeMap::new();
    for report in reports {
        groups.entry((report.class, organizational(&report.policy_domain))).or_default().push(report);
    }
    groups.into_iter().map(|((class, domain), reports)| aside_finding(class, domain, &reports)).collect()
}

fn aside_finding(class: Class, domain: &str, reports: &[&SetAside]) -> Finding {
    let evidence = reports.iter().take(ASIDE_SHOWN).map(|report| {
        let claims = if report.messages > 0 {
            format!("; claims {} messages", report.messages)
        } else {
            String::new()
        };
        Evidence::fact(format!("{}: {}{claims}", report.origin, report.reason))
    });
    let reporters: BTreeSet<&str> = reports.iter().map(|report| report.reporter.as_str()).collect();
    let name = match reporters.first() {
        Some(reporter) if reporters.len() == 1 => format!("in the name of {reporter}"),
        _ => format!("in the names of {} reporters", reporters.len()),
    };
    let claims_mail = reports.iter().any(|report| report.messages > 0);
    let is_conflict = class == Class::ReportConflict;
    Finding {
        id: id(class.as_str(), domain, "", ""),
        class,
        severity: if is_conflict && claims_mail { Severity::Medium } else { Severity::Low },
        confidence: weights::SET_ASIDE,
        domain: domain.to_owned(),
        source: Source { name, ..Source::default() },
        messages: 0,
        delivered: 0,
        first_seen: reports.iter().map(|report| report.period.0).min().unwrap_or_default(),
        last_seen: reports.iter().map(|report| report.period.1).max().unwrap_or_default(),
        evidence: evidence.collect(),
        against: Vec::new(),
        remedy: remedy::text(class, "", ""),
    }
}
