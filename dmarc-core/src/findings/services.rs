//! The catalogue of services that send, host, forward or filter mail for many Domain Owners (`data/services.toml`).
//!
//! A name in it is not trust: it says whom to ask and how mail comes to align.

use std::collections::HashMap;
use std::iter::successors;
use std::sync::LazyLock;

use foldhash::fast::RandomState;
use serde::Deserialize;

use crate::domain::is_at_or_below;

/// A service that handles mail of many Domain Owners.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Service {
    /// Its name as people know it.
    pub name: String,
    /// What it does with mail.
    pub kind: ServiceKind,
    /// Domains of its hosts' names, whose reverse DNS only the service controls. A name in them counts only where it
    /// is forward-confirmed.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Organizational domains that it authenticates as by itself (MAIL FROM, DKIM `d=`), not its customers.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Names that it tells its customers to include in their SPF record (RFC 7208, Section 5.2).
    #[serde(default)]
    pub spf: Vec<String>,
    /// How it marks a customer that has proved to own a domain in what it authenticates as: labels, of which `*` is
    /// any one and `{domain-with-dashes}` the customer's domain with dashes for dots. None where the mark is free to
    /// choose, for such a mark proves nothing.
    pub tenant: Option<String>,
    /// How its customer makes mail align.
    pub remedy: String,
    /// Where the service documents that.
    pub source: String,
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
    /// Passes mail on to whom an alias or a list names.
    Forwarder,
}

impl ServiceKind {
    /// Whether mail that others sent comes from its hosts too.
    pub(super) fn passes_mail_on(self) -> bool {
        matches!(self, Self::Mailbox | Self::Gateway | Self::Forwarder)
    }
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

type Index = HashMap<&'static str, &'static Service, RandomState>;

static BY_NAME: LazyLock<Index> = LazyLock::new(|| SERVICES.iter().map(|s| (s.name.as_str(), s)).collect());
static BY_HOST: LazyLock<Index> = LazyLock::new(|| index(|service| &service.hosts));
static BY_DOMAIN: LazyLock<Index> = LazyLock::new(|| index(|service| &service.domains));

fn index(domains: fn(&'static Service) -> &'static [String]) -> Index {
    SERVICES.iter().flat_map(|s| domains(s).iter().map(move |domain| (domain.as_str(), s))).collect()
}

/// The service to which a forward-confirmed host name belongs.
pub(super) fn by_host(name: &str) -> Option<&'static Service> {
    nearest(&BY_HOST, name)
}

/// The service that authenticates as the organizational domain `domain`.
pub(super) fn by_domain(domain: &str) -> Option<&'static Service> {
    nearest(&BY_DOMAIN, domain)
}

/// The service of that name.
pub(super) fn by_name(name: &str) -> Option<&'static Service> {
    BY_NAME.get(name).copied()
}

/// What `index` has for `name`, or else for the nearest of the names above it.
fn nearest(index: &Index, name: &str) -> Option<&'static Service> {
    let mut names = successors(Some(name), |name| name.split_once('.').map(|(_, parent)| parent));
    names.find_map(|name| index.get(name).copied())
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
    by_domain(domain)
        .and_then(|service| service.tenant.as_deref())
        .is_some_and(|pattern| is_mark(domain, pattern, policy_domain))
}

