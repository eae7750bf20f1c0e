//! The members of a gzip file (RFC 1952), all of them.
//!
//! Bytes behind the last valid member are tolerated. A member that is damaged or cut short makes the whole file an
//! error: part of a report would give wrong counts.

use super::bounded::{Budget, Output};
use crate::error::{Error, ErrorKind, Result};
use crate::quirk::{QuirkCode, Quirks};

/// How every member begins (RFC 1952, Section 2.3.1).
pub(super) const MAGIC: &[u8] = b"\x1f\x8b";

const HEADER_CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

/// Inflates every member and joins what they hold.
///
/// # Errors
/// - [`ErrorKind::LimitExceeded`] if a ceiling is reached.
/// - [`ErrorKind::Decompress`] if a member is damaged or cut short.
pub(super) fn inflate(input: &[u8], budget: &mut Budget, quirks: &mut Quirks) -> Result<Vec<u8>> {
    let max = budget.max_payload();
    let mut output = Output::new(budget, max);
    let mut at = 0;
    loop {
        let rest = input.get(at..).unwrap_or_default();
        at += member(rest, at, &mut output).ok_or_else(damaged)??;
        let rest = input.get(at..).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        if !rest.starts_with(b"\x1f\x8b\x08") {
            quirks.note(QuirkCode::TrailingBytes, format!("{} bytes", rest.len()));
            break;
        }
    }
    Ok(output.into_bytes())
}

/// Inflates the member at the beginning of `input` and tells its size; `None` if header or trailer are not whole.
fn member(input: &[u8], before: usize, output: &mut Output<'_>) -> Option<Result<usize>> {
    let header = header_len(input)?;
    let from = output.len();
    let taken = match output.inflate(input.get(header..)?, before + header) {
        Ok(taken) => taken,
        Err(error) => return Some(Err(error)),
    };
    let end = header + taken;
    let (crc, size) = (word(input, end)?, word(input, end + 4)?);
    Some(if output.checksum(from) == (crc, size) { Ok(end + 8) } else { Err(damaged()) })
}

/// The size of a member's header; `None` if it is not one.
fn header_len(input: &[u8]) -> Option<usize> {
    let [0x1f, 0x8b, 8, flags, ..] = *input else { return None };
    let mut at = 10;
    if flags & EXTRA != 0 {
        let len = input.get(at..at + 2)?.iter().rev().fold(0, |len, byte| len << 8 | usize::from(*byte));
        at += 2 + len;
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            at += memchr::memchr(0, input.get(at..)?)? + 1;
        }
    }
    if flags & HEADER_CRC != 0 {
        at += 2;
    }
    (at <= input.len()).then_some(at)
}

fn word(input: &[u8], at: usize) -> Option<u32> {
    input.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn damaged() -> Error {
    Error::new(ErrorKind::Decompress)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, GzBuilder};

    use super::*;
    use crate::limits::Limits;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzBuilder::new()
            .filename("report.xml")
            .comment("a comment")
            .extra(vec![1, 2, 3])
            .write(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn run(input: &[u8]) -> (Result<Vec<u8>>, Quirks) {
        let mut quirks = Quirks::default();
        (inflate(input, &mut Budget::new(&Limits::default()), &mut quirks), quirks)
    }

    #[test]
    fn joins_concatenated_members() {
        let (bytes, quirks) = run(&[gzip(b"<feed"), gzip(b"back/>")].concat());
        assert_eq!(bytes.unwrap(), b"<feedback/>");
        assert!(quirks.as_slice().is_empty());
    }

    #[test]
    fn passes_over_bytes_behind_the_last_member() {
        for tail in [&b"\r\n"[..], b"\0\0\0\0", b"\x1f\x8b", b"garbage"] {
            let (bytes, quirks) = run(&[&gzip(b"text"), tail].concat());
            assert_eq!(bytes.unwrap(), b"text");
            assert!(quirks.contains(QuirkCode::TrailingBytes));
        }
    }

    #[test]
    fn refuses_every_cut_of_a_file() {
        let whole = gzip(b"some text that is long enough to be compressed, compressed, compressed");
        for cut in 0..whole.len() {
            assert_eq!(run(&whole[..cut]).0.unwrap_err().kind(), ErrorKind::Decompress, "{cut}");
            let second = [&gzip(b"first"), &whole[..cut]].concat();
            if cut > 2 {
                assert_eq!(run(&second).0.unwrap_err().kind(), ErrorKind::Decompress, "{cut}");
            }
        }
    }

    #[test]
    fn refuses_a_wrong_checksum_or_size() {
        let whole = gzip(b"text");
        for from_end in 1..=8 {
            let mut damaged = whole.clone();
            let at = whole.len() - from_end;
            damaged[at] ^= 1;
            assert_eq!(run(&damaged).0.unwrap_err().kind(), ErrorKind::Decompress);
        }
    }

    #[test]
    fn checks_the_limit_over_all_members() {
        let limits = Limits { payload_bytes: 7, ..Limits::default() };
        let two = [gzip(b"1234"), gzip(b"5678")].concat();
        let error = inflate(&two, &mut Budget::new(&limits), &mut Quirks::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { limit: "payload_bytes", max: 7 });
    }
}
