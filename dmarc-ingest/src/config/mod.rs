//! The configuration: a small TOML file, and the environment, which wins over it.
//!
//! ```toml
//! data = "/var/lib/dmarc"
//! [owner]
//! domains  = ["example.org"]                  # sub-domains included
//! networks = ["192.0.2.0/24", "2001:db8::1"]  # own hosts
//! [mailbox.rua]
//! host = "imap.example.org"
//! user = "dmarc@example.org"
//! password_file = "/run/secrets/rua"          # never the password itself
//! ```
//!
//! Every key stands once in a table (`keys.rs`), with its default and what it does; [`template()`] writes them all.
//! Each has a twin in the environment: `DMARC_DATA`, `DMARC_OWNER_DOMAINS=a.example,b.example`,
//! `DMARC_MAILBOX_RUA_HOST`; a mailbox may stand there alone. A relative path starts from the folder of the file, one in
//! the environment from the working directory.
//!
//! A key that is not known is an error, so that a slip of the pen cannot switch something off; so is an unknown
//! variable that begins with `DMARC_`, other than [`CONFIG_VARIABLE`], what a `…_env` key names, and what Kubernetes says of a service called `dmarc`.

mod environment;
mod error;
mod file;
mod keys;
mod mailbox;
mod template;
mod value;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use crate::source::BatchSize;
use crate::source::imap::Account;
use crate::source::read_at_most;
use environment::Environment;
pub use error::{ConfigError, Origin};
use file::Document;
use keys::Set;
use mailbox::Draft;
pub use template::{Suggestions, template};
use value::{Bad, Given, Value};

/// The environment variable that names the configuration.
pub const CONFIG_VARIABLE: &str = "DMARC_CONFIG";
/// Where the configuration is looked for, in this order, if nobody says where it is.
pub const PLACES: [&str; 2] = ["dmarc.toml", "/etc/dmarc/dmarc.toml"];

/// The largest configuration read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// The longest name of a mailbox, in bytes.
const MAX_NAME: usize = 64;

/// Everything that is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The folder of the dataset. Default: none.
    pub data: Option<PathBuf>,
    /// Who owns which domains and hosts.
    pub owner: Owner,
    /// The mailboxes, by name. Default: none.
    pub mailboxes: Vec<Account>,
    /// Where facts about hosts come from.
    pub lookup: Lookup,
    /// How the DNS is asked.
    pub dns: Dns,
    /// Whether the mail that brings a report is genuine.
    pub authenticate: Authenticate,
    /// The service.
    pub service: Service,
    /// Ceilings.
    pub limits: Limits,
}

/// `[owner]`: who owns which domains and hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owner {
    /// Own domains in normal form, sub-domains included. Default: none, which means every domain reported on.
    pub domains: Vec<String>,
    /// Networks of own hosts. Default: none.
    pub networks: Vec<IpNet>,
    /// The `authserv-id`s of the own mail servers: their `Authentication-Results` are believed (RFC 8601,
    /// Section 7.1). Default: none, so that nothing is believed.
    pub trusted_authserv_ids: Vec<String>,
}

/// `[lookup]`: where facts about hosts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lookup {
    /// A table of host names, see [`Hosts`](crate::Hosts). Default: none.
    pub hosts_file: Option<PathBuf>,
    /// What was decided about sources, see [`load_decisions`](crate::load_decisions). Default: none.
    pub decisions_file: Option<PathBuf>,
    /// Whether the DNS is asked for the names of hosts. Default: true.
    pub reverse_dns: bool,
}

impl Default for Lookup {
    fn default() -> Self {
        Self { hosts_file: None, decisions_file: None, reverse_dns: true }
    }
}

/// `[dns]`: how the DNS is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dns {
    /// Name servers. Default: none, which means those of the system.
    pub servers: Vec<SocketAddr>,
    /// How long to wait for one answer. Default: 5 seconds.
    pub timeout: Duration,
}

