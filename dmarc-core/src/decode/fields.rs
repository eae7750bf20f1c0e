//! A header block (RFC 5322, Section 2.2; RFC 2045): its fields, and where the body begins.
//!
//! Nothing is allocated for a field that nobody asks for, however many there are. Values are read by `mail-parser`.

use std::borrow::Cow;

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use super::transfer::Transfer;
use crate::error::Result;
use crate::limits::Limits;

/// Fields of a header block that count towards its being that of a message.
const LOOKED_AT: usize = 200;

/// A field that somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    From,
    Date,
    MessageId,
    AuthenticationResults,
    TlsReportDomain,
    ContentType,
    ContentDisposition,
    ContentTransferEncoding,
    FeedbackType,
}

/// The names that are known: whether somebody asks for them, and whether a message is told by them.
const KNOWN: [(&[u8], Option<Name>, bool); 19] = [
    (b"From", Some(Name::From), true),
    (b"To", None, true),
    (b"Received", None, true),
    (b"Return-Path", None, true),
    (b"DKIM-Signature", None, true),
    (b"MIME-Version", None, true),
    (b"Content-Type", Some(Name::ContentType), true),
    (b"Content-Transfer-Encoding", Some(Name::ContentTransferEncoding), true),
    (b"Content-Disposition", Some(Name::ContentDisposition), true),
    (b"Subject", None, true),
    (b"Date", Some(Name::Date), true),
    (b"Message-ID", Some(Name::MessageId), true),
    (b"Delivered-To", None, true),
    (b"Reply-To", None, true),
    (b"Sender", None, true),
    (b"X-Original-To", None, true),
    (b"Authentication-Results", Some(Name::AuthenticationResults), true),
    (b"TLS-Report-Domain", Some(Name::TlsReportDomain), false),
    (b"Feedback-Type", Some(Name::FeedbackType), false),
];

/// The fields of a header block, as received; found in one pass.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields<'a> {
    head: &'a [u8],
    /// The field of each [`Name`].
    asked: [Asked<'a>; 9],
    /// How many were met.
    count: usize,
    /// How many of those that are looked at are such that a message has.
    usual: usize,
    /// Whether one of those that are looked at says that this is a feedback report.
    is_feedback: bool,
}

/// All fields of one name.
#[derive(Clone, Copy, Debug, Default)]
struct Asked<'a> {
    /// The first value.
    first: Option<&'a [u8]>,
    /// Where the first begins and the last ends.
    from: usize,
    to: usize,
}

impl<'a> Fields<'a> {
    /// Splits `entity` into header block and body. A line that is neither field nor continuation begins the body, as
    /// an empty line does.
    pub(super) fn split(entity: &'a [u8]) -> (Self, &'a [u8]) {
        let mut fields = Self::default();
        let (mut field, mut at, mut blank) = (0, 0, 0);
        while let Some(line) = entity.get(at..).and_then(first_line) {
            if at > 0 && starts_folded(line) {
                if is_blank(line) && !next_is_folded(entity, at + line.len()) {
                    blank = line.len();
                    break;
                }
            } else if colon(line).is_some() {
                fields.add(entity, field, at);
                field = at;
            } else {
                blank = if is_blank(line) { line.len() } else { 0 };
                break;
            }
            at += line.len();
        }
        fields.add(entity, field, at);
        fields.head = entity.get(..at).unwrap_or_default();
        (fields, entity.get(at + blank..).unwrap_or_default())
    }

    /// Every value of the field `name`.
    pub(super) fn all(&self, name: Name) -> impl Iterator<Item = &'a [u8]> {
        let Asked { from, to, .. } = self.of(name);
        let fields = each(self.head.get(from..to).unwrap_or_default());
        fields.filter(move |field| known(field).is_some_and(|(_, found, _)| found == Some(name))).map(value)
    }

    /// The first value of the field `name`.
    pub(super) fn first(&self, name: Name) -> Option<&'a [u8]> {
        self.of(name).first
    }

    /// Whether these are such as a message has.
    pub(super) fn are_of_message(&self) -> bool {
        self.usual >= 2 && self.first(Name::FeedbackType).is_none()
    }

    /// Whether these are such as a feedback report has.
    pub(super) fn are_of_feedback(&self) -> bool {
        self.is_feedback
    }

    fn of(&self, name: Name) -> Asked<'a> {
        self.asked.get(name as usize).copied().unwrap_or_default()
    }

    /// Adds the field that stands from `start` to `end`.
    fn add(&mut self, entity: &'a [u8], start: usize, end: usize) {
        let Some(field) = entity.get(start..end).filter(|field| !field.is_empty()) else { return };
        self.count += 1;
        let Some((_, name, is_usual)) = known(field) else { return };
        let is_looked_at = self.count <= LOOKED_AT;
        self.usual += usize::from(is_looked_at && is_usual);
        let Some(name) = name else { return };
        self.is_feedback |= is_looked_at && name == Name::FeedbackType;
        if let Some(asked) = self.asked.get_mut(name as usize) {
            if asked.first.is_none() {
                (asked.first, asked.from) = (Some(value(field)), start);
            }
            asked.to = end;
        }
    }
}

/// The fields of a header block or a piece of one, each with its line ends.
fn each(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let mut end = first_line(rest)?.len();
        while let Some(line) = rest.get(end..).and_then(first_line).filter(|line| starts_folded(line)) {
            end += line.len();
        }
        let (field, behind) = rest.split_at(end);
        rest = behind;
        Some(field)
    })
}

