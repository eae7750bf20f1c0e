//! Report → text, for receivers that send reports. Writes what a report says, or names what it cannot write.
//!
//! *Not supported:* RFC 7489 XML; failure reports; mail, compression and file names around a report.

pub mod aggregate;
pub mod tlsrpt;
