//! The DMARC aggregate report (RFC 9990, Appendix A; RFC 7489, Appendix C; the drafts before it).
//!
//! One set of types serves all dialects: what a dialect does not have is `None`, never a default.

use std::borrow::Cow;
use std::net::IpAddr;

use super::auth::{DkimResultCode, SpfResultCode};
use super::{owned, owned_option, vocabulary};
use crate::domain::{Domain, domain_part};

/// The namespace of RFC 9990, Section 6.1.
pub(crate) const NAMESPACE: &str = "urn:ietf:params:xml:ns:dmarc-2.0";
/// The largest count that is taken for one: what a JSON number carries exactly.
pub(crate) const MAX_COUNT: u64 = 1 << 53;

/// A `feedback` document (RFC 9990, Appendix A, `feedback`).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AggregateReport<'a> {
    /// The namespace of the root element, as received. It does not prove a dialect.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub namespace: Option<Cow<'a, str>>,
    /// `version` as received; it does not prove a dialect either.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub version: Option<Cow<'a, str>>,
    /// Who reports, and about which period.
    pub report_metadata: ReportMetadata<'a>,
    /// The policy that the reporter found.
    pub policy_published: PolicyPublished<'a>,
    /// The content of `extension`, opaque (RFC 9990, Section 5).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub extension: Vec<Extension<'a>>,
    /// Elements that no dialect has and that stand outside of records, as received.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub unknown: Vec<UnknownElement<'a>>,
    /// The records that can be counted, in the order of the report.
    pub records: Vec<Record<'a>>,
    /// The records that cannot be trusted: visible, never counted.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub rejected_records: Vec<RejectedRecord<'a>>,
}

/// Who reports, and about which period (RFC 9990, Appendix A, `ReportMetadataType`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ReportMetadata<'a> {
    /// The reporting organization: free text, changes over time, empty where absent.
    pub org_name: Cow<'a, str>,
    /// Contact of the reporter; empty where absent.
    pub email: Cow<'a, str>,
    /// More contact information.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub extra_contact_info: Option<Text<'a>>,
    /// The identifier that the reporter gave, trimmed, without a surrounding pair of `<>`; unique only together
    /// with reporter, domain and period.
    pub report_id: Cow<'a, str>,
    /// The reporting period.
    pub date_range: DateRange,
    /// Errors that the reporter met in the owner's DNS records.
    #[cfg_attr(feature = "serde", serde(rename = "error", default, skip_serializing_if = "Vec::is_empty"))]
    pub errors: Vec<Text<'a>>,
    /// Name and version of the reporting software (RFC 9990).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub generator: Option<Cow<'a, str>>,
}

impl ReportMetadata<'_> {
    /// Who reported, for identity: `org_name` in lower case or, where it is empty, the domain of `email`.
    pub fn reporter(&self) -> String {
        let name = self.org_name.trim();
        if !name.is_empty() {
            return name.to_lowercase();
        }
        Domain::new(domain_part(&self.email)).as_str().to_owned()
    }
}

/// A text with its language (RFC 9990, Appendix A, `langAttrString`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Text<'a> {
    /// The text as received.
    pub text: Cow<'a, str>,
    /// The `lang` attribute, where given.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub lang: Option<Cow<'a, str>>,
}

/// The reporting period, not the first and last message (RFC 9990, Section 3.1.1.4).
///
/// Whether `end` is inclusive differs by reporter; both numbers stay as sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DateRange {
    /// Beginning, in seconds since the Unix epoch, UTC.
    pub begin: i64,
    /// End, in seconds since the Unix epoch, UTC.
    pub end: i64,
}

impl DateRange {
    /// A period from `begin` to `end`, in seconds since the Unix epoch, UTC.
    #[must_use]
    pub fn new(begin: i64, end: i64) -> Self {
        Self { begin, end }
    }

    /// Whether it lies in the years 2005 to 2100 and does not end before it begins.
    pub fn is_plausible(self) -> bool {
        self.begin <= self.end
            && [self.begin, self.end].iter().all(|at| (1_104_537_600..4_133_980_800).contains(at))
    }

    /// The UTC day that holds the middle of the period, in days since the Unix epoch: the same for inclusive and
    /// exclusive ends.
    pub fn day(self) -> i64 {
        self.begin.midpoint(self.end).div_euclid(86_400)
    }
}

vocabulary! {
    /// A requested policy: value of `p`, `sp` and `np` (RFC 9990, Appendix A, `DispositionType`).
    Disposition {
        /// No action.
        None = "none",
        /// Treat failing mail as suspicious.
        Quarantine = "quarantine",
        /// Reject failing mail.
        Reject = "reject",
    }
}

