//! The statements of the one transaction that makes mail count.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use dmarc_core::identity::Identity;
use rusqlite::{OptionalExtension, Transaction, params};

use super::commit::{Kept, Mail, Staged, State};
use super::ledger::ERASED;
use crate::source::{Cursor, Place};

/// The ids of reports, by identity and key.
pub(super) type ReportIds<'a> = HashMap<(&'a Identity, &'a str), i64>;

pub(super) struct Writer<'t> {
    pub(super) transaction: &'t Transaction<'t>,
    /// Now.
    pub(super) at: i64,
}

impl Writer<'_> {
    /// A mail; one that is judged anew loses what it had.
    pub(super) fn mail(&self, mail: &Mail) -> rusqlite::Result<i64> {
        let arrival = &mail.arrival;
        let known: Option<i64> = self
            .transaction
            .prepare_cached("SELECT id FROM mails WHERE hash = ?")?
            .query_row([arrival.hash.as_slice()], |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            self.transaction.prepare_cached("DELETE FROM parts WHERE mail = ?")?.execute([id])?;
            self.transaction
                .prepare_cached("DELETE FROM kept WHERE mail = ? AND name LIKE '%.eml'")?
                .execute([id])?;
            return Ok(id);
        }
        let info = arrival.message.as_deref();
        self.transaction
            .prepare_cached(
                "INSERT INTO mails (hash, source, bytes, from_domain, message_id, date, received, signature, \
                 at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .insert(params![
                arrival.hash.as_slice(),
                arrival.source,
                super::rows::total([arrival.size]),
                info.and_then(|info| info.from_domain.as_deref()),
                info.and_then(|info| info.message_id.as_deref()),
                info.and_then(|info| info.date),
                arrival.received,
                arrival.signature.as_ref().map(ToString::to_string),
                self.at
            ])
    }

    /// A version of a report, if it is new or something about it changed.
    pub(super) fn report(&self, identity: &Identity, state: &State, mails: &[i64]) -> rusqlite::Result<i64> {
        let version = &state.version;
        let rank = &version.rank;
        let active = if version.active && version.is_erased { ERASED } else { i64::from(version.active) };
        if let Some(id) = version.id {
            if state.is_changed {
                self.transaction
                    .prepare_cached("UPDATE reports SET trust = ?, sent = ?, active = ? WHERE id = ?")?
                    .execute(params![rank.trust().as_str(), rank.sent, active, id])?;
            }
            return Ok(id);
        }
        let mail = state.brought_by.and_then(|index| mails.get(index));
        self.transaction
            .prepare_cached(
                "INSERT INTO reports (key, kind, reporter, policy_domain, report_id, begin, \"end\", hash, trust, \
                 rejected, sent, active, month, rows, messages, mail) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .insert(params![
                version.key,
                identity.kind,
                identity.reporter,
                identity.policy_domain,
                identity.report_id,
                identity.begin,
                identity.end,
                rank.hash.as_bytes().as_slice(),
                rank.trust().as_str(),
                rank.rejected,
                rank.sent,
                active,
                version.partition.month,
                state.size.rows,
                state.size.messages,
                mail
            ])
    }

    pub(super) fn parts(&self, id: i64, mail: &Mail, reports: &ReportIds<'_>) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO parts (mail, position, part, outcome, reason, report, policy_domain, reporter, begin, \"end\", \
             messages, rejected, quirks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        for (position, row) in mail.parts.iter().enumerate() {
            let report = row.report.as_ref();
            let report = report.and_then(|(identity, key)| reports.get(&(identity, key.as_str())));
            let aside = row.aside.as_ref();
            statement.execute(params![
                id,
                position,
                row.part,
                row.outcome,
                row.reason,
                report,
                aside.map(|aside| &aside.policy_domain),
                aside.map(|aside| &aside.reporter),
                aside.map(|aside| aside.period.0),
                aside.map(|aside| aside.period.1),
                aside.map(|aside| super::rows::total([aside.messages])),
                row.rejected,
                row.quirks
            ])?;
        }
        Ok(())
    }

    /// A place that waits for its acknowledgement.
    pub(super) fn pending(&self, place: &Place, mail: i64) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("INSERT OR IGNORE INTO pending VALUES (?, ?, ?, ?, ?)")?
            .execute(params![place.mailbox, place.folder, place.uid_validity, place.uid, mail])?;
        Ok(())
    }

    /// The same for a mail that was taken in before: if it brought a report, and what is in no segment is kept aside.
    pub(super) fn pending_if_settled(&self, place: &Place, hash: &[u8; 32]) -> rusqlite::Result<()> {
        let settled = self
            .transaction
            .prepare_cached(
                "SELECT mails.id FROM mails JOIN parts ON parts.mail = mails.id \
                   LEFT JOIN reports ON reports.id = parts.report \
                 WHERE mails.hash = ? AND parts.outcome <> 'other' GROUP BY mails.id \
                 HAVING NOT max(parts.outcome IN ('refused', 'untrusted') \
                     OR (parts.outcome = 'report' AND (reports.active = 0 OR parts.rejected > 0))) \
                   OR EXISTS (SELECT 1 FROM kept WHERE kept.mail = mails.id AND name LIKE '%.eml')",
            )?
            .query_row([hash.as_slice()], |row| row.get(0))
            .optional()?;
        settled.map_or(Ok(()), |mail| self.pending(place, mail))
    }

    pub(super) fn segments(&self, staged: &Staged) -> rusqlite::Result<()> {
        let mut remove = self
            .transaction
            .prepare_cached("DELETE FROM segments WHERE kind = ? AND month = ? AND name = ?")?;
        for (partition, names) in &staged.removed {
            for name in names {
                remove.execute(params![partition.kind, partition.month, name])?;
            }
        }
        let mut add = self.transaction.prepare_cached(
            "INSERT OR REPLACE INTO segments (kind, month, name, rows, messages, bytes, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?;
        for (partition, segments) in &staged.added {
            for segment in segments {
                add.execute(params![
                    partition.kind,
                    partition.month,
                    segment.name,
                    segment.rows,
                    segment.messages,
                    segment.bytes,
                    segment.hash.as_slice()
                ])?;
            }
        }
        Ok(())
    }

    pub(super) fn kept(&self, kept: &Kept, mail: i64) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO kept (name, mail, bytes, hash) VALUES (?, ?, ?, ?)")?
            .execute(params![kept.name, mail, kept.bytes, kept.hash.as_slice()])?;
        Ok(())
    }

    /// Hosts of which the names are not known.
    pub(super) fn hosts(&self, hosts: &BTreeSet<IpAddr>) -> rusqlite::Result<()> {
        let mut add = self.transaction.prepare_cached("INSERT OR IGNORE INTO hosts (ip) VALUES (?)")?;
        for ip in hosts {
            add.execute([ip.to_string()])?;
        }
        Ok(())
    }

    /// A cursor only moves on, unless the folder was made anew.
    pub(super) fn cursor(&self, cursor: &Cursor) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "INSERT INTO cursors (mailbox, folder, uid_validity, next_uid) VALUES (?, ?, ?, ?) \
                 ON CONFLICT (mailbox, folder) DO UPDATE SET uid_validity = excluded.uid_validity, \
                 next_uid = CASE WHEN cursors.uid_validity = excluded.uid_validity \
                 THEN max(cursors.next_uid, excluded.next_uid) ELSE excluded.next_uid END",
            )?
            .execute(params![cursor.mailbox, cursor.folder, cursor.uid_validity, cursor.next_uid])?;
        Ok(())
    }
}
