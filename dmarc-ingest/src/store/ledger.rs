//! The ledger: `SQLite`, one transaction for each commit.

use std::collections::BTreeSet;
use std::net::IpAddr;

use dmarc_core::identity::{ContentHash, Identity};
use dmarc_core::record::Trust;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, params};

use super::DATASET_VERSION;
use super::commit::Totals;
use super::error::DatasetError;
use super::hosts::HostTable;
use super::layout::{Layout, Partition};
use super::rows::total;
use crate::enrich::Host;
use crate::source::{Cursor, Place};
use crate::verdict::Rank;

/// How long a statement waits for another process, in milliseconds.
const BUSY_MILLISECONDS: u64 = 10_000;

/// The value of `active` of a report that counts and whose rows were to be forgotten.
pub(super) const ERASED: i64 = 2;

/// The ledger of a dataset.
#[derive(Debug)]
pub(crate) struct Ledger {
    connection: Connection,
    layout: Layout,
}

/// A report with a content, as the ledger knows it.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// `None` until it is recorded.
    pub(super) id: Option<i64>,
    pub(super) key: String,
    pub(super) rank: Rank,
    pub(super) active: bool,
    /// It is active, and its rows were to be forgotten.
    pub(super) is_erased: bool,
    /// The mail that brought it first.
    pub(super) mail: Option<i64>,
    /// Where its rows are.
    pub(super) partition: Partition,
}

/// A file with rows that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) rows: u64,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) hash: [u8; 32],
}

impl Ledger {
    /// Opens the ledger to write, and makes it if there is none.
    pub(crate) fn create(layout: &Layout) -> Result<Self, DatasetError> {
        let ledger = Self::connect(layout, OpenFlags::default())?;
        let prepare = || -> rusqlite::Result<()> {
            let connection = &ledger.connection;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            let begun: bool =
                connection.query_row("SELECT count(*) > 0 FROM sqlite_schema", [], |row| row.get(0))?;
            if begun {
                return Ok(());
            }
            let transaction = connection.unchecked_transaction()?;
            transaction.execute_batch(include_str!("schema.sql"))?;
            transaction.execute("INSERT INTO meta VALUES ('schema', ?)", [DATASET_VERSION])?;
            transaction.commit()
        };
        prepare().map_err(|error| ledger.error(error))?;
        ledger.check_version()?;
        Ok(ledger)
    }

    /// Opens the ledger to read.
    pub(crate) fn open(layout: &Layout) -> Result<Self, DatasetError> {
        if !layout.ledger().is_file() {
            return Err(DatasetError::Missing { path: layout.root().to_owned() });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let ledger = Self::connect(layout, flags)?;
        match ledger.check_version() {
            Err(DatasetError::Ledger { source, .. }) if is_shut(&source) && !layout.is_written() => {}
            done => return done.map(|()| ledger),
        }
        // Who may not write here cannot make the files that readers share with a writer; without a writer none are needed.
        let ledger = Self::connect_unshared(layout, flags)?;
        ledger.check_version()?;
        Ok(ledger)
    }

    /// Opens the ledger for very many small questions.
    pub(super) fn open_to_look_up(layout: &Layout) -> Result<Self, DatasetError> {
        /// What is held of it, in kibibytes; `SQLite` takes a negative number for that.
        const CACHE: i64 = -(64 << 10);
        let ledger = Self::open(layout)?;
        let cached = ledger.connection.pragma_update(None, "cache_size", CACHE);
        cached.map_err(|error| ledger.error(error))?;
        Ok(ledger)
    }

    fn connect_unshared(layout: &Layout, flags: OpenFlags) -> Result<Self, DatasetError> {
        let path = layout.ledger();
        let text = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let uri = format!("file:{text}?immutable=1");
        let connection = Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
            .map_err(|source| DatasetError::Ledger { path, source })?;
        Ok(Self { connection, layout: layout.clone() })
    }

    fn connect(layout: &Layout, flags: OpenFlags) -> Result<Self, DatasetError> {
        let path = layout.ledger();
        let connection = Connection::open_with_flags(&path, flags)
            .and_then(|connection| {
                connection.busy_timeout(std::time::Duration::from_millis(BUSY_MILLISECONDS))?;
                Ok(connection)
            })
            .map_err(|source| DatasetError::Ledger { path, source })?;
        Ok(Self { connection, layout: layout.clone() })
    }

    fn check_version(&self) -> Result<(), DatasetError> {
        let found: Option<String> = self
            .connection
            .query_row("SELECT value FROM meta WHERE key = 'schema'", [], |row| row.get(0))
            .optional()
            .map_err(|error| self.error(error))?;
        let path = self.layout.ledger();
        match found {
            Some(found) if found == DATASET_VERSION => Ok(()),
            Some(found) => Err(DatasetError::Newer { path, found, known: DATASET_VERSION }),
            None => Err(DatasetError::damaged(&path, "it does not say which schema it has")),
        }
    }

    pub(super) fn error(&self, source: rusqlite::Error) -> DatasetError {
        DatasetError::Ledger { path: self.layout.ledger(), source }
    }

    /// Asks something.
    pub(super) fn read<T>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, DatasetError> {
        ask(&self.connection).map_err(|error| self.error(error))
    }

    /// Asks several things of one state.
    pub(super) fn snapshot<T>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, DatasetError> {
        self.read(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let answer = ask(&transaction)?;
            transaction.finish()?;
            Ok(answer)
        })
    }

