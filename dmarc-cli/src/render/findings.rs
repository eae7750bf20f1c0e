//! Findings as a table that fits the screen: a domain at a time, the worst domain and its worst finding first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use dmarc_core::findings::{Decision, DomainSummary, Finding, Findings, Severity};
use dmarc_ingest::Inputs;

use super::Screen;
use super::answer::{Answer, Cell, Column, ColumnKind};
use super::figures::{counted, cut, day, grouped, percent, short};
use super::text::Neutral;

/// The narrowest and the widest source column, in characters.
const NARROW: usize = 18;
const WIDE: usize = 60;
/// Characters of a day: a report may claim the year -1, which is longer.
const DAY: usize = 10;

/// Writes the findings of every domain, and what became of the inputs.
///
/// # Errors
/// Those of `out`.
pub fn write(
    out: &mut dyn Write,
    screen: Screen,
    findings: &Findings,
    not_shown: u64,
    inputs: &Inputs,
) -> io::Result<()> {
    let mut by_domain: BTreeMap<&str, (Option<&DomainSummary>, Vec<&Finding>)> = BTreeMap::new();
    for summary in &findings.domains {
        by_domain.entry(&summary.domain).or_default().0 = Some(summary);
    }
    for finding in &findings.findings {
        by_domain.entry(&finding.domain).or_default().1.push(finding);
    }
    let mut by_domain: Vec<_> = by_domain.into_iter().collect();
    // Findings of one domain come worst first: its first one says how bad it is. Equal ones stay in order of name.
    by_domain.sort_by_key(|(_, (_, findings))| {
        Reverse(findings.first().map(|worst| (worst.severity, worst.delivered)))
    });
    for (domain, (summary, findings)) in by_domain {
        write_domain(out, screen, domain, summary, &findings)?;
    }
    write_expired(out, &findings.expired)?;
    write_inputs(out, not_shown, inputs)?;
    let worst =
        findings.findings.iter().max_by_key(|f| (f.severity, f.delivered, f.messages, Reverse(&f.id)));
    worst.map_or(Ok(()), |worst| writeln!(out, "Next: dmarc explain {}", worst.id))
}

/// The findings as rows, for formats that have no more than rows.
pub fn answer(findings: &[Finding]) -> Answer {
    let text = |name: &str| Column::new(name, ColumnKind::Text);
    let number = |name: &str| Column::new(name, ColumnKind::Number);
    let time = |name: &str| Column::new(name, ColumnKind::Time);
    let columns = vec![
        text("id"),
        text("domain"),
        text("severity"),
        number("confidence"),
        text("class"),
        text("novelty"),
        text("decision"),
        text("source"),
        number("hosts"),
        number("messages"),
        number("dmarc_pass"),
        number("delivered"),
        time("first_seen"),
        time("last_seen"),
        text("statement"),
        text("remedy"),
    ];
    let mut answer = Answer::new("findings", columns);
    for finding in findings {
        answer.push(vec![
            Cell::Text(finding.id.clone()),
            Cell::Text(finding.domain.clone()),
            Cell::Text(finding.severity.as_str().to_owned()),
            Cell::Count(finding.confidence.into()),
            Cell::Text(finding.class.as_str().to_owned()),
            Cell::Text(finding.novelty.as_str().to_owned()),
            Cell::text(finding.decision.as_ref().map(|decided| decided.status.as_str())),
            Cell::Text(finding.source.name.clone()),
            Cell::Count(finding.source.hosts),
            Cell::Count(finding.messages),
            Cell::Count(finding.dmarc_pass),
            Cell::Count(finding.delivered),
            Cell::Time(finding.first_seen),
            Cell::Time(finding.last_seen),
            Cell::Text(finding.statement.clone()),
            Cell::Text(finding.remedy.clone()),
        ]);
    }
    answer
}

