//! `text/plain` → [`ErrorReport`] (RFC 7489, Section 7.2.2).
//!
//! *Not supported:* folded lines.

use crate::domain::Domain;
use crate::error::Result;
use crate::limits::Limits;
use crate::model::ErrorReport;
use crate::parse::prose;

/// Whether `text` is the notice of a report that was not delivered: it has the fields that say which, and where to.
pub(super) fn is_error_report(text: &str) -> bool {
    ["Report-Domain", "Report-ID", "Submitting-URI"].iter().all(|name| prose::value(text, name).is_some())
}

/// Reads the notice that a report could not be delivered.
///
/// # Errors
/// [`LimitExceeded`](crate::ErrorKind::LimitExceeded) if a value is longer than `text_bytes`.
pub fn parse<'a>(text: &'a str, limits: &Limits) -> Result<ErrorReport<'a>> {
    let mut report = ErrorReport::default();
    for (name, value) in prose::labelled(text) {
        Limits::check("text_bytes", value.len() as u64, limits.text_bytes)?;
        match name.to_ascii_lowercase().as_str() {
            "report-date" => report.report_date = Some(value.into()),
            "report-domain" => report.report_domain = Domain::new(value),
            "report-id" => report.report_id = value.into(),
            "report-size" => report.report_size = value.parse().ok(),
            "submitter" => report.submitter = Some(Domain::new(value)),
            "submitting-uri" => report.submitting_uri.push(value.into()),
            _ => {}
        }
    }
    Ok(report)
}
