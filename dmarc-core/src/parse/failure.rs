//! `message/feedback-report` → [`FailureReport`] (RFC 6591, Section 3.1; ARF, RFC 5965; RFC 9991, Section 4).
//!
//! Owns the fields of the second part and the header of the third, and what they say together of alignment. Knows
//! nothing of MIME: the caller finds the parts and decodes them. A field that is absent or odd is a quirk; only a
//! report without `Feedback-Type`, or one beyond a ceiling, is refused.
//!
//! *Not supported:* `Received-Date` beside `Arrival-Date`; fields behind an empty line.

mod alignment;
mod fields;
mod notice;

use std::borrow::Cow;
use std::net::IpAddr;

use fields::{Line, Lines, clean, compact, lower, path, unfold};
use jiff::fmt::rfc2822;

use super::auth::complete_authentication_results;
use crate::domain::Domain;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::model::FailureReport;
use crate::model::failure::{AlignmentBasis, AuthFailureType, DeliveryResult, OriginalMessage};
use crate::parse::{Parsed, value};
use crate::quirk::{QuirkCode, Quirks};

/// The message or header that a failure report includes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Included<'a> {
    /// The message or its header block, as decoded from its MIME part.
    pub bytes: &'a [u8],
}

impl<'a> Included<'a> {
    /// Wraps the bytes of a `message/rfc822` or `text/rfc822-headers` part.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
}

/// Whether `text` is a feedback report, or a notice in the place of one.
pub(crate) fn is_feedback(text: &str) -> bool {
    has_feedback_type(text) || notice::is_notice(text)
}

/// Whether `text` begins like the fields of a feedback report: nothing but fields up to a `Feedback-Type`.
fn has_feedback_type(text: &str) -> bool {
    Lines::new(text)
        .map_while(|line| if let Line::Field { name, .. } = line { Some(name) } else { None })
        .any(|name| name.eq_ignore_ascii_case("Feedback-Type"))
}

/// Reads a feedback report (RFC 5965, Section 3; RFC 6591, Section 3.1), and the header of the message it includes.
///
/// A `Feedback-Type` other than `auth-failure` is no error here: the caller decides what to do with it. A notice in prose
/// that some servers send in place of ARF is read as far as it goes, with [`QuirkCode::NoArf`].
///
/// # Errors
/// - [`ErrorKind::MissingField`] if there is no `Feedback-Type`.
/// - [`ErrorKind::LimitExceeded`] if a value is longer than `text_bytes`, or there are more than `results` fields in
///   the report or in the included header.
///
/// ```
/// let fields = "Feedback-Type: auth-failure\r\nVersion: 1\r\nAuth-Failure: dmarc\r\nIdentity-Alignment: none\r\n\
///     Source-IP: 192.0.2.1\r\nReported-Domain: example.org\r\nArrival-Date: Tue, 01 Sep 2026 10:00:00 +0000\r\n";
/// let parsed = dmarc_core::parse::failure::parse(fields, None, &dmarc_core::Limits::default())?;
/// assert_eq!(parsed.report.reported_domain[0].as_str(), "example.org");
/// assert!(parsed.quirks.contains(dmarc_core::QuirkCode::MissingOriginal));
/// # Ok::<(), dmarc_core::Error>(())
/// ```
pub fn parse<'a>(
    feedback: &'a str,
    included: Option<Included<'a>>,
    limits: &Limits,
) -> Result<Parsed<FailureReport<'a>>> {
    if !has_feedback_type(feedback) && notice::is_notice(feedback) {
        return notice::parse(feedback, limits);
    }
    let mut builder = Builder::default();
    let mut lines = Lines::new(feedback);
    let mut fields = 0;
    for line in &mut lines {
        fields += 1;
        Limits::check("results", fields, limits.results)?;
        match line {
            Line::Field { name, value } => {
                check_text(name, limits)?;
                check_text(value, limits)?;
                builder.field(name, value);
            }
            Line::Junk(text) => builder.quirks.note(QuirkCode::BadField, text),
        }
    }
    if !lines.rest.trim().is_empty() {
        builder.quirks.note(QuirkCode::FeedbackStructure, "text behind the fields");
    }
    builder.report.original = match included {
        Some(included) => original(included.bytes, limits, &mut builder.quirks)?,
        None => None,
    };
    builder.finish()
}

