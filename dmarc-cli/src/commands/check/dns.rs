//! What the DNS says of the own domains: are there reports to expect, and where do they go.

use std::collections::BTreeSet;

use dmarc_core::Domain;
use dmarc_core::domain::{domain_part, is_at_or_below, organizational};
use dmarc_ingest::Config;
use dmarc_ingest::dns::{Answer, Resolver, Trouble};

use super::Line;
use super::record::Record;
use crate::commands::setup::resolver;
use crate::error::Kind;

/// How many domains are asked for at once.
const AT_ONCE: usize = 32;

pub(super) fn check(config: &Config) -> Vec<Line> {
    let Ok(resolver) = resolver(config) else {
        let line = Line::fail(Kind::Usage, "dns", "it is not known whom to ask");
        return vec![line.hint("name servers with `dns.servers`")];
    };
    let home = Home::new(config);
    let mut lines = Vec::new();
    for domains in config.owner.domains.chunks(AT_ONCE) {
        let names =
            domains.iter().flat_map(|domain| [format!("_dmarc.{domain}"), format!("_smtp._tls.{domain}")]);
        let answers = resolver.txt_many(names.collect());
        if let Some(trouble) = silence(&answers) {
            lines.push(unknown("dns", trouble));
            break;
        }
        for (domain, answers) in domains.iter().zip(answers.chunks(2)) {
            if let [dmarc, tls] = answers {
                lines.extend(policy(domain, dmarc, &resolver, &home));
                lines.push(tls_reports(domain, tls, &home));
            }
        }
    }
    lines
}

/// Why nothing at all was answered.
fn silence(answers: &[Answer<Vec<u8>>]) -> Option<Trouble> {
    let trouble = |answer: &Answer<Vec<u8>>| match answer {
        Answer::Unknown(trouble) if is_silence(*trouble) => Some(*trouble),
        _ => None,
    };
    answers.iter().map(trouble).collect::<Option<Vec<_>>>()?.pop()
}

/// Whether the server did not answer, or was not asked for that.
fn is_silence(trouble: Trouble) -> bool {
    !matches!(trouble, Trouble::Server(_) | Trouble::Garbled | Trouble::NotAName)
}

/// Which addresses look like one's own.
struct Home {
    /// Users of the mailboxes, in lower case.
    users: Vec<String>,
    /// Own domains, and those of the users.
    domains: BTreeSet<String>,
}

impl Home {
    fn new(config: &Config) -> Self {
        let users: Vec<String> = config.mailboxes.iter().map(|account| account.user.to_lowercase()).collect();
        let of_users = users.iter().filter(|user| user.contains('@'));
        let mut domains: BTreeSet<String> = of_users.map(|user| normal(domain_part(user))).collect();
        domains.extend(config.owner.domains.iter().cloned());
        Self { users, domains }
    }

    fn has(&self, address: &str) -> bool {
        let domain = normal(domain_part(address));
        self.users.contains(&address.to_lowercase())
            || self.domains.iter().any(|own| is_at_or_below(&domain, own))
    }

    /// An address for a record of `domain`.
    fn address(&self, domain: &str) -> String {
        let user = self.users.iter().find(|user| user.contains('@'));
        user.cloned().unwrap_or_else(|| format!("dmarc@{domain}"))
    }
}

/// The DMARC record of a domain, its own or that of its organizational domain, and where it sends reports.
fn policy(domain: &str, own: &Answer<Vec<u8>>, resolver: &Resolver, home: &Home) -> Vec<Line> {
    let subject = format!("DMARC record of {domain}");
    let parent = organizational(domain);
    let (at, records) = match records(own, "DMARC1") {
        Ok(found) if found.is_empty() && parent != domain => {
            (parent, records(&resolver.txt(&format!("_dmarc.{parent}")), "DMARC1"))
        }
        found => (domain, found),
    };
    let records = match records {
        Ok(records) => records,
        Err(trouble) => return vec![unknown(&subject, trouble)],
    };
    match records.as_slice() {
        [] => vec![Line::warn(&subject, "there is none: nobody reports on this domain").hint(format!(
            "publish as a text record of _dmarc.{domain}: v=DMARC1; p=none; rua=mailto:{}",
            home.address(domain)
        ))],
        [record] => {
            let mut lines = vec![destination(&subject, domain, at, record, home)];
            lines.extend(consents(at, record, resolver));
            lines
        }
        several => vec![
            Line::warn(&subject, &format!("there are {}: receivers heed none of them", several.len()))
                .hint("leave one and remove the others"),
        ],
    }
}

