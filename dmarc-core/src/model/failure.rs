//! The DMARC failure report (RFC 9991; RFC 6591; ARF, RFC 5965).

use std::borrow::Cow;
use std::net::IpAddr;

use mail_parser::decoders::base64::base64_decode;

use super::auth::AuthenticationResults;
use super::{owned, owned_list, owned_option, vocabulary};
use crate::domain::Domain;

vocabulary! {
    /// What failed (RFC 6591, Section 3.3; RFC 9991, Section 4).
    AuthFailureType {
        /// The ADSP of the author domain (historic).
        Adsp = "adsp",
        /// The body hash of a signature.
        BodyHash = "bodyhash",
        /// The key of a signature was revoked.
        Revoked = "revoked",
        /// A signature.
        Signature = "signature",
        /// SPF.
        Spf = "spf",
        /// DMARC.
        Dmarc = "dmarc",
    }
}

vocabulary! {
    /// What became of the message (RFC 6591, Section 3.2.2).
    DeliveryResult {
        /// Delivered.
        Delivered = "delivered",
        /// Delivered to a spam folder.
        Spam = "spam",
        /// Something by policy.
        Policy = "policy",
        /// Rejected.
        Reject = "reject",
        /// Something else.
        Unspecified = "other",
    }
}

/// A failure report about one message, or about `incidents` alike (RFC 6591, Section 3.1).
///
/// Assertions of a failure report are not to be taken as accurate (RFC 5965, Section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FailureReport<'a> {
    /// `Feedback-Type`, lower-case; `auth-failure` for DMARC.
    pub feedback_type: Cow<'a, str>,
    /// `User-Agent`: documentation only.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub user_agent: Option<Cow<'a, str>>,
    /// `Version` as received.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub version: Option<Cow<'a, str>>,
    /// `Auth-Failure`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub auth_failure: Option<AuthFailureType<'a>>,
    /// `Authentication-Results`, each field.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub authentication_results: Vec<AuthenticationResults<'a>>,
    /// `Identity-Alignment`: the listed mechanisms. RFC 7489 lists what aligned, RFC 9991 what failed: read
    /// [`dkim_aligned`](Self::dkim_aligned) and [`spf_aligned`](Self::spf_aligned) instead. `None` where absent.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub identity_alignment: Option<Vec<Cow<'a, str>>>,
    /// Whether DKIM aligned, where that can be told.
    pub dkim_aligned: Option<bool>,
    /// Whether SPF aligned, where that can be told.
    pub spf_aligned: Option<bool>,
    /// What the two were derived from.
    pub alignment_basis: AlignmentBasis,
    /// `Reported-Domain`, each.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub reported_domain: Vec<Domain<'a>>,
    /// `Original-Envelope-Id`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub original_envelope_id: Option<Cow<'a, str>>,
    /// `Original-Mail-From` without `<>`; empty for the null reverse-path.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub original_mail_from: Option<Cow<'a, str>>,
    /// `Original-Rcpt-To` without `<>`, each.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub original_rcpt_to: Vec<Cow<'a, str>>,
    /// `Source-IP`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub source_ip: Option<IpAddr>,
    /// `Source-Port` (RFC 6692).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub source_port: Option<u16>,
    /// `Arrival-Date` (or the historic `Received-Date`) as received.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub arrival_date: Option<Cow<'a, str>>,
    /// The arrival, in seconds since the Unix epoch, UTC, where the date can be read. Without an
    /// [`arrival_date`](Self::arrival_date) it is the date of the mail that brought the report, and approximate.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub arrived: Option<i64>,
    /// `Reporting-MTA` as received.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub reporting_mta: Option<Cow<'a, str>>,
    /// `Incidents`: the number of messages this report stands for; 1 where absent.
    pub incidents: u64,
    /// `Reported-URI`, each.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub reported_uri: Vec<Cow<'a, str>>,
    /// `Delivery-Result`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub delivery_result: Option<DeliveryResult<'a>>,
    /// `DKIM-Domain`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dkim_domain: Option<Domain<'a>>,
    /// `DKIM-Identity`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dkim_identity: Option<Cow<'a, str>>,
    /// `DKIM-Selector`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dkim_selector: Option<Cow<'a, str>>,
    /// `DKIM-Canonicalized-Header`, base64 without its white space.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dkim_canonicalized_header: Option<Cow<'a, str>>,
    /// `DKIM-Canonicalized-Body`, base64 without its white space.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dkim_canonicalized_body: Option<Cow<'a, str>>,
    /// `DKIM-Selector-DNS`: the key record, as received.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dkim_selector_dns: Option<Cow<'a, str>>,
    /// `DKIM-ADSP-DNS`: the policy record of ADSP (historic), as received.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dkim_adsp_dns: Option<Cow<'a, str>>,
    /// `SPF-DNS`, each.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub spf_dns: Vec<Cow<'a, str>>,
    /// Fields that are none of the above, as received (RFC 5965, Section 6).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub other_fields: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The header of the included message, where there is one.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub original: Option<OriginalMessage<'a>>,
}

