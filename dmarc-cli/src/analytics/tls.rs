//! TLS sessions that failed, by policy domain, MX and kind of failure (RFC 8460, Section 4.3).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::{ExplodeOptions, Expr, LazyFrame, PolarsResult, by_name, col};

use super::cells::Frame;
use super::{REPORT_KEY, Tables, collect, domain_of, sum};
use crate::commands::question::Subject;
use crate::error::{CommandError, Kind};
use crate::render::answer::{Answer, Cell, Column, ColumnKind};

/// Policy domain, MX and result type.
type Failure = [String; 3];

/// What is known of one kind of failure.
#[derive(Debug, Default)]
struct Failed {
    sessions: u64,
    reports: u64,
    reporters: BTreeSet<String>,
    first: Option<i64>,
    last: Option<i64>,
}

/// One report on one kind of failure.
#[derive(Debug)]
struct Told {
    reporter: String,
    sessions: u64,
    period: [Option<i64>; 2],
}

/// Every kind of failure, the most sessions first.
pub(crate) fn ask(subject: &Subject) -> Result<Answer, CommandError> {
    let failures = super::ask(subject, Kind::Dataset, failures)?;
    let mut failures: Vec<(Failure, Failed)> = failures.into_iter().collect();
    // Equal ones stay in the order of their names.
    failures.sort_by_key(|(_, failed)| Reverse(failed.sessions));
    let mut answer = Answer::new("tls", columns());
    for (failure, failed) in failures {
        answer.push(failed.row(failure));
    }
    Ok(answer)
}

fn failures(tables: &Tables<'_>) -> PolarsResult<BTreeMap<Failure, Failed>> {
    let frame = Frame(collect(details(tables.rows("tlsrpt")?))?);
    // The same sessions may stand under several policies of a report: those of the type with the most are counted.
    let mut told: BTreeMap<(Failure, String), Told> = BTreeMap::new();
    for row in frame.rows() {
        let failure = [
            frame.text(row, "domain"),
            frame.text(row, "receiving_mx_hostname").to_lowercase(),
            frame.text(row, "result_type"),
        ];
        let report = told.entry((failure, frame.text(row, REPORT_KEY))).or_insert_with(|| Told {
            reporter: frame.text(row, "reporter"),
            sessions: 0,
            period: ["begin", "end"].map(|column| frame.time(row, column)),
        });
        report.sessions = report.sessions.max(frame.sum(row, "sessions"));
    }
    let mut failures: BTreeMap<Failure, Failed> = BTreeMap::new();
    for ((failure, _), told) in told {
        failures.entry(failure).or_default().add(told);
    }
    Ok(failures)
}

/// The failures of each report, by type of policy.
fn details(rows: LazyFrame) -> LazyFrame {
    let detail = |name: &str| col("failure_details").struct_().field_by_name(name);
    let same = ["reporter", REPORT_KEY, "policy_type", "begin", "end"].map(col);
    let mut columns: Vec<Expr> = same.to_vec();
    columns.extend([
        domain_of("tlsrpt").alias("domain"),
        detail("receiving_mx_hostname"),
        detail("result_type"),
        detail("failed_session_count"),
    ]);
    let mut keys: Vec<Expr> = same.to_vec();
    keys.extend(["domain", "receiving_mx_hostname", "result_type"].map(col));
    let options = ExplodeOptions { empty_as_null: false, keep_nulls: false };
    rows.explode(by_name(["failure_details"], true, false), options)
        .select(columns)
        .group_by(keys)
        .agg(sum("sessions", col("failed_session_count")))
}

impl Failed {
    fn add(&mut self, told: Told) {
        let [begin, end] = told.period;
        self.sessions = self.sessions.saturating_add(told.sessions);
        self.reports += 1;
        self.reporters.insert(told.reporter);
        self.first = self.first.into_iter().chain(begin).min();
        // An end may be the first second after the period.
        self.last = self.last.max(end.map(|end| end.saturating_sub(1))).max(begin);
    }

    fn row(self, [domain, mx, result_type]: Failure) -> Vec<Cell> {
        vec![
            Cell::Text(domain),
            Cell::text(Some(mx).filter(|mx| !mx.is_empty())),
            Cell::Text(result_type),
            Cell::Count(self.sessions),
            Cell::day(self.last),
            Cell::day(self.first),
            Cell::Count(self.reports),
            Cell::List(self.reporters.into_iter().collect()),
        ]
    }
}

fn columns() -> Vec<Column> {
    use ColumnKind::{List, Number, Text, Time};
    vec![
        Column::new("policy_domain", Text).head("domain"),
        Column::new("mx", Text),
        Column::new("result_type", Text).head("result"),
        Column::new("sessions", Number),
        Column::new("last_day", Time).head("last"),
        Column::new("first_day", Time).head("first"),
        Column::new("reports", Number),
        Column::new("reporters", List),
    ]
}
