//! What the operator decided about sources, from a file that people review.
//!
//! ```toml
//! [[decision]]
//! status  = "approved"               # approved: sends for us; blocked: may not; forwarder: passes our mail on
//! network = "192.0.2.0/24"           # or host = "lists.example.net", service = "Amazon SES", finding = "F-7KQ2M9"
//! domain  = "example.org"            # left out: of every domain
//! owner   = "ops@example.org"
//! reason  = "the invoices, until the contract ends"
//! expires = "2027-06-30"             # the last day on which it is believed
//! ```

use std::fs::File;
use std::io::Read;
use std::path::Path;

use dmarc_core::Domain;
use dmarc_core::findings::{Decision, Status, Subject, is_finding_id, service_by_name};
use serde::Deserialize;
use toml::Spanned;

/// The most bytes of a file of decisions.
const MAX_BYTES: u64 = 4 << 20;

/// Why decisions cannot be used: file, line, what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecisionsError {
    /// The file is not there or cannot be read.
    #[error("{file}: the decisions cannot be read")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not TOML, or not of this form.
    #[error("{file}:{line}: {message}")]
    Malformed {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionFile {
    #[serde(default)]
    decision: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    status: Spanned<String>,
    finding: Option<Spanned<String>>,
    service: Option<Spanned<String>>,
    host: Option<Spanned<String>>,
    network: Option<Spanned<String>>,
    domain: Option<Spanned<String>>,
    owner: Spanned<String>,
    reason: Spanned<String>,
    expires: Spanned<String>,
}

/// Where in the text, and what is wrong there.
type Fault = (usize, String);

/// Reads the decisions in the file at `path`.
///
/// # Errors
/// Both kinds of [`DecisionsError`].
pub fn load_decisions(path: &Path) -> Result<Vec<Decision>, DecisionsError> {
    let file = path.to_string_lossy().into_owned();
    let text = read(path).map_err(|source| DecisionsError::Unreadable { file: file.clone(), source })?;
    parse(&text).map_err(|(at, message)| DecisionsError::Malformed { file, line: line(&text, at), message })
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::other(format!("expected at most {MAX_BYTES} bytes")));
    }
    Ok(text)
}

fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn parse(text: &str) -> Result<Vec<Decision>, Fault> {
    let file: DecisionFile = toml::from_str(text)
        .map_err(|error| (error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
    file.decision.into_iter().map(decision).collect()
}

fn decision(entry: Spanned<Entry>) -> Result<Decision, Fault> {
    let at = entry.span().start;
    let entry = entry.into_inner();
    let status = status(&entry.status)?;
    let expires = expires(&entry.expires)?;
    for (name, value) in [("owner", &entry.owner), ("reason", &entry.reason)] {
        if value.get_ref().trim().is_empty() {
            return Err((
                value.span().start,
                format!("`{name}`: expected a text: a decision has somebody who made it, and a reason"),
            ));
        }
    }
    let domain = entry.domain.as_ref().map(name).transpose()?;
    let subject = subject(at, &entry)?;
    let mut decision =
        Decision::new(status, subject, entry.owner.into_inner(), entry.reason.into_inner(), expires);
    decision.domain = domain;
    Ok(decision)
}

fn status(word: &Spanned<String>) -> Result<Status, Fault> {
    let known = [Status::Approved, Status::Blocked, Status::Forwarder];
    known.into_iter().find(|status| status.as_str() == word.get_ref()).ok_or_else(|| {
        (word.span().start, "`status`: expected \"approved\", \"blocked\" or \"forwarder\"".to_owned())
    })
}

/// The end of a day.
fn expires(day: &Spanned<String>) -> Result<i64, Fault> {
    let date: Result<jiff::civil::Date, _> = day.get_ref().parse();
    date.and_then(jiff::civil::Date::tomorrow)
        .and_then(begin_of)
        .map_err(|_| (day.span().start, "`expires`: expected a date such as \"2027-06-30\"".to_owned()))
}

/// The first second of a day, in seconds since the Unix epoch, UTC.
pub(crate) fn begin_of(day: jiff::civil::Date) -> Result<i64, jiff::Error> {
    format!("{day}T00:00:00Z").parse().map(jiff::Timestamp::as_second)
}

fn name(text: &Spanned<String>) -> Result<String, Fault> {
    let name = Domain::new(text.get_ref().as_str()).into_owned();
    if name.is_host_name() {
        return Ok(name.as_str().to_owned());
    }
    Err((text.span().start, "expected a domain name such as \"example.org\"".to_owned()))
}

fn subject(at: usize, entry: &Entry) -> Result<Subject, Fault> {
    match (&entry.finding, &entry.service, &entry.host, &entry.network) {
        (Some(id), None, None, None) => finding(id).map(Subject::Finding),
        (None, Some(name), None, None) => service(name).map(Subject::Service),
        (None, None, Some(host), None) => name(host).map(Subject::Host),
        (None, None, None, Some(text)) => network(text).map(Subject::Network),
        _ => Err((at, "expected one of `finding`, `service`, `host` and `network`".to_owned())),
    }
}

fn finding(id: &Spanned<String>) -> Result<String, Fault> {
    if is_finding_id(id.get_ref()) {
        return Ok(id.get_ref().clone());
    }
    Err((id.span().start, "`finding`: expected an id such as \"F-7KQ2M9\"".to_owned()))
}

fn service(name: &Spanned<String>) -> Result<String, Fault> {
    service_by_name(name.get_ref()).map(|service| service.name.clone()).ok_or_else(|| {
        (
            name.span().start,
            "`service`: expected the name of a service that is known, such as \"Amazon SES\"".to_owned(),
        )
    })
}

fn network(text: &Spanned<String>) -> Result<ipnet::IpNet, Fault> {
    let given = text.get_ref();
    let network = given.parse().or_else(|_| given.parse::<std::net::IpAddr>().map(ipnet::IpNet::from));
    network.map_err(|_| {
        (text.span().start, "`network`: expected a network or an address such as \"192.0.2.0/24\"".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\n[[decision]]\nstatus = \"approved\"\nnetwork = \"192.0.2.0/24\"\ndomain = \"Example.Org.\"\n\
                        owner = \"ops\"\nreason = \"invoices\"\nexpires = \"2027-06-30\"\n";

    #[test]
    fn reads_a_decision() {
        let decisions = parse(GOOD).unwrap();
        let [decision] = decisions.as_slice() else { panic!("one decision") };
        assert_eq!((decision.status, decision.domain.as_deref()), (Status::Approved, Some("example.org")));
        assert_eq!(decision.subject, Subject::Network("192.0.2.0/24".parse().unwrap()));
        assert_eq!(dmarc_core::time::rfc3339(decision.expires), "2027-07-01T00:00:00Z");
    }

    #[test]
    fn takes_one_address_for_a_network() {
        let decisions = parse(&GOOD.replace("192.0.2.0/24", "2001:db8::1")).unwrap();
        assert_eq!(decisions[0].subject, Subject::Network("2001:db8::1/128".parse().unwrap()));
    }

    #[test]
    fn says_line_and_expectation_of_what_it_cannot_use() {
        for (from, to, line, says) in [
            ("approved", "fine", 3, "\"approved\", \"blocked\" or \"forwarder\""),
            ("192.0.2.0/24", "192.0.2.0/99", 4, "`network`: expected"),
            ("network = \"192.0.2.0/24\"", "service = \"Nobody\"", 4, "`service`: expected"),
            ("network = \"192.0.2.0/24\"", "finding = \"X\"", 4, "`finding`: expected"),
            ("network = \"192.0.2.0/24\"\n", "", 2, "expected one of"),
            ("Example.Org.", "exa mple", 5, "expected a domain name"),
            ("\"ops\"", "\" \"", 6, "`owner`: expected"),
            ("2027-06-30", "soon", 8, "`expires`: expected a date"),
            ("reason", "because", 7, "unknown field"),
        ] {
            let text = GOOD.replace(from, to);
            let (at, message) = parse(&text).unwrap_err();
            assert!(message.contains(says), "{message}");
            assert_eq!(super::line(&text, at), line, "{message}");
        }
    }

    #[test]
    fn needs_every_field() {
        for field in ["status", "owner", "reason", "expires"] {
            let text: String = GOOD.split_inclusive('\n').filter(|line| !line.starts_with(field)).collect();
            assert!(parse(&text).unwrap_err().1.contains(field));
        }
    }
}
