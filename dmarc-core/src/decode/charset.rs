//! Bytes → text: byte-order mark, then XML declaration, then the charset of the MIME part, then UTF-8.

use std::borrow::Cow;

use encoding_rs::{CoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::error::Result;
use crate::limits::Limits;
use crate::quirk::{QuirkCode, Quirks};

/// Size of the buffer that is decoded into, in bytes.
const STEP: usize = 64 << 10;
/// Where an XML declaration ends at the latest, in bytes.
const DECLARATION: usize = 512;

/// Decodes `bytes`; `charset` is what the MIME part says.
///
/// # Errors
/// [`LimitExceeded`](crate::ErrorKind::LimitExceeded) if the text is larger than a payload may be.
pub(super) fn decode<'a>(
    bytes: &'a [u8],
    charset: Option<&str>,
    limits: &Limits,
    quirks: &mut Quirks,
) -> Result<Cow<'a, str>> {
    let (encoding, bytes) = detect(bytes, charset, quirks);
    if encoding == UTF_8 || encoding.is_ascii_compatible() && is_plain_ascii(bytes) {
        if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
            Limits::check("payload_bytes", text.len() as u64, limits.payload_bytes)?;
            return Ok(Cow::Borrowed(text));
        }
    } else {
        quirks.note(QuirkCode::Charset, encoding.name());
    }
    convert(bytes, encoding, limits, quirks).map(Cow::Owned)
}

/// The encoding of `bytes`, and `bytes` without byte-order mark.
fn detect<'a>(bytes: &'a [u8], charset: Option<&str>, quirks: &mut Quirks) -> (&'static Encoding, &'a [u8]) {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return (encoding, bytes.get(mark..).unwrap_or_default());
    }
    match bytes {
        [b'<' | b'{' | b'[', 0, ..] => return (UTF_16LE, bytes),
        [0, b'<' | b'{' | b'[', ..] => return (UTF_16BE, bytes),
        _ => {}
    }
    if let Some(label) = declared(bytes) {
        match Encoding::for_label(label) {
            // The declaration could be read byte by byte: it is not UTF-16, whatever it says (.NET's StringWriter).
            Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => {
                quirks.note(QuirkCode::Mislabelled, format!("encoding={}", encoding.name()));
            }
            Some(encoding) => return (encoding, bytes),
            None => quirks.note(QuirkCode::Charset, format!("unknown {}", String::from_utf8_lossy(label))),
        }
    }
    let labelled =
        charset.and_then(|label| Encoding::for_label(label.as_bytes())).filter(|e| is_credible(e, bytes));
    (labelled.unwrap_or(UTF_8), bytes)
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

/// Decodes step by step through a buffer of fixed size, so that the text cannot outgrow its ceiling by more than that.
fn convert(
    bytes: &[u8],
    encoding: &'static Encoding,
    limits: &Limits,
    quirks: &mut Quirks,
) -> Result<String> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut buffer = "\0".repeat(STEP);
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut is_bad = false;
    loop {
        let (result, read, written, had_errors) = decoder.decode_to_str(rest, &mut buffer, true);
        text.push_str(buffer.get(..written).unwrap_or_default());
        rest = rest.get(read..).unwrap_or_default();
        is_bad |= had_errors;
        Limits::check("payload_bytes", text.len() as u64, limits.payload_bytes)?;
        if result == CoderResult::InputEmpty {
            break;
        }
    }
    if is_bad {
        quirks.note(QuirkCode::BadEncoding, encoding.name());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(bytes: &[u8], charset: Option<&str>) -> (String, Vec<QuirkCode>) {
        let mut quirks = Quirks::default();
        let text = decode(bytes, charset, &Limits::default(), &mut quirks).unwrap().into_owned();
        (text, quirks.as_slice().iter().map(|quirk| quirk.code).collect())
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
        let error = decode(&bytes, None, &limits, &mut Quirks::default()).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::LimitExceeded { limit: "payload_bytes", max: 100 });
    }
}