    /// Changes everything or nothing.
    pub(super) fn write<T>(
        &mut self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, DatasetError> {
        let done = self.connection.transaction().and_then(|transaction| {
            let answer = change(&transaction)?;
            transaction.commit()?;
            Ok(answer)
        });
        done.map_err(|error| self.error(error))
    }

    pub(super) fn knows(&self, hash: &[u8; 32]) -> Result<bool, DatasetError> {
        self.read(|connection| {
            connection.prepare_cached("SELECT 1 FROM mails WHERE hash = ?")?.exists([hash.as_slice()])
        })
    }

    pub(super) fn cursor(&self, mailbox: &str, folder: &str) -> Result<Option<Cursor>, DatasetError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT uid_validity, next_uid FROM cursors WHERE mailbox = ? AND folder = ?",
            )?;
            let cursor = |row: &Row<'_>| {
                Ok(Cursor {
                    mailbox: mailbox.to_owned(),
                    folder: folder.to_owned(),
                    uid_validity: row.get(0)?,
                    next_uid: row.get(1)?,
                })
            };
            statement.query_row([mailbox, folder], cursor).optional()
        })
    }

    pub(super) fn pending(&self, mailbox: &str) -> Result<Vec<Place>, DatasetError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT folder, uid_validity, uid FROM pending WHERE mailbox = ? ORDER BY folder, uid_validity, uid",
            )?;
            let place = |row: &Row<'_>| {
                Ok(Place {
                    mailbox: mailbox.to_owned(),
                    folder: row.get(0)?,
                    uid_validity: row.get(1)?,
                    uid: row.get(2)?,
                })
            };
            statement.query_map([mailbox], place)?.collect()
        })
    }

    pub(super) fn acknowledged(&mut self, places: &[Place]) -> Result<(), DatasetError> {
        if places.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "DELETE FROM pending WHERE mailbox = ? AND folder = ? AND uid_validity = ? AND uid = ?",
            )?;
            for place in places {
                statement.execute(params![place.mailbox, place.folder, place.uid_validity, place.uid])?;
            }
            Ok(())
        })
    }

    /// Every content that is known of a report.
    pub(super) fn versions(&self, identity: &Identity) -> Result<Vec<Version>, DatasetError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, key, trust, rejected, sent, hash, active, mail, month FROM reports \
                 WHERE report_id = ? AND begin = ? AND \"end\" = ? AND kind = ? AND reporter = ? AND policy_domain = ?",
            )?;
            let identity_columns = params![
                identity.report_id,
                identity.begin,
                identity.end,
                identity.kind,
                identity.reporter,
                identity.policy_domain
            ];
            let version = |row: &Row<'_>| {
                Ok(Version {
                    id: Some(row.get(0)?),
                    key: row.get(1)?,
                    rank: Rank {
                        trust: std::cmp::Reverse(trust(&row.get::<_, String>(2)?)),
                        rejected: row.get(3)?,
                        sent: row.get(4)?,
                        hash: ContentHash::from(row.get::<_, [u8; 32]>(5)?),
                    },
                    active: row.get::<_, i64>(6)? != 0,
                    is_erased: row.get::<_, i64>(6)? == ERASED,
                    mail: Some(row.get(7)?),
                    partition: Partition { kind: identity.kind.to_owned(), month: row.get(8)? },
                })
            };
            statement.query_map(identity_columns, version)?.collect()
        })
    }

    pub(super) fn mail_id(&self, hash: &[u8; 32]) -> Result<Option<i64>, DatasetError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT id FROM mails WHERE hash = ?")?
                .query_row([hash.as_slice()], |row| row.get(0))
                .optional()
        })
    }

    /// The segments of a partition, by name.
    pub(super) fn segments(&self, partition: &Partition) -> Result<Vec<Segment>, DatasetError> {
        self.read(|connection| segments(connection, partition))
    }

    /// The partitions that have segments, in their order.
    pub(super) fn partitions(&self) -> Result<Vec<Partition>, DatasetError> {
        self.read(partitions)
    }

    pub(super) fn totals(&self) -> Result<Totals, DatasetError> {
        self.read(|connection| {
            let mut totals = Totals::default();
            let mut statement = connection.prepare_cached("SELECT rows, messages FROM segments")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                totals.segments += 1;
                totals.rows += row.get::<_, u64>(0)?;
                totals.messages = total([totals.messages, row.get(1)?]);
            }
            Ok(totals)
        })
    }

    /// The names of the files that are kept aside.
    pub(super) fn kept_names(&self) -> Result<BTreeSet<String>, DatasetError> {
        self.read(|connection| {
            connection.prepare_cached("SELECT name FROM kept")?.query_map([], |row| row.get(0))?.collect()
        })
    }

    pub(super) fn host(&self, ip: IpAddr) -> Result<Option<Host>, DatasetError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT name, confirmed FROM hosts WHERE ip = ? AND at IS NOT NULL")?
                .query_row([ip.to_string()], |row| {
                    Ok(Host {
                        name: row.get::<_, Option<String>>(0)?.unwrap_or_default(),
                        confirmed: row.get(1)?,
                    })
                })
                .optional()
        })
    }

    /// Everything that was found out about hosts whose addresses are, as text, from `first` on and before `end`.
    pub(super) fn hosts(&self, first: &str, end: &str) -> Result<HostTable, DatasetError> {
        self.read(|connection| {
            let mut statement = connection.prepare(
                "SELECT ip, name, confirmed FROM hosts WHERE at IS NOT NULL AND ip >= ? AND ip < ?",
            )?;
            let mut rows = statement.query([first, end])?;
            let mut hosts = HostTable::default();
            while let Some(row) = rows.next()? {
                let ip = row.get_ref(0)?.as_str()?.parse();
                let name = row.get_ref(1)?.as_str_or_null()?.unwrap_or_default();
                if let Ok(ip) = ip {
                    hosts.push(ip, name, row.get(2)?);
                }
            }
            Ok(hosts)
        })
    }

    /// Where an aggregate report that counts came from: reporter, identifier and policy domain, and its period.
    pub(super) fn origin(
        &self,
        (reporter, report_id, policy_domain): (&str, &str, &str),
        (begin, end): (i64, i64),
    ) -> Result<String, DatasetError> {
        self.read(|connection| {
            let found = connection
                .prepare_cached(
                    "SELECT source, part FROM reports JOIN mails ON mails.id = reports.mail \
                     LEFT JOIN parts ON parts.mail = mails.id AND parts.report = reports.id \
                     WHERE report_id = ? AND reports.begin = ? AND reports.\"end\" = ? AND kind = 'aggregate' \
                     AND reports.reporter = ? AND reports.policy_domain = ? AND active = 1 ORDER BY position",
                )?
                .query_row(params![report_id, begin, end, reporter, policy_domain], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?.unwrap_or_default()))
                })
                .optional()?;
            Ok(found.map_or_else(String::new, |(source, part)| crate::collection::origin(&source, &part)))
        })
    }
}