/// Decisions that are not believed any more.
fn write_expired(out: &mut dyn Write, expired: &[Decision]) -> io::Result<()> {
    for decision in expired {
        let subject = decision.subject.to_string();
        writeln!(
            out,
            "A decision has expired on {} and does not count: {} {}, by {}: {}",
            day(decision.expires.saturating_sub(1)),
            decision.status.as_str(),
            Neutral::new(&subject, WIDE),
            Neutral::new(&decision.owner, WIDE),
            Neutral::new(&decision.reason, WIDE),
        )?;
    }
    Ok(())
}

/// The time that the records of a domain cover or, where there are none, its findings.
fn period(summary: Option<&DomainSummary>, findings: &[&Finding]) -> Option<(i64, i64)> {
    let of_findings = || {
        let periods = findings.iter().map(|finding| (finding.first_seen, finding.last_seen));
        periods.reduce(|(b, e), (begin, end)| (b.min(begin), e.max(end)))
    };
    summary.and_then(|summary| summary.period).or_else(of_findings)
}

fn write_domain(
    out: &mut dyn Write,
    screen: Screen,
    domain: &str,
    summary: Option<&DomainSummary>,
    findings: &[&Finding],
) -> io::Result<()> {
    let domain = if domain.is_empty() { "(no policy domain)" } else { domain };
    write!(out, "{}", Neutral::new(domain, 60))?;
    if let Some((begin, end)) = period(summary, findings) {
        write!(out, "   {} … {}", day(begin), day(end))?;
    }
    writeln!(out)?;
    if let Some(summary) = summary {
        writeln!(
            out,
            "{} in {} from {}, {} pass; {} failed and were delivered",
            counted(summary.messages, "message"),
            counted(summary.reports, "report"),
            counted(summary.reporters, "reporter"),
            percent(summary.dmarc_pass, summary.messages),
            grouped(summary.delivered_failing),
        )?;
    }
    if findings.is_empty() {
        writeln!(out, " nothing that needs a decision")?;
    } else {
        write_table(out, screen, findings)?;
    }
    writeln!(out)
}

/// The cells of one line, in the order of the columns.
type Cells = [String; 8];
/// The heads of the columns; those of confidence and first day are shown only where there is room.
const HEADS: [&str; 8] = ["severity", "conf", "class", "source", "messages", "delivered", "since", "id"];
/// Columns that are left out on a narrow screen.
const ROOMY: [usize; 2] = [1, 6];
/// The column that takes what is left.
const SOURCE: usize = 3;

/// Which columns are shown on this screen, and how wide.
struct Columns {
    /// Width of each column in characters; 0 where it is left out.
    widths: [usize; 8],
    color: bool,
}

impl Columns {
    fn fit(screen: Screen, lines: &[Cells]) -> Self {
        let widest = |at: usize| {
            let cells = lines.iter().filter_map(|cells| cells.get(at)).map(|cell| cell.chars().count());
            cells.chain(HEADS.get(at).map(|head| head.len())).max().unwrap_or_default()
        };
        let mut widths: [usize; 8] = std::array::from_fn(widest);
        let [_, _, _, name, ..] = widths;
        let rest = |widths: &[usize; 8]| {
            let others = widths.iter().enumerate().filter(|(at, width)| *at != SOURCE && **width > 0);
            screen.width.saturating_sub(others.map(|(_, width)| width + 1).sum::<usize>() + 1)
        };
        if rest(&widths) < name.min(NARROW) {
            for (at, width) in widths.iter_mut().enumerate() {
                *width = if ROOMY.contains(&at) { 0 } else { *width };
            }
        }
        let source = name.min(rest(&widths).max(NARROW));
        if let Some(width) = widths.get_mut(SOURCE) {
            *width = source;
        }
        Self { widths, color: screen.color }
    }

