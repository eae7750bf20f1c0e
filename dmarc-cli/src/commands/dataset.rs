//! `dmarc dataset`: the state of the dataset, and care for it.

use std::io::Write as _;

use dmarc_ingest::store::Verified;

use crate::Output;
use crate::commands::setup::Setup;
use crate::error::{CommandError, Kind};
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
    /// Read everything and compare: ledger, segments and files
    Verify(At),
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
            Verb::Verify(at) => at.verify(output),
        }
    }
}

impl At {
    fn status(&self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let status = self.setup.reader()?.status()?;
        let written = if self.json {
            json::to_line(output.out, &Answer { schema: SCHEMA, answer: &status })
        } else {
            status.lines().into_iter().try_for_each(|(name, value)| {
                writeln!(output.out, "{name:<22} {}", Neutral::new(&value, 200))
            })
        };
        written.map_err(CommandError::output)
    }

    fn verify(&self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let verified = self.setup.reader()?.verify()?;
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

fn table(verified: &Verified, output: &mut Output<'_>) -> std::io::Result<()> {
    for problem in &verified.problems {
        writeln!(output.out, "{}: {}", Neutral::new(&problem.file, 200), Neutral::new(&problem.what, 200))?;
    }
    writeln!(
        output.out,
        "{} mails, {} reports, {} segments with {} rows and {} messages, {} files kept aside: {}",
        verified.mails,
        verified.reports,
        verified.segments,
        verified.rows,
        verified.messages,
        verified.kept,
        if verified.problems.is_empty() { "all agree" } else { "not all agree" }
    )
}
