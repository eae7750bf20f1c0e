//! Text of strangers, made safe for a terminal.
//!
//! Report text can hold escape sequences, characters that turn the line around or that cannot be seen. They are
//! shown as `\u{…}` and never sent.

use std::fmt::{self, Write as _};

pub use dmarc_ingest::text::is_unsafe;

/// Text as it may be shown: what is unsafe escaped, one line, and not longer than a number of characters.
///
/// ```
/// use dmarc_cli::render::text::Neutral;
///
/// assert_eq!(Neutral::new("a\u{1b}[31mb", 40).to_string(), r"a\u{1b}[31mb");
/// assert_eq!(Neutral::new("abcdef", 4).to_string(), "abc…");
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Neutral<'a> {
    text: &'a str,
    max: usize,
}

impl<'a> Neutral<'a> {
    /// Shows `text` with at most `max` of its characters; a longer one ends in `…`.
    pub fn new(text: &'a str, max: usize) -> Self {
        Self { text, max }
    }
}

impl fmt::Display for Neutral<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_long = self.text.chars().nth(self.max).is_some();
        let shown = if is_long { self.max.saturating_sub(1) } else { self.max };
        for c in self.text.chars().take(shown) {
            if is_unsafe(c) { write!(f, "{}", c.escape_unicode())? } else { f.write_char(c)? }
        }
        if is_long { f.write_char('…') } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_drives_turns_or_hides() {
        for c in
            "\0\n\r\t\u{1b}\u{7f}\u{85}\u{9b}\u{61c}\u{200b}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\
                  \u{202e}\u{2066}\u{2069}\u{feff}\u{e0041}"
                .chars()
        {
            assert_eq!(Neutral::new(&c.to_string(), 9).to_string(), format!("\\u{{{:x}}}", u32::from(c)));
        }
    }

    #[test]
    fn leaves_other_text_alone() {
        let text = "Müller & Söhne <a@b.example> 日本語 🙂 שלום";
        assert_eq!(Neutral::new(text, 100).to_string(), text);
    }

    #[test]
    fn cuts_after_a_number_of_characters() {
        assert_eq!(Neutral::new("äöü", 3).to_string(), "äöü");
        assert_eq!(Neutral::new("äöüß", 3).to_string(), "äö…");
    }
}
