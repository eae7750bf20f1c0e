//! Alignment re-derived from the raw results, and compared with what the reporter said (RFC 9989, Section 4.4;
//! RFC 7489, Section 3.1).
//!
//! The reporter's value stays what happened and what is counted: lists of results may be cut or grouped, so a
//! disagreement lowers confidence and decides nothing. *Not supported:* the DNS tree walk; where the policy domain is
//! above `header_from`, it is the organizational domain that the reporter found.

use crate::domain::{is_at_or_below, same_organization};
use crate::model::aggregate::{DmarcResult, PolicyPublished, Record, SpfAuthResult, SpfScope};
use crate::model::auth::{DkimResultCode, SpfResultCode};

/// What the raw results of a record give, beside what the reporter said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evaluation {
    /// Whether DKIM gave an aligned pass: the reporter's word or, where it is absent, the raw results.
    pub dkim_aligned: bool,
    /// Whether SPF gave an aligned pass: the reporter's word or, where it is absent, the raw results.
    pub spf_aligned: bool,
    /// Whether the raw results give an aligned DKIM pass.
    pub derived_dkim: bool,
    /// Whether the raw results give an aligned SPF pass.
    pub derived_spf: bool,
    /// Whether the reporter said otherwise than the raw results.
    pub disagrees: bool,
}

impl Evaluation {
    /// Whether the message passed DMARC: on either mechanism.
    pub fn is_pass(&self) -> bool {
        self.dkim_aligned || self.spf_aligned
    }

    /// Names the mechanisms on which the reporter said otherwise than the raw results: `dkim`, `spf`.
    pub fn disagreements(&self) -> impl Iterator<Item = &'static str> {
        let dkim = (self.dkim_aligned != self.derived_dkim).then_some("dkim");
        let spf = (self.spf_aligned != self.derived_spf).then_some("spf");
        dkim.into_iter().chain(spf)
    }
}

/// Evaluates a record under the policy that its report shows.
///
/// ```
/// use dmarc_core::{Limits, evaluate::evaluate, parse::aggregate};
///
/// # let xml = "<feedback><report_metadata><org_name>receiver.example</org_name><report_id>1</report_id>
/// #   <date_range><begin>1789171200</begin><end>1789257599</end></date_range></report_metadata>
/// #   <policy_published><domain>example.org</domain><p>none</p></policy_published>
/// #   <record><row><source_ip>192.0.2.1</source_ip><count>7</count>
/// #     <policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>
/// #     <identifiers><header_from>example.org</header_from></identifiers>
/// #     <auth_results><dkim><domain>mail.example.org</domain><result>pass</result></dkim></auth_results></record></feedback>";
/// let reports = aggregate::parse(xml, &Limits::default());
/// let report = &reports[0].as_ref().unwrap().report;
/// // The reporter says that DKIM failed, and shows a signature that passed and is aligned.
/// let evaluation = evaluate(&report.records[0], &report.policy_published);
/// assert!(!evaluation.dkim_aligned && evaluation.derived_dkim);
/// assert_eq!(evaluation.disagreements().collect::<Vec<_>>(), ["dkim"]);
/// ```
pub fn evaluate(record: &Record<'_>, policy: &PolicyPublished<'_>) -> Evaluation {
    let derived_dkim = record.auth_results.dkim.iter().any(|dkim| {
        dkim.result == DkimResultCode::Pass
            && aligns(dkim.domain.as_str(), record, policy, policy.is_dkim_strict())
    });
    let derived_spf = record.auth_results.spf.iter().any(|spf| {
        counts_for_dmarc(spf, record) && aligns(spf.domain.as_str(), record, policy, policy.is_spf_strict())
    });
    let evaluated = &record.row.policy_evaluated;
    let dkim_aligned = reported(evaluated.dkim.as_ref()).unwrap_or(derived_dkim);
    let spf_aligned = reported(evaluated.spf.as_ref()).unwrap_or(derived_spf);
    let disagrees = (dkim_aligned, spf_aligned) != (derived_dkim, derived_spf);
    Evaluation { dkim_aligned, spf_aligned, derived_dkim, derived_spf, disagrees }
}

/// What the reporter said; a word outside the vocabulary is no pass.
fn reported(result: Option<&DmarcResult<'_>>) -> Option<bool> {
    result.map(|result| *result == DmarcResult::Pass)
}

/// HELO counts only where the reverse-path was null (RFC 7208, Section 2.4).
fn counts_for_dmarc(spf: &SpfAuthResult<'_>, record: &Record<'_>) -> bool {
    let is_null = record.identifiers.envelope_from.as_ref().is_some_and(crate::Domain::is_empty);
    spf.result == SpfResultCode::Pass && (spf.scope != Some(SpfScope::Helo) || is_null)
}