vocabulary! {
    /// What the receiver did (RFC 9990, Appendix A, `ActionDispositionType`).
    ActionDisposition {
        /// No action was taken.
        None = "none",
        /// No action was taken, for the message passed under an enforcing policy (RFC 9990).
        Pass = "pass",
        /// Delivered as suspicious.
        Quarantine = "quarantine",
        /// Rejected.
        Reject = "reject",
    }
}

impl ActionDisposition<'_> {
    /// Whether the mail was neither quarantined nor rejected: `pass` and `none` are the same action, and a word that
    /// nobody knows is no sign that the mail was stopped.
    pub fn is_delivered(&self) -> bool {
        !matches!(self, Self::Quarantine | Self::Reject)
    }
}

vocabulary! {
    /// Alignment mode (RFC 9990, Appendix A, `AlignmentType`).
    Alignment {
        /// Relaxed: the organizational domains are equal.
        Relaxed = "r",
        /// Strict: the domains are equal.
        Strict = "s",
    }
}

vocabulary! {
    /// The aligned result of a mechanism (RFC 9990, Appendix A, `DMARCResultType`).
    DmarcResult {
        /// The mechanism produced an aligned pass.
        Pass = "pass",
        /// It did not.
        Fail = "fail" | "hardfail",
    }
}

vocabulary! {
    /// How the policy record was found (RFC 9990, Appendix A, `DiscoveryType`).
    DiscoveryMethod {
        /// By the Public Suffix List.
        Psl = "psl",
        /// By the DNS tree walk (RFC 9989, Section 4.10).
        TreeWalk = "treewalk",
    }
}

vocabulary! {
    /// Whether the owner tests (tag `t`; RFC 9990, Appendix A, `TestingType`).
    Testing {
        /// The policy is meant.
        No = "n",
        /// The policy is being tested: one step down is expected.
        Yes = "y",
    }
}

vocabulary! {
    /// Why a receiver did other than the policy asks (RFC 9990, Appendix A, `PolicyOverrideType`; RFC 7489).
    PolicyOverride {
        /// Known or presumed forwarding (RFC 7489 and drafts only).
        Forwarded = "forwarded",
        /// Exempted by `pct` (RFC 7489 and drafts only).
        SampledOut = "sampled_out",
        /// From a locally kept list of forwarders.
        TrustedForwarder = "trusted_forwarder",
        /// Arrived through a mailing list, by heuristics.
        MailingList = "mailing_list",
        /// The receiver's own policy; ARC is reported here.
        LocalPolicy = "local_policy",
        /// Exempted by `t=y` (RFC 9990 only).
        PolicyTestMode = "policy_test_mode",
        /// Something else, see the comment.
        Unspecified = "other",
    }
}

vocabulary! {
    /// Which identity SPF was checked for (RFC 7489, Appendix C, `SPFDomainScope`).
    SpfScope {
        /// The HELO name (not in RFC 9990).
        Helo = "helo",
        /// The MAIL FROM domain.
        MailFrom = "mfrom",
    }
}

/// The policy that the reporter found (RFC 9990, Appendix A, `PolicyPublishedType`).
///
/// Absent stays absent; [`effective_sp`](Self::effective_sp) and its siblings compute what applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PolicyPublished<'a> {
    /// The DMARC Policy Domain: where the record was found.
    pub domain: Domain<'a>,
    /// How it was found (RFC 9990). Absent means unknown, not a default.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub discovery_method: Option<DiscoveryMethod<'a>>,
    /// Requested policy for the domain.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub p: Option<Disposition<'a>>,
    /// Requested policy for existing subdomains.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub sp: Option<Disposition<'a>>,
    /// Requested policy for subdomains that do not exist (RFC 9990).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub np: Option<Disposition<'a>>,
    /// DKIM alignment mode.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub adkim: Option<Alignment<'a>>,
    /// SPF alignment mode.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub aspf: Option<Alignment<'a>>,
    /// Share of failing mail that the policy applies to, in percent, as received (RFC 7489; gone in RFC 9990).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub pct: Option<Cow<'a, str>>,
    /// Failure reporting options.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub fo: Option<Cow<'a, str>>,
    /// Whether the owner tests (RFC 9990).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub testing: Option<Testing<'a>>,
}

