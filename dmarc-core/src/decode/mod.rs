//! Received bytes → payloads. Knows containers and no report format: whoever calls decides what a payload is.
//!
//! Content decides and labels never do. Every leaf of a MIME tree is opened, each container inside it too, and every
//! text that could be a report is handed over. XML in a container is inflated and decoded in pieces while it is read;
//! anything else is held as a whole, within [`Limits::held_bytes`].
//!
//! *Not supported:* 7z, rar, bzip2, TNEF; encrypted archives are refused.

mod bounded;
mod charset;
mod fields;
mod gzip;
mod info;
mod label;
mod mime;
mod name;
mod sniff;
mod tar;
mod transfer;
mod zip;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io::Read;

pub use self::info::MessageInfo;

pub(crate) use self::bounded::drain;
use self::bounded::{Bounded, Budget};
use self::fields::Fields;
use self::label::Label;
use self::mime::Leaf;
use self::sniff::Kind;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::quirk::{QuirkCode, Quirks};

/// One text that was found, or why something that should have held one could not be opened.
pub(crate) struct Piece<'a> {
    /// Where it was: MIME part number, file name, names inside containers; empty for a bare payload.
    pub(crate) part: &'a str,
    /// The text.
    pub(crate) content: Result<Text<'a>>,
    /// What was odd on the way to the text; known in full once that is read to its end.
    pub(crate) quirks: &'a RefCell<Quirks>,
    /// The message or header that stands beside a feedback report, decoded.
    pub(crate) included: Option<&'a [u8]>,
}

/// A text.
pub(crate) enum Text<'a> {
    /// Something other than XML.
    Whole(Cow<'a, str>),
    /// XML in UTF-8. It is not whole before its end was read: a container may turn out to be damaged.
    Xml {
        /// What gives it.
        source: &'a mut (dyn Read + 'a),
        /// About how much it gives, in bytes, where that is known.
        size: Option<usize>,
    },
}

/// Hands every text of `input` to `each`, in the order of the bytes, with what is known of the message, if it is one;
/// that is also the result.
pub(crate) fn payloads(
    input: &[u8],
    limits: &Limits,
    each: &mut dyn FnMut(Piece<'_>, Option<&MessageInfo>),
) -> Option<MessageInfo> {
    let budget = Budget::new(limits, input.len());
    let mut walk = Walk { limits, budget: &budget, parts: 0, message: None, each };
    let item = Item::default();
    if let Err(error) = Limits::check("message_bytes", input.len() as u64, limits.message_bytes) {
        walk.refuse(&item, error);
        return None;
    }
    let Some(message) = sniff::message(input) else {
        walk.content(&item, input);
        return None;
    };
    let info = info::message_info(&message.0, limits);
    Walk { message: Some(&info), ..walk }.message(&item, &message);
    Some(info)
}

/// The beginning of a container's content by which its kind is told, in bytes.
const HEAD: usize = 16 << 10;

/// The state of one call of [`payloads`].
struct Walk<'w> {
    limits: &'w Limits,
    budget: &'w Budget,
    /// MIME parts met so far.
    parts: u64,
    message: Option<&'w MessageInfo>,
    each: &'w mut dyn FnMut(Piece<'_>, Option<&MessageInfo>),
}

/// What is known of some bytes before they are looked at.
#[derive(Debug, Default)]
struct Item<'a> {
    part: String,
    label: Label,
    included: Option<&'a [u8]>,
    /// Containers around it. Invariant: at most `Limits::nesting`, which bounds the recursion.
    depth: u32,
    /// Bytes that are held of the containers around it.
    held: Cell<u64>,
    quirks: RefCell<Quirks>,
}

impl Item<'_> {
    /// What is known of the entry `name` of an archive.
    fn entry(&self, name: &str) -> Item<'static> {
        Item {
            part: name::join(&self.part, name),
            label: Label::of_entry(name),
            included: None,
            depth: self.depth + 1,
            held: self.held.clone(),
            quirks: self.quirks.clone(),
        }
    }

    /// What is known of the content of a single-file container.
    fn inside(&self) -> Item<'static> {
        Item {
            part: self.part.clone(),
            label: self.label.inside(),
            included: None,
            depth: self.depth + 1,
            held: self.held.clone(),
            quirks: self.quirks.clone(),
        }
    }
}

