//! What must be known to read a mailbox: `[mailbox.NAME]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

/// One mailbox of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name in the configuration.
    pub name: String,
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept private.
    pub tls: Tls,
    /// Certificates (PEM) that are trusted instead of those of the system.
    pub ca_file: Option<PathBuf>,
    /// Who logs in.
    pub user: String,
    /// With what.
    pub login: Login,
    /// The folders to read, decoded.
    pub folders: Vec<String>,
    /// What becomes of a message once it is durable.
    pub after: After,
    /// How long a server may be silent in the middle of an answer.
    pub timeout: Duration,
    /// How often a folder is looked at where the server does not announce new mail.
    pub poll: Duration,
}

/// How a connection is kept private. There is no way to leave out the verification of a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// TLS from the first byte (RFC 8314).
    #[default]
    Implicit,
    /// STARTTLS, and nothing without it.
    StartTls,
    /// None: only to a loopback address.
    None,
}

/// How to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// LOGIN, or AUTHENTICATE PLAIN where the server disables LOGIN.
    Password(Secret),
    /// XOAUTH2 or OAUTHBEARER.
    OAuth2(OAuth2),
}

/// Where access tokens come from: the refresh of RFC 6749, Section 6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2 {
    /// URL of the token endpoint; `https`, or `http` to a loopback address.
    pub token_url: String,
    /// The client.
    pub client_id: String,
    /// Its secret, where it has one.
    pub client_secret: Option<Secret>,
    /// The refresh token.
    pub refresh_token: Secret,
    /// The scope to ask for, where the server wants one.
    pub scope: Option<String>,
    /// How the token is presented; `None`: what the server offers, OAUTHBEARER first.
    pub mechanism: Option<Mechanism>,
}

/// How an access token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Google's and Microsoft's.
    Xoauth2,
    /// RFC 7628.
    OAuthBearer,
}

/// What becomes of a message in its mailbox, once what it brought is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// Nothing.
    #[default]
    Keep,
    /// It is flagged `\Seen`.
    Seen,
    /// It is moved to this folder.
    Move(String),
    /// It is deleted: UID EXPUNGE where the server has it, or else only flagged `\Deleted`.
    Delete,
}
