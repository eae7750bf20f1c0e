//! The members of a gzip file (RFC 1952), all of them.
//!
//! Bytes behind the last valid member are tolerated. A member that is damaged or cut short makes the whole file an
//! error: part of a report would give wrong counts.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::bounded::{self, FIRST, Inflate, STEP};
use crate::error::{Error, ErrorKind, Result};
use crate::quirk::{QuirkCode, Quirks};

/// How every member begins (RFC 1952, Section 2.3.1).
pub(super) const MAGIC: &[u8] = b"\x1f\x8b";

const HEADER_CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

/// The longest header that is read, in bytes: the field of its extra data may have 64 KiB.
const HEADER: usize = 128 << 10;
const TRAILER: usize = 8;

thread_local! {
    /// What inflates, kept from file to file: to make it anew costs more than a usual file.
    static INFLATER: Cell<Option<Decompress>> = const { Cell::new(None) };
}

/// Calls `inflate` with something that inflates, in whatever state it was left: [`Members`] resets it before each member.
pub(super) fn with_inflater(inflate: impl FnOnce(&mut Decompress)) {
    // Another one is made while this one is in use, for a gzip file in a gzip file.
    let mut stream = INFLATER.take().unwrap_or_else(|| Decompress::new(false));
    inflate(&mut stream);
    INFLATER.set(Some(stream));
}

/// What the members of a file hold, one behind the other.
///
/// Reading gives an [`Error`] of kind [`ErrorKind::Decompress`] if a member is damaged or cut short; what came before is
/// worth nothing then.
pub(super) struct Members<'q, R> {
    source: R,
    /// Received bytes, used up to `at`.
    input: Vec<u8>,
    at: usize,
    /// What is received next, in bytes.
    step: usize,
    is_last: bool,
    /// Compressed bytes received before those of `input`.
    before: u64,
    stream: &'q mut Decompress,
    crc: Crc,
    place: Place,
    /// Bytes met behind the last member.
    trailing: u64,
    quirks: &'q RefCell<Quirks>,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    FirstHeader,
    Body,
    Trailer,
    /// A further header, or something that is none.
    Behind,
    End,
}

impl<'q, R: Read> Members<'q, R> {
    pub(super) fn new(source: R, stream: &'q mut Decompress, quirks: &'q RefCell<Quirks>) -> Self {
        Self {
            source,
            input: Vec::new(),
            at: 0,
            step: FIRST,
            is_last: false,
            before: 0,
            stream,
            crc: Crc::new(),
            place: Place::FirstHeader,
            trailing: 0,
            quirks,
        }
    }

    fn rest(&self) -> &[u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    /// Receives more input behind what is not used yet.
    fn receive(&mut self) -> Result<()> {
        self.before += self.at as u64;
        self.input.drain(..self.at);
        self.at = 0;
        self.is_last = bounded::fill(&mut self.source, &mut self.input, self.step)? == 0;
        self.step = (2 * self.step).min(STEP);
        Ok(())
    }

    /// Makes sure that `len` bytes are there, as far as the source has them.
    fn need(&mut self, len: usize) -> Result<()> {
        while self.rest().len() < len && !self.is_last {
            self.receive()?;
        }
        Ok(())
    }

    /// Goes on to the next body, or to the end.
    fn advance(&mut self) -> Result<()> {
        match self.place {
            Place::Behind => {
                self.need(MAGIC.len() + 1)?;
                if !self.rest().starts_with(b"\x1f\x8b\x08") {
                    return self.pass_over_trailing();
                }
                self.header()
            }
            Place::FirstHeader => self.header(),
            Place::Trailer => self.trailer(),
            Place::Body | Place::End => Ok(()),
        }
    }

    fn header(&mut self) -> Result<()> {
        let len = loop {
            if let Some(len) = header_len(self.rest()) {
                break len;
            }
            if self.is_last || self.rest().len() > HEADER {
                return Err(damaged());
            }
            self.receive()?;
        };
        self.at += len;
        self.stream.reset(false);
        self.crc.reset();
        self.place = Place::Body;
        Ok(())
    }

    fn trailer(&mut self) -> Result<()> {
        self.need(TRAILER)?;
        let (crc, size) = (word(self.rest(), 0), word(self.rest(), 4));
        if (crc, size) != (Some(self.crc.sum()), Some(self.crc.amount())) {
            return Err(damaged());
        }
        self.at += TRAILER;
        self.place = Place::Behind;
        Ok(())
    }

    fn pass_over_trailing(&mut self) -> Result<()> {
        loop {
            self.trailing += self.rest().len() as u64;
            self.at = self.input.len();
            if self.is_last {
                break;
            }
            self.receive()?;
        }
        if self.trailing > 0 {
            self.quirks.borrow_mut().note(QuirkCode::TrailingBytes, format!("{} bytes", self.trailing));
        }
        self.place = Place::End;
        Ok(())
    }

    /// Inflates some of a body; 0 bytes at its end, and where more input is needed first.
    fn inflate(&mut self, to: &mut [u8]) -> Result<usize> {
        let (taken, given) = (self.stream.total_in(), self.stream.total_out());
        let rest = self.input.get(self.at..).unwrap_or_default();
        let status = self
            .stream
            .decompress(rest, to, FlushDecompress::None)
            .map_err(|error| damaged().with_source(error))?;
        let taken = usize::try_from(self.stream.total_in() - taken).unwrap_or(usize::MAX);
        let given = usize::try_from(self.stream.total_out() - given).unwrap_or(usize::MAX);
        self.at += taken;
        self.crc.update(to.get(..given).unwrap_or_default());
        if status == Status::StreamEnd {
            self.place = Place::Trailer;
        } else if given == 0 && taken == 0 {
            if self.is_last {
                return Err(damaged());
            }
            self.receive()?;
        }
        Ok(given)
    }
}

impl<R: Read> Read for Members<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while !to.is_empty() {
            match self.place {
                Place::End => break,
                Place::Body => match self.inflate(to)? {
                    0 => {}
                    given => return Ok(given),
                },
                _ => self.advance()?,
            }
        }
        Ok(0)
    }
}

