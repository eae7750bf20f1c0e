//! The documents of a payload, step by step: one child of `feedback` at a time.
//!
//! A step reads from a window and either is complete or leaves no trace, so that the window may be of any size: reading
//! in pieces gives what reading the whole gives.

use std::borrow::Cow;

use super::dialect;
use super::elements::Elements;
use crate::error::{ErrorKind, Result};
use crate::limits::Limits;
use crate::model::AggregateReport;
use crate::model::aggregate::{
    DkimAuthResult, Extension, NAMESPACE, PolicyOverrideReason, PolicyPublished, Record, RejectedRecord,
    ReportMetadata, SpfAuthResult, UnknownElement,
};
use crate::parse::xml::{Node, Outer, State, Xml};
use crate::quirk::{QuirkCode, Quirks};

/// What one step gave.
pub(super) enum Step<'t> {
    /// Nothing that is kept.
    Passed,
    /// A document begins; its namespace.
    Begun(Option<String>),
    Version(Cow<'t, str>),
    Metadata(ReportMetadata<'t>),
    Policy(PolicyPublished<'t>),
    Extensions(Vec<Extension<'t>>),
    Record(Record<'t>),
    Rejected(RejectedRecord<'t>),
    /// The document ends, with these quirks.
    Ended(Quirks),
    /// The payload ends, and these quirks stood behind the last document.
    Exhausted(Quirks),
}

impl Step<'_> {
    /// What the step keeps in memory besides its XML, in bytes; far more where there is little XML.
    fn overhead(&self) -> u64 {
        match self {
            Self::Extensions(list) => list.iter().map(Extension::memory).sum(),
            Self::Rejected(record) => record.record.memory() + 64,
            Self::Metadata(metadata) => size_of_val(metadata.errors.as_slice()) as u64,
            Self::Ended(quirks) => size_of::<AggregateReport<'_>>() as u64 + quirks.memory(),
            _ => 0,
        }
    }

    /// Detaches what the step gave from the window.
    pub(super) fn into_owned(self) -> Step<'static> {
        match self {
            Self::Passed => Step::Passed,
            Self::Begun(namespace) => Step::Begun(namespace),
            Self::Version(version) => Step::Version(Cow::Owned(version.into_owned())),
            Self::Metadata(metadata) => Step::Metadata(metadata.into_owned()),
            Self::Policy(policy) => Step::Policy(policy.into_owned()),
            Self::Extensions(list) => Step::Extensions(list.into_iter().map(Extension::into_owned).collect()),
            Self::Record(record) => Step::Record(record.into_owned()),
            Self::Rejected(record) => Step::Rejected(record.into_owned()),
            Self::Ended(quirks) => Step::Ended(quirks),
            Self::Exhausted(quirks) => Step::Exhausted(quirks),
        }
    }
}

/// What a step took of the window.
pub(super) struct Taken<'t> {
    /// What it gave; `None` if the window ends before the step does.
    pub(super) step: Option<Step<'t>>,
    /// Elements outside of records that no dialect has.
    pub(super) unknown: Vec<UnknownElement<'t>>,
    /// How much of the window is done with, in bytes.
    pub(super) len: usize,
}

/// Emptied lists of a record, whose memory the next one uses.
#[derive(Debug, Default)]
pub(super) struct Spare {
    pub(super) reasons: Vec<PolicyOverrideReason<'static>>,
    pub(super) dkim: Vec<DkimAuthResult<'static>>,
    pub(super) spf: Vec<SpfAuthResult<'static>>,
}

/// Reads the documents of one payload.
#[derive(Debug)]
pub(super) struct Documents {
    state: State,
    spare: Spare,
    /// Whether a document was met.
    has_begun: bool,
    /// The document that is read, if one is.
    current: Option<Current>,
    /// Bytes of XML kept so far besides counted records.
    kept: u64,
}

/// What is known of the document that is read.
#[derive(Debug, Default)]
struct Current {
    is_9990: bool,
    has_version: bool,
    has_metadata: bool,
    policy_domain: Option<String>,
    records: u64,
    rejected_records: u64,
    extensions: u64,
    unknown: u64,
}

impl Documents {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { state: State::new(limits), spare: Spare::default(), has_begun: false, current: None, kept: 0 }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.state.limits
    }

    pub(super) fn elements(&self) -> u64 {
        self.state.work()
    }

    /// Whether a `feedback` element was met.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Gives the quirks that belong to no document yet.
    pub(super) fn take_quirks(&mut self) -> Quirks {
        self.state.quirks.take()
    }

    /// Takes back the lists of a record that is done with.
    pub(super) fn recycle(&mut self, record: Record<'_>) {
        self.spare.reasons = emptied(record.row.policy_evaluated.reasons);
        self.spare.dkim = emptied(record.auth_results.dkim);
        self.spare.spf = emptied(record.auth_results.spf);
    }

    /// Takes one step into `window`, behind which nothing follows if `is_last`.
    pub(super) fn step<'t>(&mut self, window: &'t str, is_last: bool) -> Result<Taken<'t>> {
        let max = usize::try_from(self.state.limits.record_bytes).unwrap_or(usize::MAX);
        let text = window.trim_ascii_start();
        let space = window.len() - text.len();
        let view = text.get(..text.floor_char_boundary(max)).unwrap_or(text);
        let (is_cut, is_last) = (view.len() < text.len(), is_last && view.len() == text.len());
        let mark = self.state.mark();
        self.state.base += space as u64;
        let result = self.step_in(view, is_last);
        match result {
            Ok((step, unknown, len)) => {
                self.state.base += len as u64;
                self.state.check_work().map_err(|error| error.at(self.state.base))?;
                Ok(Taken { step: Some(step), unknown, len: space + len })
            }
            Err(_) if self.state.is_starved && !is_cut => {
                self.state.roll_back(mark);
                Ok(Taken { step: None, unknown: Vec::new(), len: space })
            }
            Err(_) if self.state.is_starved => {
                let error = crate::Error::limit("record_bytes", self.state.limits.record_bytes);
                Err(error.at(self.state.base))
            }
            Err(error) => Err(error),
        }
    }

    fn step_in<'t>(
        &mut self,
        view: &'t str,
        is_last: bool,
    ) -> Result<(Step<'t>, Vec<UnknownElement<'t>>, usize)> {
        let xml = Xml::new(view, is_last, &mut self.state);
        let Some(current) = &mut self.current else {
            let (step, len) = outer(xml)?;
            if let Step::Begun(namespace) = &step {
                let is_9990 = namespace.as_deref() == Some(NAMESPACE);
                self.has_begun = true;
                self.current = Some(Current { is_9990, ..Current::default() });
            }
            return Ok((step, Vec::new(), len));
        };
        let mut elements =
            Elements { xml, extensions: current.extensions, spare: std::mem::take(&mut self.spare) };
        let result = current.step(&mut elements);
        let Elements { mut xml, spare, extensions } = elements;
        let unknown = std::mem::take(&mut xml.unknown);
        let len = xml.position();
        self.spare = spare;
        let step = result?;
        match &step {
            Step::Record(_) => return Ok((step, unknown, len)),
            Step::Passed if unknown.is_empty() => return Ok((step, unknown, len)),
            Step::Ended(_) => self.current = None,
            _ => current.keep(extensions, unknown.len() as u64, &self.state.limits)?,
        }
        self.kept += len as u64 + step.overhead() + unknown.iter().map(UnknownElement::memory).sum::<u64>();
        Limits::check("head_bytes", self.kept, self.state.limits.head_bytes)?;
        Ok((step, unknown, len))
    }
}

