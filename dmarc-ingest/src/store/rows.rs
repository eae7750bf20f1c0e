//! Reports → rows in the order of a segment: by policy domain, then by source.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder as _, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use dmarc_core::arrow::aggregate::AggregateBuilder;
use dmarc_core::arrow::failure::FailureBuilder;
use dmarc_core::arrow::tlsrpt::TlsBuilder;
use dmarc_core::arrow::{self, Mail, Provenance};
use dmarc_core::record::{FlatRecord, Trust, flatten};
use dmarc_core::{MessageInfo, Report};

use super::error::DatasetError;
use super::layout::Partition;

/// The column, behind those of `dmarc_core::arrow`, that says which report of the ledger a row belongs to.
pub(super) const REPORT_KEY: &str = "report_key";
/// Rows of a batch: what is encoded at once.
const BATCH_ROWS: usize = 16_384;

/// A report whose rows are to be written.
#[derive(Debug)]
pub(super) struct Addition {
    pub(super) key: String,
    /// Where its rows go: where those of a copy are, if there are any.
    pub(super) partition: Partition,
    pub(super) report: Report<'static>,
    pub(super) origin: String,
    pub(super) trust: Trust,
    pub(super) message: Option<Arc<MessageInfo>>,
    pub(super) received: Option<i64>,
}

/// What a report adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: u64,
    /// Messages or, for TLS, sessions.
    pub(super) messages: u64,
}

impl Size {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, messages: total([self.messages, other.messages]) }
    }

    /// What `report` adds.
    pub(super) fn of(report: &Report<'_>) -> Self {
        match report {
            Report::Aggregate(report) => Self {
                rows: report.records.len() as u64,
                messages: total(report.records.iter().map(|record| record.row.count)),
            },
            Report::Tls(report) => Self {
                rows: report.policies.len() as u64,
                messages: total(report.policies.iter().flat_map(|policy| {
                    let summary = &policy.summary;
                    [summary.total_successful_session_count, summary.total_failure_session_count]
                })),
            },
            Report::Failure(report) => Self { rows: 1, messages: total([report.incidents]) },
            _ => Self { rows: 0, messages: 0 },
        }
    }
}

/// The columns whose sum is [`Size::messages`].
pub(super) fn counted(kind: &str) -> &'static [&'static str] {
    match kind {
        "tlsrpt" => &["total_successful_session_count", "total_failure_session_count"],
        _ => &["message_count"],
    }
}

/// A sum that ends at what the ledger can hold: a hostile report may say anything.
pub(super) fn total(counts: impl IntoIterator<Item = u64>) -> u64 {
    const MOST: u64 = i64::MAX as u64;
    counts.into_iter().fold(0, |sum: u64, count| sum.saturating_add(count).min(MOST))
}

/// The partition of a report.
pub(super) fn partition(report: &Report<'_>) -> Partition {
    let begin = match report {
        Report::Aggregate(report) => report.report_metadata.date_range.begin,
        Report::Tls(report) => report.date_range.begin,
        Report::Failure(report) => report.arrived.unwrap_or_default(),
        _ => 0,
    };
    Partition::new(report.kind(), begin)
}

/// The columns of segments of a kind: those of [`dmarc_core::arrow`], and `report_key`, which tells one report from another.
pub fn schema(kind: &str) -> SchemaRef {
    let schema = match kind {
        "tlsrpt" => arrow::tlsrpt::schema(),
        "failure" => arrow::failure::schema(),
        _ => arrow::aggregate::schema(),
    };
    with_key(&schema)
}

fn with_key(schema: &Schema) -> SchemaRef {
    let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    let key = StringDictionaryBuilder::<Int32Type>::new().finish();
    fields.push(Field::new(REPORT_KEY, arrow_array::Array::data_type(&key).clone(), false));
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// Rows of aggregate reports as they are written: some of them, in the order of a segment. See [`Dataset::load`](super::Dataset::load).
#[derive(Debug)]
pub struct Rows(pub(super) RecordBatch);

/// Makes [`Rows`] of records that come in the order of a segment: by policy domain, the text of `source_ip`, and report key.
pub struct RowBuilder(Batches<AggregateBuilder>);

impl fmt::Debug for RowBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowBuilder").field("rows", &self.0.builder.rows()).finish_non_exhaustive()
    }
}

impl Default for RowBuilder {
    fn default() -> Self {
        Self(Batches::new(AggregateBuilder::new()))
    }
}

impl RowBuilder {
    /// Adds a record of the report `key` that `mail` brought, and gives out rows whenever there are enough of them.
    ///
    /// # Errors
    /// [`DatasetError::Rows`] if the texts do not fit.
    pub fn push(
        &mut self,
        record: &FlatRecord,
        mail: &Mail<'_>,
        key: &str,
    ) -> Result<Option<Rows>, DatasetError> {
        let pushed = self.0.builder.append(record, mail).and_then(|()| self.0.appended(key));
        pushed.map_err(|error| DatasetError::rows(Path::new("staging"), error))?;
        Ok(self.0.done.pop().map(Rows))
    }

    /// The rows that are left.
    ///
    /// # Errors
    /// [`DatasetError::Rows`] if the columns do not fit together, which would be a bug of ours.
    pub fn finish(self) -> Result<Option<Rows>, DatasetError> {
        let done = self.0.finish().map_err(|error| DatasetError::rows(Path::new("staging"), error))?;
        Ok(done.into_iter().next().map(Rows))
    }
}