/// The seconds since the Unix epoch of an RFC 5322 date, sloppy ones included.
pub(super) fn rfc5322_seconds(text: &str) -> Option<i64> {
    let strict = rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text);
    strict.map(jiff::Timestamp::as_second).ok().or_else(|| {
        let date = mail_parser::DateTime::parse_rfc822(text).filter(mail_parser::DateTime::is_valid)?;
        let (year, month, day) =
            (i16::try_from(date.year).ok()?, i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?);
        jiff::civil::Date::new(year, month, day).ok().map(|_| date.to_timestamp())
    })
}

/// The fields that occur once and are more than text.
const TYPED: [&str; 9] = [
    "auth-failure",
    "delivery-result",
    "dkim-domain",
    "feedback-type",
    "identity-alignment",
    "incidents",
    "received-date",
    "source-ip",
    "source-port",
];

struct Builder<'a> {
    report: FailureReport<'a>,
    quirks: Quirks,
    received_date: Option<Cow<'a, str>>,
}

impl Default for Builder<'_> {
    fn default() -> Self {
        Self { report: empty_report(), quirks: Quirks::default(), received_date: None }
    }
}

impl<'a> Builder<'a> {
    fn field(&mut self, name: &'a str, raw: &'a str) {
        let key = name.to_ascii_lowercase();
        if let Some((slot, value)) = text_field(&mut self.report, &key, raw) {
            if !value.is_empty() || key == "original-mail-from" {
                set(slot, value, name, &mut self.quirks);
            }
        } else if !self.list_field(&key, raw) && !self.typed_field(&key, name, raw) {
            self.report.other_fields.push((Cow::Borrowed(name), unfold(raw)));
        }
    }

    /// Takes a field that may occur several times.
    fn list_field(&mut self, key: &str, raw: &'a str) -> bool {
        let report = &mut self.report;
        match key {
            "authentication-results" => {
                let (results, complete) = complete_authentication_results(raw);
                if !complete {
                    self.quirks.note(QuirkCode::BadField, "Authentication-Results: more than 100 entries");
                }
                report.authentication_results.push(results);
            }
            "reported-domain" => {
                let domain = Domain::new(clean(raw));
                if !domain.is_host_name() {
                    self.quirks.note(QuirkCode::OddDomain, raw);
                }
                if !domain.is_empty() {
                    report.reported_domain.push(domain);
                }
            }
            "original-rcpt-to" => report.original_rcpt_to.push(path(raw)),
            "reported-uri" => report.reported_uri.push(unfold(raw)),
            "spf-dns" => report.spf_dns.push(unfold(raw)),
            _ => return false,
        }
        true
    }

    /// Takes a field that occurs once and is more than text.
    fn typed_field(&mut self, key: &str, name: &str, raw: &'a str) -> bool {
        let value = clean(raw);
        let (report, quirks) = (&mut self.report, &mut self.quirks);
        if !TYPED.contains(&key) {
            return false;
        }
        if value.is_empty() {
            return true;
        }
        match key {
            "auth-failure" => set(&mut report.auth_failure, AuthFailureType::new(value), name, quirks),
            "delivery-result" => {
                let result = match DeliveryResult::new(value) {
                    DeliveryResult::Other(_) => DeliveryResult::Other(unfold(raw)),
                    known => known,
                };
                set(&mut report.delivery_result, result, name, quirks);
            }
            "dkim-domain" => set(&mut report.dkim_domain, Domain::new(value), name, quirks),
            "feedback-type" if report.feedback_type.is_empty() => {
                report.feedback_type = lower(value);
            }
            "feedback-type" => quirks.note(QuirkCode::RepeatedField, name),
            "identity-alignment" => set(&mut report.identity_alignment, mechanisms(&value), name, quirks),
            "received-date" => set(&mut self.received_date, unfold(raw), name, quirks),
            "source-ip" => match source_ip(&value, quirks) {
                Some(ip) => set(&mut report.source_ip, ip, name, quirks),
                None => quirks.note(QuirkCode::BadField, format!("{name}: {value}")),
            },
            "source-port" => match value.parse() {
                Ok(port) => set(&mut report.source_port, port, name, quirks),
                Err(_) => quirks.note(QuirkCode::BadField, format!("{name}: {value}")),
            },
            _ => self.incidents(name, &value),
        }
        true
    }