impl<R: Read> Inflate for Members<'_, R> {
    fn taken(&self) -> u64 {
        self.before + self.at as u64
    }
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

    /// What the members hold, and how many bytes stand behind them.
    fn run(input: &[u8]) -> (Result<Vec<u8>>, u64) {
        let (limits, quirks) = (Limits::default(), RefCell::default());
        let mut stream = Decompress::new(false);
        let mut members = Members::new(input, &mut stream, &quirks);
        let bytes = bounded::collect(&mut members, Vec::new(), limits.held_bytes, &limits);
        (bytes, members.trailing)
    }

    #[test]
    fn z03_joins_concatenated_members() {
        let (bytes, trailing) = run(&[gzip(b"<feed"), gzip(b"back/>")].concat());
        assert_eq!((bytes.unwrap().as_slice(), trailing), (&b"<feedback/>"[..], 0));
    }

    #[test]
    fn passes_over_bytes_behind_the_last_member() {
        for tail in [&b"\r\n"[..], b"\0\0\0\0", b"\x1f\x8b", b"garbage", &vec![0; 100_000]] {
            let (bytes, trailing) = run(&[&gzip(b"text"), tail].concat());
            assert_eq!((bytes.unwrap().as_slice(), trailing), (&b"text"[..], tail.len() as u64));
        }
    }

    #[test]
    fn z04_refuses_every_cut_of_a_file() {
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
    fn gives_the_same_however_small_the_pieces() {
        let whole = [gzip(b"first "), gzip(&[b'x'; 5_000]), b"behind".to_vec()].concat();
        let quirks = RefCell::default();
        let mut stream = Decompress::new(false);
        let mut members = Members::new(whole.as_slice(), &mut stream, &quirks);
        let mut pieces = Vec::new();
        let mut piece = [0; 3];
        while let Ok(read @ 1..) = members.read(&mut piece) {
            pieces.extend_from_slice(&piece[..read]);
        }
        assert_eq!(pieces, run(&whole).0.unwrap());
        assert_eq!(members.trailing, 6);
    }

    #[test]
    fn inflates_the_same_whatever_was_inflated_before() {
        let text: Vec<u8> =
            (0_u32..40_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 28) as u8 + b'a').collect();
        let whole = gzip(&text);
        let files = (0..whole.len()).step_by(97).flat_map(|at| {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            [damaged, whole[..at].to_vec(), whole.clone(), gzip(b"short")]
        });
        let (limits, quirks) = (Limits::default(), RefCell::default());
        for file in files {
            with_inflater(|stream| {
                let mut members = Members::new(file.as_slice(), stream, &quirks);
                let bytes = bounded::collect(&mut members, Vec::new(), limits.held_bytes, &limits);
                assert_eq!(bytes.map_err(|e| e.kind()), run(&file).0.map_err(|e| e.kind()));
            });
        }
    }
}
