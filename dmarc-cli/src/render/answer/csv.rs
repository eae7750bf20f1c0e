//! As CSV (RFC 4180), with a head, for spreadsheets.
//!
//! A spreadsheet computes what begins like a formula, so such a text gets a `'` in front. Line ends and what a terminal could
//! be harmed by are written as `\u{…}`: a row is always one line.

use std::io::{self, Write};

use super::{Answer, Cell, json_text};
use crate::render::text::Neutral;

/// Writes the names of the columns and a line for each row.
pub(super) fn write(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = writer(out);
    writer.write_record(answer.names().map(inert))?;
    for row in &answer.rows {
        writer.write_record(row.iter().map(field))?;
    }
    writer.flush()
}

/// What writes lines as the RFC has them.
pub(crate) fn writer<W: Write>(out: W) -> ::csv::Writer<W> {
    ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(out)
}

/// A cell, before it is quoted.
pub(crate) fn field(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => inert(text),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Share { .. } | Cell::List(_) | Cell::Nested(_) => match cell.value() {
            serde_json::Value::Null => String::new(),
            value => inert(&json_text(&value)),
        },
        // Numbers and times are made by us; a minus in front of a number is none of a formula.
        other => other.plain(),
    }
}

/// Text that no spreadsheet computes and no terminal obeys.
pub(super) fn inert(text: &str) -> String {
    let is_formula = text.trim_start_matches(' ').starts_with(is_formula_sign);
    let mark = if is_formula { "'" } else { "" };
    format!("{mark}{}", Neutral::new(text, usize::MAX))
}

/// What a formula begins with; the wide forms count where East Asian text is read.
fn is_formula_sign(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
}
