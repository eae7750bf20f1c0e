//! Findings as a table that fits the screen: a domain at a time, the worst first.

use std::collections::BTreeMap;
use std::io::{self, Write};

use dmarc_core::findings::{DomainSummary, Finding, Findings, Severity};
use dmarc_core::time::rfc3339;
use dmarc_ingest::Inputs;

use super::Screen;
use super::text::Neutral;

/// Characters that every column but the source needs, with the gaps between them.
const FIXED: usize = 62;
/// Characters of the columns shown only where there is room: confidence and first day.
const ROOMY: usize = 17;
/// Characters of the columns of numbers.
const NUMBER: usize = 9;
/// Characters of the column of days: a report may claim the year -1, which is longer.
const DAY: usize = 10;
/// The narrowest and the widest source column, in characters.
const SOURCE: std::ops::RangeInclusive<usize> = 18..=44;

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
    let period =
        findings.period.map(|(begin, end)| format!("{} … {}", day(begin), day(end))).unwrap_or_default();
    let mut by_domain: BTreeMap<&str, (Option<&DomainSummary>, Vec<&Finding>)> = BTreeMap::new();
    for summary in &findings.domains {
        by_domain.entry(&summary.domain).or_default().0 = Some(summary);
    }
    for finding in &findings.findings {
        by_domain.entry(&finding.domain).or_default().1.push(finding);
    }
    for (domain, (summary, findings)) in by_domain {
        write_domain(out, screen, domain, &period, summary, &findings)?;
    }
    write_inputs(out, not_shown, inputs)
}

fn write_domain(
    out: &mut dyn Write,
    screen: Screen,
    domain: &str,
    period: &str,
    summary: Option<&DomainSummary>,
    findings: &[&Finding],
) -> io::Result<()> {
    let domain = if domain.is_empty() { "(no policy domain)" } else { domain };
    writeln!(out, "{}   {period}", Neutral::new(domain, 60))?;
    if let Some(summary) = summary {
        writeln!(
            out,
            "{} messages in {} reports from {} reporters, {} pass; {} failed and were delivered",
            number(summary.messages),
            number(summary.reports),
            number(summary.reporters),
            percent(summary.dmarc_pass, summary.messages),
            number(summary.delivered_failing),
        )?;
    }
    if findings.is_empty() {
        writeln!(out, " nothing that needs a decision")?;
    } else {
        Columns::fit(screen).write(out, findings)?;
    }
    writeln!(out)
}

/// How wide the columns are on this screen.
struct Columns {
    source: usize,
    is_roomy: bool,
    color: bool,
}

impl Columns {
    fn fit(screen: Screen) -> Self {
        let is_roomy = screen.width >= FIXED + ROOMY + SOURCE.start();
        let fixed = if is_roomy { FIXED + ROOMY } else { FIXED };
        let source = screen.width.saturating_sub(fixed).clamp(*SOURCE.start(), *SOURCE.end());
        Self { source, is_roomy, color: screen.color }
    }

    fn write(&self, out: &mut dyn Write, findings: &[&Finding]) -> io::Result<()> {
        let (source, head) =
            (self.source, ["severity", "conf", "class", "source", "messages", "delivered", "since", "id"]);
        self.line(out, &head.map(str::to_owned), source)?;
        for finding in findings {
            let cells = [
                finding.severity.as_str().to_owned(),
                finding.confidence.to_string(),
                finding.class.as_str().to_owned(),
                Neutral::new(&finding.source.name, source).to_string(),
                short(finding.messages),
                short(finding.delivered),
                cut(&day(finding.first_seen), DAY),
                finding.id.clone(),
            ];
            let color = self.color.then(|| color(finding.severity)).flatten();
            write!(out, "{}", color.unwrap_or_default())?;
            self.line(out, &cells, source)?;
            write!(out, "{}", color.map(|_| "\u{1b}[0m").unwrap_or_default())?;
        }
        Ok(())
    }

    fn line(&self, out: &mut dyn Write, cells: &[String; 8], source: usize) -> io::Result<()> {
        let [severity, confidence, class, name, messages, delivered, since, id] = cells;
        // An escape makes a name longer than the column: it is cut, not let out.
        let name = cut(name, source);
        if self.is_roomy {
            writeln!(
                out,
                " {severity:<8} {confidence:>4}  {class:<21} {name:<source$} {messages:>9} {delivered:>9}  {since:<10} {id}"
            )
        } else {
            writeln!(out, " {severity:<8} {class:<21} {name:<source$} {messages:>9} {delivered:>9} {id}")
        }
    }
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
        .map(|(count, what)| format!("{} {what}", number(*count)))
        .collect();
    write!(out, "{} reports counted in {} mails", number(inputs.reports), number(inputs.mails))?;
    if !aside.is_empty() {
        write!(out, "; set aside: {}", aside.join(", "))?;
    }
    writeln!(out, ".")?;
    if not_shown > 0 {
        writeln!(out, "{} more findings with --all; the evidence with --format json.", number(not_shown))?;
    }
    Ok(())
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// `48210` as `48 210`.
fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// As [`number`], and what is too long for its column in thousands, millions and so on, cut and not rounded.
fn short(n: u64) -> String {
    let units = ["", " k", " M", " G", " T", " P"].into_iter().zip((0..).step_by(3));
    let texts = units.map(|(unit, power)| format!("{}{unit}", number(n / 10_u64.pow(power))));
    let mut texts = texts.skip_while(|text| text.len() > NUMBER);
    texts.next().unwrap_or_default()
}

/// A share with one decimal, cut and not rounded: 100.0 % is all of it.
fn percent(part: u64, whole: u64) -> String {
    match (u128::from(part) * 1_000).checked_div(u128::from(whole)) {
        Some(tenths) => format!("{}.{} %", tenths / 10, tenths % 10),
        None => "nothing to".to_owned(),
    }
}

fn day(seconds: i64) -> String {
    rfc3339(seconds).chars().take_while(|c| *c != 'T').collect()
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

    #[test]
    fn groups_digits_by_three() {
        assert_eq!(
            [0, 999, 1_000, 48_210, 1_234_567].map(number),
            ["0", "999", "1 000", "48 210", "1 234 567"]
        );
    }

    #[test]
    fn shortens_numbers_that_do_not_fit_their_column() {
        assert_eq!(
            [9_999_999, 12_345_678, 1 << 53, u64::MAX].map(short),
            ["9 999 999", "12 345 k", "9 007 T", "18 446 P"]
        );
    }

    #[test]
    fn never_rounds_up_to_all() {
        assert_eq!(percent(9_999, 10_000), "99.9 %");
        assert_eq!(percent(1, 1), "100.0 %");
        assert_eq!(percent(0, 0), "nothing to");
        assert_eq!(percent(u64::MAX, u64::MAX), "100.0 %");
    }

    #[test]
    fn fits_a_screen_of_80_and_uses_a_wider_one() {
        for (width, is_roomy) in [(80, false), (96, false), (97, true), (140, true)] {
            let columns = Columns::fit(Screen { width, color: false });
            assert_eq!(columns.is_roomy, is_roomy, "{width}");
            let cells = [
                "critical",
                "60",
                "third_party.unaligned",
                "x",
                "999 999",
                "999 999",
                "2026-09-01",
                "F-000000",
            ];
            let mut line = Vec::new();
            columns.line(&mut line, &cells.map(str::to_owned), columns.source).unwrap();
            assert!(String::from_utf8(line).unwrap().trim_end().chars().count() <= width, "{width}");
        }
    }
}
