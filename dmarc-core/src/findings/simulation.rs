//! What a candidate record would have done to the mail that reports are about (RFC 9989, Section 4.7): by source, as a range.
//!
//! The upper bound is all failing mail under a policy that enforces. The lower bound leaves out what receivers delivered for a
//! reason of their own: they may do so again; and mail of which the reports do not tell whether it would pass. What they do
//! not tell is named, not guessed.

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
    /// Messages that would have passed, at least.
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
            if is_governed_below {
                one.add_governed_below(candidate, member.host, member.stream);
            } else {
                one.add(candidate, view.domain, member.host, member.stream);
            }
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

    fn add(&mut self, candidate: &Candidate, domain: &str, host: &Host<'_>, stream: &Stream<'_>) {
        self.add_reported(stream);
        let outcome = outcome(candidate, host, stream);
        add(&mut self.would_pass, outcome.passing);
        let rest = stream.messages().saturating_sub(outcome.passing);
        if rest == 0 {
            return;
        }
        let (least, most) = candidate.policy.action(stream.from, domain);
        if least != most {
            self.unknown.insert("whether the sub-domain exists: sp or np");
        }
        // What was delivered for a reason of the receiver's may be so again, and what is not told may pass.
        let sure = if outcome.unknown.is_empty() { rest.saturating_sub(stream.overridden()) } else { 0 };
        self.unknown.extend(outcome.unknown);
        for (action, sum) in
            [(Action::Quarantine, &mut self.quarantined), (Action::Reject, &mut self.rejected)]
        {
            if least == action && most == action {
                add(&mut sum.0, sure);
            }
            if least == action || most == action {
                add(&mut sum.1, rest);
            }
        }
    }

    /// Mail of a sub-domain that has a record of its own, which decides about it as it did.
    fn add_governed_below(&mut self, candidate: &Candidate, host: &Host<'_>, stream: &Stream<'_>) {
        self.add_reported(stream);
        self.unknown.insert("a sub-domain has a record of its own: nothing changes for its mail");
        if !stream.signals.is_pass() {
            return;
        }
        let is_lost = candidate.loses_something() && outcome(&candidate.relaxed(), host, stream).passing == 0;
        if is_lost {
            self.unknown
                .insert("what the record of a sub-domain does to its mail that would not pass any more");
        } else {
            add(&mut self.would_pass, stream.messages());
        }
    }

    /// What was reported.
    fn add_reported(&mut self, stream: &Stream<'_>) {
        add(&mut self.messages, stream.messages());
        add(&mut self.dmarc_pass, if stream.signals.is_pass() { stream.messages() } else { 0 });
    }
}

impl Candidate {
    fn loses_something(&self) -> bool {
        !self.lost_selectors.is_empty() || !self.lost_spf.is_empty()
    }

    /// The same losses, under a record that asks for no strict alignment.
    fn relaxed(&self) -> Self {
        let policy = CandidatePolicy { is_dkim_strict: false, is_spf_strict: false, ..self.policy };
        Self { policy, ..self.clone() }
    }
}

fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

/// What becomes of mail under a candidate.
struct Outcome {
    /// Messages that pass for sure.
    passing: u64,
    /// Why it is not sure that the others do not.
    unknown: Vec<&'static str>,
}

/// Whether a mechanism would pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chance {
    No,
    /// The reports do not tell, and why.
    Unknown(&'static str),
    Yes,
}

const UNSHOWN: &str = "a reporter says that it passed and does not show by what: counted from nothing to all";
const DISAGREES: &str =
    "a reporter says that it failed and shows results that pass: counted from nothing to all";
const NO_SELECTOR: &str = "a reporter leaves selectors out: whether the key would be lost is not known";
const MASKED: &str = "a reporter hides addresses: whether SPF would be lost is not known";
const NOT_LOOKED_UP: &str = "hosts were not looked up: whether SPF would be lost is not known";

fn outcome(candidate: &Candidate, host: &Host<'_>, stream: &Stream<'_>) -> Outcome {
    let chances = [dkim(candidate, stream), spf(candidate, host, stream)];
    if chances.contains(&Chance::Yes) {
        return Outcome { passing: stream.messages(), unknown: Vec::new() };
    }
    let unknown = chances.into_iter().filter_map(|chance| match chance {
        Chance::Unknown(why) => Some(why),
        _ => None,
    });
    let unknown: Vec<&str> = unknown.collect();
    // Only some of the records may be those that contradict themselves.
    let is_doubted_only = unknown.contains(&DISAGREES);
    let agreeing = stream.messages().saturating_sub(stream.disagreeing());
    Outcome { passing: if is_doubted_only { agreeing } else { 0 }, unknown }
}

/// What is enough to align.
fn least(is_strict: bool) -> Match {
    if is_strict { Match::Strict } else { Match::Relaxed }
}

fn dkim(candidate: &Candidate, stream: &Stream<'_>) -> Chance {
    let (signals, is_strict) = (stream.signals, candidate.policy.is_dkim_strict);
    if signals.dkim_match < least(is_strict) {
        return unshown(signals.dkim_aligned && signals.dkim_match == Match::No);
    }
    let keys = if is_strict { &signals.strict_keys } else { &signals.own_keys_passing };
    let mut left = keys.iter().filter(|key| !candidate.lost_selectors.contains(*key)).peekable();
    let is_sure = candidate.lost_selectors.is_empty() || keys.is_empty();
    if !is_sure && left.peek().is_none() {
        Chance::No
    } else if !is_sure && left.all(String::is_empty) {
        Chance::Unknown(NO_SELECTOR)
    } else {
        passes(signals.dkim_aligned, stream)
    }
}

fn spf(candidate: &Candidate, host: &Host<'_>, stream: &Stream<'_>) -> Chance {
    let signals = stream.signals;
    let lost = lost_spf(candidate, host);
    if lost == Chance::Yes {
        return Chance::No;
    }
    if signals.spf_match < least(candidate.policy.is_spf_strict) {
        return unshown(signals.spf_aligned && signals.spf_match == Match::No);
    }
    if lost == Chance::No { passes(signals.spf_aligned, stream) } else { lost }
}

/// Whether SPF would cover the host no more.
fn lost_spf(candidate: &Candidate, host: &Host<'_>) -> Chance {
    let lost = &candidate.lost_spf;
    let by_name = |lost: &Subject| matches!(lost, Subject::Service(_) | Subject::Host(_));
    if lost.iter().any(|lost| lost.is_about(host)) {
        Chance::Yes
    } else if host.ip.is_none() && !lost.is_empty() {
        Chance::Unknown(MASKED)
    } else if host.is_not_looked_up() && lost.iter().any(by_name) {
        Chance::Unknown(NOT_LOOKED_UP)
    } else {
        Chance::No
    }
}

/// The reporter says that it passed, and does not show the results.
fn unshown(is_unshown: bool) -> Chance {
    if is_unshown { Chance::Unknown(UNSHOWN) } else { Chance::No }
}

/// The raw results align. Where the reporter says that they do not, and the record that it found does not explain it, it may
/// know better.
fn passes(is_aligned: bool, stream: &Stream<'_>) -> Chance {
    if is_aligned || stream.disagreeing() == 0 { Chance::Yes } else { Chance::Unknown(DISAGREES) }
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
