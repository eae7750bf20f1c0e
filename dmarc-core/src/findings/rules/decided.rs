//! What the operator decided.

use super::{Context, Verdict, own};
use crate::findings::class::Class;
use crate::findings::decision::{Decision, Status};
use crate::findings::weights;

/// Rule 2: a live decision says what the source is.
pub(super) fn by_operator(context: &Context<'_, '_>, decision: &Decision) -> Verdict {
    let class = class(decision.status, context.signals.is_pass());
    let verdict = Verdict::new(class, "decision", weights::DECIDED, why(decision.status));
    if class == Class::LegitBroken { verdict.with_cause(own::cause(context)) } else { verdict }
}

/// What mail of a source of this status is, that passes or fails.
pub(in crate::findings) fn class(status: Status, is_pass: bool) -> Class {
    match (status, is_pass) {
        (Status::Approved, true) => Class::Authorized,
        (Status::Approved, false) => Class::LegitBroken,
        (Status::Forwarder, true) => Class::ForwardedIntact,
        (Status::Forwarder, false) => Class::ForwardedModified,
        (Status::Blocked, _) => Class::UnauthorizedSpoof,
    }
}

/// The decision in words.
pub(in crate::findings) fn why(status: Status) -> &'static str {
    match status {
        Status::Approved => "the operator decided that it sends for us",
        Status::Forwarder => "the operator decided that it passes our mail on",
        Status::Blocked => "the operator decided that it may not send as us",
    }
}
