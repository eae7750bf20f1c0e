//! From clusters to findings: names, evidence, severity, and what to do.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::class::{Class, Severity};
use super::cluster::{Cluster, Judged, is_one_report, judged};
use super::decision::Decision;
use super::finding::{Evidence, Finding, Source, id, rows};
use super::key::Key;
use super::novelty::{Novelty, novelty};
use super::rules::{decided_class, decided_why};
use super::score::{Score, caps, score};
use super::view::{DomainView, Place};
use super::{HostName, SetAside, texts, weights};
use crate::domain::organizational;

/// Reports named in a finding about reports that were set aside.
const ASIDE_SHOWN: usize = 10;

/// What makes streams one finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct GroupKey<'v> {
    /// `None`: still to be scored.
    class: Option<Class>,
    rule: &'static str,
    cluster: Key<'v>,
    cause: &'static str,
}

impl GroupKey<'_> {
    fn id(&self, domain: &str) -> String {
        id(self.rule, domain, &self.cluster.to_string(), self.cause)
    }
}

/// What was concluded about a cluster, before caps.
struct Conclusion {
    class: Class,
    confidence: u8,
    evidence: Vec<Evidence>,
    against: Vec<Evidence>,
}

/// The findings of one domain, in no particular order.
pub(super) fn findings(view: &DomainView<'_>) -> Vec<Finding> {
    let judged = judged(view);
    sources(view, &judged).into_iter().map(|(finding, _)| finding).collect()
}

/// The same, each with the streams that it is made of.
pub(super) fn sources<'j, 'v, 'r>(
    view: &DomainView<'_>,
    judged: &'j [Judged<'v, 'r>],
) -> Vec<(Finding, Vec<&'j Judged<'v, 'r>>)> {
    let passing = passing_hosts(judged);
    let mut insufficient = Vec::new();
    let mut findings = Vec::new();
    for (key, members) in groups(judged) {
        let of_members = members.iter().find_map(|member| member.decision);
        let decision = of_members.or_else(|| view.decision_about(|| key.id(view.domain)));
        if decision.is_none() && key.class.is_none() && is_too_little(&members) {
            insufficient.extend(members);
            continue;
        }
        let also_passes = also_passes(&members, &passing);
        let cluster = Cluster::new(&members, also_passes);
        let conclusion = conclusion(&members, decision.filter(|_| of_members.is_none()), &cluster, view);
        let finding = finding(&key, conclusion, &cluster, view);
        findings.push((Finding { decision: decision.map(Into::into), ..finding }, members));
    }
    findings.extend(too_little(&insufficient, view).map(|finding| (finding, insufficient)));
    findings
}

