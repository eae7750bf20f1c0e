//! What a report of ours says, under the names of `TRUTH.jsonl`, and one form in which both sides are compared.

use std::collections::{BTreeMap, BTreeSet};

use dmarc_core::model::aggregate::{Alignment, Disposition, DmarcResult, Record, Testing};
use dmarc_core::model::failure::{AuthFailureType, DeliveryResult};
use dmarc_core::model::{AggregateReport, FailureReport, TlsReport};
use dmarc_core::{Domain, Found, Limits, Outcome, QuirkCode, Report, read};
use serde_json::{Value, json};

use crate::disagreements::Difference;

/// Values by the names of `TRUTH.jsonl`.
pub(crate) type Fields = BTreeMap<&'static str, Value>;

/// Names that say which report it is, and are no field of it.
const NO_FIELDS: [&str; 2] = ["file", "kind"];
/// Fields whose letter case says nothing.
const FOLDED: [&str; 12] = [
    "domain",
    "p",
    "sp",
    "np",
    "adkim",
    "aspf",
    "testing",
    "source_ip",
    "auth_failure",
    "delivery_result",
    "reported_domain",
    "domains",
];

/// All that differ; a field that only they have does.
pub(crate) fn compare(truth: &Value, ours: &Fields) -> Vec<Difference> {
    let mut differ = Vec::new();
    for (field, theirs) in truth.as_object().unwrap() {
        if NO_FIELDS.contains(&field.as_str()) {
            continue;
        }
        let theirs = canonical(field, theirs);
        let ours =
            ours.get(field.as_str()).map_or_else(|| "not compared".to_owned(), |ours| canonical(field, ours));
        if theirs != ours {
            differ.push(Difference { field: field.clone(), theirs, ours });
        }
    }
    differ
}

/// The kind of an outcome, as `TRUTH.jsonl` names it.
pub(crate) fn kind(outcome: &Outcome) -> &'static str {
    match &outcome.found {
        Found::Report(parsed) => parsed.report.kind(),
        Found::OtherFeedback(_) => "arf",
        _ => "",
    }
}

pub(crate) fn report_id(outcome: &Outcome) -> Option<&str> {
    match &outcome.found {
        Found::Report(parsed) => match &parsed.report {
            Report::Aggregate(report) => Some(&report.report_metadata.report_id),
            Report::Tls(report) => Some(&report.report_id),
            _ => None,
        },
        _ => None,
    }
}

/// The fields of a report; `bytes` are the file that it stands in.
pub(crate) fn ours(outcome: &Outcome, is_mail: bool, bytes: &[u8]) -> Fields {
    let mut fields = match &outcome.found {
        Found::Report(parsed) => match &parsed.report {
            Report::Aggregate(report) => aggregate(report),
            Report::Tls(report) => tls(report),
            Report::Failure(report) => failure(report),
            _ => Fields::new(),
        },
        Found::OtherFeedback(kind) => other_feedback(kind, bytes),
        _ => Fields::new(),
    };
    fields.insert("leaf", json!(leaf(outcome, is_mail)));
    fields
}

fn aggregate(report: &AggregateReport<'_>) -> Fields {
    let (metadata, policy) = (&report.report_metadata, &report.policy_published);
    let everything: Vec<&Record<'_>> = report
        .records
        .iter()
        .chain(report.rejected_records.iter().map(|rejected| &rejected.record))
        .collect();
    let bad_count = |reason: &str| reason.starts_with("count") || reason.starts_with("row");
    let mut fields = Fields::from([
        ("org_name", json!(metadata.org_name)),
        ("email", json!(metadata.email)),
        ("report_id", json!(metadata.report_id)),
        ("begin", json!(metadata.date_range.begin)),
        ("end", json!(metadata.date_range.end)),
        ("domain", json!(policy.domain.as_str())),
        ("p", json!(policy.p.as_ref().map(Disposition::as_str))),
        ("sp", json!(policy.sp.as_ref().map(Disposition::as_str))),
        ("np", json!(policy.np.as_ref().map(Disposition::as_str))),
        ("pct", json!(policy.pct)),
        ("adkim", json!(policy.adkim.as_ref().map(Alignment::as_str))),
        ("aspf", json!(policy.aspf.as_ref().map(Alignment::as_str))),
        ("testing", json!(policy.testing.as_ref().map(Testing::as_str))),
        ("version", json!(report.version)),
        ("xmlns", json!(report.namespace)),
        ("records", json!(everything.len())),
        (
            "bad_counts",
            json!(report.rejected_records.iter().filter(|record| bad_count(&record.reason)).count()),
        ),
        (
            "source_ips",
            json!(everything.iter().filter_map(|r| r.row.source_ip).collect::<BTreeSet<_>>().len()),
        ),
        ("reasons", json!(everything.iter().map(|r| r.row.policy_evaluated.reasons.len()).sum::<usize>())),
        ("auth_dkim", json!(everything.iter().map(|r| r.auth_results.dkim.len()).sum::<usize>())),
        ("auth_spf", json!(everything.iter().map(|r| r.auth_results.spf.len()).sum::<usize>())),
    ]);
    fields.extend(totals(&report.records));
    fields
}

