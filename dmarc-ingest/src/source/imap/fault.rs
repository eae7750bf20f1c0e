//! What can go wrong with a mailbox, in words for its owner.

use std::error::Error;
use std::fmt;
use std::io;

use crate::secret::SecretError;
use crate::text::is_unsafe;

/// What went wrong with one mailbox. It never holds a secret, and text of a server in it is neutralised.
#[derive(Debug)]
pub struct ImapError {
    /// The name of the mailbox in the configuration.
    pub mailbox: String,
    /// What went wrong.
    pub fault: Fault,
}

/// What can go wrong with a mailbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The password or token cannot be read.
    #[error("its secret cannot be read")]
    Secret(#[source] SecretError),
    /// The name of the server has no address.
    #[error("{server}: the name has no address")]
    NoAddress {
        /// Host and port.
        server: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address of the server answers.
    #[error("{server}: cannot be reached")]
    Unreachable {
        /// Host and port.
        server: String,
        /// What the last address said.
        source: io::Error,
    },
    /// No certificates to trust.
    #[error("the certificates to trust cannot be read")]
    Roots(#[source] io::Error),
    /// The certificate was refused, or TLS could not be agreed on.
    #[error("{server}: no trustworthy TLS")]
    Tls {
        /// Host and port.
        server: String,
        /// What TLS said.
        source: io::Error,
    },
    /// The connection would not be private. Nothing secret was sent.
    #[error("{server}: {reason}; the password was not sent")]
    Insecure {
        /// Host and port.
        server: String,
        /// In which way.
        reason: &'static str,
    },
    /// The server refuses the user or the secret: to ask again soon only gets the account locked.
    #[error("{server}: the login of {user} is refused: {answer}")]
    LoginRefused {
        /// Host and port.
        server: String,
        /// Who.
        user: String,
        /// What the server said.
        answer: String,
    },
    /// The server has no way to log in that we have.
    #[error("{server}: offers no login by {wanted}")]
    NoMechanism {
        /// Host and port.
        server: String,
        /// What was needed.
        wanted: &'static str,
    },
    /// The token endpoint refuses: as good as a refused login.
    #[error("{endpoint}: gives no access token: {reason}")]
    TokenRefused {
        /// Its host.
        endpoint: String,
        /// What it said.
        reason: String,
    },
    /// The token endpoint cannot be used now.
    #[error("{endpoint}: gives no access token: {reason}")]
    NoToken {
        /// Its host.
        endpoint: String,
        /// What happened.
        reason: String,
    },
    /// A folder cannot be opened. Other folders can.
    #[error("folder {folder} cannot be opened: {answer}")]
    Folder {
        /// The folder, decoded.
        folder: String,
        /// What the server said.
        answer: String,
    },
    /// The server does not give a message that is there.
    #[error("message {uid} in folder {folder} cannot be read: {answer}")]
    Message {
        /// The folder, decoded.
        folder: String,
        /// Its UID.
        uid: u32,
        /// What the server said.
        answer: String,
    },
    /// The server refuses a command.
    #[error("{server}: {command} is refused: {answer}")]
    Refused {
        /// Host and port.
        server: String,
        /// Which, in short.
        command: &'static str,
        /// What the server said.
        answer: String,
    },
    /// The server was silent for too long.
    #[error("{server}: silent for {seconds} s")]
    TimedOut {
        /// Host and port.
        server: String,
        /// How long it was waited for, in seconds.
        seconds: u64,
    },
    /// The server says goodbye.
    #[error("{server}: ended the connection: {answer}")]
    Bye {
        /// Host and port.
        server: String,
        /// What it said.
        answer: String,
    },
    /// The connection broke.
    #[error("{server}: the connection is lost")]
    Lost {
        /// Host and port.
        server: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server said something that is no IMAP, or makes no sense.
    #[error("{server}: not understood: {reason}")]
    NotUnderstood {
        /// Host and port.
        server: String,
        /// What.
        reason: &'static str,
    },
    /// The server said more than was asked for.
    #[error("{server}: more than {bytes} bytes in one answer")]
    TooMuch {
        /// Host and port.
        server: String,
        /// The ceiling, in bytes.
        bytes: u64,
    },
}

impl Fault {
    /// Whether the login itself was refused: by far the longest wait before the next try.
    pub fn is_login_refused(&self) -> bool {
        matches!(self, Self::LoginRefused { .. } | Self::TokenRefused { .. } | Self::NoMechanism { .. })
    }

    /// Whether the server refused one thing and is ready for others.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Folder { .. })
    }

    /// Adds the name of the mailbox.
    pub(super) fn of(self, mailbox: &str) -> ImapError {
        ImapError { mailbox: mailbox.to_owned(), fault: self }
    }
}

impl fmt::Display for ImapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mailbox {}: {}", self.mailbox, self.fault)
    }
}

impl Error for ImapError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.fault.source()
    }
}

/// Text of a server for a message: one short line without control characters.
pub(super) fn neutral(text: &str) -> String {
    const MOST: usize = 200;
    let mut shown: String =
        text.chars().take(MOST).map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    if shown.trim().is_empty() { "no reason given".to_owned() } else { shown.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::neutral;

    #[test]
    fn shows_text_of_a_server_as_one_short_line() {
        assert_eq!(neutral("a\x1b[31m\r\nb\u{202e}c"), "a\u{fffd}[31m\u{fffd}\u{fffd}b\u{fffd}c");
        assert_eq!(neutral(&"é".repeat(201)).chars().count(), 201);
        assert_eq!(neutral(" "), "no reason given");
    }
}