impl Default for Dns {
    fn default() -> Self {
        Self { servers: Vec::new(), timeout: Duration::from_secs(5) }
    }
}

/// `[authenticate]`: whether the mail that brings a report is genuine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Authenticate {
    /// Whether DKIM signatures of report mail are verified. Default: true.
    pub dkim: bool,
}

impl Default for Authenticate {
    fn default() -> Self {
        Self { dkim: true }
    }
}

/// `[service]`: `dmarc watch`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Service {
    /// Where metrics are served. Default: none, and no port is opened.
    pub metrics: Option<SocketAddr>,
    /// How the log is written. Default: text.
    pub log: Log,
    /// The least severe event that is logged. Default: INFO.
    pub log_level: tracing::Level,
    /// How often small segments are joined. Default: 24 hours.
    pub compact_every: Duration,
}

impl Default for Service {
    fn default() -> Self {
        let (log_level, compact_every) = (tracing::Level::INFO, Duration::from_hours(24));
        Self { metrics: None, log: Log::default(), log_level, compact_every }
    }
}

/// How a log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Log {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `[limits]`: ceilings of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Size of one message as received, in bytes. Default: 50 MiB.
    pub message_bytes: u64,
    /// What one message may bring, in bytes of memory. Default: 64 MiB.
    pub reading_bytes: u64,
    /// Messages that are made durable together. Default: 500.
    pub batch_messages: usize,
    /// Size of the messages after which a batch is full, in bytes; one message may exceed it. Default: 64 MiB.
    pub batch_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_bytes: 50 << 20, reading_bytes: 64 << 20, batch_messages: 500, batch_bytes: 64 << 20 }
    }
}

impl Limits {
    /// The ceilings for reading one message.
    pub fn for_reading(&self) -> dmarc_core::Limits {
        let mut limits = dmarc_core::Limits::default();
        limits.message_bytes = self.message_bytes;
        limits.reading_bytes = self.reading_bytes;
        limits
    }

    /// How much a source gives at a time.
    #[must_use]
    pub fn batch(&self) -> BatchSize {
        BatchSize { messages: self.batch_messages, bytes: self.batch_bytes }
    }
}

impl Config {
    /// Finds the configuration, [`load`](Self::load)s it, and needs none: then there is the environment only.
    ///
    /// # Errors
    /// Every kind of [`ConfigError`].
    pub fn open<K, V>(
        named: Option<&Path>,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let environment = Environment::new(variables);
        match find(named, &environment) {
            Some(path) => Self::build(Some((&text(&path)?, &path)), environment),
            None => Self::build(None, environment),
        }
    }

    /// Where the configuration is: the file that somebody `named`, else that of [`CONFIG_VARIABLE`], else the first of
    /// [`PLACES`] that is there.
    pub fn find<K, V>(named: Option<&Path>, variables: impl IntoIterator<Item = (K, V)>) -> Option<PathBuf>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        find(named, &Environment::new(variables))
    }

    /// Reads the file at `path`, and what the environment says beyond it.
    ///
    /// # Errors
    /// Every kind of [`ConfigError`].
    pub fn load<K, V>(path: &Path, variables: impl IntoIterator<Item = (K, V)>) -> Result<Self, ConfigError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        Self::build(Some((&text(path)?, path)), Environment::new(variables))
    }

    /// Reads `text`, and no environment; `path` is its name in errors, and what relative paths in it start from.
    ///
    /// # Errors
    /// Every kind of [`ConfigError`] but [`Unreadable`](ConfigError::Unreadable), [`TooLarge`](ConfigError::TooLarge)
    /// and [`UnknownVariable`](ConfigError::UnknownVariable).
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        Self::build(Some((text, path)), Environment::new::<String, String>([]))
    }

    fn build(file: Option<(&str, &Path)>, environment: Environment) -> Result<Self, ConfigError> {
        let mut builder = Builder::default();
        if let Some((text, path)) = file {
            Document { text, path }.read(&mut builder)?;
        }
        environment.read(&mut builder)?;
        builder.finish()
    }
}

