//! A header block (RFC 5322, Section 2.2; RFC 2045): its fields, and where the body begins.
//!
//! Nothing is allocated for a field that nobody asks for, however many there are. Values are read by `mail-parser`.

use std::borrow::Cow;

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use super::transfer::Transfer;
use crate::error::Result;
use crate::limits::Limits;

/// The fields of a header block, as received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Splits `entity` into header block and body. A line that is neither field nor continuation begins the body, as
    /// an empty line does.
    pub(super) fn split(entity: &'a [u8]) -> (Self, &'a [u8]) {
        let mut at = 0;
        while let Some(line) = entity.get(at..).and_then(first_line) {
            if line.trim_ascii().is_empty()
                && !(at > 0 && starts_folded(line) && next_is_folded(entity, at + line.len()))
            {
                let (head, rest) = entity.split_at(at);
                return (Self(head), rest.get(line.len()..).unwrap_or_default());
            }
            if field_name(line).is_none() && !(at > 0 && starts_folded(line)) {
                break;
            }
            at += line.len();
        }
        let (head, body) = entity.split_at(at.min(entity.len()));
        (Self(head), body)
    }

    /// Every field: its name, and its value with its line ends.
    pub(super) fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let mut end = first_line(rest)?.len();
            while let Some(line) = rest.get(end..).and_then(first_line).filter(|line| starts_folded(line)) {
                end += line.len();
            }
            let (field, behind) = rest.split_at(end);
            rest = behind;
            let colon = memchr::memchr(b':', field).unwrap_or(field.len());
            Some((field.get(..colon)?.trim_ascii_end(), field.get(colon + 1..).unwrap_or_default()))
        })
    }

    /// Every value of the field `name`.
    pub(super) fn all(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The first value of the field `name`.
    pub(super) fn first(self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }
}

/// What the header of a part says of its body.
#[derive(Clone, Debug, Default)]
pub(super) struct PartHeader {
    /// Type and subtype, lower-case; empty where absent or unreadable.
    pub(super) media: String,
    /// The file name of the disposition, or else of the type.
    pub(super) file_name: String,
    pub(super) charset: Option<String>,
    pub(super) boundary: Option<String>,
    pub(super) report_type: Option<String>,
    pub(super) transfer: Transfer,
}

impl PartHeader {
    /// Reads the MIME fields.
    ///
    /// # Errors
    /// [`LimitExceeded`](crate::ErrorKind::LimitExceeded) if one of them is longer than a text may be.
    pub(super) fn new(fields: Fields<'_>, limits: &Limits) -> Result<Self> {
        let mut header = Self::default();
        if let Some(value) = bounded(fields.first("content-type"), limits)? {
            header.read_type(value);
        }
        if let Some(value) = bounded(fields.first("content-disposition"), limits)?
            && let HeaderValue::ContentType(disposition) =
                MessageStream::new(&terminated(value)).parse_content_type()
            && let Some(name) = disposition.attribute("filename").or_else(|| disposition.attribute("name"))
        {
            header.file_name = super::name::clean(name);
        }
        if let Some(value) = bounded(fields.first("content-transfer-encoding"), limits)? {
            header.transfer = Transfer::new(&String::from_utf8_lossy(value));
        }
        Ok(header)
    }

    fn read_type(&mut self, value: &[u8]) {
        let value = terminated(value);
        let HeaderValue::ContentType(content) = MessageStream::new(&value).parse_content_type() else {
            return;
        };
        let attribute = |name| content.attribute(name).map(str::to_owned);
        self.media =
            format!("{}/{}", content.ctype(), content.subtype().unwrap_or_default()).to_ascii_lowercase();
        self.charset = attribute("charset");
        self.boundary = attribute("boundary").filter(|boundary| !boundary.is_empty());
        self.report_type = attribute("report-type");
        self.file_name = content.attribute("name").map(super::name::clean).unwrap_or_default();
    }
}