    /// Takes `Incidents`, a positive number of 32 bits (RFC 5965, Section 3.2); 0 stands for "not yet given".
    fn incidents(&mut self, name: &str, value: &str) {
        if self.report.incidents != 0 {
            self.quirks.note(QuirkCode::RepeatedField, name);
            return;
        }
        self.report.incidents = value.parse::<u32>().map_or(0, u64::from);
        if self.report.incidents == 0 {
            self.quirks.note(QuirkCode::BadField, format!("{name}: {value}"));
            self.report.incidents = 1;
        }
    }

    fn finish(mut self) -> Result<Parsed<FailureReport<'a>>> {
        if self.report.feedback_type.is_empty() {
            return Err(Error::new(ErrorKind::MissingField("Feedback-Type")));
        }
        self.note_missing();
        Ok(self.complete())
    }

    /// Adds what follows from the fields.
    fn complete(mut self) -> Parsed<FailureReport<'a>> {
        self.report.incidents = self.report.incidents.max(1);
        self.arrival();
        self.note_unknown();
        let alignment = alignment::alignment(&self.report);
        self.report.dkim_aligned = alignment.dkim;
        self.report.spf_aligned = alignment.spf;
        self.report.alignment_basis = alignment.basis;
        Parsed::new(self.report, self.quirks)
    }

    fn arrival(&mut self) {
        let note = match (&self.report.arrival_date, &self.received_date) {
            (Some(_), None) => None,
            (Some(_), Some(_)) => Some("Arrival-Date and Received-Date"),
            (None, Some(_)) => Some("Received-Date"),
            (None, None) => Some("absent"),
        };
        if let Some(note) = note {
            self.quirks.note(QuirkCode::ArrivalDate, note);
        }
        self.report.arrival_date = self.report.arrival_date.take().or_else(|| self.received_date.take());
        if let Some(date) = &self.report.arrival_date {
            self.report.arrived = rfc5322_seconds(date);
            if self.report.arrived.is_none() {
                self.quirks.note(QuirkCode::BadField, format!("Arrival-Date: {date}"));
            }
        }
    }

    fn note_unknown(&mut self) {
        if let Some(AuthFailureType::Other(word)) = &self.report.auth_failure {
            self.quirks.note(QuirkCode::UnknownValue, format!("Auth-Failure: {word}"));
        }
        if let Some(DeliveryResult::Other(word)) = &self.report.delivery_result {
            self.quirks.note(QuirkCode::UnknownValue, format!("Delivery-Result: {word}"));
        }
        if let Some(version) = self.report.version.as_ref().filter(|version| *version != "1") {
            self.quirks.note(QuirkCode::FeedbackVersion, version);
        }
    }

    fn note_missing(&mut self) {
        let report = &self.report;
        let about_authentication = report.feedback_type == "auth-failure";
        let about_dmarc = report.auth_failure == Some(AuthFailureType::Dmarc);
        let missing = [
            ("User-Agent", report.user_agent.is_none()),
            ("Version", report.version.is_none()),
            ("Auth-Failure", about_authentication && report.auth_failure.is_none()),
            ("Authentication-Results", about_authentication && report.authentication_results.is_empty()),
            ("Identity-Alignment", about_dmarc && report.identity_alignment.is_none()),
            ("Reported-Domain", about_authentication && report.reported_domain.is_empty()),
        ];
        for (name, _) in missing.iter().filter(|(_, missing)| *missing) {
            self.quirks.note(QuirkCode::MissingField, name);
        }
        if report.original.is_none() {
            self.quirks.note(QuirkCode::MissingOriginal, "");
        }
    }
}

