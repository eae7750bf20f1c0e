//! A pull reader for the XML of reports: elements by local name and namespace, text with entities resolved, every
//! ceiling checked.
//!
//! *Not supported, on purpose:* document type declarations (refused), entities beyond the five of XML and character
//! references (kept as text), external schemas (never fetched).

use std::borrow::Cow;
use std::rc::Rc;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::model::Word;
use crate::model::aggregate::NAMESPACE;
use crate::quirk::{DETAIL_BYTES, QuirkCode, Quirks};

/// An element whose start tag was just read.
pub(super) struct Element<'a> {
    /// Local name in lower case.
    pub(super) name: Cow<'a, str>,
    /// Whether it has the namespace of the report or none at all; others are extensions.
    pub(super) is_ours: bool,
    /// Its namespace, where it has one.
    pub(super) namespace: Option<Rc<str>>,
    /// The `lang` attribute.
    pub(super) lang: Option<String>,
    start: usize,
}

/// What stands next inside an element.
pub(super) enum Node<'a> {
    Child(Element<'a>),
    Text(Cow<'a, str>),
    End,
}

/// Namespaces that a DMARC text defines (RFC 9990, Section 6.1; RFC 7489, Appendix C; drafts).
const DMARC_NAMESPACES: [&str; 4] = [
    NAMESPACE,
    "urn:ietf:params:xml:schema:dmarc-2.0",
    "http://dmarc.org/dmarc-xml/0.1",
    "http://dmarc.org/dmarc-xml/0.2",
];

/// Whether `uri` is a namespace that a DMARC text defines.
pub(super) fn is_dmarc_namespace(uri: &str) -> bool {
    DMARC_NAMESPACES.contains(&uri)
}

pub(super) struct Xml<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    pub(super) limits: Limits,
    elements: u64,
    /// Local names of the open elements, for the detail of quirks.
    path: Vec<&'a str>,
    /// Declared prefixes: depth of the element, prefix, URI.
    prefixes: Vec<(usize, Rc<str>, Rc<str>)>,
    root: Root,
    pub(super) quirks: Quirks,
}

/// Prefix and namespace of the `feedback` element.
#[derive(Default)]
struct Root {
    prefix: String,
    namespace: Option<Rc<str>>,
}

impl<'a> Xml<'a> {
    pub(super) fn new(text: &'a str, limits: &Limits) -> Self {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_end_names = true;
        Self {
            text,
            reader,
            limits: limits.clone(),
            elements: 0,
            path: Vec::new(),
            prefixes: Vec::new(),
            root: Root::default(),
            quirks: Quirks::default(),
        }
    }

