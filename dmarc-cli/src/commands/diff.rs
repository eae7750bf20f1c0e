//! `dmarc diff`: two periods compared, source by source.

use std::collections::BTreeSet;

use dmarc_core::findings::Findings;
use dmarc_core::time::rfc3339;

use crate::Output;
use crate::commands::evidence::Evidence;
use crate::commands::question::Question;
use crate::commands::scope::{When, when};
use crate::error::{CommandError, Kind};
use crate::render::answer::{Answer, Cell, Column, ColumnKind};
use crate::render::figures::percent;
use crate::render::senders::{Sender, by_source};

/// Days of both periods together, unless a time is asked for.
const DAYS: i64 = 14;
const DAY: i64 = 86_400;
/// By how many percent more or less of its mail passes where a source is said to have changed.
const PASS_POINTS: u64 = 2;

/// `dmarc diff PATH…`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Compares the last 7 days of the data, or before --until, with the 7 days before; after --since, one half with the other; unless --split says otherwise."
)]
pub(crate) struct Options {
    /// Where the second period begins: a date, an RFC 3339 time, or an age, which counts back from --until; without it, in the
    /// middle
    #[arg(long, value_name = "WHEN", value_parser = when)]
    split: Option<When>,

    #[command(flatten)]
    question: Question,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let split = self.split;
        self.question.since(DAYS).judge(output, |evidence| diff(evidence, split))
    }
}

fn diff(evidence: &Evidence, split: Option<When>) -> Result<Answer, CommandError> {
    let selection = evidence.selection();
    let end = evidence.end()?.unwrap_or_default();
    let begin = selection.since.unwrap_or_else(|| end.saturating_sub(DAYS * DAY));
    let middle = begin.saturating_add(end.saturating_sub(begin) / DAY / 2 * DAY);
    let split = split.map_or(middle, |split| split.first(end));
    let (mut before, mut after) = (selection.clone(), selection.clone());
    before.since = Some(begin);
    before.until = Some(before.until.map_or(split - 1, |until| until.min(split - 1)));
    after.since = Some(split.max(begin));
    let both = (evidence.find_in(&before, &|_| {})?, evidence.find_in(&after, &|_| {})?);
    match (both.0.domains.is_empty(), both.1.domains.is_empty()) {
        (true, false) => Err(nothing(begin, split)),
        (false, true) => Err(nothing(split, end)),
        _ => Ok(answer(&both.0, &both.1)),
    }
}

/// One side of the comparison is empty: that would call everything new, or gone.
fn nothing(from: i64, until: i64) -> CommandError {
    let (from, until) = (rfc3339(from), rfc3339(until.saturating_sub(1)));
    CommandError::new(
        Kind::Usage,
        anyhow::anyhow!("no report begins from {from} to {until}: there is nothing to compare with"),
    )
    .hint("--since and --until say which time is looked at, --split where its second part begins")
}

fn answer(before: &Findings, after: &Findings) -> Answer {
    let text = |name: &str| Column::new(name, ColumnKind::Text);
    let number = |name: &str| Column::new(name, ColumnKind::Number);
    let mut answer = Answer::new(
        "diff",
        vec![
            text("change"),
            text("source"),
            text("domain"),
            number("messages_before").head("before"),
            number("messages_after").head("after"),
            Column::new("pass_before", ColumnKind::Share).head("pass"),
            Column::new("pass_after", ColumnKind::Share).head("pass"),
            text("cause"),
            Column::new("findings", ColumnKind::List),
        ],
    );
    let days = (covered(before), covered(after));
    let (before, after) = (by_source(&before.findings), by_source(&after.findings));
    let keys: BTreeSet<&(&str, &str)> = before.keys().chain(after.keys()).collect();
    let mut rows: Vec<(u64, Vec<Cell>)> = Vec::new();
    for key @ (domain, _) in keys {
        let none = Sender::default();
        let (a, b) = (before.get(key).unwrap_or(&none), after.get(key).unwrap_or(&none));
        let Some((change, cause)) = change(a, b, days) else { continue };
        let ids: BTreeSet<&str> =
            a.findings.iter().chain(&b.findings).map(|finding| finding.id.as_str()).collect();
        let row = vec![
            Cell::Text(change.to_owned()),
            Cell::Text(if b.messages > 0 { b.name() } else { a.name() }.to_owned()),
            Cell::Text((*domain).to_owned()),
            Cell::Count(a.messages),
            Cell::Count(b.messages),
            Cell::Share { part: a.dmarc_pass, whole: a.messages },
            Cell::Share { part: b.dmarc_pass, whole: b.messages },
            Cell::Text(cause),
            Cell::List(ids.into_iter().map(str::to_owned).collect()),
        ];
        rows.push((a.messages.abs_diff(b.messages), row));
    }
    // The largest change first; what is equal stays in order of its name.
    rows.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    for (_, row) in rows {
        answer.push(row);
    }
    answer
}

/// Days of which there are reports; of the domain that has most.
fn covered(found: &Findings) -> u64 {
    found.domains.iter().map(|domain| domain.days.len() as u64).max().unwrap_or_default()
}

/// What changed about a source, and what the later period says of it; nothing if it did not change.
fn change(before: &Sender<'_>, after: &Sender<'_>, days: (u64, u64)) -> Option<(&'static str, String)> {
    let classes = |side: &Sender<'_>| -> BTreeSet<&'static str> {
        side.findings.iter().map(|finding| finding.class.as_str()).collect()
    };
    let cause = |side: &Sender<'_>| {
        let worst = side.findings.iter().max_by_key(|finding| (finding.severity, finding.messages));
        worst.map(|finding| finding.statement.clone()).unwrap_or_default()
    };
    if before.messages == 0 {
        return Some(("new", cause(after)));
    }
    if after.messages == 0 {
        return Some(("gone", cause(before)));
    }
    let (old, new) = (classes(before), classes(after));
    if old != new {
        let appeared: Vec<&str> = new.difference(&old).copied().collect();
        let vanished: Vec<&str> = old.difference(&new).copied().collect();
        let words = match (appeared.is_empty(), vanished.is_empty()) {
            (false, false) => format!("{} instead of {}", appeared.join(", "), vanished.join(", ")),
            (false, true) => format!("also {}: {}", appeared.join(", "), cause(after)),
            _ => format!("no more {}", vanished.join(", ")),
        };
        return Some(("changed", words));
    }
    let passed = |side: &Sender<'_>| side.dmarc_pass.saturating_mul(100) / side.messages.max(1);
    if passed(before).abs_diff(passed(after)) >= PASS_POINTS {
        let [was, is] = [before, after].map(|side| percent(side.dmarc_pass, side.messages));
        return Some(("changed", format!("{is} pass instead of {was}: {}", cause(after))));
    }
    // As if both periods had as many days.
    let (a, b) =
        (u128::from(before.messages) * u128::from(days.1), u128::from(after.messages) * u128::from(days.0));
    if b >= a.saturating_mul(2) {
        Some(("more", cause(after)))
    } else if a >= b.saturating_mul(2) {
        Some(("less", cause(after)))
    } else {
        None
    }
}
