//! What was taken into the dataset, said at the end.

use dmarc_ingest::store::Committed;
use dmarc_ingest::{Observer, Received, SourceError};

use super::trouble::Trouble;
use crate::Output;
use crate::error::CommandError;

/// Hears what is taken in, and says it.
#[derive(Debug, Default)]
pub struct Intake {
    trouble: Trouble,
    sum: Committed,
}

impl Observer for Intake {
    fn mail(&mut self, mail: &Received<'_>) {
        self.trouble.input();
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
    /// Says what was taken in on standard output, and what was wrong on standard error.
    ///
    /// # Errors
    /// The error that gives the exit code, unless all was well.
    pub(crate) fn finish(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let ended = self.trouble.finish(output.err);
        let written = writeln!(output.out, "{}", sentence(&self.sum));
        written.and_then(|()| output.out.flush()).map_err(CommandError::output)?;
        ended
    }
}

/// `12 mails: 10 reports with 84 rows, 1 copy, 1 refused`
fn sentence(sum: &Committed) -> String {
    let mut text = format!(
        "{}: {} with {}",
        plural(sum.mails, "new mail"),
        plural(sum.reports, "new report"),
        plural(sum.rows, "row")
    );
    for (count, what) in [
        (sum.duplicates, "copies of reports"),
        (sum.conflicts, "in conflict"),
        (sum.untrusted, "untrusted"),
        (sum.refused, "refused"),
        (sum.not_reports, "no report"),
        (sum.known, "known before"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text
}

fn plural(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
