//! `dmarc parse`: reports as NDJSON, one line an outcome, in input order; or their records, one a line.

mod flat;

use std::path::PathBuf;

use dmarc_core::{Domain, Error, ErrorReport, Found, Outcome, Parsed, Quirks, Report};
use dmarc_ingest::{MailOutcome, outcomes};
use serde::Serialize;

use crate::Output;
use crate::commands::limits;
use crate::error::CommandError;
use crate::render::{json, rows::FileFormat, trouble::Trouble};

/// The version of the lines.
const SCHEMA: u32 = 1;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Mails, Maildirs, mbox files, folders, .xml, .gz, .zip, .json files; `-` for standard input
    #[arg(required = true, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,

    /// Write one record of an aggregate report a line, with the columns that a dataset has; nothing is verified, and copies are
    /// not left out
    #[arg(long)]
    flat: bool,

    /// How to write the records
    #[arg(long, value_enum, default_value_t = FileFormat::Ndjson, requires = "flat")]
    format: FileFormat,
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    schema: u32,
    source: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    part: &'a str,
    #[serde(flatten)]
    found: Body<'a>,
}

#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Body<'a> {
    Parsed {
        kind: &'static str,
        quirks: &'a Quirks,
        report: &'a Report<'static>,
    },
    Refused {
        error: Refusal,
    },
    NotAReport {
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

#[derive(Serialize)]
struct Refusal {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
}

impl Options {
    /// Writes a line for each outcome, and says at the end what was refused.
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        if self.flat {
            return flat::run(&self.paths, self.format, output);
        }
        let mut trouble = Trouble::default();
        for item in outcomes(&self.paths, &limits()) {
            match item {
                Ok(mail) => write_mail(&mail, output, &mut trouble)?,
                Err(error) => trouble.unreachable(&error),
            }
        }
        output.out.flush().map_err(CommandError::output)?;
        trouble.finish(output.err)
    }
}

fn write_mail(
    mail: &MailOutcome,
    output: &mut Output<'_>,
    trouble: &mut Trouble,
) -> Result<(), CommandError> {
    trouble.look_at(mail);
    if mail.panicked {
        write_line(output, &mail.source, "", Body::Refused { error: Refusal::bug() })
    } else if mail.outcomes.is_empty() {
        write_line(output, &mail.source, "", Body::NotAReport { reason: None })
    } else {
        mail.outcomes.iter().try_for_each(|Outcome { part, found, .. }| {
            write_line(output, &mail.source, part, Body::new(found))
        })
    }
}

fn write_line(
    output: &mut Output<'_>,
    source: &str,
    part: &str,
    found: Body<'_>,
) -> Result<(), CommandError> {
    json::to_line(output.out, &Line { schema: SCHEMA, source, part, found }).map_err(CommandError::output)
}

impl<'a> Body<'a> {
    fn new(found: &'a Found) -> Self {
        match found {
            Found::Report(Parsed { report, quirks, .. }) => {
                Self::Parsed { kind: report.kind(), quirks, report }
            }
            Found::Refused(error) => Self::Refused { error: Refusal::new(error) },
            Found::OtherFeedback(kind) => {
                Self::NotAReport { reason: Some(format!("ARF feedback of type {kind}")) }
            }
            Found::ErrorReport(report) => Self::NotAReport { reason: Some(undelivered(report)) },
            _ => Self::NotAReport { reason: None },
        }
    }
}

fn undelivered(report: &ErrorReport<'_>) -> String {
    let submitter = report.submitter.as_ref().map(Domain::as_str).unwrap_or_default();
    format!(
        "notice that {submitter} could not deliver report {} about {}",
        report.report_id, report.report_domain
    )
}

impl Refusal {
    fn new(error: &Error) -> Self {
        Self { code: error.kind().code(), message: error.kind().to_string(), offset: error.offset() }
    }

    fn bug() -> Self {
        Self { code: "bug", message: "reading stopped at a bug of ours".to_owned(), offset: None }
    }
}
