//! `text/plain` → [`ErrorReport`] (RFC 7489, Section 7.2.2).
//!
//! *Not supported:* folded lines.

use std::borrow::Cow;

use crate::domain::Domain;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::model::ErrorReport;
use crate::parse::prose;

const URI: &str = "Submitting-URI";

/// Whether `text` is the notice of a report that was not delivered: it has the fields that say which, and where to.
pub(super) fn is_error_report(text: &str) -> bool {
    ["Report-Domain", "Report-ID", URI].iter().all(|name| prose::value(text, name).is_some())
}

/// Reads the notice that a report could not be delivered. Of a field that is repeated, the first counts.
///
/// # Errors
/// - [`ErrorKind::MissingField`] if it does not say which report: `Report-Domain` or `Report-ID` is absent.
/// - [`ErrorKind::LimitExceeded`] if a value is longer than `text_bytes`.
///
/// ```
/// let text = "Report-Domain: example.org\r\nReport-ID: 17@receiver.example\r\nSubmitting-URI: mailto:dmarc@example.org\r\n";
/// let report = dmarc_core::parse::error_report::parse(text, &dmarc_core::Limits::default())?;
/// assert_eq!(report.report_domain.as_str(), "example.org");
/// # Ok::<(), dmarc_core::Error>(())
/// ```
pub fn parse<'a>(text: &'a str, limits: &Limits) -> Result<ErrorReport<'a>> {
    for (_, value) in prose::labelled(text) {
        Limits::check("text_bytes", value.len() as u64, limits.text_bytes)?;
    }
    let required = |name| prose::value(text, name).ok_or_else(|| Error::new(ErrorKind::MissingField(name)));
    let uris = prose::labelled(text).filter(|(name, _)| name.eq_ignore_ascii_case(URI));
    Ok(ErrorReport {
        report_date: prose::value(text, "Report-Date").map(Cow::Borrowed),
        report_domain: Domain::new(required("Report-Domain")?),
        report_id: Cow::Borrowed(required("Report-ID")?),
        report_size: prose::value(text, "Report-Size").and_then(|size| size.parse().ok()),
        submitter: prose::value(text, "Submitter").map(Domain::new),
        submitting_uri: uris.map(|(_, uri)| Cow::Borrowed(uri)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Report-Domain: a.example\nReport-ID: 1\nReport-ID: 2\nReport-Size: large\n";

    #[test]
    fn keeps_the_first_of_two_and_guesses_no_size() {
        let report = parse(TEXT, &Limits::default()).unwrap();
        assert_eq!((report.report_id.as_ref(), report.report_size), ("1", None));
    }

    #[test]
    fn refuses_a_notice_that_does_not_say_which_report() {
        for name in ["Report-Domain", "Report-ID"] {
            let error = parse(&TEXT.replace(name, "x"), &Limits::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MissingField(name));
        }
    }

    #[test]
    fn refuses_a_value_one_byte_over_the_limit() {
        let limits = |text_bytes| Limits { text_bytes, ..Limits::default() };
        assert!(parse(TEXT, &limits(9)).is_ok());
        assert!(parse(TEXT, &limits(8)).is_err());
    }
}
