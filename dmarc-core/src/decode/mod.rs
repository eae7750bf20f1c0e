//! Received bytes → payloads. Knows containers and no report format: whoever calls decides what a payload is.
//!
//! Content decides and labels never do. Every leaf of a MIME tree is opened, each container inside it too, and every
//! text that could be a report is handed over. At most one payload and the containers around it are in memory.
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

pub use self::info::MessageInfo;

use self::bounded::Budget;
use self::label::Label;
use self::sniff::Kind;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::quirk::Quirks;

/// One text that was found, or why something that should have held one could not be opened.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    /// Where it was: MIME part number, file name, names inside containers; empty for a bare payload.
    pub(crate) part: &'a str,
    /// The text.
    pub(crate) content: Result<Payload<'a>>,
    /// The message or header that stands beside a feedback report, decoded.
    pub(crate) included: Option<&'a [u8]>,
}

/// A text, and what was odd on the way to it.
#[derive(Debug)]
pub(crate) struct Payload<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) quirks: Quirks,
}

/// Hands every text of `input` to `each`, in the order of the bytes; the result is about the message, if it is one.
pub(crate) fn payloads(
    input: &[u8],
    limits: &Limits,
    each: &mut dyn FnMut(Piece<'_>),
) -> Option<MessageInfo> {
    let mut walk = Walk { limits, budget: Budget::new(limits), parts: 0, each };
    let item = Item::default();
    if let Err(error) = Limits::check("message_bytes", input.len() as u64, limits.message_bytes) {
        walk.refuse(&item, error);
        return None;
    }
    if sniff::kind(input) != Kind::Mail {
        walk.content(item, input);
        return None;
    }
    let message = sniff::mail(input).unwrap_or(input);
    let info = info::message_info(message, limits);
    walk.message(&item, message);
    Some(info)
}

/// The state of one call of [`payloads`].
struct Walk<'w> {
    limits: &'w Limits,
    budget: Budget,
    /// MIME parts met so far.
    parts: u64,
    each: &'w mut dyn FnMut(Piece<'_>),
}

/// What is known of some bytes before they are looked at.
#[derive(Debug, Default)]
struct Item<'a> {
    part: String,
    label: Label,
    included: Option<&'a [u8]>,
    /// Containers around it. Invariant: at most `Limits::nesting`, which bounds the recursion.
    depth: u32,
    quirks: Quirks,
}

impl Item<'_> {
    /// What is known of the entry `name` of an archive.
    fn entry(&self, name: &str) -> Item<'static> {
        Item {
            part: name::join(&self.part, name),
            label: Label::of_entry(name),
            included: None,
            depth: self.depth,
            quirks: self.quirks.clone(),
        }
    }
}

impl Walk<'_> {
    /// Opens `bytes` as what they are.
    fn content(&mut self, mut item: Item<'_>, bytes: &[u8]) {
        if bytes.trim_ascii().is_empty() {
            if let Some(error) = item.label.empty() {
                self.refuse(&item, error);
            }
            return;
        }
        let kind = sniff::kind(bytes);
        item.label.compare(kind, &mut item.quirks);
        match kind {
            Kind::Xml | Kind::Json | Kind::Fields => return self.text(item, bytes),
            Kind::Unknown => return,
            Kind::Gzip | Kind::Zip | Kind::Tar | Kind::Base64 | Kind::Mail => {}
        }
        if item.depth >= self.limits.nesting {
            return self.refuse(&item, Error::limit("nesting", u64::from(self.limits.nesting)));
        }
        item.depth += 1;
        match kind {
            Kind::Gzip => self.gzip(item, bytes),
            Kind::Zip => self.zip(&item, bytes),
            Kind::Tar => self.tar(&item, bytes),
            Kind::Base64 => self.content(item, &transfer::base64(bytes)),
            _ => self.message(&item, bytes),
        }
    }

    fn text(&mut self, mut item: Item<'_>, bytes: &[u8]) {
        let content = charset::decode(bytes, item.label.charset(), self.limits, &mut item.quirks)
            .map(|text| Payload { text, quirks: std::mem::take(&mut item.quirks) });
        (self.each)(Piece { part: &item.part, content, included: item.included });
    }

    fn gzip(&mut self, mut item: Item<'_>, bytes: &[u8]) {
        match gzip::inflate(bytes, &mut self.budget, &mut item.quirks) {
            Ok(inflated) => {
                item.label = item.label.inside();
                if inflated.trim_ascii().is_empty() {
                    let error = item.label.empty().unwrap_or_else(|| Error::new(ErrorKind::Xml));
                    return self.refuse(&item, error);
                }
                self.content(item, &inflated);
            }
            Err(error) => self.refuse(&item, error),
        }
    }

    fn zip(&mut self, item: &Item<'_>, bytes: &[u8]) {
        let mut archive = match zip::Archive::open(bytes, self.limits) {
            Ok(archive) => archive,
            Err(error) => return self.refuse(item, error),
        };
        if archive.is_document() {
            return;
        }
        while let Some((name, inflated)) = archive.next_file(&mut self.budget) {
            let entry = item.entry(&name);
            match inflated {
                Ok(inflated) => self.content(entry, &inflated),
                Err(error) => self.refuse(&entry, error),
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
                    self.content(item.entry(&name), content);
                }
            }
            Err(error) => self.refuse(item, error),
        }
    }

    fn message(&mut self, item: &Item<'_>, bytes: &[u8]) {
        let leaves = match mime::leaves(bytes, &mut self.parts, self.limits) {
            Ok(leaves) => leaves,
            Err(error) => return self.refuse(item, error),
        };
        for leaf in leaves {
            let body = leaf.body();
            let included = leaf.included();
            let part = Item {
                part: name::join(&name::join(&item.part, &leaf.number), &leaf.header.file_name),
                label: Label::of_part(&leaf.header),
                included: included.as_deref(),
                depth: item.depth,
                quirks: item.quirks.clone(),
            };
            if leaf.is_feedback() { self.text(part, &body) } else { self.content(part, &body) }
        }
    }

    fn refuse(&mut self, item: &Item<'_>, error: Error) {
        (self.each)(Piece { part: &item.part, content: Err(error), included: None });
    }
}

#[cfg(test)]
mod tests;
