//! As lines that fit the screen: long texts are cut, and columns at the end left out, where there is no room.

use std::io::{self, Write};

use super::{Answer, Column};
use crate::render::Screen;
use crate::render::figures::cut;
use crate::render::text::Neutral;

/// The narrowest and the widest column of text, in characters; a text that is shorter takes less.
const NARROW: usize = 18;
const WIDE: usize = 60;
/// What stands between two columns: two, for digits are grouped by one.
const GAP: &str = "  ";

/// Writes the table, and returns the columns that had no room.
pub(super) fn write<'a>(
    answer: &'a Answer,
    screen: Screen,
    out: &mut dyn Write,
) -> io::Result<Vec<&'a Column>> {
    if answer.rows.is_empty() {
        writeln!(out, "nothing")?;
        return Ok(Vec::new());
    }
    let heads: Vec<String> = answer.columns.iter().map(|column| safe(&column.head)).collect();
    let rows: Vec<Vec<String>> =
        answer.rows.iter().map(|row| row.iter().map(|cell| safe(&cell.shown())).collect()).collect();
    let widths = fit(&answer.columns, &widest(&heads, &rows), screen.width);
    write_line(out, &answer.columns, &widths, &heads)?;
    for row in &rows {
        write_line(out, &answer.columns, &widths, row)?;
    }
    Ok(answer.columns.iter().skip(widths.len()).collect())
}

fn safe(text: &str) -> String {
    // An escape is longer than what it stands for.
    cut(&Neutral::new(text, WIDE).to_string(), WIDE)
}

fn widest(heads: &[String], rows: &[Vec<String>]) -> Vec<usize> {
    let width = |text: &String| text.chars().count();
    let mut widths: Vec<usize> = heads.iter().map(width).collect();
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = width(cell).max(*widest);
        }
    }
    widths
}

/// The width of each column that has room, from the first on.
fn fit(columns: &[Column], natural: &[usize], screen: usize) -> Vec<usize> {
    let mut shown = natural.len();
    loop {
        let mut widths: Vec<usize> = natural.iter().copied().take(shown).collect();
        while line(&widths) > screen {
            let elastic = widths.iter_mut().zip(columns).filter(|(_, column)| column.is_elastic());
            let widest = elastic.map(|(width, _)| width).max().filter(|width| **width > NARROW);
            match widest {
                Some(widest) => *widest -= 1,
                None => break,
            }
        }
        if line(&widths) <= screen {
            return widths;
        }
        if shown <= 1 {
            return vec![screen.saturating_sub(1).max(1)];
        }
        shown -= 1;
    }
}

/// How long a line of columns of these widths is.
fn line(widths: &[usize]) -> usize {
    1 + widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

fn write_line(out: &mut dyn Write, columns: &[Column], widths: &[usize], cells: &[String]) -> io::Result<()> {
    let mut text = String::new();
    for ((column, width), cell) in columns.iter().zip(widths).zip(cells) {
        let cell = cut(cell, *width);
        text.push_str(if text.is_empty() { " " } else { GAP });
        let padded = if column.is_number() { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
        text.push_str(&padded);
    }
    writeln!(out, "{}", text.trim_end())
}
