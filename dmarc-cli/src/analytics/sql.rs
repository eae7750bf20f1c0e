//! SQL over the stored rows, by the dialect of polars.
//!
//! Tables: `aggregate`, `failure` and `tlsrpt`, with the columns of `dmarc_core::arrow` and `report_key`, of which each report
//! has its own; `source_port` of `failure` is left out. A kind of which nothing is stored is an empty table. polars knows `read_parquet('FILE')` as a table too,
//! and nothing that writes: `CREATE TABLE` lasts as long as the query.

use std::cmp::Ordering;

use polars::prelude::PolarsResult;
use polars::sql::SQLContext;

use super::{KINDS, Tables, cells, collect};
use crate::commands::question::Subject;
use crate::error::{CommandError, Kind};
use crate::render::answer::{Answer, Cell, Column};

/// The answer to `query`. Without `ORDER BY` in it rows are sorted, for polars gives them in any order.
pub(crate) fn ask(subject: &Subject, query: &str) -> Result<Answer, CommandError> {
    let (columns, mut rows) = super::ask(subject, Kind::Usage, |tables| run(tables, query))?;
    if !is_ordered(query) {
        rows.sort_by(|a, b| order(a, b));
    }
    let mut answer = Answer::new("sql", columns);
    for row in rows {
        answer.push(row);
    }
    Ok(answer)
}

fn run(tables: &Tables<'_>, query: &str) -> PolarsResult<(Vec<Column>, Vec<Vec<Cell>>)> {
    let mut context = SQLContext::new();
    for kind in KINDS {
        context.register(kind, tables.rows(kind)?);
    }
    let frame = collect(context.execute(query)?)?;
    let columns = frame.columns();
    let heads = columns.iter().map(|column| Column::new(column.name().as_str(), cells::kind(column.dtype())));
    let row = |row: usize| {
        columns
            .iter()
            .map(|column| column.get(row).map(|value| cells::cell(&value)))
            .collect::<PolarsResult<_>>()
    };
    Ok((heads.collect(), (0..frame.height()).map(row).collect::<PolarsResult<_>>()?))
}

/// Whether the query as a whole asks for an order: what stands in brackets is a part of it, and a part says nothing of the rest.
fn is_ordered(query: &str) -> bool {
    let outermost = outermost(query).to_lowercase();
    let words: Vec<&str> = outermost.split_whitespace().collect();
    words.windows(2).any(|pair| pair == ["order", "by"])
}

/// The query without what is in brackets, quotes or comments.
fn outermost(query: &str) -> String {
    let mut text = String::new();
    let mut depth = 0_usize;
    let mut rest = query.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '\'' | '"' | '`' => {
                rest.by_ref().find(|end| *end == c);
            }
            '-' if rest.peek() == Some(&'-') => {
                rest.by_ref().find(|end| *end == '\n');
            }
            '/' if rest.next_if_eq(&'*').is_some() => {
                let mut last = ' ';
                let is_end = |end: &char| std::mem::replace(&mut last, *end) == '*' && *end == '/';
                rest.by_ref().find(is_end);
            }
            _ if depth == 0 => {
                text.push(c);
                continue;
            }
            _ => continue,
        }
        text.push(' ');
    }
    text
}

fn order(a: &[Cell], b: &[Cell]) -> Ordering {
    a.iter().zip(b).map(|(a, b)| a.order(b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_whether_a_query_asks_for_an_order() {
        assert!(is_ordered("select 1 as a ORDER\n by a"));
        assert!(is_ordered("with t as (select 1 as a) select a from t -- why\norder /* * / */ by a"));
        assert!(is_ordered("select '(' as a order by a"));
        assert!(!is_ordered("select * from (select 1 as a order by a)"));
        assert!(!is_ordered("select row_number() over (order by a) from t"));
        assert!(!is_ordered("select 'order by' as a -- order by a"));
        assert!(!is_ordered("select order_by from t"));
    }
}
