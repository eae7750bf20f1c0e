//! What was kept aside: mails with something in them that could not be trusted, whole, and the reason.

use std::fs::File;

use rusqlite::{OptionalExtension, Row, params};

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
    /// Its file in the folder `quarantine`; `None` if the mail was left in its mailbox.
    pub file: Option<String>,
}

const LIST: &str = "\
SELECT substr(lower(hex(mails.hash)), 1, 16), \
  CASE WHEN parts.outcome <> 'report' THEN parts.outcome WHEN reports.active THEN 'rejected' ELSE 'conflict' END, \
  coalesce(parts.reason, CASE WHEN reports.active THEN parts.rejected || ' records cannot be counted' \
    ELSE 'another report has the same identity (' || reports.report_id || ') and other content' END), \
  mails.source, parts.part, mails.bytes, parts.policy_domain, parts.reporter, parts.messages, mails.at, \
  (SELECT name FROM kept WHERE kept.mail = mails.id ORDER BY name LIKE '%.eml' DESC LIMIT 1) \
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
    /// What the ledger or the system says.
    pub fn quarantined(&self, id: &str) -> Result<Option<Vec<u8>>, DatasetError> {
        let Some(file) = self.ledger().kept_file(id)? else { return Ok(None) };
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

impl super::Ledger {
    /// The file of the one mail that is kept aside whose hash begins so.
    fn kept_file(&self, id: &str) -> Result<Option<KeptFile>, DatasetError> {
        let is_hash = id.len() >= 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash {
            return Ok(None);
        }
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT name, bytes FROM kept WHERE name LIKE ? || '%.eml' ORDER BY name LIMIT 1",
                )?
                .query_row([id.to_ascii_lowercase()], |row| {
                    Ok(KeptFile { name: row.get(0)?, bytes: row.get(1)? })
                })
                .optional()
        })
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
        let Some(file) = self.ledger.kept_file(id)? else { return Ok(None) };
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

    /// Throws the bytes of a mail that is kept aside away; what became of it stays known. Says whether there was one.
    ///
    /// # Errors
    /// What the ledger or the system says.
    pub fn drop_kept(&mut self, id: &str) -> Result<bool, DatasetError> {
        let Some(KeptFile { name, .. }) = self.ledger.kept_file(id)? else { return Ok(false) };
        self.ledger
            .write(|transaction| transaction.execute("DELETE FROM kept WHERE name = ?", params![name]))?;
        fault::point("dropped");
        remove_file(&self.layout.quarantine().join(&name))?;
        Ok(true)
    }
}
