//! What does not fit the dialect that a report seems to be in: quirks, never a reason to refuse.

use crate::domain;
use crate::model::aggregate::{
    ActionDisposition, AggregateReport, AuthResults, NAMESPACE, PolicyOverride, PolicyPublished, Record,
    SpfScope,
};
use crate::model::auth::SpfResultCode;
use crate::quirk::{QuirkCode, Quirks};

/// Notes what does not fit the dialect that the report seems to be in.
pub(super) fn note(report: &AggregateReport<'_>, quirks: &mut Quirks) {
    let is_9990 = report.namespace.as_deref() == Some(NAMESPACE);
    match report.version.as_deref() {
        None if !is_9990 => quirks.note(QuirkCode::MissingVersion, ""),
        Some(version) if !is_version_one(version) => quirks.note(QuirkCode::UnexpectedVersion, version),
        _ => {}
    }
    let policy = &report.policy_published;
    if !is_9990 && (policy.np.is_some() || policy.testing.is_some() || policy.discovery_method.is_some()) {
        quirks.note(QuirkCode::HybridDialect, "feedback/policy_published");
    }
    if is_9990 && report.report_metadata.errors.len() > 1 {
        quirks.note(QuirkCode::Repeated, "feedback/report_metadata/error");
    }
    if report.records.is_empty() && report.rejected_records.is_empty() {
        quirks.note(QuirkCode::NoRecords, "");
    }
    for record in &report.records {
        note_record(record, policy, is_9990, quirks);
    }
}

fn note_record(record: &Record<'_>, policy: &PolicyPublished<'_>, is_9990: bool, quirks: &mut Quirks) {
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
    let header_from = &record.identifiers.header_from;
    if !header_from.is_empty() && !domain::is_at_or_below(header_from.as_str(), policy.domain.as_str()) {
        quirks.note(QuirkCode::ForeignHeaderFrom, header_from.as_str());
    }
}

fn note_results(results: &AuthResults<'_>, is_9990: bool, quirks: &mut Quirks) {
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

fn is_version_one(version: &str) -> bool {
    let (whole, fraction) = version.split_once('.').unwrap_or((version, ""));
    whole.trim_start_matches(['0', '+']) == "1" && fraction.bytes().all(|b| b == b'0')
}
