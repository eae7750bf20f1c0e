//! From mail to a dataset: where report mail is read from, whether it is genuine, and what counts of it, once.
//!
//! | step | module |
//! |---|---|
//! | paths or a mailbox → messages, batch by batch | [`source`] |
//! | batch → judged → durable → acknowledged | [`ingest`](mod@ingest) |
//! | what counts, and what is kept aside | [`store`] |
//! | is the mail that brought a report genuine | [`authenticate`] |
//! | mailboxes, once or for ever | [`service`] |
//! | what the owner says of himself | [`config`], [`secret`], [`decisions`] |
//! | what was found out about hosts | [`enrich`] |
//! | questions to DNS, bounded | [`dns`] |
//! | what an operator sees of the service | [`events`], [`metrics`], [`health`], [`systemd`] |
//! | one run over files, nothing kept | [`pipeline`], [`collection`] |
//!
//! Only what is given a [`dns::Resolver`] or a mailbox reaches the network.
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
pub mod decisions;
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
pub mod text;
mod verdict;

pub use authenticate::{Trust, judge};
pub use collection::{Collected, Collection, Inputs, NamedReport, host_facts};
pub use config::{Config, ConfigError};
pub use decisions::{DecisionsError, load_decisions};
pub use enrich::{Host, Hosts, HostsError};
pub use ingest::{IngestError, Observer, Received, Settings, ingest};
pub use pipeline::{MailOutcome, outcomes};
pub use source::{Batch, Content, Cursor, Input, Message, MessageSource, Messages, Place, SourceError};