impl<'a> PolicyPublished<'a> {
    /// The policy for existing subdomains: `sp`, else `p` (RFC 9990, Section 3.1.1.5).
    pub fn effective_sp(&self) -> Option<&Disposition<'a>> {
        self.sp.as_ref().or(self.p.as_ref())
    }

    /// The policy for subdomains that do not exist: `np`, else `sp`, else `p`.
    pub fn effective_np(&self) -> Option<&Disposition<'a>> {
        self.np.as_ref().or_else(|| self.effective_sp())
    }

    /// The failure reporting options: `fo`, else `0` (RFC 9989, Section 4.7).
    pub fn effective_fo(&self) -> &str {
        self.fo.as_deref().unwrap_or("0")
    }

    /// Whether DKIM must align strictly; relaxed is the default.
    pub fn is_dkim_strict(&self) -> bool {
        self.adkim == Some(Alignment::Strict)
    }

    /// Whether SPF must align strictly; relaxed is the default.
    pub fn is_spf_strict(&self) -> bool {
        self.aspf == Some(Alignment::Strict)
    }
}

/// One tuple of source, result and identifiers (RFC 9990, Appendix A, `RecordType`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Record<'a> {
    /// Source, count and result.
    pub row: Row<'a>,
    /// Whose mail it claims to be.
    pub identifiers: Identifiers<'a>,
    /// Raw results, uninterpreted with respect to DMARC.
    pub auth_results: AuthResults<'a>,
    /// Extension elements behind `auth_results`, opaque (RFC 9990, Section 5).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub extensions: Vec<Extension<'a>>,
    /// Elements that no dialect has at their place, as received.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub unknown: Vec<UnknownElement<'a>>,
}

/// A record that cannot be trusted, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RejectedRecord<'a> {
    /// Position among all records of the report, from 0.
    pub index: u64,
    /// Why it is not counted: the element, and its value as received.
    pub reason: String,
    /// What could be read of it; `count` is 0 where it could not.
    pub record: Record<'a>,
}

/// Source, count and result (RFC 9990, Appendix A, `RowType`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Row<'a> {
    /// The host that sent the mail; `None` where the reporter masked it or left it empty.
    pub source_ip: Option<IpAddr>,
    /// Number of messages.
    pub count: u64,
    /// The DMARC result as applied.
    pub policy_evaluated: PolicyEvaluated<'a>,
}

/// The DMARC result as applied (RFC 9990, Appendix A, `PolicyEvaluatedType`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PolicyEvaluated<'a> {
    /// What the receiver did; absent in some drafts.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub disposition: Option<ActionDisposition<'a>>,
    /// Whether DKIM gave an *aligned* pass.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dkim: Option<DmarcResult<'a>>,
    /// Whether SPF gave an *aligned* pass.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub spf: Option<DmarcResult<'a>>,
    /// Why the receiver did other than the policy asks.
    #[cfg_attr(feature = "serde", serde(rename = "reason", default, skip_serializing_if = "Vec::is_empty"))]
    pub reasons: Vec<PolicyOverrideReason<'a>>,
}

/// Why the receiver did other than the policy asks (RFC 9990, Appendix A, `PolicyOverrideReason`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PolicyOverrideReason<'a> {
    /// The kind of reason; `Other("")` where the reporter left it empty.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub kind: PolicyOverride<'a>,
    /// The reporter's words.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub comment: Option<Text<'a>>,
}

/// Whose mail it claims to be (RFC 9990, Appendix A, `IdentifierType`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Identifiers<'a> {
    /// The Author Domain: domain of RFC5322.From. Empty where the reporter left it out.
    pub header_from: Domain<'a>,
    /// The MAIL FROM domain: `None` where absent, empty for the null reverse-path.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub envelope_from: Option<Domain<'a>>,
    /// The recipient domain.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub envelope_to: Option<Domain<'a>>,
}

/// Raw results (RFC 9990, Appendix A, `AuthResultType`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AuthResults<'a> {
    /// DKIM results, one a signature; a reporter that groups messages may list a union.
    pub dkim: Vec<DkimAuthResult<'a>>,
    /// SPF results; one, or several in older dialects.
    pub spf: Vec<SpfAuthResult<'a>>,
}

/// One DKIM result (RFC 9990, Appendix A, `DKIMAuthResultType`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DkimAuthResult<'a> {
    /// The signing domain, `d=`.
    pub domain: Domain<'a>,
    /// The selector, `s=`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub selector: Option<Cow<'a, str>>,
    /// The result.
    pub result: DkimResultCode<'a>,
    /// The result in the reporter's words.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub human_result: Option<Text<'a>>,
}

/// One SPF result (RFC 9990, Appendix A, `SPFAuthResultType`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SpfAuthResult<'a> {
    /// The domain checked; may be empty.
    pub domain: Domain<'a>,
    /// Which identity was checked; absent in drafts.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub scope: Option<SpfScope<'a>>,
    /// The result.
    pub result: SpfResultCode<'a>,
    /// The result in the reporter's words (RFC 9990).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub human_result: Option<Text<'a>>,
}

