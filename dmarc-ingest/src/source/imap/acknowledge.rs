//! What becomes of messages once they are durable. Only what was read by us is ever expunged.

use std::collections::BTreeMap;

use super::account::After;
use super::fault::Fault;
use super::mailbox::ImapSource;
use super::name;
use super::session::{Access, Session};
use super::set;
use crate::source::Place;

impl ImapSource {
    /// Flags, moves or deletes the messages. Those that are gone, or of a folder that is another by now, are passed over.
    pub(super) fn settle(&mut self, places: &[Place]) -> Result<(), Fault> {
        if self.keeps() {
            return Ok(());
        }
        let mut folders: BTreeMap<(&str, u32), Vec<u32>> = BTreeMap::new();
        for place in places.iter().filter(|place| place.mailbox == self.account.name) {
            folders.entry((&place.folder, place.uid_validity)).or_default().push(place.uid);
        }
        let after = self.account.after.clone();
        for ((folder, uid_validity), uids) in folders {
            if !open(&mut self.session, folder, uid_validity)? {
                continue;
            }
            for set in set::sets(&uids) {
                match &after {
                    After::Keep => {}
                    After::Seen => flag(&mut self.session, &set, "\\Seen")?,
                    After::Move(target) if target == folder => {}
                    After::Move(target) => relocate(&mut self.session, &set, target)?,
                    After::Delete => delete(&mut self.session, &set)?,
                }
            }
        }
        Ok(())
    }
}

/// Opens a folder for changes; whether it is still the one that was read.
fn open(session: &mut Session, folder: &str, uid_validity: u32) -> Result<bool, Fault> {
    let selected =
        session.selected().filter(|selected| selected.folder == folder && selected.access == Access::Write);
    let selected = match selected.cloned() {
        Some(selected) => selected,
        None => match session.select(folder, Access::Write) {
            Ok(selected) => selected,
            // Not all servers say NONEXISTENT.
            Err(Fault::Folder { .. }) if !session.has_folder(folder)? => return Ok(false),
            Err(fault) => return Err(fault),
        },
    };
    Ok(selected.uid_validity == uid_validity)
}

fn flag(session: &mut Session, set: &str, flag: &str) -> Result<(), Fault> {
    change(session, set, "STORE", &format!("UID STORE {set} +FLAGS.SILENT ({flag})"))
}

/// Without UIDPLUS the messages are only flagged: a plain EXPUNGE takes those of other clients with it.
fn delete(session: &mut Session, set: &str) -> Result<(), Fault> {
    flag(session, set, "\\Deleted")?;
    if session.can("UIDPLUS") || session.can("IMAP4REV2") {
        change(session, set, "EXPUNGE", &format!("UID EXPUNGE {set}"))?;
    }
    Ok(())
}

fn relocate(session: &mut Session, set: &str, target: &str) -> Result<(), Fault> {
    if session.can("MOVE") || session.can("IMAP4REV2") {
        return into(session, set, "MOVE", target);
    }
    // What is flagged was copied before: by us, if the server has no UIDPLUS.
    let uids = session.search(set, " UNDELETED")?;
    for set in set::sets(&uids) {
        into(session, &set, "COPY", target)?;
        delete(session, &set)?;
    }
    Ok(())
}

/// Runs MOVE or COPY; creates the folder if it is not there.
fn into(session: &mut Session, set: &str, verb: &'static str, target: &str) -> Result<(), Fault> {
    let command = format!("UID {verb} {set} {}", name::folder(target));
    let answer = session.try_run(&command)?;
    if answer.is_ok() {
        return Ok(());
    }
    if answer.has_code("TRYCREATE") || answer.has_code("NONEXISTENT") {
        // Somebody else may have made it meanwhile: what counts is whether the command works now.
        let created = session.try_run(&format!("CREATE {}", name::folder(target)))?;
        tracing::info!(folder = target, created = created.is_ok(), "the folder to move to was not there");
    }
    change(session, set, verb, &command)
}

/// Runs a command on messages; that it is refused does not matter if all of them are gone.
fn change(session: &mut Session, set: &str, verb: &'static str, command: &str) -> Result<(), Fault> {
    let answer = session.try_run(command)?;
    if answer.is_ok() || session.search(set, "")?.is_empty() {
        return Ok(());
    }
    Err(session.refused(verb, &answer))
}
