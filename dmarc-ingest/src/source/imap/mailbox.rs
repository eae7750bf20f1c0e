//! The folders of a mailbox as a source of messages.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use super::ImapOptions;
use super::account::{Account, After};
use super::fault::Fault;
use super::listing::{self, Listed};
use super::login;
use super::session::{Access, Session};
use super::set;
use super::wire::Bounds;
use crate::source::{Batch, Content, Cursor, Message, MessageSource, Place, SourceError};

/// One mailbox, read folder by folder in passes: the batch with `is_last` ends a pass, the one after it begins the next.
///
/// After an error the connection is out of step with the server: drop it, and connect again after a
/// [`Backoff`](super::Backoff).
pub struct ImapSource {
    pub(super) session: Session,
    pub(super) account: Account,
    pub(super) options: ImapOptions,
    pub(super) folders: Vec<Progress>,
    /// Which folder is being read.
    turn: usize,
    reading: Option<Reading>,
    /// When the last wait ended because of mail.
    pub(super) woken: Option<Instant>,
    /// What could not be read since the last batch.
    unreadable: Vec<SourceError>,
}

/// How far a folder is listed, for as long as the connection lasts.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) folder: String,
    /// `None` before the folder was opened for the first time.
    pub(super) uid_validity: Option<u32>,
    /// The listing goes on from this UID. It can be one past the largest.
    pub(super) next: u64,
    /// Messages that the server did not give, though they are there; each pass asks for them again.
    held: BTreeSet<u32>,
}

/// A folder in the middle of a pass.
#[derive(Debug, Default)]
struct Reading {
    pending: VecDeque<Listed>,
    /// The number at which the next window should begin.
    expected: Option<u32>,
    is_listed: bool,
    /// Whether the UIDVALIDITY is news to whoever keeps the cursor.
    is_new: bool,
}

/// A message: its UID, when it arrived, what is in it.
type Found = (u32, Option<i64>, Content);

/// What a server gave of a message.
struct Given {
    received: Option<i64>,
    body: Body,
}

enum Body {
    Bytes(Vec<u8>),
    /// That many bytes, which were not kept.
    LeftOut(u64),
}

impl std::fmt::Debug for ImapSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImapSource")
            .field("mailbox", &self.account.name)
            .field("folders", &self.folders)
            .finish_non_exhaustive()
    }
}

impl ImapSource {
    /// Connects and logs in. `resume` says how far a folder was read before.
    ///
    /// # Errors
    /// [`SourceError::Imap`]: the server cannot be reached, is not trustworthy, or refuses the login.
    pub fn connect(
        account: &Account,
        resume: &dyn Fn(&str) -> Option<Cursor>,
        options: ImapOptions,
    ) -> Result<Self, SourceError> {
        let opened = Session::connect(account).and_then(|mut session| {
            login::login(&mut session, account, &options.tokens)?;
            Ok(session)
        });
        let session = opened.map_err(|fault| fault.of(&account.name))?;
        let folders = account.folders.iter().map(|folder| Progress::new(folder, resume(folder))).collect();
        Ok(Self {
            session,
            account: account.clone(),
            options,
            folders,
            turn: 0,
            reading: None,
            woken: None,
            unreadable: Vec::new(),
        })
    }

    /// Says goodbye to the server. Dropping the source instead is as good, only less polite.
    pub fn close(self) {
        self.session.logout();
    }

    /// Whether messages stay as they are.
    pub(super) fn keeps(&self) -> bool {
        self.options.dry_run || self.account.after == After::Keep
    }

    fn next(&mut self) -> Result<Batch, Fault> {
        loop {
            let Some(progress) = self.folders.get(self.turn) else {
                self.turn = 0;
                return Ok(Batch { is_last: true, ..self.batch() });
            };
            let folder = progress.folder.clone();
            match self.open(&folder) {
                Ok(()) => {}
                Err(fault @ Fault::Folder { .. }) => {
                    self.unreadable.push(fault.of(&self.account.name).into());
                    self.leave();
                    continue;
                }
                Err(fault) => return Err(fault),
            }
            self.list()?;
            let (Some(progress), Some(reading)) = (self.folders.get_mut(self.turn), &mut self.reading) else {
                continue;
            };
            if reading.pending.is_empty() && !std::mem::take(&mut reading.is_new) {
                self.leave();
                continue;
            }
            reading.is_new = false;
            let wanted = take(&mut reading.pending, &self.options);
            let (found, faults) = fetch(&mut self.session, &self.options, progress, reading, &wanted)?;
            self.unreadable.extend(faults.into_iter().map(|fault| fault.of(&self.account.name).into()));
            return Ok(self.finish(found));
        }
    }

