//! Passwords and tokens: where they are kept, never what they are.

use std::path::PathBuf;

/// Where a secret is kept. It is read when it is needed and forgotten afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The first line of a file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// The first line that a command prints; the first item is the program.
    Command(Vec<String>),
}

/// Why a secret could not be read. It never says what the secret is.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct SecretError {
    /// Where it is kept.
    pub place: String,
    /// What was wrong.
    pub reason: String,
}

impl Secret {
    /// The secret, without the end of its line.
    ///
    /// # Errors
    /// [`SecretError`] if it is not there, cannot be read, or is empty.
    pub fn read(&self) -> Result<String, SecretError> {
        let (place, text) = match self {
            Self::File(path) => (path.to_string_lossy().into_owned(), std::fs::read_to_string(path)),
            Self::Env(name) => (
                format!("environment variable {name}"),
                std::env::var(name).map_err(|_| std::io::Error::other("not set, or not UTF-8")),
            ),
            Self::Command(words) => {
                (format!("command {}", words.first().map_or("", String::as_str)), run(words))
            }
        };
        let text = text.map_err(|error| SecretError { place: place.clone(), reason: error.to_string() })?;
        match text.lines().next().unwrap_or_default() {
            "" => Err(SecretError { place, reason: "the secret is empty".to_owned() }),
            line => Ok(line.to_owned()),
        }
    }
}

fn run(words: &[String]) -> std::io::Result<String> {
    let (program, arguments) = words.split_first().ok_or_else(|| std::io::Error::other("empty"))?;
    let output = std::process::Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(std::io::Error::other(format!("it failed: {}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|_| std::io::Error::other("it printed no UTF-8"))
}
