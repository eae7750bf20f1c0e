//! Decisions of the operator: what a source is, said by somebody who knows, for a time.
//!
//! A decision replaces what the rules would say and never hides the counts. It is believed until it expires, as of the last
//! day that the reports of a domain cover, so that a run over the same reports gives the same findings whenever it is made.

use std::net::IpAddr;

use ipnet::IpNet;

use super::HostName;
use super::view::{Host, Place};
use crate::domain::{is_at_or_below, organizational};

/// What an operator decided about a source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Decision {
    /// What the source is.
    pub status: Status,
    /// Which source.
    pub subject: Subject,
    /// The domain that it is about, in normal form, and what is below it; all if `None`.
    pub domain: Option<String>,
    /// Who decided.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Until when it is believed: seconds since the Unix epoch, UTC, exclusive.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::finding::rfc3339"))]
    pub expires: i64,
}

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Status {
    /// Sends for the owner.
    Approved,
    /// Sends without authorisation.
    Blocked,
    /// Passes mail of the owner on.
    Forwarder,
}

impl Status {
    /// The name of the value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Blocked => "blocked",
            Self::Forwarder => "forwarder",
        }
    }
}

/// Which source a decision is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Subject {
    /// The source of a finding, by the id of the finding.
    Finding(String),
    /// Hosts of a service of the catalogue, by their confirmed names.
    Service(String),
    /// Hosts whose confirmed names are at or below this.
    Host(String),
    /// Hosts in a network.
    Network(IpNet),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Finding(text) | Self::Service(text) | Self::Host(text) => f.write_str(text),
            Self::Network(network) => network.fmt(f),
        }
    }
}

impl Subject {
    /// Whether `host` is meant. That of a finding is not told by its host.
    pub(super) fn is_about(&self, host: &Host<'_>) -> bool {
        match (self, &host.facts.name) {
            (Self::Network(network), _) => host.ip.is_some_and(|ip: IpAddr| network.contains(&ip)),
            (Self::Service(service), _) => matches!(host.place, Place::Service(name) if name == service),
            (Self::Host(parent), HostName::Confirmed(name)) => is_at_or_below(name, parent),
            _ => false,
        }
    }
}

impl Decision {
    /// A decision about a source of every domain.
    #[must_use]
    pub fn new(status: Status, subject: Subject, owner: String, reason: String, expires: i64) -> Self {
        Self { status, subject, domain: None, owner, reason, expires }
    }

    /// Whether it is about sources of the Organizational Domain `domain`.
    pub(super) fn concerns(&self, domain: &str) -> bool {
        self.domain.as_deref().is_none_or(|own| organizational(own) == domain)
    }

    /// Whether it is about mail of `host` from the Author Domain `from`.
    pub(super) fn matches(&self, host: &Host<'_>, from: &str) -> bool {
        let is_from = self.domain.as_deref().is_none_or(|domain| is_at_or_below(from, domain));
        is_from && self.subject.is_about(host)
    }
}