/// Streams of one class, rule, source and cause.
fn groups<'j, 'v, 'r>(judged: &'j [Judged<'v, 'r>]) -> Vec<(GroupKey<'v>, Vec<&'j Judged<'v, 'r>>)> {
    let mut groups: HashMap<GroupKey<'v>, Vec<&'j Judged<'v, 'r>>, RandomState> = HashMap::default();
    for one in judged {
        let (class, rule, cause) = match &one.verdict {
            Some(verdict) => (Some(verdict.class), verdict.rule, verdict.cause),
            None => (None, "unauthenticated", ""),
        };
        groups.entry(GroupKey { class, rule, cluster: one.key, cause }).or_default().push(one);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    groups
}

/// Whether streams that no rule decides are too little to say anything about (rule 10).
fn is_too_little(members: &[&Judged<'_, '_>]) -> bool {
    let messages = members.iter().fold(0_u64, |sum, one| sum.saturating_add(one.stream.messages()));
    messages < weights::MINIMUM_MESSAGES && is_one_report(members.iter().map(|one| one.stream))
}

/// What the operator decided about the finding, or else what the rules say, or else the score.
fn conclusion(
    members: &[&Judged<'_, '_>],
    decision: Option<&Decision>,
    cluster: &Cluster<'_, '_>,
    view: &DomainView<'_>,
) -> Conclusion {
    let concluded = |class, confidence, why: &str| Conclusion {
        class,
        confidence,
        evidence: vec![Evidence::fact(why)],
        against: Vec::new(),
    };
    if let Some(decision) = decision {
        let is_pass = members.iter().all(|member| member.stream.signals.is_pass());
        let class = decided_class(decision.status, is_pass);
        return concluded(class, weights::DECIDED, decided_why(decision.status));
    }
    // A cluster is as sure as the least sure of its streams.
    let verdicts = members.iter().filter_map(|member| member.verdict.as_ref());
    if let Some(verdict) = verdicts.min_by_key(|verdict| verdict.confidence) {
        return concluded(verdict.class, verdict.confidence, verdict.why);
    }
    let Score { class, confidence, raising, lowering } = score(cluster, view);
    Conclusion { class, confidence, evidence: raising, against: lowering }
}

/// Whether hosts that also pass send a good part of this.
fn also_passes(members: &[&Judged<'_, '_>], passing: &HashSet<IpAddr, RandomState>) -> bool {
    let sum = |sum: u64, one: &&Judged<'_, '_>| sum.saturating_add(one.stream.messages());
    let is_passing = |one: &&&Judged<'_, '_>| one.host.ip.is_some_and(|ip| passing.contains(&ip));
    let passed = members.iter().filter(is_passing).fold(0, sum);
    passed > 0 && weights::is_share(passed, members.iter().fold(0, sum), weights::ALSO_PASSES_PERCENT)
}

/// Hosts whose mail is authorized or passes in good part, as most reporters see it. A few replayed messages make no host of ours,
/// nor does a report or two.
fn passing_hosts(judged: &[Judged<'_, '_>]) -> HashSet<IpAddr, RandomState> {
    let mut hosts: HashMap<IpAddr, (bool, u64, u64), RandomState> = HashMap::default();
    for one in judged {
        let Some(ip) = one.host.ip else { continue };
        let class = one.verdict.as_ref().map(|verdict| verdict.class);
        let (authorized, passed, all) = hosts.entry(ip).or_default();
        let is_authorized = class == Some(Class::Authorized);
        *authorized |= is_authorized && (one.host.place == Place::Own || one.decision.is_some());
        let messages = one.stream.messages();
        let is_ours = one.host.passes && (is_authorized || class == Some(Class::ForwardedIntact));
        *passed = passed.saturating_add(if is_ours { messages } else { 0 });
        *all = all.saturating_add(messages);
    }
    let passing = hosts.into_iter().filter(|(_, (authorized, passed, all))| {
        *authorized || weights::is_share(*passed, *all, weights::ALSO_PASSES_PERCENT)
    });
    passing.map(|(ip, _)| ip).collect()
}

/// One finding for all that is too little to say anything about.
fn too_little(members: &[&Judged<'_, '_>], view: &DomainView<'_>) -> Option<Finding> {
    if members.is_empty() {
        return None;
    }
    let cluster = Cluster::new(members, false);
    let class = Class::Insufficient;
    let key = GroupKey { class: Some(class), rule: "insufficient", cluster: Key::Insufficient, cause: "" };
    let conclusion = Conclusion {
        class,
        confidence: weights::TOO_LITTLE,
        evidence: vec![Evidence::fact(
            "each of these sources sent one or two messages, seen in a single report",
        )],
        against: Vec::new(),
    };
    Some(finding(&key, conclusion, &cluster, view))
}

fn finding(
    key: &GroupKey<'_>,
    conclusion: Conclusion,
    cluster: &Cluster<'_, '_>,
    view: &DomainView<'_>,
) -> Finding {
    let Conclusion { class, confidence, mut evidence, mut against } = conclusion;
    // What is decided is as sure as whoever decided it.
    let is_judged = !class.is_quiet() && confidence < weights::DECIDED;
    let caps = if is_judged { caps(cluster, view) } else { Vec::new() };
    let confidence = caps.iter().map(|(_, cap)| *cap).fold(confidence, u8::min);
    against.extend(caps.into_iter().map(|(fact, cap)| Evidence::Cap { fact, cap }));
    evidence.extend(observed(cluster, view));
    evidence.extend(rows(&cluster.streams, view.rows));
    let period = cluster.period();
    Finding {
        id: key.id(view.domain),
        class,
        severity: severity(class, cluster, view),
        confidence,
        novelty: novelty(&cluster.by_day, view.days),
        decision: None,
        domain: view.domain.to_owned(),
        source: Source {
            key: key.cluster.to_string(),
            name: cluster.name(key.cluster),
            hosts: cluster.hosts.len() as u64,
            ips: cluster.ips(),
        },
        messages: cluster.messages,
        dmarc_pass: cluster.dmarc_pass,
        delivered: delivered(class, cluster),
        first_seen: period.begin,
        last_seen: period.end,
        statement: texts::statement(class, key.cause).to_owned(),
        evidence,
        against,
        unknown: unknown(class, cluster),
        remedy: texts::remedy(class, key.cause, service(key.cluster)),
        resolved_when: texts::resolved_when(class).to_owned(),
    }
}

/// Messages that reached the recipient and should not have.
fn delivered(class: Class, cluster: &Cluster<'_, '_>) -> u64 {
    if matches!(class, Class::UnauthorizedSpoof | Class::SuspectReplay) {
        return cluster.delivered;
    }
    let failing = cluster.streams.iter().filter(|(_, stream)| !stream.signals.is_pass());
    failing.fold(0_u64, |sum, (_, stream)| sum.saturating_add(stream.delivered()))
}

/// The service that a source is, if it is one.
fn service(key: Key<'_>) -> Option<&str> {
    if let Key::Service(name) = key { Some(name) } else { None }
}

/// What the reports leave open.
fn unknown(class: Class, cluster: &Cluster<'_, '_>) -> Vec<String> {
    let not_looked_up = cluster.hosts.iter().filter(|host| host.is_not_looked_up()).count();
    let is_masked = cluster.hosts.iter().any(|host| host.ip.is_none());
    let open = [
        texts::unknown(class).map(str::to_owned),
        (not_looked_up > 0)
            .then(|| format!("whose {not_looked_up} of the hosts are: nobody looked their names up")),
        is_masked.then(|| "which hosts they are: a reporter hides the addresses".to_owned()),
        (cluster.unverified > 0)
            .then(|| "whether all reports are genuine: the mail of some was not verified".to_owned()),
    ];
    open.into_iter().flatten().filter(|_| !class.is_quiet()).collect()
}

/// What was observed beside the reason of the class.
fn observed(cluster: &Cluster<'_, '_>, view: &DomainView<'_>) -> Vec<Evidence> {
    let mut facts = vec![texts::seen(cluster.reporters.len(), cluster.by_day.len())];
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
    let examples = view.failures.iter().filter(|failure| ips.contains(&failure.source_ip));
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
        novelty: Novelty::Ongoing,
        decision: None,
        domain: domain.to_owned(),
        source: Source { key: class.as_str().to_owned(), name, ..Source::default() },
        messages: 0,
        dmarc_pass: 0,
        delivered: 0,
        first_seen: reports.iter().map(|report| report.period.0).min().unwrap_or_default(),
        last_seen: reports.iter().map(|report| report.period.1).max().unwrap_or_default(),
        statement: texts::statement(class, "").to_owned(),
        evidence: evidence.collect(),
        against: Vec::new(),
        unknown: texts::unknown(class).map(str::to_owned).into_iter().collect(),
        remedy: texts::remedy(class, "", None),
        resolved_when: texts::resolved_when(class).to_owned(),
    }
}
