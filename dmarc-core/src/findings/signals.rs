//! The authentication signature of a record: everything that tells one cause from another, and nothing that is chance.

use std::collections::BTreeSet;

use super::services::is_own_tenant;
use crate::domain::{organizational, same_organization};
use crate::model::aggregate::{PolicyOverride, SpfScope};
use crate::model::auth::{DkimResultCode, SpfResultCode};
use crate::record::FlatRecord;

/// What a record says about authentication, without what is chance in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Signals {
    pub(super) spf_aligned: bool,
    pub(super) dkim_aligned: bool,
    /// Selectors of signatures in our name that passed; empty text where the reporter left the selector out.
    pub(super) own_keys_passing: BTreeSet<String>,
    /// Of these, selectors of signatures by the Author Domain itself: enough in strict mode.
    pub(super) strict_keys: BTreeSet<String>,
    /// Selectors of signatures in our name that failed.
    pub(super) own_keys_failing: BTreeSet<String>,
    /// Organizational domains other than ours that signed, by DKIM. A signature travels with a replayed message.
    pub(super) signed_as: BTreeSet<String>,
    /// Organizational domains other than ours that the host sends for, by SPF.
    pub(super) sent_as: BTreeSet<String>,
    /// A pass with the mark of our own tenant at a service.
    pub(super) own_tenant: bool,
    /// What the reporter believes about the way the mail took.
    pub(super) indirect: Indirect,
    /// DNS errors kept the reporter from a verdict.
    pub(super) dns_error: bool,
    /// How close a domain that DKIM authenticated is to the Author Domain, by the raw results.
    pub(super) dkim_match: Match,
    /// The same of SPF.
    pub(super) spf_match: Match,
}

/// What the reporter believes about the way the mail took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Indirect {
    #[default]
    No,
    /// `local_policy` with a comment that ARC passed: weak.
    ArcPass,
    /// A list or a forwarder.
    ListOrForwarder,
}

/// How close an authenticated domain is to the Author Domain (RFC 9989, Section 4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Match {
    /// Not at all.
    #[default]
    No,
    /// Of the same Organizational Domain: enough in relaxed mode.
    Relaxed,
    /// The same domain: enough in strict mode.
    Strict,
}

impl Signals {
    /// The signature of a record about the Organizational Domain `domain`.
    pub(super) fn of(record: &FlatRecord, domain: &str) -> Self {
        let mut signals =
            SignalsBuilder::new(domain, &record.header_from, record.spf_aligned, record.dkim_aligned);
        for dkim in &record.auth_results.dkim {
            signals.dkim(dkim.domain.as_str(), dkim.selector.as_deref(), dkim.result.as_str());
        }
        for spf in &record.auth_results.spf {
            let scope = spf.scope.as_ref().map(SpfScope::as_str);
            signals.spf(spf.domain.as_str(), scope, spf.result.as_str());
        }
        for reason in &record.reasons {
            signals
                .reason(reason.kind.as_str(), reason.comment.as_ref().map(|comment| comment.text.as_ref()));
        }
        signals.build()
    }

    pub(super) fn is_pass(&self) -> bool {
        self.spf_aligned || self.dkim_aligned
    }
}

/// Takes the words of a record, wherever it is stored.
pub(crate) struct SignalsBuilder<'a> {
    domain: &'a str,
    header_from: &'a str,
    signals: Signals,
}

impl<'a> SignalsBuilder<'a> {
    /// A record from `header_from` about the Organizational Domain `domain`.
    pub(crate) fn new(domain: &'a str, header_from: &'a str, spf_aligned: bool, dkim_aligned: bool) -> Self {
        Self { domain, header_from, signals: Signals { spf_aligned, dkim_aligned, ..Signals::default() } }
    }

    /// A DKIM result.
    pub(crate) fn dkim(&mut self, signer: &str, selector: Option<&str>, result: &str) {
        let passed = DkimResultCode::new(result) == DkimResultCode::Pass;
        let signals = &mut self.signals;
        if passed {
            signals.dkim_match = signals.dkim_match.max(closeness(signer, self.header_from));
        }
        let organization = organizational(signer);
        if organization == self.domain {
            let keys = if passed { &mut signals.own_keys_passing } else { &mut signals.own_keys_failing };
            keys.insert(selector.unwrap_or_default().to_owned());
            if passed && signer == self.header_from {
                signals.strict_keys.insert(selector.unwrap_or_default().to_owned());
            }
        } else if passed {
            signals.own_tenant |= is_own_tenant(signer, self.domain);
            signals.signed_as.insert(organization.to_owned());
        }
    }

    /// An SPF result. One of HELO counts for DMARC only where the reverse-path was null, and the reporter knows.
    pub(crate) fn spf(&mut self, checked: &str, scope: Option<&str>, result: &str) {
        let signals = &mut self.signals;
        let result = SpfResultCode::new(result);
        signals.dns_error |= result == SpfResultCode::TempError;
        if result != SpfResultCode::Pass {
            return;
        }
        let is_helo = scope.is_some_and(|scope| SpfScope::new(scope) == SpfScope::Helo);
        if !is_helo || signals.spf_aligned {
            signals.spf_match = signals.spf_match.max(closeness(checked, self.header_from));
        }
        let organization = organizational(checked);
        if organization != self.domain && !organization.is_empty() {
            signals.sent_as.insert(organization.to_owned());
        }
    }

    /// Why the receiver did other than the policy asks.
    pub(crate) fn reason(&mut self, kind: &str, comment: Option<&str>) {
        let indirect = match PolicyOverride::new(kind) {
            PolicyOverride::MailingList | PolicyOverride::TrustedForwarder | PolicyOverride::Forwarded => {
                Indirect::ListOrForwarder
            }
            PolicyOverride::LocalPolicy if comment.is_some_and(|text| text.contains("arc=pass")) => {
                Indirect::ArcPass
            }
            _ => Indirect::No,
        };
        self.signals.indirect = self.signals.indirect.max(indirect);
    }

    /// The signature.
    pub(crate) fn build(self) -> Signals {
        self.signals
    }
}

fn closeness(authenticated: &str, header_from: &str) -> Match {
    if authenticated.is_empty() || !same_organization(authenticated, header_from) {
        Match::No
    } else if authenticated == header_from {
        Match::Strict
    } else {
        Match::Relaxed
    }
}
