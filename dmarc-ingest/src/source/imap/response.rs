//! What a server says (RFC 9051, Section 7; RFC 3501, Section 7), as far as it is needed here.
//!
//! Everything else in a response is passed over without being understood: servers add attributes and codes as they
//! like, and text in any charset. Values are walked with a counter, so nesting costs no stack.

/// One response of a server, with the literals in it.
#[derive(Debug, Default)]
pub(super) struct Response {
    /// From its first byte to before its CRLF. The bytes of a literal that was left out are missing.
    pub(super) bytes: Vec<u8>,
    /// How long the largest literal is of which the bytes were left out, in bytes.
    pub(super) left_out: Option<u64>,
}

/// What an untagged response says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Untagged<'a> {
    /// `OK`, `NO`, `BAD`, `BYE` or `PREAUTH`.
    Status(StatusText),
    /// Number of messages in the folder.
    Exists(u32),
    /// A message is gone, the others move up.
    Expunge(u32),
    /// About one message.
    Fetch(Fetch<'a>),
    /// UIDs that were searched for.
    Search(Vec<u32>),
    /// A folder that is there.
    List,
    /// What the server can do.
    Capability(Vec<String>),
    /// Nothing that is needed here.
    Other,
}

/// `OK`, `NO` or the like, with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StatusText {
    /// In capitals.
    pub(super) status: String,
    /// The code in brackets, without them; empty without one.
    pub(super) code: String,
    /// The text after it, as received.
    pub(super) text: String,
}

/// Attributes of a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fetch<'a> {
    pub(super) uid: Option<u32>,
    pub(super) size: Option<u64>,
    pub(super) received: Option<i64>,
    pub(super) body: Option<&'a [u8]>,
}

impl Response {
    /// The text after the tag, if this is the last response to the command with this tag.
    pub(super) fn tagged(&self, tag: &str) -> Option<StatusText> {
        let rest = self.bytes.strip_prefix(tag.as_bytes())?.strip_prefix(b" ")?;
        Some(status_text(rest))
    }

    /// Whether the server asks for more of a command, and what it says with it.
    pub(super) fn continuation(&self) -> Option<&[u8]> {
        let rest = self.bytes.strip_prefix(b"+")?;
        Some(rest.strip_prefix(b" ").unwrap_or(rest))
    }

    /// What it says if it is untagged.
    pub(super) fn untagged(&self) -> Option<Untagged<'_>> {
        let rest = self.bytes.strip_prefix(b"* ")?;
        let (word, after) = word(rest);
        if let Some(number) = number(word) {
            return Some(numbered(u32::try_from(number).ok(), after));
        }
        Some(match word.to_ascii_uppercase().as_slice() {
            b"OK" | b"NO" | b"BAD" | b"BYE" | b"PREAUTH" => Untagged::Status(status_text(rest)),
            b"SEARCH" => Untagged::Search(
                after
                    .split(|byte| *byte == b' ')
                    .filter_map(number)
                    .filter_map(|n| u32::try_from(n).ok())
                    .collect(),
            ),
            b"LIST" => Untagged::List,
            b"CAPABILITY" => Untagged::Capability(capabilities(&String::from_utf8_lossy(after))),
            _ => Untagged::Other,
        })
    }
}

impl StatusText {
    pub(super) fn is_ok(&self) -> bool {
        self.status == "OK"
    }

    /// Whether the code is `name`, without regard to what follows it.
    pub(super) fn has_code(&self, name: &str) -> bool {
        self.code.split(' ').next().is_some_and(|code| code.eq_ignore_ascii_case(name))
    }

    /// The number of the code `name`.
    pub(super) fn code_number(&self, name: &str) -> Option<u32> {
        let (code, value) = self.code.split_once(' ')?;
        code.eq_ignore_ascii_case(name).then(|| value.parse().ok())?
    }

