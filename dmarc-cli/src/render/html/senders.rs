//! Who sends: every source with all that was found about it, what asks for nothing too.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use dmarc_core::findings::Finding;

use super::findings::{asks, more};
use super::markup::Html;
use super::table::{Column, Kind, Row, row, rows, table};
use super::words::{day_of, number, percent};

/// Sources shown of one domain at most.
const SHOWN: usize = 300;

const COLUMNS: [Column; 7] = [
    ("Source", Kind::Name),
    ("Hosts", Kind::Number),
    ("Messages", Kind::Number),
    ("Share", Kind::Number),
    ("Delivered failing", Kind::Number),
    ("Last seen", Kind::Word),
    ("Found", Kind::Text),
];

/// What was found about one source.
struct Sender<'f> {
    name: &'f str,
    hosts: u64,
    messages: u64,
    delivered: u64,
    last_seen: i64,
    findings: Vec<&'f Finding>,
}

/// Writes the sources of `findings`, of which `messages` is the whole.
pub(super) fn write(html: &mut Html, domain: &str, findings: &[&Finding], messages: u64) {
    let mut by_name: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_name.entry(&finding.source.name).or_default().push(finding);
    }
    let mut senders: Vec<Sender<'_>> =
        by_name.into_iter().map(|(name, found)| Sender::new(name, found)).collect();
    senders.sort_by_key(|sender| (Reverse(sender.messages), sender.name));
    table(html, "senders cards", format_args!("Senders of {domain}, most mail first"), &COLUMNS, |html| {
        rows(html, |html| {
            for sender in senders.iter().take(SHOWN) {
                row(html, &COLUMNS, |row| sender.write(row, messages));
            }
        });
    });
    more(html, senders.len().saturating_sub(SHOWN), "smaller source");
}

impl<'f> Sender<'f> {
    fn new(name: &'f str, findings: Vec<&'f Finding>) -> Self {
        let ips: BTreeSet<_> = findings.iter().flat_map(|finding| &finding.source.ips).collect();
        let named = findings.iter().map(|finding| finding.source.hosts).max().unwrap_or_default();
        let sum = |part: fn(&Finding) -> u64| findings.iter().map(|f| part(f)).fold(0, u64::saturating_add);
        Self {
            name,
            hosts: named.max(ips.len() as u64),
            messages: sum(|finding| finding.messages),
            // What asks for nothing passed.
            delivered: sum(|finding| if asks(finding) { finding.delivered } else { 0 }),
            last_seen: findings.iter().map(|finding| finding.last_seen).max().unwrap_or_default(),
            findings,
        }
    }

    fn write(&self, row: &mut Row<'_>, messages: u64) {
        row.text(self.name);
        row.text(number(self.hosts));
        row.text(number(self.messages));
        row.text(percent(self.messages, messages));
        row.text(number(self.delivered));
        row.text(day_of(self.last_seen));
        row.cell(|html| {
            html.open("ul").class("found").with(|html| {
                for finding in &self.findings {
                    html.open("li").with(|html| found(html, finding));
                }
            });
        });
    }
}

/// A class with its messages: the way to the finding if it is shown, else its id.
fn found(html: &mut Html, finding: &Finding) {
    let (class, messages) = (finding.class.as_str(), number(finding.messages));
    if asks(finding) {
        html.open("a").to(&finding.id).text(class);
        html.text(format_args!(" {messages}"));
    } else {
        html.text(format_args!("{class} {messages} "));
        html.open("code").attr("id", &finding.id).text(&finding.id);
    }
}
