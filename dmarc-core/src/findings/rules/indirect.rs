//! Mail of ours that a list, gateway or forwarder changed.

use super::{Context, Verdict};
use crate::domain::organizational;
use crate::findings::class::Class;
use crate::findings::observe::{Indirect, Signals};
use crate::findings::{HostName, services::ServiceKind};

/// Rule 5: the receiver says that it came through a list or forwarder; ARC alone needs our broken signature beside it.
pub(super) fn by_override(context: &Context<'_, '_>) -> Option<Verdict> {
    let reported = |confidence, why| Verdict::new(Class::ForwardedModified, "modified", confidence, why);
    match context.signals.indirect {
        Indirect::ListOrForwarder => {
            Some(reported(75, "the receiver says that it came through a list or forwarder"))
        }
        Indirect::ArcPass if has_broken_signature(context) => {
            Some(reported(65, "the receiver accepted ARC, and our signature is there but broken"))
        }
        _ => None,
    }
}

/// Rule 7: our signature is there but broken, and whoever signed again is whom the host's confirmed name belongs to.
pub(super) fn by_resigner(context: &Context<'_, '_>) -> Option<Verdict> {
    if !has_broken_signature(context) {
        return None;
    }
    let inferred = |why| Verdict::new(Class::ForwardedModified, "modified", 60, why);
    if resigned_by_host(context) {
        return Some(inferred("our signature is broken, and the host signs again as itself"));
    }
    context
        .host
        .is_called_forwarder()
        .then(|| inferred("our signature is broken, and receivers call other mail of this host forwarded"))
}

fn has_broken_signature(context: &Context<'_, '_>) -> bool {
    context.view.knows_selector(&context.signals.own_keys_failing)
}

fn resigned_by_host(context: &Context<'_, '_>) -> bool {
    let forwards = |kind| matches!(kind, ServiceKind::Mailbox | ServiceKind::Gateway);
    match &context.host.facts.name {
        HostName::Confirmed(name) => match context.host.service {
            Some(service) => {
                forwards(service.kind) && passes_as(context.signals, |d| service.authenticates_as(d))
            }
            None => passes_as(context.signals, |domain| domain == organizational(name)),
        },
        _ => false,
    }
}

fn passes_as(signals: &Signals<'_>, is_host: impl Fn(&str) -> bool) -> bool {
    signals.passed.iter().any(|domain| is_host(domain))
}
