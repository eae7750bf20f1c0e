//! Content-transfer-encodings (RFC 2045, Section 6), read as tolerantly as mail needs it.

use std::borrow::Cow;
use std::io;

use super::bounded::STEP;

/// How the body of a part is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Transfer {
    /// 7bit, 8bit, binary, or something unknown.
    #[default]
    Identity,
    Base64,
    QuotedPrintable,
}

impl Transfer {
    /// Reads the value of the field, whatever its case and whatever stands behind the word.
    pub(super) fn new(value: &str) -> Self {
        let word = value.trim().split([';', ' ', '\t', '(']).next().unwrap_or_default().trim_matches('"');
        if word.eq_ignore_ascii_case("base64") {
            Self::Base64
        } else if word.eq_ignore_ascii_case("quoted-printable") {
            Self::QuotedPrintable
        } else {
            Self::Identity
        }
    }

    /// Undoes the encoding; the result is never larger than `body`.
    pub(super) fn decode(self, body: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Identity => Cow::Borrowed(body),
            Self::Base64 => Cow::Owned(base64(body)),
            Self::QuotedPrintable => Cow::Owned(quoted_printable(body)),
        }
    }
}

/// Whether `text` is the base64 of something that begins with `magic`.
pub(super) fn begins_with(text: &[u8], magic: &[u8]) -> bool {
    let mut head = Vec::new();
    Base64::new(text).decode(&mut head, magic.len());
    head.starts_with(magic)
}

/// Decodes base64, see [`Base64`].
pub(super) fn base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    Base64::new(text).decode(&mut out, usize::MAX);
    out
}

/// Base64 that is decoded in pieces.
///
/// Every other character is passed over. Text that follows the padding is decoded too if it can be base64 (two
/// encodings one after the other), and dropped if not (a footer that a mailing list added).
#[derive(Debug)]
pub(super) struct Base64<'a> {
    rest: &'a [u8],
    bits: u32,
    count: u32,
    /// Whether what follows the padding was looked at: once, behind the first, so that the time stays linear.
    is_joined: bool,
    /// Decoded bytes, given up to `at`.
    ready: Vec<u8>,
    at: usize,
}

impl<'a> Base64<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { rest: text, bits: 0, count: 0, is_joined: false, ready: Vec::new(), at: 0 }
    }

    /// Decodes until `out` has `wanted` bytes or the text ends.
    fn decode(&mut self, out: &mut Vec<u8>, wanted: usize) {
        out.reserve((self.rest.len() / 4 * 3 + 3).min(wanted.saturating_sub(out.len()).saturating_add(3)));
        while out.len() < wanted {
            if self.count == 0 {
                self.whole_groups(out, wanted);
            }
            let Some((byte, rest)) = self.rest.split_first() else { break };
            self.rest = rest;
            if let Some(value) = sextet(*byte) {
                self.bits = self.bits << 6 | u32::from(value);
                self.count += 1;
                if self.count == 4 {
                    let [_, a, b, c] = self.bits.to_be_bytes();
                    out.extend_from_slice(&[a, b, c]);
                    (self.bits, self.count) = (0, 0);
                }
            } else if *byte == b'=' && self.count > 0 {
                self.flush(out);
                if !self.is_joined && !rest.iter().all(|b| is_base64(*b)) {
                    self.rest = &[];
                }
                self.is_joined = true;
            }
        }
        if self.rest.is_empty() {
            self.flush(out);
        }
    }

    /// Decodes groups of four characters that have nothing between them.
    fn whole_groups(&mut self, out: &mut Vec<u8>, wanted: usize) {
        while out.len() < wanted
            && let Some((&group, rest)) = self.rest.split_first_chunk::<4>()
        {
            let [a, b, c, d] = group.map(|byte| SEXTETS.get(usize::from(byte)).copied().unwrap_or(OTHER));
            if (a | b | c | d) == OTHER {
                return;
            }
            let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
            let [_, a, b, c] = bits.to_be_bytes();
            out.extend_from_slice(&[a, b, c]);
            self.rest = rest;
        }
    }

    /// Adds the whole bytes of an unfinished group.
    fn flush(&mut self, out: &mut Vec<u8>) {
        let [_, a, b, _] = (self.bits << (6 * (4 - self.count.min(4)))).to_be_bytes();
        match self.count {
            2 => out.push(a),
            3 => out.extend_from_slice(&[a, b]),
            _ => {}
        }
        (self.bits, self.count) = (0, 0);
    }
}

