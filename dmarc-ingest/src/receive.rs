//! A message → what was found in it, judged, and not yet in any dataset.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dmarc_core::{Found, MessageInfo, Outcome, Quirks, Reading, Report};
use sha2::{Digest, Sha256};

use crate::authenticate::{self, DkimVerdict};
use crate::config::Owner;
use crate::ingest::Settings;
use crate::source::{Content, Message, Place};
use crate::text::chain;
use crate::verdict::{Verdict, verdict};

/// A message that arrived.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) source: String,
    pub(crate) place: Option<Place>,
    pub(crate) received: Option<i64>,
    /// SHA-256 of its bytes.
    pub(crate) hash: [u8; 32],
    /// How many bytes it has.
    pub(crate) size: u64,
    /// Its bytes; `None` if they were left in the mailbox.
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) message: Option<Arc<MessageInfo>>,
    /// What checking its signature gave, if it was checked.
    pub(crate) signature: Option<DkimVerdict>,
    pub(crate) parts: Vec<Part>,
    /// Whether reading panicked: a bug of ours.
    pub(crate) panicked: bool,
}

/// What was found in one part.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) part: String,
    pub(crate) found: PartFound,
}

#[derive(Debug)]
pub(crate) enum PartFound {
    Report(Box<Verdict>, Quirks),
    /// It claims to be a report and gave none; the text says why.
    Refused(String),
    /// Mail about reports that is none; the text says what.
    Other(String),
}

impl PartFound {
    /// About how many bytes of memory it takes.
    pub(crate) fn memory(&self) -> u64 {
        match self {
            Self::Report(verdict, _) => verdict.report.as_ref().map_or(0, Report::memory),
            Self::Refused(text) | Self::Other(text) => text.len() as u64,
        }
    }
}

/// The content of a message as its hash. What was not fetched is known by its place.
pub(crate) fn hash(message: &Message) -> [u8; 32] {
    match &message.content {
        Content::Bytes(bytes) => Sha256::digest(bytes).into(),
        Content::TooLarge { bytes } => {
            Sha256::digest(format!("too large\n{}\n{:?}\n{bytes}", message.source, message.place)).into()
        }
    }
}

/// Reads a message and judges what is in it.
pub(crate) fn receive(message: Message, hash: [u8; 32], settings: &Settings) -> Arrival {
    let Message { source, place, received, content } = message;
    let mut arrival = Arrival {
        source,
        place,
        received,
        hash,
        size: 0,
        bytes: None,
        message: None,
        signature: None,
        parts: Vec::new(),
        panicked: false,
    };
    match content {
        Content::Bytes(bytes) => {
            arrival.size = bytes.len() as u64;
            arrival.read(&bytes, settings, |bytes| dmarc_core::read(bytes, &settings.limits));
            arrival.bytes = Some(bytes);
        }
        Content::TooLarge { bytes } => {
            arrival.size = bytes;
            let reason = format!(
                "{bytes} bytes, more than the {} that are read of a message; it was left where it is",
                settings.limits.message_bytes
            );
            arrival.parts = vec![Part { part: String::new(), found: PartFound::Refused(reason) }];
        }
    }
    arrival
}

impl Arrival {
    fn read(&mut self, bytes: &[u8], settings: &Settings, read: impl Fn(&[u8]) -> Reading) {
        // The last net: core does not panic, but if it does one day, one mail is set aside and not the run lost.
        let Ok(reading) = catch_unwind(AssertUnwindSafe(|| read(bytes))) else {
            self.panicked = true;
            let reason = "reading stopped at a bug of ours; please report it".to_owned();
            self.parts = vec![Part { part: String::new(), found: PartFound::Refused(reason) }];
            return;
        };
        self.message = reading.message.map(Arc::new);
        let has_report = reading.outcomes.iter().any(|outcome| matches!(outcome.found, Found::Report(_)));
        if has_report {
            self.signature = self.check_signature(bytes, settings);
        }
        let owner = &settings.owner;
        self.parts = reading.outcomes.into_iter().map(|outcome| self.part(outcome, owner)).collect();
    }

    /// Checks the signature of the mail, if that is wanted.
    fn check_signature(&self, bytes: &[u8], settings: &Settings) -> Option<DkimVerdict> {
        let from_domain = self.message.as_deref()?.from_domain.as_deref().unwrap_or_default();
        Some(authenticate::verify(bytes, from_domain, settings.resolver.as_deref()?))
    }

    fn part(&self, outcome: Outcome, owner: &Owner) -> Part {
        let Outcome { part, found, .. } = outcome;
        let found = match found {
            Found::Report(parsed) => {
                let origin =
                    if part.is_empty() { self.source.clone() } else { format!("{} {part}", self.source) };
                let verdict =
                    verdict(parsed.report, origin, self.message.as_deref(), self.signature.as_ref(), owner);
                PartFound::Report(Box::new(verdict), parsed.quirks)
            }
            Found::Refused(error) => PartFound::Refused(chain(&error)),
            Found::OtherFeedback(kind) => PartFound::Other(format!("feedback of type {kind}")),
            Found::ErrorReport(_) => {
                PartFound::Other("notice of a report that could not be delivered".to_owned())
            }
            _ => PartFound::Other("unknown".to_owned()),
        };
        Part { part, found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_a_mail_aside_at_which_reading_panics_and_tells() {
        let content = Content::Bytes(b"x".to_vec());
        let message = Message { source: "new/1".to_owned(), place: None, received: None, content };
        let mut arrival = receive(message, [0; 32], &Settings::default());
        assert!(!arrival.panicked);
        arrival.read(b"x", &Settings::default(), |_| panic!("a bug"));
        assert!(arrival.panicked);
        let refused =
            matches!(&arrival.parts[0].found, PartFound::Refused(why) if why.contains("a bug of ours"));
        assert!(refused && arrival.parts.len() == 1, "{:?}", arrival.parts);
    }
}