/// Reports by partition.
pub(super) fn by_partition(additions: Vec<Addition>) -> BTreeMap<Partition, Vec<Addition>> {
    let mut by_partition: BTreeMap<Partition, Vec<Addition>> = BTreeMap::new();
    for addition in additions {
        by_partition.entry(addition.partition.clone()).or_default().push(addition);
    }
    by_partition
}

/// Turns reports of a kind into batches of rows.
pub(super) fn batches(kind: &str, additions: Vec<Addition>) -> Result<Vec<RecordBatch>, ArrowError> {
    match kind {
        "tlsrpt" => tls(additions),
        "failure" => failures(additions),
        _ => aggregate(additions),
    }
}

/// A row with what it is sorted by.
struct Row {
    order: (String, String, String, usize),
    record: FlatRecord,
    message: Option<Arc<MessageInfo>>,
    received: Option<i64>,
}

fn aggregate(additions: Vec<Addition>) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut rows = Vec::new();
    for Addition { key, report, origin, trust, message, received, .. } in additions {
        let Report::Aggregate(report) = report else { continue };
        for (index, record) in flatten(*report, origin, trust).into_iter().enumerate() {
            let ip = record.source_ip.map(|ip| ip.to_string()).unwrap_or_default();
            let order = (record.report.policy_domain.clone(), ip, key.clone(), index);
            rows.push(Row { order, record, message: message.clone(), received });
        }
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| rows.get(*a).map(|row| &row.order).cmp(&rows.get(*b).map(|row| &row.order)));
    let mut batches = Batches::new(AggregateBuilder::new());
    for row in order.into_iter().filter_map(|at| rows.get(at)) {
        batches.builder.append(&row.record, &mail(row.message.as_deref(), row.received))?;
        batches.appended(&row.order.2)?;
    }
    batches.finish()
}

fn tls(mut additions: Vec<Addition>) -> Result<Vec<RecordBatch>, ArrowError> {
    additions.sort_by_cached_key(|addition| {
        let domain = match &addition.report {
            Report::Tls(report) => report.policy_domains().next().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        (domain, addition.key.clone())
    });
    let mut batches = Batches::new(TlsBuilder::new());
    for addition in &additions {
        let Report::Tls(report) = &addition.report else { continue };
        batches.builder.append(report, &provenance(addition))?;
        batches.appended(&addition.key)?;
    }
    batches.finish()
}

fn failures(mut additions: Vec<Addition>) -> Result<Vec<RecordBatch>, ArrowError> {
    additions.sort_by_cached_key(|addition| match &addition.report {
        Report::Failure(report) => (
            report.reported_domain.first().map(|domain| domain.as_str().to_owned()),
            report.source_ip.map(|ip| ip.to_string()),
            addition.key.clone(),
        ),
        _ => (None, None, addition.key.clone()),
    });
    let mut batches = Batches::new(FailureBuilder::new());
    for addition in &additions {
        let Report::Failure(report) = &addition.report else { continue };
        batches.builder.append(report, &provenance(addition))?;
        batches.appended(&addition.key)?;
    }
    batches.finish()
}

fn mail(message: Option<&MessageInfo>, received: Option<i64>) -> Mail<'_> {
    let mut mail = message.map(Mail::new).unwrap_or_default();
    mail.received = received;
    mail
}

fn provenance(addition: &Addition) -> Provenance<'_> {
    let mail = mail(addition.message.as_deref(), addition.received);
    Provenance::new(&addition.origin, addition.trust, mail)
}

/// What builds the columns of one kind.
trait Builder {
    /// Rows so far.
    fn rows(&self) -> usize;

    /// Gives them out.
    fn batch(&mut self) -> Result<RecordBatch, ArrowError>;
}

macro_rules! builders {
    ($($name:ident),+) => {
        $(impl Builder for $name {
            fn rows(&self) -> usize {
                self.len()
            }

            fn batch(&mut self) -> Result<RecordBatch, ArrowError> {
                self.finish()
            }
        })+
    };
}

builders!(AggregateBuilder, TlsBuilder, FailureBuilder);

/// Batches of rows, with the column [`REPORT_KEY`] behind the others.
struct Batches<B> {
    builder: B,
    keys: StringDictionaryBuilder<Int32Type>,
    done: Vec<RecordBatch>,
}

impl<B: Builder> Batches<B> {
    fn new(builder: B) -> Self {
        Self { builder, keys: StringDictionaryBuilder::new(), done: Vec::new() }
    }

    /// Gives this key to all rows that have none.
    fn appended(&mut self, key: &str) -> Result<(), ArrowError> {
        for _ in self.keys.len()..self.builder.rows() {
            self.keys.append_value(key);
        }
        if self.builder.rows() >= BATCH_ROWS { self.end() } else { Ok(()) }
    }

    fn end(&mut self) -> Result<(), ArrowError> {
        let batch = self.builder.batch()?;
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns.push(Arc::new(self.keys.finish()));
        self.done.push(RecordBatch::try_new(with_key(batch.schema_ref()), columns)?);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<RecordBatch>, ArrowError> {
        if self.builder.rows() > 0 {
            self.end()?;
        }
        Ok(self.done)
    }
}
