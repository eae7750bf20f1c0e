//! Everything that one message, container or payload holds.

use crate::context;
use crate::decode::{self, MessageInfo, Payload};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::model::{ErrorReport, Report};
use crate::parse::failure::{self, Included};
use crate::parse::{Format, Parsed, aggregate, error_report, tlsrpt};
use crate::quirk::Quirks;

/// The `Feedback-Type` of a failure report (RFC 6591, Section 3.1).
const AUTH_FAILURE: &str = "auth-failure";

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
    /// The notice that an aggregate report exists and could not be delivered.
    ErrorReport(ErrorReport<'static>),
}

/// Reads every report of a message, container or payload.
///
/// Content decides what the bytes are; names and media types never do. Whatever is no report, and claims to be none,
/// is passed over.
///
/// ```
/// use dmarc_core::{Limits, read};
///
/// let reading = read(b"Hello, this is no report.", &Limits::default());
/// assert!(reading.message.is_none() && reading.outcomes.is_empty());
/// ```
pub fn read(input: &[u8], limits: &Limits) -> Reading {
    let mut outcomes = Vec::new();
    let message = decode::payloads(input, limits, &mut |piece| {
        let part = piece.part;
        parse_piece(piece.content, piece.included, limits, &mut |found| {
            outcomes.push(Outcome { part: part.to_owned(), found });
        });
    });
    for Outcome { part, found } in &mut outcomes {
        if let Found::Report(parsed) = found {
            context::apply(parsed, part, message.as_ref());
        }
    }
    Reading { message, outcomes }
}

/// Hands everything that one piece gives to `each`.
fn parse_piece(
    content: Result<Payload<'_>>,
    included: Option<&[u8]>,
    limits: &Limits,
    each: &mut dyn FnMut(Found),
) {
    let Payload { text, quirks } = match content {
        Ok(payload) => payload,
        Err(error) => return each(Found::Refused(error)),
    };
    match Format::of(&text) {
        None => {}
        Some(Format::Aggregate) => {
            for result in aggregate::parse(&text, limits) {
                each(found(result, &quirks, |report| Report::Aggregate(Box::new(report.into_owned()))));
            }
        }
        Some(Format::Tls) => {
            for result in tlsrpt::parse(&text, limits) {
                each(found(result, &quirks, |report| Report::Tls(report.into_owned())));
            }
        }
        Some(Format::Feedback) => match failure::parse(&text, included.map(Included::new), limits) {
            Ok(parsed) if parsed.report.feedback_type != AUTH_FAILURE => {
                each(Found::OtherFeedback(parsed.report.feedback_type.into_owned()));
            }
            result => each(found(result, &quirks, |report| Report::Failure(Box::new(report.into_owned())))),
        },
        Some(Format::ErrorReport) => each(match error_report::parse(&text, limits) {
            Ok(report) => Found::ErrorReport(report.into_owned()),
            Err(error) => Found::Refused(error),
        }),
    }
}

/// What a parser gave, detached, with the quirks of decoding in front of its own.
fn found<T>(
    result: Result<Parsed<T>>,
    decoding: &Quirks,
    detach: impl FnOnce(T) -> Report<'static>,
) -> Found {
    match result {
        Ok(Parsed { report, quirks }) => {
            let mut all = decoding.clone();
            all.extend(quirks);
            Found::Report(Parsed::new(detach(report), all))
        }
        Err(error) => Found::Refused(error),
    }
}
