//! Everything that one message, container or payload holds.

use std::cell::RefCell;
use std::io::Read;
use std::ops::ControlFlow;

use crate::context;
use crate::decode::{self, MessageInfo, Piece, Text};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::model::aggregate::Record;
use crate::model::{AggregateReport, ErrorReport, Report};
use crate::parse::aggregate::Stream;
use crate::parse::failure::{self, Included};
use crate::parse::{Format, Parsed, error_report, tlsrpt};
use crate::quirk::Quirks;

/// Text of JSON and fields that counts as one element, in bytes.
const ELEMENT_BYTES: u64 = 16;
/// The most XML that is held at once where its records are not larger, in bytes.
const WINDOW: usize = 64 << 10;
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

impl Found {
    /// About how much memory this takes beside counted records, in bytes.
    fn memory(&self) -> u64 {
        match self {
            Self::Report(parsed) => parsed.quirks.memory() + parsed.report.memory(),
            Self::OtherFeedback(text) => text.len() as u64,
            Self::Refused(_) | Self::ErrorReport(_) => 256,
        }
    }
}

/// Reads every report of a message, container or payload.
///
/// Content decides what the bytes are; names and media types never do. Whatever is no report, and claims to be none,
/// is passed over. The whole result is held in memory, within [`Limits::reading_bytes`].
///
/// ```
/// use dmarc_core::{Limits, read};
///
/// let reading = read(b"Hello, this is no report.", &Limits::default());
/// assert!(reading.message.is_none() && reading.outcomes.is_empty());
/// ```
pub fn read(input: &[u8], limits: &Limits) -> Reading {
    let left = limits.reading_bytes;
    let mut collector = Collector { limits, outcomes: Vec::new(), records: Vec::new(), left, is_full: false };
    let message = stream(input, limits, &mut collector);
    Reading { message, outcomes: collector.outcomes }
}

/// Takes what [`stream`] finds.
pub trait Visitor {
    /// Takes one counted record of an aggregate report: of report number `report` of its part, counted from 0, of which
    /// `head` is what stood before. What is left of `record` is used again for the next.
    ///
    /// A break ends the part, which is then refused with [`ErrorKind::Stopped`].
    fn record(
        &mut self,
        report: usize,
        head: &AggregateReport<'_>,
        record: &mut Record<'_>,
    ) -> ControlFlow<()>;

    /// Takes what a part was, once it was read to its end. Aggregate reports are without their counted records: those
    /// came before, and they count only if their report is here.
    fn part(&mut self, part: &str, found: Vec<Found>);
}

/// Reads every report of a message, container or payload as [`read`] does, but aggregate reports record by record:
/// memory does not grow with their number. The result is about the message, where the bytes were one.
///
/// ```
/// use std::ops::ControlFlow;
/// use dmarc_core::model::aggregate::{AggregateReport, Record};
/// use dmarc_core::{Found, Limits, Visitor, stream};
///
/// #[derive(Default)]
/// struct Count { messages: u64, unsettled: u64 }
///
/// impl Visitor for Count {
///     fn record(&mut self, _: usize, _: &AggregateReport<'_>, record: &mut Record<'_>) -> ControlFlow<()> {
///         self.unsettled += record.row.count;
///         ControlFlow::Continue(())
///     }
///     fn part(&mut self, _: &str, found: Vec<Found>) {
///         let unsettled = std::mem::take(&mut self.unsettled);
///         if found.iter().all(|found| matches!(found, Found::Report(_))) {
///             self.messages += unsettled;
///         }
///     }
/// }
/// # let xml = "<feedback><report_metadata><org_name>receiver.example</org_name><report_id>1</report_id>
/// #   <date_range><begin>1789171200</begin><end>1789257599</end></date_range></report_metadata>
/// #   <policy_published><domain>example.org</domain><p>none</p></policy_published>
/// #   <record><row><source_ip>192.0.2.1</source_ip><count>7</count></row></record></feedback>";
/// let mut count = Count::default();
/// stream(xml.as_bytes(), &Limits::default(), &mut count);
/// assert_eq!(count.messages, 7);
/// ```
pub fn stream(input: &[u8], limits: &Limits, visitor: &mut dyn Visitor) -> Option<MessageInfo> {
    let mut limits = limits.for_message(input.len());
    decode::payloads(input, &limits.clone(), &mut |piece, message| {
        let part = piece.part;
        let mut found = find(piece, &mut limits, visitor);
        for found in &mut found {
            if let Found::Report(parsed) = found {
                context::apply(parsed, part, message);
            }
        }
        if !found.is_empty() {
            visitor.part(part, found);
        }
    })
}

