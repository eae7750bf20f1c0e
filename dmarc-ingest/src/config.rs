//! What the owner of the domains says of himself: a small TOML file.
//!
//! ```toml
//! [owner]
//! domains  = ["example.org"]                  # sub-domains included
//! networks = ["192.0.2.0/24", "2001:db8::1"]  # own hosts
//! trusted_authserv_ids = ["mx.example.org"]   # whose Authentication-Results are believed
//! [lookup]
//! hosts_file = "ptr.tsv"                      # relative to this file
//! ```
//!
//! A key that is not known is an error, so that a slip of the pen cannot switch something off. `data` and `mailbox`
//! belong to parts of the product that this version does not have: they are accepted and not looked at.

use std::fs::File;
use std::path::{Path, PathBuf};

use dmarc_core::Domain;
use ipnet::IpNet;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::source::read_at_most;

/// The largest configuration read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// Keys at the top that this version knows and does not use.
const RESERVED: [&str; 2] = ["data", "mailbox"];

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Who owns which domains and hosts.
    pub owner: Owner,
    /// Where facts about hosts come from.
    pub lookup: Lookup,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lookup {
    /// A table of host names, see [`Hosts`](crate::Hosts). Default: none.
    pub hosts_file: Option<PathBuf>,
}

/// Why a configuration cannot be used: file, line, key, what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("{file}: the configuration cannot be read")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is larger than any configuration.
    #[error("{file}: expected a configuration of at most {max} bytes")]
    TooLarge {
        /// The file.
        file: String,
        /// The ceiling, in bytes.
        max: u64,
    },
    /// It is not TOML.
    #[error("{file}:{line}: not valid TOML: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What the TOML parser expected.
        message: String,
    },
    /// A key that does not exist.
    #[error("{file}:{line}: unknown key `{key}`{}: expected {}", did_you_mean(*nearest), either(known))]
    UnknownKey {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The key with its table.
        key: String,
        /// The valid key that is spelt most alike.
        nearest: Option<&'static str>,
        /// Every valid key in this place.
        known: &'static [&'static str],
    },
    /// A value that the key cannot have.
    #[error("{file}:{line}: `{key}`: expected {expected}, found {found}")]
    BadValue {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The key with its table.
        key: String,
        /// What the key takes.
        expected: &'static str,
        /// What was there.
        found: String,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(" (did you mean `{nearest}`?)"))
}

/// `a`, `a or b`, `a, b or c`.
fn either(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => words.concat(),
    }
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Every kind of [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|mut file| read_at_most(&mut file, MAX_BYTES + 1, &mut bytes));
        if let Err(source) = read {
            return Err(ConfigError::Unreadable { file, source });
        }
        if bytes.len() as u64 > MAX_BYTES {
            return Err(ConfigError::TooLarge { file, max: MAX_BYTES });
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(&text, path),
            Err(error) => {
                let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
                let line = good.split(|byte| *byte == b'\n').count();
                Err(ConfigError::Syntax { file, line, message: "expected UTF-8".to_owned() })
            }
        }
    }

    /// Reads `text`; `path` is its name in errors, and what relative paths in it start from.
    ///
    /// # Errors
    /// [`Syntax`](ConfigError::Syntax), [`UnknownKey`](ConfigError::UnknownKey) or
    /// [`BadValue`](ConfigError::BadValue).
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let document = Document { text, path };
        let root = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            file: document.file(),
            line: document.line(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        let mut config = Self::default();
        for (key, value) in root.get_ref() {
            match key.get_ref().as_ref() {
                "owner" => config.owner = Owner::read(&document, value)?,
                "lookup" => config.lookup = Lookup::read(&document, value)?,
                name if RESERVED.contains(&name) => {}
                name => return Err(document.unknown(key, name, "", &["data", "lookup", "mailbox", "owner"])),
            }
        }
        Ok(config)
    }
}

impl Owner {
    fn read(document: &Document<'_>, value: &Spanned<DeValue<'_>>) -> Result<Self, ConfigError> {
        let mut owner = Self::default();
        for (key, value) in document.table("owner", value)? {
            match key.get_ref().as_ref() {
                "domains" => owner.domains = document.list("owner.domains", value, DOMAIN, domain)?,
                "networks" => owner.networks = document.list("owner.networks", value, NETWORK, network)?,
                "trusted_authserv_ids" => {
                    let key = "owner.trusted_authserv_ids";
                    owner.trusted_authserv_ids = document.list(key, value, AUTHSERV_ID, authserv_id)?;
                }
                name => {
                    let known = &["domains", "networks", "trusted_authserv_ids"];
                    return Err(document.unknown(key, name, "owner.", known));
                }
            }
        }
        Ok(owner)
    }
}

impl Lookup {
    fn read(document: &Document<'_>, value: &Spanned<DeValue<'_>>) -> Result<Self, ConfigError> {
        let mut lookup = Self::default();
        for (key, value) in document.table("lookup", value)? {
            match key.get_ref().as_ref() {
                "hosts_file" => {
                    let file = document.item("lookup.hosts_file", value, "the path of a file", not_empty)?;
                    let folder = document.path.parent().unwrap_or_else(|| Path::new(""));
                    lookup.hosts_file = Some(folder.join(file));
                }
                name => return Err(document.unknown(key, name, "lookup.", &["hosts_file"])),
            }
        }
        Ok(lookup)
    }
}

const DOMAIN: &str = "domain names such as \"example.org\"";
const NETWORK: &str = "IP addresses or networks such as \"192.0.2.0/24\"";
const AUTHSERV_ID: &str = "the names of mail servers such as \"mx.example.org\"";

fn domain(text: &str) -> Option<String> {
    let domain = Domain::new(text);
    domain.is_host_name().then(|| domain.as_str().to_owned())
}

