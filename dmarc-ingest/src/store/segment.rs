//! Segments: Parquet files of rows. They are written to `staging`, named by their content, and never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt64Type};
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_schema::Schema;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue, RowGroupMetaData};
use parquet::file::properties::WriterProperties;

use super::error::DatasetError;
use super::fault;
use super::layout::{Layout, Partition, hash_file, hex};
use super::ledger::Segment;
use super::rows::{REPORT_KEY, Size, counted, schema, total};

/// Rows of a row group: what a reader that wants one domain can pass over.
const GROUP_ROWS: usize = 131_072;
/// The most bytes of a row group, encoded: what a writer holds.
const GROUP_BYTES: usize = 32 << 20;
/// Rows of a batch that is read, at most.
const READ_ROWS: usize = 8_192;
/// Values in a batch that is read, about: a hostile report may have thousands in a row, and each takes some bytes of memory.
pub(super) const READ_VALUES: u64 = 1 << 20;

/// Writes a segment to `staging` and makes its content durable; nothing if there are no rows.
pub(super) fn write(
    layout: &Layout,
    partition: &Partition,
    batches: impl IntoIterator<Item = Result<RecordBatch, DatasetError>>,
) -> Result<Option<Segment>, DatasetError> {
    write_some(layout, partition, batches, usize::MAX)
}

/// The same, of as many batches as make a file of about so many bytes.
pub(super) fn write_some(
    layout: &Layout,
    partition: &Partition,
    batches: impl IntoIterator<Item = Result<RecordBatch, DatasetError>>,
    bytes: usize,
) -> Result<Option<Segment>, DatasetError> {
    let temporary = layout.staging().join("segment");
    let mut written = Size { rows: 0, messages: 0 };
    let file = File::create(&temporary).map_err(|error| DatasetError::io(&temporary, error))?;
    let fail = |error| fault_of(&temporary, error);
    let mut writer = ArrowWriter::try_new(
        &file,
        schema(&partition.kind),
        Some(properties(&partition.kind).map_err(fail)?),
    )
    .map_err(fail)?;
    for batch in batches {
        let batch = batch?;
        written.rows += batch.num_rows() as u64;
        written.messages = total([written.messages, messages(&batch, &partition.kind)]);
        writer.write(&batch).map_err(fail)?;
        if writer.bytes_written() >= bytes {
            break;
        }
    }
    writer.close().map_err(fail)?;
    if written.rows == 0 {
        return Ok(None);
    }
    file.sync_all().map_err(|error| DatasetError::io(&temporary, error))?;
    fault::point("segment synced");
    let (hash, bytes) = hash_file(&temporary)?;
    let name = format!("{}.parquet", hex(hash.get(..12).unwrap_or_default()));
    let path = layout.staging().join(&name);
    fs::rename(&temporary, &path).map_err(|error| DatasetError::io(&path, error))?;
    Ok(Some(Segment { name, rows: written.rows, messages: written.messages, bytes, hash }))
}

fn properties(kind: &str) -> parquet::errors::Result<WriterProperties> {
    let schema = schema(kind);
    let metadata = schema.metadata().iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_key_value_metadata(Some(metadata.collect()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_max_row_group_bytes(Some(GROUP_BYTES))
        .build())
}

/// The error of the system that is inside an error of the writer, or that itself.
fn fault_of(path: &Path, error: parquet::errors::ParquetError) -> DatasetError {
    match error {
        parquet::errors::ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(error) => DatasetError::io(path, *error),
            Err(inner) => DatasetError::rows(path, inner),
        },
        error => DatasetError::rows(path, error),
    }
}

/// The rows of a segment, batch by batch.
pub(super) struct Reader {
    path: std::path::PathBuf,
    values_a_row: u64,
    batches: ParquetRecordBatchReader,
}

impl Reader {
    /// How many values a row has, on average.
    pub(super) fn values_a_row(&self) -> u64 {
        self.values_a_row
    }
}

impl Iterator for Reader {
    type Item = Result<RecordBatch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next().map(|batch| batch.map_err(|error| DatasetError::rows(&self.path, error)))
    }
}

/// Opens a segment of a kind, of which only these columns are wanted (all of them if none is named), to be read in batches of
/// about so many values.
pub(super) fn read(
    path: &Path,
    file: File,
    kind: &str,
    columns: &[&str],
    values: u64,
) -> Result<Reader, DatasetError> {
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| DatasetError::rows(path, error))?;
    check_schema(path, builder.schema(), kind)?;
    let groups = builder.metadata().row_groups();
    let all_values: i64 =
        groups.iter().flat_map(RowGroupMetaData::columns).map(ColumnChunkMetaData::num_values).sum();
    let rows: i64 = groups.iter().map(RowGroupMetaData::num_rows).sum();
    let values_a_row = u64::try_from(all_values / rows.max(1)).unwrap_or_default().max(1);
    let mask = if columns.is_empty() {
        ProjectionMask::all()
    } else {
        ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied())
    };
    let batches = builder
        .with_projection(mask)
        .with_batch_size(rows_of(values, values_a_row))
        .build()
        .map_err(|error| DatasetError::rows(path, error))?;
    Ok(Reader { path: path.to_owned(), values_a_row, batches })
}

