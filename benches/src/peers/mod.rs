//! Who reads: we, mail-auth, quick-xml with serde, and a search for one byte. Each gives the same [`Totals`] or is out.

mod mail_auth;
mod memchr;
mod ours;
mod structs;

use std::hint::black_box;

use anyhow::Result;

use crate::items::{Input, Kind};
use crate::totals::Totals;

pub(crate) use self::ours::stream_mail;

/// One way to read an input.
#[derive(Clone, Copy)]
pub(crate) struct Reader {
    /// What it is called in the table.
    pub name: &'static str,
    /// Whether it gives counts only: it is a floor and no peer.
    pub is_floor: bool,
    /// Reads.
    pub read: fn(&Input, Pass) -> Result<Totals>,
}

impl Reader {
    const fn peer(name: &'static str, read: fn(&Input, Pass) -> Result<Totals>) -> Self {
        Self { name, is_floor: false, read }
    }
}

/// Of XML as text.
pub(crate) const XML: [Reader; 5] = [
    Reader::peer("ours", ours::xml),
    Reader::peer("ours, by record", ours::xml_stream),
    Reader::peer("mail-auth", mail_auth::xml),
    Reader::peer("serde", structs::xml),
    Reader { name: "memchr", is_floor: true, read: memchr::xml },
];

/// Of whole mails.
pub(crate) const MAIL: [Reader; 3] = [
    Reader::peer("ours", ours::mail),
    Reader::peer("ours, by record", ours::mail_stream),
    Reader::peer("mail-auth", mail_auth::mail),
];

/// Of JSON as text.
pub(crate) const JSON: [Reader; 2] =
    [Reader::peer("ours", ours::json), Reader::peer("mail-auth", mail_auth::json)];

/// What a reading is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// To compare what was read.
    Check,
    /// To see how long it takes: nothing is summed.
    Time,
}

impl Pass {
    /// Sums up what was read, or only keeps it from being optimised away.
    fn of<T>(self, read: &T, sum: impl FnOnce(&T, &mut Totals)) -> Totals {
        let mut totals = Totals::default();
        match self {
            Self::Check => sum(read, &mut totals),
            Self::Time => drop(black_box(read)),
        }
        totals
    }
}

/// The mails of a mailbox, by who reads them.
pub(crate) struct Mailbox {
    /// What both read, and find the same in.
    pub inputs: Vec<Input>,
    /// How many only we read.
    pub only_ours: usize,
    /// How many only mail-auth reads.
    pub only_theirs: usize,
    /// How many both read, and find different things in.
    pub differ: usize,
    /// How many nobody reads.
    pub neither: usize,
}

impl Mailbox {
    /// Has each mail read by both. mail-auth is told what kind of report it is, for it has a function for each.
    pub(crate) fn of(mails: Vec<Vec<u8>>) -> Self {
        let mut all = Self { inputs: Vec::new(), only_ours: 0, only_theirs: 0, differ: 0, neither: 0 };
        for bytes in mails {
            let kind = ours::kind(&bytes);
            let mut input = Input { bytes, kind: kind.unwrap_or(Kind::Aggregate) };
            let our = kind.and_then(|_| ours::mail(&input, Pass::Check).ok());
            match (our, mail_auth::mail(&input, Pass::Check)) {
                (Some(our), Ok(their)) if our == their => all.inputs.push(input),
                (Some(_), Ok(_)) => all.differ += 1,
                (Some(_), Err(_)) => all.only_ours += 1,
                (None, Ok(_)) => all.only_theirs += 1,
                (None, Err(_)) => {
                    input.kind = Kind::Tls;
                    match mail_auth::mail(&input, Pass::Check) {
                        Ok(_) => all.only_theirs += 1,
                        Err(_) => all.neither += 1,
                    }
                }
            }
        }
        all
    }
}
