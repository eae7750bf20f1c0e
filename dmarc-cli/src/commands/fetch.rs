//! `dmarc fetch`: one pass over the mailboxes, then the end. For cron.

use std::time::Duration;

use dmarc_ingest::IngestError;

use crate::Output;
use crate::commands::setup::{Setup, accounts, service};
use crate::error::{CommandError, Kind};
use crate::render::intake::Intake;

/// How long hosts are looked up at the end.
const HOSTS_TIME: Duration = Duration::from_secs(30);

/// `dmarc fetch`
#[derive(Debug, clap::Args)]
#[command(after_help = "Nothing is fetched twice: the dataset knows how far each folder is read.")]
pub(crate) struct Options {
    /// The mailboxes to read, by their names in the configuration; all of them unless named
    #[arg(value_name = "MAILBOX")]
    mailboxes: Vec<String>,

    /// Read everything, keep nothing, and change nothing in the mailboxes
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    setup: Setup,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let config = self.setup.config()?;
        let accounts = accounts(&config, &self.mailboxes)?;
        // A dry run has a dataset of its own, that nobody sees.
        let scratch = self.dry_run.then(tempfile::tempdir).transpose().map_err(CommandError::output)?;
        let data =
            scratch.as_ref().map_or_else(|| self.setup.data(&config), |scratch| Ok(scratch.path().into()))?;
        let mut service = service(&config, &data)?;
        service.options.dry_run = self.dry_run;
        let intake = Intake::shared();
        let fetched = service.fetch(&accounts, &intake);
        let mut failures: Vec<CommandError> =
            fetched.into_iter().map(|(mailbox, error)| failure(&mailbox, error)).collect();
        let is_sound = failures.iter().all(|failure| failure.kind() != Kind::Dataset);
        if !self.dry_run && is_sound {
            failures.extend(service.look_up_hosts(&intake, HOSTS_TIME).err().map(CommandError::from));
            failures.extend(service.compact().err().map(CommandError::from));
        }
        // What was taken in is said first, and then everything that was not.
        failures.extend(intake.finish(output).err());
        CommandError::worst(failures, output.err)
    }
}

fn failure(mailbox: &str, error: IngestError) -> CommandError {
    match error {
        IngestError::Dataset(error) => error.into(),
        error => CommandError::new(Kind::Unreachable, error)
            .hint(format!("`dmarc check` looks at every step of the way to mailbox {mailbox}")),
    }
}
