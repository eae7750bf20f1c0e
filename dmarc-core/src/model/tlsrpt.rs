//! The SMTP TLS report (RFC 8460, Section 4.4), each key in snake case.

use std::borrow::Cow;

use super::{owned, owned_list, owned_option, vocabulary};
use crate::domain::Domain;

/// A TLS report (RFC 8460, Section 4.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub struct TlsReport<'a> {
    /// The reporting organization.
    pub organization_name: Cow<'a, str>,
    /// The reporting period.
    pub date_range: TlsDateRange<'a>,
    /// Contact of the reporter.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub contact_info: Option<Cow<'a, str>>,
    /// The identifier that the reporter gave.
    pub report_id: Cow<'a, str>,
    /// One entry a policy. The same sessions may stand under several: never add totals across them.
    pub policies: Vec<TlsPolicyResult<'a>>,
    /// The domain that the report is about, by the header of its mail or its file name. No key of RFC 8460, and `None`
    /// unless a policy needs it, see [`domain_of`](Self::domain_of).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub report_domain: Option<Domain<'a>>,
}

/// The reporting period of a TLS report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case", from = "Written")
)]
#[non_exhaustive]
pub struct TlsDateRange<'a> {
    /// Beginning as received (RFC 3339).
    pub start_datetime: Cow<'a, str>,
    /// End as received (RFC 3339).
    pub end_datetime: Cow<'a, str>,
    /// Beginning, in seconds since the Unix epoch, UTC.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub begin: i64,
    /// End, in seconds since the Unix epoch, UTC.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub end: i64,
}

/// The period as serialised: the seconds follow from the texts.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Written {
    start_datetime: String,
    end_datetime: String,
}

#[cfg(feature = "serde")]
impl From<Written> for TlsDateRange<'_> {
    fn from(Written { start_datetime, end_datetime }: Written) -> Self {
        let seconds = |text: &str| crate::parse::tlsrpt::date_seconds(text).unwrap_or_default();
        let (begin, end) = (seconds(&start_datetime), seconds(&end_datetime));
        Self { start_datetime: start_datetime.into(), end_datetime: end_datetime.into(), begin, end }
    }
}

/// Sessions under one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub struct TlsPolicyResult<'a> {
    /// The policy.
    pub policy: TlsPolicy<'a>,
    /// How many sessions succeeded and failed.
    pub summary: TlsSummary,
    /// What failed; types are not exclusive, so the sum may exceed the total.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub failure_details: Vec<TlsFailure<'a>>,
}

vocabulary! {
    /// The kind of a TLS policy (RFC 8460, Section 4.2).
    TlsPolicyType {
        /// DANE (RFC 7672).
        Tlsa = "tlsa",
        /// MTA-STS (RFC 8461).
        Sts = "sts",
        /// Neither was found: a heartbeat.
        NoPolicyFound = "no-policy-found",
    }
}

impl Default for TlsPolicyType<'_> {
    fn default() -> Self {
        Self::Other(Cow::Borrowed(""))
    }
}

/// The policy that a sender applied (RFC 8460, Section 4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub struct TlsPolicy<'a> {
    /// Its kind.
    pub policy_type: TlsPolicyType<'a>,
    /// Its text: lines of an MTA-STS policy, or TLSA records.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub policy_string: Vec<Cow<'a, str>>,
    /// The domain it stands for; with DANE the MX host. `None` where absent (Postfix).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub policy_domain: Option<Domain<'a>>,
    /// Patterns of MX host names.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub mx_host: Vec<Cow<'a, str>>,
}

/// How many sessions succeeded and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub struct TlsSummary {
    /// Sessions that succeeded.
    pub total_successful_session_count: u64,
    /// Sessions that failed.
    pub total_failure_session_count: u64,
}

vocabulary! {
    /// What failed (RFC 8460, Section 4.3; an open registry).
    TlsResultType {
        /// The MX offered no STARTTLS.
        StarttlsNotSupported = "starttls-not-supported",
        /// The names of the certificate do not fit.
        CertificateHostMismatch = "certificate-host-mismatch",
        /// The certificate has expired.
        CertificateExpired = "certificate-expired",
        /// The certificate is not trusted.
        CertificateNotTrusted = "certificate-not-trusted",
        /// Anything not otherwise classed.
        ValidationFailure = "validation-failure",
        /// No TLSA record was valid.
        TlsaInvalid = "tlsa-invalid",
        /// DNSSEC gave no valid records.
        DnssecInvalid = "dnssec-invalid",
        /// The sender requires DANE, and no TLSA record was found.
        DaneRequired = "dane-required",
        /// The MTA-STS policy could not be fetched.
        StsPolicyFetchError = "sts-policy-fetch-error",
        /// The MTA-STS policy is invalid.
        StsPolicyInvalid = "sts-policy-invalid",
        /// The MTA-STS policy host has no valid certificate.
        StsWebpkiInvalid = "sts-webpki-invalid",
    }
}

