//! `[mailbox.NAME]`: what was said of a mailbox, and the account that it makes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::error::{ConfigError, Origin};
use super::keys;
use super::value::{Bad, Given};
use super::words::is_loopback;
use crate::secret::Secret;
use crate::source::imap::{Account, After, Login, Mechanism, OAuth2, Tls};

/// How long a server may be silent in the middle of an answer.
const TIMEOUT: Duration = Duration::from_mins(1);
/// How often a folder is looked at where the server does not announce new mail.
const POLL: Duration = Duration::from_mins(5);

/// What was said of one mailbox so far.
#[derive(Debug)]
pub(super) struct Draft {
    name: String,
    /// What spoke of it first.
    origin: Origin,
    /// Where each of its keys stands.
    origins: BTreeMap<&'static str, Origin>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) tls: Tls,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) user: Option<String>,
    pub(super) password: Slot,
    pub(super) token_url: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Slot,
    pub(super) refresh_token: Slot,
    pub(super) scope: Option<String>,
    pub(super) mechanism: Option<Mechanism>,
    pub(super) folders: Vec<String>,
    pub(super) after: After,
    pub(super) timeout: Duration,
    pub(super) poll: Duration,
}

/// Where one secret is kept: one place, and the environment's wins.
#[derive(Debug, Default)]
pub(super) struct Slot(Option<(Secret, bool)>);

impl Slot {
    pub(super) fn put(&mut self, secret: Secret, given: &Given) -> Result<(), Bad> {
        if matches!(self.0, Some((_, is_variable)) if is_variable == given.is_variable()) {
            return Err(Bad::Refused("there is another place for this secret: expected only one"));
        }
        self.0 = Some((secret, given.is_variable()));
        Ok(())
    }

    fn take(self) -> Option<Secret> {
        self.0.map(|(secret, _)| secret)
    }
}

impl Draft {
    pub(super) fn new(name: &str, origin: Origin) -> Self {
        Self {
            name: name.to_owned(),
            origin,
            origins: BTreeMap::new(),
            host: None,
            port: None,
            tls: Tls::default(),
            ca_file: None,
            user: None,
            password: Slot::default(),
            token_url: None,
            client_id: None,
            client_secret: Slot::default(),
            refresh_token: Slot::default(),
            scope: None,
            mechanism: None,
            folders: vec!["INBOX".to_owned()],
            after: After::default(),
            timeout: TIMEOUT,
            poll: POLL,
        }
    }

    /// Notes that `path` was given.
    pub(super) fn note(&mut self, path: &'static str, origin: &Origin) {
        self.origins.insert(path, origin.clone());
    }

    /// The account, if everything fits together.
    pub(super) fn finish(mut self) -> Result<Account, ConfigError> {
        let host = self.host.take().ok_or_else(|| self.missing("mailbox.*.host"))?;
        let user = self.user.take().ok_or_else(|| self.missing("mailbox.*.user"))?;
        if self.tls == Tls::None && !is_loopback(&host) {
            return Err(self.refused(
                "mailbox.*.tls",
                "\"none\" would show the password to everybody on the way: expected \"implicit\" or \"starttls\", or a \
                 loopback address for a host",
            ));
        }
        if let After::Move(target) = &self.after
            && self.folders.iter().any(|folder| is_same_folder(folder, target))
        {
            return Err(self.refused(
                "mailbox.*.after",
                "mail would be moved to a folder that is read: expected another folder",
            ));
        }
        let port = self.port.unwrap_or(match self.tls {
            Tls::Implicit => 993,
            Tls::StartTls | Tls::None => 143,
        });
        let (name, tls, ca_file) = (self.name.clone(), self.tls, self.ca_file.take());
        let (folders, after) = (std::mem::take(&mut self.folders), std::mem::take(&mut self.after));
        let (timeout, poll) = (self.timeout, self.poll);
        let login = self.login()?;
        Ok(Account { name, host, port, tls, ca_file, user, login, folders, after, timeout, poll })
    }

    /// The one way to log in. A way that the environment speaks of wins over one that only the file does.
    fn login(mut self) -> Result<Login, ConfigError> {
        let by = |prefix: &str, of_variable: bool| {
            self.origins.iter().any(|(path, origin)| {
                path.starts_with(prefix) && matches!(origin, Origin::Variable(_)) == of_variable
            })
        };
        let (password, oauth2) = ("mailbox.*.password", "mailbox.*.oauth2");
        let has = |prefix| by(prefix, true) || by(prefix, false);
        match (has(password), has(oauth2)) {
            (true, true) if by(password, true) && !by(oauth2, true) => self.password(),
            (true, true) if by(oauth2, true) && !by(password, true) => self.oauth2(),
            (true, true) => Err(self.refused(
                "mailbox.*.oauth2.token_url",
                "there is a password too: expected one way to log in",
            )),
            (true, false) => self.password(),
            (false, true) => self.oauth2(),
            (false, false) => Err(ConfigError::Missing {
                origin: self.origin.clone(),
                key: format!("mailbox.{}.password_file", self.name),
                expected: "password_file, password_env, password_command or oauth2",
            }),
        }
    }

    fn password(&mut self) -> Result<Login, ConfigError> {
        let password = std::mem::take(&mut self.password).take();
        password.map(Login::Password).ok_or_else(|| self.missing("mailbox.*.password_file"))
    }

    fn oauth2(&mut self) -> Result<Login, ConfigError> {
        let token_url = self.token_url.take().ok_or_else(|| self.missing("mailbox.*.oauth2.token_url"))?;
        let client_id = self.client_id.take().ok_or_else(|| self.missing("mailbox.*.oauth2.client_id"))?;
        let refresh_token = std::mem::take(&mut self.refresh_token)
            .take()
            .ok_or_else(|| self.missing("mailbox.*.oauth2.refresh_token_file"))?;
        let client_secret = std::mem::take(&mut self.client_secret).take();
        let (scope, mechanism) = (self.scope.take(), self.mechanism);
        Ok(Login::OAuth2(OAuth2 { token_url, client_id, client_secret, refresh_token, scope, mechanism }))
    }

    fn missing(&self, path: &'static str) -> ConfigError {
        let expected = keys::find(path).map_or("", |key| key.expected);
        ConfigError::Missing { origin: self.origin.clone(), key: keys::named(path, &self.name), expected }
    }

    fn refused(&self, path: &'static str, reason: &'static str) -> ConfigError {
        let origin = self.origins.get(path).unwrap_or(&self.origin).clone();
        ConfigError::Refused { origin, key: keys::named(path, &self.name), reason }
    }
}

/// Whether two names mean the same folder; only INBOX is the same in any case (RFC 9051, Section 5.1).
pub(super) fn is_same_folder(a: &str, b: &str) -> bool {
    a == b || (a.eq_ignore_ascii_case("INBOX") && b.eq_ignore_ascii_case("INBOX"))
}
