//! The catalogue of services that send for many Domain Owners (`data/services.toml`).
//!
//! A name in it is not trust: it says whom to ask and how mail comes to align.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::domain::is_at_or_below;

/// A service that sends for many Domain Owners.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Service {
    /// Its name as people know it.
    pub name: String,
    /// What it does with mail.
    pub kind: ServiceKind,
    /// Domains of its hosts' names.
    pub hosts: Vec<String>,
    /// Organizational domains that it authenticates as.
    pub domains: Vec<String>,
    /// How its customer makes mail align.
    pub remedy: String,
}

/// What a service does with mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ServiceKind {
    /// Sends for its customers.
    Sender,
    /// Hosts people's mail, and forwards it too.
    Mailbox,
    /// Passes other people's mail on, and may change it.
    Gateway,
}

#[derive(Deserialize)]
struct Catalogue {
    service: Vec<Service>,
}

static SERVICES: LazyLock<Vec<Service>> = LazyLock::new(|| {
    // The file is part of this crate, and a test reads it: a damaged one cannot ship.
    toml::from_str::<Catalogue>(include_str!("../../data/services.toml"))
        .map(|c| c.service)
        .unwrap_or_default()
});

/// The service to which a forward-confirmed host name belongs.
pub(super) fn by_host(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.hosts.iter().any(|host| is_at_or_below(name, host)))
}

/// The service that authenticates as the organizational domain `domain`.
pub(super) fn by_domain(domain: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.authenticates_as(domain))
}

/// The service of that name.
pub(super) fn by_name(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.name == name)
}

impl Service {
    /// Whether it authenticates as `domain`.
    pub fn authenticates_as(&self, domain: &str) -> bool {
        self.domains.iter().any(|own| is_at_or_below(domain, own))
    }
}

/// Whether `domain` is the mark of a tenant that can only be the owner of `policy_domain`:
/// `example-org.20230601.gappssmtp.com` for `example.org`. A name under `onmicrosoft.com` is none: whoever comes first
/// gets `example`.
pub(super) fn is_own_tenant(domain: &str, policy_domain: &str) -> bool {
    let tenant = domain.strip_suffix(".gappssmtp.com").and_then(|rest| rest.split('.').next());
    tenant.is_some_and(|tenant| tenant == policy_domain.replace('.', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_own_catalogue() {
        let catalogue: Catalogue = toml::from_str(include_str!("../../data/services.toml")).unwrap();
        assert!(catalogue.service.len() >= 20);
        let names = catalogue.service.iter().map(|service| &service.name).collect::<Vec<_>>();
        assert!(names.is_sorted(), "services are in the order of their names: {names:?}");
    }

    #[test]
    fn matches_whole_labels_of_host_names() {
        assert_eq!(by_host("o1.outbound-mail.sendgrid.net").map(|s| s.name.as_str()), Some("SendGrid"));
        assert!(by_host("notsendgrid.net").is_none());
    }

    #[test]
    fn knows_the_marks_of_our_own_tenants() {
        assert!(!is_own_tenant("example.onmicrosoft.com", "example.org"));
        assert!(is_own_tenant("example-org.20230601.gappssmtp.com", "example.org"));
        assert!(!is_own_tenant("evil-example-org.20230601.gappssmtp.com", "example.org"));
    }
}
