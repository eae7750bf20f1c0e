//! The flat record that is judged: one for each counted record of an aggregate report.

use std::net::IpAddr;
use std::sync::Arc;

use crate::domain::{Domain, is_at_or_below};
use crate::evaluate::evaluate;
use crate::model::AggregateReport;
use crate::model::aggregate::{
    ActionDisposition, AuthResults, DateRange, DmarcResult, PolicyOverrideReason, PolicyPublished,
};

/// How far the mail that brought a report is known to be genuine. A greater value is better known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Trust {
    /// Nothing was checked: a file, or a mail without a result that its owner trusts.
    Unverified,
    /// A configured authentication service says that it passed.
    TrustedAuthres,
    /// A signature of the reporter's organization was checked when the mail was read, and is valid.
    Verified,
}

#[cfg(feature = "serde")]
impl serde::Serialize for Trust {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Trust {
    /// The value in one word: `unverified`, `trusted_authres` or `verified`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::TrustedAuthres => "trusted_authres",
            Self::Verified => "verified",
        }
    }
}

/// What all records of a report share.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportFacts {
    /// Where the report was read from: mail or file, and part.
    pub origin: String,
    /// Who reported, see [`ReportMetadata::reporter`](crate::model::aggregate::ReportMetadata::reporter).
    pub reporter: String,
    /// The reporting organization as it names itself, empty where absent.
    pub org_name: String,
    /// Contact of the reporter, empty where absent.
    pub email: String,
    /// The reporter's identifier of the report.
    pub report_id: String,
    /// The reporting period.
    pub period: DateRange,
    /// The DMARC Policy Domain, in normal form.
    pub policy_domain: String,
    /// The requested policy `p`, empty where absent.
    pub policy: String,
    /// The policy that the reporter found, all of it.
    pub policy_published: PolicyPublished<'static>,
    /// How far the mail is known to be genuine.
    pub trust: Trust,
}

/// Which records are looked at; all of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selection {
    /// Only those about these policy domains and what is below them, in normal form. Default: all.
    pub domains: Vec<String>,
    /// Only those of reports whose period begins then or later: seconds since the Unix epoch, UTC. Default: no bound.
    pub since: Option<i64>,
    /// Only those of reports whose period begins then or earlier: seconds since the Unix epoch, UTC. Default: no bound.
    pub until: Option<i64>,
}

impl Selection {
    /// Whether records about this policy domain are looked at.
    pub fn has_domain(&self, policy_domain: &str) -> bool {
        self.domains.is_empty() || self.domains.iter().any(|domain| is_at_or_below(policy_domain, domain))
    }

    /// Whether it leaves out no time.
    pub fn is_of_any_time(&self) -> bool {
        self.since.is_none() && self.until.is_none()
    }

    /// Whether records of a report are looked at whose period begins at `begin`.
    pub fn has_time(&self, begin: i64) -> bool {
        self.since.is_none_or(|since| begin >= since) && self.until.is_none_or(|until| begin <= until)
    }

    /// Whether a record is looked at.
    pub fn has(&self, record: &FlatRecord) -> bool {
        self.has_domain(&record.report.policy_domain) && self.has_time(record.report.period.begin)
    }
}

/// One record of an aggregate report, evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlatRecord {
    /// The report.
    pub report: Arc<ReportFacts>,
    /// The host that sent; `None` where the reporter masked it.
    pub source_ip: Option<IpAddr>,
    /// Number of messages.
    pub message_count: u64,
    /// What the receiver did, as reported.
    pub disposition: Option<ActionDisposition<'static>>,
    /// Whether the receiver neither quarantined nor rejected the messages. An absent disposition counts as none.
    pub is_delivered: bool,
    /// Whether DKIM gave an aligned pass, as reported; [`dkim_aligned`](Self::dkim_aligned) is what counts.
    pub reported_dkim: Option<DmarcResult<'static>>,
    /// Whether SPF gave an aligned pass, as reported; [`spf_aligned`](Self::spf_aligned) is what counts.
    pub reported_spf: Option<DmarcResult<'static>>,
    /// Whether DKIM gave an aligned pass.
    pub dkim_aligned: bool,
    /// Whether SPF gave an aligned pass.
    pub spf_aligned: bool,
    /// Whether the raw results give something else.
    pub disagrees: bool,
    /// The Author Domain, in normal form.
    pub header_from: String,
    /// The MAIL FROM domain: `None` where absent, empty for the null reverse-path.
    pub envelope_from: Option<Domain<'static>>,
    /// The recipient domain.
    pub envelope_to: Option<Domain<'static>>,
    /// Raw results.
    pub auth_results: AuthResults<'static>,
    /// Why the receiver did other than the policy asks.
    pub reasons: Vec<PolicyOverrideReason<'static>>,
}

