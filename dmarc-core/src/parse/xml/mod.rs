//! A pull reader for the XML of reports: elements by local name and namespace, text with references resolved, every
//! ceiling checked.
//!
//! It reads a window of the document and can be started again behind what was read, with another window: whatever must
//! outlive a window stands in [`State`]. Where a window ends too early, the reader is *starved*: it gives an error that
//! nobody sees, for the same step is tried again with a larger window.
//!
//! *Not supported, on purpose:* document type declarations (refused), entities beyond the five of XML and character
//! references (kept as text), external schemas (never fetched).

#[cfg(test)]
mod oracle;
mod scan;
mod word;

use std::borrow::Cow;
use std::ops::Range;

use self::scan::{Name, Scan, Token, attribute, scan};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::model::Word;
use crate::model::aggregate::{NAMESPACE, UnknownElement};
use crate::quirk::{DETAIL_BYTES, Journal, QuirkCode};

/// Namespaces that a DMARC text defines (RFC 9990, Section 6.1; RFC 7489, Appendix C; drafts).
const DMARC_NAMESPACES: [&str; 4] = [
    NAMESPACE,
    "urn:ietf:params:xml:schema:dmarc-2.0",
    "http://dmarc.org/dmarc-xml/0.1",
    "http://dmarc.org/dmarc-xml/0.2",
];

/// The elements of the dialects.
const ELEMENTS: [&str; 46] = [
    "feedback",
    "version",
    "report_metadata",
    "org_name",
    "email",
    "extra_contact_info",
    "report_id",
    "date_range",
    "begin",
    "end",
    "error",
    "generator",
    "policy_published",
    "domain",
    "discovery_method",
    "p",
    "sp",
    "np",
    "adkim",
    "aspf",
    "pct",
    "fo",
    "testing",
    "t",
    "extension",
    "extensions",
    "record",
    "row",
    "source_ip",
    "count",
    "policy_evaluated",
    "disposition",
    "dkim",
    "spf",
    "reason",
    "type",
    "comment",
    "identifiers",
    "identities",
    "header_from",
    "envelope_from",
    "envelope_to",
    "auth_results",
    "selector",
    "result",
    "human_result",
];

/// The name that stands for that of an empty element in the end that follows it; no end tag has it.
const EMPTY: &str = "";

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Elements that cost as much as one deviation, which is named by its path.
const QUIRK: u64 = 4;

/// The namespace of attributes such as `xsi:schemaLocation`, by its usual prefix.
const SCHEMA_INSTANCE: &str = "xsi:";

/// Whether `uri` is a namespace that a DMARC text defines.
fn is_dmarc_namespace(uri: &str) -> bool {
    DMARC_NAMESPACES.contains(&uri)
}

/// An element whose start tag was just read.
pub(super) struct Element<'t> {
    /// Local name; in lower case, if it is one that the dialects have.
    pub(super) name: &'t str,
    /// Whether it has the namespace of the report or none at all; others are extensions.
    pub(super) is_ours: bool,
    /// The `lang` attribute.
    pub(super) lang: Option<&'t str>,
    /// The declaration of its namespace, as an index of [`State::declarations`].
    declaration: Option<u32>,
}

/// A tag that is as plain as nearly all are.
enum PlainTag<'t> {
    Start(Element<'t>),
    End,
}

/// What stands next inside an element.
pub(super) enum Node<'t> {
    Child(Element<'t>),
    Text(Cow<'t, str>),
    End,
}

/// What stands next outside of documents.
pub(super) enum Outer {
    /// A `feedback` element begins.
    Document,
    /// Something of no interest.
    Other,
    /// The input ends.
    End,
}

/// What is known beyond one window.
#[derive(Debug)]
pub(super) struct State {
    pub(super) limits: Limits,
    pub(super) quirks: Journal,
    /// Whether the last step ended because the window did.
    pub(super) is_starved: bool,
    /// Where the window begins in the document, in bytes.
    pub(super) base: u64,
    elements: u64,
    /// Length of the byte-order mark at the beginning, in bytes.
    byte_order_mark: u64,
    /// Whether any element was met.
    has_root: bool,
    /// Whether the end of an empty element is still to be given.
    is_end_due: bool,
    /// Names of the open elements around the window.
    outer: Vec<String>,
    /// Names of the open elements inside the window, as ranges of it.
    path: Vec<Range<usize>>,
    declarations: Vec<Declaration>,
    /// What elements without a prefix are: follows from `declarations` and `root`.
    unprefixed: Namespace,
    root: Root,
}

/// What a name belongs to.
#[derive(Clone, Copy, Debug)]
struct Namespace {
    /// As an index of [`State::declarations`].
    declaration: Option<u32>,
    is_ours: bool,
}

/// A declared prefix.
#[derive(Debug)]
struct Declaration {
    /// Depth of the element that has it.
    depth: usize,
    prefix: String,
    uri: String,
    is_ours: bool,
}

/// Prefix and namespace of the `feedback` element.
#[derive(Debug, Default)]
struct Root {
    prefix: String,
    namespace: Option<String>,
}

/// What a step that starved takes back.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    elements: u64,
    is_end_due: bool,
    declarations: usize,
}

