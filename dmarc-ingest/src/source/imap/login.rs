//! Logging in. The secret goes into one command and nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::account::{Account, Login, Mechanism, OAuth2};
use super::fault::Fault;
use super::name;
use super::response::StatusText;
use super::session::Session;
use super::token::Tokens;

/// Codes of a refusal that has nothing to do with who logs in (RFC 5530).
const PASSING: [&str; 4] = ["UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"];

/// What a server may ask at most in these mechanisms: the response, and after an error a dummy.
const QUESTIONS: usize = 3;

/// Logs the user of `account` in.
pub(super) fn login(session: &mut Session, account: &Account, tokens: &Tokens) -> Result<(), Fault> {
    match &account.login {
        Login::Password(secret) => {
            let password = secret.read().map_err(Fault::Secret)?;
            with_password(session, account, &password)?;
        }
        Login::OAuth2(oauth2) => {
            let mechanism = mechanism(session, oauth2)?;
            let token = tokens.access_token(account, oauth2)?;
            let accepted = with_token(session, account, mechanism, &token);
            if matches!(accepted, Err(Fault::LoginRefused { .. })) {
                tokens.forget(account);
            }
            accepted?;
        }
    }
    // A server may be able to do more now, and need not have said so.
    session.ask_capabilities()
}

fn with_password(session: &mut Session, account: &Account, password: &str) -> Result<(), Fault> {
    let quotable = name::is_quotable(&account.user) && name::is_quotable(password);
    let plain = session.can("AUTH=PLAIN");
    let login = !session.can("LOGINDISABLED");
    if login && (quotable || !plain) {
        return with_login(session, account, password);
    }
    if !plain {
        return Err(Fault::NoMechanism { server: session.server(), wanted: "password" });
    }
    let response = format!("\0{}\0{password}", account.user);
    authenticate(session, account, "PLAIN", &response, password)
}

/// LOGIN (RFC 9051, Section 6.2.3); what cannot be in quotes is sent as a literal.
fn with_login(session: &mut Session, account: &Account, password: &str) -> Result<(), Fault> {
    let (user, user_follows) = argument(&account.user);
    let (secret, secret_follows) = argument(password);
    let mut lines = vec![format!("LOGIN {user}")];
    match user_follows {
        None => lines = vec![format!("LOGIN {user} {secret}")],
        Some(text) => lines.push(format!("{text} {secret}")),
    }
    lines.extend(secret_follows.map(str::to_owned));
    let mut lines = lines.into_iter();
    let tag = session.send(&lines.next().unwrap_or_default())?;
    for line in lines {
        match session.continuation(&tag)? {
            Ok(_) => session.wire().write(format!("{line}\r\n").as_bytes())?,
            Err(answer) => return check(session, account, &answer, password),
        }
    }
    let answer = session.answer(&tag, &mut |_, _| {})?;
    check(session, account, &answer, password)
}

/// How `text` stands in a command, and what follows on the next line if it is a literal.
fn argument(text: &str) -> (String, Option<&str>) {
    if name::is_quotable(text) {
        (name::quoted(text), None)
    } else {
        (format!("{{{}}}", text.len()), Some(text))
    }
}

fn mechanism(session: &Session, oauth2: &OAuth2) -> Result<Mechanism, Fault> {
    match oauth2.mechanism {
        Some(mechanism) => Ok(mechanism),
        None if session.can("AUTH=OAUTHBEARER") => Ok(Mechanism::OAuthBearer),
        None if session.can("AUTH=XOAUTH2") => Ok(Mechanism::Xoauth2),
        None => Err(Fault::NoMechanism { server: session.server(), wanted: "access token" }),
    }
}

fn with_token(
    session: &mut Session,
    account: &Account,
    mechanism: Mechanism,
    token: &str,
) -> Result<(), Fault> {
    let user = &account.user;
    let (name, response) = match mechanism {
        Mechanism::Xoauth2 => ("XOAUTH2", format!("user={user}\x01auth=Bearer {token}\x01\x01")),
        Mechanism::OAuthBearer => {
            // RFC 5801, Section 4: the name stands in a list with commas.
            let user = user.replace('=', "=3D").replace(',', "=2C");
            let (host, port) = (&account.host, account.port);
            let response =
                format!("n,a={user},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01");
            ("OAUTHBEARER", response)
        }
    };
    authenticate(session, account, name, &response, token)
}

/// AUTHENTICATE (RFC 9051, Section 6.2.2) with a mechanism in which the client speaks once.
fn authenticate(
    session: &mut Session,
    account: &Account,
    mechanism: &str,
    response: &str,
    secret: &str,
) -> Result<(), Fault> {
    let tag = session.send(&format!("AUTHENTICATE {mechanism}"))?;
    let mut line = format!("{}\r\n", STANDARD.encode(response));
    for _ in 0..QUESTIONS {
        match session.continuation(&tag)? {
            Ok(_) => session.wire().write(line.as_bytes())?,
            Err(answer) => return check(session, account, &answer, secret),
        }
        // A second question is about an error (RFC 7628, Section 3.2.3); a dummy brings the answer.
        line = if mechanism == "OAUTHBEARER" { "AQ==\r\n".to_owned() } else { "\r\n".to_owned() };
    }
    Err(session.wire().not_understood("it never comes to the end of a login"))
}

fn check(session: &Session, account: &Account, answer: &StatusText, secret: &str) -> Result<(), Fault> {
    if answer.is_ok() {
        return Ok(());
    }
    if PASSING.iter().any(|code| answer.has_code(code)) {
        return Err(session.refused("the login", &without(answer, secret)));
    }
    Err(Fault::LoginRefused {
        server: session.server(),
        user: account.user.clone(),
        answer: without(answer, secret).shown(),
    })
}

/// An answer as it can be shown: some servers repeat the command that they refuse.
fn without(answer: &StatusText, secret: &str) -> StatusText {
    let said = format!("{} {}", answer.code, answer.text);
    let forms = [secret.to_owned(), name::quoted(secret), STANDARD.encode(secret)];
    if forms.iter().any(|form| said.contains(form)) {
        let text = "it repeats the secret".to_owned();
        return StatusText { status: answer.status.clone(), code: String::new(), text };
    }
    answer.clone()
}