/// An extension element, kept as it is and not interpreted (RFC 9990, Section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Extension<'a> {
    /// Its local name.
    pub name: Cow<'a, str>,
    /// Its namespace, where it has one.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub namespace: Option<Cow<'a, str>>,
    /// The whole element as XML text, as received.
    pub xml: Cow<'a, str>,
}

/// An element that no dialect has at its place, kept as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct UnknownElement<'a> {
    /// Local names from the root to the element, joined by `/`; cut behind 120 bytes.
    pub path: Cow<'a, str>,
    /// The element as received.
    pub xml: Cow<'a, str>,
}

impl AggregateReport<'_> {
    /// About how much memory the report takes, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let errors = &self.report_metadata.errors;
        size_of::<Self>() as u64
            + errors.iter().map(|error| (size_of_val(error) + error.text.len() + 16) as u64).sum::<u64>()
            + self.extension.iter().map(Extension::memory).sum::<u64>()
            + self.unknown.iter().map(UnknownElement::memory).sum::<u64>()
            + self.rejected_records.iter().map(|rejected| rejected.record.memory() + 64).sum::<u64>()
            + self.records.iter().map(Record::memory).sum::<u64>()
    }

    /// Detaches the report from the payload that it borrows from.
    #[must_use]
    pub fn into_owned(self) -> AggregateReport<'static> {
        AggregateReport {
            namespace: owned_option(self.namespace),
            version: owned_option(self.version),
            report_metadata: self.report_metadata.into_owned(),
            policy_published: self.policy_published.into_owned(),
            extension: self.extension.into_iter().map(Extension::into_owned).collect(),
            unknown: self.unknown.into_iter().map(UnknownElement::into_owned).collect(),
            records: self.records.into_iter().map(Record::into_owned).collect(),
            rejected_records: self.rejected_records.into_iter().map(RejectedRecord::into_owned).collect(),
        }
    }
}

impl ReportMetadata<'_> {
    pub(crate) fn into_owned(self) -> ReportMetadata<'static> {
        ReportMetadata {
            org_name: owned(self.org_name),
            email: owned(self.email),
            extra_contact_info: self.extra_contact_info.map(Text::into_owned),
            report_id: owned(self.report_id),
            date_range: self.date_range,
            errors: self.errors.into_iter().map(Text::into_owned).collect(),
            generator: owned_option(self.generator),
        }
    }
}

impl Text<'_> {
    fn into_owned(self) -> Text<'static> {
        Text { text: owned(self.text), lang: owned_option(self.lang) }
    }
}

impl PolicyPublished<'_> {
    pub(crate) fn into_owned(self) -> PolicyPublished<'static> {
        PolicyPublished {
            domain: self.domain.into_owned(),
            discovery_method: self.discovery_method.map(DiscoveryMethod::into_owned),
            p: self.p.map(Disposition::into_owned),
            sp: self.sp.map(Disposition::into_owned),
            np: self.np.map(Disposition::into_owned),
            adkim: self.adkim.map(Alignment::into_owned),
            aspf: self.aspf.map(Alignment::into_owned),
            pct: owned_option(self.pct),
            fo: owned_option(self.fo),
            testing: self.testing.map(Testing::into_owned),
        }
    }
}

impl Record<'_> {
    /// Detaches the record from the payload that it borrows from.
    #[must_use]
    pub fn into_owned(self) -> Record<'static> {
        Record {
            row: self.row.into_owned(),
            identifiers: self.identifiers.into_owned(),
            auth_results: self.auth_results.into_owned(),
            extensions: self.extensions.into_iter().map(Extension::into_owned).collect(),
            unknown: self.unknown.into_iter().map(UnknownElement::into_owned).collect(),
        }
    }
}

impl Record<'_> {
    /// About how much memory the record takes once it is detached, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        /// What an allocation takes beside its bytes.
        const ALLOCATION: usize = 16;
        let text = |text: &str| text.len() + ALLOCATION;
        let note = |note: &Option<Text<'_>>| note.as_ref().map_or(0, |note| text(&note.text) + ALLOCATION);
        let Self { row, identifiers, auth_results, extensions, unknown } = self;
        let reasons = &row.policy_evaluated.reasons;
        let mut bytes = size_of::<Self>() + text(identifiers.header_from.as_str());
        for domain in [&identifiers.envelope_from, &identifiers.envelope_to].into_iter().flatten() {
            bytes += text(domain.as_str());
        }
        bytes += size_of_val(reasons.as_slice())
            + reasons.iter().map(|r| text(r.kind.as_str()) + note(&r.comment)).sum::<usize>();
        for dkim in &auth_results.dkim {
            let selector = dkim.selector.as_deref().map_or(0, text);
            bytes += size_of_val(dkim) + text(dkim.domain.as_str()) + selector + note(&dkim.human_result);
        }
        for spf in &auth_results.spf {
            bytes += size_of_val(spf) + text(spf.domain.as_str()) + note(&spf.human_result);
        }
        let extensions: u64 = extensions.iter().map(Extension::memory).sum();
        let unknown: u64 = unknown.iter().map(UnknownElement::memory).sum();
        bytes as u64 + extensions + unknown
    }
}