impl Current {
    /// Reads one child of `feedback`, or its end. Changes nothing before all of it is read.
    fn step<'t>(&mut self, elements: &mut Elements<'t, '_>) -> Result<Step<'t>> {
        let element = match elements.xml.next_node()? {
            Node::Child(element) => element,
            Node::Text(_) => {
                elements.xml.note_path(QuirkCode::StrayText);
                return Ok(Step::Passed);
            }
            Node::End => return self.end(&mut elements.xml),
        };
        match (element.is_ours, element.name) {
            (true, "version") if !self.has_version => self.version(elements),
            (true, "report_metadata") if !self.has_metadata => self.metadata(elements),
            (true, "policy_published") if self.policy_domain.is_none() => self.policy(elements),
            (true, "version" | "report_metadata" | "policy_published") => {
                elements.xml.skip_repeated()?;
                Ok(Step::Passed)
            }
            (true, "record") => self.record(elements),
            (true, "extension" | "extensions") => {
                let mut list = Vec::new();
                elements.extensions(&mut list)?;
                Ok(Step::Extensions(list))
            }
            (true, _) => {
                elements.xml.skip_unknown()?;
                Ok(Step::Passed)
            }
            (false, _) => {
                let mut list = Vec::new();
                elements.extension(&element, &mut list)?;
                Ok(Step::Extensions(list))
            }
        }
    }

