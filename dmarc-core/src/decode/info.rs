//! What the header of a message says of the message.

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use super::fields::{self, Fields, Name, terminated};
use crate::domain::Domain;
use crate::limits::Limits;

/// What a message says of itself: facts for whoever decides whether it is genuine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageInfo {
    /// The domain of RFC5322.From, in normal form; `None` where it cannot be read or differs between several.
    pub from_domain: Option<String>,
    /// `Date`, in seconds since the Unix epoch, UTC.
    pub date: Option<i64>,
    /// `Message-ID` without `<>`.
    pub message_id: Option<String>,
    /// `Authentication-Results`, each value unfolded, topmost first.
    pub authentication_results: Vec<String>,
    /// `TLS-Report-Domain`, in normal form: the domain that a TLS report is about (RFC 8460, Section 5.3).
    pub tls_report_domain: Option<String>,
}

/// Reads the header of a message; a field that cannot be read is left out.
pub(super) fn message_info(fields: &Fields<'_>, limits: &Limits) -> MessageInfo {
    MessageInfo {
        from_domain: from_domain(fields, limits),
        date: readable(fields.first(Name::Date), limits).and_then(date),
        message_id: readable(fields.first(Name::MessageId), limits).and_then(message_id),
        authentication_results: fields.all(Name::AuthenticationResults).map(unfold).collect(),
        tls_report_domain: readable(fields.first(Name::TlsReportDomain), limits).and_then(host_name),
    }
}

fn host_name(value: &[u8]) -> Option<String> {
    let domain = Domain::new(unfold(value));
    domain.is_host_name().then(|| domain.as_str().to_owned())
}

/// The domain of every address of every `From`, if it is one and the same.
fn from_domain(fields: &Fields<'_>, limits: &Limits) -> Option<String> {
    let mut found = None;
    for value in fields.all(Name::From) {
        let value = terminated(readable(Some(value), limits)?);
        let HeaderValue::Address(addresses) = MessageStream::new(&value).parse_address() else { return None };
        for address in addresses.iter() {
            let (_, domain) = address.address.as_deref()?.rsplit_once('@')?;
            let domain = Domain::new(domain);
            if !domain.is_host_name() || found.as_deref().is_some_and(|known| known != domain.as_str()) {
                return None;
            }
            found = Some(domain.as_str().to_owned());
        }
    }
    found
}

fn date(value: &[u8]) -> Option<i64> {
    match MessageStream::new(&terminated(value)).parse_date() {
        HeaderValue::DateTime(date) if date.is_valid() => Some(date.to_timestamp()),
        _ => None,
    }
}

fn message_id(value: &[u8]) -> Option<String> {
    let text = unfold(value);
    let (_, id) = text.split_once('<').unwrap_or_default();
    let id = id.split('>').next().unwrap_or_default();
    let id = if id.is_empty() { text.as_str() } else { id }.trim();
    (!id.is_empty()).then(|| id.to_owned())
}

/// `value` without its line ends and the space around it.
fn unfold(value: &[u8]) -> String {
    let value = fields::text(value);
    let mut text = String::with_capacity(value.len());
    // A line end is neither kept nor made up: what stands before and behind it is joined.
    value.trim().split(['\r', '\n']).for_each(|piece| text.push_str(piece));
    text
}

/// `value` if it is not longer than a text may be.
fn readable<'a>(value: Option<&'a [u8]>, limits: &Limits) -> Option<&'a [u8]> {
    value.filter(|value| value.len() as u64 <= limits.text_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(header: &str) -> MessageInfo {
        message_info(&Fields::split(header.as_bytes()).0, &Limits::default())
    }

    #[test]
    fn reads_what_tells_a_genuine_message() {
        let info = info(
            "Authentication-Results: mx.example.net;\r\n\tdkim=pass\r\nReceived: x\r\n\
             From: \"noreply@fake.example\" <Reports@Mail.Example.ORG>\r\nAuthentication-Results: other; none\r\n\
             Date: Mon, 01 Jan 2024 01:00:00 +0100\r\nMessage-ID:\r\n <a.b@example.org>\r\n\
             TLS-Report-Domain:\r\n Example.NET.\r\n\r\n",
        );
        assert_eq!(info.from_domain.as_deref(), Some("mail.example.org"));
        assert_eq!(info.date, Some(1_704_067_200));
        assert_eq!(info.message_id.as_deref(), Some("a.b@example.org"));
        assert_eq!(info.authentication_results, ["mx.example.net;\tdkim=pass", "other; none"]);
        assert_eq!(info.tls_report_domain.as_deref(), Some("example.net"));
    }

    #[test]
    fn leaves_out_what_cannot_be_read_or_contradicts() {
        assert_eq!(info("From: a@example.org\nFrom: b@example.net\n\n").from_domain, None);
        assert_eq!(info("From: a@example.org, b@example.net\n\n").from_domain, None);
        assert_eq!(
            info("From: a@example.org, b@EXAMPLE.org\n\n").from_domain.as_deref(),
            Some("example.org")
        );
        let unreadable = "From: nobody\nDate: yesterday\nMessage-ID: \nTLS-Report-Domain: a b\n\n";
        assert_eq!(info(unreadable), MessageInfo::default());
    }
}
