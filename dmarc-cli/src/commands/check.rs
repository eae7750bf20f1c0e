//! `dmarc check`: what works, what does not, and what to do.
//!
//! Nothing is written but two folders for a moment, where the dataset is; nothing is changed in a mailbox; no secret is
//! shown. What stands in the DNS of own domains never fails a check: it says who reports to whom, not whether this
//! program can work.

mod data;
mod dns;
mod mailbox;
mod record;

use std::io;

use dmarc_ingest::text::chain;
use dmarc_ingest::{Config, Hosts};
use serde::Serialize;

use crate::Output;
use crate::commands::setup::Setup;
use crate::error::{CommandError, Kind};
use crate::render::json;
use crate::render::text::Neutral;

/// The version of the output.
const SCHEMA: u32 = 1;
/// The longest subject, finding and hint shown, in characters.
const WIDTHS: [usize; 3] = [120, 500, 400];
/// What knows the public suffixes; compiled in.
const SUFFIX_LIST: &str = "psl 2.1.247";

/// `dmarc check`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 nothing failed; 2 the configuration is wrong; 4 a mailbox, the DNS or the \
                        folder of the dataset cannot be reached or used; 5 the dataset is damaged."
)]
pub(crate) struct Options {
    #[command(flatten)]
    setup: Setup,

    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Line {
    verdict: Verdict,
    subject: String,
    finding: String,
    /// What to do.
    hint: Option<String>,
    /// What a failure means for the exit code.
    #[serde(skip)]
    failure: Option<Kind>,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// As it should be.
    Ok,
    /// It works, with less; or there is something to know.
    Warn,
    /// It does not work.
    Fail,
}

/// The whole answer as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    schema: u32,
    checks: &'a [Line],
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let mut checks = Checks { lines: Vec::new(), as_json: self.json, output };
        self.look(&mut checks).map_err(CommandError::output)?;
        checks.finish()
    }

    /// Looks at one thing after the other; what was found is shown before the next is waited for.
    fn look(&self, checks: &mut Checks<'_, '_>) -> io::Result<()> {
        let config = match Config::open(self.setup.config.as_deref(), std::env::vars_os()) {
            Ok(config) => config,
            Err(error) => {
                return checks.say(vec![Line::fail(Kind::Usage, "configuration", &chain(&error))]);
            }
        };
        checks.say(self.configured(&config))?;
        checks.say(data::check(self.setup.data.as_deref().or(config.data.as_deref())))?;
        for account in &config.mailboxes {
            checks.say(mailbox::check(account))?;
        }
        checks.say(dns::check(&config))
    }

    fn configured(&self, config: &Config) -> Vec<Line> {
        let file = Config::find(self.setup.config.as_deref(), std::env::vars_os());
        let mut lines = vec![match file {
            Some(path) => Line::ok("configuration", &path.to_string_lossy()),
            None => Line::warn("configuration", "there is no file, and the environment says all there is")
                .hint("`dmarc init` writes one"),
        }];
        if config.owner.domains.is_empty() {
            let line =
                Line::warn("own domains", "none are named: every domain that is reported on counts as own");
            lines.push(line.hint("name them with `owner.domains`"));
        }
        if config.mailboxes.is_empty() {
            lines.push(Line::ok("mailboxes", "none is configured: mail comes by `dmarc import`"));
        }
        if let Some(path) = &config.lookup.hosts_file {
            lines.push(match Hosts::load(path) {
                Ok(hosts) => Line::ok("hosts file", &format!("{} hosts", hosts.len())),
                Err(error) => {
                    Line::fail(Kind::Usage, "hosts file", &chain(&error)).hint("see `lookup.hosts_file`")
                }
            });
        }
        lines.push(Line::ok("suffix list", &format!("{SUFFIX_LIST}, compiled in")));
        lines
    }
}

/// What was found so far.
struct Checks<'a, 'o> {
    lines: Vec<Line>,
    as_json: bool,
    output: &'a mut Output<'o>,
}

impl Checks<'_, '_> {
    fn say(&mut self, lines: Vec<Line>) -> io::Result<()> {
        if !self.as_json {
            lines.iter().try_for_each(|line| line.write(self.output.out))?;
            self.output.out.flush()?;
        }
        self.lines.extend(lines);
        Ok(())
    }

    fn finish(self) -> Result<(), CommandError> {
        if self.as_json {
            let answer = Answer { schema: SCHEMA, checks: &self.lines };
            json::to_line(self.output.out, &answer).map_err(CommandError::output)?;
        }
        let failed: Vec<Kind> = self.lines.iter().filter_map(|line| line.failure).collect();
        match failed.iter().max() {
            None => Ok(()),
            Some(kind) => {
                let (failed, all) = (failed.len(), self.lines.len());
                Err(CommandError::new(*kind, anyhow::anyhow!("{failed} of {all} checks failed")))
            }
        }
    }
}

impl Line {
    fn new(verdict: Verdict, subject: &str, finding: &str) -> Self {
        Self { verdict, subject: subject.to_owned(), finding: finding.to_owned(), hint: None, failure: None }
    }

    fn ok(subject: &str, finding: &str) -> Self {
        Self::new(Verdict::Ok, subject, finding)
    }

    fn warn(subject: &str, finding: &str) -> Self {
        Self::new(Verdict::Warn, subject, finding)
    }

    fn fail(kind: Kind, subject: &str, finding: &str) -> Self {
        Self { failure: Some(kind), ..Self::new(Verdict::Fail, subject, finding) }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        let [subject, finding, hint] = WIDTHS;
        let (subject, finding) = (Neutral::new(&self.subject, subject), Neutral::new(&self.finding, finding));
        writeln!(out, "{verdict:<4}  {subject}: {finding}")?;
        match &self.hint {
            Some(text) => writeln!(out, "      hint: {}", Neutral::new(text, hint)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SUFFIX_LIST;

    #[test]
    fn names_the_suffix_list_that_is_compiled_in() {
        let lock = include_str!("../../../Cargo.lock");
        let (name, version) = SUFFIX_LIST.split_once(' ').unwrap();
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")));
    }
}
