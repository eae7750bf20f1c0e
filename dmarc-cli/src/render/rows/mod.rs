//! Rows as files that other programs read: Parquet, Arrow IPC, CSV.
//!
//! | format | text | lists |
//! |---|---|---|
//! | Parquet | as it came | as they are |
//! | Arrow IPC file | as it came | as they are |
//! | CSV | as [`answer`](super::answer) writes it: no formula, one line a row | JSON |
//! | NDJSON | the same, escaped where a terminal could be harmed | arrays and objects |

mod cells;
mod plain;

use std::fs::File;
use std::io;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde::{Serialize, Serializer};

pub(crate) use cells::text;

use super::answer::csv;
use super::json;
use crate::error::{CommandError, Kind};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FileFormat {
    /// Apache Parquet, compressed with Zstandard
    Parquet,
    /// Comma-separated values with a head (RFC 4180)
    Csv,
    /// Arrow IPC file
    Arrow,
    /// JSON, one object a row
    Ndjson,
}

impl FileFormat {
    /// The format that the end of a file's name stands for.
    pub(crate) fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "parquet" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "arrow" => Some(Self::Arrow),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            _ => None,
        }
    }
}

/// A file that takes rows, batch by batch.
pub(crate) struct RowFile<'a> {
    schema: SchemaRef,
    writer: Writer<'a>,
}

enum Writer<'a> {
    Parquet(Box<ArrowWriter<&'a File>>),
    Csv(Box<::csv::Writer<Box<dyn io::Write + 'a>>>),
    Ndjson(Box<dyn io::Write + 'a>),
    Arrow(Box<arrow_ipc::writer::FileWriter<io::BufWriter<&'a File>>>),
}

impl<'a> RowFile<'a> {
    /// Begins a file for rows with these columns.
    pub(crate) fn new(format: FileFormat, schema: &SchemaRef, file: &'a File) -> Result<Self, ArrowError> {
        let writer = match format {
            FileFormat::Parquet => Writer::Parquet(Box::new(ArrowWriter::try_new(
                file,
                Arc::clone(schema),
                Some(properties(schema)?),
            )?)),
            FileFormat::Csv => return Self::csv(schema, Box::new(file)),
            FileFormat::Ndjson => return Ok(Self::ndjson(schema, Box::new(io::BufWriter::new(file)))),
            FileFormat::Arrow => Writer::Arrow(Box::new(arrow_ipc::writer::FileWriter::try_new(
                io::BufWriter::new(file),
                &plain::schema(schema),
            )?)),
        };
        Ok(Self { schema: Arc::clone(schema), writer })
    }

    /// Begins CSV, which needs no file.
    pub(crate) fn csv(schema: &SchemaRef, out: Box<dyn io::Write + 'a>) -> Result<Self, ArrowError> {
        let mut writer = csv::writer(out);
        let names = schema.fields().iter().map(|field| field.name());
        writer.write_record(names).map_err(csv_error)?;
        Ok(Self { schema: Arc::clone(schema), writer: Writer::Csv(Box::new(writer)) })
    }

    /// Begins NDJSON, which needs no file.
    pub(crate) fn ndjson(schema: &SchemaRef, out: Box<dyn io::Write + 'a>) -> Self {
        Self { schema: Arc::clone(schema), writer: Writer::Ndjson(out) }
    }

    /// Adds rows. A column that they do not have is null.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let batch = complete(batch, &self.schema)?;
        match &mut self.writer {
            Writer::Parquet(writer) => Ok(writer.write(&batch)?),
            Writer::Arrow(writer) => writer.write(&plain::batch(&batch)?),
            Writer::Csv(writer) => (0..batch.num_rows()).try_for_each(|row| {
                let cells = batch.columns().iter().map(|column| csv::field(&cells::cell(column, row)));
                writer.write_record(cells).map_err(csv_error)
            }),
            Writer::Ndjson(out) => {
                (0..batch.num_rows()).try_for_each(|row| Ok(json::to_line(out, &Row(&batch, row))?))
            }
        }
    }

    /// Ends the file.
    pub(crate) fn finish(self) -> Result<(), ArrowError> {
        match self.writer {
            Writer::Parquet(writer) => drop(writer.close()?),
            Writer::Csv(mut writer) => writer.flush()?,
            Writer::Ndjson(mut out) => out.flush()?,
            Writer::Arrow(mut writer) => writer.finish()?,
        }
        Ok(())
    }
}

/// A row, as an object.
struct Row<'b>(&'b RecordBatch, usize);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(batch, row) = self;
        let schema = batch.schema_ref();
        let cells = batch.columns().iter().map(|column| cells::cell(column, *row).value());
        serializer.collect_map(schema.fields().iter().map(|field| field.name()).zip(cells))
    }
}

fn properties(schema: &Schema) -> Result<WriterProperties, ArrowError> {
    let metadata = schema.metadata().iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let level = ZstdLevel::try_new(1)?;
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_key_value_metadata(Some(metadata.collect()))
        .build())
}

/// The columns of `schema`, in their order.
fn complete(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let column = |field: &Arc<arrow_schema::Field>| {
        let column = batch.column_by_name(field.name()).cloned();
        column.unwrap_or_else(|| new_null_array(field.data_type(), batch.num_rows()))
    };
    let columns = schema.fields().iter().map(column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

fn csv_error(error: ::csv::Error) -> ArrowError {
    let error = io::Error::from(error);
    ArrowError::IoError(error.to_string(), error)
}

/// What it means for a run that rows cannot be written.
pub(crate) fn unwritten(error: ArrowError) -> CommandError {
    match error {
        ArrowError::IoError(_, error) => CommandError::output(error),
        error => {
            CommandError::new(Kind::Unreachable, anyhow::Error::new(error).context("cannot write the rows"))
        }
    }
}
