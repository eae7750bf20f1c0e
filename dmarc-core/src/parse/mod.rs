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
    const NAME: &[u8] = b"feedback";
    /// The longest prefix of a name that is looked at, in bytes.
    const PREFIX: usize = 80;
    let bytes = text.as_bytes();
    // The last letter is rarer than `<`, so that a flood of either costs little.
    memchr::memchr2_iter(b'k', b'K', bytes).any(|last| {
        let Some(start) = (last + 1).checked_sub(NAME.len()) else { return false };
        let name = bytes.get(start..=last).unwrap_or_default();
        let before = bytes.get(start.saturating_sub(PREFIX)..start).unwrap_or_default();
        name.eq_ignore_ascii_case(NAME)
            && bytes.get(last + 1).is_some_and(|b| matches!(b, b'>' | b'/') || b.is_ascii_whitespace())
            && match before.split_last() {
                Some((b'<', _)) => true,
                Some((b':', prefix)) => is_prefix(prefix),
                _ => false,
            }
    })
}

/// Whether `before` ends with `<` and a name behind it.
fn is_prefix(before: &[u8]) -> bool {
    let ends_name = |b: &u8| matches!(b, b'<' | b'>' | b'/' | b':') || b.is_ascii_whitespace();
    before
        .iter()
        .rposition(ends_name)
        .is_some_and(|at| before.get(at) == Some(&b'<') && at + 1 < before.len())
}
