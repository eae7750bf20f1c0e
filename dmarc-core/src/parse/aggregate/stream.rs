//! Aggregate reports from a text that comes in pieces.

use std::io::Read;
use std::ops::ControlFlow;

use super::Assembly;
use super::documents::{Documents, Step, Taken};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::model::AggregateReport;
use crate::model::aggregate::{Record, UnknownElement};
use crate::parse::{Parsed, has_feedback_element};

/// The longest start tag that is recognised, in bytes.
const TAG: usize = 128;
/// The least size of a window, and of what is read at once, in bytes.
const WINDOW: usize = 64 << 10;

/// Reads reports record by record, in memory that does not grow with their number.
///
/// The text must be UTF-8; [`stream`](crate::stream()) reads whole mails and containers, in any encoding.
///
/// ```
/// use dmarc_core::{Limits, parse::aggregate::Stream};
///
/// # let xml = "<feedback><report_metadata><org_name>receiver.example</org_name><report_id>1</report_id>
/// #   <date_range><begin>1789171200</begin><end>1789257599</end></date_range></report_metadata>
/// #   <policy_published><domain>example.org</domain><p>none</p></policy_published>
/// #   <record><row><source_ip>192.0.2.1</source_ip><count>7</count>
/// #     <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
/// #     <identifiers><header_from>example.org</header_from></identifiers><auth_results/></record></feedback>".as_bytes();
/// let mut stream = Stream::new(xml, &Limits::default());
/// let mut messages = 0;
/// while let Some(report) = stream.next_report(|_, record| messages += record.row.count) {
///     assert_eq!(report?.report.report_metadata.org_name, "receiver.example");
/// }
/// assert_eq!(messages, 7);
/// # Ok::<(), dmarc_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Stream<R> {
    window: Window<R>,
    documents: Documents,
    assembly: Assembly<'static>,
}

impl<R: Read> Stream<R> {
    /// Reads from `source`, which needs no buffer.
    pub fn new(source: R, limits: &Limits) -> Self {
        Self::with_window(source, limits, WINDOW)
    }

    /// Reads from `source`, with at least so many bytes of text in memory as `least` says; [`new`](Self::new) takes 64 KiB.
    /// What is read does not depend on it.
    pub fn with_window(source: R, limits: &Limits, least: usize) -> Self {
        Self {
            window: Window::new(source, least),
            documents: Documents::new(limits),
            assembly: Assembly::default(),
        }
    }

    /// Reads the next report: hands each counted record to `each` and gives the rest, without counted records; `None`
    /// behind the last, and behind an error.
    ///
    /// `each` also gets what stood before the record, which is the metadata and the policy in all but a few reports
    /// ([`QuirkCode::LateMetadata`](crate::QuirkCode::LateMetadata)). It may take the record out. Records of a report
    /// that ends with an error do not count.
    ///
    /// # Errors
    /// As [`parse`](super::parse()), and:
    /// - [`ErrorKind::Read`] if the source fails; an [`Error`] that it passes on is given as it is.
    /// - [`ErrorKind::Encoding`] if the text is not UTF-8.
    pub fn next_report(
        &mut self,
        mut each: impl FnMut(&AggregateReport<'_>, &mut Record<'_>),
    ) -> Option<Result<Parsed<AggregateReport<'static>>>> {
        self.next_report_while(|head, record| {
            each(head, record);
            ControlFlow::Continue(())
        })
    }

    /// Like [`next_report`](Self::next_report), as long as `each` wants more.
    ///
    /// # Errors
    /// As [`next_report`](Self::next_report), and [`ErrorKind::Stopped`] if `each` wants no more.
    pub fn next_report_while(
        &mut self,
        mut each: impl FnMut(&AggregateReport<'_>, &mut Record<'_>) -> ControlFlow<()>,
    ) -> Option<Result<Parsed<AggregateReport<'static>>>> {
        loop {
            if let Some(report) = self.assembly.ready.pop_front() {
                return Some(report);
            }
            if self.assembly.is_done {
                return None;
            }
            if let Err(error) = self.step(&mut each) {
                self.assembly.fail(error, &mut self.documents);
            }
        }
    }

    /// Elements that were read, as [`Limits::elements`] counts them.
    pub(crate) fn elements(&self) -> u64 {
        self.documents.elements()
    }

    /// Whether the source failed, so that nothing of it can be trusted.
    pub(crate) fn is_broken(&self) -> bool {
        self.window.is_broken
    }

    /// Whether a `feedback` element was met, or occurs in what was not read.
    pub(crate) fn is_report(&mut self) -> bool {
        self.documents.has_begun() || self.window.mentions_report()
    }

    fn step(&mut self, each: &mut Each<'_>) -> Result<()> {
        let Self { window, documents, assembly } = self;
        let Taken { step, unknown, len } = documents.step(window.text(), window.is_last)?;
        match step {
            None => {
                window.at += len;
                return window.fill();
            }
            Some(Step::Record(mut record)) => {
                let wants_more = each(&assembly.report, &mut record).is_continue();
                documents.recycle(record);
                if !wants_more {
                    return Err(Error::new(ErrorKind::Stopped));
                }
            }
            Some(step) => {
                let unknown = unknown.into_iter().map(UnknownElement::into_owned).collect();
                assembly.take(step.into_owned(), unknown, documents);
            }
        }
        window.at += len;
        Ok(())
    }
}

