//! What bytes are, told from the bytes alone.

use super::fields::{Fields, field_name, first_line};
use super::{gzip, tar, transfer, zip};

/// What bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gzip,
    Zip,
    Tar,
    /// A whole message.
    Mail,
    /// Base64 text of a container or of marked-up text, without a header that says so.
    Base64,
    /// Text that begins as XML does.
    Xml,
    /// Text that begins as JSON does.
    Json,
    /// Text that begins with a field, as a feedback report does, or has several in a row among sentences.
    Fields,
    /// None of these.
    Unknown,
}

/// Bytes of prose in which fields are looked for.
const PROSE: usize = 4 << 10;
/// Bytes of text looked at to tell base64; a multiple of 4.
const BASE64_HEAD: usize = 64;

/// Whether `bytes` are a container by their first bytes.
pub(super) fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(gzip::MAGIC)
        || zip::MAGICS.iter().any(|magic| bytes.starts_with(magic))
        || tar::is_tar(bytes)
}

/// Tells what `bytes` are.
pub(super) fn kind(bytes: &[u8]) -> Kind {
    if bytes.starts_with(gzip::MAGIC) {
        return Kind::Gzip;
    }
    if zip::MAGICS.iter().any(|magic| bytes.starts_with(magic)) {
        return Kind::Zip;
    }
    if tar::is_tar(bytes) {
        return Kind::Tar;
    }
    if let Some(kind) = markup(bytes) {
        return kind;
    }
    if mail(bytes).is_some() {
        return Kind::Mail;
    }
    if is_base64(bytes) {
        return Kind::Base64;
    }
    if first_line(without_mark(bytes)).and_then(field_name).is_some() || has_fields(bytes) {
        return Kind::Fields;
    }
    Kind::Unknown
}

/// The message that `bytes` are, as [`mail`] gives it; `None` if they are anything else.
pub(super) fn message(bytes: &[u8]) -> Option<(Fields<'_>, &[u8])> {
    if is_archive(bytes) || markup(bytes).is_some() { None } else { mail(bytes) }
}

/// Header and body of the message in `bytes`, without what stands before its first field (byte-order mark, empty lines, the
/// separator of a mailbox); `None` if there is no message.
pub(super) fn mail(bytes: &[u8]) -> Option<(Fields<'_>, &[u8])> {
    let mut start = without_mark(bytes);
    if start.starts_with(b"From ") || start.starts_with(b">From ") {
        start = start.get(first_line(start)?.len()..)?;
    }
    field_name(first_line(start)?)?;
    // A header may be long, but what tells a message stands near its beginning or soon after.
    Some(Fields::split(start)).filter(|(fields, _)| fields.are_of_message())
}

/// Whether `bytes` begin with the fields of a feedback report.
pub(super) fn is_feedback(bytes: &[u8]) -> bool {
    Fields::split(without_mark(bytes)).0.are_of_feedback()
}

/// Whether three lines in a row near the beginning of a text are `Name: value`, as in a notice in prose.
fn has_fields(bytes: &[u8]) -> bool {
    let head = bytes.get(..PROSE).unwrap_or(bytes);
    let is_named = |line: &[u8]| {
        let name = memchr::memchr(b':', line).and_then(|colon| line.get(..colon)).unwrap_or_default();
        let is_of_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b' ');
        (1..=40).contains(&name.len()) && name.iter().all(is_of_name)
    };
    let mut row = 0;
    head.split(|b| *b == b'\n').any(|line| {
        row = if is_named(line.trim_ascii()) { row + 1 } else { 0 };
        row == 3
    })
}

/// Whether `bytes` are XML or JSON by their first character, in UTF-8 or UTF-16.
fn markup(bytes: &[u8]) -> Option<Kind> {
    let bytes = bytes.strip_prefix(b"\xff\xfe").or_else(|| bytes.strip_prefix(b"\xfe\xff")).unwrap_or(bytes);
    let mut significant = without_mark(bytes).iter().filter(|b| !(**b == 0 || b.is_ascii_whitespace()));
    match significant.next() {
        Some(b'<') => Some(Kind::Xml),
        Some(b'{' | b'[') => Some(Kind::Json),
        _ => None,
    }
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start()
}

