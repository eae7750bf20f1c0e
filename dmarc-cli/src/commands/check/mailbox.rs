//! A mailbox: can its secrets be read, and can it be read as configured.

use dmarc_ingest::secret::Secret;
use dmarc_ingest::source::imap::{Account, CheckLine, ImapOptions, ImapSource, Login, Verdict};

use super::Line;
use crate::error::Kind;

pub(super) fn check(account: &Account) -> Vec<Line> {
    let mut lines: Vec<Line> =
        secrets(&account.login).into_iter().map(|secret| look(account, secret)).collect();
    if lines.iter().all(|line| line.failure.is_none()) {
        let found = ImapSource::probe(account, &ImapOptions::default());
        lines.extend(found.iter().enumerate().map(|(at, line)| probed(account, line, at)));
    }
    lines
}

/// The secrets that can be looked at by themselves. A command is run by the log-in only: it may ask somebody, or give
/// something that is good for once.
fn secrets(login: &Login) -> Vec<&Secret> {
    let all = match login {
        Login::Password(secret) => vec![secret],
        Login::OAuth2(oauth2) => oauth2.client_secret.iter().chain([&oauth2.refresh_token]).collect(),
    };
    all.into_iter().filter(|secret| !matches!(secret, Secret::Command(_))).collect()
}

fn look(account: &Account, secret: &Secret) -> Line {
    let subject = subject(account, "secret");
    match secret.read() {
        Ok(_) => Line::ok(&subject, &format!("{secret} can be read")),
        Err(error) => Line::fail(Kind::Usage, &subject, &error.to_string()).hint(
            "a file must belong to the user that runs `dmarc` and be closed to others; a variable must be set for it",
        ),
    }
}

/// `at`: how many things were found before; the connection is the first, the log-in the second.
fn probed(account: &Account, line: &CheckLine, at: usize) -> Line {
    let subject = subject(account, &line.subject);
    match line.verdict {
        Verdict::Good => Line::ok(&subject, &line.finding),
        Verdict::Note => Line::warn(&subject, &line.finding),
        Verdict::Bad => Line::fail(Kind::Unreachable, &subject, &line.finding).hint(match at {
            0 => "is the server up, and are host, port, tls and ca_file right?",
            1 => "are user and secret right, and may this user log in by IMAP?",
            _ => "are the names in folders those that the server has, and may this user open them?",
        }),
    }
}

fn subject(account: &Account, what: &str) -> String {
    match what {
        "mailbox" => format!("mailbox {}", account.name),
        what => format!("mailbox {}, {what}", account.name),
    }
}
