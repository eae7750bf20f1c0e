//! Reports as Arrow record batches: the columns that a dataset of reports has.
//!
//! | kind | one row for each | columns | written by | read by |
//! |---|---|---|---|---|
//! | `aggregate` | counted record, see [`FlatRecord`](crate::record::FlatRecord) | [`aggregate`] | [`aggregate::AggregateBuilder`] | [`aggregate::records`] |
//! | `tlsrpt` | policy of a TLS report, its failures as a list | [`tlsrpt`] | [`tlsrpt::TlsBuilder`] | [`tlsrpt::rows`] |
//! | `failure` | failure report | [`failure`] | [`failure::FailureBuilder`] | [`failure::observations`]: what findings use |
//!
//! A builder takes rows with `append` and gives a batch with `finish`; how many rows a batch has, and so how much memory
//! it takes, is the caller's choice. Files are not the business of this crate: hand the batches to the crate `parquet` or
//! `arrow-ipc`.
//!
//! ```
//! use dmarc_core::arrow::{Mail, aggregate};
//! use dmarc_core::model::AggregateReport;
//! use dmarc_core::record::{Trust, flatten};
//!
//! # fn main() -> Result<(), arrow_schema::ArrowError> {
//! # let mut report = AggregateReport::default();
//! # report.records.push(Default::default());
//! let mut builder = aggregate::AggregateBuilder::new();
//! for record in flatten(report, "new/1".to_owned(), Trust::Unverified) {
//!     builder.append(&record, &Mail::default())?;
//! }
//! let batch = builder.finish()?;
//! assert_eq!(batch.num_rows(), 1);
//! for record in aggregate::records(&batch)? {
//!     assert_eq!(record?.report.origin, "new/1");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Types
//! The tables of columns say:
//!
//! | word | Arrow type | |
//! |---|---|---|
//! | text | `Dictionary(Int32, Utf8)` | text that repeats: nearly all of it does |
//! | time | `Timestamp(Microsecond, "UTC")` | the unit that Parquet has and every reader knows; all values are whole seconds. Seconds that the type cannot hold, beyond the year 290,000, become the last one that it can |
//! | list of … | `List` of a non-null item | |
//!
//! Addresses are `Utf8` in canonical form (RFC 5952): every reader shows, compares and sorts it, and hosts of one network
//! mostly stand together; as 16 bytes they would sort by number, but no SQL could read them. A column is null where the report
//! leaves the element out, and empty where it is there and empty; what the model has no "absent" for is never null.
//!
//! # Version
//! The metadata of each schema names its kind ([`KIND_KEY`]) and version ([`VERSION_KEY`], now [`VERSION`]). A new nullable
//! column at the end changes no version: readers go by name and pass over what they do not know. Any other change does, and
//! readers refuse a version that they do not know, see [`check_version`].
//!
//! # Left out
//! Extensions, the reporter's errors and contact texts, rejected records, quirks; of failure reports the included message but
//! for its `Message-ID` and Author Domain. They stay in the mail that [`Provenance`] names.

pub mod aggregate;
mod column;
pub mod failure;
mod observe;
pub mod tlsrpt;

pub use observe::OBSERVED_COLUMNS;

use arrow_array::builder::TimestampMicrosecondBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field, Schema};

use crate::MessageInfo;
use crate::record::Trust;
use column::{Texts, optional, optional_time, push_time, size, text, times};

/// The key of the version in the metadata of a schema.
pub const VERSION_KEY: &str = "dmarc.schema";
/// The version of the schemas of this module.
pub const VERSION: &str = "1";
/// The key of the kind in the metadata of a schema: `aggregate`, `failure` or `tlsrpt`.
pub const KIND_KEY: &str = "dmarc.kind";

/// What is known of the mail that brought a report; nothing for a bare file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mail<'a> {
    /// The domain of RFC5322.From, in normal form.
    pub from_domain: Option<&'a str>,
    /// `Message-ID` without `<>`.
    pub message_id: Option<&'a str>,
    /// `Date`: what the sender says, in seconds since the Unix epoch, UTC.
    pub date: Option<i64>,
    /// When the mail arrived: what its source says (IMAP `INTERNALDATE`), in seconds since the Unix epoch, UTC.
    pub received: Option<i64>,
}

impl<'a> Mail<'a> {
    /// What the header of a message says; `received` stays `None`.
    #[must_use]
    pub fn new(message: &'a MessageInfo) -> Self {
        Self {
            from_domain: message.from_domain.as_deref(),
            message_id: message.message_id.as_deref(),
            date: message.date,
            received: None,
        }
    }
}

/// Where a report came from, and how far that is known to be true.
///
/// Records of aggregate reports have the first two already, in [`ReportFacts`](crate::record::ReportFacts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provenance<'a> {
    /// Where the report was read from: mail or file, and part.
    pub origin: &'a str,
    /// How far the mail is known to be genuine.
    pub trust: Trust,
    /// The mail.
    pub mail: Mail<'a>,
}

impl<'a> Provenance<'a> {
    /// A report read from `origin`, which a mail of trust `trust` brought.
    #[must_use]
    pub fn new(origin: &'a str, trust: Trust, mail: Mail<'a>) -> Self {
        Self { origin, trust, mail }
    }
}

/// The columns of [`Mail`].
#[derive(Debug)]
struct MailColumns {
    texts: Texts<2>,
    date: TimestampMicrosecondBuilder,
    received: TimestampMicrosecondBuilder,
}