impl State {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            quirks: Journal::default(),
            is_starved: false,
            base: 0,
            elements: 0,
            byte_order_mark: 0,
            has_root: false,
            is_end_due: false,
            outer: Vec::new(),
            path: Vec::new(),
            declarations: Vec::new(),
            unprefixed: Namespace { declaration: None, is_ours: true },
            root: Root::default(),
        }
    }

    /// Begins a step.
    pub(super) fn mark(&mut self) -> Mark {
        self.is_starved = false;
        self.quirks.mark();
        Mark { elements: self.elements, is_end_due: self.is_end_due, declarations: self.declarations.len() }
    }

    /// Takes back what was noted since `mark`.
    pub(super) fn roll_back(&mut self, mark: Mark) {
        self.elements = mark.elements;
        self.is_end_due = mark.is_end_due;
        if self.declarations.len() > mark.declarations {
            self.declarations.truncate(mark.declarations);
            self.resolve_unprefixed();
        }
        self.path.clear();
        self.quirks.roll_back();
    }

    /// The namespace of the current document.
    pub(super) fn root_namespace(&self) -> Option<&str> {
        self.root.namespace.as_deref()
    }

    /// Compares the work that was done with the ceiling.
    pub(super) fn check_work(&self) -> Result<()> {
        Limits::check("elements", self.work(), self.limits.elements)
    }

    /// Counts an extension, whose namespace is copied, as one more element.
    pub(super) fn count_copy(&mut self) {
        self.elements += 1;
    }

    /// Elements and what counts as such.
    pub(super) fn work(&self) -> u64 {
        self.elements + QUIRK * self.quirks.total()
    }

    fn depth(&self) -> usize {
        self.outer.len() + self.path.len()
    }

    fn declaration(&self, prefix: &str) -> Option<u32> {
        let index = self.declarations.iter().rposition(|declared| declared.prefix == prefix)?;
        u32::try_from(index).ok()
    }

    fn declared(&self, index: Option<u32>) -> Option<&Declaration> {
        self.declarations.get(usize::try_from(index?).ok()?)
    }

    fn declare(&mut self, prefix: &str, uri: &str) {
        let is_ours = self.root.namespace.as_deref() == Some(uri) || is_dmarc_namespace(uri);
        let (prefix, uri) = (prefix.to_owned(), uri.to_owned());
        self.declarations.push(Declaration { depth: self.depth(), prefix, uri, is_ours });
        self.resolve_unprefixed();
    }

    /// Forgets the declarations of the elements that are closed.
    #[inline]
    fn undeclare(&mut self) {
        let depth = self.depth();
        let is_closed = |declared: &Declaration| declared.depth > depth;
        if self.declarations.last().is_some_and(is_closed) {
            while self.declarations.pop_if(|declared| is_closed(declared)).is_some() {}
            self.resolve_unprefixed();
        }
    }

    fn resolve_unprefixed(&mut self) {
        self.unprefixed = self.resolve("");
    }

    /// What names with `prefix` belong to here.
    fn resolve(&self, prefix: &str) -> Namespace {
        let declaration = self.declaration(prefix);
        let is_ours = match self.declared(declaration) {
            Some(declared) if !declared.uri.is_empty() => declared.is_ours,
            _ => prefix.is_empty() || prefix == self.root.prefix,
        };
        Namespace { declaration, is_ours }
    }
}

