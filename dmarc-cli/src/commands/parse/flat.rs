//! Reports as flat records: one record a line, with the columns that a dataset has.

use std::fs::File;
use std::io::{self, Seek as _};
use std::path::PathBuf;

use arrow_schema::ArrowError;
use dmarc_core::arrow::Mail;
use dmarc_core::arrow::aggregate::{AggregateBuilder, schema};
use dmarc_core::model::AggregateReport;
use dmarc_core::record::{Trust, flatten};
use dmarc_core::{Found, MessageInfo, Report};
use dmarc_ingest::{MailOutcome, outcomes};

use crate::Output;
use crate::commands::limits;
use crate::error::CommandError;
use crate::render::figures::plural;
use crate::render::rows::{FileFormat, RowFile, unwritten};
use crate::render::trouble::Trouble;

/// Records that are held before they are written.
const BATCH: usize = 8_192;

/// Writes the records of all aggregate reports, and says what was refused and what has no records.
pub(super) fn run(
    paths: &[PathBuf],
    format: FileFormat,
    output: &mut Output<'_>,
) -> Result<(), CommandError> {
    let mut trouble = Trouble::default();
    let others = match format {
        FileFormat::Csv => {
            let rows = RowFile::csv(&schema(), Box::new(&mut *output.out)).map_err(unwritten)?;
            Flat::new(rows).read(paths, &mut trouble)
        }
        FileFormat::Ndjson => {
            Flat::new(RowFile::ndjson(&schema(), Box::new(&mut *output.out))).read(paths, &mut trouble)
        }
        format => through_a_file(format, paths, output, &mut trouble),
    }?;
    output.out.flush().map_err(CommandError::output)?;
    if others > 0 {
        // Standard error may be closed; the records are written.
        drop(writeln!(output.err, "{} without records left out", plural(others, "report")));
    }
    trouble.finish(output.err)
}

/// These formats are written from a place that can be sought.
fn through_a_file(
    format: FileFormat,
    paths: &[PathBuf],
    output: &mut Output<'_>,
    trouble: &mut Trouble,
) -> Result<u64, CommandError> {
    let mut file: File = tempfile::tempfile().map_err(CommandError::output)?;
    let rows = RowFile::new(format, &schema(), &file).map_err(unwritten)?;
    let others = Flat::new(rows).read(paths, trouble)?;
    file.rewind().and_then(|()| io::copy(&mut file, output.out)).map_err(CommandError::output)?;
    Ok(others)
}

/// Records on their way into a file.
struct Flat<'a> {
    builder: AggregateBuilder,
    rows: RowFile<'a>,
    /// Reports that have no records: those about TLS, and failure reports.
    others: u64,
}

impl<'a> Flat<'a> {
    fn new(rows: RowFile<'a>) -> Self {
        Self { builder: AggregateBuilder::new(), rows, others: 0 }
    }

    /// Writes what is under `paths`, and says how many reports have no records.
    fn read(mut self, paths: &[PathBuf], trouble: &mut Trouble) -> Result<u64, CommandError> {
        for item in outcomes(paths, &limits()) {
            match item {
                Ok(mail) => {
                    trouble.look_at(&mail);
                    self.add_mail(mail).map_err(unwritten)?;
                }
                Err(error) => trouble.unreachable(&error),
            }
        }
        self.write().and_then(|()| self.rows.finish()).map_err(unwritten)?;
        Ok(self.others)
    }

    fn add_mail(&mut self, mail: MailOutcome) -> Result<(), ArrowError> {
        for outcome in mail.outcomes {
            let Found::Report(parsed) = outcome.found else { continue };
            if let Report::Aggregate(report) = parsed.report {
                let origin = format!("{} {}", mail.source, outcome.part).trim_end().to_owned();
                self.add_report(*report, origin, mail.message.as_ref())?;
            } else {
                self.others += 1;
            }
        }
        Ok(())
    }

    fn add_report(
        &mut self,
        report: AggregateReport<'static>,
        origin: String,
        message: Option<&MessageInfo>,
    ) -> Result<(), ArrowError> {
        let mail = message.map(Mail::new).unwrap_or_default();
        for record in flatten(report, origin, Trust::Unverified) {
            if self.builder.append(&record, &mail).is_err() {
                // The batch holds all the text that it can.
                self.write()?;
                self.builder.append(&record, &mail)?;
            }
            if self.builder.len() >= BATCH {
                self.write()?;
            }
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), ArrowError> {
        let batch = self.builder.finish()?;
        self.rows.write(&batch)
    }
}
