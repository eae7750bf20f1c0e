//! `message/feedback-report` → [`FailureReport`] (RFC 6591, Section 3.1; ARF, RFC 5965; RFC 9991, Section 4).
//!
//! Owns the fields of the second part and the header of the third, and what they say together of alignment. Knows
//! nothing of MIME: the caller finds the parts and decodes them. A field that is absent or odd is a quirk; only a
//! report without `Feedback-Type`, or one beyond a ceiling, is refused.
//!
//! # Alignment
//!
//! `Identity-Alignment` has two opposite meanings: RFC 7489, Section 7.3.1 lists what aligned, RFC 9991, Section 4 what
//! failed, and no version tells them apart. For a report about DMARC, `none` and both mechanisms have one possible
//! reading each. A single mechanism is read the way that the evidence allows: results of part two; results at the top
//! of the included header by the same authserv-id; `Original-Mail-From`. Where it allows both, nothing is claimed.
//!
//! *Not supported:* strict alignment, which a failure report does not tell of (relaxed is assumed, unless
//! `dmarc=fail` contradicts it); reports as prose without a feedback part (Exim); decoding of base64 in
//! `DKIM-Canonicalized-*`; `Received-Date` beside `Arrival-Date`; fields behind an empty line.

use std::borrow::Cow;
use std::net::IpAddr;

use jiff::fmt::rfc2822;

use super::auth::{comment_len, complete_authentication_results, quoted_len};
use crate::domain::{Domain, same_organization};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::model::FailureReport;
use crate::model::auth::{AuthenticationResults, MethodResult};
use crate::model::failure::{AlignmentBasis, AuthFailureType, DeliveryResult, OriginalMessage};
use crate::parse::Parsed;
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

/// Whether `text` begins like the fields of a feedback report: nothing but fields up to a `Feedback-Type`.
pub(crate) fn is_feedback(text: &str) -> bool {
    Lines::new(text)
        .map_while(|line| if let Line::Field { name, .. } = line { Some(name) } else { None })
        .any(|name| name.eq_ignore_ascii_case("Feedback-Type"))
}

/// Reads a feedback report (RFC 5965, Section 3; RFC 6591, Section 3.1), and the header of the message it includes.
///
/// A `Feedback-Type` other than `auth-failure` is no error here: the caller decides what to do with it.
///
/// # Errors
/// - [`ErrorKind::MissingField`] if there is no `Feedback-Type`.
/// - [`ErrorKind::LimitExceeded`] if a value is longer than `text_bytes`, or there are more than `results` fields in
///   the report or in the included header.
pub fn parse<'a>(
    feedback: &'a str,
    included: Option<Included<'a>>,
    limits: &Limits,
) -> Result<Parsed<FailureReport<'a>>> {
    let mut builder = Builder { report: empty_report(), quirks: Quirks::default(), received_date: None };
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

