//! How things look: standard output is data, standard error is talk. Text of mails never reaches a terminal as it is.

pub mod answer;
pub(crate) mod explain;
pub(crate) mod figures;
pub mod findings;
pub mod html;
pub mod intake;
pub(crate) mod journal;
pub mod json;
pub(crate) mod rows;
pub(crate) mod senders;
pub mod text;
pub mod trouble;

use std::io::IsTerminal as _;

/// What the output is shown on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Width of a line, in characters.
    pub width: usize,
    /// Whether colour may be used.
    pub color: bool,
}

impl Default for Screen {
    /// No terminal: 80 characters, no colour.
    fn default() -> Self {
        Self { width: 80, color: false }
    }
}

impl Screen {
    /// The screen behind standard output. `COLUMNS` overrides the width, `NO_COLOR` forbids colour.
    #[must_use]
    pub fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let measured =
            || terminal_size::terminal_size().filter(|_| is_terminal).map(|(width, _)| usize::from(width.0));
        let is_forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            width: columns.or_else(measured).unwrap_or_else(|| Self::default().width),
            color: is_terminal && !is_forbidden,
        }
    }
}
