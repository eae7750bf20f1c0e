//! Key figures of each Organizational Domain.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use dmarc_core::domain::organizational;
use polars::prelude::{ChunkApply as _, Expr, IntoColumn as _, LazyFrame, PolarsResult, col, lit};

use super::cells::Frame;
use super::{REPORT_KEY, Tables, collect, domain_of, sum};
use crate::commands::question::Subject;
use crate::error::{CommandError, Kind};
use crate::render::answer::{Answer, Cell, Column, ColumnKind};

/// What is known of a domain.
#[derive(Debug, Default)]
struct Figures {
    messages: u64,
    passing: u64,
    failing: u64,
    failing_delivered: u64,
    quarantined: u64,
    rejected: u64,
    dkim_aligned: u64,
    spf_aligned: u64,
    sources: u64,
    reports: u64,
    reporters: u64,
    first: Option<i64>,
    last: Option<i64>,
    tls: Option<Sessions>,
}

/// TLS sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Sessions {
    failed: u64,
    successful: u64,
}

/// Every domain, the most messages first.
pub(crate) fn ask(subject: &Subject) -> Result<Answer, CommandError> {
    let figures = super::ask(subject, Kind::Dataset, |tables| {
        let mut figures = mail(tables)?;
        for (domain, sessions) in tls(tables)? {
            figures.entry(domain).or_default().tls = Some(sessions);
        }
        Ok(figures)
    })?;
    let mut figures: Vec<(String, Figures)> = figures.into_iter().collect();
    // Equal ones stay in the order of their names.
    figures.sort_by_key(|(_, figures)| Reverse(figures.messages));
    let mut answer = Answer::new("summary", columns());
    for (domain, figures) in figures {
        answer.push(figures.row(domain));
    }
    Ok(answer)
}

/// The domains of a kind, as their Organizational Domain.
fn by_organization(rows: LazyFrame, kind: &str) -> LazyFrame {
    let organizational = |name: Expr| {
        name.map(
            |names| Ok(names.str()?.apply_values(|name| organizational(name).into()).into_column()),
            |_, field| Ok(field.clone()),
        )
    };
    rows.with_column(organizational(domain_of(kind)).alias("domain"))
}

fn mail(tables: &Tables<'_>) -> PolarsResult<BTreeMap<String, Figures>> {
    let count = col("message_count");
    let passes = col("dkim_aligned").or(col("spf_aligned"));
    let is = |disposition: &str| col("disposition").eq(lit(disposition));
    let of = |condition: Expr| count.clone().filter(condition);
    let mut figures: Vec<Expr> = [
        ("messages", count.clone()),
        ("passing", of(passes.clone())),
        ("failing", of(passes.clone().not())),
        ("failing_delivered", of(passes.not().and(col("is_delivered")))),
        ("quarantined", of(is("quarantine"))),
        ("rejected", of(is("reject"))),
        ("dkim_aligned", of(col("dkim_aligned"))),
        ("spf_aligned", of(col("spf_aligned"))),
    ]
    .into_iter()
    .flat_map(|(name, counts)| sum(name, counts))
    .collect();
    figures.extend([
        col("source_ip").drop_nulls().n_unique().alias("sources"),
        col(REPORT_KEY).n_unique().alias("reports"),
        col("reporter").n_unique().alias("reporters"),
        col("begin").min().alias("first"),
        col("end").max().alias("last"),
    ]);
    let rows = by_organization(tables.rows("aggregate")?, "aggregate");
    let frame = Frame(collect(rows.group_by([col("domain")]).agg(figures))?);
    Ok(frame.rows().map(|row| (frame.text(row, "domain"), Figures::read(&frame, row))).collect())
}

/// The sessions of each domain. The same sessions stand under several policies of a report, say `sts` and `tlsa`: those of the
/// type with the most are counted (RFC 8460, Section 4.4).
fn tls(tables: &Tables<'_>) -> PolarsResult<BTreeMap<String, Sessions>> {
    let mut sums = sum("successful", col("total_successful_session_count")).to_vec();
    sums.extend(sum("failed", col("total_failure_session_count")));
    let rows = by_organization(tables.rows("tlsrpt")?, "tlsrpt");
    let frame =
        Frame(collect(rows.group_by([col("domain"), col(REPORT_KEY), col("policy_type")]).agg(sums))?);
    let mut reports: BTreeMap<(String, String), (u64, Sessions)> = BTreeMap::new();
    for row in frame.rows() {
        let sessions =
            Sessions { failed: frame.sum(row, "failed"), successful: frame.sum(row, "successful") };
        let all = sessions.failed.saturating_add(sessions.successful);
        let most = reports.entry((frame.text(row, "domain"), frame.text(row, REPORT_KEY))).or_default();
        *most = (*most).max((all, sessions));
    }
    let mut domains: BTreeMap<String, Sessions> = BTreeMap::new();
    for ((domain, _), (_, sessions)) in reports {
        let sum = domains.entry(domain).or_default();
        sum.failed = sum.failed.saturating_add(sessions.failed);
        sum.successful = sum.successful.saturating_add(sessions.successful);
    }
    Ok(domains)
}

impl Figures {
    fn read(frame: &Frame, row: usize) -> Self {
        let sum = |column| frame.sum(row, column);
        let count = |column| frame.count(row, column);
        let first = frame.time(row, "first");
        Self {
            messages: sum("messages"),
            passing: sum("passing"),
            failing: sum("failing"),
            failing_delivered: sum("failing_delivered"),
            quarantined: sum("quarantined"),
            rejected: sum("rejected"),
            dkim_aligned: sum("dkim_aligned"),
            spf_aligned: sum("spf_aligned"),
            sources: count("sources"),
            reports: count("reports"),
            reporters: count("reporters"),
            first,
            // An end may be the first second after the period.
            last: frame.time(row, "last").map(|end| end.saturating_sub(1)).max(first),
            tls: None,
        }
    }

    fn row(self, domain: String) -> Vec<Cell> {
        let tls =
            |sessions: fn(Sessions) -> u64| self.tls.map_or(Cell::Null, |tls| Cell::Count(sessions(tls)));
        vec![
            Cell::Text(domain),
            Cell::Count(self.messages),
            Cell::Share { part: self.passing, whole: self.messages },
            Cell::Count(self.failing),
            Cell::Count(self.failing_delivered),
            Cell::Count(self.quarantined),
            Cell::Count(self.rejected),
            Cell::Count(self.sources),
            Cell::Count(self.dkim_aligned),
            Cell::Count(self.spf_aligned),
            Cell::Count(self.reports),
            Cell::Count(self.reporters),
            Cell::day(self.first),
            Cell::day(self.last),
            tls(|tls| tls.successful),
            tls(|tls| tls.failed),
        ]
    }
}

fn columns() -> Vec<Column> {
    use ColumnKind::{Number, Share, Text, Time};
    vec![
        Column::new("domain", Text),
        Column::new("messages", Number),
        Column::new("pass", Share),
        Column::new("failing", Number),
        Column::new("failing_delivered", Number).head("delivered"),
        Column::new("quarantined", Number).head("quarant."),
        Column::new("rejected", Number),
        Column::new("sources", Number),
        Column::new("dkim_aligned", Number).head("dkim"),
        Column::new("spf_aligned", Number).head("spf"),
        Column::new("reports", Number),
        Column::new("reporters", Number),
        Column::new("first_day", Time).head("first"),
        Column::new("last_day", Time).head("last"),
        Column::new("tls_successful", Number).head("tls ok"),
        Column::new("tls_failed", Number).head("tls failed"),
    ]
}