/// Sessions that failed in one way (RFC 8460, Section 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub struct TlsFailure<'a> {
    /// What failed.
    pub result_type: TlsResultType<'a>,
    /// The host that sent, as received.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub sending_mta_ip: Option<Cow<'a, str>>,
    /// The MX host.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub receiving_mx_hostname: Option<Cow<'a, str>>,
    /// The name that the MX gave in its greeting.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub receiving_mx_helo: Option<Cow<'a, str>>,
    /// The MX address, as received.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub receiving_ip: Option<Cow<'a, str>>,
    /// How many sessions failed so.
    pub failed_session_count: u64,
    /// Where the reporter says more; text, not always a URI.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub additional_information: Option<Cow<'a, str>>,
    /// The error in the reporter's words.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub failure_reason_code: Option<Cow<'a, str>>,
}

impl<'a> TlsReport<'a> {
    /// About how much memory the report takes, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let texts = |list: &[Cow<'_, str>]| list.iter().map(|text| text.len() + 40).sum::<usize>();
        let policies = self.policies.iter().map(|result| {
            let details = size_of_val(result.failure_details.as_slice()) + 64 * result.failure_details.len();
            size_of_val(result)
                + details
                + texts(&result.policy.policy_string)
                + texts(&result.policy.mx_host)
        });
        (size_of::<Self>() + policies.sum::<usize>()) as u64
    }

    /// The domains that its policies are about, in their order and as often as they stand there.
    pub fn policy_domains(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().filter_map(|result| self.domain_of(&result.policy)).map(Domain::as_str)
    }

    /// The domain that a policy of this report is about: as the policy says or, where it names none or its MX (DANE), as
    /// [`report_domain`](Self::report_domain) says.
    pub fn domain_of<'r>(&'r self, policy: &'r TlsPolicy<'a>) -> Option<&'r Domain<'a>> {
        let named = policy.policy_domain.as_ref().filter(|_| policy.policy_type != TlsPolicyType::Tlsa);
        named.or(self.report_domain.as_ref()).or(policy.policy_domain.as_ref())
    }

    /// Detaches the report from the payload that it borrows from.
    #[must_use]
    pub fn into_owned(self) -> TlsReport<'static> {
        TlsReport {
            organization_name: owned(self.organization_name),
            date_range: TlsDateRange {
                start_datetime: owned(self.date_range.start_datetime),
                end_datetime: owned(self.date_range.end_datetime),
                begin: self.date_range.begin,
                end: self.date_range.end,
            },
            contact_info: owned_option(self.contact_info),
            report_id: owned(self.report_id),
            policies: self.policies.into_iter().map(TlsPolicyResult::into_owned).collect(),
            report_domain: self.report_domain.map(Domain::into_owned),
        }
    }
}

impl TlsPolicyResult<'_> {
    fn into_owned(self) -> TlsPolicyResult<'static> {
        TlsPolicyResult {
            policy: TlsPolicy {
                policy_type: self.policy.policy_type.into_owned(),
                policy_string: owned_list(self.policy.policy_string),
                policy_domain: self.policy.policy_domain.map(Domain::into_owned),
                mx_host: owned_list(self.policy.mx_host),
            },
            summary: self.summary,
            failure_details: self.failure_details.into_iter().map(TlsFailure::into_owned).collect(),
        }
    }
}

impl TlsFailure<'_> {
    fn into_owned(self) -> TlsFailure<'static> {
        TlsFailure {
            result_type: self.result_type.into_owned(),
            sending_mta_ip: owned_option(self.sending_mta_ip),
            receiving_mx_hostname: owned_option(self.receiving_mx_hostname),
            receiving_mx_helo: owned_option(self.receiving_mx_helo),
            receiving_ip: owned_option(self.receiving_ip),
            failed_session_count: self.failed_session_count,
            additional_information: owned_option(self.additional_information),
            failure_reason_code: owned_option(self.failure_reason_code),
        }
    }
}
