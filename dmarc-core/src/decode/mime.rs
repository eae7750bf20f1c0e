//! The MIME tree of a message (RFC 2045, 2046): every leaf, with its body as received.
//!
//! The tree is walked with a stack of its own and every ceiling is checked on the way, so that neither depth nor
//! number of parts can hurt; each level costs one search through its bytes. Included messages belong to the tree.
//!
//! *Not supported:* `message/partial` and `message/external-body`; uuencode.

use memchr::memmem;

use super::fields::{Fields, PartHeader, first_line};
use super::transfer::{self, Base64, Transfer};
use super::{gzip, sniff};
use crate::error::Result;
use crate::limits::Limits;

/// Bytes of a part looked at to tell a feedback report or a message.
const HEAD: usize = 4 << 10;

/// A part that is no multipart, with what its header says.
#[derive(Debug)]
pub(super) struct Leaf<'a> {
    /// Its number, as IMAP counts (RFC 9051, Section 6.4.5): `1`, `2.1`.
    pub(super) number: String,
    pub(super) header: PartHeader,
    /// As received: not decoded.
    body: &'a [u8],
    /// For a feedback report: the message or header that it includes, as received.
    included: Option<(&'a [u8], Transfer)>,
    /// For a feedback report: what is odd about where it stands.
    pub(super) oddity: Option<&'static str>,
}

impl<'a> Leaf<'a> {
    /// The body, decoded.
    pub(super) fn body(&self) -> std::borrow::Cow<'a, [u8]> {
        self.header.transfer.decode(self.body)
    }

    /// The body, decoded in pieces, where it is the base64 of a gzip file.
    pub(super) fn gzip(&self) -> Option<Base64<'a>> {
        let head = self.body.get(..HEAD).unwrap_or(self.body);
        let is_gzip = self.header.transfer == Transfer::Base64 && transfer::begins_with(head, gzip::MAGIC);
        is_gzip.then(|| Base64::new(self.body))
    }

    /// The included message or header, decoded.
    pub(super) fn included(&self) -> Option<std::borrow::Cow<'a, [u8]>> {
        self.included.map(|(body, transfer)| transfer.decode(body))
    }

    /// Whether the header says that this is a feedback report: never taken for a message, though it looks like one.
    pub(super) fn is_feedback(&self) -> bool {
        self.header.media == FEEDBACK
    }
}

const FEEDBACK: &str = "message/feedback-report";

/// Lists the leaves of a message, given as header and body, in their order; `parts` counts those of the whole input.
///
/// # Errors
/// [`LimitExceeded`](crate::ErrorKind::LimitExceeded) if there are too many parts, if they are nested too deep, or if
/// a MIME field is too long.
pub(super) fn leaves<'a>(
    message: &(Fields<'a>, &'a [u8]),
    parts: &mut u64,
    limits: &Limits,
) -> Result<Vec<Leaf<'a>>> {
    let mut leaves = Vec::new();
    let mut stack = vec![Entity::root(message, String::new(), 0, limits)?];
    while let Some(entity) = stack.pop() {
        Limits::check("depth", u64::from(entity.depth), u64::from(limits.depth))?;
        let children = entity.children(limits, parts)?;
        if children.is_empty() {
            leaves.push(entity.into_leaf());
        } else {
            stack.extend(children.into_iter().rev());
        }
    }
    Ok(leaves)
}

/// A part that may have parts.
#[derive(Debug)]
struct Entity<'a> {
    number: String,
    /// Whether this is a message and not a part of one: it shares its number with the part it came in.
    is_message: bool,
    depth: u32,
    header: PartHeader,
    body: &'a [u8],
    role: Role<'a>,
}

/// What a part is to its siblings.
#[derive(Clone, Copy, Debug, Default)]
enum Role<'a> {
    #[default]
    Plain,
    /// A feedback report, with the body of what it includes, and what is odd about where it stands.
    Feedback { included: Option<(&'a [u8], Transfer)>, oddity: Option<&'static str> },
    /// What a feedback report includes.
    Sample,
    /// What stands first beside a feedback report in words, and is no evidence (RFC 5965, Section 2).
    Words,
}

