//! `dmarc findings`: who sends as a domain without authorisation, worst first.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use dmarc_core::findings::{Decision, DomainSummary, Finding, Findings, Severity};
use dmarc_core::time::rfc3339;
use dmarc_ingest::Inputs;
use serde::Serialize;

use crate::Output;
use crate::commands::question::Asked;
use crate::error::{CommandError, Kind};
use crate::render::answer::Format;
use crate::render::{findings as table, json};

/// The version of the output.
const SCHEMA: u32 = 2;
/// Findings shown of one domain, unless all are asked for.
const SHOWN: usize = 12;

/// `dmarc findings PATH…`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without a configuration every domain is taken for one's own, no mail is verified and no host is known by name."
)]
pub(crate) struct Options {
    #[command(flatten)]
    asked: Asked,

    /// How to write the findings
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Show every finding, those that ask for nothing too
    #[arg(long)]
    all: bool,

    /// Findings of a domain at most
    #[arg(long, value_name = "N", default_value_t = SHOWN)]
    limit: usize,

    /// End with exit code 1 if a finding is of this severity or worse
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<Severity>,
}

/// The whole answer as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    schema: u32,
    period: Option<Period>,
    domains: &'a [DomainSummary],
    findings: &'a [Finding],
    /// Decisions that are not believed any more.
    expired: &'a [Decision],
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
        let (evidence, ended) = self.asked.gather(output)?;
        let not_shown = AtomicU64::new(0);
        let worst = Mutex::new(None);
        let leave_out = |findings: &mut Vec<Finding>| {
            let asking = findings.iter().filter(|finding| !finding.class.is_quiet());
            let of_these = asking.map(|finding| finding.severity).max();
            let mut worst = worst.lock().unwrap_or_else(PoisonError::into_inner);
            *worst = of_these.max(*worst);
            self.leave_out(findings, &not_shown);
        };
        let mut findings = evidence.find(&|found| leave_out(&mut found.findings))?;
        // Those that are about no record come last.
        leave_out(&mut findings.findings);
        let worst = worst.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.write(&findings, not_shown.into_inner(), evidence.inputs(), output)?;
        let failed = self.fail_on.filter(|least| worst >= Some(*least)).map(|least| {
            let what = format!("there are findings of severity {} or worse", least.as_str());
            CommandError::new(Kind::Findings, anyhow::Error::msg(what))
        });
        CommandError::worst(ended.err().into_iter().chain(failed), output.err)
    }

    /// Leaves out what asks for nothing, and of each domain all but the worst; counts how many that were.
    fn leave_out(&self, findings: &mut Vec<Finding>, not_shown: &AtomicU64) {
        if self.all {
            return;
        }
        let before = findings.len();
        let mut domain = String::new();
        let mut shown = 0;
        // Findings come by domain and worst first.
        findings.retain(|finding| {
            if finding.domain != domain {
                domain.clone_from(&finding.domain);
                shown = 0;
            }
            let show = !finding.class.is_quiet() && shown < self.limit;
            shown += usize::from(show);
            show
        });
        not_shown.fetch_add((before - findings.len()) as u64, Ordering::Relaxed);
    }

    fn write(
        &self,
        findings: &Findings,
        not_shown: u64,
        inputs: &Inputs,
        output: &mut Output<'_>,
    ) -> Result<(), CommandError> {
        let period = findings.period.map(|(begin, end)| Period { begin: rfc3339(begin), end: rfc3339(end) });
        let written = match self.format {
            Format::Table => table::write(output.out, output.screen, findings, not_shown, inputs),
            Format::Json => json::to_line(
                output.out,
                &Answer {
                    schema: SCHEMA,
                    period,
                    domains: &findings.domains,
                    findings: &findings.findings,
                    expired: &findings.expired,
                    not_shown,
                    inputs,
                },
            ),
            Format::Ndjson => {
                findings.findings.iter().try_for_each(|finding| json::to_line(output.out, finding))
            }
            format => table::answer(&findings.findings).write(format, output.screen, output.out, output.err),
        };
        written.and_then(|()| output.out.flush()).map_err(CommandError::output)?;
        if !matches!(self.format, Format::Table | Format::Json) {
            // Standard error may be closed; what is there was written.
            drop(table::write_rest(output.err, findings, not_shown));
        }
        Ok(())
    }
}

fn severity(word: &str) -> Result<Severity, String> {
    let known = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    known
        .into_iter()
        .find(|severity| severity.as_str() == word)
        .ok_or_else(|| "expected info, low, medium, high or critical".to_owned())
}
