//! JSON → the tree of one report, which holds known keys only and is bounded while it is built.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::quirk::{QuirkCode, Quirks};

/// A JSON value with the known keys of its place.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Null,
    /// `true`, `false`, or a value that its place has no use for.
    Other,
    Number(u64),
    /// A number that is negative, fractional or large.
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    Object(Vec<(&'static str, Self)>),
}

/// The tree of one report, and what was odd about its keys.
pub(super) struct Read<'a> {
    pub(super) value: Value<'a>,
    pub(super) quirks: Quirks,
}

/// Where in the report a value stands, which decides the keys that are known. An array has the place of its elements.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Report,
    DateRange,
    PolicyResult,
    Policy,
    Summary,
    Failure,
    Leaf,
    /// Below an unknown key: counted, and not kept.
    Nowhere,
}

impl Place {
    /// The keys of this place, and the place of their values (RFC 8460, Section 4.4).
    fn keys(self) -> &'static [(&'static str, Self)] {
        match self {
            Self::Report => &[
                ("organization-name", Self::Leaf),
                ("date-range", Self::DateRange),
                ("contact-info", Self::Leaf),
                ("report-id", Self::Leaf),
                ("policies", Self::PolicyResult),
            ],
            Self::DateRange => &[("start-datetime", Self::Leaf), ("end-datetime", Self::Leaf)],
            Self::PolicyResult => {
                &[("policy", Self::Policy), ("summary", Self::Summary), ("failure-details", Self::Failure)]
            }
            Self::Policy => &[
                ("policy-type", Self::Leaf),
                ("policy-string", Self::Leaf),
                ("policy-domain", Self::Leaf),
                ("mx-host", Self::Leaf),
            ],
            Self::Summary => {
                &[("total-successful-session-count", Self::Leaf), ("total-failure-session-count", Self::Leaf)]
            }
            Self::Failure => &[
                ("result-type", Self::Leaf),
                ("sending-mta-ip", Self::Leaf),
                ("receiving-mx-hostname", Self::Leaf),
                ("receiving-mx-helo", Self::Leaf),
                ("receiving-ip", Self::Leaf),
                ("failed-session-count", Self::Leaf),
                ("additional-information", Self::Leaf),
                ("failure-reason-code", Self::Leaf),
            ],
            Self::Leaf | Self::Nowhere => &[],
        }
    }
}

/// Reads every document of `payload` and hands each report to `take`; tells whether something else follows them.
pub(super) fn read<'a>(payload: &'a str, limits: &Limits, take: &mut dyn FnMut(Read<'a>)) -> Result<bool> {
    let mut budget = Budget {
        limits,
        elements: 0,
        reports: 0,
        records: 0,
        kept: 0,
        exceeded: None,
        quirks: Quirks::default(),
    };
    let mut rest = payload.trim_start_matches('\u{feff}');
    loop {
        let base = payload.len() - rest.len();
        let mut json = serde_json::Deserializer::from_str(rest);
        let document = Document { budget: &mut budget, take: &mut *take };
        if let Err(error) = document.deserialize(&mut json) {
            let offset = (base + offset_of(rest, &error)) as u64;
            // A data error that is not ours can only mean a document that is neither object nor array.
            let kind = if error.is_data() { ErrorKind::MissingKey("policies") } else { ErrorKind::Json };
            return Err(budget.exceeded.unwrap_or_else(|| Error::new(kind).with_source(error)).at(offset));
        }
        let Err(trailing) = json.end() else { return Ok(false) };
        rest = rest.get(offset_of(rest, &trailing)..).unwrap_or_default();
        if !rest.starts_with(['{', '[']) {
            return Ok(true);
        }
        budget.quirks.note(QuirkCode::ConcatenatedDocuments, "");
    }
}

/// The place of an error, in bytes from the beginning of `text`; its column counts bytes from 1.
fn offset_of(text: &str, error: &serde_json::Error) -> usize {
    let lines_before = error.line().saturating_sub(1);
    let line = match lines_before.checked_sub(1) {
        Some(nth) => memchr::memchr_iter(b'\n', text.as_bytes()).nth(nth).map_or(text.len(), |at| at + 1),
        None => 0,
    };
    (line + error.column().saturating_sub(1)).min(text.len())
}

/// What a value takes in memory, with the place that a list reserves for it, in bytes.
const VALUE: u64 = 64;
/// What an object takes beside its values: a list has room for four at once.
const OBJECT: u64 = 192;

/// What has been spent of the limits.
struct Budget<'l> {
    limits: &'l Limits,
    elements: u64,
    reports: u64,
    records: u64,
    /// About how much memory the values take that are kept, in bytes.
    kept: u64,
    exceeded: Option<Error>,
    quirks: Quirks,
}

impl Budget<'_> {
    fn check<E: serde::de::Error>(&mut self, limit: &'static str, value: u64, max: u64) -> Result<(), E> {
        Limits::check(limit, value, max).map_err(|error| {
            let message = E::custom(&error);
            self.exceeded = Some(error);
            message
        })
    }

    fn element<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.elements += 1;
        self.check("elements", self.elements, self.limits.elements)
    }

    fn keep<E: serde::de::Error>(&mut self, bytes: u64) -> Result<(), E> {
        self.kept += bytes;
        self.check("head_bytes", self.kept, self.limits.head_bytes)
    }

    fn depth<E: serde::de::Error>(&mut self, depth: u32) -> Result<(), E> {
        self.check("depth", depth.into(), self.limits.depth.into())
    }

    fn text<E: serde::de::Error>(&mut self, text: &str) -> Result<(), E> {
        self.check("text_bytes", text.len() as u64, self.limits.text_bytes)
    }

    fn report<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.records = 0;
        self.reports += 1;
        // Far fewer than records: each costs far more than its bytes, and a payload has one as a rule.
        self.check("results", self.reports, self.limits.results)
    }
}

