//! `dmarc simulate`: what a candidate record would have done to the mail that was reported.

use dmarc_core::findings::{Candidate, CandidatePolicy, Simulated, Subject, service_by_name, simulate};

use crate::Output;
use crate::commands::evidence::Evidence;
use crate::commands::question::Question;
use crate::error::CommandError;
use crate::render::answer::{Answer, Cell, Column, ColumnKind};

/// `dmarc simulate --policy RECORD PATH…`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each figure is a range: at most, all failing mail; at least, without what receivers delivered for reasons of their own. What the reports do not tell is named in the last column."
)]
pub(crate) struct Options {
    /// The record: p, and if wanted sp, np, adkim, aspf, t; such as 'p=reject; adkim=s'
    #[arg(long, value_name = "RECORD", value_parser = policy)]
    policy: CandidatePolicy,

    /// What if the key of this selector were gone; may be repeated
    #[arg(long, value_name = "SELECTOR")]
    lose_selector: Vec<String>,

    /// What if SPF did not cover these hosts: a network, an address, or a service such as 'Amazon SES'; may be repeated
    #[arg(long, value_name = "HOSTS", value_parser = hosts)]
    lose_spf: Vec<Subject>,

    #[command(flatten)]
    question: Question,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let mut candidate = Candidate::default();
        candidate.policy = self.policy;
        candidate.lost_selectors = self.lose_selector.iter().map(|name| name.to_ascii_lowercase()).collect();
        candidate.lost_spf = self.lose_spf;
        self.question.judge(output, |evidence| simulated(evidence, &candidate))
    }
}

fn simulated(evidence: &Evidence, candidate: &Candidate) -> Result<Answer, CommandError> {
    let judged = evidence.judge(&|observed, beside| simulate(observed, &beside.known, candidate))?;
    let text = |name: &str| Column::new(name, ColumnKind::Text);
    let number = |name: &str| Column::new(name, ColumnKind::Number);
    let mut answer = Answer::new(
        "simulate",
        vec![
            text("source"),
            text("class"),
            number("messages"),
            Column::new("dmarc_pass", ColumnKind::Share).head("pass"),
            Column::new("would_pass", ColumnKind::Share).head("would"),
            number("quarantined_least").head("quar ≥"),
            number("quarantined_most").head("quar ≤"),
            number("rejected_least").head("rej ≥"),
            number("rejected_most").head("rej ≤"),
            text("domain"),
            text("id"),
            Column::new("unknown", ColumnKind::List),
        ],
    );
    for domain in judged {
        if let Some(all) = total(&domain) {
            answer.push(row(&all, true));
        }
        for one in &domain {
            answer.push(row(one, false));
        }
    }
    Ok(answer)
}

/// All sources of a domain.
fn total(sources: &[Simulated]) -> Option<Simulated> {
    let mut sources = sources.iter().cloned();
    let first = sources.next()?;
    Some(sources.fold(first, |mut all, one| {
        let pairs = [
            (&mut all.messages, one.messages),
            (&mut all.dmarc_pass, one.dmarc_pass),
            (&mut all.would_pass, one.would_pass),
            (&mut all.quarantined.0, one.quarantined.0),
            (&mut all.quarantined.1, one.quarantined.1),
            (&mut all.rejected.0, one.rejected.0),
            (&mut all.rejected.1, one.rejected.1),
        ];
        for (sum, more) in pairs {
            *sum = sum.saturating_add(more);
        }
        all.unknown.extend(one.unknown);
        all
    }))
}

fn row(one: &Simulated, is_total: bool) -> Vec<Cell> {
    let (source, class, id) = if is_total {
        (format!("all of {}", one.domain), Cell::Null, Cell::Null)
    } else {
        (one.source.clone(), Cell::Text(one.class.as_str().to_owned()), Cell::Text(one.id.clone()))
    };
    vec![
        Cell::Text(source),
        class,
        Cell::Count(one.messages),
        Cell::Share { part: one.dmarc_pass, whole: one.messages },
        Cell::Share { part: one.would_pass, whole: one.messages },
        Cell::Count(one.quarantined.0),
        Cell::Count(one.quarantined.1),
        Cell::Count(one.rejected.0),
        Cell::Count(one.rejected.1),
        Cell::Text(one.domain.clone()),
        id,
        Cell::List(one.unknown.iter().map(|what| (*what).to_owned()).collect()),
    ]
}

fn policy(text: &str) -> Result<CandidatePolicy, String> {
    text.parse().map_err(|error: dmarc_core::findings::CandidateError| error.to_string())
}

fn hosts(text: &str) -> Result<Subject, String> {
    if let Some(service) = service_by_name(text) {
        return Ok(Subject::Service(service.name.clone()));
    }
    let network = text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(Into::into));
    network.map(Subject::Network).map_err(|_| {
        "expected a network such as 192.0.2.0/24, an address, or a service that is known such as 'Amazon SES'".to_owned()
    })
}
