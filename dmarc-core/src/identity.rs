//! When two reports are the same report: key and content hash (RFC 9990, Sections 3.5.1 and 3.5.4).
//!
//! Same key and hash: a duplicate. Same key, other hash: a conflict. Reporters reuse identifiers for other periods and
//! domains, so both are part of the key; the identifier is compared as it is, never cut at `@`.

use sha2::{Digest, Sha256};

use crate::Domain;
use crate::model::aggregate::{DkimAuthResult, PolicyOverrideReason, Record, SpfAuthResult};
use crate::model::tlsrpt::TlsPolicyResult;
use crate::model::{AggregateReport, FailureReport, Report, TlsReport};

/// What makes a report *that* report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Identity {
    /// `aggregate`, `failure` or `tlsrpt`.
    pub kind: &'static str,
    /// Who reported, in lower case.
    pub reporter: String,
    /// The policy domains, in normal form and sorted, joined by a space.
    pub policy_domain: String,
    /// The reporter's identifier. Failure reports have none: what tells one from another stands here.
    pub report_id: String,
    /// Beginning of the period, in seconds since the Unix epoch, UTC.
    pub begin: i64,
    /// End of the period, in seconds since the Unix epoch, UTC.
    pub end: i64,
}

/// SHA-256 of the canonical content of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for ContentHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Computes key and content hash of a report. `reporter` names who sent a failure report, which does not say so itself.
///
/// ```
/// use dmarc_core::{Found, Limits, identity::identify, read};
///
/// # let xml = "<feedback><report_metadata><org_name>receiver.example</org_name><report_id>1</report_id>
/// #   <date_range><begin>1789171200</begin><end>1789257599</end></date_range></report_metadata>
/// #   <policy_published><domain>example.org</domain><p>none</p></policy_published>
/// #   <record><row><source_ip>192.0.2.1</source_ip><count>7</count>
/// #     <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
/// #     <identifiers><header_from>example.org</header_from></identifiers>
/// #     <auth_results><dkim><domain>mail.example.org</domain><result>pass</result></dkim></auth_results></record></feedback>";
/// let identities = [xml.to_owned(), xml.replace(">7<", ">8<")].map(|xml| {
///     let Found::Report(parsed) = read(xml.as_bytes(), &Limits::default()).outcomes.remove(0).found else { panic!() };
///     identify(&parsed.report, "")
/// });
/// // One report by its key, but with two contents: a conflict.
/// assert_eq!(identities[0].0, identities[1].0);
/// assert_ne!(identities[0].1, identities[1].1);
/// ```
pub fn identify(report: &Report<'_>, reporter: &str) -> (Identity, ContentHash) {
    match report {
        Report::Aggregate(report) => (aggregate_identity(report), hash(&aggregate_content(report))),
        Report::Tls(report) => (tls_identity(report), hash(&tls_content(report))),
        Report::Failure(report) => (failure_identity(report, reporter), hash(&failure_content(report))),
    }
}

fn aggregate_identity(report: &AggregateReport<'_>) -> Identity {
    let metadata = &report.report_metadata;
    Identity {
        kind: "aggregate",
        reporter: metadata.reporter(),
        policy_domain: report.policy_published.domain.as_str().to_owned(),
        report_id: metadata.report_id.as_ref().to_owned(),
        begin: metadata.date_range.begin,
        end: metadata.date_range.end,
    }
}

fn tls_identity(report: &TlsReport<'_>) -> Identity {
    let mut domains: Vec<&str> = report.policy_domains().collect();
    domains.sort_unstable();
    domains.dedup();
    Identity {
        kind: "tlsrpt",
        reporter: tls_reporter(report),
        policy_domain: domains.join(" "),
        report_id: report.report_id.as_ref().to_owned(),
        begin: report.date_range.begin,
        end: report.date_range.end,
    }
}

/// Who sent a TLS report: the organization in lower case or, where it is empty, the domain of the contact.
pub fn tls_reporter(report: &TlsReport<'_>) -> String {
    let name = report.organization_name.trim();
    if !name.is_empty() {
        return name.to_lowercase();
    }
    let contact = report.contact_info.as_deref().unwrap_or_default();
    contact.rsplit_once('@').map(|(_, domain)| domain.to_lowercase()).unwrap_or_default()
}

