//! The rules in their order: the first that matches decides. Whatever none decides is scored.
//!
//! A report that is untrusted or in conflict is set aside before (rule 1).

mod aligned;
mod decided;
mod indirect;
mod own;
mod third_party;

pub(super) use decided::{class as decided_class, why as decided_why};

use super::class::Class;
use super::decision::Decision;
use super::observed::Stream;
use super::signals::Signals;
use super::view::{DomainView, Host};

/// One stream, with all that a rule may look at.
pub(super) struct Context<'v, 'r> {
    pub(super) view: &'v DomainView<'r>,
    pub(super) host: &'v Host<'r>,
    pub(super) signals: &'v Signals,
    pub(super) stream: &'v Stream<'r>,
}

/// What a rule says.
pub(super) struct Verdict {
    pub(super) class: Class,
    /// Which rule said it; part of the id.
    pub(super) rule: &'static str,
    /// What tells one cause from another inside a class; part of the id.
    pub(super) cause: &'static str,
    /// How sure, before caps.
    pub(super) confidence: u8,
    /// Why, in words.
    pub(super) why: &'static str,
}

impl Verdict {
    fn new(class: Class, rule: &'static str, confidence: u8, why: &'static str) -> Self {
        Self { class, rule, cause: "", confidence, why }
    }

    fn with_cause(self, cause: &'static str) -> Self {
        Self { cause, ..self }
    }
}

/// The order of findings: aligned passes first, then what only a receiver or the owner can attest, then inference.
const RULES: [fn(&Context<'_, '_>) -> Option<Verdict>; 6] = [
    aligned::by_spf,
    aligned::by_dkim_only,
    indirect::by_override,
    own::by_signal_no_outsider_can_make,
    indirect::by_resigner,
    third_party::by_own_authentication,
];

/// The verdict of the operator or of the first rule that matches.
pub(super) fn judge(context: &Context<'_, '_>, decision: Option<&Decision>) -> Option<Verdict> {
    match decision {
        Some(decision) => Some(decided::by_operator(context, decision)),
        None => RULES.iter().find_map(|rule| rule(context)),
    }
}
