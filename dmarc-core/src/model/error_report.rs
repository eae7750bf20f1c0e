//! The notice that an aggregate report could not be delivered (RFC 7489, Section 7.2.2; gone in RFC 9990).

use std::borrow::Cow;

use super::{owned, owned_list, owned_option};
use crate::domain::Domain;

/// Says that an aggregate report exists and did not arrive: it was too large, or its destination could not be reached.
///
/// `None` where a field is absent or cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ErrorReport<'a> {
    /// `Report-Date` as received.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub report_date: Option<Cow<'a, str>>,
    /// `Report-Domain`: the domain that the lost report is about.
    pub report_domain: Domain<'a>,
    /// `Report-ID` of the lost report.
    pub report_id: Cow<'a, str>,
    /// `Report-Size` in bytes.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub report_size: Option<u64>,
    /// `Submitter`: who generated the report.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub submitter: Option<Domain<'a>>,
    /// `Submitting-URI`, each: where it could not be sent.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub submitting_uri: Vec<Cow<'a, str>>,
}

impl ErrorReport<'_> {
    /// Detaches the notice from the payload that it borrows from.
    #[must_use]
    pub fn into_owned(self) -> ErrorReport<'static> {
        ErrorReport {
            report_date: owned_option(self.report_date),
            report_domain: self.report_domain.into_owned(),
            report_id: owned(self.report_id),
            report_size: self.report_size,
            submitter: self.submitter.map(Domain::into_owned),
            submitting_uri: owned_list(self.submitting_uri),
        }
    }
}
