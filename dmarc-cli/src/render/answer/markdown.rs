//! As a table of GitHub Flavored Markdown.
//!
//! Whatever has a meaning in Markdown or HTML is escaped. A bare address stays one that a page may make a link of: it leads to
//! where it says.

use std::io::{self, Write};

use super::{Answer, Cell};
use crate::render::text::Neutral;

/// Writes the table.
pub(super) fn write(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    write_line(out, answer.names().map(escaped))?;
    let align = |is_number| if is_number { "---:" } else { "---" }.to_owned();
    write_line(out, answer.columns.iter().map(|column| align(column.is_number())))?;
    answer
        .rows
        .iter()
        .try_for_each(|row| write_line(out, row.iter().map(Cell::plain).map(|text| escaped(&text))))
}

fn write_line(out: &mut dyn Write, cells: impl Iterator<Item = String>) -> io::Result<()> {
    write!(out, "|")?;
    for cell in cells {
        write!(out, " {cell} |")?;
    }
    writeln!(out)
}

/// Text that stays text.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in Neutral::new(text, usize::MAX).to_string().chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '!' | '#' => safe.extend(['\\', c]),
            other => safe.push(other),
        }
    }
    safe
}
