//! What to do, by class and cause: fixed texts.

use super::class::Class;
use super::services::by_name;

/// What to do about a finding of `class` with `cause`, whose source is `key`.
pub(super) fn text(class: Class, cause: &str, key: &str) -> String {
    let text = match (class, cause) {
        (Class::ThirdPartyUnaligned, _) => return third_party(key),
        (Class::Authorized | Class::ForwardedIntact, _) => "nothing to do",
        (Class::ForwardedModified, _) => {
            "ask the list or forwarder to sign with ARC or to stop changing mail; do not add it to SPF"
        }
        (Class::LegitBroken, "dkim") => {
            "publish the key of the failing selector again, or give the host the current one"
        }
        (Class::LegitBroken, "tenant") => "turn on DKIM signing with the domain itself in the tenant",
        (Class::LegitBroken, _) => "sign this host's mail with DKIM, or add the host to SPF",
        (Class::UnauthorizedSpoof, _) => {
            "not ours: move the policy on towards p=reject (sp=, np= for sub-domains); do not add it to SPF"
        }
        (Class::UnauthorizedUnknown, _) => "find out who this is; until then do not add it to SPF",
        (Class::SuspectReplay, _) => "rotate the DKIM key, shorten x=, and sign each header twice (oversign)",
        (Class::ReportUntrusted, _) => "the report did not come from whom it says: it is in no total",
        (Class::ReportConflict, _) => "two reports contradict each other: one is counted, ask the reporter",
        (Class::Insufficient, _) => "wait: too little was seen to say anything",
        (Class::TlsSts, _) => {
            "check the MTA-STS policy file, its certificate and that its mx lines name every MX"
        }
        (Class::TlsDane, _) => {
            "check the TLSA records and DNSSEC of the MX; publish new records before new keys"
        }
        (Class::TlsTransport, _) => "check the certificate and STARTTLS of the MX",
        (Class::TlsOther, _) => "look at the reporter's reason; when one reporter only, it may be theirs",
    };
    text.to_owned()
}

fn third_party(key: &str) -> String {
    let service = key.strip_prefix("service:").and_then(by_name);
    let how =
        service.map_or("set up custom DKIM or a custom return-path there", |service| service.remedy.as_str());
    format!("ask who uses this service; if it is ours, {how}")
}