/// Numbers of messages, of the records that count.
fn totals(records: &[Record<'_>]) -> Fields {
    let dkim = |r: &Record<'_>| r.row.policy_evaluated.dkim == Some(DmarcResult::Pass);
    let spf = |r: &Record<'_>| r.row.policy_evaluated.spf == Some(DmarcResult::Pass);
    let total = |of: &dyn Fn(&Record<'_>) -> bool| {
        records.iter().filter(|record| of(record)).map(|record| record.row.count).sum::<u64>()
    };
    let disposition = |r: &Record<'_>| {
        r.row.policy_evaluated.disposition.as_ref().map(|word| word.as_str().to_owned()).unwrap_or_default()
    };
    Fields::from([
        ("total", json!(total(&|_| true))),
        ("dmarc_pass", json!(total(&|r| dkim(r) || spf(r)))),
        ("dmarc_fail", json!(total(&|r| !dkim(r) && !spf(r)))),
        ("dkim_aligned", json!(total(&dkim))),
        ("spf_aligned", json!(total(&spf))),
        ("dispositions", counter(records.iter().map(|r| (disposition(r), r.row.count)))),
        (
            "header_from",
            counter(records.iter().map(|r| (r.identifiers.header_from.as_str().to_owned(), r.row.count))),
        ),
    ])
}

fn tls(report: &TlsReport<'_>) -> Fields {
    let policies = &report.policies;
    let details: Vec<_> = policies.iter().flat_map(|policy| &policy.failure_details).collect();
    let domains: Vec<_> =
        policies.iter().map(|result| result.policy.policy_domain.as_ref().map(Domain::as_str)).collect();
    Fields::from([
        ("org_name", json!(report.organization_name)),
        ("report_id", json!(report.report_id)),
        ("contact", json!(report.contact_info)),
        ("begin", json!(report.date_range.begin)),
        ("end", json!(report.date_range.end)),
        ("policies", json!(policies.len())),
        ("success", json!(policies.iter().map(|p| p.summary.total_successful_session_count).sum::<u64>())),
        ("failure", json!(policies.iter().map(|p| p.summary.total_failure_session_count).sum::<u64>())),
        ("failure_details", json!(details.len())),
        ("failure_details_sum", json!(details.iter().map(|detail| detail.failed_session_count).sum::<u64>())),
        ("policy_types", counter(policies.iter().map(|p| (p.policy.policy_type.as_str().to_owned(), 1)))),
        (
            "result_types",
            counter(details.iter().map(|d| (d.result_type.as_str().to_owned(), d.failed_session_count))),
        ),
        ("domains", json!(domains)),
    ])
}

fn failure(report: &FailureReport<'_>) -> Fields {
    Fields::from([
        ("feedback_type", json!(report.feedback_type)),
        ("user_agent", json!(report.user_agent)),
        ("version", json!(report.version)),
        ("auth_failure", json!(report.auth_failure.as_ref().map(AuthFailureType::as_str))),
        ("delivery_result", json!(report.delivery_result.as_ref().map(DeliveryResult::as_str))),
        ("identity_alignment", json!(report.identity_alignment.as_ref().map(|list| list.join(",")))),
        (
            "reported_domain",
            json!(report.reported_domain.iter().map(Domain::as_str).collect::<Vec<_>>().join(",")),
        ),
        ("source_ip", json!(report.source_ip)),
        ("arrival_date", json!(report.arrival_date)),
        ("original_mail_from", json!(report.original_mail_from)),
        ("incidents", json!(report.incidents)),
        ("original", json!(report.original.as_ref().map_or("none", |_| "there"))),
    ])
}

