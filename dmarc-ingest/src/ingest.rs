//! From a source into a dataset: batch by batch, each durable before it is acknowledged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use dmarc_core::Limits;

use crate::config::Owner;
use crate::dns::Resolver;
use crate::receive::{self, Arrival, PartFound};
use crate::source::{Batch, MessageSource, Place, SourceError};
use crate::store::{Committed, Dataset, DatasetError, Delivery};

/// How much memory reports may take before they are written, in bytes; one message may take more.
const MAX_HELD: u64 = 32 << 20;

/// What mail is judged by.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The ceilings of a message.
    pub limits: Limits,
    /// Who owns which domains.
    pub owner: Owner,
    /// Whom to ask for the keys of signatures; `None`: no signature is checked.
    pub resolver: Option<Arc<Resolver>>,
    /// Whether mail is acknowledged to its source.
    pub acknowledge: bool,
}

/// Why the ingestion of a source ended before its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The source can give no more.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The dataset takes no more.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

/// Hears what happens.
pub trait Observer {
    /// A mail was read and judged; it is not durable yet.
    fn mail(&mut self, mail: &Received<'_>);

    /// Something could not be read.
    fn unreadable(&mut self, error: &SourceError);

    /// A delivery is durable.
    fn committed(&mut self, committed: &Committed);
}

/// A mail that was read and judged.
#[derive(Debug)]
pub struct Received<'a>(&'a Arrival);

impl Received<'_> {
    /// Where it came from. Print it neutralised.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> u64 {
        self.0.size
    }

    /// Whether reading it panicked, which is a bug of ours: it is refused as a whole then.
    pub fn panicked(&self) -> bool {
        self.0.panicked
    }

    /// The parts that were refused, with the reason; neither may be printed unneutralised.
    pub fn refused(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.parts.iter().filter_map(|part| match &part.found {
            PartFound::Refused(reason) => Some((part.part.as_str(), reason.as_str())),
            _ => None,
        })
    }

    /// The reports that are not to be trusted, with the reason.
    pub fn untrusted(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.parts.iter().filter_map(|part| match &part.found {
            PartFound::Report(verdict, _) => Some((part.part.as_str(), verdict.untrusted.as_deref()?)),
            _ => None,
        })
    }

    /// The reports of which some records cannot be counted, with their number.
    pub fn rejected(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.parts.iter().filter_map(|part| match &part.found {
            PartFound::Report(verdict, _) if verdict.rank.rejected > 0 => {
                Some((part.part.as_str(), verdict.rank.rejected))
            }
            _ => None,
        })
    }
}

/// Takes in everything that a source has for now, or what was read until `stop` is set: that becomes durable, and the rest of
/// the batch comes again, for the mailbox is not read further than before.
///
/// # Errors
/// [`IngestError`] if the source or the dataset failed. What was committed before stays so.
pub fn ingest(
    source: &mut dyn MessageSource,
    dataset: &Mutex<Dataset>,
    settings: &Settings,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<(), IngestError> {
    while !stop.load(Ordering::Relaxed) {
        let Batch { messages, unreadable, cursor, is_last } = source.next_batch()?;
        for error in &unreadable {
            observer.unreadable(error);
        }
        let mut delivery = Delivery { acknowledge: settings.acknowledge, ..Delivery::default() };
        let mut held = 0;
        for message in messages {
            if stop.load(Ordering::Relaxed) {
                return deliver(delivery, source, dataset, observer);
            }
            let hash = receive::hash(&message);
            if delivery.has(&hash) || lock(dataset).knows(&hash)? {
                delivery.known(message.place, hash);
                continue;
            }
            let arrival = receive::receive(message, hash, settings);
            observer.mail(&Received(&arrival));
            held += arrival.parts.iter().map(|part| part.found.memory()).sum::<u64>();
            delivery.arrivals.push(arrival);
            if held >= MAX_HELD {
                let full = std::mem::replace(
                    &mut delivery,
                    Delivery { acknowledge: settings.acknowledge, ..Delivery::default() },
                );
                held = 0;
                deliver(full, source, dataset, observer)?;
            }
        }
        delivery.cursor = cursor;
        deliver(delivery, source, dataset, observer)?;
        if is_last {
            break;
        }
    }
    Ok(())
}

/// Rows durable, ledger committed, mail acknowledged.
fn deliver(
    delivery: Delivery,
    source: &mut dyn MessageSource,
    dataset: &Mutex<Dataset>,
    observer: &mut dyn Observer,
) -> Result<(), IngestError> {
    if delivery.is_empty() {
        return Ok(());
    }
    let committed = lock(dataset).commit(delivery)?;
    observer.committed(&committed);
    acknowledge(committed.places, source, dataset, observer)
}

/// Acknowledges mail that is durable, folder by folder. What a folder refuses stays pending, and hinders nothing else.
pub(crate) fn acknowledge(
    mut places: Vec<Place>,
    source: &mut dyn MessageSource,
    dataset: &Mutex<Dataset>,
    observer: &mut dyn Observer,
) -> Result<(), IngestError> {
    places.sort_unstable();
    for places in places.chunk_by(|a, b| a.folder == b.folder) {
        match source.acknowledge(places) {
            Ok(()) => lock(dataset).acknowledged(places)?,
            Err(error) if error.is_refusal() => {
                let (messages, source) = (places.len(), Box::new(error));
                observer.unreadable(&SourceError::NotAcknowledged { messages, source });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A panic of another mailbox left the ledger as it was: nothing of it is in memory only.
pub(crate) fn lock(dataset: &Mutex<Dataset>) -> std::sync::MutexGuard<'_, Dataset> {
    dataset.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
