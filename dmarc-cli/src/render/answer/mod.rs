//! The answer to a question: named columns and rows of cells, and the formats that it can be written in.
//!
//! Text in cells is text of strangers. Every format keeps it inside its cell: no escape sequence reaches a terminal, no
//! formula a spreadsheet, no link or markup a page.
//!
//! | format | a text | a list or nested value | a share | a time |
//! |---|---|---|---|---|
//! | `table` | neutralised, cut to the screen | `a, b` or JSON | `97.4 %` | `2026-11-23T00:00:00Z` |
//! | `json`, `ndjson` | escaped where a terminal could be harmed | array or object | `0.9741` | the same |
//! | `csv` | neutralised; `'` before what a spreadsheet would compute | JSON | `0.9741` | the same |
//! | `markdown` | neutralised and escaped | `a, b` or JSON | `97.4 %` | the same |
//!
//! Shares are cut, never rounded: only all of it is 100 %. An absent value is `null` in JSON and empty elsewhere.

pub(crate) mod csv;
mod lines;
mod markdown;
mod table;

use std::cmp::Ordering;
use std::io::{self, Write};

use dmarc_core::time::rfc3339;
use serde_json::Value;

use super::Screen;
use super::figures::{day, grouped, percent, short};
use super::json;
use super::text::Neutral;

/// How to write an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum Format {
    /// For people: lines that fit the screen
    #[default]
    Table,
    /// For programs: one object with all rows
    Json,
    /// For programs: one object a row
    Ndjson,
    /// For spreadsheets (RFC 4180)
    Csv,
    /// For pages and tickets: a table of GitHub Flavored Markdown
    Markdown,
}

/// What a column holds, and so how it is laid out; any cell of it may be [`Cell::Null`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnKind {
    /// [`Cell::Text`].
    Text,
    /// [`Cell::Count`], [`Cell::Integer`] or [`Cell::Number`].
    Number,
    /// [`Cell::Share`].
    Share,
    /// [`Cell::Time`] or [`Cell::Day`].
    Time,
    /// [`Cell::Flag`].
    Flag,
    /// [`Cell::List`] or [`Cell::Nested`].
    List,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    name: String,
    head: String,
    kind: ColumnKind,
}

impl Column {
    /// A column of this name, which is the key in JSON; no two columns of an answer have the same.
    pub fn new(name: impl Into<String>, kind: ColumnKind) -> Self {
        let name = name.into();
        Self { head: name.clone(), name, kind }
    }

    /// Gives it a shorter name in the table.
    #[must_use]
    pub fn head(mut self, head: &str) -> Self {
        head.clone_into(&mut self.head);
        self
    }

    /// Whether its cells end at one line.
    fn is_number(&self) -> bool {
        matches!(self.kind, ColumnKind::Number | ColumnKind::Share)
    }

    /// Whether its cells may be cut.
    fn is_elastic(&self) -> bool {
        matches!(self.kind, ColumnKind::Text | ColumnKind::List)
    }
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Cell {
    /// Nothing is known.
    Null,
    /// Text, as strangers wrote it.
    Text(String),
    /// A number of things; grouped in the table.
    Count(u64),
    /// A number that may be negative.
    Integer(i128),
    /// A number that may be a fraction.
    Number(f64),
    /// A part of a whole; nothing if there is no whole.
    Share {
        /// The part.
        part: u64,
        /// The whole.
        whole: u64,
    },
    /// A time, in seconds since the Unix epoch, UTC.
    Time(i64),
    /// The day of a time, in seconds since the Unix epoch, UTC.
    Day(i64),
    /// Yes or no.
    Flag(bool),
    /// Several texts, as strangers wrote them.
    List(Vec<String>),
    /// A value with values in it.
    Nested(Value),
}

impl Cell {
    /// Text, or nothing.
    pub fn text(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.into()))
    }

    /// The day of a time in seconds since the Unix epoch, or nothing.
    pub fn day(time: Option<i64>) -> Self {
        time.map_or(Self::Null, Self::Day)
    }

    /// As a person reads it, and as it came: still to be made safe for where it is shown.
    fn plain(&self) -> String {
        match self {
            Self::Null | Self::Share { whole: 0, .. } => String::new(),
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Number(number) => decimal(*number),
            Self::Share { part, whole } => percent(*part, *whole),
            Self::Time(time) => rfc3339(*time),
            Self::Day(time) => day(*time),
            Self::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            Self::List(texts) => texts.join(", "),
            Self::Nested(value) => json_text(value),
        }
    }

    /// The same with numbers that are easy to read.
    fn shown(&self) -> String {
        match self {
            Self::Count(count) => short(*count),
            Self::Integer(number) => match u64::try_from(number.unsigned_abs()) {
                Ok(amount) if *number < 0 => format!("-{}", grouped(amount)),
                Ok(amount) => grouped(amount),
                Err(_) => number.to_string(),
            },
            other => other.plain(),
        }
    }

    /// How it sorts: numbers by their value, what is absent first, all else by its text.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => a.total_cmp(&b).then_with(|| self.plain().cmp(&other.plain())),
            _ => self.plain().cmp(&other.plain()),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "what is lost is told apart by its text")]
    fn number(&self) -> Option<f64> {
        match self {
            Self::Count(count) => Some(*count as f64),
            Self::Integer(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// As JSON.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Count(count) => Value::from(*count),
            Self::Integer(number) => integer(*number),
            Self::Number(number) => Value::from(*number),
            Self::Share { part, whole } => fraction(*part, *whole).map_or(Value::Null, Value::from),
            Self::Flag(flag) => Value::from(*flag),
            Self::List(texts) => Value::from(texts.as_slice()),
            Self::Nested(value) => value.clone(),
            Self::Text(_) | Self::Time(_) | Self::Day(_) => Value::from(self.plain()),
        }
    }
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    question: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    left_out: u64,
}

