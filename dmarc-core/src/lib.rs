//! Reads DMARC aggregate reports, DMARC failure reports and SMTP TLS reports, and finds in them who sends as a domain
//! without authorisation. Bytes in, values out: no files, no network, no clock.
//!
//! # One call
//! [`read()`] takes a whole mail, a gzip or zip, or bare XML or JSON, and gives every report in it:
//!
//! ```
//! use dmarc_core::{Found, Limits, Report, read};
//!
//! let mail = b"From: reports@receiver.example\r\nSubject: Report Domain: example.org\r\nMIME-Version: 1.0\r\n\
//! Content-Type: application/xml; name=report.xml\r\n\r\n\
//! <feedback><version>1.0</version><report_metadata><org_name>receiver.example</org_name>\
//! <email>reports@receiver.example</email><report_id>1</report_id>\
//! <date_range><begin>1789171200</begin><end>1789257599</end></date_range></report_metadata>\
//! <policy_published><domain>example.org</domain><p>none</p></policy_published>\
//! <record><row><source_ip>192.0.2.1</source_ip><count>7</count>\
//! <policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>\
//! <identifiers><header_from>example.org</header_from></identifiers><auth_results/></record></feedback>";
//!
//! for outcome in read(mail, &Limits::default()).outcomes {
//!     match outcome.found {
//!         Found::Report(parsed) => match parsed.report {
//!             Report::Aggregate(report) => assert_eq!(report.records[0].row.count, 7),
//!             other => println!("a report of kind {}", other.kind()),
//!         },
//!         Found::Refused(error) => panic!("{}: {error}", outcome.part),
//!         _ => {}
//!     }
//! }
//! ```
//!
//! # Reports of any size
//! [`stream()`] reads the same bytes and hands over each record as it comes: a report of a million records needs no more
//! memory than one of ten. A record counts once its report is known to be whole.
//!
//! # One step at a time
//! - [`parse`]: a payload that is XML, JSON or ARF text to a [`Report`] that borrows from it;
//!   [`parse::aggregate::Stream`]: XML from any [`Read`](std::io::Read), record by record, without an allocation for each.
//! - [`write`](mod@write): a report to RFC 9990 XML or RFC 8460 JSON.
//! - [`evaluate`]: alignment re-derived from raw results.
//! - [`identity`]: when two reports are the same report.
//! - [`record`]: the flat record that is judged; [`findings`]: the judgement.
//!
//! # Damage
//! An [`Error`] means that no trustworthy report came of these bytes. A [`Quirk`] is a deviation that was understood. A
//! [rejected record](model::aggregate::RejectedRecord) is one that cannot be counted, beside the good ones. Every ceiling is a
//! field of [`Limits`]; reaching it is an error, never a truncation.
//!
//! # Coming from mail-auth
//! Its report module, gone since 0.14, and where its parts are here:
//!
//! | mail-auth 0.13 | here |
//! |---|---|
//! | `report::Report::parse_rfc5322(mail, max_size)`: the first report | [`read()`]: every report, bounded by [`Limits`] |
//! | `report::Report::parse_xml(xml)` | [`parse::aggregate::parse`]: every document of the payload |
//! | `report::Feedback::parse_rfc5322`, `parse_arf` | [`read()`], [`parse::failure::parse`] |
//! | `report::tlsrpt::TlsReport::parse_rfc5322`, `parse_json` | [`read()`], [`parse::tlsrpt::parse`] |
//! | `Error` and `String` | [`Error`] with [`kind`](Error::kind) and [`offset`](Error::offset) |
//! | `report.org_name()`, `.domain()`, `.p()` | `report_metadata.org_name`, `policy_published.domain`, `.p`: the names of the RFC, as fields |
//! | `record.count()`: a bad count is 0, `u32` | `row.count`: `u64`; a record with a bad count is a [rejected record](model::aggregate::RejectedRecord) |
//! | `record.dmarc_dkim_result()` | `row.policy_evaluated.dkim` |
//! | unknown results become a legal value | kept as `Other`, with a [`Quirk`] |
//!
//! # Not supported
//! Network of any kind: DNS, DKIM verification, the DNS tree walk. TLS reports and failure reports in pieces: they are held
//! as a whole, within [`Limits::held_bytes`]. Writing failure reports, or the XML of RFC 7489.
//!
//! # Features
//! - `serde`: `Serialize` and `Deserialize` for every report type.
#![cfg_attr(
    feature = "arrow",
    doc = "- `arrow`: [`mod@arrow`], records and reports as Arrow record batches."
)]
#![cfg_attr(not(feature = "arrow"), doc = "- `arrow`: records and reports as Arrow record batches.")]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

#[cfg(feature = "arrow")]
pub mod arrow;
mod context;
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
#[cfg(test)]
mod testdata;
pub mod time;
pub mod write;

pub use decode::MessageInfo;
pub use domain::Domain;
pub use error::{Error, ErrorKind, Result};
pub use limits::Limits;
pub use model::{AggregateReport, ErrorReport, FailureReport, Report, TlsReport};
pub use parse::Parsed;
pub use quirk::{Quirk, QuirkCode, Quirks};
pub use read::{Found, Outcome, Reading, Visitor, read, stream};
