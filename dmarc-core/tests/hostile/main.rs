//! What hostile bytes may cost: memory, and work that grows with the input and no faster.
//!
//! `cargo test --release -p dmarc-core --test hostile -- --nocapture` prints a table: input, its bytes, peak of memory and time
//! with `read` and with `stream`, what became of it. `ONLY=name` picks cases.
#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "a table for people")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests; what is damaged here was made here"
)]
#![expect(clippy::too_many_lines, clippy::format_collect, reason = "the set is a long list of short texts")]

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
            Some(Found::Refused(error)) => format!("refused: {error}"),
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
            drop(stream(input, limits, &mut passer));
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
        let mut line = vec![format!("{:<45} {:>8}", case.name, input.len())];
        let mut peak = 0;
        let mut said = Vec::new();
        for streams in [false, true] {
            let start = Instant::now();
            let (info, outcome) = run(&input, streams, &Limits::default());
            let spent = start.elapsed().as_millis();
            line.push(format!("{:>6.1} MB {spent:>5} ms", info.bytes_max as f64 / 1e6));
            peak = peak.max(info.bytes_max);
            said.push(outcome);
        }
        line.extend(said);
        println!("{}", line.join(" | "));
        if peak >= HEAP {
            costly.push(case.name);
        }
    }
    assert!(costly.is_empty(), "{costly:#?}");
}

/// How much more work a byte of the larger input may take, in percent: 2.2 times for twice the input.
const GROWTH: u64 = 110;
/// What is allocated whatever the input: first buffers, in bytes and in number.
const START: (u64, u64) = (400_000, 400);

#[test]
fn does_twice_the_work_for_twice_the_input_and_no_more() {
    let mut worse = Vec::new();
    for case in cases::all().into_iter().filter(|case| !case.inflates) {
        let [once, twice] = [480_000, 960_000].map(|size| (case.make)(size));
        // A flood has whole units only, so the larger input is not twice as large to the byte.
        let allowed = |work: u64| work * GROWTH / 100 * twice.len() as u64 / once.len() as u64;
        for streams in [false, true] {
            let [less, more] = [&once, &twice].map(|input| run(input, streams, &Limits::default()).0);
            let bytes = more.bytes_total > allowed(less.bytes_total) + START.0;
            let number = more.count_total > allowed(less.count_total) + START.1;
            if bytes || number {
                worse.push(format!(
                    "{} ({streams}): {} to {} bytes, {} to {} times",
                    case.name, less.bytes_total, more.bytes_total, less.count_total, more.count_total
                ));
            }
        }
    }
    assert!(worse.is_empty(), "{worse:#?}");
}