fn empty_report() -> FailureReport<'static> {
    FailureReport {
        feedback_type: Cow::Borrowed(""),
        user_agent: None,
        version: None,
        auth_failure: None,
        authentication_results: Vec::new(),
        identity_alignment: None,
        dkim_aligned: None,
        spf_aligned: None,
        alignment_basis: AlignmentBasis::Unknown,
        reported_domain: Vec::new(),
        original_envelope_id: None,
        original_mail_from: None,
        original_rcpt_to: Vec::new(),
        source_ip: None,
        source_port: None,
        arrival_date: None,
        arrived: None,
        reporting_mta: None,
        incidents: 0,
        reported_uri: Vec::new(),
        delivery_result: None,
        dkim_domain: None,
        dkim_identity: None,
        dkim_selector: None,
        dkim_canonicalized_header: None,
        dkim_canonicalized_body: None,
        dkim_selector_dns: None,
        dkim_adsp_dns: None,
        spf_dns: Vec::new(),
        other_fields: Vec::new(),
        original: None,
    }
}

/// The place and value of a field that occurs once and is kept as text.
fn text_field<'r, 'a>(
    report: &'r mut FailureReport<'a>,
    key: &str,
    raw: &'a str,
) -> Option<(&'r mut Option<Cow<'a, str>>, Cow<'a, str>)> {
    Some(match key {
        "arrival-date" => (&mut report.arrival_date, unfold(raw)),
        "dkim-adsp-dns" => (&mut report.dkim_adsp_dns, unfold(raw)),
        "dkim-canonicalized-body" => (&mut report.dkim_canonicalized_body, compact(raw)),
        "dkim-canonicalized-header" => (&mut report.dkim_canonicalized_header, compact(raw)),
        "dkim-identity" => (&mut report.dkim_identity, clean(raw)),
        "dkim-selector" => (&mut report.dkim_selector, clean(raw)),
        "dkim-selector-dns" => (&mut report.dkim_selector_dns, unfold(raw)),
        "original-envelope-id" => (&mut report.original_envelope_id, unfold(raw)),
        "original-mail-from" => (&mut report.original_mail_from, path(raw)),
        "reporting-mta" => (&mut report.reporting_mta, unfold(raw)),
        "user-agent" => (&mut report.user_agent, unfold(raw)),
        "version" => (&mut report.version, clean(raw)),
        _ => return None,
    })
}

/// Fills a place that holds one value: the first counts.
fn set<T>(slot: &mut Option<T>, value: T, name: &str, quirks: &mut Quirks) {
    if slot.is_some() {
        quirks.note(QuirkCode::RepeatedField, name);
    } else {
        *slot = Some(value);
    }
}

/// An address literal (RFC 5321, Section 4.1.3), bare or in brackets, cleaned as in aggregate reports.
fn source_ip(value: &str, quirks: &mut Quirks) -> Option<IpAddr> {
    let ip = value::ip(value)?;
    if ip.is_odd {
        quirks.note(QuirkCode::NormalizedIp, value);
    }
    Some(ip.value)
}

/// The mechanisms that `Identity-Alignment` lists, in lower case.
fn mechanisms(value: &str) -> Vec<Cow<'static, str>> {
    value
        .split(|c: char| c == ',' || c.is_ascii_whitespace())
        .filter(|word| !word.is_empty())
        .map(|word| Cow::Owned(word.to_ascii_lowercase()))
        .collect()
}

// ---- the included message

/// Reads the header of the included message; `None` if it has not one field.
fn original<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    quirks: &mut Quirks,
) -> Result<Option<OriginalMessage<'a>>> {
    let (header, body_bytes) = split_header(bytes);
    let headers = match String::from_utf8_lossy(header) {
        Cow::Borrowed(text) => headers(text, limits, quirks)?,
        Cow::Owned(text) => {
            quirks.note(QuirkCode::BadEncoding, "header of the included message");
            let owned = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
                (Cow::Owned(name.into_owned()), Cow::Owned(value.into_owned()))
            };
            headers(&text, limits, quirks)?.into_iter().map(owned).collect()
        }
    };
    if headers.is_empty() {
        return Ok(None);
    }
    let header_from = author_domain(&headers);
    Ok(Some(OriginalMessage { headers, header_from, body_bytes }))
}

