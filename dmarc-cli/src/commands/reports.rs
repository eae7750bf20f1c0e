//! `dmarc reports`: what arrived.

use crate::Output;
use crate::analytics::reports;
use crate::commands::question::Question;
use crate::error::CommandError;

/// `dmarc reports`
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    question: Question,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        self.question.answer(output, reports::ask)
    }
}