/// `value` if it is not longer than a text may be.
fn bounded<'a>(value: Option<&'a [u8]>, limits: &Limits) -> Result<Option<&'a [u8]>> {
    Limits::check("text_bytes", value.map_or(0, <[u8]>::len) as u64, limits.text_bytes)?;
    Ok(value)
}

/// `value` with the line end that `mail-parser` takes for the end of a field.
pub(super) fn terminated(value: &[u8]) -> Cow<'_, [u8]> {
    if value.ends_with(b"\n") { Cow::Borrowed(value) } else { Cow::Owned([value, b"\r\n"].concat()) }
}

/// The name of the field that `line` begins.
pub(super) fn field_name(line: &[u8]) -> Option<&[u8]> {
    let name = line.get(..memchr::memchr(b':', line.get(..100).unwrap_or(line))?)?.trim_ascii_end();
    // RFC 5322 allows any printable character, but then the first line of a JSON or XML body would be a field.
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (!name.is_empty() && name.iter().all(is_name)).then_some(name)
}

/// The first line of `bytes` with its line end; `None` if nothing is left.
pub(super) fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    bytes.get(..end).filter(|line| !line.is_empty())
}

fn starts_folded(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// Whether a line of white space inside a folded value goes on: some mailers fold into empty lines.
fn next_is_folded(entity: &[u8], at: usize) -> bool {
    entity
        .get(at..)
        .and_then(first_line)
        .is_some_and(|line| starts_folded(line) && !line.trim_ascii().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> PartHeader {
        PartHeader::new(Fields::split(text.as_bytes()).0, &Limits::default()).unwrap()
    }

    #[test]
    fn splits_header_and_body_with_any_line_end() {
        for text in ["A: 1\r\nB: 2\r\n 3\r\n\r\nbody", "A: 1\nB: 2\n 3\n\nbody", "A: 1\nB: 2\n 3\nbody"] {
            let (fields, body) = Fields::split(text.as_bytes());
            assert_eq!(body, b"body");
            assert_eq!(fields.iter().count(), 2);
            assert_eq!(fields.first("b").unwrap().trim_ascii_end().last(), Some(&b'3'));
        }
        assert_eq!(Fields::split(b"\r\nbody").1, b"body");
        assert_eq!(Fields::split(b"A: 1").1, b"");
    }

    #[test]
    fn reads_names_in_every_notation() {
        for field in [
            "Content-Disposition: attachment; filename=\"r\u{e9}port.xml.gz\"",
            "Content-Disposition: attachment;\r\n filename*=utf-8''r%C3%A9port.xml.gz",
            "Content-Disposition: attachment;\r\n filename*0*=utf-8''r%C3%A9po;\r\n filename*1=rt.xml.gz",
            "Content-Disposition: attachment; filename=\"=?utf-8?Q?r=C3=A9port.xml.gz?=\"",
            "Content-Type: application/gzip; name=\"r\u{e9}port.xml.gz\"",
        ] {
            assert_eq!(header(&format!("{field}\r\n\r\n")).file_name, "réport.xml.gz", "{field}");
        }
    }

    #[test]
    fn reads_the_type_and_its_parameters() {
        let header = header(
            "content-type: Multipart/Report; Report-Type=feedback-report;\n\tboundary=\"a b\"\nContent-Transfer-Encoding: BASE64\n\n",
        );
        assert_eq!(header.media, "multipart/report");
        assert_eq!(header.boundary.as_deref(), Some("a b"));
        assert_eq!(header.report_type.as_deref(), Some("feedback-report"));
        assert_eq!(header.transfer, Transfer::Base64);
    }

    #[test]
    fn refuses_a_mime_field_longer_than_a_text() {
        let text = format!("Content-Type: text/xml; name={}\n\n", "a".repeat(70_000));
        assert!(PartHeader::new(Fields::split(text.as_bytes()).0, &Limits::default()).is_err());
    }
}
