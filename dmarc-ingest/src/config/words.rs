//! What a text means that is given for a key; `None` if it means nothing there.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use jiff::SignedDuration;

use super::Log;
use crate::source::imap::{After, Mechanism, Tls};

pub(super) fn not_empty(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

/// A name of something elsewhere: not empty, no control characters.
pub(super) fn printable(text: &str) -> Option<String> {
    not_empty(text).filter(|text| !text.chars().any(char::is_control))
}

/// `30s`, `5m`, `1h`, `1h 30m`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let duration: SignedDuration = text.parse().ok()?;
    duration.try_into().ok()
}

/// `50 MiB`, `10 MB`, `4096 B`; bytes without a unit are not taken, for they are a slip more often than meant.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    let bytes: u64 = match unit.trim_start() {
        "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(bytes)
}

/// `192.0.2.53:53`; without a port: 53.
pub(super) fn name_server(text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| text.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, 53)))
}

/// A name or an address in the form that is connected to; `[::1]` without its brackets.
pub(super) fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<IpAddr>().is_ok() {
        return Some(bare.to_owned());
    }
    let name = dmarc_core::Domain::new(text);
    name.is_host_name().then(|| name.as_str().to_owned())
}

/// Whether nobody else can listen on the way to this host.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The URL of a token endpoint: `https`, or `http` to a loopback address, and nobody's password in it.
pub(super) fn token_url(text: &str) -> Option<String> {
    let url: ureq::http::Uri = text.parse().ok()?;
    let authority = url.authority()?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let private = match url.scheme_str() {
        Some("https") => true,
        Some("http") => is_loopback(host),
        _ => false,
    };
    (private && !authority.as_str().contains('@')).then(|| text.to_owned())
}

/// The name of an environment variable.
pub(super) fn variable(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!text.is_empty() && text.chars().all(plain) && !text.starts_with(|c: char| c.is_ascii_digit()))
        .then(|| text.to_owned())
}

pub(super) fn domain(text: &str) -> Option<String> {
    let domain = dmarc_core::Domain::new(text);
    domain.is_host_name().then(|| domain.as_str().to_owned())
}

pub(super) fn network(text: &str) -> Option<IpNet> {
    let network = text.parse().or_else(|_| text.parse().map(|address: IpAddr| address.into()));
    network.ok().map(|network: IpNet| network.trunc())
}

pub(super) fn authserv_id(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == ';')).then(|| text.to_owned())
}

pub(super) fn tls(text: &str) -> Option<Tls> {
    match text {
        "implicit" => Some(Tls::Implicit),
        "starttls" => Some(Tls::StartTls),
        "none" => Some(Tls::None),
        _ => None,
    }
}

pub(super) fn after(text: &str) -> Option<After> {
    match text {
        "keep" => Some(After::Keep),
        "seen" => Some(After::Seen),
        "delete" => Some(After::Delete),
        _ => text.strip_prefix("move:").and_then(printable).map(After::Move),
    }
}

pub(super) fn mechanism(text: &str) -> Option<Mechanism> {
    match text {
        "xoauth2" => Some(Mechanism::Xoauth2),
        "oauthbearer" => Some(Mechanism::OAuthBearer),
        _ => None,
    }
}

pub(super) fn log(text: &str) -> Option<Log> {
    match text {
        "text" => Some(Log::Text),
        "json" => Some(Log::Json),
        _ => None,
    }
}

pub(super) fn level(text: &str) -> Option<tracing::Level> {
    // `Level` would take numbers and any case too.
    let known = ["error", "warn", "info", "debug", "trace"];
    known.contains(&text).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_with_a_unit_only() {
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Some(Duration::from_mins(5)));
        assert_eq!(duration("1h 30m"), Some(Duration::from_mins(90)));
        for text in ["", "30", "-5m", "5 fortnights", "1y"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn reads_sizes_with_a_unit_only() {
        assert_eq!(size("50 MiB"), Some(50 << 20));
        assert_eq!(size("10MB"), Some(10_000_000));
        assert_eq!(size("4096 B"), Some(4096));
        for text in ["", "50", "MiB", "-1 MiB", "1.5 GiB", "50 mb", "99999999999 GiB", "5é MiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn takes_a_token_endpoint_that_nobody_else_can_read_only() {
        for url in ["https://login.example/token?a=b", "http://127.0.0.1:8080/token", "http://[::1]/token"] {
            assert_eq!(token_url(url).as_deref(), Some(url));
        }
        for url in
            ["http://login.example/token", "https://user:pass@login.example/", "/token", "ftp://a/", ""]
        {
            assert_eq!(token_url(url), None, "{url}");
        }
    }
}