impl<'a> Entity<'a> {
    fn root(message: &(Fields<'a>, &'a [u8]), number: String, depth: u32, limits: &Limits) -> Result<Self> {
        Ok(Self { is_message: true, ..Self::part(message, number, depth, limits)? })
    }

    fn part(
        (fields, body): &(Fields<'a>, &'a [u8]),
        number: String,
        depth: u32,
        limits: &Limits,
    ) -> Result<Self> {
        let header = PartHeader::new(fields, limits)?;
        Ok(Self { number, is_message: false, depth, header, body: *body, role: Role::Plain })
    }

    fn into_leaf(self) -> Leaf<'a> {
        let number = if self.is_message { child_number(&self.number, 1) } else { self.number };
        let body = if matches!(self.role, Role::Sample | Role::Words) { &[] } else { self.body };
        let (included, oddity) = match self.role {
            Role::Feedback { included, oddity } => (included, oddity),
            _ => (None, None),
        };
        Leaf { number, header: self.header, body, included, oddity }
    }

    /// Whether this can be the words for a human reader.
    fn is_words(&self) -> bool {
        self.header.media == "text/plain" && self.header.file_name.is_empty()
    }

    /// The parts of a multipart, or the message that the part is; nothing if it is a leaf.
    fn children(&self, limits: &Limits, parts: &mut u64) -> Result<Vec<Self>> {
        if self.header.media.starts_with("multipart/") {
            let bodies = self.split(limits.parts.saturating_sub(*parts));
            *parts = parts.saturating_add(bodies.len() as u64);
            Limits::check("parts", *parts, limits.parts)?;
            let mut children = Vec::with_capacity(bodies.len());
            for (index, body) in bodies.into_iter().enumerate() {
                let mut child = Self::part(
                    &Fields::split(body),
                    child_number(&self.number, index + 1),
                    self.depth + 1,
                    limits,
                )?;
                if child.header.media.is_empty() && self.header.media == "multipart/digest" {
                    "message/rfc822".clone_into(&mut child.header.media);
                }
                children.push(child);
            }
            pair(&mut children, self.header.media == "multipart/report");
            return Ok(children);
        }
        let is_included = is_message(&self.header.media) && !matches!(self.role, Role::Sample);
        if is_included && self.header.transfer == Transfer::Identity {
            *parts = parts.saturating_add(1);
            Limits::check("parts", *parts, limits.parts)?;
            return Ok(vec![Self::root(&message(self.body), self.number.clone(), self.depth + 1, limits)?]);
        }
        Ok(Vec::new())
    }

    /// The parts between the boundary lines; at most one more than `max`.
    fn split(&self, max: u64) -> Vec<&'a [u8]> {
        let declared = self.header.boundary.as_deref().map(|boundary| boundary.trim_end().as_bytes());
        let parts = declared.map(|boundary| split(self.body, boundary, max)).unwrap_or_default();
        if !parts.is_empty() {
            return parts;
        }
        // Gateways rewrite the field and lose or change its boundary: the first line that looks like one is taken.
        guess_boundary(self.body).map(|boundary| split(self.body, boundary, max)).unwrap_or_default()
    }
}

fn child_number(parent: &str, index: usize) -> String {
    if parent.is_empty() { index.to_string() } else { format!("{parent}.{index}") }
}

/// Header and body of what is said to be a message.
pub(super) fn message(bytes: &[u8]) -> (Fields<'_>, &[u8]) {
    sniff::mail(bytes).unwrap_or_else(|| Fields::split(bytes))
}

/// Whether a part of this type is a message.
fn is_message(media: &str) -> bool {
    matches!(
        media,
        "message/rfc822" | "message/global" | "message/news" | "message/rfc-822" | "message/rfc2822"
    )
}

/// Whether a part of this type is what a feedback report includes.
fn is_sample(media: &str) -> bool {
    is_message(media)
        || matches!(
            media,
            "text/rfc822-headers"
                | "text/rfc-822-headers"
                | "message/rfc822-headers"
                | "message/rfc-822-headers"
                | "message/global-headers"
                | "text/rfc822-header"
                | "text/rfc822"
        )
}

