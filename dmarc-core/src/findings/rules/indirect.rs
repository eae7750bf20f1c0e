//! Mail of ours that a list, gateway or forwarder changed.

use super::{Context, Verdict};
use crate::domain::organizational;
use crate::findings::class::Class;
use crate::findings::signals::Indirect;
use crate::findings::{HostName, weights};

/// Rule 5: the receiver says that it came through a list or forwarder. ARC alone is weak: it needs a host that is known
/// to forward, or two receivers that accepted it beside a broken signature of ours.
pub(super) fn by_override(context: &Context<'_, '_>) -> Option<Verdict> {
    let reported = |confidence, why| Verdict::new(Class::ForwardedModified, "modified", confidence, why);
    match context.signals.indirect {
        Indirect::ListOrForwarder => Some(reported(
            weights::REPORTED_FORWARDER,
            "the receiver says that it came through a list or forwarder",
        )),
        Indirect::ArcPass if is_known_to_forward(context) || is_accepted_twice(context) => {
            Some(reported(weights::ACCEPTED_ARC, "receivers accepted ARC, which a list or forwarder added"))
        }
        _ => None,
    }
}

/// Rule 7: our signature is there but broken, and whoever signed again is whom the host's confirmed name belongs to.
/// A sender can forge all of that, so the severity stays that of unknown mail until a receiver calls it forwarded.
pub(super) fn by_resigner(context: &Context<'_, '_>) -> Option<Verdict> {
    if !has_broken_signature(context) {
        return None;
    }
    let inferred = |why| Verdict::new(Class::ForwardedModified, "modified", weights::INFERRED_FORWARDER, why);
    if resigned_by_host(context) {
        return Some(inferred("our signature is broken, and the host signs again as itself"));
    }
    context
        .host
        .is_called_forwarder
        .then(|| inferred("our signature is broken, and receivers call other mail of this host forwarded"))
}

fn has_broken_signature(context: &Context<'_, '_>) -> bool {
    context.view.knows_selector(&context.signals.own_keys_failing)
}

fn is_known_to_forward(context: &Context<'_, '_>) -> bool {
    context.host.is_called_forwarder
        || context.host.service.is_some_and(|service| service.kind.passes_mail_on())
}

fn is_accepted_twice(context: &Context<'_, '_>) -> bool {
    context.stream.reporters().count() >= 2 && has_broken_signature(context)
}

fn resigned_by_host(context: &Context<'_, '_>) -> bool {
    let HostName::Confirmed(name) = &context.host.facts.name else { return false };
    let is_host = |domain: &str| match context.host.service {
        Some(service) => service.kind.passes_mail_on() && service.authenticates_as(domain),
        None => domain == organizational(name),
    };
    context.signals.signed_as.iter().any(|domain| is_host(domain))
}
