//! Any text in pieces of any size: what is read record by record is what is read at once, errors and quirks too.
#![no_main]

use std::io::{self, Read};

use dmarc_core::model::aggregate::Record;
use dmarc_core::parse::aggregate::{Stream, parse};
use dmarc_core::{AggregateReport, Limits, Parsed};

/// Gives its bytes in pieces whose sizes follow from `seed`.
struct Pieces<'a> {
    bytes: &'a [u8],
    seed: u32,
}

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = 1 + self.seed as usize % 4_096;
        let piece = &self.bytes[..size.min(to.len()).min(self.bytes.len())];
        to[..piece.len()].copy_from_slice(piece);
        self.bytes = &self.bytes[piece.len()..];
        Ok(piece.len())
    }
}

fn streamed(text: &str, seed: u32) -> Vec<Result<Parsed<AggregateReport<'static>>, dmarc_core::Error>> {
    let mut stream = Stream::new(Pieces { bytes: text.as_bytes(), seed }, &Limits::default());
    let mut reports = Vec::new();
    loop {
        let mut records: Vec<Record<'static>> = Vec::new();
        let next = stream.next_report(|_, record| records.push(std::mem::take(record).into_owned()));
        let Some(result) = next else { return reports };
        reports.push(result.map(|mut parsed| {
            parsed.report.records = records;
            parsed
        }));
    }
}

libfuzzer_sys::fuzz_target!(|input: (u32, &str)| {
    let (seed, text) = input;
    // One document: the records of several are told apart by the caller, see `Visitor`.
    let whole = parse(text, &Limits::default());
    if whole.len() == 1 {
        assert_eq!(format!("{:?}", streamed(text, seed)), format!("{whole:?}"));
    }
});