impl io::Read for Base64<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.at == self.ready.len() {
            let mut ready = std::mem::take(&mut self.ready);
            ready.clear();
            self.decode(&mut ready, STEP);
            (self.ready, self.at) = (ready, 0);
        }
        let given = self.ready.get(self.at..).unwrap_or_default().read(to)?;
        self.at += given;
        Ok(given)
    }
}

/// Whether `byte` can stand in base64 text.
pub(super) fn is_base64(byte: u8) -> bool {
    sextet(byte).is_some() || byte == b'=' || byte.is_ascii_whitespace()
}

fn sextet(byte: u8) -> Option<u8> {
    SEXTETS.get(usize::from(byte)).copied().filter(|value| *value != OTHER)
}

/// What stands in [`SEXTETS`] for a character that is none of base64: all bits, so that it shows among any others.
const OTHER: u8 = 0xff;

/// The value of each character of base64 (RFC 2045, Section 6.8).
static SEXTETS: [u8; 256] = sextets();

#[expect(clippy::indexing_slicing, reason = "an index out of bounds would not compile")]
const fn sextets() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [OTHER; 256];
    let mut value = 0;
    while value < 64 {
        table[alphabet[value as usize] as usize] = value;
        value += 1;
    }
    table
}

/// Decodes quoted-printable; `=` that begins no escape is kept (RFC 2045, Section 6.7).
fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|b| *b == b'\n') {
        let content = line.trim_ascii_end();
        let end = line.strip_suffix(b"\r\n").map_or_else(|| line.strip_suffix(b"\n").map_or(0, |_| 1), |_| 2);
        let soft = content.ends_with(b"=");
        unescape(content.strip_suffix(b"=").unwrap_or(content), &mut out);
        if !soft {
            out.extend_from_slice(line.get(line.len() - end..).unwrap_or_default());
        }
    }
    out
}

fn unescape(mut text: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'=', text) {
        let (before, escape) = text.split_at(at);
        out.extend_from_slice(before);
        if let [_, high, low, rest @ ..] = escape
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high << 4 | low);
            text = rest;
        } else {
            out.push(b'=');
            text = escape.get(1..).unwrap_or_default();
        }
    }
    out.extend_from_slice(text);
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_base64_with_line_ends_and_any_padding() {
        assert_eq!(base64(b"PGZl\r\nZWRi YWNr\n/w"), b"<feedback\xff");
        assert_eq!(base64(b"YQ==YmM="), b"abc");
        assert_eq!(base64(b"YWI=\n-- \nfooter, added."), b"ab");
        assert_eq!(base64(b"===="), b"");
    }

    #[test]
    fn decodes_base64_in_pieces_as_at_once() {
        let text: Vec<u8> = (0_u32..200_000).map(|n| b"AbC9+/\n "[n as usize % 8]).collect();
        for text in [text.as_slice(), b"YQ==YmM=", b"YWI=\n-- \nfooter, added.", b"A", b""] {
            let mut pieces = Vec::new();
            let mut reader = Base64::new(text);
            let mut piece = [0; 7];
            while let Ok(given @ 1..) = io::Read::read(&mut reader, &mut piece) {
                pieces.extend_from_slice(&piece[..given]);
            }
            assert_eq!(pieces, base64(text));
        }
    }

    #[test]
    fn decodes_quoted_printable_with_soft_line_ends_and_bad_escapes() {
        let text = b"a=3D1 =\r\nb =C3=a9  \r\n=zz=\nend";
        assert_eq!(quoted_printable(text), "a=1 b é\r\n=zzend".as_bytes());
    }

    #[test]
    fn reads_the_encoding_whatever_its_case() {
        assert_eq!(Transfer::new(" Base64 (really)"), Transfer::Base64);
        assert_eq!(Transfer::new("QUOTED-PRINTABLE;"), Transfer::QuotedPrintable);
        assert_eq!(Transfer::new("binary"), Transfer::Identity);
    }
}