/// What takes the records.
type Each<'e> = dyn FnMut(&AggregateReport<'_>, &mut Record<'_>) -> ControlFlow<()> + 'e;

/// The part of the text that is in memory.
#[derive(Debug)]
struct Window<R> {
    source: R,
    text: String,
    /// What was read of `text`, in bytes.
    at: usize,
    /// Whether the source has given everything.
    is_last: bool,
    /// The least size of the window, in bytes.
    least: usize,
    /// Room for what is received; `held` bytes of it are a character that is cut.
    bytes: Vec<u8>,
    held: usize,
    /// Whether the source failed.
    is_broken: bool,
}

impl<R: Read> Window<R> {
    fn new(source: R, least: usize) -> Self {
        Self {
            source,
            text: String::new(),
            at: 0,
            is_last: false,
            least,
            bytes: Vec::new(),
            held: 0,
            is_broken: false,
        }
    }

    fn text(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Drops what was read, and doubles what is left.
    fn fill(&mut self) -> Result<()> {
        self.text.drain(..self.at);
        self.at = 0;
        let wanted = (2 * self.text.len()).max(self.least);
        while self.text.len() < wanted && !self.is_last {
            self.receive()?;
        }
        Ok(())
    }

    /// Whether a `feedback` element occurs from here on.
    fn mentions_report(&mut self) -> bool {
        loop {
            if has_feedback_element(self.text()) {
                return true;
            }
            // A tag may be cut.
            let kept = self.text.floor_char_boundary(self.text.len().saturating_sub(TAG));
            self.at = self.at.max(kept);
            if self.is_last || self.fill().is_err() {
                return false;
            }
        }
    }

    fn receive(&mut self) -> Result<()> {
        // Four bytes more than the longest character that may be cut.
        self.bytes.resize(self.least + 4, 0);
        let received = loop {
            match self.source.read(self.bytes.get_mut(self.held..).unwrap_or_default()) {
                Ok(received) => break received,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_broken = true;
                    return Err(Error::of_read(error));
                }
            }
        };
        self.is_last = received == 0;
        let filled = self.held + received;
        let bytes = self.bytes.get(..filled).unwrap_or_default();
        let whole = match simdutf8::compat::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) if error.error_len().is_none() && !self.is_last => {
                let whole = bytes.get(..error.valid_up_to()).unwrap_or_default();
                simdutf8::basic::from_utf8(whole).unwrap_or_default()
            }
            Err(error) => return Err(Error::new(ErrorKind::Encoding).with_source(error)),
        };
        self.text.push_str(whole);
        let len = whole.len();
        self.bytes.copy_within(len..filled, 0);
        self.held = filled - len;
        Ok(())
    }
}
