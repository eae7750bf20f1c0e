//! Waiting for mail: IDLE (RFC 2177) where the server has it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::listing;
use super::mailbox::ImapSource;
use super::session::{Access, Session};
use crate::source::SourceError;

/// How soon a request to stop is heard.
const SLICE: Duration = Duration::from_millis(500);
/// Least time between two ends of a wait because of mail: what comes in a burst is read together, and a server that
/// announces what never comes is asked for it no more often.
const BURST: Duration = Duration::from_secs(1);
/// How long the server is left without a command. RFC 2177 wants less than 29 minutes; routers forget a quiet
/// connection sooner, and a dead one is found out at the next command.
const QUIET: Duration = Duration::from_mins(9);

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// There is mail.
    Mail,
    /// It is time to look.
    Elapsed,
    /// It was asked to stop.
    Stopped,
}

impl ImapSource {
    /// Waits for mail in the first folder that can be opened: by IDLE up to `timeout`, and no longer than
    /// [`Account::poll`](super::Account::poll) if the server has no IDLE or there are other folders.
    ///
    /// # Errors
    /// [`SourceError::Imap`] if the connection is of no use any more.
    pub fn wait(&mut self, timeout: Duration, stop: &AtomicBool) -> Result<Wake, SourceError> {
        let waited = self.wait_for_mail(timeout, stop);
        self.woken = matches!(waited, Ok(Wake::Mail)).then(Instant::now);
        waited.map_err(|fault| fault.of(&self.account.name).into())
    }

    fn wait_for_mail(&mut self, timeout: Duration, stop: &AtomicBool) -> Result<Wake, Fault> {
        let begun = Instant::now();
        if let Some(left) = self.woken.and_then(|woken| BURST.checked_sub(woken.elapsed())) {
            sleep(&mut self.session, left, stop)?;
        }
        let watched = self.watch()?;
        if watched == Some(true) {
            return Ok(Wake::Mail);
        }
        let mut idles = watched.is_some() && self.session.can("IDLE");
        let alone = idles && self.folders.len() == 1;
        let mut timeout = if alone { timeout } else { timeout.min(self.account.poll) };
        while !stop.load(Ordering::Relaxed) {
            let Some(left) = timeout.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) else {
                return Ok(Wake::Elapsed);
            };
            let ended = if idles { idle(&mut self.session, left.min(QUIET), stop)? } else { None };
            match ended {
                Some(true) => return Ok(Wake::Mail),
                Some(false) => {}
                None => {
                    idles = false;
                    timeout = timeout.min(self.account.poll);
                    sleep(&mut self.session, left.min(QUIET).min(self.account.poll), stop)?;
                    if has_grown(&self.session) {
                        return Ok(Wake::Mail);
                    }
                }
            }
        }
        Ok(Wake::Stopped)
    }

    /// Opens a folder to watch; whether it has mail that was not listed. `None` if no folder can be opened.
    fn watch(&mut self) -> Result<Option<bool>, Fault> {
        for progress in &self.folders {
            match self.session.select(&progress.folder, Access::Read) {
                Ok(selected) if progress.uid_validity != Some(selected.uid_validity) => {
                    return Ok(Some(true));
                }
                Ok(_) => {
                    let last = listing::last_uid(&mut self.session)?;
                    return Ok(Some(last.is_some_and(|uid| u64::from(uid) >= progress.next)));
                }
                Err(Fault::Folder { .. }) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(None)
    }
}

/// One IDLE command; whether mail came. `None` if the server refuses it.
fn idle(session: &mut Session, longest: Duration, stop: &AtomicBool) -> Result<Option<bool>, Fault> {
    let begun = Instant::now();
    let tag = session.send("IDLE")?;
    if session.continuation(&tag)?.is_err() {
        return Ok(None);
    }
    loop {
        if has_grown(session) {
            break;
        }
        let left = longest.saturating_sub(begun.elapsed()).min(SLICE);
        if left.is_zero() || stop.load(Ordering::Relaxed) {
            break;
        }
        if session.wire().poll(left)? {
            session.unasked()?;
        }
    }
    session.wire().write(b"DONE\r\n")?;
    session.answer(&tag, &mut |_, _| {})?;
    Ok(Some(has_grown(session)))
}

/// Waits, then shows that the connection is alive.
fn sleep(session: &mut Session, longest: Duration, stop: &AtomicBool) -> Result<(), Fault> {
    let begun = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let left = longest.saturating_sub(begun.elapsed()).min(SLICE);
        if left.is_zero() {
            break;
        }
        // A server that says goodbye meanwhile is heard.
        if session.wire().poll(left)? {
            session.unasked()?;
        }
    }
    session.run("NOOP", "NOOP").map(drop)
}

fn has_grown(session: &Session) -> bool {
    session.selected().is_some_and(|selected| selected.has_grown)
}
