//! JSON → [`TlsReport`] (RFC 8460, Section 4.4).
//!
//! Owns the keys of the report and their tolerated forms. The JSON itself is read by `serde_json` into a small tree
//! which holds known keys only, so that what a payload costs is bounded by [`Limits`] and not by its bytes.
//!
//! No count is ever guessed: a policy whose counts cannot be read is left out, a failure detail likewise, and a
//! [`RejectedRecord`](QuirkCode::RejectedRecord) names it. Only an absent `total-failure-session-count` is 0.
//!
//! *Not supported:* JSON that is not well-formed, the example of RFC 8460, Appendix B as printed among it (a line end
//! in a string); numbers beyond the range of a double, which `serde_json` refuses; a lone surrogate as `\uXXXX`;
//! keys in other letter case; the key `additional-info-uri`, which exists in the grammar of RFC 8460 only.

mod tree;

use std::borrow::Cow;

use tree::{Read, Value};

use crate::domain::Domain;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::model::TlsReport;
use crate::model::tlsrpt::{
    TlsDateRange, TlsFailure, TlsPolicy, TlsPolicyResult, TlsPolicyType, TlsResultType, TlsSummary,
};
use crate::parse::Parsed;
use crate::quirk::{QuirkCode, Quirks};

/// 2005-01-01 and 2101-01-01, in seconds since the Unix epoch, UTC: no report covers a time outside.
const PLAUSIBLE: std::ops::Range<i64> = 1_104_537_600..4_133_980_800;

/// Reads every report of a payload: one JSON object, an array of them, or several behind each other.
///
/// The list has one entry a report, and is never empty. After JSON that is not well-formed or an exceeded ceiling the
/// last entry is that error.
///
/// The entries are [`ErrorKind::Json`], [`ErrorKind::LimitExceeded`] (`depth`, `elements`, `text_bytes`, `records`,
/// and `results` for the lists of one policy and the reports of one payload), or [`ErrorKind::MissingKey`] where a
/// report lacks `date-range`, `start-datetime`, `end-datetime`, `report-id`, `policies`, or everything that names the
/// reporter.
///
/// ```
/// let json = r#"{"organization-name": "Receiver", "report-id": "1", "contact-info": "tls@receiver.example",
///   "date-range": {"start-datetime": "2026-09-01T00:00:00Z", "end-datetime": "2026-09-01T23:59:59Z"},
///   "policies": [{"policy": {"policy-type": "sts", "policy-domain": "example.org"},
///     "summary": {"total-successful-session-count": 5, "total-failure-session-count": 2}}]}"#;
/// let reports = dmarc_core::parse::tlsrpt::parse(json, &dmarc_core::Limits::default());
/// let report = &reports[0].as_ref().unwrap().report;
/// assert_eq!(report.policies[0].summary.total_failure_session_count, 2);
/// ```
pub fn parse<'a>(payload: &'a str, limits: &Limits) -> Vec<Result<Parsed<TlsReport<'a>>>> {
    let mut reports = Vec::new();
    let mut take = |read: Read<'a>| {
        let mut mapper = Mapper { quirks: read.quirks, limits };
        let report = mapper.report(read.value);
        reports.push(report.map(|report| Parsed::new(report, mapper.quirks)));
    };
    let end = tree::read(payload, limits, &mut take);
    match end {
        Err(error) => reports.push(Err(error)),
        Ok(trailing) => {
            if let (true, Some(Ok(last))) = (trailing, reports.last_mut()) {
                last.quirks.note(QuirkCode::TrailingContent, "");
            }
            if reports.is_empty() {
                reports.push(Err(Error::new(ErrorKind::MissingKey("policies"))));
            }
        }
    }
    reports
}

/// Turns the tree of one report into the report.
struct Mapper<'l> {
    quirks: Quirks,
    limits: &'l Limits,
}

/// The value of one key, taken out of its object.
fn take<'a>(object: &mut Vec<(&'static str, Value<'a>)>, key: &str) -> Option<Value<'a>> {
    let at = object.iter().position(|(known, _)| *known == key)?;
    Some(object.swap_remove(at).1)
}

