//! Tables that stay tables for a screen reader where the style sheet lays them out as cards.

use std::fmt::Display;

use super::markup::Html;

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What the row is about.
    Name,
    /// Text that may be broken anywhere.
    Text,
    /// A word of ours, kept in one piece.
    Word,
    Number,
}

impl Kind {
    /// The class of its cells in the style sheet.
    fn class(self) -> &'static str {
        match self {
            Self::Name | Self::Text => "text",
            Self::Word => "word",
            Self::Number => "number",
        }
    }
}

/// The head of a column, and what stands in it.
pub(super) type Column = (&'static str, Kind);

/// Writes a table; `body` writes its rows, or groups of rows, with [`rows`] and [`row`].
pub(super) fn table(
    html: &mut Html,
    class: &'static str,
    caption: impl Display,
    columns: &[Column],
    body: impl FnOnce(&mut Html),
) {
    html.open("table").class(class).attr("role", "table").with(|html| {
        html.open("caption").text(caption);
        html.open("thead").attr("role", "rowgroup").with(|html| {
            html.open("tr").attr("role", "row").with(|html| {
                for (head, kind) in columns {
                    let th = html.open("th").attr("scope", "col").attr("role", "columnheader");
                    th.class(kind.class()).text(head);
                }
            });
        });
        body(html);
    });
}

/// Writes rows that belong together.
pub(super) fn rows(html: &mut Html, content: impl FnOnce(&mut Html)) {
    html.open("tbody").attr("role", "rowgroup").with(content);
}

/// Writes a row; `content` writes a cell for each column.
pub(super) fn row(html: &mut Html, columns: &[Column], content: impl FnOnce(&mut Row<'_>)) {
    html.open("tr").attr("role", "row").with(|html| content(&mut Row { html, columns: columns.iter() }));
}

/// A row that is being written, cell by cell.
#[derive(Debug)]
pub(super) struct Row<'t> {
    html: &'t mut Html,
    columns: std::slice::Iter<'t, Column>,
}

impl Row<'_> {
    /// Writes text into the next column.
    pub(super) fn text(&mut self, text: impl Display) {
        self.cell(|html| html.text(text));
    }

    /// Writes `content` into the next column; nothing where there is none.
    pub(super) fn cell(&mut self, content: impl FnOnce(&mut Html)) {
        let Some((head, kind)) = self.columns.next() else { return };
        let cell = match kind {
            Kind::Name => self.html.open("th").attr("scope", "row").attr("role", "rowheader"),
            _ => self.html.open("td").attr("role", "cell"),
        };
        cell.class(kind.class()).attr("data-head", head).with(content);
    }
}