struct Builder<'a> {
    report: FailureReport<'a>,
    quirks: Quirks,
    received_date: Option<Cow<'a, str>>,
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
        let known = [
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
        if !known.contains(&key) {
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
        self.report.incidents = self.report.incidents.max(1);
        self.arrival();
        self.note_unknown();
        self.note_missing();
        let alignment = alignment(&self.report);
        self.report.dkim_aligned = alignment.dkim;
        self.report.spf_aligned = alignment.spf;
        self.report.alignment_basis = alignment.basis;
        Ok(Parsed::new(self.report, self.quirks))
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
        "dkim-canonicalized-body" => (&mut report.dkim_canonicalized_body, compact(raw)),
        "dkim-canonicalized-header" => (&mut report.dkim_canonicalized_header, compact(raw)),
        "dkim-identity" => (&mut report.dkim_identity, clean(raw)),
        "dkim-selector" => (&mut report.dkim_selector, clean(raw)),
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

/// An address literal (RFC 5321, Section 4.1.3), bare or in brackets, with or without `IPv6:`.
fn source_ip(value: &str, quirks: &mut Quirks) -> Option<IpAddr> {
    let bracketed = value.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let inner = bracketed.unwrap_or(value);
    let tagged = inner.split_at_checked(5).filter(|(tag, _)| tag.eq_ignore_ascii_case("IPv6:"));
    let ip = tagged.map_or(inner, |(_, ip)| ip).trim().parse().ok()?;
    if bracketed.is_some() {
        quirks.note(QuirkCode::NormalizedIp, value);
    }
    Some(ip)
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

// ---- alignment

#[derive(Clone, Copy, Default)]
struct Alignment {
    dkim: Option<bool>,
    spf: Option<bool>,
    basis: AlignmentBasis,
}

impl Alignment {
    fn from_evidence(dkim: Option<bool>, spf: Option<bool>) -> Self {
        let known = dkim.is_some() || spf.is_some();
        let basis = if known { AlignmentBasis::Evidence } else { AlignmentBasis::Unknown };
        Self { dkim, spf, basis }
    }

    fn neither(basis: AlignmentBasis) -> Self {
        Self { dkim: Some(false), spf: Some(false), basis }
    }
}

/// What aligned, as far as the report can tell; see the header of this module.
fn alignment(report: &FailureReport<'_>) -> Alignment {
    let evidence = evidence(report);
    // Only a report about DMARC says by its type that a mechanism failed, on which the readings rest.
    if report.auth_failure != Some(AuthFailureType::Dmarc) {
        return evidence;
    }
    let listed = report.identity_alignment.as_deref().unwrap_or_default();
    let lists = |word: &str| listed.iter().any(|listed| listed == word);
    match (lists("none"), lists("dkim"), lists("spf")) {
        (true, false, false) => Alignment::neither(AlignmentBasis::ListsNone),
        (false, true, true) => Alignment::neither(AlignmentBasis::ListsBoth),
        (false, true, false) => {
            // Both readings have SPF failed: RFC 7489 by not listing it, RFC 9991 by giving the record that failed.
            let spf = evidence.spf.or_else(|| (!report.spf_dns.is_empty()).then_some(false));
            let (dkim, spf) = one_listed(evidence.dkim, spf);
            Alignment::from_evidence(dkim, spf)
        }
        (false, false, true) => {
            let (spf, dkim) = one_listed(evidence.spf, evidence.dkim);
            Alignment::from_evidence(dkim, spf)
        }
        _ => evidence,
    }
}

/// Completes the evidence for a listed mechanism and the other one by the reading that it does not contradict.
fn one_listed(listed: Option<bool>, other: Option<bool>) -> (Option<bool>, Option<bool>) {
    match (listed, other) {
        // Neither reading fits, nor does the type of the report.
        (Some(true), Some(true)) => (None, None),
        // The listed one aligned: RFC 7489, and the other did not align.
        (Some(true), _) => (Some(true), Some(false)),
        // The listed one failed, or the other did not: RFC 9991, where "not listed" claims nothing.
        (Some(false), other) => (Some(false), other),
        (None, Some(true)) => (Some(false), Some(true)),
        (None, other) => (None, other),
    }
}

/// What results and domains say, without `Identity-Alignment`.
fn evidence(report: &FailureReport<'_>) -> Alignment {
    let Some(author) = author(report) else { return Alignment::default() };
    let about_dmarc = report.auth_failure == Some(AuthFailureType::Dmarc);
    let trusted = trusted_results(report);
    let own = report.authentication_results.iter().flat_map(|field| &field.results);
    let results: Vec<&MethodResult<'_>> =
        trusted.iter().flat_map(|field| &field.results).chain(own.clone()).collect();
    let mut dkim = dkim_evidence(&author, &results);
    // A report about one signature gives its result alone (RFC 6591, Section 3.1): others may have passed.
    let partial =
        !about_dmarc && !trusted.iter().flat_map(|field| &field.results).any(|r| r.method == "dkim");
    if partial {
        dkim.aligned = dkim.aligned.filter(|aligned| *aligned);
    }
    let mut spf = spf_evidence(&author, &results, report.original_mail_from.as_deref());
    if results.iter().any(|r| r.method == "dmarc" && r.result == "fail") {
        dkim = dkim.given_dmarc_failed();
        spf = spf.given_dmarc_failed();
    }
    Alignment::from_evidence(dkim.aligned, spf.aligned)
}

/// The Author Domain: of the included message, else as a `dmarc` result names it, else, for DMARC, as reported.
fn author(report: &FailureReport<'_>) -> Option<Domain<'static>> {
    let original = report.original.as_ref().and_then(|original| original.header_from.clone());
    let by_result = || {
        let mut results = report.authentication_results.iter().flat_map(|field| &field.results);
        let from = results.find_map(|r| r.property("header.from").filter(|_| r.method == "dmarc"))?;
        host(from.rsplit_once('@').map_or(from, |(_, domain)| domain))
    };
    let by_report = || match report.reported_domain.as_slice() {
        [domain] if report.auth_failure == Some(AuthFailureType::Dmarc) => host(domain.as_str()),
        _ => None,
    };
    original.map(Domain::into_owned).or_else(by_result).or_else(by_report)
}

/// The fields of the included header that the reporter added: same authserv-id, above the second `Received`.
///
/// Further down they are from hops before, or from whoever forged the message.
fn trusted_results<'r>(report: &'r FailureReport<'_>) -> Vec<AuthenticationResults<'r>> {
    let Some(original) = &report.original else { return Vec::new() };
    let mut received = 0;
    let own = |id: &str| {
        let mut ids = report.authentication_results.iter().map(|field| &field.authserv_id);
        !id.is_empty() && ids.any(|own| own.eq_ignore_ascii_case(id))
    };
    original
        .headers
        .iter()
        .take_while(|(name, _)| {
            received += u32::from(name.eq_ignore_ascii_case("Received"));
            received < 2
        })
        .filter(|(name, _)| name.eq_ignore_ascii_case("Authentication-Results"))
        .map(|(_, value)| super::authentication_results(value))
        .filter(|field| own(&field.authserv_id))
        .collect()
}

/// Whether a mechanism aligned, and whether with the very domain of the author.
#[derive(Clone, Copy, Default)]
struct Mechanism {
    aligned: Option<bool>,
    exact: bool,
}

impl Mechanism {
    /// With `dmarc=fail` nothing aligned: a relaxed match was then not enough, an exact one contradicts it.
    fn given_dmarc_failed(self) -> Self {
        let contradicted = self.aligned == Some(true) && self.exact;
        Self { aligned: (!contradicted).then_some(false), exact: false }
    }

    fn passed(author: &Domain<'_>, domain: &Domain<'_>) -> Self {
        Self { aligned: Some(same_organization(author.as_str(), domain.as_str())), exact: author == domain }
    }

    /// Of several results one that aligned decides, then one that cannot be told.
    fn best(of: impl Iterator<Item = Self>) -> Self {
        let rank = |m: &Self| (m.aligned == Some(true), m.aligned.is_none(), m.exact);
        of.max_by_key(rank).unwrap_or_default()
    }
}

fn dkim_evidence(author: &Domain<'_>, results: &[&MethodResult<'_>]) -> Mechanism {
    Mechanism::best(results.iter().filter(|r| r.method == "dkim").map(|r| {
        if r.result != "pass" {
            return Mechanism { aligned: Some(false), exact: false };
        }
        let domain = r.property("header.d").and_then(host).or_else(|| domain_of(r.property("header.i")?));
        domain.map_or_else(Mechanism::default, |domain| Mechanism::passed(author, &domain))
    }))
}

fn spf_evidence(author: &Domain<'_>, results: &[&MethodResult<'_>], mail_from: Option<&str>) -> Mechanism {
    let sender = mail_from.and_then(|path| domain_of(path).or_else(|| host(path)));
    let foreign = sender.as_ref().is_some_and(|domain| !same_organization(author.as_str(), domain.as_str()));
    let by_results = Mechanism::best(results.iter().filter(|r| r.method == "spf").map(|r| {
        if r.result != "pass" {
            return Mechanism { aligned: Some(false), exact: false };
        }
        let identity = r.property("smtp.mailfrom").or(mail_from);
        let domain = match identity {
            // A null reverse-path stands for the HELO name (RFC 7208, Section 2.4).
            Some("") => r.property("smtp.helo").and_then(host),
            Some(identity) => domain_of(identity).or_else(|| host(identity)),
            None => None,
        };
        domain.map_or_else(Mechanism::default, |domain| Mechanism::passed(author, &domain))
    }));
    match (foreign, by_results.aligned) {
        (true, Some(true)) => Mechanism::default(),
        (true, _) => Mechanism { aligned: Some(false), exact: false },
        (false, _) => by_results,
    }
}

// ---- fields

enum Line<'a> {
    Field { name: &'a str, value: &'a str },
    Junk(&'a str),
}

/// The fields of a header block, each with its folded lines; `rest` is what follows the empty line that ends it.
struct Lines<'a> {
    rest: &'a str,
    ended: bool,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.trim_start_matches(['\u{feff}', '\r', '\n', ' ', '\t']), ended: false }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.rest.is_empty() {
            return None;
        }
        let bytes = self.rest.as_bytes();
        let end = memchr::memchr_iter(b'\n', bytes)
            .map(|at| at + 1)
            .find(|at| !matches!(bytes.get(*at), Some(b' ' | b'\t')))
            .unwrap_or(bytes.len());
        let (line, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        if line.trim_end_matches(['\r', '\n']).is_empty() {
            self.ended = true;
            return None;
        }
        Some(match line.split_once(':') {
            Some((name, value)) if is_name(name.trim_end()) => {
                Line::Field { name: name.trim_end(), value: value.trim() }
            }
            _ => Line::Junk(line.trim()),
        })
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic())
}

