//! What `Authentication-Results` (RFC 8601) of trusted servers say.
//!
//! Only the fields of an `authserv-id` that the owner trusts are looked at, and of these the topmost one that speaks of
//! `dmarc` or `dkim`: what stands below may have come with the mail. The own server must remove forged fields under its
//! name (RFC 8601, Section 5); where it does not, only the topmost one is its own.
//!
//! *Not supported:* ARC; the position among `Received` (RFC 8601, Section 1.2), for which the topmost field stands in.

use dmarc_core::domain::domain_part;
use dmarc_core::model::auth::AuthenticationResults;
use dmarc_core::parse::authentication_results;
use dmarc_core::{Domain, MessageInfo};

use super::Trust;

/// Tells whether the mail that brought a report of this `kind` (`aggregate`, `failure`, `tlsrpt`) is genuine.
///
/// `message` is `None` for a report that came as a bare file.
pub fn judge(message: Option<&MessageInfo>, kind: &str, trusted_authserv_ids: &[String]) -> Trust {
    let Some(message) = message else { return Trust::Unverified };
    let mut fields = message.authentication_results.iter().map(|value| authentication_results(value));
    let field = fields.find(|field| is_trusted(field, trusted_authserv_ids) && speaks(field));
    let Some(field) = field else { return Trust::Unverified };
    if kind == "tlsrpt" && has(&field, "dkim") && !passed(&field, "dkim") {
        return failed(&field, "dkim", "RFC 8460, Section 3 asks to ignore the report");
    }
    if has_result(&field, "dmarc", "fail") {
        return failed(&field, "dmarc", "the mail is not from whom it says");
    }
    if passed(&field, "dmarc") || has_aligned_signature(&field, message.from_domain.as_deref()) {
        return Trust::TrustedAuthres;
    }
    if has_result(&field, "dkim", "fail") {
        return failed(&field, "dkim", "and no signature of the domain of From passed");
    }
    Trust::Unverified
}

fn is_trusted(field: &AuthenticationResults<'_>, trusted: &[String]) -> bool {
    !field.authserv_id.is_empty() && trusted.iter().any(|id| id.eq_ignore_ascii_case(&field.authserv_id))
}

fn speaks(field: &AuthenticationResults<'_>) -> bool {
    has(field, "dmarc") || has(field, "dkim")
}

fn has(field: &AuthenticationResults<'_>, method: &str) -> bool {
    field.results.iter().any(|result| result.method == method)
}

fn has_result(field: &AuthenticationResults<'_>, method: &str, wanted: &str) -> bool {
    field.results.iter().any(|result| result.method == method && result.result == wanted)
}

fn passed(field: &AuthenticationResults<'_>, method: &str) -> bool {
    has_result(field, method, "pass")
}

/// Whether a signature of the organization of `from` passed (relaxed alignment, RFC 7489, Section 3.1.1).
fn has_aligned_signature(field: &AuthenticationResults<'_>, from: Option<&str>) -> bool {
    let Some(from) = from.filter(|from| !from.is_empty()) else { return false };
    let signers = field
        .results
        .iter()
        .filter(|result| result.method == "dkim" && result.result == "pass")
        .filter_map(|result| result.property("header.d").or_else(|| result.property("header.i")));
    signers.map(domain_part).any(|signer| {
        let signer = Domain::new(signer);
        !signer.is_empty() && signer.organizational() == Domain::new(from).organizational()
    })
}