fn failure_identity(report: &FailureReport<'_>, reporter: &str) -> Identity {
    let domain = report.reported_domain.first().map(Domain::as_str).unwrap_or_default();
    let message_id = report.original.as_ref().and_then(|original| original.header("message-id"));
    let mut id = String::new();
    for part in [
        report.arrival_date.as_deref(),
        report.source_ip.map(|ip| ip.to_string()).as_deref(),
        report.original_envelope_id.as_deref(),
        message_id,
        report.auth_failure.as_ref().map(crate::model::failure::AuthFailureType::as_str),
        report.dkim_selector.as_deref(),
    ] {
        id.push_str(part.unwrap_or_default().trim());
        id.push('\u{1f}');
    }
    if message_id.is_none() {
        // Redacted: nothing but the report itself tells one incident from another.
        id.push_str(&hex(hash(&failure_content(report))));
    }
    // A date that is only that of the mail differs from copy to copy.
    let at = report.arrived.filter(|_| report.arrival_date.is_some()).unwrap_or_default();
    Identity {
        kind: "failure",
        reporter: reporter.to_lowercase(),
        policy_domain: domain.to_owned(),
        report_id: id,
        begin: at,
        end: at,
    }
}

/// The content without what may differ between two copies: the date of the mail.
fn failure_content(report: &FailureReport<'_>) -> String {
    let mut stated = report.clone();
    stated.arrived = report.arrived.filter(|_| report.arrival_date.is_some());
    format!("{stated:?}")
}

/// The content without what may differ between two copies: order of records, extensions, human words.
fn aggregate_content(report: &AggregateReport<'_>) -> String {
    let policy = &report.policy_published;
    let mut content = format!(
        "{:?}\u{1f}{:?}\u{1f}{:?}\u{1f}{:?}\u{1f}{:?}\u{1f}{:?}\n",
        policy.p, policy.sp, policy.np, policy.adkim, policy.aspf, policy.pct
    );
    let rejected = report.rejected_records.iter().map(|rejected| {
        let line = record_line(&rejected.record);
        format!("rejected {}\u{1f}{line}", rejected.reason)
    });
    let mut lines: Vec<String> = report.records.iter().map(record_line).chain(rejected).collect();
    lines.sort_unstable();
    content.push_str(&lines.join("\n"));
    content
}

fn record_line(record: &Record<'_>) -> String {
    let Record { row, identifiers, auth_results, .. } = record;
    let evaluated = &row.policy_evaluated;
    let ip = row.source_ip.map(|ip| ip.to_string()).unwrap_or_default();
    let mut line = format!(
        "{ip}\u{1f}{}\u{1f}{:?}\u{1f}{:?}\u{1f}{:?}\u{1f}{}\u{1f}{:?}",
        row.count,
        evaluated.disposition,
        evaluated.dkim,
        evaluated.spf,
        identifiers.header_from,
        identifiers.envelope_from
    );
    let mut results: Vec<String> = auth_results.dkim.iter().map(dkim_line).collect();
    results.extend(auth_results.spf.iter().map(spf_line));
    results.extend(evaluated.reasons.iter().map(reason_line));
    for result in results {
        line.push('\u{1e}');
        line.push_str(&result);
    }
    line
}

fn dkim_line(dkim: &DkimAuthResult<'_>) -> String {
    format!("{}\u{1f}{:?}\u{1f}{}", dkim.domain, dkim.selector, dkim.result.as_str())
}

fn spf_line(spf: &SpfAuthResult<'_>) -> String {
    format!("{}\u{1f}{:?}\u{1f}{}", spf.domain, spf.scope, spf.result.as_str())
}

fn reason_line(reason: &PolicyOverrideReason<'_>) -> String {
    let comment = reason.comment.as_ref().map(|comment| comment.text.as_ref()).unwrap_or_default();
    format!("{}\u{1f}{comment}", reason.kind.as_str())
}

/// The content without what may differ between two copies: order of policies and of failures, contact.
fn tls_content(report: &TlsReport<'_>) -> String {
    let mut lines: Vec<String> = report.policies.iter().map(tls_line).collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn tls_line(result: &TlsPolicyResult<'_>) -> String {
    let TlsPolicyResult { policy, summary, failure_details } = result;
    let mut failures: Vec<String> = failure_details.iter().map(|failure| format!("{failure:?}")).collect();
    failures.sort_unstable();
    format!(
        "{}\u{1f}{:?}\u{1f}{:?}\u{1f}{:?}\u{1f}{}\u{1f}{}\u{1e}{}",
        policy.policy_type.as_str(),
        policy.policy_domain,
        policy.policy_string,
        policy.mx_host,
        summary.total_successful_session_count,
        summary.total_failure_session_count,
        failures.join("\u{1e}")
    )
}

fn hex(hash: ContentHash) -> String {
    hash.0.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn hash(content: &str) -> ContentHash {
    ContentHash(Sha256::digest(content.as_bytes()).into())
}
