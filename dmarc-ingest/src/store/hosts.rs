//! What was found out about hosts, with its date: so that the same question has the same answer later.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
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

/// Many hosts in little memory: 8 bytes for each of IP version 4, 32 for each other, and its name once.
#[derive(Debug, Default)]
pub(super) struct HostTable {
    /// Sorted: address, and which of `names`.
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u32)>,
    /// Every different name, and whether it leads back.
    names: Vec<(Arc<str>, bool)>,
    /// The numbers of names that lead back, and of those that do not; until all hosts are there.
    numbers: [HashMap<Arc<str>, u32, RandomState>; 2],
}

impl HostTable {
    /// Adds a host; [`finish`](Self::finish) when all are there.
    pub(super) fn push(&mut self, ip: IpAddr, name: &str, is_confirmed: bool) {
        let number = self.number(name, is_confirmed);
        match ip {
            IpAddr::V4(ip) => self.v4.push((ip.to_bits(), number)),
            IpAddr::V6(ip) => self.v6.push((ip.to_bits(), number)),
        }
    }

    fn number(&mut self, name: &str, is_confirmed: bool) -> u32 {
        let [confirmed, others] = &mut self.numbers;
        let numbers = if is_confirmed { confirmed } else { others };
        if let Some(number) = numbers.get(name) {
            return *number;
        }
        let (name, number): (Arc<str>, u32) = (name.into(), count(&self.names));
        self.names.push((Arc::clone(&name), is_confirmed));
        numbers.insert(name, number);
        number
    }

    /// All hosts of some tables.
    pub(super) fn finish(tables: Vec<Self>) -> Self {
        let mut all = Self::default();
        for table in tables {
            let first = count(&all.names);
            all.v4.extend(table.v4.into_iter().map(|(ip, number)| (ip, number.saturating_add(first))));
            all.v6.extend(table.v6.into_iter().map(|(ip, number)| (ip, number.saturating_add(first))));
            all.names.extend(table.names);
        }
        all.v4.sort_unstable();
        all.v6.sort_unstable();
        all.v4.shrink_to_fit();
        all
    }

    pub(super) fn get(&self, ip: IpAddr) -> Option<Host> {
        let number = match ip {
            IpAddr::V4(ip) => number_of(&self.v4, ip.to_bits()),
            IpAddr::V6(ip) => number_of(&self.v6, ip.to_bits()),
        }?;
        let (name, confirmed) = self.names.get(number as usize)?;
        Some(Host { name: name.to_string(), confirmed: *confirmed })
    }
}

fn number_of<K: Ord + Copy>(sorted: &[(K, u32)], key: K) -> Option<u32> {
    let at = sorted.binary_search_by_key(&key, |(known, _)| *known).ok()?;
    sorted.get(at).map(|(_, number)| *number)
}

/// Memory ends long before there are more.
fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}
