//! Reads DMARC aggregate reports, DMARC failure reports and SMTP TLS reports, and finds in them who sends as a domain
//! without authorisation. Bytes in, values out: no files, no network, no clock.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod decode;
pub mod domain;
pub mod error;
pub mod evaluate;
pub mod findings;
pub mod identity;
pub mod limits;
pub mod model;
pub mod parse;
pub mod quirk;
pub mod read;
pub mod record;
pub mod time;

pub use domain::Domain;
pub use error::{Error, ErrorKind, Result};
pub use limits::Limits;
pub use model::{AggregateReport, FailureReport, Report, TlsReport};
pub use parse::Parsed;
pub use quirk::{Quirk, QuirkCode, Quirks};
pub use read::{Found, MessageInfo, Outcome, Reading, read};
