//! Content-transfer-encodings (RFC 2045, Section 6), read as tolerantly as mail needs it.

use std::borrow::Cow;

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

/// Decodes base64 and passes over every other character. Text that follows the padding is decoded too if it can be
/// base64 (two encodings one after the other), and dropped if not (a footer that a mailing list added).
pub(super) fn base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    // Looked at once, behind the first padding: the time stays linear.
    let mut is_joined = false;
    for (at, byte) in text.iter().enumerate() {
        if let Some(value) = sextet(*byte) {
            bits = bits << 6 | u32::from(value);
            count += 1;
            if count == 4 {
                let [_, a, b, c] = bits.to_be_bytes();
                out.extend_from_slice(&[a, b, c]);
                (bits, count) = (0, 0);
            }
        } else if *byte == b'=' && count > 0 {
            flush(bits, count, &mut out);
            (bits, count) = (0, 0);
            let rest = text.get(at + 1..).unwrap_or_default();
            if !is_joined && !rest.iter().all(|b| is_base64(*b)) {
                return out;
            }
            is_joined = true;
        }
    }
    flush(bits, count, &mut out);
    out
}

/// Whether `byte` can stand in base64 text.
pub(super) fn is_base64(byte: u8) -> bool {
    sextet(byte).is_some() || byte == b'=' || byte.is_ascii_whitespace()
}

/// Adds the whole bytes of an unfinished group.
fn flush(bits: u32, count: u32, out: &mut Vec<u8>) {
    let [_, a, b, _] = (bits << (6 * (4 - count.min(4)))).to_be_bytes();
    match count {
        2 => out.push(a),
        3 => out.extend_from_slice(&[a, b]),
        _ => {}
    }
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
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