impl Extension<'_> {
    /// About how much memory the element takes once it is detached, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let namespace = self.namespace.as_deref().map_or(0, str::len);
        (size_of::<Self>() + self.name.len() + namespace + self.xml.len() + 48) as u64
    }
}

impl UnknownElement<'_> {
    /// About how much memory the element takes once it is detached, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        (size_of::<Self>() + self.path.len() + self.xml.len() + 32) as u64
    }
}

impl RejectedRecord<'_> {
    pub(crate) fn into_owned(self) -> RejectedRecord<'static> {
        RejectedRecord { index: self.index, reason: self.reason, record: self.record.into_owned() }
    }
}

impl Row<'_> {
    fn into_owned(self) -> Row<'static> {
        let Self { source_ip, count, policy_evaluated: evaluated } = self;
        let policy_evaluated = PolicyEvaluated {
            disposition: evaluated.disposition.map(ActionDisposition::into_owned),
            dkim: evaluated.dkim.map(DmarcResult::into_owned),
            spf: evaluated.spf.map(DmarcResult::into_owned),
            reasons: evaluated.reasons.into_iter().map(PolicyOverrideReason::into_owned).collect(),
        };
        Row { source_ip, count, policy_evaluated }
    }
}

impl PolicyOverrideReason<'_> {
    fn into_owned(self) -> PolicyOverrideReason<'static> {
        PolicyOverrideReason { kind: self.kind.into_owned(), comment: self.comment.map(Text::into_owned) }
    }
}

impl Identifiers<'_> {
    fn into_owned(self) -> Identifiers<'static> {
        Identifiers {
            header_from: self.header_from.into_owned(),
            envelope_from: self.envelope_from.map(Domain::into_owned),
            envelope_to: self.envelope_to.map(Domain::into_owned),
        }
    }
}

impl AuthResults<'_> {
    fn into_owned(self) -> AuthResults<'static> {
        AuthResults {
            dkim: self.dkim.into_iter().map(DkimAuthResult::into_owned).collect(),
            spf: self.spf.into_iter().map(SpfAuthResult::into_owned).collect(),
        }
    }
}

impl DkimAuthResult<'_> {
    fn into_owned(self) -> DkimAuthResult<'static> {
        DkimAuthResult {
            domain: self.domain.into_owned(),
            selector: owned_option(self.selector),
            result: self.result.into_owned(),
            human_result: self.human_result.map(Text::into_owned),
        }
    }
}

impl SpfAuthResult<'_> {
    fn into_owned(self) -> SpfAuthResult<'static> {
        SpfAuthResult {
            domain: self.domain.into_owned(),
            scope: self.scope.map(SpfScope::into_owned),
            result: self.result.into_owned(),
            human_result: self.human_result.map(Text::into_owned),
        }
    }
}

impl UnknownElement<'_> {
    pub(crate) fn into_owned(self) -> UnknownElement<'static> {
        UnknownElement { path: owned(self.path), xml: owned(self.xml) }
    }
}

impl Extension<'_> {
    pub(crate) fn into_owned(self) -> Extension<'static> {
        Extension { name: owned(self.name), namespace: owned_option(self.namespace), xml: owned(self.xml) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a44_inclusive_and_exclusive_ends_fall_on_the_same_day() {
        assert_eq!(
            DateRange::new(1_709_510_400, 1_709_596_799).day(),
            DateRange::new(1_709_510_400, 1_709_596_800).day()
        );
    }

    #[test]
    fn absent_policies_fall_back_from_np_to_sp_to_p() {
        let policy = PolicyPublished { p: Some(Disposition::Reject), ..Default::default() };
        assert_eq!(policy.effective_sp(), Some(&Disposition::Reject));
        assert_eq!(policy.effective_np(), Some(&Disposition::Reject));
        let policy = PolicyPublished { sp: Some(Disposition::Quarantine), ..policy };
        assert_eq!(policy.effective_np(), Some(&Disposition::Quarantine));
    }
}