type Object<'a> = Vec<(&'static str, Value<'a>)>;

impl Mapper<'_> {
    fn report<'a>(&mut self, value: Value<'a>) -> Result<TlsReport<'a>> {
        let Value::Object(mut object) = value else {
            return Err(Error::new(ErrorKind::MissingKey("policies")));
        };
        let contact_info = self.required_text(&mut object, "contact-info", "contact-info");
        let organization_name = self.text(&mut object, "organization-name", "organization-name");
        if organization_name.is_none() {
            let contact_domain = contact_info.as_deref().and_then(|contact| contact.rsplit_once('@'));
            if !contact_domain.is_some_and(|(_, domain)| Domain::new(domain).is_host_name()) {
                return Err(Error::new(ErrorKind::MissingKey("organization-name")));
            }
            self.quirks.note(QuirkCode::JsonMissingKey, "organization-name");
        }
        let date_range = self.date_range(&mut object)?;
        let report_id = self.text(&mut object, "report-id", "report-id");
        let report_id = report_id.ok_or_else(|| Error::new(ErrorKind::MissingKey("report-id")))?;
        let policies = self.policies(take(&mut object, "policies"))?;
        Ok(TlsReport {
            organization_name: organization_name.unwrap_or_default(),
            date_range,
            contact_info,
            report_id,
            policies,
            report_domain: None,
        })
    }

    fn date_range<'a>(&mut self, object: &mut Object<'a>) -> Result<TlsDateRange<'a>> {
        let Some(Value::Object(mut range)) = take(object, "date-range") else {
            return Err(Error::new(ErrorKind::MissingKey("date-range")));
        };
        let (start_datetime, begin) = self.date(&mut range, "start-datetime")?;
        let (end_datetime, end) = self.date(&mut range, "end-datetime")?;
        if end < begin || !PLAUSIBLE.contains(&begin) || !PLAUSIBLE.contains(&end) {
            self.quirks.note(QuirkCode::ImplausiblePeriod, format!("{start_datetime} {end_datetime}"));
        }
        Ok(TlsDateRange { start_datetime, end_datetime, begin, end })
    }

    fn date<'a>(&mut self, range: &mut Object<'a>, key: &'static str) -> Result<(Cow<'a, str>, i64)> {
        let unusable = || Error::new(ErrorKind::MissingKey(key));
        let text = self.text(range, key, key).ok_or_else(unusable)?;
        let trimmed = text.trim();
        let seconds = if let Ok(instant) = trimmed.parse::<jiff::Timestamp>() {
            instant.as_second()
        } else {
            self.quirks.note(QuirkCode::JsonDate, format!("{key}: {trimmed}"));
            odd_date(trimmed).ok_or_else(unusable)?
        };
        Ok((text, seconds))
    }

    fn policies<'a>(&mut self, value: Option<Value<'a>>) -> Result<Vec<TlsPolicyResult<'a>>> {
        let list = match value {
            Some(Value::List(list)) => list,
            Some(object @ Value::Object(_)) => {
                self.quirks.note(QuirkCode::JsonShape, "policies");
                vec![object]
            }
            _ => return Err(Error::new(ErrorKind::MissingKey("policies"))),
        };
        let mut policies = Vec::new();
        for (index, value) in list.into_iter().enumerate() {
            policies.extend(self.policy_result(value, index)?);
        }
        Ok(policies)
    }

    fn reject(&mut self, place: &str) {
        self.quirks.note(QuirkCode::RejectedRecord, place);
    }

    /// Reads one entry of `policies`; `None` if its counts cannot be read.
    fn policy_result<'a>(&mut self, value: Value<'a>, index: usize) -> Result<Option<TlsPolicyResult<'a>>> {
        let place = format!("policies[{index}]");
        let Value::Object(mut object) = value else {
            self.reject(&place);
            return Ok(None);
        };
        let Some(summary) = self.summary(take(&mut object, "summary"), &place) else { return Ok(None) };
        let policy = match take(&mut object, "policy") {
            Some(Value::Object(policy)) => self.policy(policy)?,
            value => {
                let code = if value.is_some() { QuirkCode::JsonShape } else { QuirkCode::JsonMissingKey };
                self.quirks.note(code, format!("{place}.policy"));
                TlsPolicy::default()
            }
        };
        let failure_details = self.failure_details(take(&mut object, "failure-details"), &place);
        Ok(Some(TlsPolicyResult { policy, summary, failure_details }))
    }

    fn summary(&mut self, value: Option<Value<'_>>, place: &str) -> Option<TlsSummary> {
        let Some(Value::Object(mut summary)) = value else {
            self.reject(&format!("{place}.summary"));
            return None;
        };
        let mut count = |key: &'static str, absent: Option<u64>| {
            let count = match take(&mut summary, key) {
                None | Some(Value::Null) if absent.is_some() => {
                    self.quirks.note(QuirkCode::JsonMissingKey, key);
                    absent
                }
                Some(value) => self.count(&value, key),
                None => None,
            };
            if count.is_none() {
                self.reject(&format!("{place}.summary.{key}"));
            }
            count
        };
        Some(TlsSummary {
            total_successful_session_count: count("total-successful-session-count", None)?,
            total_failure_session_count: count("total-failure-session-count", Some(0))?,
        })
    }

    fn policy<'a>(&mut self, mut object: Object<'a>) -> Result<TlsPolicy<'a>> {
        let policy_type = match self.required_text(&mut object, "policy-type", "policy-type") {
            Some(word) => {
                let policy_type = TlsPolicyType::new(word.clone());
                let other = matches!(policy_type, TlsPolicyType::Other(_));
                self.note_word("policy-type", &word, policy_type.as_str(), other);
                policy_type
            }
            None => TlsPolicyType::default(),
        };
        let policy_domain = self.required_text(&mut object, "policy-domain", "policy-domain").map(|text| {
            let domain = Domain::new(text.clone());
            if !domain.is_host_name() {
                self.quirks.note(QuirkCode::OddDomain, text);
            }
            domain
        });
        Ok(TlsPolicy {
            policy_type,
            policy_string: self.list(take(&mut object, "policy-string"), "policy-string")?,
            policy_domain,
            mx_host: self.list(take(&mut object, "mx-host"), "mx-host")?,
        })
    }

    fn failure_details<'a>(&mut self, value: Option<Value<'a>>, place: &str) -> Vec<TlsFailure<'a>> {
        let place = format!("{place}.failure-details");
        let list = match value {
            None => Vec::new(),
            Some(Value::Null) => {
                self.quirks.note(QuirkCode::JsonNull, "failure-details");
                Vec::new()
            }
            Some(Value::List(list)) => list,
            Some(object @ Value::Object(_)) => {
                self.quirks.note(QuirkCode::JsonShape, "failure-details");
                vec![object]
            }
            Some(_) => {
                self.reject(&place);
                Vec::new()
            }
        };
        list.into_iter()
            .enumerate()
            .filter_map(|(index, value)| self.failure(value, &format!("{place}[{index}]")))
            .collect()
    }

    /// Reads one failure detail; `None` if its count cannot be read.
    fn failure<'a>(&mut self, value: Value<'a>, place: &str) -> Option<TlsFailure<'a>> {
        let Value::Object(mut object) = value else {
            self.reject(place);
            return None;
        };
        let count = take(&mut object, "failed-session-count");
        let count = count.and_then(|value| self.count(&value, "failed-session-count"));
        let Some(failed_session_count) = count else {
            self.reject(&format!("{place}.failed-session-count"));
            return None;
        };
        let word = self.required_text(&mut object, "result-type", "result-type").unwrap_or_default();
        let result_type = TlsResultType::new(word.clone());
        let other = matches!(result_type, TlsResultType::Other(_)) && !word.is_empty();
        self.note_word("result-type", &word, result_type.as_str(), other);
        let mut text = |key: &'static str| self.text(&mut object, key, key);
        let additional_information = text("additional-information");
        let failure = TlsFailure {
            result_type,
            sending_mta_ip: text("sending-mta-ip"),
            receiving_mx_hostname: text("receiving-mx-hostname"),
            receiving_mx_helo: text("receiving-mx-helo"),
            receiving_ip: text("receiving-ip"),
            failed_session_count,
            additional_information,
            failure_reason_code: text("failure-reason-code"),
        };
        if let Some(text) = failure.additional_information.as_deref().filter(|text| !is_uri(text)) {
            self.quirks.note(QuirkCode::BadUri, text);
        }
        Some(failure)
    }

    /// Notes a word outside its vocabulary, or in another form than the RFC has it.
    fn note_word(&mut self, key: &str, received: &str, known: &str, other: bool) {
        if other {
            self.quirks.note(QuirkCode::UnknownValue, format!("{key}: {received}"));
        } else if received != known {
            self.quirks.note(QuirkCode::NormalizedValue, format!("{key}: {received}"));
        }
    }

    /// A count that is a whole number, also as a string or with a fraction of zero.
    fn count(&mut self, value: &Value<'_>, key: &str) -> Option<u64> {
        let count = match value {
            Value::Number(count) => return Some(*count),
            Value::Float(number) => whole(*number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }?;
        self.quirks.note(QuirkCode::JsonNumber, key);
        Some(count)
    }

    fn required_text<'a>(
        &mut self,
        object: &mut Object<'a>,
        key: &'static str,
        detail: &str,
    ) -> Option<Cow<'a, str>> {
        if !object.iter().any(|(known, _)| *known == key) {
            self.quirks.note(QuirkCode::JsonMissingKey, detail);
        }
        self.text(object, key, detail)
    }

    /// A text, also as a number or as the only element of an array.
    fn text<'a>(&mut self, object: &mut Object<'a>, key: &str, detail: &str) -> Option<Cow<'a, str>> {
        let text = match take(object, key)? {
            Value::Text(text) => return Some(text),
            Value::Null => {
                self.quirks.note(QuirkCode::JsonNull, detail);
                return None;
            }
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            Value::List(mut list) => match (list.pop(), list.is_empty()) {
                (Some(Value::Text(text)), true) => Some(text),
                _ => None,
            },
            _ => None,
        };
        self.quirks.note(QuirkCode::JsonShape, detail);
        text
    }

    /// A list of texts, also as one text, as a JSON array inside a text, or with other values in it.
    fn list<'a>(&mut self, value: Option<Value<'a>>, key: &str) -> Result<Vec<Cow<'a, str>>> {
        let values = match value {
            None => return Ok(Vec::new()),
            Some(Value::Null) => {
                self.quirks.note(QuirkCode::JsonNull, key);
                return Ok(Vec::new());
            }
            Some(Value::List(values)) => values,
            Some(Value::Text(text)) => {
                self.quirks.note(QuirkCode::JsonShape, key);
                let split = key == "policy-string" && !text.trim_start().starts_with('[');
                let lines = if split { split_policy(text) } else { vec![text] };
                lines.into_iter().map(Value::Text).collect()
            }
            Some(_) => {
                self.quirks.note(QuirkCode::JsonShape, key);
                return Ok(Vec::new());
            }
        };
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            match value {
                Value::Text(text) => match json_array(&text) {
                    Some(inner) => {
                        self.quirks.note(QuirkCode::JsonShape, key);
                        texts.extend(inner.into_iter().map(Cow::Owned));
                    }
                    None => texts.push(text),
                },
                Value::Number(number) => {
                    self.quirks.note(QuirkCode::JsonShape, key);
                    texts.push(Cow::Owned(number.to_string()));
                }
                Value::Null => self.quirks.note(QuirkCode::JsonNull, key),
                _ => self.quirks.note(QuirkCode::JsonShape, key),
            }
            Limits::check("results", texts.len() as u64, self.limits.results)?;
        }
        Ok(texts)
    }
}

