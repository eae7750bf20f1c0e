//! Findings, worst first: what matters in one line, and behind it why, who and what to do.

use dmarc_core::findings::{Class, Evidence, EvidenceRow, Finding, Severity};

use super::markup::Html;
use super::table::{Column, Kind, Row, row, rows, table};
use super::words::{counted, day_of, meaning, number};

/// Findings shown of one domain at most.
const SHOWN: usize = 200;
/// Hosts named of one finding at most.
const HOSTS: usize = 100;

/// The columns of findings about mail.
const MAIL: [Column; 8] = columns("Messages", "Delivered");
/// The columns of findings about TLS sessions.
const TLS: [Column; 8] = columns("Sessions", "Delivered");

/// What a table of findings is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Mail,
    Tls,
}

/// Writes `findings` as a table with this caption.
pub(super) fn write(html: &mut Html, about: About, caption: &str, findings: &[&Finding]) {
    let columns = if about == About::Mail { &MAIL } else { &TLS };
    table(html, "findings cards", caption, columns, |html| {
        for finding in findings.iter().take(SHOWN) {
            html.open("tbody").attr("role", "rowgroup").attr("id", &finding.id).with(|html| {
                row(html, columns, |row| figures(row, finding));
                reasons(html, columns.len(), finding);
            });
        }
    });
    more(html, findings.len().saturating_sub(SHOWN), "less severe finding");
}

/// Says how many things there is no room for, if any.
pub(super) fn more(html: &mut Html, count: usize, what: &str) {
    if count > 0 {
        let count = counted(count as u64, what);
        html.open("p")
            .class("note")
            .text(format_args!("Not shown: {count}; `dmarc findings --all --format json` has everything."));
    }
}

/// Writes the name of a severity.
pub(super) fn badge(html: &mut Html, severity: Severity) {
    let name = severity.as_str();
    html.open("span").attr("class", format_args!("badge {name}")).text(name);
}

const fn columns(count: &'static str, delivered: &'static str) -> [Column; 8] {
    [
        ("Severity", Kind::Word),
        ("Source", Kind::Name),
        ("Class", Kind::Word),
        ("Confidence", Kind::Number),
        (count, Kind::Number),
        (delivered, Kind::Number),
        ("Since", Kind::Word),
        ("Id", Kind::Word),
    ]
}

fn figures(row: &mut Row<'_>, finding: &Finding) {
    row.cell(|html| badge(html, finding.severity));
    row.text(&finding.source.name);
    row.text(finding.class.as_str());
    row.text(finding.confidence);
    row.text(number(finding.messages));
    row.text(number(finding.delivered));
    row.text(day_of(finding.first_seen));
    row.cell(|html| html.open("code").text(&finding.id));
}

/// The second row of a finding, which opens.
fn reasons(html: &mut Html, width: usize, finding: &Finding) {
    html.open("tr").class("reasons").attr("role", "row").with(|html| {
        html.open("td").attr("role", "cell").attr("colspan", width).with(|html| {
            html.open("details").with(|html| {
                html.open("summary").with(|html| {
                    html.text(meaning(finding.class));
                    // A list of links to open is of no use where all have the same name.
                    html.open("span").class("unseen").text(format_args!(" {}: evidence", finding.id));
                });
                html.open("dl").with(|html| explain(html, finding));
            });
        });
    });
}

fn explain(html: &mut Html, finding: &Finding) {
    entry(html, "What to do", |html| html.text(sentence(&finding.remedy)));
    entry(html, "Seen", |html| {
        html.text(format_args!("{} to {}", day_of(finding.first_seen), day_of(finding.last_seen)));
    });
    facts(html, "Evidence", &finding.evidence);
    facts(html, "Evidence against", &finding.against);
    let is_row = |evidence: &&Evidence| matches!(evidence, Evidence::Row { .. });
    if finding.evidence.iter().any(|evidence| is_row(&evidence)) {
        entry(html, "Largest records", |html| records(html, finding));
    }
    if !finding.source.ips.is_empty() {
        entry(html, "Hosts", |html| hosts(html, finding));
    }
}

fn entry(html: &mut Html, term: &'static str, content: impl FnOnce(&mut Html)) {
    html.open("dt").text(term);
    html.open("dd").with(content);
}

/// Writes all of `evidence` but records.
fn facts(html: &mut Html, term: &'static str, evidence: &[Evidence]) {
    let facts: Vec<String> = evidence.iter().filter_map(said).collect();
    if !facts.is_empty() {
        entry(html, term, |html| {
            html.open("ul").with(|html| facts.iter().for_each(|fact| html.open("li").text(fact)));
        });
    }
}

fn said(evidence: &Evidence) -> Option<String> {
    match evidence {
        Evidence::Fact { fact } => Some(fact.clone()),
        Evidence::Score { fact, points } => Some(format!("{fact} ({points:+} points)")),
        Evidence::Cap { fact, cap } => Some(format!("{fact} (confidence at most {cap})")),
        _ => None,
    }
}

fn records(html: &mut Html, finding: &Finding) {
    const COLUMNS: [Column; 6] = [
        ("Host", Kind::Name),
        ("Messages", Kind::Number),
        ("From domain", Kind::Text),
        ("Reporter", Kind::Text),
        ("Report", Kind::Text),
        ("Mail or file", Kind::Text),
    ];
    let caption = format!("Largest records of {}", finding.id);
    table(html, "cards records", caption, &COLUMNS, |html| {
        rows(html, |html| {
            for evidence in &finding.evidence {
                if let Evidence::Row { row: record } = evidence {
                    row(html, &COLUMNS, |row| cells(row, record));
                }
            }
        });
    });
}

fn cells(row: &mut Row<'_>, record: &EvidenceRow) {
    row.text(record.source_ip.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string()));
    row.text(number(record.messages));
    row.text(&record.header_from);
    row.text(&record.reporter);
    row.text(&record.report_id);
    row.text(&record.origin);
}

fn hosts(html: &mut Html, finding: &Finding) {
    html.open("ul").class("hosts").with(|html| {
        for ip in finding.source.ips.iter().take(HOSTS) {
            html.open("li").text(ip);
        }
    });
    let more = finding.source.hosts.saturating_sub(finding.source.ips.len().min(HOSTS) as u64);
    if more > 0 {
        html.open("p").class("note").text(format_args!("and {}", counted(more, "more host")));
    }
}

/// A fragment as a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(char::to_uppercase).into_iter().flatten();
    let end = if text.ends_with('.') { "" } else { "." };
    first.chain(chars.as_str().chars()).chain(end.chars()).collect()
}

/// Whether a finding belongs into the list of what asks for a decision.
pub(super) fn asks(finding: &Finding) -> bool {
    !finding.class.is_quiet()
}

/// The class of the worst of `findings` and its severity, if it asks for anything.
pub(super) fn worst<'f>(findings: &[&'f Finding]) -> Option<(Severity, Class)> {
    let first: Option<&&'f Finding> = findings.iter().find(|finding| asks(finding));
    first.map(|finding| (finding.severity, finding.class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_sentence_of_a_fragment() {
        assert_eq!(sentence("wait: too little"), "Wait: too little.");
        assert_eq!(["é.", ""].map(sentence), ["É.", "."]);
    }
}