    /// The capabilities in the code.
    pub(super) fn capabilities(&self) -> Option<Vec<String>> {
        let (code, value) = self.code.split_once(' ')?;
        code.eq_ignore_ascii_case("CAPABILITY").then(|| capabilities(value))
    }

    /// For a message: the code and the text.
    pub(super) fn shown(&self) -> String {
        let code = if self.code.is_empty() { String::new() } else { format!("[{}] ", self.code) };
        super::fault::neutral(&format!("{code}{}", self.text))
    }
}

fn status_text(line: &[u8]) -> StatusText {
    let (status, rest) = word(line);
    let rest = String::from_utf8_lossy(rest);
    let (code, text) = rest
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or_else(|| ("", rest.as_ref()), |(code, text)| (code, text.trim_start()));
    StatusText {
        status: String::from_utf8_lossy(status).to_ascii_uppercase(),
        code: code.to_owned(),
        text: text.to_owned(),
    }
}

fn numbered(number: Option<u32>, rest: &[u8]) -> Untagged<'_> {
    let (name, after) = word(rest);
    match (number, name.to_ascii_uppercase().as_slice()) {
        (Some(number), b"EXISTS") => Untagged::Exists(number),
        (Some(number), b"EXPUNGE") => Untagged::Expunge(number),
        (Some(_), b"FETCH") => Untagged::Fetch(fetch(after)),
        _ => Untagged::Other,
    }
}

fn fetch(list: &[u8]) -> Fetch<'_> {
    let mut tokens = Tokens { rest: list };
    let mut fetch = Fetch::default();
    if tokens.next() != Some(Token::Open) {
        return fetch;
    }
    while let Some(Token::Atom(name)) = tokens.next() {
        let Some(value) = tokens.next() else { break };
        match (name.to_ascii_uppercase().as_slice(), value) {
            (b"UID", Token::Atom(value)) => fetch.uid = number(value).and_then(|uid| u32::try_from(uid).ok()),
            (b"RFC822.SIZE", Token::Atom(value)) => fetch.size = number(value),
            (b"INTERNALDATE", Token::Text(value)) => fetch.received = internal_date(value),
            (b"BODY[]", Token::Text(value)) => fetch.body = Some(value),
            (_, Token::Open) => tokens.leave(),
            _ => {}
        }
    }
    fetch
}

/// A date of RFC 9051 (`date-time`) in seconds since the Unix epoch, UTC.
fn internal_date(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let moment = jiff::fmt::strtime::parse("%d-%b-%Y %H:%M:%S %z", text).ok()?;
    Some(moment.to_timestamp().ok()?.as_second())
}

fn capabilities(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_ascii_uppercase).collect()
}

fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    (word, rest.strip_prefix(b" ").unwrap_or(rest))
}