/// Finds feedback reports among siblings, and what each includes, wherever it stands.
fn pair(siblings: &mut [Entity<'_>], is_report: bool) {
    let of = |test: fn(&Entity<'_>) -> bool| -> Vec<usize> {
        siblings.iter().enumerate().filter(|(_, part)| test(part)).map(|(index, _)| index).collect()
    };
    let mut feedbacks = of(|part| part.header.media == FEEDBACK);
    if feedbacks.is_empty() {
        feedbacks = of(|part| is_vague(&part.header.media) && sniff::is_feedback(&head(part)));
    }
    if feedbacks.is_empty() {
        return;
    }
    let mut samples = of(|part| is_sample(&part.header.media));
    if samples.is_empty() {
        samples = of(|part| is_vague(&part.header.media) && sniff::mail(&head(part)).is_some());
    }
    if let Some(first) = siblings.first_mut().filter(|first| first.is_words()) {
        first.role = Role::Words;
    }
    let mut samples = samples.into_iter();
    for feedback in feedbacks {
        let sample = samples.next();
        let oddity = if !is_report {
            Some("not in multipart/report")
        } else if sample.is_some_and(|sample| sample < feedback) {
            Some("behind the included message")
        } else {
            None
        };
        let sample = sample.and_then(|index| siblings.get_mut(index));
        let included = sample.map(|sample| {
            sample.role = Role::Sample;
            (sample.body, sample.header.transfer)
        });
        if let Some(part) = siblings.get_mut(feedback) {
            part.role = Role::Feedback { included, oddity };
        }
    }
}

/// Whether a type says so little that the content decides.
fn is_vague(media: &str) -> bool {
    media.is_empty() || media == "application/octet-stream" || media.starts_with("text/")
}

fn head<'a>(part: &Entity<'a>) -> std::borrow::Cow<'a, [u8]> {
    part.header.transfer.decode(part.body.get(..HEAD).unwrap_or(part.body))
}

/// Cuts `body` at the lines of `boundary` (RFC 2046, Section 5.1.1); at most one part more than `max`.
fn split<'a>(body: &'a [u8], boundary: &[u8], max: u64) -> Vec<&'a [u8]> {
    let delimiter = [b"--", boundary].concat();
    let mut parts = Vec::new();
    let mut start = None;
    for at in memmem::find_iter(body, &delimiter) {
        // First of all: the rest of the line would be searched again for each boundary that stands in it.
        if at > 0 && body.get(at - 1) != Some(&b'\n') {
            continue;
        }
        let after = at + delimiter.len();
        let line = body.get(after..).and_then(first_line).unwrap_or_default();
        let (is_last, rest) = line.strip_prefix(b"--").map_or((false, line), |rest| (true, rest));
        if !rest.trim_ascii().is_empty() {
            continue;
        }
        if let Some(part) = start.and_then(|start| body.get(start..at)) {
            parts.push(without_line_end(part));
        }
        start = (!is_last).then_some(after + line.len());
        if is_last || parts.len() as u64 > max {
            return parts;
        }
    }
    // A message that was cut short: its last part may still be whole.
    parts.extend(start.and_then(|start| body.get(start..)));
    parts
}

/// The boundary of the first line that looks like one.
fn guess_boundary(body: &[u8]) -> Option<&[u8]> {
    let at = if body.starts_with(b"--") { 0 } else { memmem::find(body, b"\n--")? + 1 };
    let line = body.get(at..).and_then(first_line)?;
    line.trim_ascii_end().strip_prefix(b"--").filter(|boundary| boundary.len() > 4)
}