    /// Goes to the next `feedback` element that is in no other; `None` at the end.
    pub(super) fn next_document(&mut self) -> Result<Option<Element<'a>>> {
        loop {
            let start = self.position();
            match self.event()? {
                Event::Start(tag) => {
                    let element = self.open(&tag, start)?;
                    if element.name == "feedback" {
                        self.enter_document(&element, start);
                        return Ok(Some(element));
                    }
                    self.note_path(QuirkCode::UnknownElement);
                }
                Event::End(_) => self.close(),
                Event::Eof if self.path.is_empty() => return Ok(None),
                Event::Eof => {
                    self.note_path(QuirkCode::Salvaged);
                    return Ok(None);
                }
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => self.note_outer_text(start),
                _ => {}
            }
        }
    }

    /// The namespace of the current document.
    pub(super) fn root_namespace(&self) -> Option<&str> {
        self.root.namespace.as_deref()
    }

    /// Reads up to the next child element, a text that is not white space, or the end of the current element.
    pub(super) fn next_node(&mut self) -> Result<Node<'a>> {
        loop {
            let start = self.position();
            match self.event()? {
                Event::Start(tag) => return Ok(Node::Child(self.open(&tag, start)?)),
                Event::End(_) => {
                    self.close();
                    return Ok(Node::End);
                }
                Event::Text(_) => {
                    let text = self.since(start);
                    if !text.trim_ascii().is_empty() {
                        return Ok(Node::Text(Cow::Borrowed(text)));
                    }
                }
                Event::CData(_) => return Ok(Node::Text(Cow::Borrowed(strip_cdata(self.since(start))))),
                Event::GeneralRef(_) => return Ok(Node::Text(self.reference(start))),
                Event::Eof => return Err(self.cut_short()),
                _ => {}
            }
        }
    }

    /// Reads up to the next child element of the current one; `None` at its end. Text in between is passed over.
    pub(super) fn next_child(&mut self) -> Result<Option<Element<'a>>> {
        loop {
            match self.next_node()? {
                Node::Child(element) => return Ok(Some(element)),
                Node::Text(_) => self.note_path(QuirkCode::StrayText),
                Node::End => return Ok(None),
            }
        }
    }

    /// Reads the text of the current element to its end, as it is.
    pub(super) fn raw_text(&mut self) -> Result<Cow<'a, str>> {
        let mut text = Cow::Borrowed("");
        loop {
            let start = self.position();
            match self.event()? {
                Event::Text(_) => append(&mut text, Cow::Borrowed(self.since(start))),
                Event::CData(_) => append(&mut text, Cow::Borrowed(strip_cdata(self.since(start)))),
                Event::GeneralRef(_) => append(&mut text, self.reference(start)),
                Event::Start(tag) => {
                    self.open(&tag, start)?;
                    self.skip_unknown()?;
                }
                Event::End(_) => {
                    self.close();
                    return Ok(self.without_controls(text));
                }
                Event::Eof => return Err(self.cut_short()),
                _ => {}
            }
            Limits::check("text_bytes", text.len() as u64, self.limits.text_bytes)
                .map_err(|e| e.at(start as u64))?;
        }
    }

    /// Reads the text of the current element to its end, without white space around it.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>> {
        Ok(match self.raw_text()? {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        })
    }

    /// Reads the current element as a word of a vocabulary; `None` if it is empty.
    pub(super) fn word<W: Word<'a>>(&mut self) -> Result<Option<W>> {
        let raw = self.raw_text()?;
        if raw.trim().is_empty() {
            return Ok(None);
        }
        let word = W::read(raw.clone());
        if !word.is_known() {
            self.quirks.note(QuirkCode::UnknownValue, raw);
        } else if word.word() != raw {
            self.quirks.note(QuirkCode::NormalizedValue, raw);
        }
        Ok(Some(word))
    }

    /// Passes over the current element, which no dialect has here.
    pub(super) fn skip_unknown(&mut self) -> Result<()> {
        self.note_path(QuirkCode::UnknownElement);
        self.skip()
    }

    /// Passes over the current element because an equal one was read before.
    pub(super) fn skip_repeated(&mut self) -> Result<()> {
        self.note_path(QuirkCode::Repeated);
        self.skip()
    }

    /// Reads the current element, of which `element` is the start, as it stands.
    pub(super) fn raw_element(&mut self, element: &Element<'a>) -> Result<&'a str> {
        self.skip()?;
        let raw = self.since(element.start);
        Limits::check("text_bytes", raw.len() as u64, self.limits.text_bytes)
            .map_err(|e| e.at(element.start as u64))?;
        Ok(raw)
    }

    /// Notes `code` with the path of the current element.
    pub(super) fn note_path(&mut self, code: QuirkCode) {
        let path = self.shown_path();
        self.quirks.note(code, path);
    }

    /// An error of kind `kind` at the place that was reached.
    pub(super) fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind).at(self.reader.buffer_position())
    }

    fn skip(&mut self) -> Result<()> {
        let depth = self.path.len();
        while self.path.len() >= depth {
            let start = self.position();
            match self.event()? {
                Event::Start(tag) => {
                    self.open(&tag, start)?;
                }
                Event::End(_) => self.close(),
                Event::Eof => return Err(self.cut_short()),
                _ => {}
            }
        }
        Ok(())
    }

    fn event(&mut self) -> Result<Event<'a>> {
        match self.reader.read_event() {
            Ok(Event::DocType(_)) => Err(self.error(ErrorKind::DoctypeForbidden)),
            Ok(event) => Ok(event),
            // Markup that is open when the text ends: cut short, too.
            Err(quick_xml::Error::Syntax(_))
                if self.position() >= self.text.len() && !self.path.is_empty() =>
            {
                Err(self.cut_short())
            }
            Err(error) => Err(Error::new(ErrorKind::Xml).at(self.reader.error_position()).with_source(error)),
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>, start: usize) -> Result<Element<'a>> {
        let at = |error: Error| error.at(start as u64);
        self.elements += 1;
        Limits::check("elements", self.elements, self.limits.elements).map_err(at)?;
        Limits::check("depth", self.path.len() as u64 + 1, u64::from(self.limits.depth)).map_err(at)?;
        let (prefix, local) = split_name(self.tag_name(start));
        Limits::check("name_bytes", local.len() as u64, self.limits.name_bytes).map_err(at)?;
        self.path.push(local);
        let lang = self.attributes(tag)?;
        let namespace = self.namespace_of(prefix);
        Ok(Element {
            name: lower_case(local),
            is_ours: self.is_ours(prefix, namespace.as_deref()),
            namespace,
            lang,
            start,
        })
    }

    fn close(&mut self) {
        self.path.pop();
        let depth = self.path.len();
        while self.prefixes.last().is_some_and(|(declared, ..)| *declared > depth) {
            self.prefixes.pop();
        }
    }

    fn enter_document(&mut self, element: &Element<'a>, start: usize) {
        let prefix = split_name(self.tag_name(start)).0.to_owned();
        self.root = Root { prefix, namespace: element.namespace.clone() };
        if element.namespace.as_deref().is_some_and(|uri| !is_dmarc_namespace(uri)) {
            self.quirks.note(QuirkCode::UnknownNamespace, element.namespace.as_deref().unwrap_or_default());
        }
    }

    /// Takes in the declarations of a start tag; gives its language.
    fn attributes(&mut self, tag: &BytesStart<'_>) -> Result<Option<String>> {
        let mut lang = None;
        let mut attributes = tag.attributes();
        // A duplicate attribute is not looked for: it changes nothing here, and looking compares all pairs.
        for (count, attribute) in attributes.with_checks(false).enumerate() {
            Limits::check("attributes", count as u64 + 1, self.limits.attributes)
                .map_err(|e| e.at(self.offset()))?;
            let attribute =
                attribute.map_err(|error| Error::new(ErrorKind::Xml).at(self.offset()).with_source(error))?;
            Limits::check("text_bytes", attribute.value.len() as u64, self.limits.text_bytes)
                .map_err(|e| e.at(self.offset()))?;
            let key = String::from_utf8_lossy(attribute.key.as_ref());
            let value = String::from_utf8_lossy(&attribute.value);
            if let Some(prefix) = key.strip_prefix("xmlns") {
                let prefix = prefix.strip_prefix(':').unwrap_or(prefix);
                for name in [prefix, &value] {
                    Limits::check("name_bytes", name.len() as u64, self.limits.name_bytes)
                        .map_err(|e| e.at(self.offset()))?;
                }
                self.prefixes.push((self.path.len(), prefix.into(), value.into()));
            } else if key == "lang" || key == "xml:lang" {
                lang = Some(value.into_owned());
            }
        }
        Ok(lang)
    }

    fn namespace_of(&self, prefix: &str) -> Option<Rc<str>> {
        let declared = self.prefixes.iter().rev().find(|(_, name, _)| **name == *prefix);
        declared.map(|(.., uri)| Rc::clone(uri)).filter(|uri| !uri.is_empty())
    }

    fn is_ours(&self, prefix: &str, namespace: Option<&str>) -> bool {
        match namespace {
            Some(uri) => self.root.namespace.as_deref() == Some(uri) || is_dmarc_namespace(uri),
            None => prefix.is_empty() || prefix == self.root.prefix,
        }
    }

    /// Resolves the reference that stands since `start`.
    fn reference(&mut self, start: usize) -> Cow<'a, str> {
        let raw = self.since(start);
        let name = raw.strip_prefix('&').and_then(|raw| raw.strip_suffix(';')).unwrap_or(raw);
        match resolve(name) {
            Some(Resolved::Text(text)) => Cow::Borrowed(text),
            Some(Resolved::Char(c)) => Cow::Owned(c.to_string()),
            None => {
                self.quirks.note(QuirkCode::UnknownEntity, raw);
                Cow::Borrowed(raw)
            }
        }
    }

    fn without_controls(&mut self, text: Cow<'a, str>) -> Cow<'a, str> {
        let forbidden = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r');
        if !text.chars().any(forbidden) {
            return text;
        }
        self.note_path(QuirkCode::ControlCharacter);
        Cow::Owned(text.replace(forbidden, "\u{fffd}"))
    }

    fn note_outer_text(&mut self, start: usize) {
        let text = self.since(start).trim();
        if !text.is_empty() && text != "\u{feff}" {
            self.quirks.note(QuirkCode::StrayText, text);
        }
    }

    /// The names of the open elements, as far as a quirk shows them: it is asked for often, and paths may be long.
    fn shown_path(&self) -> String {
        let mut shown = String::new();
        for name in &self.path {
            if !shown.is_empty() {
                shown.push('/');
            }
            shown.push_str(name);
            if shown.len() > DETAIL_BYTES {
                break;
            }
        }
        shown
    }

    fn cut_short(&self) -> Error {
        self.error(ErrorKind::Truncated("feedback"))
    }

    fn offset(&self) -> u64 {
        self.reader.buffer_position()
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// The source text from `start` to where the reader stands.
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.position()).unwrap_or_default()
    }

    /// The name of the start tag that begins at `start`.
    fn tag_name(&self, start: usize) -> &'a str {
        let tag = self.since(start).trim_start_matches('<');
        let end = tag.find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/').unwrap_or(tag.len());
        tag.get(..end).unwrap_or_default()
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
    let code = match code.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => code.parse().ok()?,
    };
    char::from_u32(code).map(Resolved::Char)
}

fn append<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() { *text = more } else { text.to_mut().push_str(&more) }
}

fn strip_cdata(raw: &str) -> &str {
    raw.strip_prefix("<![CDATA[").and_then(|raw| raw.strip_suffix("]]>")).unwrap_or(raw)
}

fn split_name(name: &str) -> (&str, &str) {
    name.rsplit_once(':').unwrap_or(("", name))
}

fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}
