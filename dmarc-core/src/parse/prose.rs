//! Notices in prose: lines `Name: value` among sentences, in the order of the text.

/// Bytes of a text in which such lines are looked for.
const HEAD: usize = 8 << 10;

/// The lines `Name: value` near the beginning of `text`, without the space around name and value.
pub(super) fn labelled(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let head = text.get(..text.floor_char_boundary(HEAD.min(text.len()))).unwrap_or_default();
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
        .filter(|(name, _)| !name.is_empty())
}

/// The first value with the label `name`, whatever its letter case.
pub(super) fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    labelled(text).find(|(label, _)| label.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