/// Whether files that a reader needs cannot be made.
fn is_shut(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly))
}

pub(super) fn segments(connection: &Connection, partition: &Partition) -> rusqlite::Result<Vec<Segment>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, rows, messages, bytes, hash FROM segments WHERE kind = ? AND month = ? ORDER BY name",
    )?;
    let segment = |row: &Row<'_>| {
        Ok(Segment {
            name: row.get(0)?,
            rows: row.get(1)?,
            messages: row.get(2)?,
            bytes: row.get(3)?,
            hash: row.get(4)?,
        })
    };
    statement.query_map([&partition.kind, &partition.month], segment)?.collect()
}

pub(super) fn partitions(connection: &Connection) -> rusqlite::Result<Vec<Partition>> {
    let mut statement =
        connection.prepare_cached("SELECT DISTINCT kind, month FROM segments ORDER BY kind, month")?;
    let partition = |row: &Row<'_>| Ok(Partition { kind: row.get(0)?, month: row.get(1)? });
    statement.query_map([], partition)?.collect()
}

/// A trust as it was recorded; a word of another version is no proof.
pub(super) fn trust(word: &str) -> Trust {
    [Trust::Verified, Trust::TrustedAuthres]
        .into_iter()
        .find(|trust| trust.as_str() == word)
        .unwrap_or(Trust::Unverified)
}
