//! What a source is, and how much it matters: two axes that stay apart.

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Passes DMARC as ours.
    Authorized,
    /// Our mail, forwarded unchanged.
    ForwardedIntact,
    /// Our mail; a list, gateway or forwarder broke the signature.
    ForwardedModified,
    /// Ours for sure, and failing.
    LegitBroken,
    /// A known service that authenticates as itself, not as us.
    ThirdPartyUnaligned,
    /// Nothing of ours authenticates, and the evidence is strong.
    UnauthorizedSpoof,
    /// Nothing of ours authenticates, and the evidence is weak.
    UnauthorizedUnknown,
    /// Our valid signature, bursting from networks never seen before.
    SuspectReplay,
    /// A report that is not from whom it says.
    ReportUntrusted,
    /// A report that contradicts another with the same identity.
    ReportConflict,
    /// Too little to say.
    Insufficient,
    /// TLS sessions that failed an MTA-STS policy.
    TlsSts,
    /// TLS sessions that failed DANE.
    TlsDane,
    /// TLS sessions that failed for certificate or STARTTLS.
    TlsTransport,
    /// TLS sessions that failed otherwise.
    TlsOther,
}

impl Class {
    /// The name of the class in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorized => "authorized",
            Self::ForwardedIntact => "forwarded.intact",
            Self::ForwardedModified => "forwarded.modified",
            Self::LegitBroken => "legit.broken",
            Self::ThirdPartyUnaligned => "third_party.unaligned",
            Self::UnauthorizedSpoof => "unauthorized.spoof",
            Self::UnauthorizedUnknown => "unauthorized.unknown",
            Self::SuspectReplay => "suspect.replay",
            Self::ReportUntrusted => "report.untrusted",
            Self::ReportConflict => "report.conflict",
            Self::Insufficient => "insufficient",
            Self::TlsSts => "tls.sts",
            Self::TlsDane => "tls.dane",
            Self::TlsTransport => "tls.transport",
            Self::TlsOther => "tls.other",
        }
    }

    /// Whether mail of this class is the owner's, as far as reports tell.
    pub fn is_legitimate(self) -> bool {
        matches!(self, Self::Authorized | Self::ForwardedIntact | Self::ForwardedModified | Self::LegitBroken)
    }

    /// Whether it asks for nothing: shown only on request.
    pub fn is_quiet(self) -> bool {
        matches!(self, Self::Authorized | Self::ForwardedIntact)
    }
}

/// How much a finding matters: class and impact, never confidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Nothing to do.
    Info,
    /// Worth knowing.
    Low,
    /// Worth a look this week.
    Medium,
    /// Worth a look today.
    High,
    /// Worth a look now.
    Critical,
}

impl Severity {
    /// The name of the severity in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Class {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Severity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
