//! What was taken into the dataset, said at the end.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dmarc_ingest::service::Listener;
use dmarc_ingest::store::{Committed, Compacted, DatasetError};
use dmarc_ingest::{IngestError, Observer, Received, SourceError};
use indicatif::{ProgressBar, ProgressStyle};

use super::figures::plural;
use super::trouble::Trouble;
use crate::Output;
use crate::error::CommandError;

/// How long nothing is shown of a run.
const QUIET: Duration = Duration::from_secs(1);

/// Hears what is taken in, and says it.
#[derive(Debug)]
pub struct Intake {
    trouble: Trouble,
    sum: Committed,
    read: u64,
    bar: ProgressBar,
}

impl Default for Intake {
    /// Nothing so far. If standard error is a terminal, it shows how far it is.
    fn default() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{elapsed} {msg}") {
            bar.set_style(style);
        }
        Self { trouble: Trouble::default(), sum: Committed::default(), read: 0, bar }
    }
}

/// An [`Intake`] that several mailboxes tell.
#[derive(Debug, Default)]
pub(crate) struct SharedIntake(Mutex<Intake>);

impl Observer for Intake {
    fn mail(&mut self, mail: &Received<'_>) {
        self.trouble.input();
        self.read += 1;
        if self.bar.elapsed() >= QUIET && !self.bar.is_hidden() {
            self.bar.set_message(format!("{} mails read, {} durable", self.read, self.sum.mails));
        }
        if mail.panicked() {
            self.trouble.bug();
        }
        for (part, reason) in mail.refused() {
            self.trouble.refused(mail.source(), part, reason);
        }
        for (part, rejected) in mail.rejected() {
            self.trouble.partial(mail.source(), part, &format!("{rejected} records cannot be counted"));
        }
    }

    fn unreadable(&mut self, error: &SourceError) {
        self.trouble.unreachable(error);
    }

    fn committed(&mut self, committed: &Committed) {
        self.sum.add(committed);
    }
}

impl Intake {
    /// Nothing so far, for several threads.
    pub(crate) fn shared() -> SharedIntake {
        SharedIntake::default()
    }

    /// Says what was taken in on standard output, and what was wrong on standard error.
    ///
    /// # Errors
    /// The error that gives the exit code, unless all was well.
    pub(crate) fn finish(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        self.bar.finish_and_clear();
        let ended = self.trouble.finish(output.err);
        let written = writeln!(output.out, "{}", sentence(&self.sum));
        written.and_then(|()| output.out.flush()).map_err(CommandError::output)?;
        ended
    }
}

impl Intake {
    /// What was wrong, where what was taken in is not to be said.
    pub(crate) fn into_trouble(self) -> Trouble {
        self.bar.finish_and_clear();
        self.trouble
    }
}

impl SharedIntake {
    fn with(&self, tell: impl FnOnce(&mut Intake)) {
        tell(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// See [`Intake::finish`].
    pub(crate) fn finish(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).finish(output)
    }
}

impl Listener for SharedIntake {
    fn mail(&self, _: &str, mail: &Received<'_>) {
        self.with(|intake| intake.mail(mail));
    }

    fn unreadable(&self, _: &str, error: &SourceError) {
        self.with(|intake| intake.unreadable(error));
    }

    fn committed(&self, _: &str, committed: &Committed) {
        self.with(|intake| intake.committed(committed));
    }

    fn passed(&self, _: &str) {}

    fn failed(&self, _: &str, _: &IngestError, _: Duration) {}

    fn compacted(&self, _: &Result<Compacted, DatasetError>) {}

    fn looked_up(&self, _: usize, _: usize) {}
}

/// `12 mails: 10 reports with 84 rows, 1 copy, 1 refused`
fn sentence(sum: &Committed) -> String {
    let mut text = format!(
        "{}: {} with {}",
        plural(sum.mails, "new mail"),
        plural(sum.reports, "new report"),
        plural(sum.rows, "row")
    );
    let others = [
        (sum.duplicates, "copies of reports"),
        (sum.conflicts, "in conflict"),
        (sum.untrusted, "untrusted"),
        (sum.refused, "refused"),
        (sum.not_reports, "no report"),
        (sum.known, "known before"),
    ];
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        text = format!("{text}, {count} {what}");
    }
    text
}
