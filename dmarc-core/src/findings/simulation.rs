//! What a candidate record would have done to the mail that reports are about (RFC 9989, Section 4.7): by source, as a range.
//!
//! The upper bound is all failing mail under a policy that enforces. The lower bound leaves out what receivers delivered for a
//! reason of their own: they may do so again. What the reports do not tell is named, not guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::Known;
use super::assemble::sources;
use super::class::Class;
use super::cluster::judged;
use super::decision::Subject;
use super::observed::{Observed, Stream};
use super::signals::Match;
use super::view::{DomainView, Host};
use crate::domain::is_at_or_below;

/// A record that might be published, or what might go wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// What it asks for.
    pub policy: CandidatePolicy,
    /// Selectors whose keys are gone.
    pub lost_selectors: BTreeSet<String>,
    /// Hosts that SPF covers no more.
    pub lost_spf: Vec<Subject>,
}

/// The tags of a DMARC record that decide what happens to mail (RFC 9989, Section 4.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CandidatePolicy {
    /// `p`.
    pub p: Action,
    /// `sp`; as `p` where absent.
    pub sp: Option<Action>,
    /// `np`; as `sp` where absent.
    pub np: Option<Action>,
    /// `adkim=s`.
    pub is_dkim_strict: bool,
    /// `aspf=s`.
    pub is_spf_strict: bool,
    /// `t=y`: each policy is taken for the next weaker one.
    pub is_testing: bool,
}

/// What a policy asks for. A greater value is stricter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Deliver.
    #[default]
    None,
    /// Treat as suspicious.
    Quarantine,
    /// Reject.
    Reject,
}

impl Action {
    /// The word in a record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    /// Under `t=y`.
    fn weaker(self) -> Self {
        if self == Self::Reject { Self::Quarantine } else { Self::None }
    }
}

/// Why a text is no candidate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{tag}: expected {expected}")]
pub struct CandidateError {
    tag: String,
    expected: &'static str,
}

impl FromStr for CandidatePolicy {
    type Err = CandidateError;

    /// Reads the tags of a record: `p=reject; adkim=s`. Tags that decide nothing about mail are passed over.
    fn from_str(record: &str) -> Result<Self, CandidateError> {
        let mut policy = Self::default();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for part in record.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (tag, value) =
                part.split_once('=').map_or((part, ""), |(tag, value)| (tag.trim(), value.trim()));
            let (tag, value) = (tag.to_ascii_lowercase(), value.to_ascii_lowercase());
            policy.set(&tag, &value).map_err(|expected| CandidateError { tag: part.to_owned(), expected })?;
            if !seen.insert(tag) {
                return Err(CandidateError { tag: part.to_owned(), expected: "each tag once" });
            }
        }
        if seen.contains("p") {
            Ok(policy)
        } else {
            Err(CandidateError {
                tag: record.trim().to_owned(),
                expected: "the tag p, as in \"p=reject; adkim=s\"",
            })
        }
    }
}

impl CandidatePolicy {
    fn set(&mut self, tag: &str, value: &str) -> Result<(), &'static str> {
        match tag {
            "p" => self.p = action(value)?,
            "sp" => self.sp = Some(action(value)?),
            "np" => self.np = Some(action(value)?),
            "adkim" => self.is_dkim_strict = mode(value)?,
            "aspf" => self.is_spf_strict = mode(value)?,
            "t" => self.is_testing = flag(value)?,
            "v" | "psd" | "fo" | "rf" | "ri" | "rua" | "ruf" => {}
            "pct" => return Err("no pct: receivers of RFC 9989 ignore it, use t=y"),
            _ => return Err("the tags p, sp, np, adkim, aspf and t"),
        }
        Ok(())
    }

    /// What it asks for about mail from `from`, where its domain is `domain`: at least and at most. A sub-domain that does not
    /// exist is under `np`, and the reports do not tell which does.
    fn action(self, from: &str, domain: &str) -> (Action, Action) {
        let sp = self.sp.unwrap_or(self.p);
        let np = self.np.unwrap_or(sp);
        let (least, most) = if from == domain { (self.p, self.p) } else { (sp.min(np), sp.max(np)) };
        if self.is_testing { (least.weaker(), most.weaker()) } else { (least, most) }
    }
}

fn action(word: &str) -> Result<Action, &'static str> {
    let known = [Action::None, Action::Quarantine, Action::Reject];
    known.into_iter().find(|action| action.as_str() == word).ok_or("none, quarantine or reject")
}

fn mode(word: &str) -> Result<bool, &'static str> {
    match word {
        "r" => Ok(false),
        "s" => Ok(true),
        _ => Err("r or s"),
    }
}

fn flag(word: &str) -> Result<bool, &'static str> {
    match word {
        "y" => Ok(true),
        "n" => Ok(false),
        _ => Err("y or n"),
    }
}

/// What a candidate would have done to the mail of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Simulated {
    /// The Organizational Domain.
    pub domain: String,
    /// The id of the finding that the source is.
    pub id: String,
    /// The source.
    pub source: String,
    /// What the source is.
    pub class: Class,
    /// Messages.
    pub messages: u64,
    /// Messages that passed DMARC as it was.
    pub dmarc_pass: u64,
    /// Messages that would have passed.
    pub would_pass: u64,
    /// Messages that would have been quarantined: at least and at most.
    pub quarantined: (u64, u64),
    /// Messages that would have been rejected: at least and at most.
    pub rejected: (u64, u64),
    /// What the reports do not tell.
    pub unknown: BTreeSet<&'static str>,
}

