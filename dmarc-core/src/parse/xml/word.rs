//! Eight bytes looked at in one: how far white space, a plain name or a plain text reaches.
//!
//! Each function tells less where fewer than eight bytes are left, so that whoever asks needs another way to read.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = ONES << 7;

/// Where white space that begins at `at` ends.
#[inline]
pub(super) fn space_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(b' ') => at = blank_end(bytes, at),
            Some(b'\n' | b'\r' | b'\t') => at += 1,
            _ => return at,
        }
    }
}

/// Where the run of blanks that begins at `at` ends: lines are indented by them.
#[inline]
fn blank_end(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    while let Some(word) = word(bytes, at) {
        let other = word ^ splat(b' ');
        if other != 0 {
            return at + first(other);
        }
        at += size_of::<u64>();
    }
    at
}

/// The length of a name of nothing but small letters and `_` that begins at `at` and ends with `>`.
#[inline]
pub(super) fn plain_name(bytes: &[u8], at: usize) -> Option<usize> {
    let len = reach(bytes, at, |word| {
        // `_` stands before the letters, with one other character between.
        below(word, b'_') | equal(word, b'`') | word.wrapping_add(splat(0x7f - b'z')) | word
    })?;
    (len > 0 && bytes.get(at + len) == Some(&b'>')).then_some(len)
}

/// The length of a text without references, control characters and line ends that begins at `at` and ends with `<`.
#[inline]
pub(super) fn plain_text(bytes: &[u8], at: usize) -> Option<usize> {
    let len = reach(bytes, at, |word| below(word, b' ') | equal(word, b'<') | equal(word, b'&'))?;
    (bytes.get(at + len) == Some(&b'<')).then_some(len)
}

/// How many bytes from `at` on stand before the first one whose high bit `marks` sets. What it sets behind that one
/// does not matter.
#[inline]
fn reach(bytes: &[u8], at: usize, marks: impl Fn(u64) -> u64) -> Option<usize> {
    let mut len = 0;
    loop {
        let marks = marks(word(bytes, at + len)?) & HIGH;
        if marks != 0 {
            return Some(len + first(marks));
        }
        len += size_of::<u64>();
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

const fn splat(byte: u8) -> u64 {
    ONES * byte as u64
}

/// The first byte that is not zero.
fn first(word: u64) -> usize {
    word.trailing_zeros() as usize / 8
}

/// Sets the high bit of the first byte less than `than`, perhaps of others behind it, and of none before.
fn below(word: u64, than: u8) -> u64 {
    word.wrapping_sub(splat(than)) & !word & HIGH
}

/// Sets the high bit of the first byte that is `byte`, perhaps of others behind it, and of none before.
fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ splat(byte), 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a function finds byte by byte; `None` as well where it may not know.
    fn slowly(bytes: &[u8], is_part: impl Fn(u8) -> bool, end: u8) -> Option<usize> {
        let len = bytes.iter().position(|byte| !is_part(*byte))?;
        (bytes[len] == end).then_some(len)
    }

    proptest! {
        #[test]
        fn finds_the_ends_that_are_found_byte_by_byte(
            text in "[a-z_`{\\^\u{7f}\u{80}é<>&A-Z0-9 .\\n\\r\\t\u{1f}]{0,30}|[a-z_]{0,20}>|[ -~]{0,30}<| {0,20}\n {0,20}x",
            any in prop::collection::vec(any::<u8>(), 0..30),
            at in 0..4_usize,
        ) {
            for bytes in [text.as_bytes(), &any] {
                let rest = bytes.get(at..).unwrap_or_default();
                let spaces = rest.iter().take_while(|byte| byte.is_ascii_whitespace() && **byte != b'\x0c').count();
                prop_assert_eq!(space_end(bytes, at), at + spaces);
                // Nothing follows that would be needed for a whole word.
                let padded = [bytes, &[0; 8]].concat();
                let name = slowly(rest, |byte| byte.is_ascii_lowercase() || byte == b'_', b'>');
                prop_assert_eq!(plain_name(&padded, at), name.filter(|len| *len > 0));
                let text = slowly(rest, |byte| byte >= b' ' && byte != b'<' && byte != b'&', b'<');
                prop_assert_eq!(plain_text(&padded, at), text);
            }
        }
    }
}