    /// Opens the folder, if it is not open, and begins it again if it is not the same folder any more.
    fn open(&mut self, folder: &str) -> Result<(), Fault> {
        let access = if self.keeps() { Access::Read } else { Access::Write };
        let is_open = self.reading.is_some()
            && self
                .session
                .selected()
                .is_some_and(|selected| selected.folder == folder && selected.access == access);
        if is_open {
            return Ok(());
        }
        let selected = self.session.select(folder, access)?;
        let Some(progress) = self.folders.get_mut(self.turn) else { return Ok(()) };
        let is_new = progress.uid_validity != Some(selected.uid_validity);
        if is_new {
            if progress.uid_validity.is_some() {
                tracing::warn!(mailbox = %self.account.name, folder, "new UIDVALIDITY: read from the beginning");
            }
            *progress = Progress::new(folder, None);
            progress.uid_validity = Some(selected.uid_validity);
            self.reading = None;
        }
        if self.reading.is_none() {
            let again = std::mem::take(&mut progress.held);
            let pending = again.iter().map(|uid| Listed { uid: *uid, size: None, received: None }).collect();
            self.reading = Some(Reading { pending, is_new, ..Reading::default() });
        }
        Ok(())
    }

    /// Lists more messages if none are known.
    fn list(&mut self) -> Result<(), Fault> {
        let (Some(progress), Some(reading)) = (self.folders.get_mut(self.turn), &mut self.reading) else {
            return Ok(());
        };
        if reading.pending.is_empty() && !reading.is_listed {
            let window = listing::window(&mut self.session, progress.next, reading.expected)?;
            if let Some(last) = window.messages.last() {
                progress.next = u64::from(last.uid) + 1;
            }
            reading.expected = Some(window.next);
            reading.is_listed = window.is_last;
            reading.pending = window.messages.into();
        }
        Ok(())
    }

    fn finish(&mut self, found: Vec<Found>) -> Batch {
        let mut batch = self.batch();
        let (Some(progress), Some(reading)) = (self.folders.get(self.turn), &self.reading) else {
            return batch;
        };
        let mailbox = &self.account.name;
        let folder = &progress.folder;
        let uid_validity = progress.uid_validity.unwrap_or_default();
        batch.messages = found
            .into_iter()
            .map(|(uid, received, content)| Message {
                source: format!("{mailbox}/{folder}/{uid}"),
                place: Some(Place { mailbox: mailbox.clone(), folder: folder.clone(), uid_validity, uid }),
                received,
                content,
            })
            .collect();
        let unsettled = reading.pending.iter().map(|listed| listed.uid).chain(progress.held.iter().copied());
        let next = unsettled.map(u64::from).min().map_or(progress.next, |first| first.min(progress.next));
        batch.cursor = Some(Cursor {
            mailbox: mailbox.clone(),
            folder: folder.clone(),
            uid_validity,
            next_uid: u32::try_from(next).unwrap_or(u32::MAX),
        });
        if reading.is_listed && reading.pending.is_empty() {
            self.leave();
            if self.turn >= self.folders.len() {
                self.turn = 0;
                batch.is_last = true;
            }
        }
        batch
    }

    fn batch(&mut self) -> Batch {
        Batch { unreadable: std::mem::take(&mut self.unreadable), ..Batch::default() }
    }

    /// Turns to the next folder.
    fn leave(&mut self) {
        self.turn += 1;
        self.reading = None;
    }
}

impl MessageSource for ImapSource {
    fn next_batch(&mut self) -> Result<Batch, SourceError> {
        self.next().map_err(|fault| fault.of(&self.account.name).into())
    }

    fn acknowledge(&mut self, places: &[Place]) -> Result<(), SourceError> {
        self.settle(places).map_err(|fault| fault.of(&self.account.name).into())
    }
}

impl Progress {
    fn new(folder: &str, cursor: Option<Cursor>) -> Self {
        Self {
            folder: folder.to_owned(),
            uid_validity: cursor.as_ref().map(|cursor| cursor.uid_validity),
            next: cursor.map_or(1, |cursor| u64::from(cursor.next_uid)),
            held: BTreeSet::new(),
        }
    }
}

