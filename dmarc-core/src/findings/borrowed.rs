//! Keys of our own hosts that come through a service that sends for customers: each of its customers can send mail that we
//! signed once more through it, so the service vouches for nothing there.

use std::collections::{BTreeMap, BTreeSet};

use super::services::{Service, ServiceKind};
use super::signals::Signals;
use super::view::{Host, Place, authenticated_service, streams};
use super::weights;

/// Selectors of our own hosts, and where else they are used.
pub(super) struct OwnKeys<'o> {
    own: BTreeSet<&'o str>,
    /// The days on which a service used a selector.
    used: BTreeMap<(&'static str, &'o str), BTreeSet<i64>>,
}

impl<'o> OwnKeys<'o> {
    pub(super) fn new(hosts: &[Host<'o>]) -> Self {
        let own =
            streams(hosts).filter(|(host, _)| is_home(host)).flat_map(|(_, stream)| named(stream.signals));
        let mut keys = Self { own: own.collect(), used: BTreeMap::new() };
        for (host, stream) in streams(hosts) {
            let Some(service) = sender(host, stream.signals) else { continue };
            for key in named(stream.signals).filter(|key| keys.own.contains(key)) {
                let days = keys.used.entry((service.name.as_str(), key)).or_default();
                days.extend(stream.by_day().iter().map(|(day, _)| *day));
            }
        }
        keys
    }

    /// Whether mail of a service passes with nothing but keys of our own hosts, and the service has not used these for longer
    /// than a replay lasts. A reporter that leaves selectors out sees what others see of the host.
    pub(super) fn are_borrowed(&self, host: &Host<'o>, signals: &'o Signals) -> bool {
        let Some(service) = sender(host, signals) else { return false };
        let mut keys: Vec<&str> = named(signals).collect();
        if keys.is_empty() {
            keys = host.streams.iter().flat_map(|stream| named(stream.signals)).collect();
        }
        let is_borrowed = |key: &&str| {
            let used = self.used.get(&(service.name.as_str(), *key)).map_or(0, BTreeSet::len);
            self.own.contains(key) && used <= weights::REPLAY_DAYS
        };
        !keys.is_empty() && keys.iter().all(is_borrowed)
    }

    /// Whether that is so of all mail of the host that passes by DKIM.
    pub(super) fn are_all_borrowed(&self, host: &Host<'o>) -> bool {
        let mut signed = host.streams.iter().filter(|stream| stream.signals.dkim_aligned).peekable();
        signed.peek().is_some() && signed.all(|stream| self.are_borrowed(host, stream.signals))
    }
}

fn is_home(host: &Host<'_>) -> bool {
    host.place == Place::Own || host.is_ours_by_spf()
}

/// The service through which a stream comes that sends for customers.
fn sender(host: &Host<'_>, signals: &Signals) -> Option<&'static Service> {
    let service = host.service.or_else(|| authenticated_service(signals));
    service.filter(|service| service.kind == ServiceKind::Sender && !is_home(host))
}

fn named(signals: &Signals) -> impl Iterator<Item = &str> {
    signals.own_keys_passing.iter().map(String::as_str).filter(|key| !key.is_empty())
}