/// The whole document: a report, or an array of them.
struct Document<'b, 'l, 'a> {
    budget: &'b mut Budget<'l>,
    take: &'b mut dyn FnMut(Read<'a>),
}

impl<'a> Document<'_, '_, 'a> {
    fn hand_over(&mut self, value: Value<'a>) {
        (self.take)(Read { value, quirks: std::mem::take(&mut self.budget.quirks) });
    }
}

impl<'a> DeserializeSeed<'a> for Document<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Document<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a TLS report or an array of them")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, map: A) -> Result<(), A::Error> {
        self.budget.report()?;
        let value =
            Node { budget: self.budget, place: Place::Report, depth: 1, in_list: false }.visit_map(map)?;
        self.hand_over(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut list: A) -> Result<(), A::Error> {
        self.budget.depth(1)?;
        loop {
            let node = Node { budget: &mut *self.budget, place: Place::Report, depth: 2, in_list: true };
            let Some(value) = list.next_element_seed(node)? else { return Ok(()) };
            self.budget.report()?;
            self.hand_over(value);
        }
    }
}

/// One value of a report.
struct Node<'b, 'l> {
    budget: &'b mut Budget<'l>,
    place: Place,
    /// How deep an array or object at this place is, 1 being the outermost.
    depth: u32,
    /// Whether this is an element of an array: an array in an array means nothing anywhere in a report.
    in_list: bool,
}

impl Node<'_, '_> {
    fn keeps(&self) -> bool {
        self.place != Place::Nowhere
    }

    /// Counts the element that brought an array to `len` elements.
    fn count_element<E: serde::de::Error>(&mut self, len: u64) -> Result<(), E> {
        match self.place {
            Place::Nowhere => Ok(()),
            Place::Leaf => self.budget.check("results", len, self.budget.limits.results),
            _ => {
                self.budget.records += 1;
                self.budget.check("records", self.budget.records, self.budget.limits.records)
            }
        }
    }
}

impl<'a> DeserializeSeed<'a> for Node<'_, '_> {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Value<'a>, D::Error> {
        self.budget.element()?;
        if self.keeps() {
            self.budget.keep(VALUE)?;
        }
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Node<'_, '_> {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'a>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'a>, E> {
        Ok(Value::Number(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "negative numbers are refused wherever they stand")]
    fn visit_i64<E>(self, number: i64) -> Result<Value<'a>, E> {
        Ok(Value::Float(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'a>, E> {
        Ok(Value::Float(number))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'a str) -> Result<Value<'a>, E> {
        self.budget.text(text)?;
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value<'a>, E> {
        self.budget.text(text)?;
        Ok(if self.keeps() { Value::Text(Cow::Owned(text.to_owned())) } else { Value::Other })
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut list: A) -> Result<Value<'a>, A::Error> {
        self.budget.depth(self.depth)?;
        let mut values = Vec::new();
        if self.in_list {
            self.place = Place::Nowhere;
        }
        loop {
            let node =
                Node { budget: &mut *self.budget, place: self.place, depth: self.depth + 1, in_list: true };
            let Some(value) = list.next_element_seed(node)? else { break };
            self.count_element(values.len() as u64 + 1)?;
            if self.keeps() {
                values.push(value);
            }
        }
        Ok(if self.keeps() { Value::List(values) } else { Value::Other })
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Value<'a>, A::Error> {
        self.budget.depth(self.depth)?;
        if self.keeps() {
            self.budget.keep(OBJECT)?;
        }
        let mut object: Vec<(&'static str, Value<'a>)> = Vec::new();
        while let Some(known) = map.next_key_seed(Key { budget: &mut *self.budget, place: self.place })? {
            let place = known.map_or(Place::Nowhere, |(_, place)| place);
            let node = Node { budget: &mut *self.budget, place, depth: self.depth + 1, in_list: false };
            let value = map.next_value_seed(node)?;
            let Some((key, _)) = known else { continue };
            if let Some((_, earlier)) = object.iter_mut().find(|(earlier, _)| *earlier == key) {
                self.budget.quirks.note(QuirkCode::JsonDuplicateKey, key);
                *earlier = value;
            } else {
                object.push((key, value));
            }
        }
        Ok(if self.keeps() { Value::Object(object) } else { Value::Other })
    }
}

/// A key; gives it and the place of its value if it is known.
struct Key<'b, 'l> {
    budget: &'b mut Budget<'l>,
    place: Place,
}

impl<'a> DeserializeSeed<'a> for Key<'_, '_> {
    type Value = Option<(&'static str, Place)>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = Option<(&'static str, Place)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Self::Value, E> {
        self.budget.text(key)?;
        let known = self.place.keys().iter().find(|(known, _)| *known == key).copied();
        if known.is_none() && self.place != Place::Nowhere {
            self.budget.quirks.note(QuirkCode::JsonUnknownKey, key);
        }
        Ok(known)
    }
}