/// From what the alignment of a failure report was derived (`Identity-Alignment` has two opposite meanings).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum AlignmentBasis {
    /// `none` can only be the reading of RFC 7489: nothing aligned.
    ListsNone,
    /// Both mechanisms can only be the reading of RFC 9991: both failed.
    ListsBoth,
    /// Results and domains in the report decide.
    Evidence,
    /// A notice without an ARF part says so in words.
    Stated,
    /// It cannot be told.
    #[default]
    Unknown,
}

/// The header of the message that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OriginalMessage<'a> {
    /// The fields in their order, unfolded: name and value as received.
    pub headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The Author Domain, where `From` has one.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub header_from: Option<Domain<'a>>,
    /// The size of the body in bytes; 0 where only headers were included. The body itself is not kept.
    pub body_bytes: u64,
}

impl OriginalMessage<'_> {
    /// The first value of the field `name`, whatever its letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }
}

impl FailureReport<'_> {
    /// About how much memory the report takes, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let fields = |fields: &[(Cow<'_, str>, Cow<'_, str>)]| -> usize {
            fields.iter().map(|(name, value)| name.len() + value.len() + 80).sum()
        };
        let results = self.authentication_results.iter().flat_map(|field| &field.results);
        let results = results.map(|result| size_of_val(result) + fields(&result.properties)).sum::<usize>();
        let headers = self.original.as_ref().map_or(0, |original| fields(&original.headers));
        (size_of::<Self>() + results + headers + fields(&self.other_fields)) as u64
    }

    /// The bytes of `DKIM-Canonicalized-Header`; `None` where it is absent or no base64.
    #[must_use]
    pub fn canonicalized_header(&self) -> Option<Vec<u8>> {
        base64_decode(self.dkim_canonicalized_header.as_deref()?.as_bytes())
    }

    /// The bytes of `DKIM-Canonicalized-Body`; `None` where it is absent or no base64.
    #[must_use]
    pub fn canonicalized_body(&self) -> Option<Vec<u8>> {
        base64_decode(self.dkim_canonicalized_body.as_deref()?.as_bytes())
    }

    /// Detaches the report from the payload that it borrows from.
    #[must_use]
    pub fn into_owned(self) -> FailureReport<'static> {
        FailureReport {
            feedback_type: owned(self.feedback_type),
            user_agent: owned_option(self.user_agent),
            version: owned_option(self.version),
            auth_failure: self.auth_failure.map(AuthFailureType::into_owned),
            authentication_results: self
                .authentication_results
                .into_iter()
                .map(AuthenticationResults::into_owned)
                .collect(),
            identity_alignment: self.identity_alignment.map(owned_list),
            dkim_aligned: self.dkim_aligned,
            spf_aligned: self.spf_aligned,
            alignment_basis: self.alignment_basis,
            reported_domain: self.reported_domain.into_iter().map(Domain::into_owned).collect(),
            original_envelope_id: owned_option(self.original_envelope_id),
            original_mail_from: owned_option(self.original_mail_from),
            original_rcpt_to: owned_list(self.original_rcpt_to),
            source_ip: self.source_ip,
            source_port: self.source_port,
            arrival_date: owned_option(self.arrival_date),
            arrived: self.arrived,
            reporting_mta: owned_option(self.reporting_mta),
            incidents: self.incidents,
            reported_uri: owned_list(self.reported_uri),
            delivery_result: self.delivery_result.map(DeliveryResult::into_owned),
            dkim_domain: self.dkim_domain.map(Domain::into_owned),
            dkim_identity: owned_option(self.dkim_identity),
            dkim_selector: owned_option(self.dkim_selector),
            dkim_canonicalized_header: owned_option(self.dkim_canonicalized_header),
            dkim_canonicalized_body: owned_option(self.dkim_canonicalized_body),
            dkim_selector_dns: owned_option(self.dkim_selector_dns),
            dkim_adsp_dns: owned_option(self.dkim_adsp_dns),
            spf_dns: owned_list(self.spf_dns),
            other_fields: self
                .other_fields
                .into_iter()
                .map(|(name, value)| (owned(name), owned(value)))
                .collect(),
            original: self.original.map(OriginalMessage::into_owned),
        }
    }
}

impl OriginalMessage<'_> {
    fn into_owned(self) -> OriginalMessage<'static> {
        OriginalMessage {
            headers: self.headers.into_iter().map(|(name, value)| (owned(name), owned(value))).collect(),
            header_from: self.header_from.map(Domain::into_owned),
            body_bytes: self.body_bytes,
        }
    }
}