impl Walk<'_> {
    /// Opens `bytes` as what they are.
    fn content(&mut self, item: &Item<'_>, bytes: &[u8]) {
        if bytes.trim_ascii().is_empty() {
            if let Some(error) = item.label.empty() {
                self.refuse(item, error);
            }
            return;
        }
        let kind = sniff::kind(bytes);
        item.label.compare(kind, &mut item.quirks.borrow_mut());
        match kind {
            Kind::Xml => return self.xml(item, bytes),
            Kind::Json | Kind::Fields => return self.text(item, bytes),
            Kind::Unknown => return,
            Kind::Gzip | Kind::Zip | Kind::Tar | Kind::Base64 | Kind::Mail => {}
        }
        if !self.may_open(item) {
            return;
        }
        match kind {
            Kind::Gzip => self.gzip(item, bytes),
            Kind::Zip => self.zip(item, bytes),
            Kind::Tar => self.tar(item, bytes),
            Kind::Base64 => {
                let inside = Item { label: item.label.clone(), ..item.inside() };
                self.content(&inside, &transfer::base64(bytes));
            }
            _ => self.message(&item.inside(), &mime::message(bytes)),
        }
    }

    /// Whether a container may be opened here; if not, it is refused.
    fn may_open(&mut self, item: &Item<'_>) -> bool {
        let may = item.depth < self.limits.nesting;
        if !may {
            self.refuse(item, Error::limit("nesting", u64::from(self.limits.nesting)));
        }
        may
    }

    fn xml(&mut self, item: &Item<'_>, bytes: &[u8]) {
        let (encoding, bytes) = charset::detect(bytes, item.label.charset(), &item.quirks);
        let mut text = charset::Decoded::new(bytes, encoding, self.limits, &item.quirks);
        self.give(item, Ok(Text::Xml { source: &mut text, size: Some(bytes.len()) }));
    }

    fn text(&mut self, item: &Item<'_>, bytes: &[u8]) {
        let content = charset::decode(bytes, item.label.charset(), self.limits, &item.quirks);
        self.give(item, content.map(Text::Whole));
    }

    /// Opens what `source` inflates: in pieces where that can be, and else as a whole.
    fn inflated(&mut self, item: &Item<'_>, source: &mut dyn Read) {
        if let Err(error) = self.try_inflated(item, source) {
            self.refuse(item, error);
        }
    }

    fn try_inflated(&mut self, item: &Item<'_>, source: &mut dyn Read) -> Result<()> {
        let mut head = Vec::new();
        let mut is_whole = false;
        while head.len() < HEAD && !is_whole {
            let step = head.len().clamp(bounded::FIRST, HEAD);
            is_whole = bounded::fill(source, &mut head, step)? == 0;
        }
        let kind = sniff::kind(&head);
        if kind == Kind::Xml && !charset::needs_whole(&head, item.label.charset()) {
            item.label.compare(kind, &mut item.quirks.borrow_mut());
            let (encoding, rest) = charset::detect(&head, item.label.charset(), &item.quirks);
            let mut text = charset::Decoded::new(rest.chain(source), encoding, self.limits, &item.quirks);
            let size = is_whole.then_some(rest.len());
            self.give(item, Ok(Text::Xml { source: &mut text, size }));
            return Ok(());
        }
        if kind == Kind::Unknown && !head.trim_ascii().is_empty() {
            return drain(source);
        }
        let max = self.limits.held_bytes.saturating_sub(item.held.get());
        let bytes = bounded::collect(source, head, max, self.limits)?;
        item.held.set(item.held.get() + bytes.len() as u64);
        self.content(item, &bytes);
        Ok(())
    }

    fn gzip(&mut self, item: &Item<'_>, source: impl Read) {
        let inside = item.inside();
        gzip::with_inflater(|stream| {
            let members = gzip::Members::new(source, stream, &inside.quirks);
            self.inflated(&inside, &mut Bounded::new(members, self.budget));
        });
    }

    fn zip(&mut self, item: &Item<'_>, bytes: &[u8]) {
        let mut archive = match zip::Archive::open(bytes, self.limits) {
            Ok(archive) => archive,
            Err(error) => return self.refuse(item, error),
        };
        if archive.is_document() {
            return;
        }
        while let Some((name, content)) = archive.next_file() {
            let entry = item.entry(&name);
            match content {
                Ok(content) => self.inflated(&entry, &mut Bounded::new(content, self.budget)),
                Err(error) => self.refuse(&entry, error),
            }
            if self.budget.is_spent() {
                return;
            }
        }
        if let Err(error) = archive.finish() {
            self.refuse(item, error);
        }
    }

    fn tar(&mut self, item: &Item<'_>, bytes: &[u8]) {
        match tar::files(bytes, self.limits.entries) {
            Ok(files) => {
                for (name, content) in files.into_iter().filter(|(name, _)| !name::is_passed_over(name)) {
                    self.content(&item.entry(&name), content);
                }
            }
            Err(error) => self.refuse(item, error),
        }
    }

    fn message(&mut self, item: &Item<'_>, message: &(Fields<'_>, &[u8])) {
        let leaves = match mime::leaves(message, &mut self.parts, self.limits) {
            Ok(leaves) => leaves,
            Err(error) => return self.refuse(item, error),
        };
        for leaf in leaves {
            let included = leaf.included();
            let part = Item {
                part: name::join(&name::join(&item.part, &leaf.number), &leaf.header.file_name),
                label: Label::of_part(&leaf.header),
                included: included.as_deref(),
                depth: item.depth,
                held: item.held.clone(),
                quirks: item.quirks.clone(),
            };
            if let Some(oddity) = leaf.oddity {
                part.quirks.borrow_mut().note(QuirkCode::FeedbackStructure, oddity);
            }
            self.leaf(&part, &leaf);
        }
    }

    fn leaf(&mut self, part: &Item<'_>, leaf: &Leaf<'_>) {
        let Some(gzip) = leaf.gzip() else {
            let body = leaf.body();
            let is_feedback = leaf.is_feedback() && !sniff::is_archive(&body);
            return if is_feedback { self.text(part, &body) } else { self.content(part, &body) };
        };
        part.label.compare(Kind::Gzip, &mut part.quirks.borrow_mut());
        if self.may_open(part) {
            self.gzip(part, gzip);
        }
    }

    fn give<'p>(&mut self, item: &'p Item<'_>, content: Result<Text<'p>>) {
        let Item { part, included, quirks, .. } = item;
        (self.each)(Piece { part, content, quirks, included: *included }, self.message);
    }

    fn refuse(&mut self, item: &Item<'_>, error: Error) {
        self.give(item, Err(error));
    }
}

#[cfg(test)]
mod tests;
