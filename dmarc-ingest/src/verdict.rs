//! What a report is worth: which report it is, whether it is to be believed, and which of several it gives way to.

use std::cmp::Reverse;

use dmarc_core::domain::{Domain, domain_part, is_at_or_below, organizational};
use dmarc_core::findings::{Class, SetAside};
use dmarc_core::identity::{ContentHash, Identity, identify};
use dmarc_core::record;
use dmarc_core::{MessageInfo, Report};

use crate::authenticate::{DkimVerdict, Trust, judge};
use crate::config::Owner;

/// A report, judged.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Which report it is.
    pub(crate) identity: Identity,
    /// Which of several with this identity counts.
    pub(crate) rank: Rank,
    /// How it is named if it does not count: as a conflict, unless it is not to be trusted.
    pub(crate) aside: SetAside,
    /// Why it is not to be trusted; it counts for nothing then.
    pub(crate) untrusted: Option<String>,
    /// The report, until somebody takes it.
    pub(crate) report: Option<Report<'static>>,
}

/// Which of several versions stays active: the smallest. Trust first, so that no stranger displaces the report of whom
/// it says; then the one with fewer rejected records; then the first sent, where the date is that of a trusted mail. The
/// hash decides what is left, whatever the order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) trust: Reverse<record::Trust>,
    pub(crate) rejected: u64,
    pub(crate) sent: i64,
    pub(crate) hash: ContentHash,
}

impl Rank {
    /// How far the mail is known to be genuine.
    pub(crate) fn trust(&self) -> record::Trust {
        self.trust.0
    }
}

/// Judges a report that was read from `origin` and brought by `message`, whose signature may have been checked.
pub(crate) fn verdict(
    report: Report<'static>,
    origin: String,
    message: Option<&MessageInfo>,
    signature: Option<&DkimVerdict>,
    owner: &Owner,
) -> Verdict {
    let sender = message.and_then(|message| message.from_domain.as_deref()).unwrap_or_default();
    let (identity, hash) = identify(&report, sender);
    let mut aside = aside(&report, &identity, origin);
    let said = judge(message, report.kind(), &owner.trusted_authserv_ids);
    let trust = signature.into_iter().fold(said, Trust::with_signature);
    let (trust, untrusted) = match trust {
        Trust::Verified if speaks_for(sender, &report) => (record::Trust::Verified, None),
        Trust::Failed(reason) => (record::Trust::Unverified, Some(reason)),
        Trust::TrustedAuthres if speaks_for(sender, &report) => (record::Trust::TrustedAuthres, None),
        _ => (record::Trust::Unverified, None),
    };
    let untrusted = untrusted.or_else(|| {
        let reason = foreign(&report, owner)?;
        // Domains that are none of ours make no section of their own.
        aside.policy_domain.clear();
        Some(reason)
    });
    let date = message.and_then(|message| message.date).filter(|_| trust != record::Trust::Unverified);
    let sent = date.unwrap_or(i64::MAX);
    let rank = Rank { trust: Reverse(trust), rejected: rejected_records(&report), sent, hash };
    Verdict { identity, rank, aside, untrusted, report: Some(report) }
}

/// Says so if a report is about domains of others only. One that names no domain cannot be told to be.
fn foreign(report: &Report<'_>, owner: &Owner) -> Option<String> {
    let domains = policy_domains(report);
    let own_domains = &owner.domains;
    let is_ours = |domain: &&str| own_domains.iter().any(|own| is_at_or_below(domain, own));
    let is_foreign = !own_domains.is_empty() && !domains.is_empty() && !domains.iter().any(is_ours);
    is_foreign.then(|| format!("it is about {}, which is none of the configured domains", domains.join(", ")))
}

/// How many records of a good report cannot be counted.
fn rejected_records(report: &Report<'_>) -> u64 {
    match report {
        Report::Aggregate(report) => report.rejected_records.len() as u64,
        _ => 0,
    }
}

fn policy_domains<'r>(report: &'r Report<'_>) -> Vec<&'r str> {
    match report {
        Report::Aggregate(report) => vec![report.policy_published.domain.as_str()],
        Report::Failure(report) => report.reported_domain.iter().map(Domain::as_str).collect(),
        Report::Tls(report) => report.policy_domains().collect(),
        _ => Vec::new(),
    }
}

/// Whether mail from the domain `sender` can be the word of the reporter that a report names: both have the same
/// organizational domain. Otherwise the mail is genuine, but of somebody else.
fn speaks_for(sender: &str, report: &Report<'_>) -> bool {
    let claims = match report {
        Report::Aggregate(report) => {
            [report.report_metadata.email.as_ref(), report.report_metadata.org_name.as_ref()]
        }
        Report::Tls(report) => {
            [report.contact_info.as_deref().unwrap_or_default(), report.organization_name.as_ref()]
        }
        // A failure report names no reporter: it is the word of whoever sent it.
        _ => return true,
    };
    claims
        .into_iter()
        .map(|claim| Domain::new(domain_part(claim)))
        .any(|claimed| claimed.is_host_name() && claimed.organizational() == organizational(sender))
}

/// How a report is named where it does not count.
fn aside(report: &Report<'_>, identity: &Identity, origin: String) -> SetAside {
    let mut aside = SetAside::new(Class::ReportConflict, origin, conflict(&identity.report_id));
    aside.policy_domain =
        policy_domains(report).first().map(|domain| (*domain).to_owned()).unwrap_or_default();
    aside.reporter.clone_from(&identity.reporter);
    aside.period = (identity.begin, identity.end);
    if let Report::Aggregate(report) = report {
        aside.messages = report.records.iter().fold(0, |sum, record| sum.saturating_add(record.row.count));
    }
    aside
}

/// Why a report does not count that contradicts another one.
pub(crate) fn conflict(report_id: &str) -> String {
    format!("another report has the same identity ({report_id}) and other content")
}
