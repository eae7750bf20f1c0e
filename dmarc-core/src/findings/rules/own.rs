//! Ours for sure, and failing.

use super::{Context, Verdict};
use crate::findings::class::Class;
use crate::findings::view::Place;
use crate::findings::weights;

/// Rule 6: a signal that no outsider can make.
pub(super) fn by_signal_no_outsider_can_make(context: &Context<'_, '_>) -> Option<Verdict> {
    let why = if context.host.place == Place::Own {
        "the host is ours: declared, or by its confirmed name"
    } else if context.signals.own_tenant {
        "it passes with the mark of our own tenant"
    } else if context.host.is_ours_by_spf() {
        "the same host also passed SPF in our name"
    } else {
        return None;
    };
    Some(Verdict::new(Class::LegitBroken, "broken", weights::OURS, why).with_cause(cause(context)))
}

/// What to fix.
pub(super) fn cause(context: &Context<'_, '_>) -> &'static str {
    if context.signals.own_tenant {
        "tenant"
    } else if context.signals.own_keys_failing.is_empty() {
        "unsigned"
    } else {
        "dkim"
    }
}
