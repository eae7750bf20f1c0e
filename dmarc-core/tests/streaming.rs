//! Reports of any length are read in memory that does not grow with them.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Read;

use allocation_counter::{AllocationInfo, measure};
use dmarc_core::Limits;
use dmarc_core::parse::aggregate::Stream;

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