/// Whether this is a segment of a kind, in a version that is known.
pub(super) fn check_schema(path: &Path, schema: &Schema, kind: &str) -> Result<(), DatasetError> {
    dmarc_core::arrow::check_version(schema, kind).map_err(|error| {
        let found = schema.metadata().get(dmarc_core::arrow::VERSION_KEY).cloned();
        match found {
            Some(found) if found != dmarc_core::arrow::VERSION => {
                DatasetError::Newer { path: path.to_owned(), found, known: dmarc_core::arrow::VERSION }
            }
            _ => DatasetError::rows(path, error),
        }
    })
}

/// How many rows have about so many values.
pub(super) fn rows_of(values: u64, values_a_row: u64) -> usize {
    usize::try_from(values / values_a_row.max(1)).unwrap_or(READ_ROWS).clamp(1, READ_ROWS)
}

/// Opens a segment by its path, all columns of it.
pub(super) fn open(path: &Path, kind: &str) -> Result<Reader, DatasetError> {
    let file = File::open(path).map_err(|error| DatasetError::io(path, error))?;
    read(path, file, kind, &[], READ_VALUES)
}

/// What a segment has of each report.
pub(super) fn sizes(path: &Path, kind: &str) -> Result<BTreeMap<String, Size>, DatasetError> {
    let file = File::open(path).map_err(|error| DatasetError::io(path, error))?;
    let columns: Vec<&str> = counted(kind).iter().copied().chain([REPORT_KEY]).collect();
    let mut sizes: BTreeMap<String, Size> = BTreeMap::new();
    for batch in read(path, file, kind, &columns, READ_VALUES)? {
        let batch = batch?;
        let keys = keys(path, &batch)?;
        for (row, key) in keys.iter().enumerate() {
            let count = total(counted(kind).iter().map(|name| count(&batch, name, row)));
            let one = Size { rows: 1, messages: count };
            match sizes.get_mut(*key) {
                Some(size) => *size = size.and(one),
                None => drop(sizes.insert((*key).to_owned(), one)),
            }
        }
    }
    Ok(sizes)
}

/// The rows of a batch whose report is none of `removed`, or is one of them.
pub(super) fn select(
    path: &Path,
    batch: &RecordBatch,
    removed: &BTreeSet<String>,
    is_removed: bool,
) -> Result<RecordBatch, DatasetError> {
    let wanted: Vec<bool> =
        keys(path, batch)?.into_iter().map(|key| removed.contains(key) == is_removed).collect();
    arrow_select::filter::filter_record_batch(batch, &BooleanArray::from(wanted))
        .map_err(|error| DatasetError::rows(path, error))
}

fn keys<'b>(path: &Path, batch: &'b RecordBatch) -> Result<Vec<&'b str>, DatasetError> {
    let missing = || DatasetError::damaged(path, format!("it has no column {REPORT_KEY}"));
    let column = batch.column_by_name(REPORT_KEY).ok_or_else(missing)?;
    let column = column.as_dictionary_opt::<Int32Type>().ok_or_else(missing)?;
    let column = column.downcast_dict::<arrow_array::StringArray>().ok_or_else(missing)?;
    Ok(column.into_iter().map(Option::unwrap_or_default).collect())
}

/// What a row of a batch is ordered by: policy domain, source and report, as far as it has them.
pub(super) fn order(batch: &RecordBatch, row: usize) -> [String; 3] {
    ["policy_domain", "source_ip", REPORT_KEY].map(|name| {
        let column = batch.column_by_name(name);
        column.and_then(|column| text(column, row)).unwrap_or_default().to_owned()
    })
}

fn text(column: &dyn Array, row: usize) -> Option<&str> {
    if column.is_null(row) {
        return None;
    }
    if let Some(strings) = column.as_string_opt::<i32>() {
        return Some(strings.value(row));
    }
    let texts = column.as_dictionary_opt::<Int32Type>()?;
    texts.values().as_string_opt::<i32>().zip(texts.key(row)).map(|(values, key)| values.value(key))
}

fn messages(batch: &RecordBatch, kind: &str) -> u64 {
    total(counted(kind).iter().flat_map(|name| (0..batch.num_rows()).map(|row| count(batch, name, row))))
}

fn count(batch: &RecordBatch, column: &str, row: usize) -> u64 {
    let column = batch.column_by_name(column).and_then(|column| column.as_primitive_opt::<UInt64Type>());
    column.filter(|column| column.is_valid(row)).map_or(0, |column| column.value(row))
}