/// Whether `bytes` are base64 of something of interest.
fn is_base64(bytes: &[u8]) -> bool {
    let text = without_mark(bytes);
    let mut head: Vec<u8> = Vec::with_capacity(BASE64_HEAD);
    for byte in text.iter().take(2 * BASE64_HEAD) {
        if !transfer::is_base64(*byte) {
            return false;
        }
        if !byte.is_ascii_whitespace() && head.len() < BASE64_HEAD {
            head.push(*byte);
        }
    }
    let plain = transfer::base64(&head);
    plain.starts_with(gzip::MAGIC)
        || zip::MAGICS.iter().any(|magic| plain.starts_with(magic))
        || head.len() >= 16 && markup(&plain).is_some() && is_text(&plain)
}

/// Whether `head` can be the beginning of UTF-8 text.
fn is_text(head: &[u8]) -> bool {
    std::str::from_utf8(head).map_or_else(|e| e.error_len().is_none(), |_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_containers_by_their_first_bytes() {
        assert_eq!(kind(b"\x1f\x8b\x08"), Kind::Gzip);
        assert_eq!(kind(b"PK\x03\x04junk"), Kind::Zip);
        assert_eq!(kind(b"PK\x05\x06"), Kind::Zip);
        assert_eq!(kind(b""), Kind::Unknown);
        assert_eq!(kind(b"unused"), Kind::Unknown);
    }

    #[test]
    fn tells_markup_behind_mark_and_space_and_in_utf_16() {
        for text in ["<a/>", " \r\n<a/>", "\u{feff}<a/>", "\u{feff}\n <a/>"] {
            assert_eq!(kind(text.as_bytes()), Kind::Xml, "{text:?}");
            let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(kind(&utf16), Kind::Xml, "{text:?}");
        }
        assert_eq!(kind(b"\n{\"policies\":[]}"), Kind::Json);
    }

    #[test]
    fn tells_a_message_by_two_known_fields() {
        let mail_text = b"Received: by x\r\n from y\r\nX-Y: z\r\nFrom: a@example.org\r\n\r\nbody";
        assert_eq!(kind(mail_text), Kind::Mail);
        assert_eq!(
            kind(&[b"\r\nFrom a@example.org Mon Jan  1 00:00:00 2024\n", &mail_text[..]].concat()),
            Kind::Mail
        );
        assert_eq!(kind(b"From: a@example.org\r\n\r\nbody"), Kind::Fields);
        assert_eq!(kind(b"Feedback-Type: auth-failure\r\nVersion: 1\r\n"), Kind::Fields);
        assert_eq!(kind(b"Hello,\r\nFrom: To:"), Kind::Unknown);
        assert_eq!(kind(b"Hello,\r\n\r\n  A Name: x\r\n  Another: y\r\n  C: z"), Kind::Fields);
        assert_eq!(kind(b"Hello,\r\nA: x\r\nB: y\r\n\r\nC: z"), Kind::Unknown);
    }

    #[test]
    fn tells_base64_only_of_what_is_of_interest() {
        assert_eq!(kind(b"H4sIAAAAAAAA/wMA\r\nAAAAAAAAAAA="), Kind::Base64);
        assert_eq!(kind(b"PD94bWwgdmVyc2lvbj0iMS4wIj8+PGZlZWRiYWNrLz4="), Kind::Base64);
        assert_eq!(kind(b"eyJvcmdhbml6YXRpb24tbmFtZSI6ICJ4In0="), Kind::Base64);
        assert_eq!(kind(b"prose that has letters only"), Kind::Unknown);
        assert_eq!(kind(b"PPPPPPP"), Kind::Unknown);
    }
}
