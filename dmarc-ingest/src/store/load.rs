//! Bulk loading: rows that were made elsewhere, whole months of them, without mails to read.
//!
//! For data sets of a size that no mailbox delivers: those that are measured, or taken over from another store. The steps are
//! those of `commit.rs`, and what they leave is what [`compact`](Dataset::compact) leaves. But nothing is judged: whoever
//! loads answers for it that no report is in the dataset already, and that its rows are as `dmarc_core::record::flatten` gives
//! them.

use std::net::IpAddr;

use dmarc_core::identity::{ContentHash, Identity};
use dmarc_core::record::Trust;
use rusqlite::{Transaction, params};

use super::Dataset;
use super::commit::{Staged, Totals, now, report_key};
use super::compact::LARGE_BYTES;
use super::error::DatasetError;
use super::fault;
use super::layout::{Partition, sync_folder};
use super::ledger::Segment;
use super::record::Writer;
use super::rows::{Rows, Size};
use super::segment;
use crate::enrich::Host;

/// What the ledger may hold in memory meanwhile, in KiB: its indexes are written all over.
const CACHE_KIB: i64 = 384 << 10;

/// An aggregate report that is loaded, alone in its mail.
#[derive(Clone, Debug)]
pub struct LoadedReport {
    /// Which report it is.
    pub identity: Identity,
    /// What stands for its content.
    pub content: ContentHash,
    /// How far its mail is known to be genuine.
    pub trust: Trust,
    /// How many rows it has.
    pub rows: u64,
    /// How many messages are in them.
    pub messages: u64,
    /// SHA-256 of its mail.
    pub mail_hash: [u8; 32],
    /// Bytes of its mail.
    pub mail_bytes: u64,
    /// Where its mail was read from.
    pub source: String,
    /// In which part of it the report was, see column `origin`.
    pub part: String,
    /// The domain of RFC5322.From.
    pub from_domain: String,
    /// `Message-ID` without `<>`.
    pub message_id: String,
    /// `Date`, in seconds since the Unix epoch, UTC.
    pub date: i64,
}

/// A month that is being loaded. Nothing of it counts before [`finish`](Self::finish).
#[derive(Debug)]
pub struct Load<'d> {
    dataset: &'d mut Dataset,
    partition: Partition,
    segments: Vec<Segment>,
}

impl Dataset {
    /// Begins to load aggregate reports of the month in which `begin` is, in seconds since the Unix epoch, UTC.
    ///
    /// # Errors
    /// What the system says.
    pub fn load(&mut self, begin: i64) -> Result<Load<'_>, DatasetError> {
        self.settle()?;
        Ok(Load { dataset: self, partition: Partition::new("aggregate", begin), segments: Vec::new() })
    }
}

impl Load<'_> {
    /// Writes rows, in the order of a segment, to as few files as compaction would leave.
    ///
    /// # Errors
    /// What the system says.
    pub fn rows(&mut self, rows: impl IntoIterator<Item = Rows>) -> Result<(), DatasetError> {
        let mut batches = rows.into_iter().map(|rows| Ok(rows.0));
        let bytes = usize::try_from(LARGE_BYTES).unwrap_or(usize::MAX);
        while let Some(segment) =
            segment::write_some(&self.dataset.layout, &self.partition, &mut batches, bytes)?
        {
            self.segments.push(segment);
        }
        Ok(())
    }

    /// Makes the rows count, with the reports that they are of, and what is known of the hosts in them.
    ///
    /// # Errors
    /// [`DatasetError::Damaged`] if the reports have not as many rows and messages as were written, or what the ledger or the
    /// system says. Nothing of the month counts then.
    pub fn finish(
        self,
        reports: impl IntoIterator<Item = LoadedReport>,
        hosts: impl IntoIterator<Item = (IpAddr, Host)>,
    ) -> Result<Totals, DatasetError> {
        let Load { dataset, partition, segments } = self;
        let sizes = segments.iter().map(|segment| Size { rows: segment.rows, messages: segment.messages });
        let written = sizes.fold(Size { rows: 0, messages: 0 }, Size::and);
        sync_folder(&dataset.layout.staging())?;
        fault::point("staged");
        let staged = Staged { added: [(partition.clone(), segments)].into(), ..Staged::default() };
        let mut loaded = written;
        let recorded = dataset.ledger.write(|transaction| {
            transaction.pragma_update(None, "cache_size", -CACHE_KIB)?;
            loaded = load_reports(transaction, &partition, reports)?;
            if loaded != written {
                // Whatever it is, it takes everything back.
                return Err(rusqlite::Error::QueryReturnedNoRows);
            }
            load_hosts(transaction, hosts)?;
            Writer { transaction, at: now() }.segments(&staged)
        });
        if loaded != written {
            let what = format!("{} rows of reports that say to have {}", written.rows, loaded.rows);
            return Err(DatasetError::damaged(&dataset.layout.staging(), what));
        }
        recorded?;
        fault::point("recorded");
        dataset.publish(&staged.partitions())?;
        dataset.totals()
    }
}

fn load_reports(
    transaction: &Transaction<'_>,
    partition: &Partition,
    reports: impl IntoIterator<Item = LoadedReport>,
) -> rusqlite::Result<Size> {
    let at = now();
    let mut mail = transaction.prepare(
        "INSERT INTO mails (hash, source, bytes, from_domain, message_id, date, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut version = transaction.prepare(
        "INSERT INTO reports (key, kind, reporter, policy_domain, report_id, begin, \"end\", hash, trust, rejected, sent, \
         active, month, rows, messages, mail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 1, ?, ?, ?, ?)",
    )?;
    let mut part = transaction.prepare(
        "INSERT INTO parts (mail, position, part, outcome, report, policy_domain, reporter, begin, \"end\", messages, \
         rejected, quirks) VALUES (?, 0, ?, 'report', ?, ?, ?, ?, ?, ?, 0, '[]')",
    )?;
    let mut loaded = Size { rows: 0, messages: 0 };
    for report in reports {
        let LoadedReport { identity, rows, messages, .. } = &report;
        loaded = loaded.and(Size { rows: *rows, messages: *messages });
        let mail = mail.insert(params![
            report.mail_hash.as_slice(),
            report.source,
            report.mail_bytes,
            report.from_domain,
            report.message_id,
            report.date,
            at
        ])?;
        let version = version.insert(params![
            report_key(identity, &report.content),
            identity.kind,
            identity.reporter,
            identity.policy_domain,
            identity.report_id,
            identity.begin,
            identity.end,
            report.content.as_bytes().as_slice(),
            report.trust.as_str(),
            // As of any mail: of a mail that nobody vouches for, the date says nothing.
            if report.trust == Trust::Unverified { i64::MAX } else { report.date },
            partition.month,
            rows,
            messages,
            mail
        ])?;
        part.execute(params![
            mail,
            report.part,
            version,
            identity.policy_domain,
            identity.reporter,
            identity.begin,
            identity.end,
            messages
        ])?;
    }
    Ok(loaded)
}

fn load_hosts(
    transaction: &Transaction<'_>,
    hosts: impl IntoIterator<Item = (IpAddr, Host)>,
) -> rusqlite::Result<()> {
    let at = now();
    let mut add =
        transaction.prepare("INSERT OR IGNORE INTO hosts (ip, name, confirmed, at) VALUES (?, ?, ?, ?)")?;
    for (ip, host) in hosts {
        let name = Some(&host.name).filter(|name| !name.is_empty());
        add.execute(params![ip.to_string(), name, host.confirmed, at])?;
    }
    Ok(())
}