/// Whether `text` is a scheme, a colon, and nothing that a URI cannot hold (RFC 3986, Section 2).
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let is_of_uri = |b: u8| b.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&b);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(is_scheme)
        && !rest.is_empty()
        && rest.bytes().all(is_of_uri)
}

/// The texts of a JSON array inside a text (Microsoft, `tlsa`); `None` if it is none.
fn json_array(text: &str) -> Option<Vec<String>> {
    if text.trim_start().starts_with('[') { serde_json::from_str(text).ok() } else { None }
}

/// The lines of a policy that is one text: by line, else by `;` (RFC 8460, Section 4.2 has it so in one place).
fn split_policy(text: Cow<'_, str>) -> Vec<Cow<'_, str>> {
    let by = if text.trim().contains('\n') { '\n' } else { ';' };
    let lines = |text: &str| -> Vec<String> {
        text.split(by).map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    match text {
        Cow::Borrowed(text) => {
            text.split(by).map(str::trim).filter(|line| !line.is_empty()).map(Cow::Borrowed).collect()
        }
        Cow::Owned(text) => lines(&text).into_iter().map(Cow::Owned).collect(),
    }
}

/// The whole number that a double exactly is; beyond 2^53 it may stand for several.
fn whole(number: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let fits = number.fract() == 0.0 && (0.0..=EXACT).contains(&number);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked in the line above")]
    fits.then_some(number as u64)
}

/// The seconds of a date in any form that is read.
#[cfg(feature = "serde")]
pub(crate) fn date_seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second).or_else(|| odd_date(text))
}

