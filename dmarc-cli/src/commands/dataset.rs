//! `dmarc dataset`: the state of the dataset, and care for it.

mod export;

use std::path::Path;

use dmarc_ingest::store::{Dataset, DatasetReader, Status, Verified};

use crate::Output;
use crate::commands::setup::Setup;
use crate::error::{CommandError, Kind};
use crate::render::figures::plural;
use crate::render::json;
use crate::render::text::Neutral;

/// The version of the output.
const SCHEMA: u32 = 1;

/// `dmarc dataset …`
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show what is in it
    Status(At),
    /// Show the files of rows that count now, one path a line
    Files {
        /// Only reports of this kind
        #[arg(long, value_parser = ["aggregate", "failure", "tlsrpt"])]
        kind: Option<String>,
        #[command(flatten)]
        setup: Setup,
    },
    /// Write rows to one file: Parquet, CSV or Arrow
    Export(export::Options),
    /// Read everything and compare: ledger, segments and files
    Verify(At),
    /// Merge small segments into large ones, month by month
    Compact(At),
    /// Forget reports whose period ended before a date, and mails kept aside before it
    Erase {
        /// RFC 3339 time or date, in UTC
        #[arg(long, value_name = "DATE", value_parser = date)]
        before: i64,
        #[command(flatten)]
        at: At,
    },
}

#[derive(Debug, clap::Args)]
struct At {
    #[command(flatten)]
    setup: Setup,

    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// A JSON answer.
#[derive(serde::Serialize)]
struct Answer<T> {
    schema: u32,
    #[serde(flatten)]
    answer: T,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        match self.verb {
            Verb::Status(at) => at.status(output),
            Verb::Files { kind, setup } => files(kind.as_deref(), &setup, output),
            Verb::Export(options) => options.run(output),
            Verb::Verify(at) => at.verify(output),
            Verb::Compact(at) => at.compact(output),
            Verb::Erase { before, at } => at.erase(before, output),
        }
    }
}

impl At {
    fn reader(&self) -> Result<DatasetReader, CommandError> {
        self.setup.reader(&self.setup.config()?)
    }

    fn dataset(&self) -> Result<Dataset, CommandError> {
        self.setup.dataset(&self.setup.config()?)
    }

    fn status(&self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let status = self.reader()?.status()?;
        let written = if self.json {
            json::to_line(output.out, &status_answer(&status))
        } else {
            status.lines().into_iter().try_for_each(|(name, value)| {
                writeln!(output.out, "{name:<22} {}", Neutral::new(&value, 200))
            })
        };
        written.map_err(CommandError::output)
    }

    fn compact(&self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let compacted = self.dataset()?.compact(2)?;
        let written = if self.json {
            json::to_line(output.out, &Answer { schema: SCHEMA, answer: compacted })
        } else {
            writeln!(output.out, "{}, {} before", plural(compacted.after, "segment"), compacted.before)
        };
        written.map_err(CommandError::output)
    }

    fn erase(&self, before: i64, output: &mut Output<'_>) -> Result<(), CommandError> {
        let erased = self.dataset()?.erase(before)?;
        let written = if self.json {
            json::to_line(output.out, &Answer { schema: SCHEMA, answer: erased })
        } else {
            writeln!(
                output.out,
                "{} and {} kept aside are forgotten",
                plural(erased.reports, "report"),
                plural(erased.kept, "file")
            )
        };
        written.map_err(CommandError::output)
    }

    fn verify(&self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let verified = self.reader()?.verify()?;
        let written = if self.json {
            json::to_line(output.out, &Answer { schema: SCHEMA, answer: &verified })
        } else {
            table(&verified, output)
        };
        written.map_err(CommandError::output)?;
        match verified.problems.len() {
            0 => Ok(()),
            count => Err(CommandError::new(Kind::Dataset, anyhow::anyhow!("{count} things do not agree"))),
        }
    }
}

/// Paths as they are: for programs that open them.
fn files(kind: Option<&str>, setup: &Setup, output: &mut Output<'_>) -> Result<(), CommandError> {
    let mut files = setup.reader(&setup.config()?)?.files()?;
    files.retain(|(of, _)| kind.is_none_or(|kind| kind == of));
    files.sort_unstable();
    let line = |path: &Path| {
        output.out.write_all(path.as_os_str().as_encoded_bytes())?;
        output.out.write_all(b"\n")
    };
    files.iter().map(|(_, path)| path.as_path()).try_for_each(line).map_err(CommandError::output)
}

/// The status with the schema of the output, where it has the version of the dataset under the same name.
fn status_answer(status: &Status) -> serde_json::Value {
    let mut answer = serde_json::json!(status);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("schema".to_owned(), SCHEMA.into());
        fields.insert("dataset_version".to_owned(), status.schema.into());
    }
    answer
}

/// A date (its first second) or a time, in seconds since the Unix epoch.
fn date(text: &str) -> Result<i64, String> {
    let time = text.parse::<jiff::Timestamp>().or_else(|_| format!("{text}T00:00:00Z").parse());
    time.map(jiff::Timestamp::as_second).map_err(|_| "expected a date such as 2026-01-31".to_owned())
}

fn table(verified: &Verified, output: &mut Output<'_>) -> std::io::Result<()> {
    for problem in &verified.problems {
        writeln!(output.out, "{}: {}", Neutral::new(&problem.file, 200), Neutral::new(&problem.what, 200))?;
    }
    writeln!(
        output.out,
        "{}, {}, {} with {} and {}, {} kept aside: {}",
        plural(verified.mails, "mail"),
        plural(verified.reports, "report"),
        plural(verified.segments, "segment"),
        plural(verified.rows, "row"),
        plural(verified.messages, "message"),
        plural(verified.kept, "file"),
        if verified.problems.is_empty() { "all agree" } else { "not all agree" }
    )
}
