//! What a mail and the name of a file say of the report in them.
//!
//! The report always wins. What stands around it is compared, and used only where the report is silent; each such use is
//! a quirk. The subject of a mail is never looked at.
//!
//! *Not supported:* the name of a bare file, which this crate does not see.

use crate::decode::MessageInfo;
use crate::domain::{Domain, is_host_name};
use crate::model::tlsrpt::{TlsPolicyResult, TlsPolicyType};
use crate::model::{FailureReport, Report, TlsReport};
use crate::parse::Parsed;
use crate::quirk::{QuirkCode, Quirks};

/// Compares a report found in `part` of `message` with both, and completes it from them.
pub(crate) fn apply(parsed: &mut Parsed<Report<'static>>, part: &str, message: Option<&MessageInfo>) {
    let name = part.rsplit('/').find_map(FileName::new);
    let quirks = &mut parsed.quirks;
    let fits = match &mut parsed.report {
        Report::Aggregate(report) => {
            let range = report.report_metadata.date_range;
            let domain = report.policy_published.domain.as_str();
            name.as_ref().is_none_or(|name| name.fits([domain], (range.begin, range.end)))
        }
        Report::Tls(report) => {
            complete_tls(report, name.as_ref(), message, quirks);
            let range = (report.date_range.begin, report.date_range.end);
            name.as_ref().is_none_or(|name| name.fits(report.policy_domains(), range))
        }
        Report::Failure(report) => {
            complete_failure(report, message, quirks);
            true
        }
    };
    if let Some(name) = name.filter(|_| !fits) {
        quirks.note(QuirkCode::FileName, name.text);
    }
}

/// Names the domain that a TLS report is about, where one of its policies does not: by the mail, else by the file name.
fn complete_tls(
    report: &mut TlsReport<'static>,
    name: Option<&FileName<'_>>,
    message: Option<&MessageInfo>,
    quirks: &mut Quirks,
) {
    let header = message.and_then(|message| message.tls_report_domain.as_deref());
    let by_header = header.map(|domain| ("TLS-Report-Domain", domain));
    let by_name = name.map(|name| ("file name", name.domain.as_str()));
    let Some((source, domain)) = by_header.or(by_name) else { return };
    let domain = Domain::new(domain.to_owned());
    if report.policies.iter().any(|result| needs(result, &domain)) {
        quirks.note(QuirkCode::DerivedDomain, format!("{source}: {domain}"));
        report.report_domain = Some(domain);
    }
}

/// Whether a policy names no domain, or one that is another and may be its MX (RFC 7672, Section 2.2.3).
fn needs(result: &TlsPolicyResult<'_>, domain: &Domain<'_>) -> bool {
    match &result.policy.policy_domain {
        None => true,
        Some(named) => result.policy.policy_type == TlsPolicyType::Tlsa && named != domain,
    }
}

/// A message that failed arrived before the report of it was sent, and not long before.
fn complete_failure(report: &mut FailureReport<'static>, message: Option<&MessageInfo>, quirks: &mut Quirks) {
    if let (None, Some(date)) = (&report.arrival_date, message.and_then(|message| message.date)) {
        report.arrived = Some(date);
        quirks.note(QuirkCode::ArrivalDate, "date of the mail");
    }
}

/// `receiver!policy-domain!begin!end[!unique-id].extension` (RFC 9990, Section 3.5.2; RFC 8460, Section 5.1).
struct FileName<'n> {
    text: &'n str,
    domain: Domain<'n>,
    period: (i64, i64),
}

impl<'n> FileName<'n> {
    /// Reads a file name; `None` if it is of another form, which tells nothing.
    fn new(text: &'n str) -> Option<Self> {
        let mut fields = text.split('!').skip(1);
        let domain = Domain::new(fields.next()?);
        let begin = fields.next()?.parse().ok()?;
        let end = fields.next()?;
        let end = end.split('.').next()?.parse().ok()?;
        is_host_name(domain.as_str()).then_some(Self { text, domain, period: (begin, end) })
    }

    fn fits<'d>(&self, domains: impl IntoIterator<Item = &'d str>, period: (i64, i64)) -> bool {
        period == self.period && domains.into_iter().any(|domain| domain == self.domain.as_str())
    }
}