fn without_line_end(part: &[u8]) -> &[u8] {
    part.strip_suffix(b"\r\n").or_else(|| part.strip_suffix(b"\n")).unwrap_or(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn list(message: &str) -> Vec<(String, String)> {
        leaves(&super::message(message.as_bytes()), &mut 0, &Limits::default())
            .unwrap()
            .into_iter()
            .map(|leaf| (leaf.number.clone(), String::from_utf8_lossy(&leaf.body()).into_owned()))
            .collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(number, body)| ((*number).to_owned(), (*body).to_owned())).collect()
    }

    #[test]
    fn numbers_leaves_as_imap_does() {
        let message = "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\none\r\n\
            --b\r\nContent-Type: multipart/alternative; boundary=\"b2\"\r\n\r\n--b2\r\n\r\ntwo\r\n--b2 \r\n\r\nthree\r\n--b2--\r\n\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@example.org\r\nContent-Transfer-Encoding: base64\r\n\r\nZm91cg==\r\n--b--\r\nepilogue";
        let expected = pairs(&[("1", "one"), ("2.1", "two"), ("2.2", "three"), ("3.1", "four")]);
        assert_eq!(list(message), expected);
        assert_eq!(list(&message.replace("\r\n", "\n")), expected);
        assert_eq!(list("From: a@example.org\n\nbody"), pairs(&[("1", "body")]));
    }

    #[test]
    fn takes_what_there_is_of_a_message_cut_short_or_without_boundary() {
        assert_eq!(
            list("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo"),
            pairs(&[("1", "one"), ("2", "two")])
        );
        assert_eq!(
            list("Content-Type: multipart/mixed\n\n--abcdef\n\none\n--abcdef--\n"),
            pairs(&[("1", "one")])
        );
        assert_eq!(list("Content-Type: multipart/mixed; boundary=b\n\nnothing"), pairs(&[("1", "nothing")]));
    }

    fn included(message: &str) -> Vec<(bool, Option<String>)> {
        leaves(&super::message(message.as_bytes()), &mut 0, &Limits::default())
            .unwrap()
            .iter()
            .map(|leaf| {
                (leaf.is_feedback(), leaf.included().map(|b| String::from_utf8_lossy(&b).into_owned()))
            })
            .collect()
    }

    #[test]
    fn pairs_a_feedback_report_with_its_sample_wherever_it_stands() {
        let feedback = "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: auth-failure\n";
        for media in ["message/rfc822", "text/rfc822-headers", "text/rfc-822-headers", "message/global"] {
            let sample =
                format!("--b\nContent-Type: {media}\nContent-Transfer-Encoding: base64\n\nRnJvbTogYUBi\n");
            let head = "Content-Type: multipart/mixed; boundary=b\n\n";
            let found = Some("From: a@b".to_owned());
            assert_eq!(
                included(&format!("{head}{sample}{feedback}--b--")),
                [(false, None), (true, found.clone())]
            );
            assert_eq!(included(&format!("{head}{feedback}{sample}--b--")), [(true, found), (false, None)]);
        }
    }

    #[test]
    fn finds_a_feedback_report_under_a_vague_type() {
        let message = "Content-Type: multipart/report; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: application/octet-stream\n\
            Content-Transfer-Encoding: base64\n\nRmVlZGJhY2stVHlwZTogYXV0aC1mYWlsdXJl\n--b\n\nFrom: a@example.org\nTo: b@example.org\n\n--b--";
        let message = message.replace("--b\n\nFrom", "--b\nContent-Type: text/plain\n\nFrom");
        assert_eq!(
            included(&message),
            [
                (false, None),
                (false, Some("From: a@example.org\nTo: b@example.org\n".to_owned())),
                (false, None)
            ]
        );
    }

    #[test]
    fn refuses_nesting_beyond_the_limit() {
        let level = |n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n");
        let message: Vec<String> = (0..10_000).map(level).collect();
        let message = message.concat();
        let error = leaves(&super::message(message.as_bytes()), &mut 0, &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { limit: "depth", max: 32 });
        let messages = "Content-Type: message/rfc822\n\n".repeat(10_000);
        assert!(leaves(&super::message(messages.as_bytes()), &mut 0, &Limits::default()).is_err());
    }

    #[test]
    fn refuses_one_part_more_than_the_limit() {
        let message =
            |parts| format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(parts));
        assert_eq!(
            leaves(&super::message(message(256).as_bytes()), &mut 0, &Limits::default()).unwrap().len(),
            256
        );
        for parts in [257, 100_000] {
            let error =
                leaves(&super::message(message(parts).as_bytes()), &mut 0, &Limits::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitExceeded { limit: "parts", max: 256 });
        }
    }
}
