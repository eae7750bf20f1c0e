//! What is in a dataset, in figures.

use super::error::DatasetError;
use super::read::DatasetReader;

/// The state of a dataset. Times are in seconds since the Unix epoch, UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The folder.
    pub path: String,
    /// The version of its schema.
    pub schema: &'static str,
    /// Mails by what became of them: `stored`, `duplicate`, `conflict`, `refused`, `untrusted`, `not_a_report`.
    pub mails: Vec<(String, u64)>,
    /// Reports that count, by kind.
    pub reports: Vec<(String, u64)>,
    /// Rows in segments, by kind.
    pub rows: Vec<(String, u64)>,
    /// Segments.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that are kept aside.
    pub kept: u64,
    /// First and last second that reports are about.
    pub period: Option<(i64, i64)>,
    /// When mail was last taken in.
    pub last: Option<i64>,
    /// Messages of mailboxes that are durable and not acknowledged yet.
    pub pending: u64,
    /// How far each folder is read: mailbox, folder, UIDVALIDITY, next UID.
    pub cursors: Vec<(String, String, u32, u32)>,
}

impl DatasetReader {
    /// What is in the dataset.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn status(&self) -> Result<Status, DatasetError> {
        let mut status = self.ledger().snapshot(|connection| {
            let counts = |query: &str| -> rusqlite::Result<Vec<(String, u64)>> {
                connection.prepare(query)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            };
            let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, u64>(0));
            Ok(Status {
                mails: counts("SELECT outcome, count(*) FROM receipts GROUP BY outcome ORDER BY outcome")?,
                reports: counts(
                    "SELECT kind, count(*) FROM reports WHERE active = 1 GROUP BY kind ORDER BY kind",
                )?,
                rows: counts("SELECT kind, sum(rows) FROM segments GROUP BY kind ORDER BY kind")?,
                segments: number("SELECT count(*) FROM segments")?,
                bytes: number("SELECT coalesce(sum(bytes), 0) FROM segments")?,
                kept: number("SELECT count(*) FROM kept")?,
                period: connection.query_row(
                    "SELECT min(begin), max(\"end\") FROM reports WHERE active = 1 AND \"end\" <> 0",
                    [],
                    |row| Ok(row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<i64>>(1)?)),
                )?,
                last: connection.query_row("SELECT max(at) FROM mails", [], |row| row.get(0))?,
                pending: number("SELECT count(*) FROM pending")?,
                cursors: connection
                    .prepare("SELECT mailbox, folder, uid_validity, next_uid FROM cursors ORDER BY 1, 2")?
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
                    .collect::<rusqlite::Result<_>>()?,
                ..Status::default()
            })
        })?;
        status.path = self.layout().root().to_string_lossy().into_owned();
        status.schema = super::DATASET_VERSION;
        Ok(status)
    }
}

impl Status {
    /// The same as names and values, for people.
    pub fn lines(&self) -> Vec<(String, String)> {
        let time = dmarc_core::time::rfc3339;
        let mut lines = vec![("dataset".to_owned(), format!("{} (schema {})", self.path, self.schema))];
        let mut add = |name: &str, value: String| lines.push((name.to_owned(), value));
        for (what, counts) in [("mails", &self.mails), ("reports", &self.reports), ("rows", &self.rows)] {
            let list = counts.iter().map(|(name, count)| format!("{count} {}", name.replace('_', " ")));
            add(what, list.collect::<Vec<_>>().join(", "));
        }
        add("segments", format!("{} of {} bytes", self.segments, self.bytes));
        add("kept aside", self.kept.to_string());
        if let Some((begin, end)) = self.period {
            add("period", format!("{} … {}", time(begin), time(end)));
        }
        add("last mail taken in", self.last.map_or_else(|| "never".to_owned(), time));
        add("not acknowledged yet", self.pending.to_string());
        for (mailbox, folder, uid_validity, next_uid) in &self.cursors {
            add(
                "mailbox",
                format!("{mailbox} {folder}: read up to UID {next_uid} (UIDVALIDITY {uid_validity})"),
            );
        }
        lines
    }
}
