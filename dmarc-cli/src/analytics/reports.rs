//! What arrived: reports by reporter and policy domain.

use std::collections::{BTreeMap, BTreeSet};

use dmarc_ingest::store::ReportReceipt;

use crate::commands::question::Subject;
use crate::error::CommandError;
use crate::render::answer::{Answer, Cell, Column, ColumnKind};

/// What one reporter said about one domain.
#[derive(Debug, Default)]
struct Arrived {
    reports: u64,
    rows: u64,
    messages: u64,
    first: Option<i64>,
    last: Option<i64>,
    trust: BTreeSet<&'static str>,
    copies: u64,
    conflicts: u64,
}

/// Every reporter and domain, the most messages first.
pub(crate) fn ask(subject: &Subject) -> Result<Answer, CommandError> {
    let mut arrived: BTreeMap<[String; 3], Arrived> = BTreeMap::new();
    subject.reader.reports(|report| {
        for domain in &report.policy_domains {
            if subject.selection.has_domain(domain) && subject.selection.has_time(report.period.0) {
                let key = [domain.clone(), report.reporter.clone(), report.kind.clone()];
                arrived.entry(key).or_default().add(&report);
            }
        }
    })?;
    let mut arrived: Vec<_> = arrived.into_iter().collect();
    // Equal ones stay in the order of their names.
    arrived.sort_by_key(|(_, arrived)| std::cmp::Reverse((arrived.messages, arrived.reports)));
    let mut answer = Answer::new("reports", columns());
    for ([domain, reporter, kind], arrived) in arrived {
        answer.push(arrived.row(domain, reporter, kind));
    }
    Ok(answer)
}

impl Arrived {
    fn add(&mut self, report: &ReportReceipt) {
        self.copies += report.copies;
        if !report.is_active {
            self.conflicts += 1;
            return;
        }
        let (begin, end) = report.period;
        self.reports += 1;
        self.rows += report.rows;
        // The sessions of a TLS report stand under several of its policies: `dmarc tls` knows them.
        if report.kind != "tlsrpt" {
            self.messages = self.messages.saturating_add(report.messages);
        }
        self.trust.insert(report.trust.as_str());
        // A failure report need not say when it was.
        if end != 0 {
            self.first = self.first.into_iter().chain([begin]).min();
            self.last = self.last.into_iter().chain([end.saturating_sub(1).max(begin)]).max();
        }
    }

    fn row(self, domain: String, reporter: String, kind: String) -> Vec<Cell> {
        let messages = if kind == "tlsrpt" { Cell::Null } else { Cell::Count(self.messages) };
        vec![
            Cell::Text(reporter),
            Cell::Text(domain),
            Cell::Text(kind),
            Cell::Count(self.reports),
            messages,
            Cell::day(self.last),
            Cell::day(self.first),
            Cell::Count(self.rows),
            Cell::Count(self.copies),
            Cell::Count(self.conflicts),
            Cell::List(self.trust.into_iter().map(str::to_owned).collect()),
        ]
    }
}

fn columns() -> Vec<Column> {
    use ColumnKind::{List, Number, Text, Time};
    vec![
        Column::new("reporter", Text),
        Column::new("policy_domain", Text).head("domain"),
        Column::new("kind", Text),
        Column::new("reports", Number),
        Column::new("messages", Number),
        Column::new("last_day", Time).head("last"),
        Column::new("first_day", Time).head("first"),
        Column::new("rows", Number),
        Column::new("copies", Number),
        Column::new("conflicts", Number),
        Column::new("trust", List),
    ]
}
