//! What went wrong during a run, said once at its end.

use std::io::{self, Write};

use dmarc_core::{Found, Outcome, Report};
use dmarc_ingest::text::chain;
use dmarc_ingest::{MailOutcome, SourceError};

use super::text::Neutral;
use crate::error::{CommandError, Kind};

/// How many items of each sort are named.
const NAMED: usize = 20;
/// The longest name or reason shown, in characters.
const WIDTH: usize = 200;

/// Collects what was refused or could not be reached; memory for the named ones only.
#[derive(Debug, Default)]
pub struct Trouble {
    inputs: u64,
    refused: Named,
    /// Reports of which some records cannot be counted.
    partial: Named,
    unreachable: Named,
    bugs: u64,
}

#[derive(Debug, Default)]
struct Named {
    /// Different lines, and how often each came in a row.
    lines: Vec<(String, u64)>,
    count: u64,
}

impl Trouble {
    /// Notes whatever is wrong with what `mail` gave.
    pub fn look_at(&mut self, mail: &MailOutcome) {
        self.inputs += 1;
        if mail.panicked {
            self.bug();
            self.refused(&mail.source, "", "reading stopped at a bug of ours; please report it");
        }
        for Outcome { part, found, .. } in &mail.outcomes {
            match found {
                Found::Refused(error) => self.refused(&mail.source, part, &chain(error)),
                Found::Report(parsed) => self.look_at_records(&mail.source, part, &parsed.report),
                _ => {}
            }
        }
    }

    /// Notes a path that could not be read.
    pub fn unreachable(&mut self, error: &SourceError) {
        self.unreachable.add(Neutral::new(&chain(error), WIDTH).to_string());
    }

    /// Notes that there was one more input.
    pub fn input(&mut self) {
        self.inputs += 1;
    }

    /// Notes that there was one more bug of ours.
    pub fn bug(&mut self) {
        self.bugs += 1;
    }

    /// Notes a report of which some records cannot be counted.
    pub fn partial(&mut self, source: &str, part: &str, reason: &str) {
        self.partial.add(named(source, part, reason));
    }

    /// Notes a part that was refused.
    pub fn refused(&mut self, source: &str, part: &str, reason: &str) {
        self.refused.add(named(source, part, reason));
    }

    /// Says on `err` what was noted, if anything was.
    ///
    /// # Errors
    /// The error that gives the exit code, unless nothing was noted.
    pub fn finish(self, err: &mut dyn Write) -> Result<(), CommandError> {
        let Some(kind) = self.worst() else { return Ok(()) };
        // Standard error may be closed; the exit code still tells.
        drop(self.write(err));
        Err(CommandError::new(kind, anyhow::Error::msg(self.summary())))
    }

    fn look_at_records(&mut self, source: &str, part: &str, report: &Report<'_>) {
        let Report::Aggregate(report) = report else { return };
        let Some(first) = report.rejected_records.first() else { return };
        let (rejected, all) =
            (report.rejected_records.len(), report.rejected_records.len() + report.records.len());
        let reason =
            format!("{rejected} of {all} records set aside, record {}: {}", first.index, first.reason);
        self.partial(source, part, &reason);
    }

    fn worst(&self) -> Option<Kind> {
        let noted = [
            (self.bugs, Kind::Bug),
            (self.unreachable.count, Kind::Unreachable),
            (self.refused.count + self.partial.count, Kind::Refused),
        ];
        noted.into_iter().filter(|(count, _)| *count > 0).map(|(_, kind)| kind).max()
    }

    fn write(&self, err: &mut dyn Write) -> io::Result<()> {
        self.refused.write("refused", err)?;
        self.partial.write("read in part", err)?;
        self.unreachable.write("not read", err)
    }

    fn summary(&self) -> String {
        let kinds =
            [(&self.refused, "refused"), (&self.partial, "read in part"), (&self.unreachable, "not read")];
        let kinds = kinds.into_iter().filter(|(named, _)| named.count > 0);
        let parts: Vec<_> = kinds.map(|(named, what)| format!("{} {what}", named.count)).collect();
        let inputs = if self.inputs == 1 { "input" } else { "inputs" };
        format!("{} {inputs} read; {}", self.inputs, parts.join(", "))
    }
}

impl Named {
    fn add(&mut self, line: String) {
        self.count += 1;
        let named = self.lines.len();
        match self.lines.last_mut() {
            Some((last, times)) if *last == line => *times += 1,
            _ if named < NAMED => self.lines.push((line, 1)),
            _ => {}
        }
    }

    fn write(&self, title: &str, err: &mut dyn Write) -> io::Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        writeln!(err, "{title}:")?;
        for (line, times) in &self.lines {
            match times {
                1 => writeln!(err, "  {line}")?,
                _ => writeln!(err, "  {line} ({times} times)")?,
            }
        }
        match self.count - self.lines.iter().map(|(_, times)| times).sum::<u64>() {
            0 => Ok(()),
            more => writeln!(err, "  and {more} more"),
        }
    }
}

fn named(source: &str, part: &str, reason: &str) -> String {
    let gap = if part.is_empty() { "" } else { " " };
    let (source, part) = (Neutral::new(source, WIDTH), Neutral::new(part, WIDTH));
    format!("{source}{gap}{part}: {}", Neutral::new(reason, WIDTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_nothing_if_nothing_was_wrong() {
        let mut err = Vec::new();
        assert!(Trouble::default().finish(&mut err).is_ok());
        assert!(err.is_empty());
    }

    #[test]
    fn names_twenty_and_counts_the_rest() {
        let mut trouble = Trouble::default();
        for n in 0..25 {
            trouble.refused(&format!("new/{n}"), "2/\u{1b}.xml", "XML is not well-formed");
        }
        let mut err = Vec::new();
        let error = trouble.finish(&mut err).unwrap_err();
        let text = String::from_utf8(err).unwrap();
        assert_eq!(error.kind(), Kind::Refused);
        assert_eq!(text.lines().count(), 22);
        assert!(text.starts_with("refused:\n  new/0 2/\\u{1b}.xml: XML is not well-formed\n"), "{text}");
        assert!(text.ends_with("  and 5 more\n"), "{text}");
    }

    #[test]
    fn names_the_same_thing_in_a_row_once() {
        let mut trouble = Trouble::default();
        for _ in 0..30 {
            trouble.refused("all.json", "", "JSON is not well-formed");
        }
        trouble.refused("other.json", "", "JSON is not well-formed");
        let mut err = Vec::new();
        drop(trouble.finish(&mut err));
        let expected = "refused:\n  all.json: JSON is not well-formed (30 times)\n  other.json: JSON is not well-formed\n";
        assert_eq!(String::from_utf8(err).unwrap(), expected);
    }

    #[test]
    fn takes_the_worst_of_what_was_noted_for_the_exit_code() {
        let mut trouble = Trouble::default();
        trouble.refused("a", "", "x");
        assert_eq!(trouble.worst(), Some(Kind::Refused));
        trouble.unreachable.add("b".to_owned());
        assert_eq!(trouble.worst(), Some(Kind::Unreachable));
        trouble.bug();
        assert_eq!(trouble.worst(), Some(Kind::Bug));
    }
}
