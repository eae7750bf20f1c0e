//! Writes the aggregate reports of mails, or of reports given as files, to one Parquet file: a row for each record.
//!
//! `cargo run -p dmarc-core --features arrow --example mail_to_parquet -- records.parquet FILE…`
//!
//! The columns are those of `dmarc_core::arrow::aggregate`. Ask with what you like, for example DuckDB:
//! `select source_ip, sum(message_count) from 'records.parquet' where not (dkim_aligned or spf_aligned) group by all`.
//! A report that came twice is in the file twice, for this is an example.
#![expect(clippy::print_stderr, reason = "an example talks to its terminal")]

use std::error::Error;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use dmarc_core::arrow::Mail;
use dmarc_core::arrow::aggregate::{self, AggregateBuilder};
use dmarc_core::record::{Trust, flatten};
use dmarc_core::{Found, Limits, Report, read};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

/// Rows of a batch: what is held in memory at once.
const BATCH: usize = 65_536;

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = std::env::args_os().skip(1).map(PathBuf::from);
    let output = paths.next().ok_or("usage: mail_to_parquet OUTPUT FILE…")?;
    let rows = convert(paths, File::create(&output)?)?;
    eprintln!("{rows} rows");
    Ok(())
}

/// Writes the records of all files to `output` and gives their number.
fn convert(paths: impl Iterator<Item = PathBuf>, output: impl Write + Send) -> Result<usize, Box<dyn Error>> {
    let mut writer = ArrowWriter::try_new(output, aggregate::schema(), Some(properties()?))?;
    let mut builder = AggregateBuilder::new();
    let mut rows = 0;
    for path in paths {
        append(&path, &mut builder)?;
        if builder.len() >= BATCH {
            rows += builder.len();
            writer.write(&builder.finish()?)?;
        }
    }
    rows += builder.len();
    writer.write(&builder.finish()?)?;
    writer.close()?;
    Ok(rows)
}

/// Zstandard, and the version of the schema where readers that know no Arrow find it.
fn properties() -> Result<WriterProperties, Box<dyn Error>> {
    let schema = aggregate::schema();
    let metadata = schema.metadata().iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_key_value_metadata(Some(metadata.collect()))
        .build())
}

/// Adds the records of one file.
fn append(path: &Path, builder: &mut AggregateBuilder) -> Result<(), Box<dyn Error>> {
    let limits = Limits::default();
    let mut bytes = Vec::new();
    // One byte more than may be read, so that a file that is too large is refused and not cut.
    io::copy(&mut File::open(path)?.take(limits.message_bytes + 1), &mut bytes)?;
    let reading = read(&bytes, &limits);
    let mail = reading.message.as_ref().map(Mail::new).unwrap_or_default();
    for outcome in reading.outcomes {
        match outcome.found {
            Found::Report(parsed) => {
                let Report::Aggregate(report) = parsed.report else { continue };
                let origin = format!("{} {}", path.display(), outcome.part);
                for record in flatten(*report, origin, Trust::Unverified) {
                    builder.append(&record, &mail)?;
                }
            }
            Found::Refused(error) => eprintln!("{}", format!("{}: {error}", path.display()).escape_debug()),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dmarc_core::arrow::check_version;
    use dmarc_core::record::FlatRecord;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    #[test]
    fn gives_back_every_record_of_the_mailbox() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/mailbox/new");
        let mut paths: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let mut builder = AggregateBuilder::new();
        for path in &paths {
            append(path, &mut builder).unwrap();
        }
        let expected = read_back(&[builder.finish().unwrap()]);
        let file = tempfile::tempfile().unwrap();
        let rows = convert(paths.into_iter(), file.try_clone().unwrap()).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        check_version(reader.schema(), "aggregate").unwrap();
        let reader = reader.build().unwrap();
        let stored = read_back(&reader.map(Result::unwrap).collect::<Vec<_>>());
        assert!(rows > 1000 && stored.len() == rows);
        assert!(stored == expected);
    }

    fn read_back(batches: &[arrow_array::RecordBatch]) -> Vec<FlatRecord> {
        batches.iter().flat_map(|batch| aggregate::records(batch).unwrap()).map(Result::unwrap).collect()
    }
}
