//! Payload → report. Knows formats, and no container.

pub mod aggregate;
mod auth;
pub mod error_report;
pub mod failure;
mod prose;
pub mod tlsrpt;
pub(crate) mod value;
mod xml;

pub use auth::authentication_results;

use crate::quirk::Quirks;

/// A report, and what was odd about it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Parsed<T> {
    /// The report.
    pub report: T,
    /// Every deviation that was tolerated.
    pub quirks: Quirks,
}

impl<T> Parsed<T> {
    pub(crate) fn new(report: T, quirks: Quirks) -> Self {
        Self { report, quirks }
    }

    /// Turns the report into something else and keeps the quirks.
    pub fn map<U>(self, to: impl FnOnce(T) -> U) -> Parsed<U> {
        Parsed { report: to(self.report), quirks: self.quirks }
    }
}

/// The format of a payload, told from its content and never from its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// XML with a `feedback` element.
    Aggregate,
    /// JSON with a key of a TLS report.
    Tls,
    /// The fields of a `message/feedback-report` part, or a notice in their place.
    Feedback,
    /// The notice that an aggregate report could not be delivered (RFC 7489, Section 7.2.2).
    ErrorReport,
}

impl Format {
    /// Tells the format of `payload`; `None` if it is no report.
    ///
    /// The test is cheap and generous: a damaged report is still recognised, so that it is refused with a reason
    /// and not passed over.
    pub fn of(payload: &str) -> Option<Self> {
        let text = payload.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        match text.as_bytes().first()? {
            b'<' => has_feedback_element(text).then_some(Self::Aggregate),
            b'{' | b'[' => is_tls_report(text.as_bytes()).then_some(Self::Tls),
            _ if failure::is_feedback(text) => Some(Self::Feedback),
            _ => error_report::is_error_report(text).then_some(Self::ErrorReport),
        }
    }
}

/// Whether the keys of a TLS report occur: its policies, and one that says whose report it is.
fn is_tls_report(json: &[u8]) -> bool {
    let has = |key: &str| memchr::memmem::find(json, key.as_bytes()).is_some();
    has("\"policies\"") && (has("\"organization-name\"") || has("\"report-id\"") || has("\"date-range\""))
}

/// Whether a start tag with the local name `feedback` occurs, in any letter case and with any prefix.
pub(crate) fn has_feedback_element(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'<', bytes).any(|at| {
        let tag = bytes.get(at + 1..).unwrap_or_default();
        let end =
            tag.iter().take(80).position(|b| matches!(b, b'<' | b'>' | b'/') || b.is_ascii_whitespace());
        let name = end.and_then(|end| tag.get(..end)).unwrap_or_default();
        let local = name
            .iter()
            .rposition(|b| *b == b':')
            .map_or(name, |colon| name.get(colon + 1..).unwrap_or_default());
        local.eq_ignore_ascii_case(b"feedback")
    })
}
