//! The header section of a mail, cut into fields so strictly that two readers cannot see different mails in it.
//!
//! The signature check and the reader of the report are different parsers. What they might disagree on (a line that is
//! no field, a carriage return alone) is refused here, so that nothing is called genuine that only one of them saw.

/// The longest header section, in bytes. RFC 5322 has no limit; servers have limits far below this.
const MAX_BYTES: usize = 256 * 1024;

/// A header section that cannot be told apart from a forged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    TooLong,
    Malformed,
}

/// A mail, its header section in fields.
#[derive(Debug)]
pub(super) struct Mail<'m> {
    /// Each with its line ends, in the order of the mail.
    pub(super) fields: Vec<&'m [u8]>,
    /// The empty line that ends the header section, and the body.
    pub(super) rest: &'m [u8],
}

impl<'m> Mail<'m> {
    pub(super) fn new(mail: &'m [u8]) -> Result<Self, BadHeader> {
        let mut fields = Vec::new();
        let (mut start, mut at) = (0, 0);
        for line in mail.split_inclusive(|&byte| byte == b'\n') {
            let text = without_line_end(line);
            if text.is_empty() {
                break;
            }
            let continues = text.first().is_some_and(|&byte| byte == b' ' || byte == b'\t');
            if text.contains(&b'\r') || (continues && at == 0) || (!continues && !text.contains(&b':')) {
                return Err(BadHeader::Malformed);
            }
            if !continues && at > start {
                fields.extend(mail.get(start..at));
                start = at;
            }
            at += line.len();
            if at > MAX_BYTES {
                return Err(BadHeader::TooLong);
            }
        }
        fields.extend(mail.get(start..at).filter(|field| !field.is_empty()));
        Ok(Self { fields, rest: mail.get(at..).unwrap_or_default() })
    }

    /// How many bytes the body has, as received.
    pub(super) fn body_bytes(&self) -> usize {
        let empty_line = match self.rest {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => 0,
        };
        self.rest.len() - empty_line
    }
}

/// The name of a field, without white space around it, and its value.
pub(super) fn name_and_value(field: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = field.splitn(2, |&byte| byte == b':');
    let name = parts.next().unwrap_or_default();
    (name.trim_ascii(), parts.next().unwrap_or_default())
}

/// Whether a field has this name, in any letter case.
pub(super) fn is(field: &[u8], name: &str) -> bool {
    name_and_value(field).0.eq_ignore_ascii_case(name.as_bytes())
}

/// Adds a field to `block` as it was sent: each line ends in CRLF, which files of mail often lack.
pub(super) fn push_as_sent(block: &mut Vec<u8>, field: &[u8]) {
    for line in field.split_inclusive(|&byte| byte == b'\n') {
        block.extend_from_slice(without_line_end(line));
        block.extend_from_slice(b"\r\n");
    }
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_fields_whatever_ends_their_lines() {
        for end in ["\n", "\r\n"] {
            let text = format!("From: a@b{end}Subject : x{end}\ty{end} : z{end}{end}body: 1{end}");
            let mail = Mail::new(text.as_bytes()).unwrap();
            assert_eq!(mail.fields.len(), 2);
            assert!(is(mail.fields[1], "subject"));
            assert_eq!(mail.rest, format!("{end}body: 1{end}").as_bytes());
            assert_eq!(mail.body_bytes(), "body: 1".len() + end.len());
            let mut block = Vec::new();
            mail.fields.iter().for_each(|field| push_as_sent(&mut block, field));
            assert_eq!(block, b"From: a@b\r\nSubject : x\r\n\ty\r\n : z\r\n");
        }
    }

    #[test]
    fn takes_a_mail_without_body_and_one_without_header() {
        let mail = Mail::new(b"From: a").unwrap();
        assert_eq!((mail.fields.len(), mail.body_bytes()), (1, 0));
        let mail = Mail::new(b"\r\nbody").unwrap();
        assert_eq!((mail.fields.len(), mail.body_bytes()), (0, 4));
        assert_eq!(Mail::new(b"").unwrap().fields.len(), 0);
    }

    #[test]
    fn refuses_what_two_readers_could_read_differently() {
        for text in ["From: a\rFrom: b\n\n", "From: a\nnonsense\nX: y\n\n", " x: y\nFrom: a\n\n"] {
            assert_eq!(Mail::new(text.as_bytes()).err(), Some(BadHeader::Malformed), "{text:?}");
        }
    }

    #[test]
    fn refuses_a_header_section_one_byte_over_the_limit() {
        let line = format!("X: {}\n", "x".repeat(1020));
        assert_eq!(line.len(), 1024);
        let mut text = line.repeat(256);
        assert!(Mail::new(text.as_bytes()).is_ok());
        text.insert(10, 'x');
        assert_eq!(Mail::new(text.as_bytes()).err(), Some(BadHeader::TooLong));
    }
}