/// Finds out what one piece gives, and takes the elements that it has off those that the message may have: many payloads
/// may not cost more than one.
fn find(piece: Piece<'_>, limits: &mut Limits, visitor: &mut dyn Visitor) -> Vec<Found> {
    let Piece { content, quirks, included, .. } = piece;
    let text = match content {
        Ok(Text::Xml { source, size }) => return aggregate_reports(source, size, quirks, limits, visitor),
        Ok(Text::Whole(text)) => text,
        Err(error) => return vec![Found::Refused(error)],
    };
    let format = Format::of(&text);
    if format == Some(Format::Aggregate) {
        return aggregate_reports(&mut text.as_bytes(), Some(text.len()), quirks, limits, visitor);
    }
    limits.elements = limits.elements.saturating_sub(text.len() as u64 / ELEMENT_BYTES);
    let quirks = &*quirks.borrow();
    match format {
        None | Some(Format::Aggregate) => Vec::new(),
        Some(Format::Tls) => tlsrpt::parse(&text, limits)
            .into_iter()
            .map(|result| found(result, quirks, |report| Report::Tls(report.into_owned())))
            .collect(),
        Some(Format::Feedback) => match failure::parse(&text, included.map(Included::new), limits) {
            Ok(parsed) if parsed.report.feedback_type != AUTH_FAILURE => {
                vec![Found::OtherFeedback(parsed.report.feedback_type.into_owned())]
            }
            result => vec![found(result, quirks, |report| Report::Failure(Box::new(report.into_owned())))],
        },
        Some(Format::ErrorReport) => vec![match error_report::parse(&text, limits) {
            Ok(report) => Found::ErrorReport(report.into_owned()),
            Err(error) => Found::Refused(error),
        }],
    }
}

/// Reads the aggregate reports of an XML text; nothing if it is another kind of document.
fn aggregate_reports(
    source: &mut dyn Read,
    size: Option<usize>,
    decoding: &RefCell<Quirks>,
    limits: &mut Limits,
    visitor: &mut dyn Visitor,
) -> Vec<Found> {
    // One byte more, so that the first window is known to be the last.
    let window = size.map_or(WINDOW, |size| size.saturating_add(1).min(WINDOW));
    let mut stream = Stream::with_window(&mut *source, limits, window);
    let mut results = Vec::new();
    while let Some(result) =
        stream.next_report_while(|head, record| visitor.record(results.len(), head, record))
    {
        results.push(result);
    }
    limits.elements = limits.elements.saturating_sub(stream.elements());
    let error = results.last().and_then(|result| result.as_ref().err()).map(Error::kind);
    if stream.is_broken() || error == Some(ErrorKind::Stopped) {
        // What was not read to its end can be damaged, and damage that shows late may have been there before.
        results.drain(..results.len().saturating_sub(1));
    } else if error.is_some() && !stream.is_report() {
        return Vec::new();
    } else if let Err(error) = decode::drain(source) {
        results = vec![Err(error)];
    }
    let quirks = &*decoding.borrow();
    let detach = |report| Report::Aggregate(Box::new(report));
    results.into_iter().map(|result| found(result, quirks, detach)).collect()
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

/// Puts records back into their reports.
struct Collector<'l> {
    limits: &'l Limits,
    outcomes: Vec<Outcome>,
    /// The records of the part that is read, by report.
    records: Vec<Vec<Record<'static>>>,
    /// Bytes of memory that are left.
    left: u64,
    is_full: bool,
}

impl Visitor for Collector<'_> {
    fn record(&mut self, report: usize, _: &AggregateReport<'_>, record: &mut Record<'_>) -> ControlFlow<()> {
        let Some(left) = self.left.checked_sub(record.memory()) else {
            self.is_full = true;
            return ControlFlow::Break(());
        };
        self.left = left;
        if self.records.len() <= report {
            self.records.resize_with(report + 1, Vec::new);
        }
        if let Some(records) = self.records.get_mut(report) {
            if records.len() == records.capacity() {
                // Not twice as much, as a list does by itself: old and new are in memory at once.
                records.reserve_exact(records.len() / 8 + 16);
            }
            records.push(std::mem::take(record).into_owned());
        }
        ControlFlow::Continue(())
    }

    fn part(&mut self, part: &str, found: Vec<Found>) {
        let mut records = std::mem::take(&mut self.records).into_iter();
        for mut found in found {
            let memory = found.memory() + (size_of::<Outcome>() + part.len()) as u64;
            match self.left.checked_sub(memory) {
                Some(left) => self.left = left,
                None if self.left == 0 => return,
                // The last that is given says why there is no more.
                None => {
                    self.left = 0;
                    found = Found::Refused(Error::limit("reading_bytes", self.limits.reading_bytes));
                }
            }
            match &mut found {
                Found::Report(Parsed { report: Report::Aggregate(report), .. }) => {
                    report.records = records.next().unwrap_or_default();
                }
                Found::Refused(error) if self.is_full && error.kind() == ErrorKind::Stopped => {
                    *error = Error::limit("reading_bytes", self.limits.reading_bytes);
                }
                _ => {}
            }
            self.outcomes.push(Outcome { part: part.to_owned(), found });
        }
        self.is_full = false;
    }
}
