//! Bytes → text: byte-order mark, then XML declaration, then the charset of the MIME part, then UTF-8.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::bounded;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::quirk::{QuirkCode, Quirks};

/// Space in which any decoder finds room for a character, in bytes.
const CHARACTER: usize = 32;
/// Where an XML declaration ends at the latest, in bytes.
const DECLARATION: usize = 512;

/// Decodes `bytes`; `charset` is what the MIME part says.
///
/// # Errors
/// [`LimitExceeded`](crate::ErrorKind::LimitExceeded) if the text is larger than what may be held.
pub(super) fn decode<'a>(
    bytes: &'a [u8],
    charset: Option<&str>,
    limits: &Limits,
    quirks: &RefCell<Quirks>,
) -> Result<Cow<'a, str>> {
    let (encoding, bytes) = detect(bytes, charset, quirks);
    if (encoding == UTF_8 || encoding.is_ascii_compatible() && is_plain_ascii(bytes))
        && let Ok(text) = simdutf8::basic::from_utf8(bytes)
    {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Decoded::new(bytes, encoding, limits, quirks);
    let text = bounded::collect(&mut decoded, Vec::new(), limits.held_bytes, limits)?;
    String::from_utf8(text)
        .map(Cow::Owned)
        .map_err(|error| Error::new(ErrorKind::Encoding).with_source(error))
}

/// Whether the encoding can only be told from all bytes, of which `head` is the beginning.
pub(super) fn needs_whole(head: &[u8], charset: Option<&str>) -> bool {
    let is_declared = declared(head).and_then(Encoding::for_label).is_some_and(|e| !is_utf_16(e));
    by_content(head).is_none()
        && !is_declared
        && charset.and_then(|label| Encoding::for_label(label.as_bytes())).is_some_and(|e| e != UTF_8)
}

fn is_utf_16(encoding: &'static Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

/// The encoding of `bytes`, and `bytes` without byte-order mark.
pub(super) fn detect<'a>(
    bytes: &'a [u8],
    charset: Option<&str>,
    quirks: &RefCell<Quirks>,
) -> (&'static Encoding, &'a [u8]) {
    if let Some((encoding, mark)) = by_content(bytes) {
        return (encoding, bytes.get(mark..).unwrap_or_default());
    }
    if let Some(label) = declared(bytes) {
        match Encoding::for_label(label) {
            // The declaration could be read byte by byte: it is not UTF-16, whatever it says (.NET's StringWriter).
            Some(encoding) if is_utf_16(encoding) => {
                let detail = format!("encoding={}", encoding.name());
                quirks.borrow_mut().note(QuirkCode::Mislabelled, detail);
            }
            Some(encoding) => return (encoding, bytes),
            None => {
                let detail = format!("unknown {}", String::from_utf8_lossy(label));
                quirks.borrow_mut().note(QuirkCode::Charset, detail);
            }
        }
    }
    let labelled =
        charset.and_then(|label| Encoding::for_label(label.as_bytes())).filter(|e| is_credible(e, bytes));
    (labelled.unwrap_or(UTF_8), bytes)
}

/// The encoding that the first bytes show, and the length of the byte-order mark.
fn by_content(bytes: &[u8]) -> Option<(&'static Encoding, usize)> {
    match bytes {
        [b'<' | b'{' | b'[', 0, ..] => Some((UTF_16LE, 0)),
        [0, b'<' | b'{' | b'[', ..] => Some((UTF_16BE, 0)),
        _ => Encoding::for_bom(bytes),
    }
}

/// Whether a charset that only the mail names can be right: gateways label UTF-8 as anything.
fn is_credible(encoding: &'static Encoding, bytes: &[u8]) -> bool {
    if !encoding.is_ascii_compatible() {
        return !bytes.iter().take(64).all(u8::is_ascii) || bytes.contains(&0x1b);
    }
    simdutf8::basic::from_utf8(bytes).is_err()
}

/// Whether every byte is ASCII and none switches to another alphabet (ISO-2022-JP).
fn is_plain_ascii(bytes: &[u8]) -> bool {
    bytes.is_ascii() && memchr::memchr(0x1b, bytes).is_none()
}

/// The value of `encoding` in the XML declaration.
fn declared(bytes: &[u8]) -> Option<&[u8]> {
    let bytes = bytes.trim_ascii_start();
    let head = bytes.get(..DECLARATION).unwrap_or(bytes).strip_prefix(b"<?xml")?;
    let head = head.get(..memchr::memmem::find(head, b"?>")?)?;
    let value = head.get(memchr::memmem::find(head, b"encoding")? + b"encoding".len()..)?;
    let value = value.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    value.get(..memchr::memchr(*quote, value)?)
}

/// UTF-8 from bytes of any encoding, in pieces of fixed size.
///
/// What cannot be decoded is replaced. Reading gives an [`Error`](crate::Error) of kind
/// [`LimitExceeded`](crate::ErrorKind::LimitExceeded) if the text is larger than a payload may be.
pub(super) struct Decoded<'q, R> {
    source: R,
    encoding: &'static Encoding,
    decoder: Decoder,
    input: Vec<u8>,
    at: usize,
    /// What is received next, in bytes.
    step: usize,
    /// Decoded bytes that did not fit where they were to go.
    aside: VecDeque<u8>,
    is_last: bool,
    is_done: bool,
    /// Text given so far, and what there may be, in bytes.
    given: u64,
    max: u64,
    quirks: &'q RefCell<Quirks>,
}