impl Answer {
    /// An answer to the question of this name, without rows; the most important column comes first.
    pub fn new(question: impl Into<String>, columns: Vec<Column>) -> Self {
        Self { question: question.into(), columns, rows: Vec::new(), left_out: 0 }
    }

    /// Adds a row: a cell for each column, in their order.
    pub fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    /// Keeps the first rows only; what is left out is counted.
    pub fn limit(&mut self, rows: usize) {
        self.left_out += self.rows.len().saturating_sub(rows) as u64;
        self.rows.truncate(rows);
    }

    /// The rows.
    pub fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }

    /// Writes the data to `out`, and to `err` what a person should know of it: what is not shown, and where to find it.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(
        &self,
        format: Format,
        screen: Screen,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> io::Result<()> {
        let mut hidden = Vec::new();
        match format {
            Format::Table => hidden = table::write(self, screen, out)?,
            Format::Json => lines::write_object(self, out)?,
            Format::Ndjson => lines::write_rows(self, out)?,
            Format::Csv => csv::write(self, out)?,
            Format::Markdown => markdown::write(self, out)?,
        }
        out.flush()?;
        // Standard error may be closed; the data was written.
        drop(self.talk(&hidden, err));
        Ok(())
    }

    fn talk(&self, hidden: &[&Column], err: &mut dyn Write) -> io::Result<()> {
        if self.left_out > 0 {
            let rows = if self.left_out == 1 { "row" } else { "rows" };
            writeln!(err, "{} more {rows}: left out by --limit", grouped(self.left_out))?;
        }
        if hidden.is_empty() {
            return Ok(());
        }
        let names: Vec<String> =
            hidden.iter().map(|column| Neutral::new(&column.name, 40).to_string()).collect();
        writeln!(err, "not shown for want of width: {}; --format json has all", names.join(", "))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }
}

/// A share with four decimals, cut and not rounded.
fn fraction(part: u64, whole: u64) -> Option<f64> {
    let cut = (u128::from(part) * 10_000).checked_div(u128::from(whole))?;
    // A share of more than 4 billion is no share.
    u32::try_from(cut).ok().map(|cut| f64::from(cut) / 10_000.0)
}

fn integer(number: i128) -> Value {
    let small = i64::try_from(number).map(Value::from);
    small.or_else(|_| u64::try_from(number).map(Value::from)).unwrap_or_else(|_| number.to_string().into())
}

/// JSON as text, safe on a terminal.
fn json_text(value: &Value) -> String {
    let mut line = Vec::new();
    // Memory takes it all, and what is in it is UTF-8.
    drop(json::to_line(&mut line, value));
    String::from_utf8(line).unwrap_or_default().trim_end().to_owned()
}

/// Plain where that is short.
fn decimal(number: f64) -> String {
    let is_short = number == 0.0 || (1e-4..1e15).contains(&number.abs());
    if is_short || !number.is_finite() { number.to_string() } else { format!("{number:e}") }
}

#[cfg(test)]
mod tests;
