//! What is said about a class and its cause: what it means, what to do, what stays open, when it is over. Fixed texts.

use super::class::Class;
use super::services::by_name;

/// What is concluded.
pub(super) fn statement(class: Class, cause: &str) -> &'static str {
    match (class, cause) {
        (Class::Authorized, _) => "this source sends for the domain and passes DMARC",
        (Class::ForwardedIntact, _) => "mail of the domain, forwarded unchanged: its signature is intact",
        (Class::ForwardedModified, _) => {
            "mail of the domain that a list, gateway or forwarder changed on its way"
        }
        (Class::LegitBroken, "dkim") => {
            "mail of the domain whose signature fails: the key is gone or not the one that signs"
        }
        (Class::LegitBroken, "tenant") => {
            "mail of the domain's own tenant at a service, signed as the service only"
        }
        (Class::LegitBroken, _) => "mail of the domain that is not signed and that SPF does not cover",
        (Class::ThirdPartyUnaligned, _) => "a known service sends as the domain and authenticates as itself",
        (Class::UnauthorizedSpoof, _) => "somebody sends as the domain without authorisation",
        (Class::UnauthorizedUnknown, _) => {
            "nothing of the domain authenticates this mail; whose it is, is not clear"
        }
        (Class::SuspectReplay, _) => {
            "mail that the domain once signed is being sent again, in bulk, by others"
        }
        (Class::ReportUntrusted, _) => {
            "reports that did not come from whom they say, or are about domains of others"
        }
        (Class::ReportConflict, _) => "reports of one identity that contradict each other",
        (Class::Insufficient, _) => "too little was seen to say anything",
        (Class::TlsSts, _) => "senders could not deliver under the MTA-STS policy",
        (Class::TlsDane, _) => "senders could not deliver under DANE",
        (Class::TlsTransport, _) => "senders could not set up TLS with the MX",
        (Class::TlsOther, _) => "senders could not deliver under the TLS policy",
    }
}

/// What to do, about a source that is this service, or none.
pub(super) fn remedy(class: Class, cause: &str, service: Option<&str>) -> String {
    let text = match (class, cause) {
        (Class::ThirdPartyUnaligned, _) => return third_party(service),
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
        (Class::TlsSts | Class::TlsDane | Class::TlsTransport | Class::TlsOther, result) => tls(result),
    };
    text.to_owned()
}

fn third_party(service: Option<&str>) -> String {
    let service = service.and_then(by_name);
    let how =
        service.map_or("set up custom DKIM or a custom return-path there", |service| service.remedy.as_str());
    format!("ask who uses this service; if it is ours, {how}")
}

/// The cause and the fix of a result type (RFC 8460, Section 4.3).
fn tls(result: &str) -> &'static str {
    match result {
        "starttls-not-supported" => {
            "the MX did not offer STARTTLS: turn it on, and look for what strips it in between"
        }
        "certificate-host-mismatch" => {
            "the certificate does not name the MX: get one whose subjectAltName has the name in the MX record"
        }
        "certificate-expired" => "the certificate has expired: renew it, and let renewal run by itself",
        "certificate-not-trusted" => {
            "the chain does not lead to a trusted CA: send the intermediate certificates, or use a public CA"
        }
        "validation-failure" => {
            "TLS failed for a reason without a name: look at the reporter's additional information"
        }
        "tlsa-invalid" => {
            "the TLSA records do not fit the certificate: publish the new record before the new key, and keep both meanwhile"
        }
        "dnssec-invalid" => {
            "DNSSEC of the MX does not validate: check signatures, their end, and the DS record"
        }
        "dane-required" => "the sender wants DANE and the MX has no usable TLSA record: publish one, signed",
        "sts-policy-fetch-error" => {
            "the policy could not be fetched: check https://mta-sts.DOMAIN/.well-known/mta-sts.txt, its address and redirects"
        }
        "sts-policy-invalid" => {
            "the policy file is not valid: check version, mode, mx and max_age, one a line"
        }
        "sts-webpki-invalid" => {
            "the certificate of mta-sts.DOMAIN is not valid: renew it, with that name in it"
        }
        _ => "look at the reporter's reason; when one reporter only, it may be theirs",
    }
}

/// What nobody can know from reports.
pub(super) fn unknown(class: Class) -> Option<&'static str> {
    Some(match class {
        Class::ThirdPartyUnaligned => {
            "which customer of the service it is: every one of them could send this"
        }
        Class::ForwardedModified => {
            "whether the mail was ours before it was changed: a broken signature proves nothing"
        }
        Class::SuspectReplay => {
            "whether it is one message sent again or a large forwarder seen for the first time"
        }
        Class::UnauthorizedSpoof => "what the messages say, and to whom they went",
        Class::UnauthorizedUnknown => "whether somebody of ours uses a service or host that is not declared",
        Class::LegitBroken => "whether a misused account sends through the host",
        Class::ReportConflict => "which of the reports is right",
        Class::ReportUntrusted => "who sent them",
        _ => return None,
    })
}

/// When it counts as resolved.
pub(super) fn resolved_when(class: Class) -> &'static str {
    match class {
        Class::Authorized | Class::ForwardedIntact => "nothing is open",
        Class::LegitBroken | Class::ThirdPartyUnaligned => {
            "when reports of 14 days have no failing mail of it, and it passes"
        }
        Class::ReportUntrusted | Class::ReportConflict => "when no such report comes any more",
        Class::TlsSts | Class::TlsDane | Class::TlsTransport | Class::TlsOther => {
            "when reports of 14 days have no such failure"
        }
        _ => "when reports of 14 days have no mail of it",
    }
}

/// Who saw it, and how often.
pub(super) fn seen(reporters: usize, days: usize) -> String {
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!("seen by {}, on {}", plural(reporters, "reporter"), plural(days, "day"))
}