/// Reads the elements of one window.
pub(super) struct Xml<'t, 's> {
    text: &'t str,
    at: usize,
    /// Whether nothing follows behind the window.
    is_last: bool,
    pub(super) state: &'s mut State,
    /// Whether the name of the element that was just opened is in odd letter case: noted once that is read.
    is_odd_case: bool,
    /// Elements that no dialect has at their place.
    pub(super) unknown: Vec<UnknownElement<'t>>,
}

impl<'t, 's> Xml<'t, 's> {
    pub(super) fn new(text: &'t str, is_last: bool, state: &'s mut State) -> Self {
        Self { text, at: 0, is_last, state, is_odd_case: false, unknown: Vec::new() }
    }

    /// How much of the window was read, in bytes.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Takes one token outside of `feedback`.
    pub(super) fn outer(&mut self) -> Result<Outer> {
        let start = self.at;
        match self.token()? {
            None if self.state.outer.is_empty() => return Ok(Outer::End),
            None => {
                self.note_path(QuirkCode::Salvaged);
                self.state.outer.clear();
                return Ok(Outer::End);
            }
            Some(Token::Start { name, attributes, .. }) => {
                let element = self.open(name, attributes, start)?;
                self.state.has_root = true;
                self.state.outer.push(name.text.to_owned());
                self.state.path.clear();
                if element.name == "feedback" {
                    self.is_odd_case = is_odd_case(name, &element);
                    self.note_case();
                    self.enter_document(name, &element);
                    return Ok(Outer::Document);
                }
                self.note_path(QuirkCode::UnknownElement);
            }
            Some(Token::End(name)) => {
                self.close(name)?;
            }
            Some(Token::Text(text) | Token::CData(text) | Token::Literal(text) | Token::Reference(text)) => {
                if self.state.base + start as u64 == 0 && text.starts_with(BYTE_ORDER_MARK) {
                    self.state.byte_order_mark = BYTE_ORDER_MARK.len_utf8() as u64;
                }
                let text = text.trim();
                if !text.is_empty() && text != "\u{feff}" {
                    self.state.quirks.note(QuirkCode::StrayText, text);
                }
            }
            Some(Token::Doctype | Token::Nothing) => {
                let raw = self.text.get(start..).unwrap_or_default();
                let is_late = self.state.base + start as u64 > self.state.byte_order_mark;
                if !self.state.has_root && is_late && raw.starts_with("<?xml ") {
                    self.state.quirks.note(QuirkCode::LateDeclaration, "");
                }
            }
        }
        Ok(Outer::Other)
    }