/// The fields of feedback that is not about authentication: read once more as if it were.
fn other_feedback(kind: &str, bytes: &[u8]) -> Fields {
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let text = text.replacen(&format!("Feedback-Type: {kind}"), "Feedback-Type: auth-failure", 1);
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let mut fields = Fields::new();
    for outcome in read(&bytes, &Limits::default()).outcomes {
        if let Found::Report(parsed) = outcome.found
            && let Report::Failure(report) = parsed.report
        {
            fields = failure(&report);
        }
    }
    fields.insert("feedback_type", json!(kind));
    fields
}

/// The containers around a report, as far as they leave a trace: a gzip leaves none, but for what follows it.
fn leaf(outcome: &Outcome, is_mail: bool) -> String {
    let mut leaf = Vec::new();
    if is_mail {
        leaf.push("eml");
    }
    let trailing =
        matches!(&outcome.found, Found::Report(parsed) if parsed.quirks.contains(QuirkCode::TrailingBytes));
    if trailing {
        leaf.push("gz+garbage");
    }
    // In a mail the part has a number and a file name in front of the name of the entry.
    let names = outcome.part.split('/').filter(|name| !name.is_empty()).count();
    if names > if is_mail { 2 } else { 0 } {
        leaf.push("zip");
    }
    leaf.join(">")
}

// ---- one form for every value

/// A value of either side in the form in which it is compared; empty for absent.
fn canonical(field: &str, value: &Value) -> String {
    let fold = |text: &str| {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if FOLDED.contains(&field) { text.to_lowercase() } else { text }
    };
    match (field, value) {
        ("incidents", Value::Null) => "1".to_owned(),
        ("original", Value::String(text)) if text != "none" => "there".to_owned(),
        ("leaf", Value::String(text)) => {
            text.split('>').filter(|kind| !matches!(*kind, "gz" | "raw")).collect::<Vec<_>>().join(">")
        }
        ("begin" | "end", _) => seconds(value),
        ("original_mail_from", Value::String(text)) => text.trim().trim_matches(['<', '>']).to_owned(),
        (_, Value::Null) => String::new(),
        (_, Value::String(text)) => fold(text),
        (_, Value::Array(list)) => {
            let mut texts: Vec<_> = list.iter().filter_map(Value::as_str).map(fold).collect();
            texts.sort();
            texts.join(" ")
        }
        (_, Value::Object(counts)) => counts_text(counts),
        (_, other) => other.to_string(),
    }
}

/// A counter of theirs or ours; a count of 0 says nothing.
fn counts_text(counts: &serde_json::Map<String, Value>) -> String {
    let mut folded = BTreeMap::<String, u64>::new();
    for (key, count) in counts {
        let key = if key == "(absent)" { String::new() } else { key.trim().to_lowercase() };
        *folded.entry(key).or_default() += count.as_u64().unwrap();
    }
    let counts = folded.iter().filter(|(_, count)| **count > 0);
    counts.map(|(key, count)| format!("{key}={count}")).collect::<Vec<_>>().join(" ")
}

fn counter(counts: impl Iterator<Item = (String, u64)>) -> Value {
    let mut sums = BTreeMap::<String, u64>::new();
    for (key, count) in counts {
        *sums.entry(key).or_default() += count;
    }
    json!(sums)
}

/// Seconds since the Unix epoch of a number, or of an RFC 3339 date with or without offset.
fn seconds(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    let whole = text.split('.').next().unwrap_or_default();
    if whole.parse::<i64>().is_ok() {
        return whole.to_owned();
    }
    let instant = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_second);
    let local =
        || text.parse::<jiff::civil::DateTime>().and_then(|date| jiff::tz::Offset::UTC.to_timestamp(date));
    instant
        .or_else(|_| local().map(jiff::Timestamp::as_second))
        .map_or_else(|_| text.clone(), |at| at.to_string())
}
