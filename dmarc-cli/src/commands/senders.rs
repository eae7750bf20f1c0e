//! `dmarc senders`: who sends as us, by source.

use std::collections::BTreeSet;

use dmarc_core::findings::Findings;

use crate::Output;
use crate::commands::evidence::Evidence;
use crate::commands::question::Question;
use crate::error::CommandError;
use crate::render::answer::{Answer, Cell, Column, ColumnKind};
use crate::render::senders::by_source;

/// `dmarc senders PATH…`
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    question: Question,
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
            number("delivered"),
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
    for ((domain, _), sender) in senders {
        let (first, last) = sender.seen.unzip();
        let classes: BTreeSet<&str> = sender.findings.iter().map(|finding| finding.class.as_str()).collect();
        answer.push(vec![
            Cell::Text(sender.name().to_owned()),
            Cell::Text(domain.to_owned()),
            Cell::List(classes.into_iter().map(str::to_owned).collect()),
            Cell::Count(sender.messages),
            Cell::Share { part: sender.dmarc_pass, whole: sender.messages },
            Cell::Count(sender.delivered),
            Cell::Count(sender.hosts()),
            Cell::day(first),
            Cell::day(last),
            Cell::List(sender.findings.iter().map(|finding| finding.id.clone()).collect()),
        ]);
    }
    answer
}
