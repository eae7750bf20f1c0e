//! From mail to outcomes: where report mail is read from, whether it is genuine, and what its owner configured.
//!
//! | step | module |
//! |---|---|
//! | paths → bytes of one message, file or payload each | [`source`] |
//! | bytes → what `dmarc-core` found in them | [`pipeline`] |
//! | is the mail that brought a report genuine | [`authenticate`] |
//! | what the owner says of himself | [`config`] |
//! | what was found out about hosts | [`enrich`] |
//! | questions to DNS, bounded | [`dns`] |
//! | what an operator sees of the service | [`events`], [`metrics`], [`health`], [`systemd`] |
//!
//! Only what is given a [`dns::Resolver`] or a mailbox reaches the network. One input is held in memory at a time.
//!
//! ```no_run
//! use std::path::PathBuf;
//!
//! let limits = dmarc_core::Limits::default();
//! for item in dmarc_ingest::pipeline::outcomes(&[PathBuf::from("Maildir")], &limits) {
//!     match item {
//!         Ok(mail) => println!("{}: {} outcomes", mail.source, mail.outcomes.len()),
//!         Err(unreachable) => eprintln!("{unreachable}"),
//!     }
//! }
//! ```

pub mod authenticate;
pub mod collection;
pub mod config;
pub mod dns;
pub mod enrich;
pub mod events;
pub mod health;
pub mod ingest;
pub mod metrics;
pub mod pipeline;
mod receive;
pub mod secret;
pub mod service;
pub mod source;
pub mod store;
pub mod systemd;
mod verdict;

pub use authenticate::{Trust, judge};
pub use collection::{Collected, Collection, Inputs, host_facts};
pub use config::{Config, ConfigError};
pub use enrich::{Host, Hosts, HostsError};
pub use ingest::{IngestError, Observer, Received, Settings, ingest};
pub use pipeline::{MailOutcome, outcomes};
pub use source::{Batch, Content, Cursor, Input, Message, MessageSource, Messages, Place, SourceError};
