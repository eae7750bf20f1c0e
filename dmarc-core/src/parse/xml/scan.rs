//! Text → tokens of XML: where one ends, and nothing of what it means.
//!
//! A `<` that begins no markup is text, and so is a `&` that begins no reference: both occur in addresses that a
//! reporter did not escape.

/// The longest reference, in bytes: `&#x10ffff;` with some zeros.
const REFERENCE: usize = 32;

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A start tag; of an empty element if `is_empty`.
    Start { name: Name<'t>, attributes: &'t str, is_empty: bool },
    /// An end tag.
    End(&'t str),
    /// Text as it stands, without references.
    Text(&'t str),
    /// `&…;`
    Reference(&'t str),
    /// `<` or `&` that begins nothing.
    Literal(&'t str),
    /// The text of a CDATA section.
    CData(&'t str),
    /// A document type declaration, as far as its first characters.
    Doctype,
    /// A comment or a processing instruction.
    Nothing,
}

/// The name of an element as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'t> {
    pub(super) text: &'t str,
    /// Which kinds of bytes it has, of [`class`].
    kinds: u8,
}

impl<'t> Name<'t> {
    /// Prefix and local name.
    pub(super) fn split(self) -> (&'t str, &'t str) {
        if self.kinds & class::COLON == 0 {
            ("", self.text)
        } else {
            self.text.rsplit_once(':').unwrap_or_default()
        }
    }

    pub(super) fn has_upper_case(self) -> bool {
        self.kinds & class::UPPER != 0
    }
}

/// Kinds of bytes in names.
mod class {
    /// May stand in a name.
    pub(super) const NAME: u8 = 1;
    /// May begin one.
    pub(super) const START: u8 = 2;
    pub(super) const UPPER: u8 = 4;
    pub(super) const COLON: u8 = 8;

    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a constant is made by the compiler, and it goes from 0 to 255"
    )]
    pub(super) const OF: [u8; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = of(byte as u8);
            byte += 1;
        }
        table
    };

    const fn of(byte: u8) -> u8 {
        match byte {
            b'A'..=b'Z' => NAME | START | UPPER,
            b':' => NAME | START | COLON,
            b'a'..=b'z' | b'_' | 0x80.. => NAME | START,
            b'0'..=b'9' | b'-' | b'.' => NAME,
            _ => 0,
        }
    }
}

/// The kind of a byte in a name; 0 if it cannot stand in one.
fn class_of(byte: u8) -> u8 {
    class::OF.get(usize::from(byte)).copied().unwrap_or_default()
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan<'t> {
    /// A token, and its length in bytes.
    Token(Token<'t>, usize),
    /// The text ends before the token does, or there is none left.
    Out,
    /// Markup that no reading can make sense of.
    Malformed,
}

/// Reads the token at the beginning of `text`; a text reaches to the end only where nothing follows, if `is_last`.
#[inline]
pub(super) fn scan(text: &str, is_last: bool) -> Scan<'_> {
    let bytes = text.as_bytes();
    match bytes.first() {
        None => Scan::Out,
        Some(b'<') => markup(text, is_last),
        Some(b'&') => reference(text, is_last),
        Some(_) => match memchr::memchr2(b'<', b'&', bytes) {
            Some(len) => token(text, len, Token::Text),
            None if is_last => Scan::Token(Token::Text(text), text.len()),
            None => Scan::Out,
        },
    }
}

fn markup(text: &str, is_last: bool) -> Scan<'_> {
    match text.as_bytes().get(1) {
        Some(b'/') => end_tag(text),
        Some(b'!') => declaration(text),
        Some(b'?') => match memchr::memmem::find(text.as_bytes().get(2..).unwrap_or_default(), b"?>") {
            Some(at) => Scan::Token(Token::Nothing, at + 4),
            None => Scan::Out,
        },
        Some(first) if is_name_start(*first) => start_tag(text),
        None if !is_last => Scan::Out,
        _ => token(text, 1, Token::Literal),
    }
}