fn network(text: &str) -> Option<IpNet> {
    let network = text.parse().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into()));
    network.ok().map(|network: IpNet| network.trunc())
}

fn authserv_id(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == ';')).then(|| text.to_owned())
}

fn not_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The text under reading, for errors that name a place in it.
struct Document<'a> {
    text: &'a str,
    path: &'a Path,
}

impl Document<'_> {
    fn file(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    fn table<'v, 't>(
        &self,
        key: &str,
        value: &'v Spanned<DeValue<'t>>,
    ) -> Result<&'v DeTable<'t>, ConfigError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.bad(key, value, "a table")),
        }
    }

    fn list<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, ConfigError> {
        match value.get_ref() {
            DeValue::Array(items) => items.iter().map(|item| self.item(key, item, expected, &read)).collect(),
            _ => Err(self.bad(key, value, "a list in brackets")),
        }
    }

    fn item<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let text = if let DeValue::String(text) = value.get_ref() { read(text) } else { None };
        text.ok_or_else(|| self.bad(key, value, expected))
    }

    fn bad(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &'static str) -> ConfigError {
        let found = match value.get_ref() {
            DeValue::String(text) => format!("{text:?}"),
            other => format!(
                "{} {}",
                if matches!(other, DeValue::Integer(_) | DeValue::Array(_)) { "an" } else { "a" },
                other.type_str()
            ),
        };
        let line = self.line(value.span().start);
        ConfigError::BadValue { file: self.file(), line, key: key.to_owned(), expected, found }
    }

    fn unknown<K>(
        &self,
        key: &Spanned<K>,
        name: &str,
        table: &str,
        known: &'static [&'static str],
    ) -> ConfigError {
        ConfigError::UnknownKey {
            file: self.file(),
            line: self.line(key.span().start),
            key: format!("{table}{name}"),
            nearest: nearest(name, known),
            known,
        }
    }
}

/// The word spelt most like `name`, if it is alike at all: at most a third of its letters, and never fewer than
/// two, changed or swapped.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|word| (strsim::osa_distance(&name.to_lowercase(), word), *word))
        .filter(|(distance, word)| *distance <= (word.len() / 3).max(2))
        .min()
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("etc/dmarc.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_every_key() {
        let config = parse(
            "data = \"/var/lib/dmarc\"\n[owner]\ndomains = [\"Example.ORG.\", \"müller.example\"]\n\
             networks = [\"192.0.2.7/24\", \"2001:db8::1\"]\ntrusted_authserv_ids = [\"mx.example.org\"]\n\
             [lookup]\nhosts_file = \"ptr.tsv\"\n[mailbox.rua]\nhost = \"imap.example.org\"\n",
        )
        .unwrap();
        assert_eq!(config.owner.domains, ["example.org", "xn--mller-kva.example"]);
        assert_eq!(config.owner.networks[0].to_string(), "192.0.2.0/24");
        assert_eq!(config.owner.networks[1].to_string(), "2001:db8::1/128");
        assert_eq!(config.owner.trusted_authserv_ids, ["mx.example.org"]);
        assert_eq!(config.lookup.hosts_file.as_deref(), Some(Path::new("etc/ptr.tsv")));
    }

    #[test]
    fn needs_nothing() {
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn names_the_nearest_key() {
        assert_eq!(
            parse("[owner]\n\ndomians = []\n").unwrap_err(),
            "etc/dmarc.toml:3: unknown key `owner.domians` (did you mean `domains`?): \
             expected domains, networks or trusted_authserv_ids"
        );
        assert_eq!(
            parse("[ower]\n").unwrap_err(),
            "etc/dmarc.toml:1: unknown key `ower` (did you mean `owner`?): expected data, lookup, mailbox or owner"
        );
        assert_eq!(
            parse("[lookup]\ncolour = 1\n").unwrap_err(),
            "etc/dmarc.toml:2: unknown key `lookup.colour`: expected hosts_file"
        );
    }

    #[test]
    fn names_line_and_key_of_a_bad_value() {
        for (text, error) in [
            (
                "[owner]\ndomains = [\n\"a.org\",\n\"b c\"]",
                ":4: `owner.domains`: expected domain names such as \"example.org\", found \"b c\"",
            ),
            (
                "[owner]\nnetworks = [\"192.0.2/24\"]",
                ":2: `owner.networks`: expected IP addresses or networks such as \"192.0.2.0/24\", found \"192.0.2/24\"",
            ),
            (
                "[owner]\ndomains = \"a.org\"",
                ":2: `owner.domains`: expected a list in brackets, found \"a.org\"",
            ),
            (
                "[lookup]\nhosts_file = 3",
                ":2: `lookup.hosts_file`: expected the path of a file, found an integer",
            ),
            ("owner = true", ":1: `owner`: expected a table, found a boolean"),
        ] {
            assert_eq!(parse(text).unwrap_err(), format!("etc/dmarc.toml{error}"));
        }
    }

    #[test]
    fn names_the_line_of_a_syntax_error() {
        let error = parse("[owner]\ndomains = [\"a\"\nnetworks = []\n").unwrap_err();
        assert!(error.starts_with("etc/dmarc.toml:3: not valid TOML: "), "{error}");
        assert!(parse("[owner]\ndomains = []\ndomains = []\n").unwrap_err().contains(":3: not valid TOML: "));
    }

    #[test]
    fn names_a_file_that_is_missing_or_not_utf8() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dmarc.toml");
        assert!(matches!(Config::load(&file), Err(ConfigError::Unreadable { .. })));
        std::fs::write(&file, b"# a\n# \xff\n").unwrap();
        assert!(matches!(Config::load(&file), Err(ConfigError::Syntax { line: 2, .. })));
    }
}