impl MailColumns {
    fn new() -> Self {
        Self { texts: Texts::new(), date: times(), received: times() }
    }

    fn fields() -> [Field; 4] {
        [
            optional("mail_from_domain"),
            optional("mail_message_id"),
            optional_time("mail_date"),
            optional_time("mail_received"),
        ]
    }

    fn push(&mut self, mail: &Mail<'_>) -> Result<(), ArrowError> {
        self.texts.push(Self::texts(mail))?;
        push_time(&mut self.date, mail.date);
        push_time(&mut self.received, mail.received);
        Ok(())
    }

    fn texts<'a>(mail: &Mail<'a>) -> [Option<&'a str>; 2] {
        [mail.from_domain, mail.message_id]
    }

    fn finish(&mut self) -> [ArrayRef; 4] {
        let [from_domain, message_id] = self.texts.finish();
        let [date, received] = [&mut self.date, &mut self.received].map(TimestampMicrosecondBuilder::finish);
        [from_domain, message_id, std::sync::Arc::new(date), std::sync::Arc::new(received)]
    }
}

/// The columns of [`Provenance`].
#[derive(Debug)]
struct ProvenanceColumns {
    texts: Texts<2>,
    mail: MailColumns,
}

impl ProvenanceColumns {
    fn new() -> Self {
        Self { texts: Texts::new(), mail: MailColumns::new() }
    }

    fn fields() -> impl Iterator<Item = Field> {
        [text("origin"), text("trust")].into_iter().chain(MailColumns::fields())
    }

    fn push(&mut self, provenance: &Provenance<'_>) -> Result<(), ArrowError> {
        self.texts.push(Self::texts(provenance))?;
        self.mail.push(&provenance.mail)
    }

    fn size(provenance: &Provenance<'_>) -> usize {
        let mail = size(&MailColumns::texts(&provenance.mail));
        size(&Self::texts(provenance)).saturating_add(mail)
    }

    fn texts<'a>(provenance: &Provenance<'a>) -> [Option<&'a str>; 2] {
        [Some(provenance.origin), Some(provenance.trust.as_str())]
    }

    fn finish(&mut self) -> impl Iterator<Item = ArrayRef> {
        self.texts.finish().into_iter().chain(self.mail.finish())
    }
}

/// A schema of `kind`; the metadata names kind and version.
fn versioned(kind: &str, fields: Vec<Field>) -> Schema {
    Schema::new_with_metadata(fields, [(VERSION_KEY, VERSION), (KIND_KEY, kind)])
}

/// Refuses a schema that is not of `kind` or has a version that is not known.
///
/// For the schema of a file: some readers, that of the crate `parquet` among them, give batches without its metadata, so
/// that functions which read a batch can only refuse a version that it names.
///
/// # Errors
/// [`ArrowError::SchemaError`] if kind or version are others or absent.
pub fn check_version(schema: &Schema, kind: &str) -> Result<(), ArrowError> {
    for (key, expected) in [(KIND_KEY, kind), (VERSION_KEY, VERSION)] {
        let found = schema.metadata().get(key).map(String::as_str);
        if found != Some(expected) {
            let found = found.unwrap_or("absent");
            return Err(ArrowError::SchemaError(format!("{key} must be {expected} and is {found:?}")));
        }
    }
    Ok(())
}

/// Refuses a batch that says to be of another kind or version.
fn check_batch(batch: &RecordBatch, kind: &str) -> Result<(), ArrowError> {
    let metadata = batch.schema_ref().metadata();
    if [KIND_KEY, VERSION_KEY].iter().any(|key| metadata.contains_key(key)) {
        check_version(batch.schema_ref(), kind)?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fmt::Write as _;

    use arrow_schema::{DataType, Fields};

    use super::*;

    /// The table of a module's documentation, and the same table made from its schema, both as `name | type | null`.
    pub(super) fn tables(source: &str, schema: &Schema) -> (String, String) {
        let mut documented = String::new();
        for row in source.lines().filter_map(|line| line.strip_prefix("//! | `")) {
            let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            assert_eq!(cells.len(), 6, "name, type, null, meaning, element: {row}");
            assert!(!cells[3].is_empty(), "a meaning: {row}");
            writeln!(documented, "{} | {} | {}", cells[0], cells[1], cells[2]).unwrap();
        }
        let mut real = String::new();
        describe(schema.fields(), "", &mut real);
        (documented, real)
    }

    fn describe(fields: &Fields, prefix: &str, table: &mut String) {
        for field in fields {
            let name = format!("{prefix}{}", field.name());
            let null = if field.is_nullable() { "null" } else { "" };
            writeln!(table, "{name} | {} | {null}", word(field.data_type())).unwrap();
            if let DataType::List(item) = field.data_type() {
                assert!(!item.is_nullable());
                if let DataType::Struct(fields) = item.data_type() {
                    describe(fields, &format!("{name}."), table);
                }
            }
        }
    }

    fn word(data_type: &DataType) -> String {
        match data_type {
            t if *t == *text("").data_type() => "text".to_owned(),
            t if *t == *optional_time("").data_type() => "time".to_owned(),
            DataType::Struct(_) => "struct".to_owned(),
            DataType::List(item) => format!("list of {}", word(item.data_type())),
            other => other.to_string(),
        }
    }
}