/// The header block, and the size of what follows the empty line behind it.
fn split_header(bytes: &[u8]) -> (&[u8], u64) {
    let start = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(bytes.len());
    let bytes = bytes.get(start..).unwrap_or_default();
    let end_of = |at: usize| match bytes.get(at + 1..) {
        Some([b'\n', ..]) => Some(2),
        Some([b'\r', b'\n', ..]) => Some(3),
        _ => None,
    };
    let end = memchr::memchr_iter(b'\n', bytes).find_map(|at| end_of(at).map(|len| (at, at + len)));
    let (header, body) = end.unwrap_or((bytes.len(), bytes.len()));
    (bytes.get(..header).unwrap_or_default(), (bytes.len() - body) as u64)
}

type Headers<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

fn headers<'a>(text: &'a str, limits: &Limits, quirks: &mut Quirks) -> Result<Headers<'a>> {
    let mut headers = Vec::new();
    for (at, line) in Lines::new(text).enumerate() {
        Limits::check("results", at as u64 + 1, limits.results)?;
        match line {
            Line::Field { name, value } => {
                check_text(name, limits)?;
                check_text(value, limits)?;
                headers.push((Cow::Borrowed(name), unfold(value)));
            }
            Line::Junk(text) => quirks.note(QuirkCode::BadField, text),
        }
    }
    Ok(headers)
}

/// The domain of RFC5322.From, if all addresses of all such fields have the same.
fn author_domain(headers: &Headers<'_>) -> Option<Domain<'static>> {
    let mut domains = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("From"))
        .flat_map(|(_, value)| addresses(value))
        .map(|address| domain_of(&address));
    let first = domains.next()??;
    domains.all(|domain| domain.as_ref() == Some(&first)).then_some(first)
}

