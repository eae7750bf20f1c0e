//! `dmarc summary`: key figures of each domain.

use crate::Output;
use crate::analytics::summary;
use crate::commands::question::Question;
use crate::error::CommandError;

/// `dmarc summary`
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    question: Question,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        self.question.answer(output, summary::ask)
    }
}