impl FlatRecord {
    /// Whether the messages passed DMARC.
    pub fn is_pass(&self) -> bool {
        self.dkim_aligned || self.spf_aligned
    }
}

/// Flattens a report that came from `origin` by a mail of trust `trust`.
///
/// ```
/// use dmarc_core::record::{Trust, flatten};
/// use dmarc_core::{Limits, parse::aggregate};
///
/// # let xml = "<feedback><report_metadata><org_name>receiver.example</org_name><report_id>1</report_id>
/// #   <date_range><begin>1789171200</begin><end>1789257599</end></date_range></report_metadata>
/// #   <policy_published><domain>example.org</domain><p>none</p></policy_published>
/// #   <record><row><source_ip>192.0.2.1</source_ip><count>7</count>
/// #     <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
/// #     <identifiers><header_from>example.org</header_from></identifiers>
/// #     <auth_results><dkim><domain>mail.example.org</domain><result>pass</result></dkim></auth_results></record></feedback>";
/// let report = aggregate::parse(xml, &Limits::default()).remove(0)?.report.into_owned();
/// let records = flatten(report, "report.xml".to_owned(), Trust::Unverified);
/// assert_eq!(records[0].message_count, 7);
/// assert!(records[0].is_pass() && records[0].dkim_aligned);
/// # Ok::<(), dmarc_core::Error>(())
/// ```
pub fn flatten(report: AggregateReport<'static>, origin: String, trust: Trust) -> Vec<FlatRecord> {
    let policy = report.policy_published;
    let facts = Arc::new(ReportFacts {
        origin,
        reporter: report.report_metadata.reporter(),
        org_name: report.report_metadata.org_name.into_owned(),
        email: report.report_metadata.email.into_owned(),
        report_id: report.report_metadata.report_id.into_owned(),
        period: report.report_metadata.date_range,
        policy_domain: policy.domain.as_str().to_owned(),
        policy: policy.p.as_ref().map(|p| p.as_str().to_owned()).unwrap_or_default(),
        policy_published: policy,
        trust,
    });
    let flat = |mut record: crate::model::aggregate::Record<'static>| {
        lower_selectors(&mut record.auth_results);
        let evaluation = evaluate(&record, &facts.policy_published);
        let evaluated = record.row.policy_evaluated;
        FlatRecord {
            report: Arc::clone(&facts),
            source_ip: record.row.source_ip,
            message_count: record.row.count,
            is_delivered: evaluated.disposition.as_ref().is_none_or(ActionDisposition::is_delivered),
            disposition: evaluated.disposition,
            reported_dkim: evaluated.dkim,
            reported_spf: evaluated.spf,
            dkim_aligned: evaluation.dkim_aligned,
            spf_aligned: evaluation.spf_aligned,
            disagrees: evaluation.disagrees,
            header_from: record.identifiers.header_from.as_str().to_owned(),
            envelope_from: record.identifiers.envelope_from,
            envelope_to: record.identifiers.envelope_to,
            auth_results: record.auth_results,
            reasons: evaluated.reasons,
        }
    };
    report.records.into_iter().map(flat).collect()
}

/// Selectors are labels of DNS names: their letter case says nothing.
fn lower_selectors(results: &mut AuthResults<'_>) {
    for selector in results.dkim.iter_mut().filter_map(|dkim| dkim.selector.as_mut()) {
        if selector.bytes().any(|b| b.is_ascii_uppercase()) {
            selector.to_mut().make_ascii_lowercase();
        }
    }
}
