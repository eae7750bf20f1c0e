//! One finding: what, who, how much, how sure, why, and what to do.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::class::{Class, Severity};
use super::decision::{Decision, Status};
use super::novelty::Novelty;
use super::observed::{ReportRef, Stream};
use super::view::Host;

/// The version of the rules; part of every id, so that a changed rule makes new findings.
const RULES_VERSION: &str = "1";
/// How many characters follow `F-` in an id.
const ID_LENGTH: usize = 6;
/// Characters of an id: Crockford's Base32, in which none is taken for another.
const ID_CHARACTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What was found about one source (or about a report, or about TLS at one host).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Finding {
    /// Stable over runs and machines: made from rule, domain and cluster, never from counts or dates.
    pub id: String,
    /// What it is.
    pub class: Class,
    /// How much it matters.
    pub severity: Severity,
    /// How sure the class is, 0 to 100; the caps that applied are named in `against`.
    pub confidence: u8,
    /// How it moves.
    pub novelty: Novelty,
    /// What the operator decided about it, if anything.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub decision: Option<Decided>,
    /// The Organizational Domain that it is about.
    pub domain: String,
    /// Who sends.
    pub source: Source,
    /// Messages (TLS: failed sessions).
    pub messages: u64,
    /// Messages of these that passed DMARC.
    pub dmarc_pass: u64,
    /// Messages that reached the recipient though DMARC failed or, of what is not ours though it passes, all that did (replay:
    /// the signature is stolen; or the operator says so). TLS: sessions whose policy was in testing mode.
    pub delivered: u64,
    /// Beginning of the first report that has it.
    #[cfg_attr(feature = "serde", serde(serialize_with = "rfc3339"))]
    pub first_seen: i64,
    /// End of the last report that has it.
    #[cfg_attr(feature = "serde", serde(serialize_with = "rfc3339"))]
    pub last_seen: i64,
    /// What is concluded, in a sentence.
    pub statement: String,
    /// What speaks for the class, and the largest rows behind it.
    pub evidence: Vec<Evidence>,
    /// What speaks against it, or limits how sure it can be.
    pub against: Vec<Evidence>,
    /// What nobody can know from the reports.
    pub unknown: Vec<String>,
    /// What to do.
    pub remedy: String,
    /// When it counts as resolved.
    pub resolved_when: String,
}

/// A decision, as it applies to a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Decided {
    /// What the source is.
    pub status: Status,
    /// Who decided.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Until when it is believed: seconds since the Unix epoch, UTC.
    #[cfg_attr(feature = "serde", serde(serialize_with = "rfc3339"))]
    pub expires: i64,
}

impl From<&Decision> for Decided {
    fn from(decision: &Decision) -> Self {
        Self {
            status: decision.status,
            owner: decision.owner.clone(),
            reason: decision.reason.clone(),
            expires: decision.expires,
        }
    }
}

/// Who sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Source {
    /// What tells one source of a domain from another; the same in every finding about it, however many hosts it has.
    pub key: String,
    /// A name for people, which may differ between findings about one source; may hold text that a sender or reporter chose.
    pub name: String,
    /// Number of hosts.
    pub hosts: u64,
    /// The hosts, sorted.
    pub ips: Vec<IpAddr>,
}

/// One thing that speaks for or against.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(untagged))]
#[non_exhaustive]
pub enum Evidence {
    /// A step of the score.
    Score {
        /// What was observed.
        fact: String,
        /// What it adds to the score.
        points: i32,
    },
    /// An observed fact.
    Fact {
        /// What was observed.
        fact: String,
    },
    /// A ceiling on the confidence.
    Cap {
        /// What was observed.
        fact: String,
        /// The ceiling.
        cap: u8,
    },
    /// A row of a report.
    Row {
        /// The row.
        row: EvidenceRow,
    },
}

impl Evidence {
    pub(super) fn fact(fact: impl Into<String>) -> Self {
        Self::Fact { fact: fact.into() }
    }
}

/// A row of a report, and where to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct EvidenceRow {
    /// The mail or file, and the part in it.
    pub origin: String,
    /// Who reported.
    pub reporter: String,
    /// The reporter's identifier of the report.
    pub report_id: String,
    /// The policy domain.
    pub policy_domain: String,
    /// The host.
    pub source_ip: Option<IpAddr>,
    /// Messages.
    pub messages: u64,
    /// The Author Domain.
    pub header_from: String,
    /// Beginning of the reporting period.
    #[cfg_attr(feature = "serde", serde(serialize_with = "rfc3339"))]
    pub begin: i64,
    /// Its end.
    #[cfg_attr(feature = "serde", serde(serialize_with = "rfc3339"))]
    pub end: i64,
    /// Whether it passed DMARC.
    pub is_pass: bool,
}

/// Whether a text could be the id of a finding: `F-` and six digits or capital letters.
pub fn is_finding_id(text: &str) -> bool {
    let is_of_id = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    text.strip_prefix("F-").is_some_and(|rest| rest.len() == ID_LENGTH && rest.bytes().all(is_of_id))
}

/// The id of what `rule` says about `cluster` of `domain`.
pub(super) fn id(rule: &str, domain: &str, cluster: &str, cause: &str) -> String {
    let text = [RULES_VERSION, rule, domain, cluster, cause].join("\u{1f}");
    let digest = Sha256::digest(text.as_bytes());
    let bits = digest.iter().take(4).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let character =
        |n: usize| ID_CHARACTERS.get((bits >> (5 * n) & 31) as usize).map_or('0', |c| char::from(*c));
    format!("F-{}", (0..ID_LENGTH).map(character).collect::<String>())
}

/// The largest rows of streams as evidence, in an order that does not depend on theirs.
pub(super) fn rows<'a, 'o: 'a>(
    streams: &[(&'a Host<'o>, &'a Stream<'o>)],
    most: usize,
) -> impl Iterator<Item = Evidence> {
    let rows = |(host, stream): &(&'a Host<'o>, &'a Stream<'o>)| {
        let (host, stream) = (*host, *stream);
        stream.rows().map(move |(messages, report)| (messages, report, host.ip, stream))
    };
    let mut rows: Vec<(u64, ReportRef<'o>, Option<IpAddr>, &'a Stream<'o>)> =
        streams.iter().flat_map(rows).collect();
    let order = |a: &(u64, ReportRef<'o>, Option<IpAddr>, &'a Stream<'o>)| {
        (std::cmp::Reverse(a.0), a.1.id, a.2, a.3.from, a.3.signals)
    };
    if most > 0 && most < rows.len() {
        rows.select_nth_unstable_by(most - 1, |a, b| order(a).cmp(&order(b)));
    }
    rows.truncate(most);
    rows.sort_by(|a, b| order(a).cmp(&order(b)));
    rows.into_iter().map(|(messages, report, source_ip, stream)| Evidence::Row {
        row: EvidenceRow {
            origin: report.rest.origin.clone(),
            reporter: report.id.reporter.clone(),
            report_id: report.id.report_id.clone(),
            source_ip,
            messages,
            header_from: stream.from.to_owned(),
            policy_domain: report.id.policy_domain.clone(),
            begin: report.id.period.begin,
            end: report.id.period.end,
            is_pass: stream.signals.is_pass(),
        },
    })
}

/// Writes seconds since the Unix epoch as RFC 3339, UTC.
#[cfg(feature = "serde")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
pub(super) fn rfc3339<S: serde::Serializer>(seconds: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&crate::time::rfc3339(*seconds))
}
