//! XML → [`AggregateReport`]: RFC 9990 (Appendix A), RFC 7489 (Appendix C) and the drafts before them, by one union
//! parser. Elements may come in any order; a report's namespace and version never choose what is accepted.
//!
//! [`parse`] reads a text that is in memory, [`Stream`] one that comes in pieces, record by record; both give the same.
//!
//! *Not supported:* validation against a schema; partial results of a document that is cut short (refused whole).

mod dialect;
mod documents;
mod elements;
mod stream;

pub use self::stream::Stream;

use std::borrow::Cow;
use std::collections::VecDeque;

use self::documents::{Documents, Step, Taken};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::model::AggregateReport;
use crate::model::aggregate::{Record, UnknownElement};
use crate::parse::Parsed;
use crate::quirk::{QuirkCode, Quirks};

/// Reads every document of a payload, in order; after an error there are no more.
///
/// ```
/// let xml = "<feedback><report_metadata><org_name>receiver.example</org_name><report_id>1</report_id>
///   <date_range><begin>1789171200</begin><end>1789257599</end></date_range></report_metadata>
///   <policy_published><domain>example.org</domain><p>none</p></policy_published>
///   <record><row><source_ip>192.0.2.1</source_ip><count>7</count>
///     <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
///     <identifiers><header_from>example.org</header_from></identifiers><auth_results/></record></feedback>";
/// let reports = dmarc_core::parse::aggregate::parse(xml, &dmarc_core::Limits::default());
/// let report = &reports[0].as_ref().unwrap().report;
/// assert_eq!(report.records[0].row.count, 7);
/// ```
pub fn parse<'a>(payload: &'a str, limits: &Limits) -> Vec<Result<Parsed<AggregateReport<'a>>>> {
    let mut documents = Documents::new(limits);
    let mut assembly = Assembly::default();
    let mut rest = payload;
    while !assembly.is_done {
        match documents.step(rest, true) {
            Ok(Taken { step, unknown, len }) => {
                match step {
                    Some(Step::Record(record)) => {
                        let records = &mut assembly.report.records;
                        if records.is_empty() {
                            records.reserve(records_in(rest, len));
                        }
                        records.push(record);
                    }
                    Some(step) => assembly.take(step, unknown, &documents),
                    None => {}
                }
                rest = rest.get(len..).unwrap_or_default();
            }
            Err(error) => assembly.fail(error, &mut documents),
        }
    }
    assembly.ready.into()
}

/// About how many records `text` holds if each takes `len` bytes of it, but no more than there are bytes for.
fn records_in(text: &str, len: usize) -> usize {
    text.len() / len.max(size_of::<Record<'_>>())
}

/// What the steps of a payload make up.
#[derive(Debug, Default)]
struct Assembly<'a> {
    /// The document that is read; its counted records may have gone elsewhere.
    report: AggregateReport<'a>,
    /// The last document, which what follows it may still concern.
    last: Option<Parsed<AggregateReport<'a>>>,
    /// Documents so far.
    count: u64,
    ready: VecDeque<Result<Parsed<AggregateReport<'a>>>>,
    is_done: bool,
}

impl<'a> Assembly<'a> {
    /// Takes in what a step gave, other than a counted record.
    fn take(&mut self, step: Step<'a>, unknown: Vec<UnknownElement<'a>>, documents: &Documents) {
        self.report.unknown.extend(unknown);
        let report = &mut self.report;
        match step {
            Step::Passed | Step::Record(_) => {}
            Step::Begun(namespace) => {
                self.give_last();
                self.report =
                    AggregateReport { namespace: namespace.map(Cow::Owned), ..AggregateReport::default() };
            }
            Step::Version(version) => report.version = Some(version),
            Step::Metadata(metadata) => report.report_metadata = metadata,
            Step::Policy(policy) => report.policy_published = policy,
            Step::Extensions(list) => report.extension.extend(list),
            Step::Rejected(record) => report.rejected_records.push(record),
            Step::Ended(quirks) => self.end(quirks, documents.limits()),
            Step::Exhausted(quirks) => self.finish(quirks),
        }
    }

    fn end(&mut self, mut quirks: Quirks, limits: &Limits) {
        if self.count > 0 {
            quirks.note(QuirkCode::ConcatenatedDocuments, "");
        }
        self.count += 1;
        match Limits::check("reports", self.count, limits.reports) {
            Ok(()) => self.last = Some(Parsed::new(std::mem::take(&mut self.report), quirks)),
            Err(error) => self.stop(error),
        }
    }

    /// Takes in that the next step cannot be done.
    fn fail(&mut self, error: Error, documents: &mut Documents) {
        // What follows a complete document is not worth losing it.
        if self.last.is_some() && error.kind() == ErrorKind::Xml {
            let mut quirks = documents.take_quirks();
            quirks.note(QuirkCode::TrailingContent, "");
            self.finish(quirks);
        } else {
            self.stop(error);
        }
    }

    fn finish(&mut self, quirks: Quirks) {
        if let Some(last) = &mut self.last {
            last.quirks.extend(quirks);
        }
        self.give_last();
        self.is_done = true;
    }

    fn stop(&mut self, error: Error) {
        self.give_last();
        self.ready.push_back(Err(error));
        self.is_done = true;
    }

    fn give_last(&mut self) {
        self.ready.extend(self.last.take().map(Ok));
    }
}
