//! Whose source a stream is: what an analyst decides about at once.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// The prefix of an address that stands for a network.
const V4_PREFIX: u8 = 24;
const V6_PREFIX: u8 = 48;

/// What makes hosts one source. As text it is part of the id of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key<'v> {
    /// Hosts of ours.
    Own,
    /// A service of the catalogue.
    Service(&'v str),
    /// The organizational domain of confirmed names.
    Host(&'v str),
    /// The organizational domain that authenticated.
    Authenticated(&'v str),
    /// A network of hosts that nothing is known about.
    Network(IpNet),
    /// Addresses that reporters hide.
    Masked,
    /// Many tiny hosts that do the same on the same days, from this Author Domain.
    Campaign(&'v str),
    /// Networks that nothing is known about, each with a small part of it, from this Author Domain.
    Scattered(&'v str),
    /// Hosts that send what we signed once more.
    Replay,
    /// Too little to say anything.
    Insufficient,
}

impl Key<'_> {
    /// The network of an address.
    pub(super) fn network(ip: Option<IpAddr>) -> Self {
        let prefix = if ip.is_some_and(|ip| ip.is_ipv4()) { V4_PREFIX } else { V6_PREFIX };
        let network = ip.and_then(|ip| IpNet::new(ip, prefix).ok());
        network.map_or(Self::Masked, |network| Self::Network(network.trunc()))
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("own"),
            Self::Service(name) => write!(f, "service:{name}"),
            Self::Host(domain) => write!(f, "host:{domain}"),
            Self::Authenticated(domain) => write!(f, "auth:{domain}"),
            Self::Network(network) => write!(f, "net:{network}"),
            Self::Masked => f.write_str("masked"),
            Self::Campaign(from) => write!(f, "campaign:{from}"),
            Self::Scattered(from) => write!(f, "scattered:{from}"),
            Self::Replay => f.write_str("replay"),
            Self::Insufficient => f.write_str("insufficient"),
        }
    }
}
