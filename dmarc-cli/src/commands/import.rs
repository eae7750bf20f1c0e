//! `dmarc import`: files into the dataset.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

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
        let ended = intake.finish(output);
        // That the run did not reach its end matters more than what was refused on the way.
        match done {
            Ok(()) => ended,
            Err(IngestError::Dataset(error)) => Err(error.into()),
            Err(error) => Err(CommandError::new(Kind::Unreachable, error)),
        }
    }
}
