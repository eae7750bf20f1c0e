//! Access tokens: asked for with a refresh token (RFC 6749, Section 6), kept until they expire.

use std::collections::HashMap;
use std::fmt;
use std::net::ToSocketAddrs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::account::{Account, OAuth2};
use super::fault::{Fault, neutral};
use super::tls;

/// Largest answer of a token endpoint, in bytes.
const ANSWER_BYTES: u64 = 64 << 10;
/// How long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_mins(1);
/// How long a token is kept that does not say how long it is good.
const LIFETIME: Duration = Duration::from_mins(5);

/// The access tokens of all mailboxes. Copies share them, so that they outlive a connection.
#[derive(Clone, Default)]
pub struct Tokens(Arc<Mutex<HashMap<String, Held>>>);

struct Held {
    access: String,
    until: Instant,
    /// A refresh token that came with the last access token, and replaces the one in the configuration.
    refresh: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<u64>,
    refresh_token: Option<String>,
    error: Option<String>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// A token that is good for now.
    pub(super) fn access_token(&self, account: &Account, oauth2: &OAuth2) -> Result<String, Fault> {
        let refresh = {
            let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match held.get(&account.name) {
                Some(token) if token.until > Instant::now() => return Ok(token.access.clone()),
                token => token.and_then(|token| token.refresh.clone()),
            }
        };
        let configured = refresh.is_none();
        let refresh = match refresh {
            Some(refresh) => refresh,
            None => oauth2.refresh_token.read().map_err(Fault::Secret)?,
        };
        let answer = ask(account, oauth2, &refresh)?;
        let lifetime = answer.expires_in.map_or(LIFETIME, Duration::from_secs);
        let until = Instant::now().checked_add(lifetime.saturating_sub(MARGIN)).unwrap_or_else(Instant::now);
        let access = answer.access_token.unwrap_or_default();
        let refresh = answer.refresh_token.or_else(|| (!configured).then_some(refresh));
        let held = Held { access: access.clone(), until, refresh };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(account.name.clone(), held);
        Ok(access)
    }

    /// Forgets what a server refused.
    pub(super) fn forget(&self, account: &Account) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&account.name);
    }
}

fn ask(account: &Account, oauth2: &OAuth2, refresh: &str) -> Result<Answer, Fault> {
    let uri: ureq::http::Uri = oauth2.token_url.parse().map_err(|_| Fault::NoToken {
        endpoint: "token_url".to_owned(),
        reason: "it is no URL".to_owned(),
    })?;
    let endpoint = neutral(uri.host().unwrap_or("token_url"));
    let failed = |reason: String| Fault::NoToken { endpoint: endpoint.clone(), reason };
    if !(uri.scheme_str() == Some("https") || is_local(&uri)) {
        return Err(failed("it is not https, and not on this machine".to_owned()));
    }
    let client_secret = oauth2.client_secret.as_ref().map(crate::secret::Secret::read).transpose();
    let client_secret = client_secret.map_err(Fault::Secret)?;
    let mut form =
        vec![("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", &oauth2.client_id)];
    form.extend(client_secret.as_deref().map(|secret| ("client_secret", secret)));
    form.extend(oauth2.scope.as_deref().map(|scope| ("scope", scope)));
    let agent = agent(account, uri.scheme_str() == Some("https"))?;
    // An error of the client names what it did, never what it sent.
    let mut response =
        agent.post(&uri).send_form(form).map_err(|error| failed(neutral(&error.to_string())))?;
    let status = response.status();
    let body = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec();
    let body = body.map_err(|error| failed(neutral(&error.to_string())))?;
    let answer: Option<Answer> = serde_json::from_slice(&body).ok();
    match answer {
        Some(answer) if status.is_success() && answer.access_token.as_deref().is_some_and(is_token) => {
            Ok(answer)
        }
        // RFC 6749, Section 5.2: an error is a word; what else the endpoint says could repeat a secret.
        Some(Answer { error: Some(error), .. }) if status.is_client_error() => {
            let word = if is_error_code(&error) { error } else { "an error without a name".to_owned() };
            Err(Fault::TokenRefused { endpoint, reason: format!("{word} (HTTP {})", status.as_u16()) })
        }
        _ => Err(failed(format!("no token in its answer (HTTP {})", status.as_u16()))),
    }
}

fn agent(account: &Account, tls: bool) -> Result<ureq::Agent, Fault> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(account.timeout))
        .http_status_as_error(false)
        // A redirect would carry the secrets to somebody else.
        .max_redirects(0)
        .max_redirects_will_error(false);
    let config = if tls {
        let system = tls::of_the_system().map_err(Fault::Roots)?;
        let roots: Vec<_> = system.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
        config.tls_config(TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(roots))).build())
    } else {
        config
    };
    Ok(config.build().new_agent())
}

fn is_local(uri: &ureq::http::Uri) -> bool {
    let port = uri.port_u16().unwrap_or(80);
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let addresses = (host, port).to_socket_addrs();
    uri.scheme_str() == Some("http")
        && addresses.is_ok_and(|mut found| found.all(|address| address.ip().to_canonical().is_loopback()))
}

/// Whether it can stand in a login: `b64token` of RFC 6750, Section 2.1, and what else is in use.
fn is_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The registered error codes are words with underscores; a refresh token that happened to come back is longer.
fn is_error_code(error: &str) -> bool {
    error.len() <= 40 && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}