/// What is known of the name of `field`.
fn known(field: &[u8]) -> Option<(&'static [u8], Option<Name>, bool)> {
    let name = field_name(field)?;
    KNOWN.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)).copied()
}

/// The value of `field`, with its line ends.
fn value(field: &[u8]) -> &[u8] {
    colon(field).and_then(|colon| field.get(colon + 1..)).unwrap_or_default()
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
    pub(super) fn new(fields: &Fields<'_>, limits: &Limits) -> Result<Self> {
        let mut header = Self::default();
        if let Some(value) = bounded(fields.first(Name::ContentType), limits)? {
            header.read_type(value);
        }
        if let Some(value) = bounded(fields.first(Name::ContentDisposition), limits)?
            && let HeaderValue::ContentType(disposition) =
                MessageStream::new(&terminated(value)).parse_content_type()
            && let Some(name) = disposition.attribute("filename").or_else(|| disposition.attribute("name"))
        {
            header.file_name = super::name::clean(name);
        }
        if let Some(value) = bounded(fields.first(Name::ContentTransferEncoding), limits)? {
            header.transfer = Transfer::new(&text(value));
        }
        Ok(header)
    }

    fn read_type(&mut self, value: &[u8]) {
        let value = terminated(value);
        let HeaderValue::ContentType(content) = MessageStream::new(&value).parse_content_type() else {
            return;
        };
        let attribute = |name| content.attribute(name).map(str::to_owned);
        self.media = [content.ctype(), content.subtype().unwrap_or_default()].join("/");
        self.media.make_ascii_lowercase();
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

/// `value` as text, of which what is not UTF-8 is replaced.
pub(super) fn text(value: &[u8]) -> Cow<'_, str> {
    match simdutf8::basic::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(value),
    }
}

/// `value` with the line end that `mail-parser` takes for the end of a field.
pub(super) fn terminated(value: &[u8]) -> Cow<'_, [u8]> {
    if value.ends_with(b"\n") { Cow::Borrowed(value) } else { Cow::Owned([value, b"\r\n"].concat()) }
}

/// The name of the field that `line` begins.
pub(super) fn field_name(line: &[u8]) -> Option<&[u8]> {
    line.get(..colon(line)?).map(<[u8]>::trim_ascii_end)
}

/// Where the name of the field that `line` begins ends with its colon.
fn colon(line: &[u8]) -> Option<usize> {
    // RFC 5322 allows any printable character, but then the first line of a JSON or XML body would be a field.
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let head = line.get(..100).unwrap_or(line);
    let name = head.iter().position(|b| !is_name(b)).filter(|name| *name > 0)?;
    let space = head.get(name..)?.iter().position(|b| !b.is_ascii_whitespace())?;
    (head.get(name + space) == Some(&b':')).then_some(name + space)
}

/// The first line of `bytes` with its line end; `None` if nothing is left.
pub(super) fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    bytes.get(..end).filter(|line| !line.is_empty())
}

fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

fn starts_folded(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// Whether a line of white space inside a folded value goes on: some mailers fold into empty lines.
fn next_is_folded(entity: &[u8], at: usize) -> bool {
    entity.get(at..).and_then(first_line).is_some_and(|line| starts_folded(line) && !is_blank(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> PartHeader {
        PartHeader::new(&Fields::split(text.as_bytes()).0, &Limits::default()).unwrap()
    }

    #[test]
    fn splits_header_and_body_with_any_line_end() {
        for text in ["A: 1\r\nB: 2\r\n 3\r\n\r\nbody", "A: 1\nB: 2\n 3\n\nbody", "A: 1\nB: 2\n 3\nbody"] {
            let (fields, body) = Fields::split(text.as_bytes());
            assert_eq!(body, b"body");
            assert_eq!(fields.count, 2);
            assert_eq!(each(fields.head).last().map(value).unwrap().trim_ascii_end().last(), Some(&b'3'));
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
        assert!(PartHeader::new(&Fields::split(text.as_bytes()).0, &Limits::default()).is_err());
    }

    #[test]
    fn finds_every_field_of_a_name_and_the_end_of_its_value() {
        let text = b"From: a\nX: From\nfrom : b\n c\n \n d\nDate:\nFROM:e\n \nFrom: body\n";
        let (fields, body) = Fields::split(text);
        assert_eq!(fields.all(Name::From).collect::<Vec<_>>(), [&b" a\n"[..], b" b\n c\n \n d\n", b"e\n"]);
        assert_eq!((fields.first(Name::Date), fields.first(Name::ContentType)), (Some(&b"\n"[..]), None));
        assert_eq!((fields.count, body), (5, &b"From: body\n"[..]));
        assert!(fields.are_of_message() && !fields.are_of_feedback());
    }

    #[test]
    fn tells_a_name_by_its_colon_within_a_hundred_bytes() {
        let name = "a".repeat(99);
        assert_eq!(field_name(format!("{name}:").as_bytes()), Some(name.as_bytes()));
        assert_eq!(field_name(format!("{name} :").as_bytes()), None);
        assert_eq!(field_name(b"A.b-c_1 \t: x"), Some(&b"A.b-c_1"[..]));
        for line in [&b""[..], b":", b" A: x", b"A b: x", b"<a:b>", b"A\n"] {
            assert_eq!(field_name(line), None, "{line:?}");
        }
    }
}
