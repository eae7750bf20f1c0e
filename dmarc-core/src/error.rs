//! What went wrong: one opaque [`Error`], whose [`ErrorKind`] can be stored and compared.
//!
//! An error means that *no trustworthy report* could be had from these bytes. A deviation that was understood is
//! never an error but a [`Quirk`](crate::Quirk).

use std::error::Error as StdError;
use std::fmt;

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a report was refused, and where.
///
/// One word wide, so that `Result<T>` stays cheap.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    offset: Option<u64>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner { kind, offset: None, source: None }))
    }

    pub(crate) fn limit(limit: &'static str, max: u64) -> Self {
        Self::new(ErrorKind::LimitExceeded { limit, max })
    }

    #[must_use]
    pub(crate) fn at(mut self, offset: u64) -> Self {
        self.0.offset = Some(offset);
        self
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The error of this crate that a reader of bytes passes on, or that the reader failed.
    pub(crate) fn of_read(error: std::io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => error,
            Err(error) => Self::new(ErrorKind::Read).with_source(error),
        }
    }

    /// Names the reason; `Copy`, so it can be kept, counted and compared.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Tells where in the payload reading stopped, in bytes from its beginning.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("offset", &self.0.offset)
            .field("source", &self.0.source)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)?;
        match self.0.offset {
            Some(offset) => write!(f, " at byte {offset}"),
            None => Ok(()),
        }
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// The reasons for which a report is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A ceiling of [`Limits`](crate::Limits) was reached; nothing is ever truncated instead.
    #[error("input exceeds the {limit} limit of {max}")]
    LimitExceeded {
        /// The field of `Limits`.
        limit: &'static str,
        /// Its value, in the unit its documentation names.
        max: u64,
    },
    /// Compressed data is damaged or cut short.
    #[error("compressed data is damaged or cut short")]
    Decompress,
    /// The zip archive has no readable directory, or an entry uses an unsupported method.
    #[error("zip archive is damaged or uses an unsupported method")]
    Archive,
    /// Whatever the bytes were read from failed.
    #[error("reading failed")]
    Read,
    /// Whoever took the records wanted no more of them.
    #[error("reading was stopped")]
    Stopped,
    /// A text that must be UTF-8 is not.
    #[error("text is not UTF-8")]
    Encoding,
    /// A zip entry is encrypted.
    #[error("zip entry is encrypted")]
    Encrypted,
    /// A document type declaration: no report has one, and it can attack whoever reads it (RFC 9990, Section 8.2).
    #[error("document type declaration is forbidden")]
    DoctypeForbidden,
    /// The XML is not well-formed.
    #[error("XML is not well-formed")]
    Xml,
    /// The document ended before its root element was closed.
    #[error("document is cut short inside <{0}>")]
    Truncated(&'static str),
    /// A required element is absent or empty.
    #[error("missing required element <{0}>")]
    MissingElement(&'static str),
    /// A required element has a value that cannot be understood.
    #[error("element <{0}> has a value that cannot be understood")]
    BadValue(&'static str),
    /// The JSON of a TLS report is not well-formed (RFC 8460, Section 4.4).
    #[error("JSON is not well-formed")]
    Json,
    /// A required key of a TLS report is absent or has the wrong type (RFC 8460, Section 4.4).
    #[error("missing or unusable key {0:?}")]
    MissingKey(&'static str),
    /// A required field of a failure report (RFC 6591, Section 3.1) or error report (RFC 7489, Section 7.2.2) is absent.
    #[error("missing required field {0}")]
    MissingField(&'static str),
    /// The report has something that the format to be written has no form for, or lacks what it requires (RFC 9990).
    #[error("RFC 9990 has no form for this report's {0}")]
    Unwritable(&'static str),
}

impl ErrorKind {
    /// Names the kind in one stable word, for machines.
    pub fn code(self) -> &'static str {
        match self {
            Self::LimitExceeded { .. } => "limit_exceeded",
            Self::Decompress => "decompress",
            Self::Archive => "archive",
            Self::Read => "read",
            Self::Stopped => "stopped",
            Self::Encoding => "encoding",
            Self::Encrypted => "encrypted",
            Self::DoctypeForbidden => "doctype_forbidden",
            Self::Xml => "xml",
            Self::Truncated(_) => "truncated",
            Self::MissingElement(_) => "missing_element",
            Self::BadValue(_) => "bad_value",
            Self::Json => "json",
            Self::MissingKey(_) => "missing_key",
            Self::MissingField(_) => "missing_field",
            Self::Unwritable(_) => "unwritable",
        }
    }
}
