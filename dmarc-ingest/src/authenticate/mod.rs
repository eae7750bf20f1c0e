//! Is the mail that brought a report genuine?
//!
//! Anybody can send a report about anybody. Two things tell: what a trusted server wrote into `Authentication-Results`
//! ([`judge`]), and a signature that we check ourselves ([`verify`]), which is proof and needs no trust in a server.
//! [`Trust::with_signature`] puts both together.

pub mod authres;
pub mod dkim;
mod header;

pub use authres::judge;
pub use dkim::{DkimVerdict, NotVerified, verify};

/// Whether a mail is from whom it says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum Trust {
    /// We checked a signature of the organization of From ourselves, and it is valid.
    Verified,
    /// A trusted server says that DMARC, or DKIM for the domain of From, passed.
    TrustedAuthres,
    /// Nothing trustworthy says anything: a bare file, no trusted server configured, or none that wrote a field.
    Unverified,
    /// A trusted server says that it is not; the text says what.
    Failed(String),
}

impl Trust {
    /// Takes in what checking the signatures gave. A valid one is proof, whatever a server said; any other result
    /// proves nothing (keys rotate, lists change mail) and changes nothing.
    pub fn with_signature(self, verdict: &DkimVerdict) -> Self {
        match verdict {
            DkimVerdict::Verified { .. } => Self::Verified,
            DkimVerdict::NotVerified(_) => self,
        }
    }
}
