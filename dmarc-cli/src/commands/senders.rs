//! `dmarc senders`: who sends as us, by source.

use std::collections::{BTreeMap, BTreeSet};

use dmarc_core::findings::{Finding, Findings};

use crate::Output;
use crate::commands::evidence::Evidence;
use crate::commands::question::Question;
use crate::error::CommandError;
use crate::render::answer::{Answer, Cell, Column, ColumnKind};

/// `dmarc senders PATH…`
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    question: Question,
}

/// All findings about one source.
#[derive(Default)]
pub(super) struct Sender<'f> {
    pub(super) messages: u64,
    pub(super) dmarc_pass: u64,
    delivered_failing: u64,
    hosts: BTreeSet<std::net::IpAddr>,
    seen: Option<(i64, i64)>,
    pub(super) findings: Vec<&'f Finding>,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        self.question.judge(output, senders)
    }
}

fn senders(evidence: &Evidence) -> Result<Answer, CommandError> {
    let found = evidence.find_in(evidence.selection(), &|_| {})?;
    Ok(answer(&found))
}

fn answer(found: &Findings) -> Answer {
    let text = |name: &str| Column::new(name, ColumnKind::Text);
    let number = |name: &str| Column::new(name, ColumnKind::Number);
    let mut answer = Answer::new(
        "senders",
        vec![
            text("source"),
            text("domain"),
            Column::new("classes", ColumnKind::List),
            number("messages"),
            Column::new("dmarc_pass", ColumnKind::Share).head("pass"),
            number("delivered_failing").head("delivered"),
            number("hosts"),
            Column::new("first_seen", ColumnKind::Time).head("since"),
            Column::new("last_seen", ColumnKind::Time).head("last"),
            Column::new("findings", ColumnKind::List),
        ],
    );
    let mut senders: Vec<_> = by_source(&found.findings).into_iter().collect();
    // By domain, and then those that send most first.
    senders.sort_by(|((domain, a), one), ((other, b), two)| {
        (domain, two.messages, a).cmp(&(other, one.messages, b))
    });
    for ((domain, source), sender) in senders {
        let (first, last) = sender.seen.unzip();
        let classes: BTreeSet<&str> = sender.findings.iter().map(|finding| finding.class.as_str()).collect();
        answer.push(vec![
            Cell::Text(source.to_owned()),
            Cell::Text(domain.to_owned()),
            Cell::List(classes.into_iter().map(str::to_owned).collect()),
            Cell::Count(sender.messages),
            Cell::Share { part: sender.dmarc_pass, whole: sender.messages },
            Cell::Count(sender.delivered_failing),
            Cell::Count(sender.hosts.len() as u64),
            Cell::day(first),
            Cell::day(last),
            Cell::List(sender.findings.iter().map(|finding| finding.id.clone()).collect()),
        ]);
    }
    answer
}

/// By domain and source.
pub(super) fn by_source(findings: &[Finding]) -> BTreeMap<(&str, &str), Sender<'_>> {
    let mut senders: BTreeMap<(&str, &str), Sender<'_>> = BTreeMap::new();
    for finding in findings {
        let sender = senders.entry((&finding.domain, &finding.source.name)).or_default();
        sender.messages = sender.messages.saturating_add(finding.messages);
        sender.dmarc_pass = sender.dmarc_pass.saturating_add(finding.dmarc_pass);
        sender.delivered_failing = sender.delivered_failing.saturating_add(finding.delivered_failing());
        sender.hosts.extend(&finding.source.ips);
        let (first, last) = sender.seen.unwrap_or((finding.first_seen, finding.last_seen));
        sender.seen = Some((first.min(finding.first_seen), last.max(finding.last_seen)));
        sender.findings.push(finding);
    }
    senders
}
