//! What was found out about hosts, with its date: so that the same question has the same answer later.

use std::net::IpAddr;

use rusqlite::params;

use super::Dataset;
use super::commit::now;
use super::error::DatasetError;
use crate::enrich::Host;

/// How long after a try in vain a host is asked for again, in seconds.
const AGAIN_SECONDS: i64 = 3_600;

impl Dataset {
    /// Hosts in reports about which nothing is known, `most` of them, in the order of their text.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn unknown_hosts(&self, most: usize) -> Result<Vec<IpAddr>, DatasetError> {
        let texts: Vec<String> = self.ledger.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT ip FROM hosts WHERE at IS NULL AND tried < ? ORDER BY tried, ip LIMIT ?",
                )?
                .query_map(params![now() - AGAIN_SECONDS, most], |row| row.get(0))?
                .collect()
        })?;
        Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// Notes what was found out about hosts, and which were asked for in vain.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn note_hosts(&mut self, found: &[(IpAddr, Host)], in_vain: &[IpAddr]) -> Result<(), DatasetError> {
        let at = now();
        self.ledger.write(|transaction| {
            let mut note = transaction.prepare_cached(
                "UPDATE hosts SET name = ?, confirmed = ?, at = ? WHERE ip = ? AND at IS NULL",
            )?;
            for (ip, host) in found {
                let name = Some(&host.name).filter(|name| !name.is_empty());
                note.execute(params![name, host.confirmed, at, ip.to_string()])?;
            }
            let mut tried = transaction.prepare_cached("UPDATE hosts SET tried = ? WHERE ip = ?")?;
            for ip in in_vain {
                tried.execute(params![at, ip.to_string()])?;
            }
            Ok(())
        })
    }
}
