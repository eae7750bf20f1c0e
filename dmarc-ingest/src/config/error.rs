//! Why a configuration cannot be used.

use std::fmt;

/// Where a value of the configuration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a file.
    File {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// In the environment.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// Why a configuration cannot be used: file and line or environment variable, key, what was expected.
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
    #[error("{origin}: not valid TOML: {message}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// What the TOML parser expected.
        message: String,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown key `{key}`{}: expected {}", did_you_mean(nearest.as_deref()), either(known))]
    UnknownKey {
        /// Where.
        origin: Origin,
        /// The key with its table.
        key: String,
        /// The valid key that is spelt most alike.
        nearest: Option<String>,
        /// Every valid key in this place.
        known: Vec<&'static str>,
    },
    /// An environment variable that begins like ours and is none.
    #[error("unknown environment variable {variable}{}", did_you_mean(nearest.as_deref()))]
    UnknownVariable {
        /// Its name.
        variable: String,
        /// The valid name that is spelt most alike.
        nearest: Option<String>,
    },
    /// A value that the key cannot have.
    #[error("{origin}: `{key}`: expected {expected}, found {found}")]
    BadValue {
        /// Where.
        origin: Origin,
        /// The key with its table.
        key: String,
        /// What the key takes.
        expected: &'static str,
        /// What was there, or only of what kind it was where it may be a secret.
        found: String,
    },
    /// A key that the others around it need.
    #[error("{origin}: `{key}` is missing: expected {expected}")]
    Missing {
        /// Where it is missing.
        origin: Origin,
        /// The key with its table.
        key: String,
        /// What the key takes.
        expected: &'static str,
    },
    /// A key that does not go with the others around it.
    #[error("{origin}: `{key}`: {reason}")]
    Refused {
        /// Where.
        origin: Origin,
        /// The key with its table.
        key: String,
        /// Why, and what to do instead.
        reason: &'static str,
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

/// The word spelt most like `name`, if it is alike at all: at most a third of its letters, and never fewer than
/// two, changed or swapped.
pub(super) fn nearest(name: &str, known: impl IntoIterator<Item = impl AsRef<str>>) -> Option<String> {
    let name = name.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(&name, &word.as_ref().to_lowercase()), word))
        .filter(|(distance, word)| *distance <= (word.as_ref().len() / 3).clamp(2, 4))
        .map(|(distance, word)| (distance, word.as_ref().to_owned()))
        .min()
        .map(|(_, word)| word)
}