    /// Reads up to the next child element, a text that is not white space, or the end of the current element.
    pub(super) fn next_node(&mut self) -> Result<Node<'t>> {
        match self.plain_tag() {
            Some(PlainTag::Start(element)) => Ok(Node::Child(element)),
            Some(PlainTag::End) => Ok(Node::End),
            None => self.any_node(),
        }
    }

    /// Like [`next_node`](Self::next_node), whatever stands there.
    fn any_node(&mut self) -> Result<Node<'t>> {
        self.note_case();
        loop {
            self.skip_space();
            let start = self.at;
            match self.inner_token()? {
                Token::Start { name, attributes, .. } => {
                    let element = self.open(name, attributes, start)?;
                    self.is_odd_case = is_odd_case(name, &element);
                    return Ok(Node::Child(element));
                }
                Token::End(name) => {
                    self.close(name)?;
                    return Ok(Node::End);
                }
                Token::Text(text) if text.trim_ascii().is_empty() => {}
                Token::Text(text) | Token::CData(text) => return Ok(Node::Text(Cow::Borrowed(text))),
                Token::Reference(raw) => return Ok(Node::Text(self.reference(raw))),
                Token::Literal(raw) => return Ok(Node::Text(self.literal(raw))),
                Token::Doctype | Token::Nothing => {}
            }
        }
    }

    /// Reads up to the next child element of the current one; `None` at its end. Text in between is passed over.
    #[inline]
    pub(super) fn next_child(&mut self) -> Result<Option<Element<'t>>> {
        match self.plain_tag() {
            Some(PlainTag::Start(element)) => Ok(Some(element)),
            Some(PlainTag::End) => Ok(None),
            None => self.any_child(),
        }
    }

    /// Like [`next_child`](Self::next_child), whatever stands there.
    fn any_child(&mut self) -> Result<Option<Element<'t>>> {
        loop {
            match self.any_node()? {
                Node::Child(element) => return Ok(Some(element)),
                Node::Text(_) => self.note_path(QuirkCode::StrayText),
                Node::End => return Ok(None),
            }
        }
    }

    /// Takes the tag behind white space if it is a start tag without attributes, with a name in small letters and no
    /// prefix, or the end tag of the current element, and over no ceiling; leaves everything else as it is.
    #[inline]
    fn plain_tag(&mut self) -> Option<PlainTag<'t>> {
        if self.is_odd_case || self.state.is_end_due {
            return None;
        }
        let bytes = self.text.as_bytes();
        let at = word::space_end(bytes, self.at);
        match bytes.get(at..)? {
            [b'<', b'/', ..] => {
                self.at = self.end_tag_end(at)?;
                self.leave();
                Some(PlainTag::End)
            }
            [b'<', ..] => self.plain_start_tag(at + 1).map(PlainTag::Start),
            _ => None,
        }
    }

    /// Takes the start tag whose name begins at `start`, if it is plain.
    #[inline]
    fn plain_start_tag(&mut self, start: usize) -> Option<Element<'t>> {
        let len = word::plain_name(self.text.as_bytes(), start)?;
        let name = self.text.get(start..start + len)?;
        if !self.has_room(len) {
            return None;
        }
        self.state.elements += 1;
        self.state.path.push(start..start + len);
        self.at = start + len + 1;
        let Namespace { declaration, is_ours } = self.state.unprefixed;
        Some(Element { name, is_ours, lang: None, declaration })
    }

    /// Whether one more element with a name of `len` bytes is below all ceilings.
    #[inline]
    fn has_room(&self, len: usize) -> bool {
        let limits = &self.state.limits;
        self.state.work() < limits.elements
            && (self.state.depth() as u64) < u64::from(limits.depth)
            && len as u64 <= limits.name_bytes
    }

    /// Where the end tag at `at` ends, if it is that of the current element and has no white space in it.
    #[inline]
    fn end_tag_end(&self, at: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let name = bytes.get(self.state.path.last()?.clone())?;
        let rest = bytes.get(at..)?.strip_prefix(b"</")?.strip_prefix(name)?;
        (rest.first() == Some(&b'>')).then(|| at + name.len() + b"</>".len())
    }

    /// Takes in that an element ends inside the window.
    #[inline]
    fn leave(&mut self) {
        self.state.path.pop();
        self.state.undeclare();
    }

    /// Takes the rest of the current element, if that is nothing but text without references, control characters and
    /// line ends, and over no ceiling; leaves everything else as it is.
    #[inline]
    fn plain_text(&mut self) -> Option<&'t str> {
        if self.is_odd_case || self.state.is_end_due {
            return None;
        }
        let len = word::plain_text(self.text.as_bytes(), self.at)?;
        let text = self.text.get(self.at..self.at + len)?;
        if len as u64 > self.state.limits.text_bytes {
            return None;
        }
        self.at = self.end_tag_end(self.at + len)?;
        self.leave();
        Some(text)
    }

    /// Reads the text of the current element to its end, as it is.
    pub(super) fn raw_text(&mut self) -> Result<Cow<'t, str>> {
        match self.plain_text() {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => self.any_text(),
        }
    }

    /// Like [`raw_text`](Self::raw_text), whatever stands there.
    fn any_text(&mut self) -> Result<Cow<'t, str>> {
        self.note_case();
        let mut text = Cow::Borrowed("");
        loop {
            let start = self.at;
            match self.inner_token()? {
                Token::Text(more) | Token::CData(more) => append(&mut text, Cow::Borrowed(more)),
                Token::Reference(raw) => append(&mut text, self.reference(raw)),
                Token::Literal(raw) => append(&mut text, self.literal(raw)),
                Token::Start { name, attributes, .. } => {
                    self.open(name, attributes, start)?;
                    self.skip_unknown()?;
                }
                Token::End(name) => {
                    self.close(name)?;
                    return Ok(self.without_controls(text));
                }
                Token::Doctype | Token::Nothing => {}
            }
            self.check("text_bytes", text.len(), self.state.limits.text_bytes)?;
        }
    }

    /// Reads the text of the current element to its end, without white space around it.
    pub(super) fn text(&mut self) -> Result<Cow<'t, str>> {
        if let Some(text) = self.plain_text() {
            return Ok(Cow::Borrowed(trim(text)));
        }
        Ok(match self.any_text()? {
            Cow::Borrowed(text) => Cow::Borrowed(trim(text)),
            Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        })
    }

    /// Reads the current element as a word of a vocabulary; `None` if it is empty.
    pub(super) fn word<W: Word<'t>>(&mut self) -> Result<Option<W>> {
        let raw = self.raw_text()?;
        if let Some(word) = W::exact(&raw) {
            return Ok(Some(word));
        }
        if trim(&raw).is_empty() {
            return Ok(None);
        }
        let word = W::read(raw.clone());
        if !word.is_known() {
            self.state.quirks.note(QuirkCode::UnknownValue, raw);
        } else if word.word() != raw {
            self.state.quirks.note(QuirkCode::NormalizedValue, raw);
        }
        Ok(Some(word))
    }

    /// Sets the current element aside, which no dialect has here.
    pub(super) fn skip_unknown(&mut self) -> Result<()> {
        let path = self.shown_path();
        self.state.quirks.note(QuirkCode::UnknownElement, &path);
        let kept = self.unknown.len() as u64 + 1;
        Limits::check("extensions", kept, self.state.limits.extensions)?;
        let xml = Cow::Borrowed(self.raw_element()?);
        self.unknown.push(UnknownElement { path: Cow::Owned(path), xml });
        Ok(())
    }

    /// Passes over the current element because an equal one was read before.
    pub(super) fn skip_repeated(&mut self) -> Result<()> {
        self.note_path(QuirkCode::Repeated);
        self.skip()
    }

    /// Reads the current element as it stands, from its start tag on.
    pub(super) fn raw_element(&mut self) -> Result<&'t str> {
        let name = self.state.path.last().map_or(self.at, |name| name.start);
        self.skip()?;
        let raw = self.text.get(name.saturating_sub(1)..self.at).unwrap_or_default();
        self.check("text_bytes", raw.len(), self.state.limits.text_bytes)?;
        Ok(raw)
    }

    /// The namespace of `element`, which must be open.
    pub(super) fn namespace(&self, element: &Element<'_>) -> Option<String> {
        let declared = self.state.declared(element.declaration)?;
        (!declared.uri.is_empty()).then(|| declared.uri.clone())
    }

    /// Notes `code` with the path of the current element.
    pub(super) fn note_path(&mut self, code: QuirkCode) {
        let path = self.shown_path();
        self.state.quirks.note(code, path);
    }

    /// An error of kind `kind` at the place that was reached.
    pub(super) fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind).at(self.state.base + self.at as u64)
    }

    /// Passes over white space, which says nothing between elements.
    #[inline]
    fn skip_space(&mut self) {
        self.at = word::space_end(self.text.as_bytes(), self.at);
    }

    /// Notes the letter case of the current element, which is read and not set aside.
    #[inline]
    fn note_case(&mut self) {
        if self.is_odd_case {
            self.is_odd_case = false;
            self.note_path(QuirkCode::LetterCase);
        }
    }

    fn skip(&mut self) -> Result<()> {
        self.is_odd_case = false;
        let depth = self.state.path.len();
        while self.state.path.len() >= depth {
            let start = self.at;
            match self.inner_token()? {
                Token::Start { name, attributes, .. } => {
                    self.open(name, attributes, start)?;
                }
                Token::End(name) => self.close(name)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes the next token; the end of the input is an error.
    #[inline]
    fn inner_token(&mut self) -> Result<Token<'t>> {
        match self.token()? {
            Some(token) => Ok(token),
            None => Err(self.error(ErrorKind::Truncated("feedback"))),
        }
    }

    /// Takes the next token; `None` where the input ends between two.
    #[inline]
    fn token(&mut self) -> Result<Option<Token<'t>>> {
        if self.state.is_end_due {
            self.state.is_end_due = false;
            return Ok(Some(Token::End(EMPTY)));
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        match scan(rest, self.is_last) {
            Scan::Token(Token::Doctype, _) => Err(self.error(ErrorKind::DoctypeForbidden)),
            Scan::Token(token, len) => {
                self.at += len;
                if matches!(token, Token::Nothing | Token::CData(_) | Token::Reference(_) | Token::Literal(_))
                {
                    self.state.elements += 2;
                }
                self.state.is_end_due = matches!(token, Token::Start { is_empty: true, .. });
                Ok(Some(token))
            }
            Scan::Malformed => Err(self.malformed("markup inside a tag")),
            Scan::Out if !self.is_last => {
                self.state.is_starved = true;
                Err(self.error(ErrorKind::Truncated("feedback")))
            }
            Scan::Out if rest.is_empty() => Ok(None),
            // Markup that is open when the text ends: cut short, too.
            Scan::Out if self.state.depth() > 0 => Err(self.error(ErrorKind::Truncated("feedback"))),
            Scan::Out => Err(self.malformed("markup without end")),
        }
    }

    #[inline]
    fn open(&mut self, name: Name<'t>, attributes: &'t str, start: usize) -> Result<Element<'t>> {
        self.state.elements += 1;
        let limits = &self.state.limits;
        let depth = self.state.depth() as u64 + 1;
        if self.state.work() > limits.elements
            || depth > u64::from(limits.depth)
            || name.text.len() as u64 > limits.name_bytes
        {
            return Err(self.too_much(name.text, depth).at(self.state.base + start as u64));
        }
        self.state.path.push(start + 1..start + 1 + name.text.len());
        let lang = if attributes.is_empty() { None } else { self.attributes(attributes)? };
        let (prefix, local) = name.split();
        let Namespace { declaration, is_ours } = self.state.resolve(prefix);
        Ok(Element {
            name: if name.has_upper_case() { lower_case(local) } else { local },
            is_ours,
            lang,
            declaration,
        })
    }

    /// Which ceiling an element is over.
    #[cold]
    fn too_much(&self, name: &str, depth: u64) -> Error {
        let limits = &self.state.limits;
        if self.state.work() > limits.elements {
            Error::limit("elements", limits.elements)
        } else if depth > u64::from(limits.depth) {
            Error::limit("depth", u64::from(limits.depth))
        } else {
            debug_assert!(name.len() as u64 > limits.name_bytes, "one of the three");
            Error::limit("name_bytes", limits.name_bytes)
        }
    }

    #[inline]
    fn close(&mut self, name: &str) -> Result<()> {
        let is_closed = match self.state.path.pop() {
            Some(open) => name == EMPTY || self.text.as_bytes().get(open) == Some(name.as_bytes()),
            None => self.state.outer.pop().is_some_and(|open| name == EMPTY || open == name),
        };
        if !is_closed {
            return Err(self.malformed("end tag of another element"));
        }
        self.state.undeclare();
        Ok(())
    }

    fn enter_document(&mut self, name: Name<'_>, element: &Element<'_>) {
        let namespace = self.namespace(element);
        if let Some(uri) = namespace.as_deref().filter(|uri| !is_dmarc_namespace(uri)) {
            self.state.quirks.note(QuirkCode::UnknownNamespace, uri);
        }
        for declared in &mut self.state.declarations {
            declared.is_ours = Some(&declared.uri) == namespace.as_ref() || is_dmarc_namespace(&declared.uri);
        }
        self.state.root = Root { prefix: name.split().0.to_owned(), namespace };
        self.state.resolve_unprefixed();
    }

    /// Takes in the declarations of a start tag; gives its language.
    fn attributes(&mut self, mut text: &'t str) -> Result<Option<&'t str>> {
        let (mut lang, mut count) = (None, 0);
        loop {
            let next = attribute(&mut text).map_err(|_| self.malformed("malformed attribute"))?;
            let Some(attribute) = next else { return Ok(lang) };
            count += 1;
            self.check("attributes", count, self.state.limits.attributes)?;
            self.check("text_bytes", attribute.value.len(), self.state.limits.text_bytes)?;
            let name = attribute.name;
            if let Some(prefix) =
                name.strip_prefix("xmlns").filter(|rest| rest.is_empty() || rest.starts_with(':'))
            {
                let prefix = prefix.strip_prefix(':').unwrap_or(prefix);
                for name in [prefix, attribute.value] {
                    self.check("name_bytes", name.len(), self.state.limits.name_bytes)?;
                }
                let in_scope = self.state.declarations.len() + 1;
                self.check("attributes", in_scope, self.state.limits.attributes)?;
                self.state.declare(prefix, attribute.value);
            } else if name == "lang" || name == "xml:lang" {
                lang = Some(attribute.value);
            } else if !name.starts_with(SCHEMA_INSTANCE) {
                let detail = format!("{}@{name}={}", self.shown_path(), attribute.value);
                self.state.quirks.note(QuirkCode::UnknownAttribute, detail);
            }
        }
    }

    /// Resolves the reference `raw`.
    fn reference(&mut self, raw: &'t str) -> Cow<'t, str> {
        let name = raw.strip_prefix('&').and_then(|raw| raw.strip_suffix(';')).unwrap_or(raw);
        match resolve(name) {
            Some(Resolved::Text(text)) => Cow::Borrowed(text),
            Some(Resolved::Char(c)) => Cow::Owned(c.to_string()),
            None => {
                self.state.quirks.note(QuirkCode::UnknownEntity, raw);
                Cow::Borrowed(raw)
            }
        }
    }

    /// Takes a character for text that stands where markup should begin.
    fn literal(&mut self, raw: &'t str) -> Cow<'t, str> {
        self.note_path(QuirkCode::Salvaged);
        Cow::Borrowed(raw)
    }

    fn without_controls(&mut self, text: Cow<'t, str>) -> Cow<'t, str> {
        let forbidden = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r');
        // The least byte is found for many at once.
        let has_low = text.bytes().min().is_some_and(|least| least < b' ');
        if !has_low || !text.contains(forbidden) {
            return text;
        }
        self.note_path(QuirkCode::ControlCharacter);
        Cow::Owned(text.replace(forbidden, "\u{fffd}"))
    }

    /// The local names of the open elements, as far as a quirk shows them: it is asked for often, and paths may be
    /// long.
    fn shown_path(&self) -> String {
        let mut shown = String::new();
        let outer = self.state.outer.iter().map(String::as_str);
        let inner = self.state.path.iter().map(|name| self.text.get(name.clone()).unwrap_or_default());
        for name in outer.chain(inner) {
            if !shown.is_empty() {
                shown.push('/');
            }
            shown.push_str(split_name(name).1);
            if shown.len() > DETAIL_BYTES {
                break;
            }
        }
        shown
    }

    fn check(&self, limit: &'static str, value: usize, max: u64) -> Result<()> {
        if value as u64 > max { Err(self.error(ErrorKind::LimitExceeded { limit, max })) } else { Ok(()) }
    }

    fn malformed(&self, why: &'static str) -> Error {
        self.error(ErrorKind::Xml).with_source(why)
    }
}

enum Resolved {
    Text(&'static str),
    Char(char),
}

/// Resolves one of the five entities of XML or a character reference.
fn resolve(name: &str) -> Option<Resolved> {
    let code = match name {
        "amp" => return Some(Resolved::Text("&")),
        "lt" => return Some(Resolved::Text("<")),
        "gt" => return Some(Resolved::Text(">")),
        "quot" => return Some(Resolved::Text("\"")),
        "apos" => return Some(Resolved::Text("'")),
        _ => name.strip_prefix('#')?,
    };
    // A number may begin with a sign elsewhere, but not here.
    if code.contains('+') {
        return None;
    }
    let code = match code.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => code.parse().ok()?,
    };
    char::from_u32(code).map(Resolved::Char)
}

fn append<'t>(text: &mut Cow<'t, str>, more: Cow<'t, str>) {
    if text.is_empty() { *text = more } else { text.to_mut().push_str(&more) }
}

/// Whether the element is one of the dialects in another letter case.
fn is_odd_case(name: Name<'_>, element: &Element<'_>) -> bool {
    name.has_upper_case() && name.split().1 != element.name
}

/// The text without white space around it, which it rarely has.
#[inline]
fn trim(text: &str) -> &str {
    let is_plain = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    if is_plain(text.as_bytes().first()) && is_plain(text.as_bytes().last()) { text } else { text.trim() }
}

fn split_name(name: &str) -> (&str, &str) {
    match memchr::memrchr(b':', name.as_bytes()) {
        Some(at) => (name.get(..at).unwrap_or_default(), name.get(at + 1..).unwrap_or_default()),
        None => ("", name),
    }
}

/// The name of an element of the dialects, whatever its letter case; any other name as it is.
fn lower_case(name: &str) -> &str {
    ELEMENTS.iter().find(|element| element.eq_ignore_ascii_case(name)).unwrap_or(&name)
}
