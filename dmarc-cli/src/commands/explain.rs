//! `dmarc explain`: a finding, a report, a host or a domain, down to its rows, its reports and the mails they came in.

use std::net::IpAddr;

use dmarc_core::Domain;
use dmarc_core::domain::organizational;
use dmarc_core::findings::{
    DomainSummary, FailureObservation, Finding, Findings, HostFacts, HostSummary, ReportSummary,
    is_finding_id,
};
use dmarc_ingest::NamedReport;
use serde::Serialize;

use crate::Output;
use crate::commands::question::Asked;
use crate::error::{CommandError, Kind};
use crate::render::{explain, json};

/// The version of the output.
const SCHEMA: u32 = 1;

/// `dmarc explain ID PATH…`
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The id of a finding (F-7KQ2M9), an address, a domain, the identifier of a report, or the Message-ID of a message that a
    /// failure report is about
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    asked: Asked,

    /// Rows of a finding at most
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,

    /// How to write the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs: one object
    Json,
}

/// What the id may mean.
enum Subject {
    Finding(String),
    Host(IpAddr),
    Other(String),
}

/// What there is to say.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Explanation {
    schema: u32,
    /// Findings that are meant, or that the host or domain has.
    pub(crate) findings: Vec<Finding>,
    /// What is known of the host, by domain.
    pub(crate) hosts: Vec<HostOfDomain>,
    /// Key figures of the domain.
    pub(crate) domains: Vec<DomainSummary>,
    /// The reports of this identifier.
    pub(crate) reports: Vec<ReportSummary>,
    /// TLS reports of this identifier.
    pub(crate) tls_reports: Vec<NamedReport>,
    /// Failure reports about the message with this `Message-ID`.
    pub(crate) failures: Vec<FailureOfMessage>,
}

/// A failure report about a message.
#[derive(Debug, Serialize)]
pub(crate) struct FailureOfMessage {
    pub(crate) message_id: String,
    pub(crate) domain: String,
    pub(crate) source_ip: IpAddr,
    /// When the message arrived, in seconds since the Unix epoch, UTC.
    pub(crate) arrived: Option<i64>,
    pub(crate) origin: String,
}

impl From<&FailureObservation> for FailureOfMessage {
    fn from(failure: &FailureObservation) -> Self {
        Self {
            message_id: failure.message_id.clone().unwrap_or_default(),
            domain: failure.domain.clone(),
            source_ip: failure.source_ip,
            arrived: failure.arrived,
            origin: failure.origin.clone(),
        }
    }
}

/// A host, as one domain sees it.
#[derive(Debug, Serialize)]
pub(crate) struct HostOfDomain {
    pub(crate) domain: String,
    #[serde(skip)]
    pub(crate) facts: HostFacts,
    pub(crate) summary: HostSummary,
}

impl Subject {
    fn new(id: &str) -> Self {
        if let Ok(ip) = id.parse() {
            return Self::Host(ip);
        }
        let upper = id.to_ascii_uppercase();
        if is_finding_id(&upper) { Self::Finding(upper) } else { Self::Other(id.to_owned()) }
    }

    /// Whether a finding is meant.
    fn is(&self, finding: &Finding) -> bool {
        match self {
            Self::Finding(id) => finding.id == *id,
            Self::Host(ip) => finding.source.ips.contains(ip),
            Self::Other(name) => finding.domain == organizational(Domain::new(name.as_str()).as_str()),
        }
    }
}

impl Explanation {
    fn take(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.hosts.extend(other.hosts);
        self.domains.extend(other.domains);
        self.reports.extend(other.reports);
    }

    fn is_empty(&self) -> bool {
        self.findings.is_empty()
            && self.hosts.is_empty()
            && self.domains.is_empty()
            && self.reports.is_empty()
            && self.tls_reports.is_empty()
            && self.failures.is_empty()
    }
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let subject = Subject::new(&self.id);
        let (evidence, ended) = self.asked.gather(output)?;
        let judged = evidence.judge(&|observed, beside| {
            let beside = beside.with_rows(self.limit);
            let mut found =
                beside.find(observed, |found| found.findings.retain(|finding| subject.is(finding)));
            let mut about = Explanation { findings: found.findings, ..Explanation::default() };
            match &subject {
                Subject::Finding(_) => {}
                Subject::Host(ip) => {
                    about.hosts.extend(observed.host_summary(*ip).map(|summary| HostOfDomain {
                        domain: observed.name().to_owned(),
                        facts: (beside.known.host)(*ip),
                        summary,
                    }));
                }
                Subject::Other(name) => {
                    let domain = Domain::new(name.as_str());
                    found.domains.retain(|summary| summary.domain == domain.organizational());
                    about.domains = found.domains;
                    about.reports = beside.reports(observed, name);
                }
            }
            about
        })?;
        let mut explanation = Explanation { schema: SCHEMA, ..Explanation::default() };
        for about in judged {
            explanation.take(about);
        }
        let beside = evidence.beside().findings;
        explanation.findings.extend(beside.into_iter().filter(|finding| subject.is(finding)));
        worst_first(&mut explanation.findings);
        if let Subject::Other(name) = &subject {
            explanation.tls_reports = evidence.tls_reports(name)?;
            explanation.failures = evidence.failures(name).map(Into::into).collect();
        }
        if explanation.is_empty() {
            return Err(nothing(&self.id));
        }
        let written = match self.format {
            Format::Text => explain::write(output.out, output.screen, &explanation),
            Format::Json => json::to_line(output.out, &explanation),
        };
        written.and_then(|()| output.out.flush()).map_err(CommandError::output)?;
        ended
    }
}

/// Findings of one domain as [`Findings::sort`] has them.
fn worst_first(findings: &mut Vec<Finding>) {
    let mut sorted = Findings::default();
    std::mem::swap(&mut sorted.findings, findings);
    sorted.sort();
    *findings = sorted.findings;
}

fn nothing(id: &str) -> CommandError {
    CommandError::new(Kind::Usage, anyhow::anyhow!("{id}: nothing in the reports has this id"))
        .hint("it is the id of a finding, an address, a domain, the identifier of a report or a Message-ID")
        .hint("over files, name the same files and configuration as for `dmarc findings`")
}
