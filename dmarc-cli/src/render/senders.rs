//! Findings by who sends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use dmarc_core::findings::Finding;

/// All findings about one source of a domain.
#[derive(Debug, Default)]
pub(crate) struct Sender<'f> {
    pub(crate) messages: u64,
    pub(crate) dmarc_pass: u64,
    /// What should not have been delivered, see [`Finding::delivered`].
    pub(crate) delivered: u64,
    /// From the beginning of the first report to the end of the last.
    pub(crate) seen: Option<(i64, i64)>,
    pub(crate) findings: Vec<&'f Finding>,
    ips: BTreeSet<IpAddr>,
}

impl<'f> Sender<'f> {
    fn add(&mut self, finding: &'f Finding) {
        self.messages = self.messages.saturating_add(finding.messages);
        self.dmarc_pass = self.dmarc_pass.saturating_add(finding.dmarc_pass);
        self.delivered = self.delivered.saturating_add(finding.delivered);
        let (first, last) = self.seen.unwrap_or((finding.first_seen, finding.last_seen));
        self.seen = Some((first.min(finding.first_seen), last.max(finding.last_seen)));
        self.ips.extend(&finding.source.ips);
        self.findings.push(finding);
    }

    /// What it is called in the finding with most of its hosts; that has the number of hosts in it.
    pub(crate) fn name(&self) -> &'f str {
        let most = self.findings.iter().max_by_key(|f| (f.source.hosts, f.messages, &f.source.name));
        most.map_or("", |finding| &finding.source.name)
    }

    /// Its hosts; those that reporters hide are one.
    pub(crate) fn hosts(&self) -> u64 {
        let most = self.findings.iter().map(|finding| finding.source.hosts).max().unwrap_or_default();
        most.max(self.ips.len() as u64)
    }
}

/// By domain and [key](dmarc_core::findings::Source::key) of the source.
pub(crate) fn by_source<'f>(
    findings: impl IntoIterator<Item = &'f Finding>,
) -> BTreeMap<(&'f str, &'f str), Sender<'f>> {
    let mut senders: BTreeMap<(&str, &str), Sender<'_>> = BTreeMap::new();
    for finding in findings {
        senders.entry((&finding.domain, &finding.source.key)).or_default().add(finding);
    }
    senders
}
