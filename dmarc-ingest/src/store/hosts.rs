//! What was found out about hosts, with its date: so that the same question has the same answer later.

use std::collections::HashMap;
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

/// Many hosts in little memory: 20 bytes for each, and its name once.
#[derive(Debug, Default)]
pub(super) struct HostTable {
    /// Sorted: address, and which of `names`.
    hosts: Vec<(IpKey, u32)>,
    /// Every different name, and whether it leads back.
    names: Vec<(Box<str>, bool)>,
    numbers: HashMap<(Box<str>, bool), u32>,
}

/// An address as bytes; those of version 4 as version 6 has them.
type IpKey = [u8; 16];

fn key(ip: IpAddr) -> IpKey {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

impl HostTable {
    /// Adds a host; [`sort`](Self::sort) when all are there.
    pub(super) fn push(&mut self, ip: IpAddr, name: &str, is_confirmed: bool) {
        let name: (Box<str>, bool) = (name.into(), is_confirmed);
        let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            next
        });
        self.hosts.push((key(ip), number));
    }

    pub(super) fn sort(&mut self) {
        self.numbers = HashMap::new();
        self.hosts.sort_unstable();
        self.hosts.shrink_to_fit();
    }

    pub(super) fn get(&self, ip: IpAddr) -> Option<Host> {
        let at = self.hosts.binary_search_by_key(&key(ip), |(ip, _)| *ip).ok()?;
        let (_, number) = self.hosts.get(at)?;
        let (name, confirmed) = self.names.get(*number as usize)?;
        Some(Host { name: name.to_string(), confirmed: *confirmed })
    }
}
