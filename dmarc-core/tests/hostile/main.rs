//! What hostile bytes may cost: memory, and work that grows with the input and no faster.

mod build;
mod cases;

use std::ops::ControlFlow;
use std::time::Instant;

use allocation_counter::{AllocationInfo, measure};
use dmarc_core::model::aggregate::{AggregateReport, Record};
use dmarc_core::{Found, Limits, Visitor, read, stream};

/// What any input of a megabyte may take, in bytes.
const HEAP: u64 = 64_000_000;

/// Inputs are of full size in an optimised build only.
const SIZE: usize = if cfg!(debug_assertions) { 120_000 } else { 1_000_000 };

#[derive(Default)]
struct Passer {
    records: u64,
    found: String,
}

impl Visitor for Passer {
    fn record(&mut self, _: usize, _: &AggregateReport<'_>, _: &mut Record<'_>) -> ControlFlow<()> {
        self.records += 1;
        ControlFlow::Continue(())
    }

    fn part(&mut self, _: &str, found: Vec<Found>) {
        self.found = match found.last() {
            Some(Found::Refused(error)) => format!("{} of {} refused: {error}", 1, found.len()),
            Some(Found::Report(_)) => format!("{} reports", found.len()),
            _ => "other".to_owned(),
        };
    }
}

fn run(input: &[u8], streams: bool, limits: &Limits) -> (AllocationInfo, String) {
    let mut outcome = String::new();
    let info = measure(|| {
        if streams {
            let mut passer = Passer::default();
            let _message = stream(input, limits, &mut passer);
            outcome = format!("{} records, {}", passer.records, passer.found);
        } else {
            let reading = read(input, limits);
            outcome = match reading.outcomes.last() {
                Some(last) => match &last.found {
                    Found::Refused(error) => format!("{} outcomes, {error}", reading.outcomes.len()),
                    _ => format!("{} outcomes", reading.outcomes.len()),
                },
                None => "nothing".to_owned(),
            };
        }
    });
    (info, outcome)
}

#[test]
fn costs_less_than_64_megabytes_whatever_the_bytes() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut costly = Vec::new();
    for case in cases::all().into_iter().filter(|case| case.name.contains(&only)) {
        let input = (case.make)(SIZE);
        assert!(input.len() <= SIZE + SIZE / 100, "{} has {} bytes", case.name, input.len());
        let mut line = format!("{:<45} {:>8}", case.name, input.len());
        let mut worst = (0, 0);
        let mut said = String::new();
        for streams in [false, true] {
            let start = Instant::now();
            let (info, outcome) = run(&input, streams, &Limits::default());
            let spent = start.elapsed().as_millis();
            line += &format!(" | {:>6.1} MB {spent:>5} ms", info.bytes_max as f64 / 1e6);
            worst = (worst.0.max(info.bytes_max), worst.1.max(spent));
            said += &format!(" | {outcome}");
        }
        println!("{line}{said}");
        if worst.0 >= HEAP {
            costly.push(case.name);
        }
    }
    assert!(costly.is_empty(), "{costly:#?}");
}
