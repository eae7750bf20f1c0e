//! `dmarc tls`: TLS sessions that failed.

use crate::Output;
use crate::analytics::tls;
use crate::commands::question::Question;
use crate::error::CommandError;

/// `dmarc tls`
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    question: Question,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        self.question.answer(output, tls::ask)
    }
}
