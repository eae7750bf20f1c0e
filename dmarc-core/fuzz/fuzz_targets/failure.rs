//! Any text as a feedback report with any included message: no panic, borrowed and owned alike.
#![no_main]

use dmarc_core::Limits;
use dmarc_core::parse::{authentication_results, failure};

libfuzzer_sys::fuzz_target!(|input: (&str, Option<&[u8]>)| {
    let (text, included) = input;
    authentication_results(text);
    if let Ok(parsed) = failure::parse(text, included.map(failure::Included::new), &Limits::default()) {
        assert!(parsed.report.incidents > 0);
        assert_eq!(parsed.report.clone().into_owned(), parsed.report);
    }
});