fn start_tag(text: &str) -> Scan<'_> {
    let bytes = text.as_bytes();
    let mut kinds = 0;
    let is_end = |byte: &u8| {
        let kind = class_of(*byte);
        kinds |= kind;
        kind == 0
    };
    let Some(len) = bytes.get(1..).and_then(|rest| rest.iter().position(is_end)) else { return Scan::Out };
    let name_end = len + 1;
    let name = Name { text: text.get(1..name_end).unwrap_or_default(), kinds };
    match bytes.get(name_end) {
        Some(b'>') => Scan::Token(Token::Start { name, attributes: "", is_empty: false }, name_end + 1),
        Some(b'/' | b' ' | b'\t' | b'\r' | b'\n') => match tag_end(bytes, name_end) {
            Ok(Some(end)) => {
                let inner = text.get(name_end..end).unwrap_or_default();
                let (attributes, is_empty) =
                    inner.strip_suffix('/').map_or((inner, false), |attributes| (attributes, true));
                Scan::Token(Token::Start { name, attributes, is_empty }, end + 1)
            }
            Ok(None) => Scan::Out,
            Err(Malformed) => Scan::Malformed,
        },
        // `<someone@example.org>`: no name has such a character.
        _ => token(text, 1, Token::Literal),
    }
}

/// The place of the `>` that ends a tag; an error if another tag begins before.
fn tag_end(bytes: &[u8], from: usize) -> Result<Option<usize>, Malformed> {
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'>' => return Ok(Some(at)),
            b'<' => return Err(Malformed),
            b'"' | b'\'' => match memchr::memchr(*byte, bytes.get(at + 1..).unwrap_or_default()) {
                Some(len) => at += len + 2,
                None => return Ok(None),
            },
            _ => at += 1,
        }
    }
    Ok(None)
}

fn end_tag(text: &str) -> Scan<'_> {
    let Some(end) = memchr::memchr(b'>', text.as_bytes()) else { return Scan::Out };
    let name = text.get(2..end).unwrap_or_default().trim_ascii_end();
    if name.is_empty() || name.bytes().any(|b| !is_name(b)) {
        return Scan::Malformed;
    }
    Scan::Token(Token::End(name), end + 1)
}

fn declaration(text: &str) -> Scan<'_> {
    const COMMENT: &str = "<!--";
    const CDATA: &str = "<![CDATA[";
    let find = |begin: &str, end: &str| {
        let rest = text.get(begin.len()..).unwrap_or_default();
        memchr::memmem::find(rest.as_bytes(), end.as_bytes())
            .map(|at| (rest.get(..at), begin.len() + at + end.len()))
    };
    if text.starts_with(COMMENT) {
        return find(COMMENT, "-->").map_or(Scan::Out, |(_, len)| Scan::Token(Token::Nothing, len));
    }
    if text.starts_with(CDATA) {
        return find(CDATA, "]]>")
            .map_or(Scan::Out, |(inner, len)| Scan::Token(Token::CData(inner.unwrap_or_default()), len));
    }
    if COMMENT.starts_with(text) || CDATA.starts_with(text) {
        return Scan::Out;
    }
    Scan::Token(Token::Doctype, 2)
}

fn reference(text: &str, is_last: bool) -> Scan<'_> {
    let rest = text.as_bytes().iter().skip(1);
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'#' | b'_' | b'-' | b'.');
    let len = rest.take(REFERENCE).take_while(|b| is_part(b)).count();
    match text.as_bytes().get(len + 1) {
        Some(b';') if len > 0 => token(text, len + 2, Token::Reference),
        None if !is_last => Scan::Out,
        _ => token(text, 1, Token::Literal),
    }
}

fn token<'t>(text: &'t str, len: usize, make: fn(&'t str) -> Token<'t>) -> Scan<'t> {
    Scan::Token(make(text.get(..len).unwrap_or_default()), len)
}

fn is_name_start(byte: u8) -> bool {
    class_of(byte) & class::START != 0
}

fn is_name(byte: u8) -> bool {
    class_of(byte) != 0
}

/// Whether `text` is the name of an element or attribute.
#[cfg(test)]
pub(super) fn is_name_text(text: &str) -> bool {
    text.bytes().next().is_some_and(is_name_start) && text.bytes().all(is_name)
}

/// An attribute as it stands in a start tag.
pub(super) struct Attribute<'t> {
    pub(super) name: &'t str,
    pub(super) value: &'t str,
}

/// Markup that no reading can make sense of.
#[derive(Debug)]
pub(super) struct Malformed;

