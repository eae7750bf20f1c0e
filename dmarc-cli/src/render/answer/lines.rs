//! As JSON: one object, or one object a row. The keys are the names of the columns, in their order.

use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::{Answer, Cell};
use crate::render::json;

/// The version of the object. A new column or key changes no version; any other change does.
const SCHEMA: u32 = 1;

#[derive(serde::Serialize)]
struct Object<'a> {
    schema: u32,
    question: &'a str,
    rows: Vec<Row<'a>>,
    /// Rows beyond `--limit`.
    left_out: u64,
}

/// A row, as an object.
struct Row<'a> {
    answer: &'a Answer,
    cells: &'a [Cell],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.cells.len()))?;
        for (name, cell) in self.answer.names().zip(self.cells) {
            map.serialize_entry(name, &cell.value())?;
        }
        map.end()
    }
}

/// Writes `{schema, question, rows, left_out}`.
pub(super) fn write_object(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    let rows = rows(answer).collect();
    json::to_line(
        out,
        &Object { schema: SCHEMA, question: &answer.question, rows, left_out: answer.left_out },
    )
}

/// Writes a line for each row.
pub(super) fn write_rows(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    rows(answer).try_for_each(|row| json::to_line(out, &row))
}

fn rows(answer: &Answer) -> impl Iterator<Item = Row<'_>> {
    answer.rows.iter().map(move |cells| Row { answer, cells })
}
