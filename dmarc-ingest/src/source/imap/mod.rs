//! Mail from an IMAP server (RFC 9051, RFC 3501).

mod account;

pub use account::{Account, After, Login, Mechanism, OAuth2, Tls};
