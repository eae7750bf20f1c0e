//! Every reader of every item in turn, round after round, so that a drift of the machine meets all of them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use allocation_counter::{AllocationInfo, opt_out};
use anyhow::{Context as _, Result, ensure};
use rustix::time::{ClockId, clock_gettime};

use crate::items::Item;
use crate::peers::{Pass, Reader};
use crate::totals::Totals;

/// What is known of one reader of one item.
pub(crate) struct Measured {
    /// CPU time of one reading of all inputs in each round, in seconds.
    pub rounds: Vec<f64>,
    /// What one reading allocates.
    pub memory: AllocationInfo,
    /// Readings that are timed together.
    calls: u32,
}

/// How long to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// The least CPU time that is taken together as one sample.
    pub sample: Duration,
    /// Time after which no further round begins.
    pub budget: Duration,
    /// Rounds at most.
    pub rounds: usize,
}

/// Compares what all readers find, and counts what they allocate.
///
/// # Errors
/// If a reader refuses an input or finds something else than ours.
pub(crate) fn check(item: &Item) -> Result<Vec<Measured>> {
    let expected = item.readers.first().map(|ours| totals(item, *ours)).transpose()?;
    item.readers
        .iter()
        .map(|reader| {
            let context = || format!("{} of {}", item.name, reader.name);
            let mut found = Ok(Totals::default());
            let memory = allocation_counter::measure(|| found = totals(item, *reader));
            let found = found.with_context(context)?;
            let expected = expected.unwrap_or_default();
            let expected = if reader.is_floor {
                Totals { records: expected.records, ..Totals::default() }
            } else {
                expected
            };
            ensure!(found == expected, "{}: {found:?} instead of {expected:?}", context());
            Ok(Measured { rounds: Vec::new(), memory, calls: 1 })
        })
        .collect()
}

/// Times all of `items`; what is measured stands in the same order as they do.
pub(crate) fn run(items: &[Item], measured: &mut [Vec<Measured>], effort: Effort) {
    let start = Instant::now();
    // Else the peers would pay for the counting of what they allocate.
    opt_out(|| {
        for (item, measured) in items.iter().zip(measured.iter_mut()) {
            for (reader, measured) in item.readers.iter().zip(measured) {
                measured.calls = calls(item, *reader, effort.sample);
            }
        }
        for round in 0..effort.rounds {
            for (item, measured) in items.iter().zip(measured.iter_mut()) {
                let mut order: Vec<_> = item.readers.iter().zip(measured).collect();
                if round % 2 == 1 {
                    order.reverse();
                }
                for (reader, measured) in order {
                    measured.rounds.push(seconds(item, *reader, measured.calls));
                }
            }
            if start.elapsed() > effort.budget {
                break;
            }
        }
    });
}

/// The median of `values`.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 2)
}

/// Half of what lies between the quartiles, as a share of the median.
pub(crate) fn spread(values: &[f64]) -> f64 {
    (quantile(values, 3) - quantile(values, 1)) / 2.0 / median(values)
}

/// The value below which so many quarters of `values` lie.
fn quantile(values: &[f64], quarters: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) * quarters / 4).copied().unwrap_or(f64::NAN)
}

/// Has `reader` read all inputs of `item`.
///
/// # Errors
/// If it refuses one.
pub(crate) fn read(item: &Item, reader: Reader) -> Result<()> {
    item.inputs.iter().try_for_each(|input| (reader.read)(black_box(input), Pass::Time).map(drop))
}

fn totals(item: &Item, reader: Reader) -> Result<Totals> {
    let mut totals = Totals::default();
    for input in &item.inputs {
        totals += (reader.read)(input, Pass::Check)?;
    }
    Ok(totals)
}

/// How many readings take `least`.
fn calls(item: &Item, reader: Reader, least: Duration) -> u32 {
    let mut calls = 1;
    // What is large takes longer than any sample.
    while item.units < 10_000
        && seconds(item, reader, calls) * f64::from(calls) < least.as_secs_f64()
        && calls < 1 << 20
    {
        calls *= 2;
    }
    calls
}

/// CPU time of one of so many readings, in seconds.
fn seconds(item: &Item, reader: Reader, calls: u32) -> f64 {
    let start = cpu_time();
    for _ in 0..calls {
        // What was read when it was checked is read again.
        let read = read(item, reader);
        debug_assert!(read.is_ok(), "{read:?}");
    }
    cpu_time().saturating_sub(start).as_secs_f64() / f64::from(calls)
}

/// CPU time that this thread has used.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
