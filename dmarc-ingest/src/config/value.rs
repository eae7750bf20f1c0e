//! One value as it was given, in a file or in the environment, and what may be made of it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use toml::Spanned;
use toml::de::DeValue;

use super::error::Origin;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// The folder that relative paths start from: that of the file, or none for the working directory.
    pub(super) folder: PathBuf,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Switch(bool),
    List(Vec<Given>),
    /// A kind that no key takes.
    Other(&'static str),
}

/// Why a value is not accepted.
#[derive(Debug)]
pub(super) enum Bad {
    /// This is not what the key takes, or not what it says here.
    Value { given: Given, expected: Option<&'static str> },
    /// It would be, were it not for another key.
    Refused(&'static str),
}

impl Given {
    /// Text of the environment.
    pub(super) fn of_variable(name: &str, text: String) -> Self {
        Self { value: Value::Text(text), origin: Origin::Variable(name.to_owned()), folder: PathBuf::new() }
    }

    pub(super) fn is_variable(&self) -> bool {
        matches!(self.origin, Origin::Variable(_))
    }

    /// What was there, for an error.
    pub(super) fn found(&self, is_secret: bool) -> String {
        match &self.value {
            Value::Text(_) if is_secret => "a text".to_owned(),
            Value::Text(text) => format!("{text:?}"),
            Value::Number(_) => "an integer".to_owned(),
            Value::Switch(_) => "a boolean".to_owned(),
            Value::List(_) => "an array".to_owned(),
            Value::Other(kind) => format!("a {kind}"),
        }
    }

    pub(super) fn bad(&self) -> Bad {
        Bad::Value { given: self.clone(), expected: None }
    }

    /// A text that `read` understands.
    pub(super) fn text<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Bad> {
        match &self.value {
            Value::Text(text) => read(text).ok_or_else(|| self.bad()),
            _ => Err(self.bad()),
        }
    }

    /// A list of texts, each of which `read` understands. In the environment they are parted by commas, or the list is
    /// written as in the file: `["a, b", "c"]`.
    pub(super) fn list<T>(&self, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Bad> {
        self.items(|text| text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect())?
            .iter()
            .map(|item| item.text(&read))
            .collect()
    }

    /// A command and its arguments. In the environment they are parted by white space, or written as a list.
    pub(super) fn command(&self) -> Result<Vec<String>, Bad> {
        let words: Vec<_> = self
            .items(|text| text.split_whitespace().collect())?
            .iter()
            .map(|word| word.text(|word| Some(word.to_owned())))
            .collect::<Result<_, _>>()?;
        if words.first().is_some_and(|program| !program.is_empty()) { Ok(words) } else { Err(self.bad()) }
    }

    pub(super) fn switch(&self) -> Result<bool, Bad> {
        match &self.value {
            Value::Switch(on) => Ok(*on),
            Value::Text(text) if self.is_variable() => text.parse().map_err(|_| self.bad()),
            _ => Err(self.bad()),
        }
    }

    /// A number from `min` to `max`.
    pub(super) fn number<T: TryFrom<i64> + PartialOrd>(&self, min: T, max: T) -> Result<T, Bad> {
        let number = match &self.value {
            Value::Number(number) => Some(*number),
            Value::Text(text) if self.is_variable() => text.parse().ok(),
            _ => None,
        };
        let number = number.and_then(|number| T::try_from(number).ok());
        number.filter(|number| (min..=max).contains(number)).ok_or_else(|| self.bad())
    }

    /// A path; a relative one starts from the folder of the file.
    pub(super) fn path(&self) -> Result<PathBuf, Bad> {
        let path = self.text(not_empty)?;
        if path == "~" || path.starts_with("~/") {
            return Err(Bad::Refused("`~` stands for no folder here: expected a path from the root"));
        }
        Ok(self.folder.join(path))
    }

    pub(super) fn duration(&self, min: Duration, max: Duration) -> Result<Duration, Bad> {
        self.text(|text| duration(text).filter(|duration| (min..=max).contains(duration)))
    }

    pub(super) fn size(&self, min: u64, max: u64) -> Result<u64, Bad> {
        self.text(|text| size(text).filter(|size| (min..=max).contains(size)))
    }

    fn items(&self, part: impl Fn(&str) -> Vec<&str>) -> Result<Vec<Self>, Bad> {
        match &self.value {
            Value::List(items) => Ok(items.clone()),
            Value::Text(text) if self.is_variable() => Ok(match listed(text) {
                Some(items) => items.into_iter().map(|text| self.item(text)).collect(),
                None => part(text).into_iter().map(|text| self.item(text.to_owned())).collect(),
            }),
            _ => Err(Bad::Value { given: self.clone(), expected: Some("a list in brackets") }),
        }
    }

    fn item(&self, text: String) -> Self {
        Self { value: Value::Text(text), ..self.clone() }
    }
}

/// The texts of a TOML array; `None` if this is none (`[Gmail]/All Mail` is the name of a folder).
fn listed(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if !text.starts_with('[') || !text.ends_with(']') {
        return None;
    }
    let value = DeValue::parse(text).ok()?;
    let DeValue::Array(items) = value.get_ref() else { return None };
    let texts = items.iter().map(Spanned::get_ref).map(|item| match item {
        DeValue::String(text) => Some(text.clone().into_owned()),
        _ => None,
    });
    texts.collect()
}

pub(super) fn not_empty(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

/// A name of something elsewhere: not empty, no control characters.
pub(super) fn printable(text: &str) -> Option<String> {
    not_empty(text).filter(|text| !text.chars().any(char::is_control))
}

/// `30s`, `5m`, `1h`, `1h 30m`.
fn duration(text: &str) -> Option<Duration> {
    let duration: SignedDuration = text.parse().ok()?;
    duration.try_into().ok()
}

/// `50 MiB`, `10 MB`, `4096 B`; bytes without a unit are not taken, for they are a slip more often than meant.
fn size(text: &str) -> Option<u64> {
    let (number, unit) = text
        .split_once(|c: char| !c.is_ascii_digit())
        .map(|(number, _)| (number, text.strip_prefix(number).unwrap_or_default().trim_start()))?;
    let bytes: u64 = match unit {
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

/// The folder that a file is in.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    file.parent().map(Path::to_path_buf).unwrap_or_default()
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
    fn reads_a_list_of_the_environment_with_and_without_brackets() {
        let list = |text: &str| {
            let given = Given::of_variable("V", text.to_owned());
            given.list(|text| Some(text.to_owned())).unwrap()
        };
        assert_eq!(list("a, b,,c"), ["a", "b", "c"]);
        assert_eq!(list("[\"a, b\", 'c']"), ["a, b", "c"]);
        assert_eq!(list("[Gmail]/All Mail"), ["[Gmail]/All Mail"]);
        assert!(list("").is_empty());
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