fn find(named: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    let named = named.map(Path::to_path_buf);
    named.or_else(|| environment.variable(CONFIG_VARIABLE).map(PathBuf::from)).or_else(|| {
        // One that cannot be looked at is named in an error rather than passed over.
        PLACES.iter().map(PathBuf::from).find(|path| path.try_exists().unwrap_or(true))
    })
}

fn text(path: &Path) -> Result<String, ConfigError> {
    let file = path.to_string_lossy().into_owned();
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| read_at_most(&mut file, MAX_BYTES + 1, &mut bytes));
    if let Err(source) = read {
        return Err(ConfigError::Unreadable { file, source });
    }
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ConfigError::TooLarge { file, max: MAX_BYTES });
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = good.split(|byte| *byte == b'\n').count();
        ConfigError::Syntax { origin: Origin::File { file, line }, message: "expected UTF-8".to_owned() }
    })
}

/// A configuration while it is read: what is set later wins.
#[derive(Debug, Default)]
struct Builder {
    config: Config,
    mailboxes: BTreeMap<String, Draft>,
    /// The variables that secrets are said to be kept in.
    secret_variables: BTreeSet<String>,
}

impl Builder {
    /// Notes that there is a mailbox of this name.
    fn mailbox(&mut self, name: &str, origin: &Origin) -> Result<(), ConfigError> {
        if self.mailboxes.contains_key(name) {
            return Ok(());
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        let key = format!("mailbox.{name}");
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(plain) {
            let expected = "a name of up to 64 small letters a to z, digits, `-` and `_`";
            return Err(ConfigError::BadValue {
                origin: origin.clone(),
                key,
                expected,
                found: format!("{name:?}"),
            });
        }
        if self.mailboxes.keys().any(|other| other.replace('-', "_") == name.replace('-', "_")) {
            let reason = "another mailbox is called the same but for `-` and `_`, which the environment cannot tell \
                          apart: expected another name";
            return Err(ConfigError::Refused { origin: origin.clone(), key, reason });
        }
        self.mailboxes.insert(name.to_owned(), Draft::new(name, origin.clone()));
        Ok(())
    }

    /// Takes over the value of the key at `path`.
    fn set(&mut self, path: &str, mailbox: Option<&str>, given: &Given) -> Result<(), ConfigError> {
        let Some(key) = keys::find(path) else { return Ok(()) };
        if key.path.ends_with("_env")
            && let Value::Text(name) = &given.value
        {
            self.secret_variables.insert(name.clone());
        }
        let done = match (key.set, mailbox.and_then(|name| self.mailboxes.get_mut(name))) {
            (Set::Config(set), _) => set(&mut self.config, given),
            (Set::Mailbox(set), Some(draft)) => {
                draft.note(key.path, &given.origin);
                set(draft, given)
            }
            (Set::Mailbox(_), None) => Ok(()),
        };
        let named = keys::named(path, mailbox.unwrap_or_default());
        done.map_err(|bad| match bad {
            Bad::Value { given, expected } => ConfigError::BadValue {
                found: given.found(key.is_secret()),
                origin: given.origin,
                key: named,
                expected: expected.unwrap_or(key.expected),
            },
            Bad::Refused(reason) => ConfigError::Refused { origin: given.origin.clone(), key: named, reason },
        })
    }

    /// The mailbox that a variable calls `name`: it cannot say `-`.
    fn known_as(&self, name: &str) -> String {
        let known = self.mailboxes.keys().find(|known| known.replace('-', "_") == name);
        known.map_or_else(|| name.to_owned(), Clone::clone)
    }

    fn mailbox_names(&self) -> Vec<String> {
        self.mailboxes.keys().cloned().collect()
    }

    fn finish(mut self) -> Result<Config, ConfigError> {
        self.config.mailboxes = self.mailboxes.into_values().map(Draft::finish).collect::<Result<_, _>>()?;
        Ok(self.config)
    }
}

#[cfg(test)]
mod tests;
