//! `dmarc findings`: who sends as a domain without authorisation, worst first.

use std::path::PathBuf;

use dmarc_core::findings::{DomainSummary, Finding, Findings, Input, find};
use dmarc_core::time::rfc3339;
use dmarc_ingest::{Collected, Collection, Config, Hosts, Inputs, host_facts, outcomes};
use serde::Serialize;

use crate::Output;
use crate::commands::limits;
use crate::commands::setup::Setup;
use crate::error::CommandError;
use crate::render::{findings as table, json, trouble::Trouble};

/// The version of the output.
const SCHEMA: u32 = 1;
/// Findings shown of one domain, unless all are asked for.
const SHOWN: usize = 12;

/// `dmarc findings PATH…`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without a configuration every domain is taken for one's own, no mail is verified and no host is known by name."
)]
pub(crate) struct Options {
    /// Mail, Maildir, mbox, report or folder of these; `-` reads standard input; without any, the dataset
    #[arg(value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    setup: Setup,

    /// How to write the findings
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Show every finding, those that ask for nothing too
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    /// For people
    #[default]
    Table,
    /// For programs: one object
    Json,
}

/// The whole answer as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    schema: u32,
    period: Option<Period>,
    domains: &'a [DomainSummary],
    findings: &'a [Finding],
    /// Findings left out: more than 12 of one domain, or asking for nothing.
    not_shown: u64,
    inputs: &'a Inputs,
}

#[derive(Serialize)]
struct Period {
    begin: String,
    end: String,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let is_dataset = self.paths.is_empty();
        let config = if is_dataset { self.setup.config() } else { self.setup.named_config() }?;
        let hosts = config.lookup.hosts_file.as_deref().map(Hosts::load).transpose()?;
        let mut trouble = Trouble::default();
        let reader = is_dataset.then(|| self.setup.reader(&config)).transpose()?;
        let collected = match &reader {
            Some(reader) => reader.collected()?,
            None => self.collect(&config, &mut trouble),
        };
        let looked_up = |ip| reader.as_ref().and_then(|reader| reader.host(ip).ok().flatten());
        let host = |ip| {
            let listed = hosts.as_ref().and_then(|hosts| hosts.get(ip)).cloned();
            host_facts(&config.owner, listed.or_else(|| looked_up(ip)).as_ref(), ip)
        };
        let mut input = Input::new(&collected.records, &host);
        input.tls = &collected.tls;
        input.failures = &collected.failures;
        input.set_aside = &collected.set_aside;
        let mut findings = find(&input);
        let not_shown = if self.all { 0 } else { leave_out(&mut findings.findings) };
        // What was refused is said first, so that the answer is what stays on the screen.
        let ended = trouble.finish(output.err);
        self.write(&findings, not_shown, &collected.inputs, output)?;
        ended
    }

    /// Reads what was named, once, and keeps nothing.
    fn collect(&self, config: &Config, trouble: &mut Trouble) -> Collected {
        let mut collection = Collection::new(config.owner.clone());
        for item in outcomes(&self.paths, &limits()) {
            match item {
                Ok(mail) => {
                    trouble.look_at(&mail);
                    collection.add(mail);
                }
                Err(error) => trouble.unreachable(&error),
            }
        }
        collection.finish()
    }

    fn write(
        &self,
        findings: &Findings,
        not_shown: u64,
        inputs: &Inputs,
        output: &mut Output<'_>,
    ) -> Result<(), CommandError> {
        let written = match self.format {
            Format::Table => table::write(output.out, output.screen, findings, not_shown, inputs),
            Format::Json => json::to_line(
                output.out,
                &Answer {
                    schema: SCHEMA,
                    period: findings
                        .period
                        .map(|(begin, end)| Period { begin: rfc3339(begin), end: rfc3339(end) }),
                    domains: &findings.domains,
                    findings: &findings.findings,
                    not_shown,
                    inputs,
                },
            ),
        };
        written.and_then(|()| output.out.flush()).map_err(CommandError::output)
    }
}

/// Leaves out what asks for nothing, and of each domain all but the worst; says how many that were.
fn leave_out(findings: &mut Vec<Finding>) -> u64 {
    let before = findings.len();
    let mut domain = String::new();
    let mut shown = 0;
    // Findings come by domain and worst first.
    findings.retain(|finding| {
        if finding.domain != domain {
            domain.clone_from(&finding.domain);
            shown = 0;
        }
        let show = !finding.class.is_quiet() && shown < SHOWN;
        shown += usize::from(show);
        show
    });
    (before - findings.len()) as u64
}