fn addresses(value: &str) -> Vec<String> {
    match mail_parser::parsers::MessageStream::new(format!("{value}\n").as_bytes()).parse_address() {
        mail_parser::HeaderValue::Address(list) => {
            list.into_list().into_iter().filter_map(|addr| addr.address).map(Cow::into_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// The domain behind the last `@`, if it could be one.
fn domain_of(address: &str) -> Option<Domain<'static>> {
    let (_, domain) = address.rsplit_once('@')?;
    host(domain.trim_end_matches('>'))
}

fn host(text: &str) -> Option<Domain<'static>> {
    Some(Domain::new(text.to_owned())).filter(Domain::is_host_name)
}

fn check_text(text: &str, limits: &Limits) -> Result<()> {
    Limits::check("text_bytes", text.len() as u64, limits.text_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Parsed<FailureReport<'_>> {
        parse(text, None, &Limits::default()).unwrap()
    }

    fn details<'r>(parsed: &'r Parsed<FailureReport<'_>>, code: QuirkCode) -> Vec<&'r str> {
        let quirks = parsed.quirks.as_slice().iter();
        quirks.filter(|quirk| quirk.code == code).map(|quirk| quirk.detail.as_str()).collect()
    }

    #[test]
    fn reads_every_field_of_a_regular_report_without_a_quirk() {
        let (text, message) =
            (crate::testdata::sample("failure/regular.txt"), crate::testdata::sample("failure/original.txt"));
        let parsed = parse(&text, Some(Included::new(message.as_bytes())), &Limits::default()).unwrap();
        assert_eq!(parsed.quirks.as_slice(), []);
        let report = parsed.report;
        assert_eq!(report.feedback_type, "auth-failure");
        assert_eq!(report.user_agent.as_deref(), Some("Beispiel-Reporter/3.1 (on a test host)"));
        assert_eq!(report.authentication_results[0].results[0].property("header.s"), Some("k1"));
        assert_eq!(report.identity_alignment.as_deref(), Some(&[Cow::Borrowed("dkim")][..]));
        assert_eq!(report.reported_domain, [Domain::new("marke.example")]);
        assert_eq!(report.original_mail_from.as_deref(), Some("liste-bounces@liste.example"));
        assert_eq!(report.original_rcpt_to, ["leser@reporter.example"]);
        assert_eq!(report.source_ip, Some("192.0.2.77".parse().unwrap()));
        assert_eq!(report.source_port, Some(51_234));
        assert_eq!(report.arrival_date.as_deref(), Some("Tue, 4 Mar 2025 10:20:30 +0100 (CET)"));
        assert_eq!(report.arrived, Some(1_741_080_030));
        assert_eq!(report.incidents, 250);
        assert_eq!(report.delivery_result, Some(DeliveryResult::Reject));
        assert_eq!(report.reported_uri, ["http://marke.example/(konto)"]);
        assert_eq!(report.dkim_canonicalized_body.as_deref(), Some("R3J1w58K"));
        assert_eq!(report.dkim_canonicalized_header.as_deref(), Some("ZnJvbTphCg=="));
        assert_eq!(report.canonicalized_header().as_deref(), Some(&b"from:a\n"[..]));
        assert_eq!(report.dkim_selector_dns.as_deref(), Some("\"v=DKIM1; k=rsa; p=MIIB\""));
        assert_eq!(report.dkim_adsp_dns.as_deref(), Some("\"dkim=all\""));
        assert_eq!(report.dkim_domain, Some(Domain::new("marke.example")));
        assert_eq!(report.dkim_identity.as_deref(), Some("@marke.example"));
        assert_eq!(report.dkim_selector.as_deref(), Some("k1"));
        assert_eq!(report.original_envelope_id.as_deref(), Some("7F2A"));
        assert_eq!(report.reporting_mta.as_deref(), Some("dns; mx.reporter.example"));
        assert_eq!(report.spf_dns, ["txt : liste.example : \"v=spf1 ip4:192.0.2.77 -all\""]);
        assert_eq!(report.other_fields, [(Cow::Borrowed("X-Ticket"), Cow::Borrowed("99"))]);
        assert_eq!((report.dkim_aligned, report.spf_aligned), (Some(false), Some(false)));
        assert_eq!(report.alignment_basis, AlignmentBasis::Evidence);
    }

    #[test]
    fn reads_the_header_of_the_included_message() {
        let (text, message) =
            (crate::testdata::sample("failure/regular.txt"), crate::testdata::sample("failure/original.txt"));
        let report =
            parse(&text, Some(Included::new(message.as_bytes())), &Limits::default()).unwrap().report;
        let original = report.original.unwrap();
        assert_eq!(original.headers.len(), 8);
        assert_eq!(original.header("subject"), Some("Neues vom Dienst"));
        assert_eq!(original.header("To"), Some("rZ8cqX+Giw=@liste.example"));
        assert_eq!(original.header_from, Some(Domain::new("mail.marke.example")));
        assert_eq!(original.body_bytes, 7);
    }

    #[test]
    fn names_every_oddity_of_a_sloppy_report() {
        let text = crate::testdata::sample("failure/sloppy.txt");
        let parsed = read(&text);
        let report = &parsed.report;
        assert_eq!(report.feedback_type, "auth-failure");
        assert_eq!(report.auth_failure, Some(AuthFailureType::Dmarc));
        assert_eq!(report.source_ip, Some("2001:db8::7".parse().unwrap()));
        assert_eq!(report.original_mail_from.as_deref(), Some(""));
        assert_eq!(report.delivery_result, Some(DeliveryResult::Other("gateway-says-no".into())));
        assert_eq!(report.incidents, 1);
        assert_eq!(report.arrived, Some(1_741_080_030));
        assert_eq!(report.other_fields.len(), 1);
        assert_eq!(details(&parsed, QuirkCode::FeedbackVersion), ["1.0"]);
        assert_eq!(details(&parsed, QuirkCode::BadField), ["Incidents: many"]);
        assert_eq!(details(&parsed, QuirkCode::RepeatedField), ["Incidents"]);
        assert_eq!(details(&parsed, QuirkCode::ArrivalDate), ["Received-Date"]);
        assert_eq!(details(&parsed, QuirkCode::UnknownValue), ["Delivery-Result: gateway-says-no"]);
        let missing = ["User-Agent", "Authentication-Results", "Identity-Alignment", "Reported-Domain"];
        assert_eq!(details(&parsed, QuirkCode::MissingField), missing);
        assert!(parsed.quirks.contains(QuirkCode::MissingOriginal));
    }

    #[test]
    fn tells_a_feedback_report_by_its_first_fields() {
        assert!(is_feedback("Version: 1\r\nFEEDBACK-TYPE : abuse\r\n"));
        assert!(is_feedback("\r\n\r\nUser-Agent: a\r\n b\r\nFeedback-Type: auth-failure"));
        assert!(!is_feedback("Version: 1\n\nFeedback-Type: abuse"));
        assert!(!is_feedback("A notice.\nFeedback-Type: abuse"));
        assert!(!is_feedback("X: Feedback-Type: abuse\n Feedback-Type: abuse\n"));
        assert!(!is_feedback(""));
    }

    #[test]
    fn refuses_only_a_report_without_its_type() {
        for text in ["", "Version: 1\n", "Feedback-Type:\n", "Feedback-Type: (none)", "\0\0\0"] {
            let error = parse(text, None, &Limits::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MissingField("Feedback-Type"), "{text:?}");
        }
        assert_eq!(read("Feedback-Type: Abuse").report.feedback_type, "abuse");
    }

    #[test]
    fn uses_the_arrival_date_where_both_dates_are_given() {
        let parsed = read(
            "Feedback-Type: auth-failure\nReceived-Date: Mon, 3 Mar 2025 00:00:00 +0000\n\
             Arrival-Date: Wed, 4 Mar 2025 09:20:30 -0000\n",
        );
        assert_eq!(parsed.report.arrived, Some(1_741_080_030));
        assert_eq!(details(&parsed, QuirkCode::ArrivalDate), ["Arrival-Date and Received-Date"]);
    }

    #[test]
    fn keeps_a_date_that_it_cannot_read() {
        let parsed = read("Feedback-Type: auth-failure\nArrival-Date: 31 Feb 2025 10:00:00 +0000\n");
        assert_eq!(parsed.report.arrived, None);
        assert!(parsed.report.arrival_date.is_some());
        assert!(parsed.quirks.contains(QuirkCode::BadField));
    }

    #[test]
    fn reads_an_address_in_every_form() {
        for (form, ip) in [
            ("192.0.2.1", "192.0.2.1"),
            ("[192.0.2.1]", "192.0.2.1"),
            ("192.0.2.1 (mail.example)", "192.0.2.1"),
            ("IPv6:2001:db8::1", "2001:db8::1"),
            ("[ipv6:2001:DB8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            let text = format!("Feedback-Type: auth-failure\nSource-IP: {form}\n");
            assert_eq!(read(&text).report.source_ip, Some(ip.parse().unwrap()), "{form}");
        }
        let parsed = read("Feedback-Type: auth-failure\nSource-IP: unknown\nSource-Port: 70000\n");
        assert_eq!(details(&parsed, QuirkCode::BadField), ["Source-IP: unknown", "Source-Port: 70000"]);
    }

    #[test]
    fn takes_an_incident_count_of_zero_or_beyond_32_bits_for_one() {
        for count in ["0", "-1", "4294967296", "99999999999999999999", "1.5"] {
            let text = format!("Feedback-Type: auth-failure\nIncidents: {count}\n");
            let parsed = read(&text);
            assert_eq!(parsed.report.incidents, 1, "{count}");
            assert!(parsed.quirks.contains(QuirkCode::BadField), "{count}");
        }
    }

    #[test]
    fn keeps_the_fields_that_may_be_repeated_and_the_first_of_the_others() {
        let parsed = read(
            "Feedback-Type: auth-failure\nReported-URI: a:b\nReported-URI: c:d\nReported-Domain: A.example.\n\
             Reported-Domain: not a domain\nSPF-DNS: x\nSPF-DNS: y\nUser-Agent: one\nUser-Agent: two\n",
        );
        assert_eq!(parsed.report.reported_uri, ["a:b", "c:d"]);
        assert_eq!(parsed.report.reported_domain.len(), 2);
        assert_eq!(parsed.report.reported_domain[0].as_str(), "a.example");
        assert_eq!(parsed.report.spf_dns, ["x", "y"]);
        assert_eq!(parsed.report.user_agent.as_deref(), Some("one"));
        assert_eq!(details(&parsed, QuirkCode::OddDomain), ["not a domain"]);
    }

    #[test]
    fn does_not_read_fields_behind_an_empty_line() {
        let parsed = read("Feedback-Type: auth-failure\n\nIncidents: 7\n");
        assert_eq!(parsed.report.incidents, 1);
        assert!(parsed.quirks.contains(QuirkCode::FeedbackStructure));
    }

    #[test]
    fn refuses_one_byte_or_one_field_over_the_limit() {
        let limits = Limits { text_bytes: 20, results: 3, ..Limits::default() };
        let over = |text: &str, included: Option<&str>| {
            let included = included.map(|text| Included::new(text.as_bytes()));
            parse(text, included, &limits).err().map(|error| error.kind())
        };
        let text = |n: usize| format!("Feedback-Type: abuse\nUser-Agent: {}\n", "x".repeat(n));
        let exceeded = |limit, max| Some(ErrorKind::LimitExceeded { limit, max });
        assert_eq!(over(&text(20), None), None);
        assert_eq!(over(&text(21), None), exceeded("text_bytes", 20));
        assert_eq!(over(&text(20), Some(&format!("A: {}\n", "x".repeat(21)))), exceeded("text_bytes", 20));
        assert_eq!(over(&format!("{}A: b\n", text(1)), Some("A: b\nA: b\nA: b\n\nC: d\n")), None);
        assert_eq!(over(&format!("{}A: b\nA: b\n", text(1)), None), exceeded("results", 3));
        assert_eq!(over(&text(1), Some("A: b\nA: b\nA: b\nA: b\n")), exceeded("results", 3));
    }

    #[test]
    fn replaces_what_is_no_utf8_in_the_included_header() {
        let parsed = parse(
            "Feedback-Type: auth-failure",
            Some(Included::new(b"\r\nSubject: gr\xfc\xdfe\r\nFrom: a@b.example\r\n\r\n\xff\xfe")),
            &Limits::default(),
        )
        .unwrap();
        let original = parsed.report.original.unwrap();
        assert_eq!(original.header("Subject"), Some("gr\u{fffd}\u{fffd}e"));
        assert_eq!((original.header_from, original.body_bytes), (Some(Domain::new("b.example")), 2));
        assert!(parsed.quirks.contains(QuirkCode::BadEncoding));
    }

    #[test]
    fn claims_no_author_domain_where_several_differ() {
        let author = |header: &str| {
            let included = Some(Included::new(header.as_bytes()));
            let report = parse("Feedback-Type: auth-failure", included, &Limits::default()).unwrap().report;
            report.original.and_then(|original| original.header_from).map(|domain| domain.as_str().to_owned())
        };
        assert_eq!(author("From: a@x.example, b@X.example\n").as_deref(), Some("x.example"));
        assert_eq!(author("From: a@x.example, b@y.example\n"), None);
        assert_eq!(author("From: a@x.example\nFrom: a@y.example\n"), None);
        assert_eq!(author("From: nobody\n"), None);
        assert_eq!(author("From: \"a@evil.example\" <a@x.example>\n").as_deref(), Some("x.example"));
    }

    #[test]
    fn survives_hostile_fields() {
        let comments = "(".repeat(60_000);
        let parsed_text =
            format!("Feedback-Type: auth-failure {comments}\nSource-IP: {comments}\nFrom:\0\0\n");
        assert_eq!(read(&parsed_text).report.feedback_type, "auth-failure");
        let quotes = format!("Feedback-Type: auth-failure\nDKIM-Identity: {}(\n", "\"\\\"(".repeat(10_000));
        assert!(read(&quotes).report.dkim_identity.is_some());
    }

    proptest! {
        #[test]
        fn reads_any_text_without_panic(text in any::<String>(), header in any::<Vec<u8>>()) {
            is_feedback(&text);
            parse(&text, Some(Included::new(&header)), &Limits::default()).ok();
        }

        #[test]
        fn reads_any_fields_without_panic(
            fields in proptest::collection::vec(
                ("(Arrival-Date|Authentication-Results|Auth-Failure|Identity-Alignment|Incidents|Source-IP|SPF-DNS\
                  |Original-Mail-From|Reported-Domain)", "[ -~\r\n\té]{0,40}"), 0..8),
            from in "[ -~é]{0,40}",
        ) {
            let lines: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            let body = lines.join("\n");
            let text = format!("Feedback-Type: auth-failure\n{body}");
            let header = format!("From: {from}\nAuthentication-Results: {from}\n\n");
            let parsed = parse(&text, Some(Included::new(header.as_bytes())), &Limits::default()).unwrap();
            prop_assert!(parsed.report.incidents >= 1);
            prop_assert_eq!(&parsed.report.clone().into_owned(), &parsed.report);
        }
    }
}
