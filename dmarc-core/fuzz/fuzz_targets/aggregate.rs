//! Any text as XML: no panic, no invented count, borrowed and owned alike, and every record evaluated.
#![no_main]

use dmarc_core::Limits;
use dmarc_core::evaluate::evaluate;
use dmarc_core::parse::aggregate;

libfuzzer_sys::fuzz_target!(|text: &str| {
    for parsed in aggregate::parse(text, &Limits::default()).into_iter().flatten() {
        let report = &parsed.report;
        for record in &report.records {
            assert!(record.row.count > 0);
            evaluate(record, &report.policy_published);
        }
        assert_eq!(report.clone().into_owned(), *report);
    }
});