fn aligns(domain: &str, record: &Record<'_>, policy: &PolicyPublished<'_>, strict: bool) -> bool {
    let header_from = record.identifiers.header_from.as_str();
    if domain.is_empty() || header_from.is_empty() {
        return false;
    }
    if strict {
        return domain == header_from;
    }
    same_organization(domain, header_from)
        || shares_policy_domain(domain, header_from, policy.domain.as_str())
}

/// A policy domain strictly above `header_from`, and no public suffix, is its organizational domain.
fn shares_policy_domain(domain: &str, header_from: &str, policy_domain: &str) -> bool {
    let is_suffix = psl::suffix_str(policy_domain) == Some(policy_domain);
    !is_suffix
        && policy_domain != header_from
        && is_at_or_below(header_from, policy_domain)
        && is_at_or_below(domain, policy_domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Domain;
    use crate::model::aggregate::{Alignment, DkimAuthResult, PolicyOverride, PolicyOverrideReason, Text};

    fn record(header_from: &str) -> Record<'_> {
        let mut record = Record::default();
        record.identifiers.header_from = Domain::new(header_from);
        record
    }

    fn dkim(domain: &str) -> DkimAuthResult<'_> {
        DkimAuthResult {
            domain: Domain::new(domain),
            selector: None,
            result: DkimResultCode::Pass,
            human_result: None,
        }
    }

    fn spf<'a>(domain: &'a str, scope: Option<SpfScope<'a>>) -> SpfAuthResult<'a> {
        SpfAuthResult { domain: Domain::new(domain), scope, result: SpfResultCode::Pass, human_result: None }
    }

    fn policy<'a>(domain: &'a str, adkim: Option<Alignment<'static>>) -> PolicyPublished<'a> {
        PolicyPublished { domain: Domain::new(domain), adkim, ..Default::default() }
    }

    #[test]
    fn e01_aligns_a_subdomain_when_relaxed() {
        let mut record = record("news.example.com");
        record.auth_results.dkim.push(dkim("example.com"));
        assert!(evaluate(&record, &policy("example.com", None)).derived_dkim);
        assert!(evaluate(&record, &policy("example.com", Some(Alignment::Relaxed))).derived_dkim);
    }

    #[test]
    fn e02_does_not_align_a_subdomain_when_strict() {
        let mut record = record("news.example.com");
        record.auth_results.dkim.push(dkim("example.com"));
        assert!(!evaluate(&record, &policy("example.com", Some(Alignment::Strict))).derived_dkim);
    }

    #[test]
    fn e05_does_not_align_two_registrants_under_one_suffix() {
        let mut record = record("a.co.uk");
        record.auth_results.dkim.push(dkim("b.co.uk"));
        assert!(!evaluate(&record, &policy("a.co.uk", None)).derived_dkim);
    }

    #[test]
    fn e03_does_not_count_helo_beside_a_reverse_path() {
        let mut record = record("example.com");
        record.auth_results.spf.push(spf("example.com", Some(SpfScope::Helo)));
        record.identifiers.envelope_from = Some(Domain::new("example.com"));
        assert!(!evaluate(&record, &policy("example.com", None)).derived_spf);
    }

    #[test]
    fn e04_counts_helo_for_the_null_reverse_path() {
        let mut record = record("example.com");
        record.auth_results.spf.push(spf("example.com", Some(SpfScope::Helo)));
        record.identifiers.envelope_from = Some(Domain::default());
        assert!(evaluate(&record, &policy("example.com", None)).derived_spf);
    }

    #[test]
    fn takes_a_temporary_error_for_no_pass() {
        let mut record = record("example.com");
        let result = SpfResultCode::TempError;
        record.auth_results.spf.push(SpfAuthResult { result, ..spf("example.com", None) });
        assert!(!evaluate(&record, &policy("example.com", None)).is_pass());
    }

    #[test]
    fn e13_keeps_the_word_of_the_reporter_and_names_the_disagreement() {
        let mut record = record("example.com");
        let comment = Some(Text { text: "arc=pass".into(), lang: None });
        let reason = PolicyOverrideReason { kind: PolicyOverride::LocalPolicy, comment };
        record.row.policy_evaluated.reasons.push(reason);
        record.row.policy_evaluated.dkim = Some(DmarcResult::Pass);
        record.row.policy_evaluated.spf = Some(DmarcResult::Fail);
        let evaluation = evaluate(&record, &policy("example.com", None));
        assert!(evaluation.is_pass() && evaluation.disagrees && !evaluation.derived_dkim);
    }
}