fn failed(field: &AuthenticationResults<'_>, method: &str, why: &str) -> Trust {
    let results = field.results.iter().filter(|result| result.method == method);
    let results: Vec<_> = results.map(|result| format!("{method}={}", result.result)).collect();
    Trust::Failed(format!("{} says {}: {why}", field.authserv_id, results.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(fields: &[&str], kind: &str) -> Trust {
        let mut message = MessageInfo::default();
        message.from_domain = Some("mail.example.org".to_owned());
        message.authentication_results = fields.iter().map(|&field| field.to_owned()).collect();
        judge(Some(&message), kind, &["mx.owner.example".to_owned(), "mx2.owner.example".to_owned()])
    }

    fn reason(trust: Trust) -> String {
        match trust {
            Trust::Failed(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn knows_nothing_without_a_message_or_a_trusted_server() {
        let mut message = MessageInfo::default();
        message.authentication_results = vec!["mx.owner.example; dmarc=pass".to_owned()];
        let _ = &message;
        assert_eq!(judge(None, "aggregate", &["mx.owner.example".to_owned()]), Trust::Unverified);
        assert_eq!(judge(Some(&message), "aggregate", &[]), Trust::Unverified);
        assert_eq!(trust(&[], "aggregate"), Trust::Unverified);
    }

    #[test]
    fn believes_dmarc_of_a_trusted_server_whatever_its_letter_case() {
        assert_eq!(
            trust(&["MX.Owner.Example; dmarc=pass header.from=example.org"], "aggregate"),
            Trust::TrustedAuthres
        );
        let reason = reason(trust(
            &["mx.owner.example; dkim=pass header.d=mail.example.org; dmarc=fail"],
            "aggregate",
        ));
        assert_eq!(reason, "mx.owner.example says dmarc=fail: the mail is not from whom it says");
    }

    #[test]
    fn m08_ignores_what_strangers_claim() {
        assert_eq!(trust(&["mx.evil.example; dmarc=pass"], "aggregate"), Trust::Unverified);
        assert_eq!(trust(&["mx.evil.example; dmarc=fail"], "aggregate"), Trust::Unverified);
        assert_eq!(
            trust(&["mx.evil.example; dmarc=fail", "mx.owner.example; dmarc=pass"], "failure"),
            Trust::TrustedAuthres
        );
    }

    #[test]
    fn looks_at_the_topmost_field_that_speaks_of_dmarc_or_dkim() {
        let fields =
            ["mx.owner.example; spf=pass", "mx.owner.example; dmarc=fail", "mx2.owner.example; dmarc=pass"];
        assert!(matches!(trust(&fields, "aggregate"), Trust::Failed(_)));
    }

    #[test]
    fn m07_takes_an_aligned_signature_where_dmarc_is_not_named() {
        for signer in ["header.d=example.org", "header.d=mail.example.org", "header.i=@news.example.org"] {
            assert_eq!(
                trust(&[&format!("mx.owner.example; dkim=pass {signer}")], "aggregate"),
                Trust::TrustedAuthres
            );
        }
        assert_eq!(
            trust(&["mx.owner.example; dkim=pass header.d=evil.example"], "aggregate"),
            Trust::Unverified
        );
        assert_eq!(trust(&["mx.owner.example; dkim=pass"], "aggregate"), Trust::Unverified);
        let both = "mx.owner.example; dkim=fail header.d=list.example; dkim=pass header.d=example.org";
        assert_eq!(trust(&[both], "aggregate"), Trust::TrustedAuthres);
    }

    #[test]
    fn fails_a_signature_that_did_not_verify() {
        let reason = reason(trust(&["mx.owner.example; dkim=fail header.d=example.org"], "aggregate"));
        assert_eq!(reason, "mx.owner.example says dkim=fail: and no signature of the domain of From passed");
        assert_eq!(trust(&["mx.owner.example; dkim=none; dmarc=none"], "aggregate"), Trust::Unverified);
    }

    #[test]
    fn t15_fails_a_tls_report_without_a_valid_signature() {
        for results in ["dkim=none", "dkim=none; dmarc=pass", "dkim=temperror header.d=example.org"] {
            assert!(
                matches!(trust(&[&format!("mx.owner.example; {results}")], "tlsrpt"), Trust::Failed(_)),
                "{results}"
            );
        }
        assert_eq!(trust(&["mx.owner.example; dmarc=pass"], "tlsrpt"), Trust::TrustedAuthres);
    }
}