/// Takes the first attribute off `text`; `None` where there is none left.
///
/// # Errors
/// [`Malformed`] if something else stands there.
pub(super) fn attribute<'t>(text: &mut &'t str) -> Result<Option<Attribute<'t>>, Malformed> {
    if text.trim_ascii_start().is_empty() {
        return Ok(None);
    }
    let (attribute, rest) = split_attribute(text).ok_or(Malformed)?;
    *text = rest;
    Ok(Some(attribute))
}

fn split_attribute(text: &str) -> Option<(Attribute<'_>, &str)> {
    let rest = text.trim_ascii_start();
    let (name, rest) = rest.split_once('=')?;
    let name = name.trim_ascii_end();
    let rest = rest.trim_ascii_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (value, rest) = rest.get(1..)?.split_once(quote)?;
    if name.is_empty() || name.bytes().any(|b| !is_name(b)) {
        return None;
    }
    Some((Attribute { name, value }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start<'t>(text: &'t str, attributes: &'t str, is_empty: bool) -> Token<'t> {
        let kinds = text.bytes().fold(0, |kinds, byte| kinds | class_of(byte));
        Token::Start { name: Name { text, kinds }, attributes, is_empty }
    }

    fn tokens(text: &str) -> Vec<Token<'_>> {
        let (mut rest, mut tokens) = (text, Vec::new());
        while let Scan::Token(token, len) = scan(rest, true) {
            tokens.push(token);
            rest = rest.split_at(len).1;
        }
        tokens
    }

    #[test]
    fn tells_the_tokens_of_a_document() {
        let text =
            "<?xml version='1.0'?><!-- > --><a b=\"1>2\" c='d'>x&amp;y<![CDATA[<&]]></a ><b/><c d='/'/>";
        assert_eq!(
            tokens(text),
            [
                Token::Nothing,
                Token::Nothing,
                start("a", " b=\"1>2\" c='d'", false),
                Token::Text("x"),
                Token::Reference("&amp;"),
                Token::Text("y"),
                Token::CData("<&"),
                Token::End("a"),
                start("b", "", true),
                start("c", " d='/'", true),
            ]
        );
    }

    #[test]
    fn takes_for_text_what_begins_no_markup() {
        assert_eq!(
            tokens("a < b <c@d.example> & e &f"),
            [
                Token::Text("a "),
                Token::Literal("<"),
                Token::Text(" b "),
                Token::Literal("<"),
                Token::Text("c@d.example> "),
                Token::Literal("&"),
                Token::Text(" e "),
                Token::Literal("&"),
                Token::Text("f"),
            ]
        );
    }

    #[test]
    fn asks_for_more_at_every_cut_of_a_token() {
        for text in ["<abc d='e'>", "</abc>", "<!-- x -->", "<![CDATA[x]]>", "<?x y?>", "&amp;", "<a/>"] {
            for cut in 0..text.len() {
                assert_eq!(scan(text.split_at(cut).0, false), Scan::Out, "{text} {cut}");
            }
            assert!(matches!(scan(text, false), Scan::Token(_, len) if len == text.len()), "{text}");
        }
        assert_eq!(scan("text", false), Scan::Out);
    }

    #[test]
    fn refuses_a_tag_in_a_tag_and_an_end_tag_without_name() {
        assert_eq!(scan("<?>", true), Scan::Out);
        for text in ["<a <b>", "</>", "</ a>", "</a b>"] {
            assert_eq!(scan(text, true), Scan::Malformed, "{text}");
        }
        assert_eq!(scan("<!DOCTYPE x>", true), Scan::Token(Token::Doctype, 2));
    }

    #[test]
    fn takes_attributes_one_by_one() {
        let mut rest = " a = \"1\"b='2' ";
        let first = attribute(&mut rest).unwrap().unwrap();
        assert_eq!((first.name, first.value), ("a", "1"));
        let second = attribute(&mut rest).unwrap().unwrap();
        assert_eq!((second.name, second.value), ("b", "2"));
        assert!(attribute(&mut rest).unwrap().is_none());
        for malformed in [" a", " a=1", " a=\"1", " =\"1\"", " a b=\"1\""] {
            assert!(attribute(&mut { malformed }).is_err(), "{malformed}");
        }
    }
}
