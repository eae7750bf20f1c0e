//! Counts messages by the host that sent them, over mails or reports given as files of any size.
//!
//! `cargo run -p dmarc-core --example count_by_source -- FILE…`
//!
//! Reports are read record by record. What a report counts is kept apart until the report is known to be whole.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its terminal")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::ops::ControlFlow;

use dmarc_core::model::aggregate::Record;
use dmarc_core::{AggregateReport, Found, Limits, Visitor, stream};

/// Messages by host.
type Messages = BTreeMap<IpAddr, u64>;

#[derive(Default)]
struct Count {
    path: String,
    total: Messages,
    /// Messages of the part that is read, by report.
    pending: Vec<Messages>,
}

impl Visitor for Count {
    fn record(&mut self, report: usize, _: &AggregateReport<'_>, record: &mut Record<'_>) -> ControlFlow<()> {
        self.pending.resize_with(self.pending.len().max(report + 1), Messages::new);
        if let (Some(messages), Some(ip)) = (self.pending.get_mut(report), record.row.source_ip) {
            add(messages, ip, record.row.count);
        }
        ControlFlow::Continue(())
    }

    fn part(&mut self, part: &str, found: Vec<Found>) {
        let mut pending = std::mem::take(&mut self.pending).into_iter();
        for found in found {
            match found {
                Found::Report(_) => {
                    for (ip, count) in pending.next().unwrap_or_default() {
                        add(&mut self.total, ip, count);
                    }
                }
                Found::Refused(error) => eprintln!("{:?} {part:?}: {error}", self.path),
                _ => {}
            }
        }
    }
}

fn add(messages: &mut Messages, ip: IpAddr, count: u64) {
    let sum = messages.entry(ip).or_default();
    *sum = sum.saturating_add(count);
}

fn main() -> io::Result<()> {
    let limits = Limits::default();
    let mut count = Count::default();
    for path in std::env::args().skip(1) {
        let mut bytes = Vec::new();
        // One byte more than may be read, so that a file that is too large is refused and not cut.
        io::copy(&mut File::open(&path)?.take(limits.message_bytes + 1), &mut bytes)?;
        count.path = path;
        stream(&bytes, &limits, &mut count);
    }
    for (ip, messages) in count.total {
        println!("{messages:>10} {ip}");
    }
    Ok(())
}
