//! Counts messages by the host that sent them, over mails or reports given as files.
//!
//! `cargo run -p dmarc-core --example count_by_source -- FILE…`
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its terminal")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;

use dmarc_core::{Found, Limits, Report, read};

fn main() -> io::Result<()> {
    let limits = Limits::default();
    let mut messages: BTreeMap<IpAddr, u64> = BTreeMap::new();
    for path in std::env::args().skip(1) {
        let mut bytes = Vec::new();
        // One byte more than may be read, so that a file that is too large is refused and not cut.
        io::copy(&mut File::open(&path)?.take(limits.message_bytes + 1), &mut bytes)?;
        for outcome in read(&bytes, &limits).outcomes {
            match outcome.found {
                Found::Report(parsed) => add(&parsed.report, &mut messages),
                Found::Refused(error) => eprintln!("{path}: {error}"),
                _ => {}
            }
        }
    }
    for (ip, count) in messages {
        println!("{count:>10} {ip}");
    }
    Ok(())
}

fn add(report: &Report<'_>, messages: &mut BTreeMap<IpAddr, u64>) {
    let Report::Aggregate(report) = report else { return };
    for record in &report.records {
        if let Some(ip) = record.row.source_ip {
            let sum = messages.entry(ip).or_default();
            *sum = sum.saturating_add(record.row.count);
        }
    }
}
