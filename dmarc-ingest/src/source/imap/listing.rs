//! Which messages a folder has, window by window.
//!
//! Messages are numbered without gaps, UIDs have gaps of up to four billion: so a window is one of numbers, and where
//! it begins is searched for by UID. Numbers shift when another client expunges: the place where a window should
//! begin is verified each time, and nothing but UIDs is kept.

use super::fault::Fault;
use super::session::Session;
use super::wire::Bounds;

/// How many messages are listed at a time.
const WINDOW: u32 = 1000;
/// How often it is tried again when another client expunges meanwhile.
const ATTEMPTS: u32 = 3;

/// What is known of a message before it is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listed {
    /// Its UID.
    pub(super) uid: u32,
    /// Its size in bytes, as the server says.
    pub(super) size: Option<u64>,
    /// When it arrived, in seconds since the Unix epoch, UTC.
    pub(super) received: Option<i64>,
}

/// Some messages of the open folder.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// In the order of their UIDs.
    pub(super) messages: Vec<Listed>,
    /// The number at which the next window should begin.
    pub(super) next: u32,
    /// Whether there are no more.
    pub(super) is_last: bool,
}

/// The first messages whose UID is at least `from`; `expected` is the number at which they should begin.
pub(super) fn window(session: &mut Session, from: u64, expected: Option<u32>) -> Result<Window, Fault> {
    for _ in 0..ATTEMPTS {
        let exists = session.selected().map_or(0, |selected| selected.exists);
        if let Some(window) = attempt(session, from, expected, exists)? {
            return Ok(window);
        }
        // Now the server may tell what was expunged.
        session.run("NOOP", "NOOP")?;
    }
    Err(session.wire().not_understood("it says nothing of messages that it counts"))
}

/// The UID of the last message of the open folder.
pub(super) fn last_uid(session: &mut Session) -> Result<Option<u32>, Fault> {
    match session.selected().map_or(0, |selected| selected.exists) {
        0 => Ok(None),
        exists => uid(session, exists),
    }
}

/// `None` if the server does not say what it should.
fn attempt(
    session: &mut Session,
    from: u64,
    expected: Option<u32>,
    exists: u32,
) -> Result<Option<Window>, Fault> {
    if exists == 0 {
        return Ok(Some(Window { is_last: true, ..Window::default() }));
    }
    let Some(begin) = begin(session, from, expected, exists)? else { return Ok(None) };
    if begin > exists {
        return Ok(Some(Window { next: begin, is_last: true, ..Window::default() }));
    }
    let end = begin.saturating_add(WINDOW - 1).min(exists);
    let mut messages = list(session, &format!("{begin}:{end}"))?;
    messages.retain(|message| u64::from(message.uid) >= from);
    messages.sort_unstable();
    messages.dedup_by_key(|message| message.uid);
    if messages.is_empty() {
        return Ok(None);
    }
    Ok(Some(Window { messages, next: end.saturating_add(1), is_last: end == exists }))
}

fn list(session: &mut Session, numbers: &str) -> Result<Vec<Listed>, Fault> {
    let mut messages = Vec::new();
    let command = format!("FETCH {numbers} (UID RFC822.SIZE INTERNALDATE)");
    let answer = session.fetch(&command, Bounds::default(), &mut |fetch, _| {
        if let Some(uid) = fetch.uid {
            messages.push(Listed { uid, size: fetch.size, received: fetch.received });
        }
    })?;
    // Some servers say NO because of messages that are gone; what they listed is good all the same.
    if answer.is_ok() || !messages.is_empty() { Ok(messages) } else { Err(session.refused("FETCH", &answer)) }
}

/// The smallest number of a message whose UID is at least `from`: one more than there are if there is none.
fn begin(session: &mut Session, from: u64, expected: Option<u32>, exists: u32) -> Result<Option<u32>, Fault> {
    if from <= 1 {
        return Ok(Some(1));
    }
    if let Some(expected) = expected.filter(|expected| (2..=exists).contains(expected)) {
        let uids = list(session, &format!("{}:{expected}", expected - 1))?;
        if let [before, at] = uids.as_slice()
            && u64::from(before.uid) < from
            && u64::from(at.uid) >= from
        {
            return Ok(Some(expected));
        }
    }
    // With nothing before it, if what was read is deleted or moved.
    if expected.is_some() && uid(session, 1)?.is_some_and(|uid| u64::from(uid) >= from) {
        return Ok(Some(1));
    }
    let Some(last) = uid(session, exists)? else { return Ok(None) };
    if u64::from(last) < from {
        return Ok(Some(exists.saturating_add(1)));
    }
    // The message `high` is at or after the place, `low` before it.
    let (mut low, mut high) = (0, exists);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match uid(session, middle)? {
            Some(uid) if u64::from(uid) < from => low = middle,
            Some(_) => high = middle,
            None => return Ok(None),
        }
    }
    Ok(Some(high))
}

fn uid(session: &mut Session, number: u32) -> Result<Option<u32>, Fault> {
    let mut found = None;
    session.fetch(&format!("FETCH {number} (UID)"), Bounds::default(), &mut |fetch, _| {
        found = fetch.uid.or(found);
    })?;
    Ok(found)
}