fn is_mark(domain: &str, pattern: &str, policy_domain: &str) -> bool {
    let owner = policy_domain.replace('.', "-");
    // `example-co-uk` is the mark of `example.co.uk` and of `example-co.uk`, which anyone may own.
    let is_unique = owner.matches('-').count() == 1;
    let fits = |(label, wanted): (&str, &str)| match wanted {
        "*" => !label.is_empty(),
        "{domain-with-dashes}" => label == owner,
        fixed => label == fixed,
    };
    is_unique
        && domain.split('.').count() == pattern.split('.').count()
        && domain.split('.').zip(pattern.split('.')).all(fits)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::{Domain, organizational};

    fn catalogue() -> Vec<Service> {
        toml::from_str::<Catalogue>(include_str!("../../data/services.toml")).unwrap().service
    }

    #[test]
    fn reads_its_own_catalogue() {
        assert!(catalogue().len() >= 65, "{} services", catalogue().len());
        assert_eq!(SERVICES.len(), catalogue().len());
    }

    #[test]
    fn lists_each_service_once_in_the_order_of_the_names() {
        let catalogue = catalogue();
        let mut names = catalogue.iter().map(|service| service.name.to_lowercase());
        let in_order = names.by_ref().is_sorted_by(|a, b| a < b);
        assert!(in_order, "{:?}", catalogue.iter().map(|service| &service.name).collect::<Vec<_>>());
    }

    #[test]
    fn says_of_each_service_how_to_align_and_where_that_is_documented() {
        for Service { name, remedy, source, .. } in catalogue() {
            assert!(remedy.starts_with(|c: char| c.is_ascii_lowercase()), "{name}: {remedy}");
            assert!(!remedy.ends_with('.') && !remedy.contains('\n'), "{name}: {remedy}");
            assert!(source.len() > 10 && !source.contains('\n'), "{name}: {source}");
        }
    }

    #[test]
    fn can_recognise_each_service() {
        for service in catalogue() {
            assert!(!service.hosts.is_empty() || !service.domains.is_empty(), "{}", service.name);
        }
    }

    #[test]
    fn gives_no_name_to_two_services() {
        for names in [|s: &Service| s.hosts.clone(), |s: &Service| s.domains.clone()] {
            let mut owners = BTreeMap::new();
            for service in catalogue() {
                for name in names(&service) {
                    assert_eq!(owners.insert(name.clone(), service.name.clone()), None, "{name}");
                }
            }
            for (name, owner) in &owners {
                for (above, other) in owners.iter().filter(|(above, _)| is_at_or_below(name, above)) {
                    assert_eq!(owner, other, "{name} is below {above}");
                }
            }
        }
    }

    #[test]
    fn writes_domains_in_normal_form() {
        for service in catalogue() {
            for name in service.hosts.iter().chain(&service.domains).chain(&service.spf) {
                let domain = Domain::new(name.as_str());
                assert!(domain.as_str() == name && domain.is_host_name() && name.contains('.'), "{name}");
            }
        }
    }

    #[test]
    fn authenticates_as_organizational_domains_for_those_alone_are_looked_up() {
        for domain in catalogue().iter().flat_map(|service| &service.domains) {
            assert_eq!(organizational(domain), domain);
        }
    }

    #[test]
    fn takes_no_cloud_in_which_anyone_names_hosts_for_a_service() {
        for cloud in ["amazonaws.com", "googleusercontent.com", "azure.com", "ovh.net", "secureserver.net"] {
            assert!(by_host(&format!("host.{cloud}")).is_none(), "{cloud}");
        }
    }

    #[test]
    fn matches_whole_labels_of_names() {
        let sendgrid = |service: Option<&Service>| service.is_some_and(|service| service.name == "SendGrid");
        for name in ["sendgrid.net", "o1.outbound-mail.sendgrid.net"] {
            assert!(sendgrid(by_host(name)) && sendgrid(by_domain(name)), "{name}");
        }
        for name in ["notsendgrid.net", "sendgrid.net.example.org", "net", "", "."] {
            assert!(by_host(name).is_none() && by_domain(name).is_none(), "{name}");
        }
    }

    #[test]
    fn finds_a_service_by_each_of_its_names_as_a_search_through_all_would() {
        for service in SERVICES.iter() {
            assert_eq!(by_name(&service.name).map(|s| &s.name), Some(&service.name));
            for host in &service.hosts {
                assert_eq!(by_host(&format!("a.b.{host}")).map(|s| &s.name), Some(&service.name));
            }
            for domain in &service.domains {
                let found = by_domain(domain).unwrap();
                assert!(found.name == service.name && found.authenticates_as(domain), "{domain}");
            }
        }
    }

    #[test]
    fn knows_the_marks_of_our_own_tenants() {
        assert!(!is_own_tenant("example.onmicrosoft.com", "example.org"));
        assert!(is_own_tenant("example-org.20230601.gappssmtp.com", "example.org"));
        assert!(!is_own_tenant("evil-example-org.20230601.gappssmtp.com", "example.org"));
        assert!(!is_own_tenant("example-org.evil.20230601.gappssmtp.com", "example.org"));
        assert!(!is_own_tenant("example-org.20230601.gappssmtp.com.evil.example", "example.org"));
    }

    #[test]
    fn takes_no_mark_that_the_owner_of_another_domain_gets_as_well() {
        assert!(!is_own_tenant("example-co-uk.20230601.gappssmtp.com", "example.co.uk"));
        assert!(!is_own_tenant("my-example-org.20230601.gappssmtp.com", "my-example.org"));
    }

    #[test]
    fn knows_a_mark_only_of_services_that_make_their_customers_prove_the_domain() {
        let marked = catalogue().into_iter().filter(|service| service.tenant.is_some());
        assert_eq!(marked.map(|service| service.name).collect::<Vec<_>>(), ["Google Workspace"]);
    }

    #[test]
    fn tells_services_that_pass_mail_on_from_those_that_send() {
        assert!(!by_name("SendGrid").unwrap().kind.passes_mail_on());
        for name in ["Cloudflare Email Routing", "Google Workspace", "Mimecast"] {
            assert!(by_name(name).unwrap().kind.passes_mail_on(), "{name}");
        }
    }
}
