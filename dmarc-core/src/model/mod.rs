//! The reports as values, named as the RFCs name them. No parsing here.
//!
//! All types borrow from the payload where they can; `into_owned` detaches them.

pub mod aggregate;
pub mod auth;
pub mod error_report;
pub mod failure;
pub mod tlsrpt;

use std::borrow::Cow;

pub use aggregate::AggregateReport;
pub use error_report::ErrorReport;
pub use failure::FailureReport;
pub use tlsrpt::TlsReport;

/// A report of one of the three kinds.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(untagged))]
#[non_exhaustive]
pub enum Report<'a> {
    /// A DMARC aggregate report (RFC 9990, RFC 7489).
    Aggregate(Box<AggregateReport<'a>>),
    /// A DMARC failure report (RFC 9991, RFC 6591).
    Failure(Box<FailureReport<'a>>),
    /// An SMTP TLS report (RFC 8460).
    Tls(TlsReport<'a>),
}

impl Report<'_> {
    /// Names the kind in one word: `aggregate`, `failure` or `tlsrpt`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Aggregate(_) => "aggregate",
            Self::Failure(_) => "failure",
            Self::Tls(_) => "tlsrpt",
        }
    }

    /// About how much memory the report takes, in bytes.
    pub fn memory(&self) -> u64 {
        match self {
            Self::Aggregate(report) => report.memory(),
            Self::Failure(report) => report.memory(),
            Self::Tls(report) => report.memory(),
        }
    }

    /// Detaches the report from the payload that it borrows from.
    #[must_use]
    pub fn into_owned(self) -> Report<'static> {
        match self {
            Self::Aggregate(report) => Report::Aggregate(Box::new(report.into_owned())),
            Self::Failure(report) => Report::Failure(Box::new(report.into_owned())),
            Self::Tls(report) => Report::Tls(report.into_owned()),
        }
    }
}

pub(crate) fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

pub(crate) fn owned_option(text: Option<Cow<'_, str>>) -> Option<Cow<'static, str>> {
    text.map(owned)
}

pub(crate) fn owned_list(list: Vec<Cow<'_, str>>) -> Vec<Cow<'static, str>> {
    list.into_iter().map(owned).collect()
}

/// A value of a vocabulary, for parsers that read any of them.
pub(crate) trait Word<'a>: Sized {
    fn read(word: Cow<'a, str>) -> Self;
    /// The known word that is written exactly so.
    fn exact(word: &str) -> Option<Self>;
    fn word(&self) -> &str;
    fn is_known(&self) -> bool;
}

/// Declares a vocabulary of a report: known words, and `Other` for any word outside it, as received.
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])+ $variant:ident = $word:literal $(| $alias:literal)*,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name<'a> {
            $($(#[$vdoc])+ $variant,)+
            /// A word outside the vocabulary, as received.
            Other(std::borrow::Cow<'a, str>),
        }

        impl<'a> $name<'a> {
            /// Reads a word, whatever its letter case and the space around it; an unknown word is kept.
            pub fn new(word: impl Into<std::borrow::Cow<'a, str>>) -> Self {
                let word = word.into();
                let trimmed = word.trim();
                $(if trimmed.eq_ignore_ascii_case($word) $(|| trimmed.eq_ignore_ascii_case($alias))* {
                    return Self::$variant;
                })+
                Self::Other(word)
            }

            /// The word in lower case as the RFC writes it; for `Other`, the word as received.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }

            /// Detaches the value from the payload that it borrows from.
            #[must_use]
            pub fn into_owned(self) -> $name<'static> {
                match self {
                    $(Self::$variant => $name::$variant,)+
                    Self::Other(word) => $name::Other($crate::model::owned(word)),
                }
            }
        }

        impl<'a> $crate::model::Word<'a> for $name<'a> {
            fn read(word: std::borrow::Cow<'a, str>) -> Self {
                Self::new(word)
            }

            fn exact(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            fn word(&self) -> &str {
                self.as_str()
            }

            fn is_known(&self) -> bool {
                !matches!(self, Self::Other(_))
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name<'_> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer).map(Self::new)
            }
        }
    };
}
pub(crate) use vocabulary;
