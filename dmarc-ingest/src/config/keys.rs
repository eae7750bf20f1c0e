//! Every key, once: reading the file, the environment, the words in errors and the file of `dmarc init` follow from
//! this table.

use std::time::Duration;

use super::mailbox::{Draft, Slot};
use super::value::{Bad, Given};
use super::{Config, words};
use crate::secret::Secret;

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name with its tables; `*` stands for the name of a mailbox.
    pub(super) path: &'static str,
    /// What holds without it, as TOML.
    pub(super) default: Option<&'static str>,
    /// A value other than the default, as TOML.
    pub(super) example: &'static str,
    /// What it takes, in errors.
    pub(super) expected: &'static str,
    /// What it does, in one line.
    pub(super) doc: &'static str,
    /// Takes over a value.
    pub(super) set: Set,
}

/// Whose key it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Set {
    Config(fn(&mut Config, &Given) -> Result<(), Bad>),
    Mailbox(fn(&mut Draft, &Given) -> Result<(), Bad>),
}

/// The tables, in the order of the file, and what they are about.
pub(super) const TABLES: [(&str, &str); 8] = [
    ("owner", "Who owns which domains and hosts"),
    ("mailbox.*", "A mailbox that reports arrive in; there may be several, each with a name of its own"),
    ("mailbox.*.oauth2", "Log in with OAuth 2.0 instead of a password"),
    ("lookup", "Where facts about hosts come from"),
    ("dns", "How the DNS is asked"),
    ("authenticate", "Whether the mail that brings a report is genuine"),
    ("service", "`dmarc watch`, the service"),
    ("limits", "Ceilings; what is larger is set aside with its reason, never cut"),
];

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// The largest ceiling that may be configured, in bytes.
const MOST_BYTES: u64 = 16 << 30;

const WAIT: &str = "a duration from 1s to 1h such as \"30s\"";
const FILE: &str = "the path of a file";
const VARIABLE: &str = "the name of an environment variable";
const COMMAND: &str = "a command and its arguments such as [\"pass\", \"show\", \"rua\"]";

