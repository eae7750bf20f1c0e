//! Any text as aggregate reports, judged: no panic, and the same findings for records in any order.
#![no_main]

use dmarc_core::Limits;
use dmarc_core::findings::{HostFacts, HostName, Input, find};
use dmarc_core::record::{Trust, flatten};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let reports = dmarc_core::parse::aggregate::parse(text, &Limits::default());
    let reports = reports.into_iter().flatten().map(|parsed| parsed.report.into_owned());
    let mut records: Vec<_> =
        reports.flat_map(|report| flatten(report, String::new(), Trust::Unverified)).collect();
    let host = |_| HostFacts::new(false, HostName::Nameless);
    let forward = find(&Input::new(&records, &host));
    records.reverse();
    assert_eq!(find(&Input::new(&records, &host)), forward);
});
