//! Results of authentication methods (RFC 8601), shared by aggregate and failure reports.

use std::borrow::Cow;

use super::{owned, owned_option, vocabulary};

vocabulary! {
    /// What a DKIM check gave (RFC 8601, Section 2.7.1). Only [`Pass`](Self::Pass) is a pass.
    DkimResultCode {
        /// No signature.
        None = "none",
        /// The signature was valid.
        Pass = "pass",
        /// A signature was there and did not verify.
        Fail = "fail" | "hardfail",
        /// Valid, but not acceptable by local policy.
        Policy = "policy",
        /// The signature could not be processed.
        Neutral = "neutral",
        /// A DNS or other temporary error.
        TempError = "temperror",
        /// A lasting error, such as a missing key.
        PermError = "permerror",
    }
}

vocabulary! {
    /// What an SPF check gave (RFC 8601, Section 2.7.2). Only [`Pass`](Self::Pass) is a pass.
    SpfResultCode {
        /// No SPF record.
        None = "none",
        /// The record says nothing of this host.
        Neutral = "neutral",
        /// The host is authorised.
        Pass = "pass",
        /// The host is not authorised.
        Fail = "fail" | "hardfail",
        /// The host is probably not authorised.
        SoftFail = "softfail",
        /// A DNS or other temporary error.
        TempError = "temperror",
        /// A record that cannot be interpreted.
        PermError = "permerror",
        /// Authorised, but not acceptable by local policy (RFC 9990 only).
        Policy = "policy",
    }
}

/// One `Authentication-Results` field (RFC 8601, Section 2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AuthenticationResults<'a> {
    /// Who claims these results; empty where the field has none (seen in failure reports).
    pub authserv_id: Cow<'a, str>,
    /// The results in the order of the field.
    pub results: Vec<MethodResult<'a>>,
}

/// One `method=result` with its properties (RFC 8601, Section 2.2, `resinfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MethodResult<'a> {
    /// The method, lower-case: `dkim`, `spf`, `dmarc`, `arc`, …
    pub method: Cow<'a, str>,
    /// The result, lower-case: `pass`, `fail`, …
    pub result: Cow<'a, str>,
    /// `reason=`, where given.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub reason: Option<Cow<'a, str>>,
    /// Properties such as `("header.d", "example.org")`; names in lower case.
    pub properties: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl MethodResult<'_> {
    /// The value of the property `name` (`header.d`, `smtp.mailfrom`), if given.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref())
    }
}

impl AuthenticationResults<'_> {
    /// Detaches the value from the text that it borrows from.
    #[must_use]
    pub fn into_owned(self) -> AuthenticationResults<'static> {
        AuthenticationResults {
            authserv_id: owned(self.authserv_id),
            results: self.results.into_iter().map(MethodResult::into_owned).collect(),
        }
    }
}

impl MethodResult<'_> {
    fn into_owned(self) -> MethodResult<'static> {
        MethodResult {
            method: owned(self.method),
            result: owned(self.result),
            reason: owned_option(self.reason),
            properties: self.properties.into_iter().map(|(key, value)| (owned(key), owned(value))).collect(),
        }
    }
}
