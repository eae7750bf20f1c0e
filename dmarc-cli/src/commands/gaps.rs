//! `dmarc gaps`: reports that should have come.

use crate::Output;
use crate::analytics::gaps;
use crate::commands::question::Question;
use crate::error::CommandError;

/// `dmarc gaps`
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    question: Question,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        self.question.answer(output, gaps::ask)
    }
}
