//! `dmarc import`: files into the dataset.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use dmarc_ingest::service::SMALL_SEGMENTS;
use dmarc_ingest::source::Paths;
use dmarc_ingest::{IngestError, ingest};

use crate::Output;
use crate::commands::setup::{Setup, settings};
use crate::error::{CommandError, Kind};
use crate::render::intake::Intake;

/// `dmarc import PATH…`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What was imported before is recognised, so that a command may be repeated, also after a crash."
)]
pub(crate) struct Options {
    /// Mail, Maildir, mbox, report or folder of these; `-` reads standard input
    #[arg(required = true, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    setup: Setup,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let config = self.setup.config()?;
        let dataset = Mutex::new(self.setup.dataset(&config)?);
        let settings = settings(&config)?;
        let mut source = Paths::new(&self.paths, &settings.limits, config.limits.batch());
        let mut intake = Intake::default();
        let done = ingest(&mut source, &dataset, &settings, &mut intake, &AtomicBool::new(false));
        let mut failures: Vec<CommandError> = done.err().map(failure).into_iter().collect();
        if failures.is_empty() {
            let mut dataset = dataset.into_inner().unwrap_or_else(PoisonError::into_inner);
            failures.extend(dataset.compact(SMALL_SEGMENTS).err().map(CommandError::from));
        }
        failures.extend(intake.finish(output).err());
        CommandError::worst(failures, output.err)
    }
}

fn failure(error: IngestError) -> CommandError {
    match error {
        IngestError::Dataset(error) => error.into(),
        error => CommandError::new(Kind::Unreachable, error),
    }
}
