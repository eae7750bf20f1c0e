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
    } else if uses_its_own_key(context) {
        let why = "the same host, and no other, passed with this key of ours";
        return Some(Verdict::new(Class::LegitBroken, "broken", weights::HOLDS_KEY, why).with_cause("dkim"));
    } else {
        return None;
    };
    Some(Verdict::new(Class::LegitBroken, "broken", weights::OURS, why).with_cause(cause(context)))
}

/// Whether a signature of ours fails whose key only this host holds. A selector that the reporter left out may be it.
fn uses_its_own_key(context: &Context<'_, '_>) -> bool {
    let holds = |key: &String| context.view.holds_key(context.host, key);
    let is_left_out = context.signals.own_keys_failing.contains("");
    let mut passing = context.host.streams.iter().flat_map(|stream| &stream.signals.own_keys_passing);
    context.signals.own_keys_failing.iter().any(holds) || (is_left_out && passing.any(holds))
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
