//! Services that authenticate as themselves.

use super::{Context, Verdict};
use crate::findings::class::Class;
use crate::findings::services::ServiceKind;
use crate::findings::view::authenticated_service;
use crate::findings::weights;

/// Rule 8: a service that sends for customers passes for its own domain, and nothing of ours does. Any of its
/// customers could do that, so the owner must confirm.
pub(super) fn by_own_authentication(context: &Context<'_, '_>) -> Option<Verdict> {
    let service =
        authenticated_service(context.signals).filter(|service| service.kind == ServiceKind::Sender)?;
    let confirmed = context.host.service.is_some_and(|host| host.name == service.name);
    let verdict = |confidence, why| Verdict::new(Class::ThirdPartyUnaligned, "third-party", confidence, why);
    Some(if confirmed {
        verdict(
            weights::CONFIRMED_SERVICE,
            "a known service passes as itself, and its host's name confirms it",
        )
    } else {
        verdict(
            weights::UNCONFIRMED_SERVICE,
            "a known service passes as itself; the host's name does not confirm it",
        )
    })
}
