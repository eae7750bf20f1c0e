//! [`TlsReport`] → JSON (RFC 8460, Section 4.4).
//!
//! *Not supported:* checks that addresses, host names and policies are what RFC 8460 asks for.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::model::TlsReport;
use crate::model::tlsrpt::{TlsFailure, TlsPolicyResult};

/// Writes a report as JSON (RFC 8460, Section 4.4): lists always as arrays, `contact-info` and `policy-domain` as
/// `null` where the report has none. An empty time is written from its seconds.
/// [`report_domain`](TlsReport::report_domain) is no part of the document.
///
/// ```
/// use dmarc_core::{TlsReport, write};
///
/// let json = write::tlsrpt::to_json(&TlsReport::default());
/// assert!(json.contains(r#""policies":[]"#));
/// ```
#[must_use]
pub fn to_json(report: &TlsReport<'_>) -> String {
    let range = &report.date_range;
    json!({
        "organization-name": report.organization_name,
        "date-range": {
            "start-datetime": datetime(&range.start_datetime, range.begin),
            "end-datetime": datetime(&range.end_datetime, range.end),
        },
        "contact-info": report.contact_info,
        "report-id": report.report_id,
        "policies": report.policies.iter().map(policy).collect::<Vec<_>>(),
    })
    .to_string()
}

fn datetime(text: &str, seconds: i64) -> Cow<'_, str> {
    match jiff::Timestamp::from_second(seconds) {
        Ok(instant) if text.is_empty() => Cow::Owned(instant.to_string()),
        _ => Cow::Borrowed(text),
    }
}

fn policy(result: &TlsPolicyResult<'_>) -> Value {
    let (policy, summary) = (&result.policy, &result.summary);
    json!({
        "policy": {
            "policy-type": policy.policy_type.as_str(),
            "policy-string": policy.policy_string,
            "policy-domain": policy.policy_domain.as_ref().map(crate::Domain::as_str),
            "mx-host": policy.mx_host,
        },
        "summary": {
            "total-successful-session-count": summary.total_successful_session_count,
            "total-failure-session-count": summary.total_failure_session_count,
        },
        "failure-details": result.failure_details.iter().map(failure).collect::<Vec<_>>(),
    })
}

fn failure(failure: &TlsFailure<'_>) -> Value {
    let mut object = Map::new();
    object.insert("result-type".to_owned(), failure.result_type.as_str().into());
    object.insert("failed-session-count".to_owned(), failure.failed_session_count.into());
    for (key, value) in [
        ("sending-mta-ip", &failure.sending_mta_ip),
        ("receiving-mx-hostname", &failure.receiving_mx_hostname),
        ("receiving-mx-helo", &failure.receiving_mx_helo),
        ("receiving-ip", &failure.receiving_ip),
        ("additional-information", &failure.additional_information),
        ("failure-reason-code", &failure.failure_reason_code),
    ] {
        if let Some(value) = value {
            object.insert(key.to_owned(), value.as_ref().into());
        }
    }
    Value::Object(object)
}