/// The keys, in the order of the file.
pub(super) const KEYS: &[Key] = &[
    Key {
        path: "data",
        default: None,
        example: "\"/var/lib/dmarc\"",
        expected: "the path of a folder",
        doc: "The folder of the dataset",
        set: Set::Config(|config, given| given.path().map(|path| config.data = Some(path))),
    },
    Key {
        path: "owner.domains",
        default: Some("[]"),
        example: "[\"example.org\"]",
        expected: "domain names such as \"example.org\"",
        doc: "Own domains, sub-domains included; none: every domain that is reported on",
        set: Set::Config(|config, given| {
            given.list(words::domain).map(|domains| config.owner.domains = domains)
        }),
    },
    Key {
        path: "owner.networks",
        default: Some("[]"),
        example: "[\"192.0.2.0/24\", \"2001:db8::1\"]",
        expected: "IP addresses or networks such as \"192.0.2.0/24\"",
        doc: "Networks of own hosts",
        set: Set::Config(|config, given| given.list(words::network).map(|list| config.owner.networks = list)),
    },
    Key {
        path: "owner.trusted_authserv_ids",
        default: Some("[]"),
        example: "[\"mx.example.org\"]",
        expected: "the names of mail servers such as \"mx.example.org\"",
        doc: "Own mail servers whose Authentication-Results are believed (RFC 8601); none: nothing is believed",
        set: Set::Config(|config, given| {
            given.list(words::authserv_id).map(|ids| config.owner.trusted_authserv_ids = ids)
        }),
    },
    Key {
        path: "mailbox.*.host",
        default: None,
        example: "\"imap.example.org\"",
        expected: "the name or address of a server such as \"imap.example.org\"",
        doc: "The IMAP server",
        set: Set::Mailbox(|mailbox, given| given.text(words::host).map(|host| mailbox.host = Some(host))),
    },
    Key {
        path: "mailbox.*.port",
        default: Some("993"),
        example: "1143",
        expected: "a port from 1 to 65535",
        doc: "Its port; 143 unless tls = \"implicit\"",
        set: Set::Mailbox(|mailbox, given| given.number(1, u16::MAX).map(|port| mailbox.port = Some(port))),
    },
    Key {
        path: "mailbox.*.tls",
        default: Some("\"implicit\""),
        example: "\"starttls\"",
        expected: "\"implicit\", \"starttls\" or \"none\"",
        doc: "\"implicit\", \"starttls\", or \"none\" to a loopback address only",
        set: Set::Mailbox(|mailbox, given| given.text(words::tls).map(|tls| mailbox.tls = tls)),
    },
    Key {
        path: "mailbox.*.ca_file",
        default: None,
        example: "\"/etc/dmarc/ca.pem\"",
        expected: FILE,
        doc: "Certificates (PEM) to trust instead of those of the system",
        set: Set::Mailbox(|mailbox, given| given.path().map(|path| mailbox.ca_file = Some(path))),
    },
    Key {
        path: "mailbox.*.user",
        default: None,
        example: "\"dmarc@example.org\"",
        expected: "the name to log in with",
        doc: "Who logs in",
        set: Set::Mailbox(|mailbox, given| {
            given.text(words::printable).map(|user| mailbox.user = Some(user))
        }),
    },
    Key {
        path: "mailbox.*.password_file",
        default: None,
        example: "\"/run/secrets/rua\"",
        expected: FILE,
        doc: "The file whose first line is the password; or one of the next two",
        set: Set::Mailbox(|mailbox, given| in_file(&mut mailbox.password, given)),
    },
    Key {
        path: "mailbox.*.password_env",
        default: None,
        example: "\"RUA_PASSWORD\"",
        expected: VARIABLE,
        doc: "The environment variable that holds the password",
        set: Set::Mailbox(|mailbox, given| in_variable(&mut mailbox.password, given)),
    },
    Key {
        path: "mailbox.*.password_command",
        default: None,
        example: "[\"pass\", \"show\", \"rua\"]",
        expected: COMMAND,
        doc: "The command that prints the password",
        set: Set::Mailbox(|mailbox, given| by_command(&mut mailbox.password, given)),
    },
    Key {
        path: "mailbox.*.folders",
        default: Some("[\"INBOX\"]"),
        example: "[\"INBOX\", \"Reports\"]",
        expected: "names of folders such as \"INBOX\", at least one",
        doc: "The folders to read",
        set: Set::Mailbox(folders),
    },
    Key {
        path: "mailbox.*.after",
        default: Some("\"keep\""),
        example: "\"move:Done\"",
        expected: "\"keep\", \"seen\", \"move:FOLDER\" or \"delete\"",
        doc: "What becomes of mail once its rows are durable: \"keep\", \"seen\", \"move:FOLDER\" or \"delete\"",
        set: Set::Mailbox(|mailbox, given| given.text(words::after).map(|after| mailbox.after = after)),
    },
    Key {
        path: "mailbox.*.timeout",
        default: Some("\"60s\""),
        example: "\"30s\"",
        expected: WAIT,
        doc: "How long the server may be silent in the middle of an answer",
        set: Set::Mailbox(|mailbox, given| {
            given.duration(SECOND, HOUR).map(|timeout| mailbox.timeout = timeout)
        }),
    },
    Key {
        path: "mailbox.*.poll",
        default: Some("\"5m\""),
        example: "\"1h\"",
        expected: "a duration from 1s to 24h such as \"5m\"",
        doc: "How often to look where the server does not announce new mail",
        set: Set::Mailbox(|mailbox, given| given.duration(SECOND, DAY).map(|poll| mailbox.poll = poll)),
    },
    Key {
        path: "mailbox.*.oauth2.token_url",
        default: None,
        example: "\"https://login.example/token\"",
        expected: "an https URL such as \"https://login.example/token\"",
        doc: "The token endpoint (RFC 6749)",
        set: Set::Mailbox(|mailbox, given| {
            given.text(words::token_url).map(|url| mailbox.token_url = Some(url))
        }),
    },
    Key {
        path: "mailbox.*.oauth2.client_id",
        default: None,
        example: "\"dmarc\"",
        expected: "the name of the client",
        doc: "The client that the provider knows",
        set: Set::Mailbox(|mailbox, given| {
            given.text(words::printable).map(|id| mailbox.client_id = Some(id))
        }),
    },
    Key {
        path: "mailbox.*.oauth2.client_secret_file",
        default: None,
        example: "\"/run/secrets/rua-client\"",
        expected: FILE,
        doc: "The file that holds the secret of the client, where it has one; or one of the next two",
        set: Set::Mailbox(|mailbox, given| in_file(&mut mailbox.client_secret, given)),
    },
    Key {
        path: "mailbox.*.oauth2.client_secret_env",
        default: None,
        example: "\"RUA_CLIENT_SECRET\"",
        expected: VARIABLE,
        doc: "The environment variable that holds it",
        set: Set::Mailbox(|mailbox, given| in_variable(&mut mailbox.client_secret, given)),
    },
    Key {
        path: "mailbox.*.oauth2.client_secret_command",
        default: None,
        example: "[\"pass\", \"show\", \"rua-client\"]",
        expected: COMMAND,
        doc: "The command that prints it",
        set: Set::Mailbox(|mailbox, given| by_command(&mut mailbox.client_secret, given)),
    },
    Key {
        path: "mailbox.*.oauth2.refresh_token_file",
        default: None,
        example: "\"/run/secrets/rua-refresh\"",
        expected: FILE,
        doc: "The file that holds the refresh token; or one of the next two",
        set: Set::Mailbox(|mailbox, given| in_file(&mut mailbox.refresh_token, given)),
    },
    Key {
        path: "mailbox.*.oauth2.refresh_token_env",
        default: None,
        example: "\"RUA_REFRESH_TOKEN\"",
        expected: VARIABLE,
        doc: "The environment variable that holds it",
        set: Set::Mailbox(|mailbox, given| in_variable(&mut mailbox.refresh_token, given)),
    },
    Key {
        path: "mailbox.*.oauth2.refresh_token_command",
        default: None,
        example: "[\"pass\", \"show\", \"rua-refresh\"]",
        expected: COMMAND,
        doc: "The command that prints it",
        set: Set::Mailbox(|mailbox, given| by_command(&mut mailbox.refresh_token, given)),
    },
    Key {
        path: "mailbox.*.oauth2.scope",
        default: None,
        example: "\"https://mail.example/imap offline_access\"",
        expected: "a scope",
        doc: "The scope to ask for, where the provider wants one",
        set: Set::Mailbox(|mailbox, given| {
            given.text(words::printable).map(|text| mailbox.scope = Some(text))
        }),
    },
    Key {
        path: "mailbox.*.oauth2.mechanism",
        default: None,
        example: "\"xoauth2\"",
        expected: "\"xoauth2\" or \"oauthbearer\"",
        doc: "\"xoauth2\" or \"oauthbearer\"; unset: what the server offers",
        set: Set::Mailbox(|mailbox, given| {
            given.text(words::mechanism).map(|text| mailbox.mechanism = Some(text))
        }),
    },
    Key {
        path: "lookup.hosts_file",
        default: None,
        example: "\"hosts.tsv\"",
        expected: FILE,
        doc: "A table of host names: address, tab, name",
        set: Set::Config(|config, given| given.path().map(|path| config.lookup.hosts_file = Some(path))),
    },
    Key {
        path: "lookup.decisions_file",
        default: None,
        example: "\"decisions.toml\"",
        expected: FILE,
        doc: "What was decided about sources: approved, blocked, forwarder; who, why, until when",
        set: Set::Config(|config, given| given.path().map(|path| config.lookup.decisions_file = Some(path))),
    },
    Key {
        path: "lookup.reverse_dns",
        default: Some("true"),
        example: "false",
        expected: "true or false",
        doc: "Ask the DNS for the names of hosts, and whether they lead back",
        set: Set::Config(|config, given| given.switch().map(|on| config.lookup.reverse_dns = on)),
    },
    Key {
        path: "dns.servers",
        default: Some("[]"),
        example: "[\"192.0.2.53:53\"]",
        expected: "addresses of name servers such as \"192.0.2.53:53\"",
        doc: "Name servers; none: those of the system",
        set: Set::Config(|config, given| {
            given.list(words::name_server).map(|servers| config.dns.servers = servers)
        }),
    },
    Key {
        path: "dns.timeout",
        default: Some("\"5s\""),
        example: "\"10s\"",
        expected: WAIT,
        doc: "How long to wait for one answer",
        set: Set::Config(|config, given| {
            given.duration(SECOND, HOUR).map(|timeout| config.dns.timeout = timeout)
        }),
    },
    Key {
        path: "authenticate.dkim",
        default: Some("true"),
        example: "false",
        expected: "true or false",
        doc: "Verify the DKIM signatures of report mail; asks the DNS",
        set: Set::Config(|config, given| given.switch().map(|on| config.authenticate.dkim = on)),
    },
    Key {
        path: "service.metrics",
        default: None,
        example: "\"127.0.0.1:9400\"",
        expected: "an address and port such as \"127.0.0.1:9400\"",
        doc: "Where Prometheus may ask; unset: no port is opened",
        set: Set::Config(|config, given| {
            given.text(|text| text.parse().ok()).map(|address| config.service.metrics = Some(address))
        }),
    },
    Key {
        path: "service.log",
        default: Some("\"text\""),
        example: "\"json\"",
        expected: "\"text\" or \"json\"",
        doc: "How the log is written: \"text\" or \"json\"",
        set: Set::Config(|config, given| given.text(words::log).map(|log| config.service.log = log)),
    },
    Key {
        path: "service.log_level",
        default: Some("\"info\""),
        example: "\"debug\"",
        expected: "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        doc: "How much is written: \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        set: Set::Config(|config, given| {
            given.text(words::level).map(|level| config.service.log_level = level)
        }),
    },
    Key {
        path: "service.compact_every",
        default: Some("\"24h\""),
        example: "\"1h\"",
        expected: "a duration from 1m to 720h such as \"24h\"",
        doc: "How often small files of the dataset are joined",
        set: Set::Config(|config, given| {
            let every = given.duration(60 * SECOND, 30 * DAY);
            every.map(|every| config.service.compact_every = every)
        }),
    },
    Key {
        path: "limits.message",
        default: Some("\"50 MiB\""),
        example: "\"10 MiB\"",
        expected: "a size from 64 KiB to 16 GiB such as \"50 MiB\"",
        doc: "One message as received",
        set: Set::Config(|config, given| {
            given.size(64 << 10, MOST_BYTES).map(|size| config.limits.message_bytes = size)
        }),
    },
    Key {
        path: "limits.reading",
        default: Some("\"64 MiB\""),
        example: "\"1 GiB\"",
        expected: "a size from 1 MiB to 16 GiB such as \"64 MiB\"",
        doc: "The memory that what one message brings may take",
        set: Set::Config(|config, given| {
            given.size(1 << 20, MOST_BYTES).map(|size| config.limits.reading_bytes = size)
        }),
    },
    Key {
        path: "limits.batch_messages",
        default: Some("500"),
        example: "100",
        expected: "a number from 1 to 100000",
        doc: "Messages that are made durable together",
        set: Set::Config(|config, given| {
            given.number(1, 100_000).map(|number| config.limits.batch_messages = number)
        }),
    },
    Key {
        path: "limits.batch_bytes",
        default: Some("\"64 MiB\""),
        example: "\"16 MiB\"",
        expected: "a size from 1 MiB to 16 GiB such as \"64 MiB\"",
        doc: "Bytes of mail after which a batch is full; one message may exceed it",
        set: Set::Config(|config, given| {
            given.size(1 << 20, MOST_BYTES).map(|size| config.limits.batch_bytes = size)
        }),
    },
];

