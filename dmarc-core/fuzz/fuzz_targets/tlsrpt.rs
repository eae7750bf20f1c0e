//! Any text as JSON: no panic, an answer in every case, borrowed and owned alike.
#![no_main]

use dmarc_core::Limits;
use dmarc_core::parse::tlsrpt;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let reports = tlsrpt::parse(text, &Limits::default());
    assert!(!reports.is_empty());
    for parsed in reports.into_iter().flatten() {
        assert_eq!(parsed.report.clone().into_owned(), parsed.report);
    }
});