fn check_text(text: &str, limits: &Limits) -> Result<()> {
    Limits::check("text_bytes", text.len() as u64, limits.text_bytes)
}

/// The value without its line ends (RFC 5322, Section 2.2.3).
fn unfold(raw: &str) -> Cow<'_, str> {
    let raw = raw.trim();
    if raw.contains(['\r', '\n']) { Cow::Owned(raw.replace(['\r', '\n'], "")) } else { Cow::Borrowed(raw) }
}

/// The value without line ends and comments; parentheses in quotes are none.
fn clean(raw: &str) -> Cow<'_, str> {
    if !raw.contains('(') {
        return unfold(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find(['(', '"']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let comment = from.starts_with('(');
        let len = if comment { comment_len(from) } else { quoted_len(from) };
        let (special, behind) = from.split_at_checked(len).unwrap_or((from, ""));
        text.push_str(before);
        text.push_str(if comment { " " } else { special });
        rest = behind;
    }
    text.push_str(rest);
    Cow::Owned(text.replace(['\r', '\n'], "").trim().to_owned())
}

/// A path (RFC 5321, Section 4.1.2) without comments and `<>`; empty for the null reverse-path.
fn path(raw: &str) -> Cow<'_, str> {
    let bare = |text: &str| text.starts_with('<') && text.ends_with('>');
    match clean(raw) {
        Cow::Borrowed(text) if bare(text) => {
            Cow::Borrowed(text.trim_start_matches('<').trim_end_matches('>'))
        }
        Cow::Owned(text) if bare(&text) => {
            Cow::Owned(text.trim_start_matches('<').trim_end_matches('>').to_owned())
        }
        other => other,
    }
}

/// The value without any white space.
fn compact(raw: &str) -> Cow<'_, str> {
    let raw = raw.trim();
    if raw.contains(char::is_whitespace) { raw.split_whitespace().collect() } else { Cow::Borrowed(raw) }
}

fn lower(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) { Cow::Owned(text.to_ascii_lowercase()) } else { text }
}