/// A date without an offset (UTC), or in the form of RFC 5322.
fn odd_date(text: &str) -> Option<i64> {
    let local = text.parse::<jiff::civil::DateTime>().ok();
    local
        .and_then(|local| jiff::tz::TimeZone::UTC.to_timestamp(local).ok())
        .map(jiff::Timestamp::as_second)
        .or_else(|| super::failure::rfc5322_seconds(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(payload: &str) -> Parsed<TlsReport<'_>> {
        let mut reports = parse(payload, &Limits::default());
        assert_eq!(reports.len(), 1, "{reports:?}");
        reports.remove(0).unwrap()
    }

    fn refusal(payload: &str) -> ErrorKind {
        match parse(payload, &Limits::default()).pop() {
            Some(Err(error)) => error.kind(),
            other => panic!("{other:?}"),
        }
    }

    /// A report with `policies` in it.
    fn with(policies: &str) -> String {
        format!(
            r#"{{"organization-name":"Beispiel","date-range":{{"start-datetime":"2025-03-04T00:00:00Z",
            "end-datetime":"2025-03-04T23:59:59Z"}},"contact-info":"tls@reporter.example","report-id":"r1",
            "policies":{policies}}}"#
        )
    }

    fn details<'r>(parsed: &'r Parsed<TlsReport<'_>>, code: QuirkCode) -> Vec<&'r str> {
        let quirks = parsed.quirks.as_slice().iter();
        quirks.filter(|quirk| quirk.code == code).map(|quirk| quirk.detail.as_str()).collect()
    }

    const COUNTS: &str = r#""summary":{"total-successful-session-count":7,"total-failure-session-count":2}"#;

    #[test]
    fn reads_a_regular_report_without_a_quirk_and_borrows_from_it() {
        let text = crate::testdata::sample("tlsrpt/regular.json");
        let parsed = one(&text);
        assert_eq!(parsed.quirks.as_slice(), []);
        let report = parsed.report;
        assert!(matches!(report.organization_name, Cow::Borrowed("Beispiel Mail")));
        assert_eq!((report.date_range.begin, report.date_range.end), (1_741_046_400, 1_741_132_799));
        let [sts, heartbeat] = report.policies.as_slice() else { panic!("{:?}", report.policies) };
        assert_eq!(sts.policy.policy_type, TlsPolicyType::Sts);
        assert_eq!(sts.policy.mx_host, ["*.mx.empfang.example"]);
        assert_eq!(sts.summary.total_failure_session_count, 3);
        assert_eq!(sts.failure_details[1].result_type, TlsResultType::StsPolicyFetchError);
        assert_eq!(sts.failure_details[1].sending_mta_ip, None);
        assert_eq!(heartbeat.policy.policy_type, TlsPolicyType::NoPolicyFound);
        assert_eq!(heartbeat.failure_details, []);
    }

    #[test]
    fn names_every_oddity_of_a_sloppy_report() {
        let text = crate::testdata::sample("tlsrpt/sloppy.json");
        let parsed = one(&text);
        let report = &parsed.report;
        assert_eq!(report.organization_name, "Beispiel Zwei");
        assert_eq!((report.date_range.begin, report.date_range.end), (1_741_046_400, 1_741_132_800));
        let [tlsa, future] = report.policies.as_slice() else { panic!("{:?}", report.policies) };
        assert_eq!(tlsa.policy.policy_type, TlsPolicyType::Tlsa);
        assert_eq!(tlsa.policy.policy_string, ["3 1 1 00FF", "3 1 1 11EE"]);
        assert_eq!(
            tlsa.summary,
            TlsSummary { total_successful_session_count: 7, total_failure_session_count: 0 }
        );
        assert_eq!(tlsa.failure_details.len(), 2);
        assert_eq!(tlsa.failure_details[0].result_type, TlsResultType::Other("quantum-failure".into()));
        assert_eq!(tlsa.failure_details[1].additional_information.as_deref(), Some("see the log"));
        assert_eq!(future.policy.policy_type, TlsPolicyType::Other("future".into()));
        assert_eq!(future.policy.policy_string, ["version: STSv1", "mode: none"]);
        assert_eq!(future.policy.mx_host, ["mx: a.example"]);
        assert_eq!(future.policy.policy_domain, None);
        assert_eq!(details(&parsed, QuirkCode::JsonDuplicateKey), ["organization-name"]);
        assert_eq!(details(&parsed, QuirkCode::JsonUnknownKey), ["generator"]);
        assert_eq!(details(&parsed, QuirkCode::JsonNull), ["contact-info", "failure-details"]);
        assert_eq!(details(&parsed, QuirkCode::JsonDate), ["end-datetime: 2025-03-05T00:00:00"]);
        assert_eq!(
            details(&parsed, QuirkCode::JsonNumber),
            ["total-successful-session-count", "failed-session-count"]
        );
        assert_eq!(
            details(&parsed, QuirkCode::JsonMissingKey),
            ["total-failure-session-count", "policy-domain"]
        );
        assert_eq!(
            details(&parsed, QuirkCode::RejectedRecord),
            [
                "policies[0].failure-details[1].failed-session-count",
                "policies[1].summary.total-successful-session-count"
            ]
        );
        assert_eq!(
            details(&parsed, QuirkCode::UnknownValue),
            ["result-type: quantum-failure", "policy-type: future"]
        );
        assert_eq!(details(&parsed, QuirkCode::NormalizedValue), ["policy-type: TLSA"]);
    }

    #[test]
    fn reads_an_array_and_documents_behind_each_other_as_one_report_each() {
        let report = with("[]");
        let text = format!("\u{feff}[{report}, {report}, 5, [{report}]]\n{report}\n trailing");
        let reports = parse(&text, &Limits::default());
        assert_eq!(reports.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, false, true]);
        assert_eq!(reports[2].as_ref().unwrap_err().kind(), ErrorKind::MissingKey("policies"));
        let last = reports[4].as_ref().unwrap();
        assert!(last.quirks.contains(QuirkCode::ConcatenatedDocuments));
        assert!(last.quirks.contains(QuirkCode::TrailingContent));
        assert!(!reports[0].as_ref().unwrap().quirks.contains(QuirkCode::TrailingContent));
    }

    #[test]
    fn accepts_a_report_without_policies_in_its_list() {
        assert_eq!(one(&with("[]")).report.policies, []);
    }

    #[test]
    fn wraps_a_single_policy_and_a_single_detail() {
        let policy = format!(
            r#"{{"policy":{{"policy-type":"sts","policy-domain":"a.example"}},{COUNTS},
            "failure-details":{{"result-type":"validation-failure","failed-session-count":2}}}}"#
        );
        let text = with(&policy);
        let parsed = one(&text);
        assert_eq!(parsed.report.policies[0].failure_details[0].failed_session_count, 2);
        assert_eq!(details(&parsed, QuirkCode::JsonShape), ["policies", "failure-details"]);
    }

    #[test]
    fn keeps_the_other_policies_beside_an_odd_one() {
        let good = format!(r#"{{"policy":{{"policy-type":"sts","policy-domain":"a.example"}},{COUNTS}}}"#);
        for odd in ["7", "null", "[]", "{}", r#"{"summary":{"total-successful-session-count":1.5}}"#] {
            let text = with(&format!("[{good},{odd},{good}]"));
            let parsed = one(&text);
            assert_eq!(parsed.report.policies.len(), 2, "{odd}");
            assert!(details(&parsed, QuirkCode::RejectedRecord)[0].starts_with("policies[1]"), "{odd}");
        }
    }

    #[test]
    fn never_guesses_a_count() {
        for count in
            ["-1", "1.5", "18446744073709551616", "1e300", "\"x\"", "\"\"", "true", "{}", "[1]", "null"]
        {
            let summary = format!(
                r#"[{{"summary":{{"total-successful-session-count":{count},"total-failure-session-count":0}}}}]"#
            );
            let text = with(&summary);
            assert_eq!(one(&text).report.policies, [], "{count}");
        }
    }

    #[test]
    fn refuses_a_report_without_what_makes_it_one() {
        let whole = with("[]");
        for (key, reason) in [
            ("date-range", "date-range"),
            ("start-datetime", "start-datetime"),
            ("end-datetime", "end-datetime"),
            ("report-id", "report-id"),
            ("policies", "policies"),
        ] {
            let text = whole.replace(&format!("\"{key}\""), "\"x\"");
            assert_eq!(refusal(&text), ErrorKind::MissingKey(reason));
        }
        assert_eq!(refusal(&with("\"none\"")), ErrorKind::MissingKey("policies"));
        assert_eq!(
            refusal(&whole.replace("2025-03-04T00:00:00Z", "yesterday")),
            ErrorKind::MissingKey("start-datetime")
        );
        for text in ["[]", "5", "null", "\"a\"", "[[]]"] {
            assert_eq!(refusal(text), ErrorKind::MissingKey("policies"), "{text}");
        }
    }

    #[test]
    fn does_without_the_name_of_the_reporter_where_its_contact_has_a_domain() {
        let text = with("[]").replace("\"organization-name\"", "\"x\"");
        let parsed = one(&text);
        assert_eq!(parsed.report.organization_name, "");
        assert_eq!(details(&parsed, QuirkCode::JsonMissingKey), ["organization-name"]);
        let anonymous = text.replace("tls@reporter.example", "somebody");
        assert_eq!(refusal(&anonymous), ErrorKind::MissingKey("organization-name"));
    }

    #[test]
    fn reads_the_forms_of_a_date() {
        for (form, seconds, odd) in [
            ("2025-03-04t00:00:00z", 1_741_046_400, false),
            ("2025-03-04 01:00:00+01:00", 1_741_046_400, false),
            ("2025-03-04T00:00:00.999Z", 1_741_046_400, false),
            ("2025-03-03T23:59:60Z", 1_741_046_399, false),
            ("2025-03-04T00:00:00", 1_741_046_400, true),
            ("2025-03-04", 1_741_046_400, true),
            ("Tue, 04 Mar 2025 00:00:00 GMT", 1_741_046_400, true),
        ] {
            let text = with("[]").replace("2025-03-04T00:00:00Z", form);
            let parsed = one(&text);
            assert_eq!(parsed.report.date_range.begin, seconds, "{form}");
            assert_eq!(parsed.quirks.contains(QuirkCode::JsonDate), odd, "{form}");
        }
        let reversed = with("[]").replace("2025-03-04T00:00:00Z", "2025-03-06T00:00:00Z");
        assert!(one(&reversed).quirks.contains(QuirkCode::ImplausiblePeriod));
    }

    #[test]
    fn says_where_json_is_not_well_formed() {
        let report = with("[]");
        let text = format!("[{report},\n {{\"report-id\": \"line\nend\"}}]");
        let reports = parse(&text, &Limits::default());
        assert!(reports[0].is_ok());
        let error = reports[1].as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Json);
        let offset = usize::try_from(error.offset().unwrap()).unwrap();
        assert!(
            text.get(..offset).unwrap().contains("\"line") && offset <= text.find("end\"").unwrap(),
            "{offset}"
        );
        for text in ["", "{", "{\"a\":", "[1,", "{\"a\":1e999}", "{\"a\":\"\\ud800\"}", "\0", "{]"] {
            assert_eq!(refusal(text), ErrorKind::Json, "{text:?}");
        }
    }

    #[test]
    fn refuses_what_is_one_past_a_limit() {
        let policy = format!(
            r#"{{"policy":{{"policy-type":"sts","policy-domain":"a.example","mx-host":["a","b"]}},{COUNTS},
            "failure-details":[{{"result-type":"validation-failure","failed-session-count":2}}]}}"#
        );
        let text = with(&format!("[{policy},{policy}]"));
        let limited = |limits: Limits| parse(&text, &limits).pop().unwrap().err().map(|error| error.kind());
        let exceeded = |limit, max| Some(ErrorKind::LimitExceeded { limit, max });
        let limits = Limits::default;
        assert_eq!(limited(Limits { records: 4, ..limits() }), None);
        assert_eq!(limited(Limits { records: 3, ..limits() }), exceeded("records", 3));
        assert_eq!(limited(Limits { depth: 5, ..limits() }), None);
        assert_eq!(limited(Limits { depth: 4, ..limits() }), exceeded("depth", 4));
        assert_eq!(limited(Limits { results: 2, ..limits() }), None);
        assert_eq!(limited(Limits { results: 1, ..limits() }), exceeded("results", 1));
        assert_eq!(limited(Limits { text_bytes: 30, ..limits() }), None);
        assert_eq!(limited(Limits { text_bytes: 29, ..limits() }), exceeded("text_bytes", 29));
        let reports = format!("[{0},{0}]{0}", with("[]"));
        let reports = |results| parse(&reports, &Limits { results, ..limits() });
        assert!(reports(3).iter().all(Result::is_ok));
        assert_eq!(
            reports(2)[2].as_ref().unwrap_err().kind(),
            ErrorKind::LimitExceeded { limit: "results", max: 2 }
        );
        let elements = 7 + 2 * 14;
        assert_eq!(limited(Limits { elements, ..limits() }), None);
        assert_eq!(
            limited(Limits { elements: elements - 1, ..limits() }),
            exceeded("elements", elements - 1)
        );
    }

    #[test]
    fn survives_deep_json_wherever_it_stands() {
        let deep = "[".repeat(100_000);
        let depth = ErrorKind::LimitExceeded { limit: "depth", max: 32 };
        assert_eq!(refusal(&deep), depth);
        assert_eq!(refusal(&with(&deep)), depth);
        assert_eq!(
            refusal(&with("[]").replace("\"r1\"", &format!("{{\"a\":{}", "{\"a\":".repeat(1_000)))),
            depth
        );
        let text = with(&format!(r#"[{{"policy":{{"policy-string":["{deep}"]}},{COUNTS}}}]"#));
        assert!(matches!(refusal(&text), ErrorKind::LimitExceeded { limit: "text_bytes", .. }));
        let shorter =
            with(&format!(r#"[{{"policy":{{"policy-string":["{}"]}},{COUNTS}}}]"#, "[".repeat(60_000)));
        assert_eq!(one(&shorter).report.policies[0].policy.policy_string.len(), 1);
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            any::<i64>().prop_map(|n| n.to_string()),
            any::<f64>().prop_map(|n| format!("{n:e}")),
            any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        ];
        let keys = "(policies|policy|summary|failure-details|policy-string|mx-host|total-successful-session-count|\
                    failed-session-count|result-type|policy-domain|contact-info|x)";
        leaf.prop_recursive(6, 60, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5)
                    .prop_map(|list| format!("[{}]", list.join(","))),
                proptest::collection::vec((keys, inner), 0..6).prop_map(|object| {
                    let pairs: Vec<_> =
                        object.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                    format!("{{{}}}", pairs.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_any_text_without_panic(text in any::<String>()) {
            prop_assert!(!parse(&text, &Limits::default()).is_empty());
        }

        #[test]
        fn reads_any_json_without_panic_and_owned_like_borrowed(policies in json()) {
            let text = with(&policies);
            for report in parse(&text, &Limits::default()).into_iter().flatten() {
                prop_assert_eq!(&report.report.clone().into_owned(), &report.report);
            }
        }
    }
}
