//! What does not fit the dialect that a report seems to be in: quirks, never a reason to refuse.

use crate::domain;
use crate::model::aggregate::{
    ActionDisposition, AuthResults, PolicyOverride, PolicyPublished, Record, ReportMetadata, SpfScope,
};
use crate::model::auth::SpfResultCode;
use crate::quirk::{Journal, QuirkCode};

/// Notes a version that is not that of RFC 7489.
pub(super) fn note_version(version: &str, quirks: &mut Journal) {
    let (whole, fraction) = version.split_once('.').unwrap_or((version, ""));
    if whole.trim_start_matches(['0', '+']) != "1" || fraction.bytes().any(|b| b != b'0') {
        quirks.note(QuirkCode::UnexpectedVersion, version);
    }
}

/// Notes several errors where RFC 9990 has one.
pub(super) fn note_metadata(metadata: &ReportMetadata<'_>, is_9990: bool, quirks: &mut Journal) {
    if is_9990 && metadata.errors.len() > 1 {
        quirks.note(QuirkCode::Repeated, "feedback/report_metadata/error");
    }
}

/// Notes elements of RFC 9990 in a report that is not in its namespace.
pub(super) fn note_policy(policy: &PolicyPublished<'_>, is_9990: bool, quirks: &mut Journal) {
    if !is_9990 && (policy.np.is_some() || policy.testing.is_some() || policy.discovery_method.is_some()) {
        quirks.note(QuirkCode::HybridDialect, "feedback/policy_published");
    }
}

/// Notes values of another dialect, and an Author Domain outside of the policy domain, where that is known.
pub(super) fn note_record(
    record: &Record<'_>,
    policy_domain: Option<&str>,
    is_9990: bool,
    quirks: &mut Journal,
) {
    let evaluated = &record.row.policy_evaluated;
    if !is_9990 && evaluated.disposition == Some(ActionDisposition::Pass) {
        quirks.note(QuirkCode::ValueNotInDialect, "disposition pass");
    }
    let foreign = |kind: &PolicyOverride<'_>| match kind {
        PolicyOverride::Forwarded | PolicyOverride::SampledOut => is_9990,
        PolicyOverride::PolicyTestMode => !is_9990,
        _ => false,
    };
    for reason in evaluated.reasons.iter().filter(|reason| foreign(&reason.kind)) {
        quirks.note(QuirkCode::ValueNotInDialect, reason.kind.as_str());
    }
    note_results(&record.auth_results, is_9990, quirks);
    let header_from = record.identifiers.header_from.as_str();
    if !header_from.is_empty()
        && policy_domain.is_some_and(|domain| !domain::is_at_or_below(header_from, domain))
    {
        quirks.note(QuirkCode::ForeignHeaderFrom, header_from);
    }
}

fn note_results(results: &AuthResults<'_>, is_9990: bool, quirks: &mut Journal) {
    if is_9990 && results.spf.len() > 1 {
        quirks.note(QuirkCode::Repeated, "feedback/record/auth_results/spf");
    }
    for spf in &results.spf {
        if is_9990 && spf.scope == Some(SpfScope::Helo) {
            quirks.note(QuirkCode::ValueNotInDialect, "scope helo");
        }
        if !is_9990 && spf.result == SpfResultCode::Policy {
            quirks.note(QuirkCode::ValueNotInDialect, "spf result policy");
        }
    }
    if is_9990 && results.dkim.iter().any(|dkim| dkim.selector.is_none()) {
        quirks.note(QuirkCode::MissingElement, "feedback/record/auth_results/dkim/selector");
    }
}