impl<'q, R: Read> Decoded<'q, R> {
    pub(super) fn new(
        source: R,
        encoding: &'static Encoding,
        limits: &Limits,
        quirks: &'q RefCell<Quirks>,
    ) -> Self {
        Self {
            source,
            encoding,
            decoder: encoding.new_decoder_without_bom_handling(),
            input: Vec::new(),
            at: 0,
            step: bounded::FIRST,
            aside: VecDeque::new(),
            is_last: false,
            is_done: false,
            given: 0,
            max: limits.payload_bytes,
            quirks,
        }
    }

    fn receive(&mut self) -> Result<()> {
        self.input.clear();
        self.at = 0;
        self.is_last = bounded::fill(&mut self.source, &mut self.input, self.step)? == 0;
        self.step = (2 * self.step).min(bounded::STEP);
        if self.encoding != UTF_8 && !(self.encoding.is_ascii_compatible() && is_plain_ascii(&self.input)) {
            self.note_once(QuirkCode::Charset);
        }
        Ok(())
    }

    fn note_once(&self, code: QuirkCode) {
        let mut quirks = self.quirks.borrow_mut();
        if !quirks.contains(code) {
            quirks.note(code, self.encoding.name());
        }
    }
}

impl<R: Read> Read for Decoded<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if to.len() >= CHARACTER && self.aside.is_empty() {
            return self.decode(to);
        }
        // Too small for any character: decode aside, and give that bit by bit.
        if self.aside.is_empty() {
            let mut character = [0; CHARACTER];
            let len = self.decode(&mut character)?;
            self.aside.extend(character.get(..len).unwrap_or_default());
        }
        self.aside.read(to)
    }
}

impl<R: Read> Decoded<'_, R> {
    /// Decodes some text into `to`; 0 bytes at the end. Invariant: nothing is set aside.
    fn decode(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while !self.is_done {
            if self.at == self.input.len() && !self.is_last {
                self.receive()?;
            }
            let input = self.input.get(self.at..).unwrap_or_default();
            let (result, read, written, is_bad) = self.decoder.decode_to_utf8(input, to, self.is_last);
            self.at += read;
            if is_bad {
                self.note_once(QuirkCode::BadEncoding);
            }
            self.is_done = self.is_last && result == CoderResult::InputEmpty;
            if written > 0 {
                self.given += written as u64;
                Limits::check("payload_bytes", self.given, self.max)?;
                return Ok(written);
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(bytes: &[u8], charset: Option<&str>) -> (String, Vec<QuirkCode>) {
        let quirks = RefCell::default();
        let text = decode(bytes, charset, &Limits::default(), &quirks).unwrap().into_owned();
        (text, quirks.into_inner().as_slice().iter().map(|quirk| quirk.code).collect())
    }

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    #[test]
    fn drops_a_byte_order_mark() {
        assert_eq!(run(b"\xef\xbb\xbf<a/>", Some("iso-8859-1")), ("<a/>".to_owned(), vec![]));
    }

    #[test]
    fn decodes_utf_16_with_and_without_byte_order_mark() {
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            for text in ["<?xml version='1.0' encoding='UTF-16'?><a>é😀</a>", "\u{feff}{\"a\":\"é\"}"] {
                let (decoded, quirks) = run(&utf16(text, order), None);
                assert_eq!(decoded, text.trim_start_matches('\u{feff}'));
                assert_eq!(quirks, [QuirkCode::Charset]);
            }
        }
    }

    #[test]
    fn trusts_readable_bytes_over_a_declaration_of_utf_16() {
        let text = "<?xml version=\"1.0\" encoding=\"utf-16\"?><a>é</a>";
        assert_eq!(run(text.as_bytes(), None), (text.to_owned(), vec![QuirkCode::Mislabelled]));
    }

    #[test]
    fn honours_the_declaration_before_the_charset_of_the_part() {
        let bytes = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>M\xfcller</a>";
        let (text, quirks) = run(bytes, Some("utf-8"));
        assert!(text.ends_with("<a>Müller</a>"));
        assert_eq!(quirks, [QuirkCode::Charset]);
        assert_eq!(run(b"<a>M\xfcller</a>", Some("iso-8859-1")).0, "<a>Müller</a>");
        assert_eq!(run("<a>Müller</a>".as_bytes(), Some("us-ascii")), ("<a>Müller</a>".to_owned(), vec![]));
    }

    #[test]
    fn replaces_what_is_not_of_the_charset() {
        let (text, quirks) = run(b"<a>M\xfcller\xff</a>", None);
        assert_eq!(text, "<a>M\u{fffd}ller\u{fffd}</a>");
        assert_eq!(quirks, [QuirkCode::BadEncoding]);
    }

    #[test]
    fn counts_the_text_and_not_the_bytes_against_the_limit() {
        let limits = Limits { payload_bytes: 100, ..Limits::default() };
        let bytes = [b"<?xml version='1.0' encoding='latin1'?>".as_slice(), &[0xfc; 60]].concat();
        let error = decode(&bytes, None, &limits, &RefCell::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { limit: "payload_bytes", max: 100 });
    }
}
