//! Any bytes: no panic, the same answer twice, and record by record the same reports as at once.
#![no_main]

use std::ops::ControlFlow;

use dmarc_core::model::aggregate::Record;
use dmarc_core::{AggregateReport, Found, Limits, Parsed, Report, Visitor, read, stream};

#[derive(Default)]
struct Collect {
    records: Vec<Vec<Record<'static>>>,
    found: Vec<(String, Found)>,
}

impl Visitor for Collect {
    fn record(&mut self, report: usize, _: &AggregateReport<'_>, record: &mut Record<'_>) -> ControlFlow<()> {
        self.records.resize_with(self.records.len().max(report + 1), Vec::new);
        self.records[report].push(std::mem::take(record).into_owned());
        ControlFlow::Continue(())
    }

    fn part(&mut self, part: &str, found: Vec<Found>) {
        let mut records = std::mem::take(&mut self.records).into_iter();
        for mut found in found {
            if let Found::Report(Parsed { report: Report::Aggregate(report), .. }) = &mut found {
                report.records = records.next().unwrap_or_default();
            }
            self.found.push((part.to_owned(), found));
        }
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let whole = read(bytes, &limits);
    let whole: Vec<_> = whole.outcomes.into_iter().map(|outcome| (outcome.part, outcome.found)).collect();
    let mut collect = Collect::default();
    stream(bytes, &limits, &mut collect);
    assert_eq!(format!("{whole:?}"), format!("{:?}", collect.found));
});
