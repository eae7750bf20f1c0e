//! What a host is called: its name in DNS, and whether the name leads back to it (forward-confirmed reverse DNS,
//! RFC 8601, Section 3).
//!
//! Anybody can give his own address any name, so only a confirmed name says whose host it is. What is found here holds
//! for the moment; whoever keeps it notes the date. What DNS did not answer is no fact and must not be kept as one.
//!
//! *Not supported:* telling which of several confirmed names is "the" name: the first in alphabetical order is taken,
//! so that the same answers give the same name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::Host;
use crate::dns::{Answer, Client, Resolver, Trouble};

/// How many names of an address are followed, in alphabetical order.
const MAX_NAMES: usize = 8;

/// What was found for many addresses: each is in one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Found {
    /// Facts: named hosts, and hosts without a name.
    pub hosts: Vec<(IpAddr, Host)>,
    /// Addresses about which nothing is known for now, and why.
    pub unknown: Vec<(IpAddr, Trouble)>,
}

/// Looks up one address. An IPv4-mapped address is taken for the IPv4 address in it.
///
/// # Errors
/// What kept DNS from answering: nothing is known about the host then.
pub fn look_up(resolver: &Resolver, address: IpAddr) -> Result<Host, Trouble> {
    // The names of the address, the addresses of a name, and as much again for names that lead nowhere.
    let budget = resolver.longest().saturating_mul(3);
    let Found { mut hosts, mut unknown } = look_up_many(resolver, [address], budget);
    match (hosts.pop(), unknown.pop()) {
        (Some((_, host)), _) => Ok(host),
        (None, trouble) => Err(trouble.map_or(Trouble::NoTime, |(_, trouble)| trouble)),
    }
}

/// Looks up each of the addresses, as many at once as `resolver` allows, for `budget` at most. What was not reached by
/// then is unknown. Both lists are in the order of addresses.
pub fn look_up_many(
    resolver: &Resolver,
    addresses: impl IntoIterator<Item = IpAddr>,
    budget: Duration,
) -> Found {
    let until = Instant::now().checked_add(budget);
    let addresses: BTreeSet<_> = addresses.into_iter().map(|address| address.to_canonical()).collect();
    let (send, results) = mpsc::channel();
    let work = look_up_all(resolver.client(), addresses.clone(), send);
    // Dropped with `results`: the work then ends with its next result.
    let _work = resolver.start(work);
    let mut reached = BTreeMap::new();
    while reached.len() < addresses.len() {
        let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
        let Ok((address, result)) = results.recv_timeout(left) else { break };
        reached.insert(address, result);
    }
    let mut found = Found::default();
    for address in addresses {
        match reached.remove(&address).unwrap_or(Err(Trouble::NoTime)) {
            Ok(host) => found.hosts.push((address, host)),
            Err(trouble) => found.unknown.push((address, trouble)),
        }
    }
    found
}

type Looked = (IpAddr, Result<Host, Trouble>);

async fn look_up_all(client: Arc<Client>, addresses: BTreeSet<IpAddr>, results: mpsc::Sender<Looked>) {
    let mut addresses = addresses.into_iter();
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < client.concurrency()
            && let Some(address) = addresses.next()
        {
            let client = Arc::clone(&client);
            under_way.spawn(async move { (address, host(&client, address).await) });
        }
        match under_way.join_next().await {
            None => return,
            Some(Ok(looked)) => {
                let Ok(()) = results.send(looked) else { return }; // nobody waits any more
            }
            // A panic: this address stays unknown.
            Some(Err(_)) => {}
        }
    }
}

/// A name whose addresses are not known for now leaves the host unknown: a later one may be the first that is confirmed.
async fn host(client: &Client, address: IpAddr) -> Result<Host, Trouble> {
    let mut names = match client.names_of(address).await {
        Answer::Found(names) => names,
        Answer::Absent => return Ok(Host::default()),
        Answer::Unknown(trouble) => return Err(trouble),
    };
    names.sort_unstable();
    names.dedup();
    for name in names.iter().take(MAX_NAMES) {
        match client.addresses(name, address).await {
            Answer::Found(addresses) if addresses.contains(&address) => {
                return Ok(Host { name: name.clone(), confirmed: true });
            }
            Answer::Unknown(trouble) => return Err(trouble),
            _ => {}
        }
    }
    Ok(Host { name: names.into_iter().next().unwrap_or_default(), confirmed: false })
}
