//! Header-like fields (RFC 5322, Section 2.2): lines, folding, comments.
//!
//! *Not supported:* line ends of a lone CR.

use std::borrow::Cow;

use crate::parse::auth::{comment_len, quoted_len};

pub(super) enum Line<'a> {
    Field { name: &'a str, value: &'a str },
    Junk(&'a str),
}

/// The fields of a header block, each with its folded lines; `rest` is what follows the empty line that ends it.
pub(super) struct Lines<'a> {
    pub(super) rest: &'a str,
    ended: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.trim_start_matches(['\u{feff}', '\r', '\n', ' ', '\t']), ended: false }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.rest.is_empty() {
            return None;
        }
        let bytes = self.rest.as_bytes();
        let end = memchr::memchr_iter(b'\n', bytes)
            .map(|at| at + 1)
            .find(|at| !matches!(bytes.get(*at), Some(b' ' | b'\t')))
            .unwrap_or(bytes.len());
        let (line, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        if line.trim_end_matches(['\r', '\n']).is_empty() {
            self.ended = true;
            return None;
        }
        Some(match line.split_once(':') {
            Some((name, value)) if is_name(name.trim_end()) => {
                Line::Field { name: name.trim_end(), value: value.trim() }
            }
            _ => Line::Junk(line.trim()),
        })
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic())
}

/// The value without its line ends (RFC 5322, Section 2.2.3).
pub(super) fn unfold(raw: &str) -> Cow<'_, str> {
    let raw = raw.trim();
    if raw.contains(['\r', '\n']) { Cow::Owned(raw.replace(['\r', '\n'], "")) } else { Cow::Borrowed(raw) }
}

/// The value without line ends and comments; parentheses in quotes are none.
pub(super) fn clean(raw: &str) -> Cow<'_, str> {
    if !raw.contains('(') {
        return unfold(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find(['(', '"']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let comment = from.starts_with('(');
        let len = if comment { comment_len(from) } else { quoted_len(from) };
        let (special, behind) = from.split_at_checked(len).unwrap_or((from, ""));
        text.push_str(before);
        text.push_str(if comment { " " } else { special });
        rest = behind;
    }
    text.push_str(rest);
    Cow::Owned(text.replace(['\r', '\n'], "").trim().to_owned())
}

/// A path (RFC 5321, Section 4.1.2) without comments and `<>`; empty for the null reverse-path.
pub(super) fn path(raw: &str) -> Cow<'_, str> {
    let bare = |text: &str| text.starts_with('<') && text.ends_with('>');
    match clean(raw) {
        Cow::Borrowed(text) if bare(text) => {
            Cow::Borrowed(text.trim_start_matches('<').trim_end_matches('>'))
        }
        Cow::Owned(text) if bare(&text) => {
            Cow::Owned(text.trim_start_matches('<').trim_end_matches('>').to_owned())
        }
        other => other,
    }
}

/// The value without any white space.
pub(super) fn compact(raw: &str) -> Cow<'_, str> {
    let raw = raw.trim();
    if raw.contains(char::is_whitespace) { raw.split_whitespace().collect() } else { Cow::Borrowed(raw) }
}

pub(super) fn lower(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) { Cow::Owned(text.to_ascii_lowercase()) } else { text }
}
