//! What all questions have in common: what they are asked of, which part of it counts, and how the answer is written.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use dmarc_core::record::Selection;
use dmarc_ingest::source::Paths;
use dmarc_ingest::store::{Dataset, DatasetReader};
use dmarc_ingest::{Config, IngestError, Settings, ingest};
use tempfile::TempDir;

use crate::Output;
use crate::commands::evidence::Evidence;
use crate::commands::limits;
use crate::commands::scope::Scope;
use crate::commands::setup::Setup;
use crate::commands::signals::Signals;
use crate::error::{CommandError, Kind};
use crate::render::answer::{Answer, Format};
use crate::render::intake::Intake;
use crate::render::trouble::Trouble;

/// What a command is asked of.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Asked {
    /// Mail, Maildir, mbox, report or folder of these; `-` reads standard input; without any, the dataset
    #[arg(value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) setup: Setup,

    #[command(flatten)]
    pub(crate) scope: Scope,
}

/// A question, and how its answer is written.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Question {
    #[command(flatten)]
    asked: Asked,

    /// How to write the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Rows at most; how many are left out is said
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// The rows that a question is asked of.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) reader: DatasetReader,
    pub(crate) selection: Selection,
}

impl Question {
    /// The same about the last days unless another time is asked for.
    pub(crate) fn since(mut self, days: i64) -> Self {
        self.asked.scope = self.asked.scope.or_since(days);
        self
    }

    /// Gathers the evidence, asks, and writes the answer.
    pub(crate) fn judge(
        &self,
        output: &mut Output<'_>,
        ask: impl FnOnce(&Evidence) -> Result<Answer, CommandError>,
    ) -> Result<(), CommandError> {
        let (evidence, ended) = self.asked.gather(output)?;
        self.write(ask(&evidence)?, output)?;
        ended
    }

    /// Takes in what was named, asks, and writes the answer.
    pub(crate) fn answer(
        &self,
        output: &mut Output<'_>,
        ask: impl FnOnce(&Subject) -> Result<Answer, CommandError>,
    ) -> Result<(), CommandError> {
        if self.asked.paths.is_empty() {
            let reader = self.asked.setup.reader(&self.asked.setup.config()?)?;
            return self.answer_from(reader, output, ask);
        }
        let signals = Signals::hear().map_err(unwritable)?;
        let folder = tempfile::Builder::new().prefix("dmarc-").tempdir().map_err(unwritable)?;
        let dataset = Arc::new(Mutex::new(Dataset::open(folder.path())?));
        // Only now: what is still being made could be made again after it was removed.
        signals.remove(folder.path(), Arc::clone(&dataset));
        let answered = self.answer_from_paths(&folder, &dataset, output, ask);
        // Where a signal ends the run, this waits for that end: files that are gone are no error of ours.
        drop(dataset.lock());
        answered
    }

    fn answer_from_paths(
        &self,
        folder: &TempDir,
        dataset: &Mutex<Dataset>,
        output: &mut Output<'_>,
        ask: impl FnOnce(&Subject) -> Result<Answer, CommandError>,
    ) -> Result<(), CommandError> {
        let mut trouble = Trouble::default();
        self.take_in(dataset, &mut trouble)?;
        // What was refused is said first, so that the answer is what stays on the screen.
        let ended = trouble.finish(output.err);
        self.answer_from(DatasetReader::open(folder.path())?, output, ask)?;
        ended
    }

    fn answer_from(
        &self,
        reader: DatasetReader,
        output: &mut Output<'_>,
        ask: impl FnOnce(&Subject) -> Result<Answer, CommandError>,
    ) -> Result<(), CommandError> {
        let selection = self.asked.scope.selection(|| Ok(reader.newest_day()?), output)?;
        self.write(ask(&Subject { reader, selection })?, output)
    }

    fn write(&self, mut answer: Answer, output: &mut Output<'_>) -> Result<(), CommandError> {
        if let Some(limit) = self.limit {
            answer.limit(limit);
        }
        answer.write(self.format, output.screen, output.out, output.err).map_err(CommandError::output)
    }

    /// Takes what was named into a dataset of its own. Nothing is asked of the network, so no signature is checked.
    fn take_in(&self, dataset: &Mutex<Dataset>, trouble: &mut Trouble) -> Result<(), CommandError> {
        let config = self.asked.setup.named_config()?;
        let settings = Settings { limits: limits(), owner: config.owner, resolver: None, acknowledge: false };
        let mut source = Paths::new(&self.asked.paths, &settings.limits, Config::default().limits.batch());
        let mut intake = Intake::default();
        let taken = ingest(&mut source, dataset, &settings, &mut intake, &AtomicBool::new(false));
        taken.map_err(|error| match error {
            IngestError::Dataset(error) => error.into(),
            error => CommandError::new(Kind::Unreachable, error),
        })?;
        *trouble = intake.into_trouble();
        Ok(())
    }
}

fn unwritable(error: std::io::Error) -> CommandError {
    let cause = anyhow::Error::new(error).context("cannot make a folder for what was named");
    CommandError::new(Kind::Unreachable, cause).hint("TMPDIR says where such folders are made")
}