fn number(digits: &[u8]) -> Option<u64> {
    // `parse` would take a sign.
    digits.first().filter(|byte| byte.is_ascii_digit())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A piece of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    Atom(&'a [u8]),
    /// Quoted or literal. A quoted one keeps its backslashes: nothing that is read here has any.
    Text(&'a [u8]),
}

struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    /// Goes behind the end of the list in which it stands.
    fn leave(&mut self) {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next() {
                Some(Token::Open) => depth += 1,
                Some(Token::Close) => depth -= 1,
                Some(_) => {}
                None => return,
            }
        }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn quoted(&mut self) -> Option<&'a [u8]> {
        let mut escaped = false;
        let end = self.rest.iter().position(|byte| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        })?;
        let text = self.take(end)?;
        self.take(1)?;
        Some(text)
    }

    fn literal(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == b'}')?;
        let length = usize::try_from(number(self.take(end)?)?).ok()?;
        (self.take(3)? == b"}\r\n").then_some(())?;
        self.take(length)
    }

    /// An atom; a section in brackets belongs to it with all that is in it.
    fn atom(&mut self) -> Option<&'a [u8]> {
        let mut inside = false;
        let end = self.rest.iter().position(|byte| {
            inside = (inside || *byte == b'[') && *byte != b']';
            !inside && matches!(byte, b' ' | b'(' | b')' | b'"')
        });
        self.take(end.unwrap_or(self.rest.len())).filter(|atom| !atom.is_empty())
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while self.rest.first() == Some(&b' ') {
            self.take(1);
        }
        let token = match self.rest.first()? {
            b'(' => Token::Open,
            b')' => Token::Close,
            b'"' => {
                self.take(1);
                return self.quoted().map(Token::Text);
            }
            b'{' => {
                self.take(1);
                return self.literal().map(Token::Text);
            }
            _ => return self.atom().map(Token::Atom),
        };
        self.take(1);
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(text: &[u8]) -> Response {
        Response { bytes: text.to_vec(), left_out: None }
    }

    #[test]
    fn reads_what_is_asked_for_of_a_message_among_other_attributes() {
        let response = response(
            b"* 3 FETCH (FLAGS (\\Seen $x) X-GM-LABELS (\"\\\\Inbox\" \")\") MODSEQ (9) UID 17 RFC822.SIZE 5000000000 \
              BODY[HEADER.FIELDS (\"TO\")] {3}\r\n)(\" INTERNALDATE \" 7-Feb-2026 01:02:03 -0100\" BODY[] {4}\r\na)\r\n)",
        );
        let expected = Fetch {
            uid: Some(17),
            size: Some(5_000_000_000),
            received: Some(1_770_429_723),
            body: Some(b"a)\r\n"),
        };
        assert_eq!(response.untagged(), Some(Untagged::Fetch(expected)));
    }

    #[test]
    fn reads_a_quoted_body_and_none() {
        let quoted = response(b"* 1 FETCH (BODY[] \"a\" UID 1)");
        assert!(matches!(
            quoted.untagged(),
            Some(Untagged::Fetch(Fetch { body: Some(b"a"), uid: Some(1), .. }))
        ));
        let none = response(b"* 1 FETCH (BODY[] NIL UID 1)");
        assert!(matches!(none.untagged(), Some(Untagged::Fetch(Fetch { body: None, uid: Some(1), .. }))));
    }

    #[test]
    fn passes_deep_nesting_over() {
        let deep = format!("* 1 FETCH (X {}{} UID 2)", "(".repeat(200_000), ")".repeat(200_000));
        assert!(matches!(
            response(deep.as_bytes()).untagged(),
            Some(Untagged::Fetch(Fetch { uid: Some(2), .. }))
        ));
    }

    #[test]
    fn reads_a_status_with_text_in_any_charset() {
        let text = response(b"a7 no [UNAVAILABLE x] sp\xe4ter").tagged("a7").unwrap();
        assert_eq!((text.status.as_str(), text.text.as_str()), ("NO", "sp\u{fffd}ter"));
        assert!(text.has_code("unavailable") && !text.is_ok());
        assert_eq!(response(b"a71 OK x").tagged("a7"), None);
        assert_eq!(response(b"a7 OK [UIDNEXT 5] x").tagged("a7").unwrap().code_number("UIDNEXT"), Some(5));
    }

    #[test]
    fn never_stops_at_what_it_does_not_understand() {
        for text in [
            &b"* "[..],
            b"* 1",
            b"* 1 FETCH",
            b"* 1 FETCH (",
            b"* 1 FETCH (UID",
            b"* 99999999999 EXISTS",
            b"*",
            b"* 1 FETCH (BODY[] {9}\r\nab)",
            b"* 1 FETCH (UID -1 BODY[ \"",
            b"* SEARCH x 1 -2",
            b"\xff",
        ] {
            let response = response(text);
            assert!(
                !matches!(response.untagged(), Some(Untagged::Fetch(Fetch { body: Some(_), .. }))),
                "{text:?}"
            );
        }
    }
}