/// Whether reports on a domain come to us.
fn destination(subject: &str, domain: &str, at: &str, record: &Record, home: &Home) -> Line {
    let policy = record.tag("p").map_or_else(|| "no policy".to_owned(), |policy| format!("p={policy}"));
    let whose = if at == domain { String::new() } else { format!(" (of {at})") };
    let addresses = record.addresses();
    let said = format!("{policy}{whose}, reports go to {}", addresses.join(", "));
    if addresses.is_empty() {
        let finding = format!("{policy}{whose}, and nobody is asked to report");
        return Line::warn(subject, &finding)
            .hint(format!("add to the record: rua=mailto:{}", home.address(domain)));
    }
    if addresses.iter().any(|address| home.has(address)) {
        return Line::ok(subject, &said);
    }
    Line::warn(subject, &said).hint(
        "none of these looks like a mailbox or a domain of the configuration: are the reports read there?",
    )
}

/// Whether each domain that is to get reports says that it wants them (RFC 9990, Section 4; RFC 7489, Section 7.1).
fn consents(at: &str, record: &Record, resolver: &Resolver) -> Vec<Line> {
    let domains: BTreeSet<String> =
        record.addresses().iter().map(|address| normal(domain_part(address))).collect();
    let others = domains.into_iter().filter(|other| organizational(other) != organizational(at));
    let look = |other: String| {
        let name = format!("{at}._report._dmarc.{other}");
        let subject = format!("reports on {at} to {other}");
        match records(&resolver.txt(&name), "DMARC1") {
            Ok(found) if found.is_empty() => Line::warn(
                &subject,
                &format!("{other} does not say that it wants them: most reporters send none"),
            )
            .hint(format!("publish as a text record of {name}: v=DMARC1")),
            Ok(_) => Line::ok(&subject, &format!("{other} says that it wants them")),
            Err(trouble) => unknown(&subject, trouble),
        }
    };
    others.map(look).collect()
}

fn tls_reports(domain: &str, answer: &Answer<Vec<u8>>, home: &Home) -> Line {
    let subject = format!("TLS report record of {domain}");
    let found = match records(answer, "TLSRPTv1") {
        Ok(found) => found,
        Err(trouble) => return unknown(&subject, trouble),
    };
    match found.as_slice() {
        [] => Line::warn(&subject, "there is none: nobody reports on TLS").hint(format!(
            "publish as a text record of _smtp._tls.{domain}: v=TLSRPTv1; rua=mailto:{}",
            home.address(domain)
        )),
        [record] => {
            let to: Vec<&str> = record.uris().collect();
            let is_ours = record.addresses().iter().any(|address| home.has(address));
            let said = format!("reports go to {}", to.join(", "));
            if is_ours {
                return Line::ok(&subject, &said);
            }
            Line::warn(&subject, &said)
                .hint("none of these looks like a mailbox or a domain of the configuration: are the reports read there?")
        }
        several => Line::warn(&subject, &format!("there are {}: senders heed none of them", several.len()))
            .hint("leave one and remove the others"),
    }
}

/// The records of this version in an answer.
fn records(answer: &Answer<Vec<u8>>, version: &str) -> Result<Vec<Record>, Trouble> {
    match answer {
        Answer::Found(texts) => Ok(texts.iter().filter_map(|text| Record::parse(text, version)).collect()),
        Answer::Absent => Ok(Vec::new()),
        Answer::Unknown(trouble) => Err(*trouble),
    }
}

/// A server that does not answer is in the way of everything that asks it; one that answers with an error is not ours.
fn unknown(subject: &str, trouble: Trouble) -> Line {
    if is_silence(trouble) {
        return Line::fail(Kind::Unreachable, subject, &trouble.to_string())
            .hint("name servers that answer with `dns.servers`, or see to those of the system");
    }
    Line::warn(subject, &trouble.to_string()).hint("does the domain exist, and do its name servers answer?")
}

fn normal(domain: &str) -> String {
    Domain::new(domain).as_str().to_owned()
}
