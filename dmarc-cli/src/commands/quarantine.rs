//! `dmarc quarantine`: what could not be trusted, with the reason.

use dmarc_ingest::store::Kept;

use crate::Output;
use crate::commands::setup::{Setup, settings};
use crate::error::{CommandError, Kind};
use crate::render::figures::plural;
use crate::render::json;
use crate::render::text::Neutral;

/// The version of the output.
const SCHEMA: u32 = 1;

/// `dmarc quarantine …`
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show what is kept aside, one line a part
    List {
        #[command(flatten)]
        setup: Setup,
        /// Write JSON, one line a part
        #[arg(long)]
        json: bool,
    },
    /// Write a mail that is kept aside to standard output, as it was received
    Show(One),
    /// Read mails that are kept aside once more, with what is configured and known now
    Retry(Several),
    /// Throw mails that are kept aside away; what became of them stays known
    Drop(Several),
}

#[derive(Debug, clap::Args)]
struct One {
    /// Its name in the list
    id: String,
    #[command(flatten)]
    setup: Setup,
}

#[derive(Debug, clap::Args)]
struct Several {
    /// Their names in the list
    #[arg(required_unless_present = "all")]
    ids: Vec<String>,
    /// All of them
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    setup: Setup,
}

#[derive(serde::Serialize)]
struct Line<'a> {
    schema: u32,
    #[serde(flatten)]
    kept: &'a Kept,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        match self.verb {
            Verb::List { setup, json } => list(&setup, json, output),
            Verb::Show(one) => one.show(output),
            Verb::Retry(several) => several.retry(output),
            Verb::Drop(several) => several.drop_kept(output),
        }
    }
}

fn list(setup: &Setup, as_json: bool, output: &mut Output<'_>) -> Result<(), CommandError> {
    let kept = setup.reader(&setup.config()?)?.quarantine()?;
    let line = |kept: &Kept| {
        if as_json {
            return json::to_line(output.out, &Line { schema: SCHEMA, kept });
        }
        let gap = if kept.part.is_empty() { "" } else { " " };
        writeln!(
            output.out,
            "{}  {:<9}  {}{gap}{}: {}",
            kept.id,
            kept.outcome,
            Neutral::new(&kept.source, 60),
            Neutral::new(&kept.part, 60),
            Neutral::new(&kept.reason, 200)
        )
    };
    kept.iter().try_for_each(line).map_err(CommandError::output)
}

impl One {
    fn show(&self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let reader = self.setup.reader(&self.setup.config()?)?;
        let bytes = reader.quarantined(&self.id)?.ok_or_else(|| unknown(&self.id))?;
        output.out.write_all(&bytes).map_err(CommandError::output)
    }
}

impl Several {
    fn retry(&self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let config = self.setup.config()?;
        let settings = settings(&config)?;
        let mut dataset = self.setup.dataset(&config)?;
        let mut left = 0;
        for id in self.names()? {
            let committed = dataset.retry(&id, &settings)?.ok_or_else(|| unknown(&id))?;
            left += u64::from(dataset.reader()?.quarantined(&id)?.is_some());
            writeln!(
                output.out,
                "{id}  {} stored, {} refused, {} untrusted, {} in conflict",
                plural(committed.reports, "report"),
                committed.refused,
                committed.untrusted,
                committed.conflicts
            )
            .map_err(CommandError::output)?;
        }
        if left == 0 {
            return Ok(());
        }
        let stay = if left == 1 { "stays" } else { "stay" };
        let what = format!("{} {stay} kept aside", plural(left, "mail"));
        Err(CommandError::new(Kind::Refused, anyhow::Error::msg(what)))
    }

    fn drop_kept(&self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let mut dataset = self.setup.dataset(&self.setup.config()?)?;
        for id in self.names()? {
            if !dataset.drop_kept(&id)? {
                return Err(unknown(&id));
            }
            writeln!(output.out, "{id}  dropped").map_err(CommandError::output)?;
        }
        Ok(())
    }

    /// The names that were given, or all that have a file.
    fn names(&self) -> Result<Vec<String>, CommandError> {
        if !self.all {
            return Ok(self.ids.clone());
        }
        let kept = self.setup.reader(&self.setup.config()?)?.quarantine()?;
        let mut ids: Vec<String> =
            kept.into_iter().filter(|kept| kept.file.is_some()).map(|kept| kept.id).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}

fn unknown(id: &str) -> CommandError {
    CommandError::new(Kind::Usage, anyhow::anyhow!("nothing of the name {id:?} is kept aside"))
        .hint("`dmarc quarantine list` shows the names; 8 digits are enough")
}