    fn version<'t>(&mut self, elements: &mut Elements<'t, '_>) -> Result<Step<'t>> {
        let version = elements.xml.text()?;
        dialect::note_version(&version, &mut elements.xml.state.quirks);
        self.has_version = true;
        Ok(Step::Version(version))
    }

    fn metadata<'t>(&mut self, elements: &mut Elements<'t, '_>) -> Result<Step<'t>> {
        let metadata = elements.report_metadata()?;
        dialect::note_metadata(&metadata, self.is_9990, &mut elements.xml.state.quirks);
        self.has_metadata = true;
        self.note_late(&mut elements.xml);
        Ok(Step::Metadata(metadata))
    }

    fn policy<'t>(&mut self, elements: &mut Elements<'t, '_>) -> Result<Step<'t>> {
        let policy = elements.policy_published()?;
        dialect::note_policy(&policy, self.is_9990, &mut elements.xml.state.quirks);
        self.policy_domain = Some(policy.domain.as_str().to_owned());
        self.note_late(&mut elements.xml);
        Ok(Step::Policy(policy))
    }

    fn note_late(&self, xml: &mut Xml<'_, '_>) {
        if self.records > 0 {
            xml.note_path(QuirkCode::LateMetadata);
        }
    }

    fn record<'t>(&mut self, elements: &mut Elements<'t, '_>) -> Result<Step<'t>> {
        // What stands outside of records has its own number of extensions.
        let outside = std::mem::take(&mut elements.extensions);
        let (record, fault) = elements.record()?;
        elements.extensions = outside;
        let state = &mut *elements.xml.state;
        dialect::note_record(&record, self.policy_domain.as_deref(), self.is_9990, &mut state.quirks);
        let index = self.records;
        self.records += 1;
        Limits::check("records", self.records, state.limits.records)?;
        let Some(reason) = fault else { return Ok(Step::Record(record)) };
        state.quirks.note(QuirkCode::RejectedRecord, &reason);
        self.rejected_records += 1;
        Limits::check("rejected_records", self.rejected_records, state.limits.rejected_records)?;
        Ok(Step::Rejected(RejectedRecord { index, reason, record }))
    }

    fn end<'t>(&self, xml: &mut Xml<'t, '_>) -> Result<Step<'t>> {
        let missing = |name| xml.error(ErrorKind::MissingElement(name));
        if !self.has_metadata {
            return Err(missing("report_metadata"));
        }
        if self.policy_domain.is_none() {
            return Err(missing("policy_published"));
        }
        let quirks = &mut xml.state.quirks;
        if !self.has_version && !self.is_9990 {
            quirks.note(QuirkCode::MissingVersion, "");
        }
        if self.records == 0 {
            quirks.note(QuirkCode::NoRecords, "");
        }
        Ok(Step::Ended(quirks.take()))
    }

    /// Accounts for what is kept besides records.
    fn keep(&mut self, extensions: u64, unknown: u64, limits: &Limits) -> Result<()> {
        self.extensions = extensions;
        self.unknown += unknown;
        Limits::check("extensions", self.unknown, limits.extensions)
    }
}

/// Reads one token outside of documents.
fn outer<'t>(mut xml: Xml<'t, '_>) -> Result<(Step<'t>, usize)> {
    let step = match xml.outer()? {
        Outer::Document => Step::Begun(xml.state.root_namespace().map(str::to_owned)),
        Outer::Other => Step::Passed,
        Outer::End => Step::Exhausted(xml.state.quirks.take()),
    };
    Ok((step, xml.position()))
}

/// The list without its items, but with their memory.
fn emptied<T, U>(mut list: Vec<T>) -> Vec<U> {
    list.clear();
    // Collects in place, for both are of one size.
    list.into_iter().filter_map(|_| None).collect()
}
