//! Measures reading in one run: every work item in turn, again and again, and the median of each.
//!
//! `cargo run --release -p dmarc-benches -- --quick` takes a few seconds. How to read the table stands in
//! `benches/README.md`.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use dmarc_core::parse::aggregate::Stream;
use dmarc_core::{Found, Limits};
use flate2::Compression;
use flate2::write::GzEncoder;

/// One thing to measure: what it is called, what it reads, and how.
struct Item {
    name: &'static str,
    bytes: usize,
    units: u64,
    unit: &'static str,
    work: Box<dyn Fn() -> u64>,
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, least) =
        if quick { (7, Duration::from_millis(20)) } else { (25, Duration::from_millis(200)) };
    let items = items();
    let mut times: Vec<Vec<f64>> = items.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (item, times) in items.iter().zip(&mut times) {
            times.push(seconds(item, least));
        }
    }
    println!(
        "{:<14} {:>12} {:>14} {:>10}   medians of {rounds} rounds, one core",
        "item", "time", "per second", "MB/s"
    );
    for (item, times) in items.iter().zip(&mut times) {
        print_row(item, median(times));
    }
}

fn items() -> Vec<Item> {
    let mut items: Vec<Item> = [("xml_1", 1), ("xml_10", 10), ("xml_1000", 1_000), ("xml_100000", 100_000)]
        .into_iter()
        .map(|(name, records)| xml_item(name, records))
        .collect();
    let xml = report(1_000);
    items.push(Item {
        name: "memchr_1000",
        bytes: xml.len(),
        units: 1_000,
        unit: "records",
        work: Box::new(move || memchr::memchr_iter(b'<', black_box(xml.as_bytes())).count() as u64),
    });
    items.push(stream_item());
    items.push(mail_item());
    items.push(mailbox_item());
    items
}

/// The same text as the largest of [`xml_item`], record by record.
fn stream_item() -> Item {
    const RECORDS: u64 = 100_000;
    let xml = report(RECORDS);
    let bytes = xml.len();
    let work = move || {
        let mut read = 0;
        let mut stream = Stream::new(black_box(xml.as_bytes()), &Limits::default());
        while let Some(report) = stream.next_report(|_, record| read += record.row.count) {
            assert!(report.is_ok(), "the report is whole");
        }
        assert_eq!(read, RECORDS * 7, "every message is read");
        read
    };
    Item { name: "stream_100000", bytes, units: RECORDS, unit: "records", work: Box::new(work) }
}

/// A mail with a gzip file with one record, as most mails are.
fn mail_item() -> Item {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    let written = gzip.write_all(report(1).as_bytes()).and_then(|()| gzip.finish());
    let file = written.unwrap_or_default();
    let mut mail = b"From: noreply-dmarc@receiver.example\r\nTo: dmarc@example.org\r\nSubject: Report domain: example.org\r\n\
        MIME-Version: 1.0\r\nContent-Type: application/gzip; name=\"receiver.example!example.org!1789171200!1789257599.xml.gz\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\n"
        .to_vec();
    for line in BASE64.encode(&file).as_bytes().chunks(76) {
        mail.extend_from_slice(line);
        mail.extend_from_slice(b"\r\n");
    }
    let bytes = mail.len();
    let limits = Limits::default();
    let work = move || {
        let outcomes = dmarc_core::read(black_box(&mail), &limits).outcomes;
        assert!(
            matches!(outcomes.as_slice(), [outcome] if matches!(outcome.found, Found::Report(_))),
            "it is read"
        );
        1
    };
    Item { name: "mail_gz_1", bytes, units: 1, unit: "mails", work: Box::new(work) }
}

/// Parsing of one report, checked for the number of its messages.
fn xml_item(name: &'static str, records: u64) -> Item {
    let xml = report(records);
    let work = move || {
        let reports = dmarc_core::parse::aggregate::parse(black_box(&xml), &Limits::default());
        let read: u64 = reports.iter().flatten().flat_map(|p| &p.report.records).map(|r| r.row.count).sum();
        assert_eq!(read, records * 7, "every message is read");
        read
    };
    Item { name, bytes: report(records).len(), units: records, unit: "records", work: Box::new(work) }
}

/// Reading of every mail of the simulated mailbox.
fn mailbox_item() -> Item {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/mailbox");
    let limits = Limits::default();
    let mails: Vec<Vec<u8>> =
        dmarc_ingest::Messages::new(&[folder], &limits).flatten().map(|input| input.bytes).collect();
    let (bytes, units) = (mails.iter().map(Vec::len).sum(), mails.len() as u64);
    let work = move || {
        let read = |mail: &Vec<u8>| dmarc_core::read(black_box(mail), &limits).outcomes;
        mails.iter().flat_map(read).filter(|outcome| matches!(outcome.found, Found::Report(_))).count() as u64
    };
    Item { name: "mailbox", bytes, units, unit: "mails", work: Box::new(work) }
}

/// A report in the manner of large receivers.
fn report(records: u64) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<feedback>\n  <report_metadata>\n    \
        <org_name>receiver.example</org_name>\n    <email>noreply-dmarc@receiver.example</email>\n    \
        <report_id>12345678901234567890</report_id>\n    <date_range>\n      <begin>1789171200</begin>\n      \
        <end>1789257599</end>\n    </date_range>\n  </report_metadata>\n  <policy_published>\n    \
        <domain>example.org</domain>\n    <adkim>r</adkim>\n    <aspf>r</aspf>\n    <p>none</p>\n    <sp>none</sp>\n    \
        <pct>100</pct>\n  </policy_published>\n"
        .to_owned();
    for n in 0..records {
        let (b, c) = (n / 250 % 250, n % 250);
        let written = write!(
            xml,
            "  <record>\n    <row>\n      <source_ip>198.18.{b}.{c}</source_ip>\n      <count>7</count>\n      \
             <policy_evaluated>\n        <disposition>none</disposition>\n        <dkim>pass</dkim>\n        \
             <spf>fail</spf>\n      </policy_evaluated>\n    </row>\n    <identifiers>\n      \
             <header_from>example.org</header_from>\n    </identifiers>\n    <auth_results>\n      <dkim>\n        \
             <domain>example.org</domain>\n        <result>pass</result>\n        <selector>s2026</selector>\n      \
             </dkim>\n      <spf>\n        <domain>bounce.example.net</domain>\n        <result>pass</result>\n      \
             </spf>\n    </auth_results>\n  </record>\n"
        );
        assert!(written.is_ok(), "a String takes any text");
    }
    xml.push_str("</feedback>\n");
    xml
}

/// Seconds of one call, repeated until `least` has passed.
fn seconds(item: &Item, least: Duration) -> f64 {
    let start = Instant::now();
    let mut calls = 0_u32;
    while start.elapsed() < least {
        black_box((item.work)());
        calls += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn print_row(item: &Item, seconds: f64) {
    let (rate, megabytes) = (item.units as f64 / seconds, item.bytes as f64 / seconds / 1e6);
    println!("{:<14} {:>9.1} µs {:>9.0} {} {:>7.0}", item.name, seconds * 1e6, rate, item.unit, megabytes);
}