    fn write(&self, out: &mut dyn Write, cells: &Cells, severity: Option<Severity>) -> io::Result<()> {
        let color = severity.filter(|_| self.color).and_then(color);
        let mut line = String::new();
        for (at, (cell, width)) in
            cells.iter().zip(self.widths).enumerate().filter(|(_, (_, width))| *width > 0)
        {
            // An escape makes a name longer than the column: it is cut, not let out.
            let cell = cut(cell, width);
            let is_number = matches!(at, 1 | 4 | 5);
            let padded = if is_number { format!(" {cell:>width$}") } else { format!(" {cell:<width$}") };
            line.push_str(&padded);
        }
        let (on, off) = color.map_or(("", ""), |color| (color, "\u{1b}[0m"));
        writeln!(out, "{on}{}{off}", line.trim_end())
    }
}

fn write_table(out: &mut dyn Write, screen: Screen, findings: &[&Finding]) -> io::Result<()> {
    let lines: Vec<Cells> = findings.iter().map(|finding| cells(finding)).collect();
    let columns = Columns::fit(screen, &lines);
    columns.write(out, &HEADS.map(str::to_owned), None)?;
    findings
        .iter()
        .zip(&lines)
        .try_for_each(|(finding, cells)| columns.write(out, cells, Some(finding.severity)))
}

fn cells(finding: &Finding) -> Cells {
    [
        finding.severity.as_str().to_owned(),
        finding.confidence.to_string(),
        finding.class.as_str().to_owned(),
        Neutral::new(&finding.source.name, WIDE).to_string(),
        short(finding.messages),
        short(finding.delivered),
        cut(&day(finding.first_seen), DAY),
        finding.id.clone(),
    ]
}

fn write_inputs(out: &mut dyn Write, not_shown: u64, inputs: &Inputs) -> io::Result<()> {
    let kinds = [
        (inputs.refused, "refused"),
        (inputs.rejected_records, "records that cannot be counted"),
        (inputs.duplicates, "duplicates"),
        (inputs.conflicts, "in conflict"),
        (inputs.untrusted, "untrusted"),
        (inputs.not_reports, "not a report"),
    ];
    let aside: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    write!(out, "{} counted in {}", counted(inputs.reports, "report"), counted(inputs.mails, "mail"))?;
    if !aside.is_empty() {
        write!(out, "; set aside: {}", aside.join(", "))?;
    }
    writeln!(out, ".")?;
    write_not_shown(out, not_shown)
}

fn write_not_shown(out: &mut dyn Write, not_shown: u64) -> io::Result<()> {
    if not_shown > 0 {
        writeln!(out, "{} with --all.", counted(not_shown, "more finding"))?;
    }
    Ok(())
}

/// Writes what formats have no place for that have no more than rows.
pub(crate) fn write_rest(out: &mut dyn Write, findings: &Findings, not_shown: u64) -> io::Result<()> {
    write_expired(out, &findings.expired)?;
    write_not_shown(out, not_shown)
}

fn color(severity: Severity) -> Option<&'static str> {
    match severity {
        Severity::Critical => Some("\u{1b}[1;31m"),
        Severity::High => Some("\u{1b}[31m"),
        Severity::Medium => Some("\u{1b}[33m"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(width: usize, name: &str) -> (String, Columns) {
        let line =
            ["critical", "60", "third_party.unaligned", name, "999 999", "999 999", "2026-09-01", "F-000000"];
        let line = line.map(str::to_owned);
        let columns = Columns::fit(Screen { width, color: false }, std::slice::from_ref(&line));
        let mut text = Vec::new();
        columns.write(&mut text, &line, None).unwrap();
        (String::from_utf8(text).unwrap(), columns)
    }

    #[test]
    fn fits_a_screen_of_80_and_uses_a_wider_one() {
        for (width, is_roomy) in [(80, false), (90, false), (100, true), (140, true)] {
            let (text, columns) = line(width, &"x".repeat(60));
            assert_eq!(columns.widths[1] > 0, is_roomy, "{width}");
            assert!(text.trim_end().chars().count() <= width, "{width}: {text}");
        }
    }

    #[test]
    fn cuts_no_name_that_has_room() {
        assert!(line(80, "short.example").0.contains(" short.example "));
    }
}
