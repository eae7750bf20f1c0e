//! Everything that one message, container or payload holds.

use crate::error::Error;
use crate::limits::Limits;
use crate::model::Report;
use crate::parse::Parsed;

/// What a message says of itself: facts for whoever decides whether it is genuine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageInfo {
    /// The domain of RFC5322.From, in normal form; `None` where it cannot be read or differs between several.
    pub from_domain: Option<String>,
    /// `Date`, in seconds since the Unix epoch, UTC.
    pub date: Option<i64>,
    /// `Message-ID` without `<>`.
    pub message_id: Option<String>,
    /// `Authentication-Results`, each value unfolded, topmost first.
    pub authentication_results: Vec<String>,
}

/// Everything found in one message, container or payload.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Reading {
    /// The message, where the bytes were one.
    pub message: Option<MessageInfo>,
    /// What was found, in the order of the bytes; empty if there was no report.
    pub outcomes: Vec<Outcome>,
}

/// What one part gave.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// Where it was: MIME part number, file name, names inside containers (`2/report.zip/report.xml`); empty for a
    /// bare payload. Names come from the message.
    pub part: String,
    /// What it was.
    pub found: Found,
}

/// What a part was.
#[derive(Debug)]
#[non_exhaustive]
pub enum Found {
    /// A report.
    Report(Parsed<Report<'static>>),
    /// Something that claims to be a report and gave none.
    Refused(Error),
    /// An ARF report that is not about authentication; the text is its `Feedback-Type`.
    OtherFeedback(String),
}

/// Reads every report of a message, container or payload.
pub fn read(_input: &[u8], _limits: &Limits) -> Reading {
    Reading::default()
}