/// Keys that somebody will try, and that would be a secret in a file that is none.
pub(super) const LITERAL_SECRETS: [(&str, &str); 3] = [
    (
        "mailbox.*.password",
        "a password does not belong in the configuration: expected password_file, password_env or password_command",
    ),
    (
        "mailbox.*.oauth2.client_secret",
        "a secret does not belong in the configuration: expected client_secret_file, client_secret_env or \
         client_secret_command",
    ),
    (
        "mailbox.*.oauth2.refresh_token",
        "a token does not belong in the configuration: expected refresh_token_file, refresh_token_env or \
         refresh_token_command",
    ),
];

impl Key {
    /// Whether a value that is wrong here may be the secret itself.
    pub(super) fn is_secret(&self) -> bool {
        is_secret(self.path)
    }
}

/// Whether what stands at `path` may be a secret.
pub(super) fn is_secret(path: &str) -> bool {
    LITERAL_SECRETS.iter().any(|(secret, _)| path.starts_with(secret))
}

/// The key at `path`.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The names that may stand in the table at `path`; empty if there is no such table.
pub(super) fn names_in(path: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in KEYS {
        let inside = if path.is_empty() {
            Some(key.path)
        } else {
            key.path.strip_prefix(path).and_then(|rest| rest.strip_prefix('.'))
        };
        if let Some((name, _)) = inside.map(|rest| rest.split_once('.').unwrap_or((rest, "")))
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// `path` for a reader: with the name of the mailbox.
pub(super) fn named(path: &str, mailbox: &str) -> String {
    path.replacen('*', mailbox, 1)
}

/// The environment variable of the key at `path`.
pub(super) fn variable(path: &str, mailbox: &str) -> String {
    format!("DMARC_{}", named(path, mailbox).replace(['.', '-'], "_").to_uppercase())
}

fn in_file(slot: &mut Slot, given: &Given) -> Result<(), Bad> {
    slot.put(Secret::File(given.path()?), given)
}

fn in_variable(slot: &mut Slot, given: &Given) -> Result<(), Bad> {
    slot.put(Secret::Env(given.text(words::variable)?), given)
}

fn by_command(slot: &mut Slot, given: &Given) -> Result<(), Bad> {
    slot.put(Secret::Command(given.command()?), given)
}

fn folders(mailbox: &mut Draft, given: &Given) -> Result<(), Bad> {
    let folders = given.list(words::printable)?;
    if folders.is_empty() {
        return Err(given.bad());
    }
    mailbox.folders.clear();
    for folder in folders {
        // Twice the same would be read twice.
        if !mailbox.folders.iter().any(|other| super::mailbox::is_same_folder(other, &folder)) {
            mailbox.folders.push(folder);
        }
    }
    Ok(())
}