/// What `candidate` would have done, by source; the most affected first.
pub fn simulate(observed: &Observed, known: &Known<'_>, candidate: &Candidate) -> Vec<Simulated> {
    let view = DomainView::new(observed, known);
    let subdomains = observed.policy_subdomains();
    let judged = judged(&view);
    let mut simulated: BTreeMap<String, Simulated> = BTreeMap::new();
    for (finding, members) in sources(&view, &judged) {
        let one = simulated.entry(finding.id.clone()).or_insert_with(|| Simulated {
            domain: finding.domain,
            id: finding.id,
            source: finding.source.name,
            class: finding.class,
            messages: 0,
            dmarc_pass: 0,
            would_pass: 0,
            quarantined: (0, 0),
            rejected: (0, 0),
            unknown: BTreeSet::new(),
        });
        for member in members {
            let is_governed_below = subdomains.iter().any(|below| is_at_or_below(member.stream.from, below));
            let is_lost = candidate.lost_spf.iter().any(|lost| lost.is_about(member.host));
            one.add(candidate, view.domain, (member.host, member.stream), is_lost, is_governed_below);
        }
    }
    let mut simulated: Vec<Simulated> = simulated.into_values().collect();
    simulated.sort_by_key(|one| (std::cmp::Reverse((one.enforced(), one.messages)), one.id.clone()));
    simulated
}

impl Simulated {
    /// Messages that would have been quarantined or rejected, at most.
    pub fn enforced(&self) -> u64 {
        self.quarantined.1.saturating_add(self.rejected.1)
    }

    fn add(
        &mut self,
        candidate: &Candidate,
        domain: &str,
        (host, stream): (&Host<'_>, &Stream<'_>),
        is_lost: bool,
        is_governed_below: bool,
    ) {
        let messages = stream.messages();
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.messages, messages);
        add(&mut self.dmarc_pass, if stream.signals.is_pass() { messages } else { 0 });
        if is_governed_below {
            self.unknown.insert("a sub-domain has a record of its own: nothing changes for its mail");
            return;
        }
        let outcome = outcome(candidate, stream, is_lost);
        if outcome == Outcome::Unshown {
            self.unknown.insert(
                "a reporter says that it passed and does not show by what: counted from nothing to all",
            );
        }
        if outcome == Outcome::Pass {
            return add(&mut self.would_pass, messages);
        }
        if host.ip.is_none() && !candidate.lost_spf.is_empty() {
            self.unknown.insert("a reporter hides addresses: whether SPF would be lost is not known");
        }
        let (least, most) = candidate.policy.action(stream.from, domain);
        if least != most {
            self.unknown.insert("whether the sub-domain exists: sp or np");
        }
        // What was delivered for a reason of the receiver's may be so again, and what is not shown may pass.
        let sure = if outcome == Outcome::Unshown { 0 } else { messages.saturating_sub(stream.overridden()) };
        for (action, sum) in
            [(Action::Quarantine, &mut self.quarantined), (Action::Reject, &mut self.rejected)]
        {
            if least == action && most == action {
                add(&mut sum.0, sure);
            }
            if least == action || most == action {
                add(&mut sum.1, messages);
            }
        }
    }
}

/// What becomes of mail under a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Pass,
    Fail,
    /// The reporter says that it passed, and does not show the results.
    Unshown,
}

fn outcome(candidate: &Candidate, stream: &Stream<'_>, is_lost: bool) -> Outcome {
    let signals = stream.signals;
    let least = |is_strict| if is_strict { Match::Strict } else { Match::Relaxed };
    let has_key = signals.own_keys_passing.is_empty()
        || signals.own_keys_passing.iter().any(|selector| !candidate.lost_selectors.contains(selector));
    let dkim = has_key && signals.dkim_match >= least(candidate.policy.is_dkim_strict);
    let spf = !is_lost && signals.spf_match >= least(candidate.policy.is_spf_strict);
    if dkim || spf {
        return Outcome::Pass;
    }
    let is_unshown = (signals.dkim_aligned && signals.dkim_match == Match::No)
        || (signals.spf_aligned && signals.spf_match == Match::No && !is_lost);
    if is_unshown { Outcome::Unshown } else { Outcome::Fail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_record_and_refuses_what_it_does_not_know() {
        let policy: CandidatePolicy =
            "v=DMARC1; P=Reject;sp=none ; aspf = s; t=y; rua=mailto:x@y".parse().unwrap();
        assert_eq!((policy.p, policy.sp, policy.np), (Action::Reject, Some(Action::None), None));
        assert!(policy.is_spf_strict && !policy.is_dkim_strict && policy.is_testing);
        for text in ["", "sp=none", "p=maybe", "p=none; p=none", "p=none; adkim=x", "p=none; pct=50", "p"] {
            assert!(text.parse::<CandidatePolicy>().is_err(), "{text}");
        }
    }

    #[test]
    fn asks_sub_domains_by_sp_and_np_and_less_under_testing() {
        let policy: CandidatePolicy = "p=reject; sp=quarantine; np=reject".parse().unwrap();
        assert_eq!(policy.action("a.example", "a.example"), (Action::Reject, Action::Reject));
        assert_eq!(policy.action("x.a.example", "a.example"), (Action::Quarantine, Action::Reject));
        let testing = CandidatePolicy { is_testing: true, ..policy };
        assert_eq!(testing.action("x.a.example", "a.example"), (Action::None, Action::Quarantine));
    }
}
