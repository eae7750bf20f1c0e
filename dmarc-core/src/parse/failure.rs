//! `message/feedback-report` → [`FailureReport`].
use crate::error::Result;
use crate::limits::Limits;
use crate::model::FailureReport;
use crate::parse::Parsed;

/// The message or header that a failure report includes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Included<'a> {
    /// The message or its header block, as decoded from its MIME part.
    pub bytes: &'a [u8],
}

impl<'a> Included<'a> {
    /// Wraps the bytes of a `message/rfc822` or `text/rfc822-headers` part.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
}

/// Whether `text` begins like the fields of a feedback report.
pub(crate) fn is_feedback(_text: &str) -> bool {
    false
}

/// Reads a feedback report.
///
/// # Errors
pub fn parse<'a>(
    _feedback: &'a str,
    _included: Option<Included<'a>>,
    _limits: &Limits,
) -> Result<Parsed<FailureReport<'a>>> {
    Err(crate::Error::new(crate::ErrorKind::MissingField("Feedback-Type")))
}
