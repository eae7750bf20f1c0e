//! Aligned passes: ours, forwarded unchanged, or replayed.

use super::{Context, Verdict};
use crate::findings::class::Class;
use crate::findings::services::{Service, ServiceKind};
use crate::findings::view::{Place, authenticated_service};
use crate::findings::weights;

/// Rule 3: SPF passed and aligned.
pub(super) fn by_spf(context: &Context<'_, '_>) -> Option<Verdict> {
    context.signals.spf_aligned.then(|| {
        Verdict::new(Class::Authorized, "aligned-spf", weights::ALIGNED_SPF, "SPF passes and aligns")
    })
}

/// Rule 4: DKIM passed and aligned, SPF did not.
pub(super) fn by_dkim_only(context: &Context<'_, '_>) -> Option<Verdict> {
    if !context.signals.dkim_aligned {
        return None;
    }
    Some(if context.host.place == Place::Own || context.host.is_ours_by_spf() {
        Verdict::new(
            Class::Authorized,
            "aligned-dkim",
            weights::ALIGNED_DKIM,
            "DKIM passes and aligns, from a host of ours",
        )
    } else if sends_for_us(context) {
        Verdict::new(
            Class::Authorized,
            "aligned-dkim",
            weights::SENDS_FOR_US,
            "DKIM passes and aligns, from a service that sends for us",
        )
    } else if context.view.replaying.contains(&context.host.ip) {
        Verdict::new(
            Class::SuspectReplay,
            "replay",
            weights::REPLAY,
            "our valid signature comes in a burst from hosts never seen before",
        )
    } else {
        Verdict::new(
            Class::ForwardedIntact,
            "forwarded",
            weights::INTACT,
            "our signature is intact, the host is not ours",
        )
    })
}

/// A service is a known sender where it sends for customers and does not borrow a key of our own hosts, or uses a selector that
/// none of these uses; one that forwards only is none.
fn sends_for_us(context: &Context<'_, '_>) -> bool {
    let by_kind = |service: &Service| match service.kind {
        ServiceKind::Sender => !context.view.own_keys.are_borrowed(context.host, context.signals),
        ServiceKind::Forwarder => false,
        ServiceKind::Mailbox | ServiceKind::Gateway => {
            !context.view.knows_selector(&context.signals.own_keys_passing)
        }
    };
    context.host.service.or_else(|| authenticated_service(context.signals)).is_some_and(by_kind)
}