/// The next messages, up to the ceilings of a batch. One of unknown size comes alone.
fn take(pending: &mut VecDeque<Listed>, options: &ImapOptions) -> Vec<Listed> {
    let mut wanted: Vec<Listed> = Vec::new();
    let mut bytes = 0_u64;
    while let Some(next) = pending.front() {
        let size = match next.size {
            Some(size) if size > options.message_bytes => 0,
            Some(size) => size,
            None => options.batch_bytes,
        };
        bytes = bytes.saturating_add(size);
        let is_full = wanted.len() >= options.batch_messages.max(1) || bytes > options.batch_bytes;
        if is_full && !wanted.is_empty() {
            break;
        }
        wanted.extend(pending.pop_front());
    }
    wanted
}

/// Fetches what is wanted. What must be asked for again goes back to the front of what is pending.
fn fetch(
    session: &mut Session,
    options: &ImapOptions,
    progress: &mut Progress,
    reading: &mut Reading,
    wanted: &[Listed],
) -> Result<(Vec<Found>, Vec<Fault>), Fault> {
    let is_too_large = |listed: &Listed| listed.size.is_some_and(|size| size > options.message_bytes);
    let uids: Vec<u32> =
        wanted.iter().filter(|listed| !is_too_large(listed)).map(|listed| listed.uid).collect();
    let mut given = bodies(session, options, &uids)?;
    let missing: Vec<u32> = uids.iter().copied().filter(|uid| !given.contains_key(uid)).collect();
    let mut faults = Vec::new();
    for uid in still_there(session, &missing)? {
        given.append(&mut bodies(session, options, &[uid])?);
        if !given.contains_key(&uid) {
            let answer = "the server lists it and does not give it".to_owned();
            faults.push(Fault::Message { folder: progress.folder.clone(), uid, answer });
            progress.held.insert(uid);
        }
    }
    let mut found = Vec::with_capacity(wanted.len());
    let mut again = Vec::new();
    for listed in wanted {
        let Some(given) = given.remove(&listed.uid) else {
            // What is not too large was expunged meanwhile.
            let bytes = listed.size.filter(|_| is_too_large(listed));
            found.extend(bytes.map(|bytes| (listed.uid, listed.received, Content::TooLarge { bytes })));
            continue;
        };
        let received = listed.received.or(given.received);
        match given.body {
            Body::Bytes(bytes) => found.push((listed.uid, received, Content::Bytes(bytes))),
            Body::LeftOut(bytes) if bytes <= options.message_bytes => {
                again.push(Listed { size: Some(bytes), received, ..*listed });
            }
            Body::LeftOut(bytes) => found.push((listed.uid, received, Content::TooLarge { bytes })),
        }
    }
    for listed in again.into_iter().rev() {
        reading.pending.push_front(listed);
    }
    Ok((found, faults))
}

fn bodies(session: &mut Session, options: &ImapOptions, uids: &[u32]) -> Result<BTreeMap<u32, Given>, Fault> {
    let bounds = Bounds {
        // Sizes are not exact everywhere; what is beyond comes again, in the end alone.
        literals: if uids.len() == 1 { options.message_bytes } else { options.batch_bytes.saturating_mul(2) },
        literal: options.message_bytes,
        ..Bounds::default()
    };
    let mut given = BTreeMap::new();
    for set in set::sets(uids) {
        // A refusal shows in what is missing.
        session.fetch(
            &format!("UID FETCH {set} (UID INTERNALDATE BODY.PEEK[])"),
            bounds,
            &mut |fetch, left_out| {
                let (Some(uid), Some(body)) = (fetch.uid, fetch.body) else { return };
                if uids.binary_search(&uid).is_ok() {
                    let body = left_out.map_or_else(|| Body::Bytes(body.to_vec()), Body::LeftOut);
                    given.insert(uid, Given { received: fetch.received, body });
                }
            },
        )?;
    }
    Ok(given)
}

/// Those of `uids` that another client did not expunge.
fn still_there(session: &mut Session, uids: &[u32]) -> Result<Vec<u32>, Fault> {
    let mut there = Vec::new();
    if !uids.is_empty() {
        session.run("NOOP", "NOOP")?;
    }
    for set in set::sets(uids) {
        there.extend(session.search(&set, "")?.into_iter().filter(|uid| uids.contains(uid)));
    }
    Ok(there)
}
