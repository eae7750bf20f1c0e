//! The environment: each key has a variable, `DMARC_` and its path in capitals, which wins over the file.

use std::ffi::{OsStr, OsString};

use super::error::{ConfigError, Origin, nearest};
use super::keys::{self, KEYS};
use super::value::Given;
use super::{Builder, CONFIG_VARIABLE};

/// Variables that begin like ours, in the order of their names.
pub(super) struct Environment(Vec<(String, OsString)>);

/// What a variable speaks of.
struct Meaning {
    path: &'static str,
    /// The name of the mailbox as in the configuration.
    mailbox: Option<String>,
}

impl Environment {
    pub(super) fn new<K, V>(variables: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let ours = variables.into_iter().filter_map(|(name, value)| {
            // What is not UTF-8 is not the name of one of ours.
            let name = name.into().into_string().ok()?;
            name.starts_with("DMARC_").then(|| (name, value.into()))
        });
        let mut ours: Vec<_> = ours.collect();
        ours.sort();
        Self(ours)
    }

    /// The value of one variable, unless it is empty.
    pub(super) fn variable(&self, name: &str) -> Option<&OsString> {
        self.0.iter().find(|(other, value)| other == name && !value.is_empty()).map(|(_, value)| value)
    }

    /// Gives every value to `builder`.
    pub(super) fn read(self, builder: &mut Builder) -> Result<(), ConfigError> {
        let mut unknown = Vec::new();
        for (name, value) in self.0 {
            if name == CONFIG_VARIABLE {
                continue;
            }
            let Some(meaning) = meaning(&name, builder) else {
                if !is_service_link(&name, &value) {
                    unknown.push(name);
                }
                continue;
            };
            let mailbox = meaning.mailbox.as_deref();
            if let Some(mailbox) = mailbox {
                builder.mailbox(mailbox, &Origin::Variable(name.clone()))?;
            }
            let given = Given::of_variable(&name, text(&name, value, &meaning)?);
            builder.set(meaning.path, mailbox, &given)?;
        }
        // A secret may be kept in a variable that is called like ours.
        match unknown.into_iter().find(|name| !builder.secret_variables.contains(name)) {
            Some(variable) => Err(strange(variable, builder)),
            None => Ok(()),
        }
    }
}

fn text(name: &str, value: OsString, meaning: &Meaning) -> Result<String, ConfigError> {
    value.into_string().map_err(|_| ConfigError::BadValue {
        origin: Origin::Variable(name.to_owned()),
        key: keys::named(meaning.path, meaning.mailbox.as_deref().unwrap_or_default()),
        expected: keys::find(meaning.path).map_or("", |key| key.expected),
        found: "bytes that are not UTF-8".to_owned(),
    })
}

/// Whether Kubernetes has set the variable, in a pod beside a service called `dmarc` or `dmarc-…`
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>).
fn is_service_link(name: &str, value: &OsStr) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return true;
    }
    if name.ends_with("_PORT") && value.to_str().is_some_and(|value| value.contains("://")) {
        return true;
    }
    // DMARC_PORT_9400_TCP, and the same with _PROTO, _PORT or _ADDR.
    let parts: Vec<_> = name.split_once("_PORT_").into_iter().flat_map(|(_, rest)| rest.split('_')).collect();
    matches!(parts.as_slice(), [number, "TCP" | "UDP" | "SCTP"] | [number, "TCP" | "UDP" | "SCTP", "PROTO" | "PORT" | "ADDR"]
        if is_number(number))
}

/// What the variable `name` speaks of; `None` if it is none of ours.
fn meaning(name: &str, builder: &Builder) -> Option<Meaning> {
    if let Some(key) = KEYS.iter().find(|key| !key.path.contains('*') && keys::variable(key.path, "") == name)
    {
        return Some(Meaning { path: key.path, mailbox: None });
    }
    let (mailbox, path) = split(name, KEYS.iter().map(|key| key.path))?;
    Some(Meaning { path, mailbox: Some(builder.known_as(&mailbox)) })
}

/// The mailbox (in small letters) and the one of `paths` that the variable `name` speaks of.
fn split(name: &str, paths: impl Iterator<Item = &'static str>) -> Option<(String, &'static str)> {
    let rest = name.strip_prefix("DMARC_MAILBOX_")?;
    paths.filter(|path| path.contains('*')).find_map(|path| {
        let end = keys::variable(path, "*");
        let end = end.strip_prefix("DMARC_MAILBOX_*")?;
        let mailbox = rest.strip_suffix(end)?;
        let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        (!mailbox.is_empty() && mailbox.chars().all(is_name)).then(|| (mailbox.to_lowercase(), path))
    })
}

/// The error for a variable that is none of ours.
fn strange(variable: String, builder: &Builder) -> ConfigError {
    let secret = split(&variable, keys::LITERAL_SECRETS.iter().map(|(path, _)| *path));
    if let Some((mailbox, path)) = secret {
        let reason =
            keys::LITERAL_SECRETS.iter().find(|(secret, _)| *secret == path).map_or("", |found| found.1);
        let key = keys::named(path, &builder.known_as(&mailbox));
        return ConfigError::Refused { origin: Origin::Variable(variable), key, reason };
    }
    // Any part of it may be the name of a mailbox.
    let parts: Vec<_> = variable.split('_').skip(2).collect();
    let mut mailboxes = builder.mailbox_names();
    mailboxes.extend((1..parts.len()).filter_map(|n| parts.get(..n)).map(|name| name.join("_")));
    let known = KEYS.iter().flat_map(|key| {
        let names: &[String] = if key.path.contains('*') { &mailboxes } else { &[] };
        let fixed = names.is_empty().then(|| keys::variable(key.path, ""));
        names
            .iter()
            .map(|name| keys::variable(key.path, name))
            .chain(fixed.filter(|_| !key.path.contains('*')))
    });
    let nearest = nearest(&variable, known.chain([CONFIG_VARIABLE.to_owned()]));
    ConfigError::UnknownVariable { variable, nearest }
}
