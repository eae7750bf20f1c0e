//! What was kept aside: mails with something in them that could not be trusted, whole, and the reason.

use std::fs::File;
use std::path::Path;

use rusqlite::Row;

use super::Dataset;
use super::commit::{Committed, Delivery};
use super::error::DatasetError;
use super::fault;
use super::layout::{Layout, remove_file};
use super::read::DatasetReader;
use crate::ingest::Settings;
use crate::receive;
use crate::source::{Content, Message, read_at_most};

/// A part that is kept aside. All text is of the mail: print it neutralised.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Kept {
    /// The name of the mail here: the first 16 digits of its SHA-256.
    pub id: String,
    /// `refused`, `untrusted`, `conflict` or, for a good report with records that cannot be counted, `rejected`.
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// Where the mail was read from.
    pub source: String,
    /// Which part of it.
    pub part: String,
    /// How many bytes the mail has.
    pub bytes: u64,
    /// What the report says that it is about; `None` where there is no report.
    pub policy_domain: Option<String>,
    /// Whom it says it is from.
    pub reporter: Option<String>,
    /// How many messages it claims.
    pub messages: Option<u64>,
    /// When it was taken in, in seconds since the Unix epoch, UTC.
    pub at: i64,
    /// Its file in the folder `quarantine`; `None` if the mail was left in its mailbox, was dropped, or gave way to a better
    /// report later: then its rows are kept.
    pub file: Option<String>,
}

const LIST: &str = "\
SELECT substr(lower(hex(mails.hash)), 1, 16), \
  CASE WHEN parts.outcome <> 'report' THEN parts.outcome WHEN reports.active THEN 'rejected' ELSE 'conflict' END, \
  coalesce(parts.reason, CASE WHEN reports.active THEN parts.rejected || ' records cannot be counted' \
    ELSE 'another report has the same identity (' || reports.report_id || ') and other content' END), \
  mails.source, parts.part, mails.bytes, parts.policy_domain, parts.reporter, parts.messages, mails.at, \
  (SELECT name FROM kept WHERE kept.mail = mails.id AND name LIKE '%.eml') \
FROM parts JOIN mails ON mails.id = parts.mail LEFT JOIN reports ON reports.id = parts.report \
WHERE (parts.outcome IN ('refused', 'untrusted') \
  OR (parts.outcome = 'report' AND (NOT reports.active OR parts.rejected > 0))) \
ORDER BY mails.source, mails.id, parts.position";

impl DatasetReader {
    /// Everything that is kept aside, by source.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn quarantine(&self) -> Result<Vec<Kept>, DatasetError> {
        self.ledger().read(|connection| connection.prepare(LIST)?.query_map([], kept)?.collect())
    }

    /// The bytes of a mail that is kept aside, by its name in the list or more digits of it; `None` if there is none.
    ///
    /// # Errors
    /// [`DatasetError::Ambiguous`], or what the ledger or the system says.
    pub fn quarantined(&self, id: &str) -> Result<Option<Vec<u8>>, DatasetError> {
        let Some(file) = self.ledger().kept_mail(id)?.and_then(KeptMail::message) else { return Ok(None) };
        file.read(self.layout()).map(Some)
    }
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        id: row.get(0)?,
        outcome: row.get(1)?,
        reason: row.get(2)?,
        source: row.get(3)?,
        part: row.get(4)?,
        bytes: row.get(5)?,
        policy_domain: row.get(6)?,
        reporter: row.get(7)?,
        messages: row.get(8)?,
        at: row.get(9)?,
        file: row.get(10)?,
    })
}

/// A mail with files in the folder `quarantine`.
struct KeptMail {
    id: i64,
    files: Vec<KeptFile>,
}

impl KeptMail {
    /// The mail itself.
    fn message(self) -> Option<KeptFile> {
        self.files.into_iter().find(|file| Path::new(&file.name).extension().is_some_and(|end| end == "eml"))
    }
}

impl super::Ledger {
    /// The one mail with something kept aside whose hash begins so.
    fn kept_mail(&self, id: &str) -> Result<Option<KeptMail>, DatasetError> {
        let is_hash = (8..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash {
            return Ok(None);
        }
        let ids: Vec<i64> = self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT id FROM mails WHERE hash BETWEEN unhex(?) AND unhex(?) \
                     AND EXISTS (SELECT 1 FROM kept WHERE kept.mail = mails.id) LIMIT 2",
                )?
                .query_map([format!("{id:0<64}"), format!("{id:f<64}")], |row| row.get(0))?
                .collect()
        })?;
        let mail = match ids.as_slice() {
            [] => return Ok(None),
            [mail] => *mail,
            _ => return Err(DatasetError::Ambiguous { id: id.to_owned() }),
        };
        let files = self.read(|connection| {
            connection
                .prepare_cached("SELECT name, bytes FROM kept WHERE mail = ? ORDER BY name")?
                .query_map([mail], |row| Ok(KeptFile { name: row.get(0)?, bytes: row.get(1)? }))?
                .collect()
        })?;
        Ok(Some(KeptMail { id: mail, files }))
    }
}

/// A file in the folder `quarantine`.
struct KeptFile {
    name: String,
    bytes: u64,
}

impl KeptFile {
    fn read(&self, layout: &Layout) -> Result<Vec<u8>, DatasetError> {
        let path = layout.quarantine().join(&self.name);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|mut file| read_at_most(&mut file, self.bytes, &mut bytes));
        read.map(|()| bytes).map_err(|error| DatasetError::io(&path, error))
    }
}

impl Dataset {
    /// Reads a mail that is kept aside once more, with what is configured and known now; `None` if there is none.
    ///
    /// # Errors
    /// See [`commit`](Dataset::commit).
    pub fn retry(&mut self, id: &str, settings: &Settings) -> Result<Option<Committed>, DatasetError> {
        let Some(file) = self.ledger.kept_mail(id)?.and_then(KeptMail::message) else { return Ok(None) };
        let bytes = file.read(&self.layout)?;
        let name = file.name;
        let (source, received) = self.ledger.read(|connection| {
            connection.query_row(
                "SELECT source, received FROM mails JOIN kept ON kept.mail = mails.id WHERE name = ?",
                [&name],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        })?;
        let message = Message { source, place: None, received, content: Content::Bytes(bytes) };
        let hash = receive::hash(&message);
        let arrival = receive::receive(message, hash, settings);
        let delivery = Delivery { arrivals: vec![arrival], again: true, ..Delivery::default() };
        let committed = self.commit(delivery)?;
        if !self.ledger.kept_names()?.contains(&name) {
            remove_file(&self.layout.quarantine().join(&name))?;
        }
        Ok(Some(committed))
    }

    /// Throws away what is kept aside of a mail; what became of it stays known. Says whether there was anything.
    ///
    /// # Errors
    /// [`DatasetError::Ambiguous`], or what the ledger or the system says.
    pub fn drop_kept(&mut self, id: &str) -> Result<bool, DatasetError> {
        let Some(mail) = self.ledger.kept_mail(id)? else { return Ok(false) };
        self.ledger.write(|transaction| {
            // Where it waits to be deleted, it is the only copy from now on.
            transaction.execute("DELETE FROM pending WHERE mail = ?", [mail.id])?;
            transaction.execute("DELETE FROM kept WHERE mail = ?", [mail.id])
        })?;
        fault::point("dropped");
        for file in mail.files {
            remove_file(&self.layout.quarantine().join(file.name))?;
        }
        Ok(true)
    }
}
