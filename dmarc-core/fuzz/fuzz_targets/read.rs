//! Any bytes: no panic, and the same answer twice.
#![no_main]

use dmarc_core::{Limits, read};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let (first, second) = (read(bytes, &limits), read(bytes, &limits));
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
});
