//! The score of sources with which nothing of ours authenticates, and the caps on confidence.

use std::collections::BTreeSet;

use super::HostName;
use super::class::Class;
use super::cluster::Cluster;
use super::finding::Evidence;
use super::view::{DomainView, Host, Place};
use super::weights::{self, Step};

/// What a score came to, and how.
pub(super) struct Score {
    pub(super) class: Class,
    pub(super) confidence: u8,
    pub(super) raising: Vec<Evidence>,
    pub(super) lowering: Vec<Evidence>,
}

/// Scores an unresolved cluster (rule 9), unless there is too little to say (rule 10).
pub(super) fn score(cluster: &Cluster<'_, '_>, view: &DomainView<'_>) -> Score {
    let raising = raising(cluster, view);
    let lowering = lowering(cluster);
    let points: i32 = raising.iter().chain(&lowering).map(|step| step.points).sum();
    let class = if cluster.messages < weights::MINIMUM_MESSAGES && cluster.is_one_report {
        Class::Insufficient
    } else if points >= weights::SPOOF_SCORE {
        Class::UnauthorizedSpoof
    } else {
        Class::UnauthorizedUnknown
    };
    let evidence = |steps: Vec<&Step>| {
        steps.into_iter().map(|s| Evidence::Score { fact: s.fact.to_owned(), points: s.points }).collect()
    };
    Score {
        class,
        confidence: u8::try_from(points.clamp(0, 100)).unwrap_or_default(),
        raising: evidence(raising),
        lowering: evidence(lowering),
    }
}

fn raising(cluster: &Cluster<'_, '_>, view: &DomainView<'_>) -> Vec<&'static Step> {
    let confirmed = |name: &HostName| matches!(name, HostName::Confirmed(_) | HostName::NotLookedUp);
    let no_name = cluster.hosts.iter().all(|host| !confirmed(&host.facts.name));
    let is_silent =
        |from: &str| !from.is_empty() && from != view.domain && !view.passing_froms.contains(from);
    let silent = cluster.froms.iter().all(|from| is_silent(from));
    let bursty = cluster.days.span() <= weights::BURST_DAYS
        && (cluster.days.first > view.days.first || cluster.days.last < view.days.last);
    let steps = [
        (true, &weights::NOTHING_OF_OURS),
        (no_name, &weights::NO_CONFIRMED_NAME),
        (silent, &weights::SILENT_SUBDOMAIN),
        (cluster.reporters.len() >= 2, &weights::SEVERAL_REPORTERS),
        (cluster.messages >= weights::MANY, &weights::MANY_MESSAGES),
        (bursty, &weights::NEW_AND_BURSTY),
        (!cluster.is_one_report, &weights::SEVERAL_REPORTS),
    ];
    steps.into_iter().filter(|(applies, _)| *applies).map(|(_, step)| step).collect()
}

fn lowering(cluster: &Cluster<'_, '_>) -> Vec<&'static Step> {
    let is_service = cluster.hosts.iter().any(|host| matches!(host.place, Place::Service(_)));
    // Of any mail of these hosts: reporters that know no lists see the same mail without a reason.
    let messages = |is: fn(&Host<'_>) -> bool| {
        let hosts = cluster.hosts.iter().filter(|host| is(host));
        hosts.fold(0_u64, |sum, host| sum.saturating_add(host.messages()))
    };
    let forwarded = messages(|host| host.is_partly_indirect);
    let indirect =
        forwarded > 0 && weights::is_share(forwarded, messages(|_| true), weights::ALSO_PASSES_PERCENT);
    let active: BTreeSet<i64> = cluster.by_day.keys().map(|day| day.div_euclid(7)).collect();
    let steady = cluster.days.span() >= weights::STEADY_DAYS && active.len() >= 4;
    let incomplete = cluster.hosts.iter().any(|host| host.ip.is_none())
        || cluster.streams.iter().all(|(_, stream)| stream.signals.dns_error);
    let steps = [
        (cluster.also_passes, &weights::ALSO_PASSES),
        (is_service, &weights::KNOWN_SERVICE),
        (indirect, &weights::PARTLY_INDIRECT),
        (steady, &weights::STEADY),
        (incomplete, &weights::INCOMPLETE),
    ];
    steps.into_iter().filter(|(applies, _)| *applies).map(|(_, step)| step).collect()
}

/// The caps that apply to a cluster, each with its reason.
pub(super) fn caps(cluster: &Cluster<'_, '_>, view: &DomainView<'_>) -> Vec<(String, u8)> {
    let not_looked_up = cluster.hosts.iter().any(|host| host.is_not_looked_up());
    let long_ago = view.days.last.saturating_sub(cluster.days.last) >= weights::LONG_AGO_DAYS;
    let is_share =
        |part: u64| part > 0 && weights::is_share(part, cluster.messages, weights::CAP_SHARE_PERCENT);
    let caps = [
        (cluster.is_one_report, "only one report has it", weights::CAP_ONE_REPORT),
        (
            is_share(cluster.disagreeing),
            "a reporter's result is not what its raw results give",
            weights::CAP_DISAGREES,
        ),
        (cluster.messages < weights::FEW_MESSAGES, "fewer than 10 messages", weights::CAP_FEW_MESSAGES),
        (cluster.reporters.len() == 1, "only one reporter saw it", weights::CAP_ONE_REPORTER),
        (cluster.also_passes, "the same source also passes for this domain", weights::CAP_MIXED),
        (long_ago, "not seen for 30 days", weights::CAP_LONG_AGO),
        (is_share(cluster.unverified), "the mail of a report was not verified", weights::CAP_UNVERIFIED),
        (not_looked_up, "hosts were not looked up", weights::CAP_NOT_LOOKED_UP),
    ];
    caps.into_iter().filter(|(applies, ..)| *applies).map(|(_, fact, cap)| (fact.to_owned(), cap)).collect()
}
