//! Who sends: every source with all that was found about it, what asks for nothing too.

use std::cmp::Reverse;

use dmarc_core::findings::Finding;

use super::findings::{asks, more};
use super::markup::Html;
use super::table::{Column, Kind, Row, row, rows, table};
use super::words::{day_of, number, percent};
use crate::render::senders::{Sender, by_source};

/// Sources shown of one domain at most.
const SHOWN: usize = 300;

const COLUMNS: [Column; 7] = [
    ("Source", Kind::Name),
    ("Hosts", Kind::Number),
    ("Messages", Kind::Number),
    ("Share", Kind::Number),
    ("Delivered", Kind::Number),
    ("Last seen", Kind::Word),
    ("Found", Kind::Text),
];

/// Writes the sources of `findings`, of which `messages` is the whole.
pub(super) fn write(html: &mut Html, domain: &str, findings: &[&Finding], messages: u64) {
    let mut senders: Vec<Sender<'_>> = by_source(findings.iter().copied()).into_values().collect();
    senders.sort_by_key(|sender| (Reverse(sender.messages), sender.name()));
    table(html, "senders cards", format_args!("Senders of {domain}, most mail first"), &COLUMNS, |html| {
        rows(html, |html| {
            for sender in senders.iter().take(SHOWN) {
                row(html, &COLUMNS, |row| write_sender(row, sender, messages));
            }
        });
    });
    more(html, senders.len().saturating_sub(SHOWN), "smaller source");
}

fn write_sender(row: &mut Row<'_>, sender: &Sender<'_>, messages: u64) {
    row.text(sender.name());
    row.text(number(sender.hosts()));
    row.text(number(sender.messages));
    row.text(percent(sender.messages, messages));
    row.text(number(sender.delivered));
    row.text(day_of(sender.seen.map_or(0, |(_, last)| last)));
    row.cell(|html| {
        html.open("ul").class("found").with(|html| {
            for finding in &sender.findings {
                html.open("li").with(|html| found(html, finding));
            }
        });
    });
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
