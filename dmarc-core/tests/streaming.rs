//! Reports of any length are read in memory that does not grow with them.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{Read, Write};
use std::ops::ControlFlow;

use allocation_counter::{AllocationInfo, measure};
use dmarc_core::model::aggregate::Record;
use dmarc_core::parse::aggregate::Stream;
use dmarc_core::{AggregateReport, Found, Limits, Report, Visitor, stream};
use flate2::Compression;
use flate2::write::GzEncoder;

const HEAD: &str = "<feedback><version>1.0</version><report_metadata><org_name>o</org_name><email>e</email>\
    <report_id>i</report_id><date_range><begin>1789171200</begin><end>1789257599</end></date_range></report_metadata>\
    <policy_published><domain>example.org</domain><p>none</p></policy_published>";
const RECORD: &str = "<record><row><source_ip>192.0.2.1</source_ip><count>7</count><policy_evaluated>\
    <disposition>none</disposition><dkim>fail</dkim><spf>pass</spf></policy_evaluated></row><identifiers>\
    <header_from>example.org</header_from></identifiers><auth_results><dkim><domain>example.org</domain>\
    <selector>s</selector><result>fail</result></dkim><spf><domain>example.org</domain><result>pass</result></spf>\
    </auth_results></record>";

/// A report of so many records, made while it is read.
fn report(records: u64) -> impl Read {
    let records = std::iter::repeat_n(RECORD.as_bytes(), usize::try_from(records).unwrap());
    let mut pieces = std::iter::once(HEAD.as_bytes()).chain(records).chain([&b"</feedback>"[..]]);
    let mut piece: &[u8] = b"";
    Pieces(move |to: &mut [u8]| {
        if piece.is_empty() {
            piece = pieces.next().unwrap_or_default();
        }
        piece.read(to)
    })
}

struct Pieces<F>(F);

impl<F: FnMut(&mut [u8]) -> std::io::Result<usize>> Read for Pieces<F> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        (self.0)(to)
    }
}

fn read(records: u64) -> AllocationInfo {
    measure(|| {
        let mut messages = 0;
        let mut stream = Stream::new(report(records), &Limits::default());
        let parsed = stream.next_report(|_, record| messages += record.row.count).unwrap();
        assert!(parsed.is_ok(), "{parsed:?}");
        assert_eq!(messages, 7 * records);
    })
}

#[test]
fn x10_reads_a_million_records_in_less_than_16_megabytes() {
    let peak = read(1_000_000).bytes_max;
    assert!(peak < 16_000_000, "{peak} bytes");
}

#[test]
fn allocates_nothing_for_a_further_record() {
    let (once, twice) = (read(10_000), read(20_000));
    let more = twice.count_total - once.count_total;
    assert!(more < 1_000, "{more} allocations for 10,000 records");
}

/// A gzip file of a report whose records differ as those of a large receiver do.
fn gzip(records: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(HEAD.as_bytes()).unwrap();
    for n in 0..records {
        let ip = std::net::Ipv4Addr::from(n.wrapping_mul(2_654_435_761)).to_string();
        encoder.write_all(RECORD.replace("192.0.2.1", &ip).as_bytes()).unwrap();
    }
    encoder.write_all(b"</feedback>").unwrap();
    encoder.finish().unwrap()
}

#[derive(Default)]
struct Count {
    messages: u64,
    reports: usize,
}

impl Visitor for Count {
    fn record(&mut self, _: usize, _: &AggregateReport<'_>, record: &mut Record<'_>) -> ControlFlow<()> {
        self.messages += record.row.count;
        ControlFlow::Continue(())
    }

    fn part(&mut self, _: &str, found: Vec<Found>) {
        self.reports += found.iter().filter(|found| matches!(found, Found::Report(_))).count();
    }
}

#[test]
fn reads_a_gzip_file_of_two_hundred_thousand_records_in_less_than_16_megabytes() {
    let file = gzip(200_000);
    let mut count = Count::default();
    let peak = measure(|| drop(stream(&file, &Limits::default(), &mut count))).bytes_max;
    assert_eq!((count.messages, count.reports), (1_400_000, 1));
    assert!(peak < 16_000_000, "{peak} bytes");
}

#[test]
fn reads_thirty_thousand_records_at_once() {
    let reading = dmarc_core::read(&gzip(30_000), &Limits::default());
    let Found::Report(parsed) = &reading.outcomes[0].found else { panic!("{:?}", reading.outcomes) };
    let Report::Aggregate(report) = &parsed.report else { panic!("{}", parsed.report.kind()) };
    assert_eq!(report.records.len(), 30_000);
}
