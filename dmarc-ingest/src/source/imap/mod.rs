//! Mail from an IMAP server (RFC 9051, RFC 3501).
//!
//! A mailbox is read in passes: [`ImapSource::connect`], then [`next_batch`] until `is_last`, then
//! [`ImapSource::wait`], and so on on the same connection. After an error it is dropped and made again, not before a
//! [`Backoff`] says so.
//!
//! - A message is read with BODY.PEEK[], and a folder in which nothing is to change is opened with EXAMINE.
//! - Folders are listed in windows and messages fetched in batches: memory does not follow the size of a mailbox, nor
//!   what a server announces. A message that is larger than wanted is not kept, whatever its size was said to be.
//! - Connecting, each read and each write end in time.
//! - Nothing secret is sent before the server's certificate was verified, or to another machine in the clear.
//!
//! The protocol is spoken by this module itself. The clients there are keep a whole answer in memory, take what they
//! cannot parse for the end of the connection, and hide the socket that a bounded IDLE needs; and the five responses
//! that matter here are few.
//!
//! *Not supported:* SASL mechanisms other than PLAIN, XOAUTH2 and OAUTHBEARER; client certificates; NOTIFY (with several
//! folders the first is watched, the others are polled); `PREAUTH`.
//!
//! [`next_batch`]: crate::source::MessageSource::next_batch

mod account;
mod acknowledge;
mod backoff;
mod fault;
mod listing;
mod login;
mod mailbox;
mod name;
mod probe;
mod response;
mod session;
mod set;
mod stream;
mod tls;
mod token;
mod wait;
mod wire;

pub use account::{Account, After, Login, Mechanism, OAuth2, Tls};
pub use backoff::{Backoff, Setback};
pub use fault::{Fault, ImapError};
pub use mailbox::ImapSource;
pub use probe::{CheckLine, Verdict};
pub use token::Tokens;
pub use wait::Wake;

/// How a mailbox is read.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct ImapOptions {
    /// Whether nothing may change in the mailbox: not even what is acknowledged. Default: no.
    pub dry_run: bool,
    /// Largest message that is fetched, in bytes. Default: that of [`dmarc_core::Limits`].
    pub message_bytes: u64,
    /// Messages in a batch at most. Default: 500.
    pub batch_messages: usize,
    /// Size of the messages in a batch together, in bytes; a message may be larger, and comes alone. Default: 8 MiB.
    pub batch_bytes: u64,
    /// Where access tokens are kept. Give copies of one to all connections. Default: none yet.
    pub tokens: Tokens,
}

impl Default for ImapOptions {
    fn default() -> Self {
        Self {
            dry_run: false,
            message_bytes: dmarc_core::Limits::default().message_bytes,
            batch_messages: 500,
            batch_bytes: 8 << 20,
            tokens: Tokens::default(),
        }
    }
}

impl ImapSource {
    /// Looks whether a mailbox can be read as configured, and leaves no trace in it.
    pub fn probe(account: &Account, options: &ImapOptions) -> Vec<CheckLine> {
        probe::probe(account, options)
    }
}
