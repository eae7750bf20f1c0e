//! `dmarc findings`: who sends as a domain without authorisation, worst first.

use std::path::PathBuf;

use dmarc_core::findings::{DomainSummary, Finding, Findings};
use dmarc_core::time::rfc3339;
use dmarc_ingest::Inputs;
use serde::Serialize;

use crate::Output;
use crate::commands::evidence::Evidence;
use crate::commands::setup::Setup;
use crate::error::CommandError;
use crate::render::{findings as table, json};

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
        let (evidence, trouble) = Evidence::gather(&self.paths, &self.setup)?;
        let mut findings = evidence.find();
        let not_shown = if self.all { 0 } else { leave_out(&mut findings.findings) };
        // What was refused is said first, so that the answer is what stays on the screen.
        let ended = trouble.finish(output.err);
        self.write(&findings, not_shown, evidence.inputs(), output)?;
        ended
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
