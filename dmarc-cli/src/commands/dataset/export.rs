//! `dmarc dataset export`: rows as one file that other programs read.

use std::fs::File;
use std::io::{self, Seek as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array as _, BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use dmarc_core::record::Selection;
use dmarc_ingest::store::{DatasetError, DatasetReader, schema};

use crate::Output;
use crate::commands::scope::Scope;
use crate::commands::setup::Setup;
use crate::error::{CommandError, Kind};
use crate::render::figures::plural;
use crate::render::rows::{FileFormat, RowFile, text, unwritten};

/// How often it is begun anew when files are replaced meanwhile.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// `dmarc dataset export`
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Which rows
    #[arg(long, default_value = "aggregate", value_parser = crate::analytics::KINDS)]
    kind: String,

    /// The file to write, whose name ends in .parquet, .csv or .arrow; `-` for standard output
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    to: PathBuf,

    /// How to write it, where the name does not say
    #[arg(long = "as", value_name = "FORMAT", value_enum)]
    format: Option<FileFormat>,

    #[command(flatten)]
    scope: Scope,

    #[command(flatten)]
    setup: Setup,
}

/// Why no file was written.
enum Failure {
    Dataset(DatasetError),
    File(ArrowError),
}

impl From<DatasetError> for Failure {
    fn from(error: DatasetError) -> Self {
        Self::Dataset(error)
    }
}

impl Options {
    pub(super) fn run(&self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let format = self.format()?;
        let reader = self.setup.reader(&self.setup.config()?)?;
        let selection = self.scope.selection(|| Ok(reader.newest_day()?), output)?;
        let rows = if self.to.as_os_str() == "-" {
            let mut file = tempfile::tempfile().map_err(CommandError::output)?;
            let rows = self.write(format, &reader, &selection, &mut file)?;
            file.rewind().and_then(|()| io::copy(&mut file, output.out)).map_err(CommandError::output)?;
            rows
        } else {
            self.write_file(format, &reader, &selection)?
        };
        // Standard error may be closed; the file was written.
        drop(writeln!(output.err, "{} written", plural(rows, "row")));
        Ok(())
    }

    fn format(&self) -> Result<FileFormat, CommandError> {
        let extension = self.to.extension().and_then(std::ffi::OsStr::to_str);
        let named = self.format.or_else(|| extension.and_then(FileFormat::of_extension));
        named.ok_or_else(|| {
            let what = anyhow::anyhow!("{}: it is not known how to write this", self.to.display());
            CommandError::new(Kind::Usage, what)
                .hint("let the name end in .parquet, .csv or .arrow, or say it with --as")
        })
    }

    /// The file has its name only once it is whole.
    fn write_file(
        &self,
        format: FileFormat,
        reader: &DatasetReader,
        selection: &Selection,
    ) -> Result<u64, CommandError> {
        let folder = self.to.parent().filter(|folder| !folder.as_os_str().is_empty());
        let unwritable = |error| CommandError::output(error).hint(self.to.display().to_string());
        let mut file = tempfile::Builder::new()
            .prefix(".dmarc-export-")
            .permissions(std::fs::Permissions::from_mode(0o666))
            .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))
            .map_err(unwritable)?;
        let rows = self.write(format, reader, selection, file.as_file_mut())?;
        file.as_file().sync_all().map_err(unwritable)?;
        file.persist(&self.to).map_err(|error| unwritable(error.error))?;
        Ok(rows)
    }

    /// Writes the rows, and says how many.
    fn write(
        &self,
        format: FileFormat,
        reader: &DatasetReader,
        selection: &Selection,
        file: &mut File,
    ) -> Result<u64, CommandError> {
        for _ in 1..TRIES {
            match self.try_write(format, reader, selection, file) {
                Err(Failure::Dataset(error)) if error.is_gone() => std::thread::sleep(PAUSE),
                Err(Failure::Dataset(error)) => return Err(error.into()),
                Err(Failure::File(error)) => return Err(unwritten(error)),
                Ok(rows) => return Ok(rows),
            }
            file.rewind().and_then(|()| file.set_len(0)).map_err(CommandError::output)?;
        }
        let what = anyhow::anyhow!("files are replaced faster than they can be read, or are missing");
        Err(CommandError::new(Kind::Dataset, what).hint("`dmarc dataset verify` says which are missing"))
    }

    fn try_write(
        &self,
        format: FileFormat,
        reader: &DatasetReader,
        selection: &Selection,
        file: &File,
    ) -> Result<u64, Failure> {
        let mut rows = 0;
        let mut written = RowFile::new(format, &schema(&self.kind), file).map_err(Failure::File)?;
        reader.batches(&self.kind, |batch| {
            let batch = within(batch, &self.kind, selection).map_err(Failure::File)?;
            rows += batch.num_rows() as u64;
            written.write(&batch).map_err(Failure::File)
        })?;
        written.finish().map_err(Failure::File)?;
        Ok(rows)
    }
}

/// The rows that count.
fn within(batch: &RecordBatch, kind: &str, selection: &Selection) -> Result<RecordBatch, ArrowError> {
    if *selection == Selection::default() {
        return Ok(batch.clone());
    }
    let counts = |row| {
        selection.has_domain(domain(batch, kind, row)) && is_in_time(selection, begin(batch, kind, row))
    };
    let counts: BooleanArray = (0..batch.num_rows()).map(|row| Some(counts(row))).collect();
    arrow_select::filter::filter_record_batch(batch, &counts)
}

/// Whether a row of this time is selected; one without a time only if all times are.
fn is_in_time(selection: &Selection, begin: Option<i64>) -> bool {
    let is_any = selection.since.is_none() && selection.until.is_none();
    begin.map_or(is_any, |begin| selection.has_time(begin))
}

/// The domain that a row is about.
fn domain<'b>(batch: &'b RecordBatch, kind: &str, row: usize) -> &'b str {
    let text = |name: &str| batch.column_by_name(name).and_then(|column| text(column, row));
    // With DANE a policy names its MX.
    let is_mx = kind == "tlsrpt" && text("policy_type") == Some("tlsa");
    let names = if is_mx { ["report_domain", "policy_domain"] } else { ["policy_domain", "report_domain"] };
    names.into_iter().find_map(text).unwrap_or_default()
}

/// When the period of a row begins, in seconds since the Unix epoch, UTC.
fn begin(batch: &RecordBatch, kind: &str, row: usize) -> Option<i64> {
    let names: &[&str] =
        if kind == "failure" { &["arrived", "mail_received", "mail_date"] } else { &["begin"] };
    names.iter().find_map(|name| {
        let times = batch.column_by_name(name)?.as_primitive_opt::<TimestampMicrosecondType>()?;
        times.is_valid(row).then(|| times.value(row).div_euclid(1_000_000))
    })
}
