//! Measures reading in one run: ours and its peers, item by item, again and again.
//!
//! `cargo run --release -p dmarc-benches -- --quick` takes less than a minute. How to read what it prints stands in
//! `benches/README.md`.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod items;
mod measure;
mod peers;
mod table;
mod totals;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use dmarc_core::Limits;

use crate::items::{Item, Size};
use crate::measure::Effort;

/// Measures ours and its peers, and prints a table and ratios.
#[derive(Debug, Parser)]
struct Arguments {
    /// Less than a minute instead of several.
    #[arg(long, conflicts_with = "smoke")]
    quick: bool,
    /// A second: small items, once, to see that everything is read and equal.
    #[arg(long)]
    smoke: bool,
    /// Also read a mail of 10,000,000 records and print its peak memory; takes half a minute more.
    #[arg(long)]
    huge: bool,
    /// Write what is read into this folder, a file each, and measure nothing.
    #[arg(long)]
    write: Option<PathBuf>,
    /// Have one reader read one item so many times, say what the last one allocates, and time nothing: for a profiler. With
    /// `--smoke` only small items are there.
    #[arg(long, num_args = 3, value_names = ["ITEM", "READER", "TIMES"])]
    repeat: Option<Vec<String>>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some([item, reader, times]) = arguments.repeat.as_deref() {
        let size = if arguments.smoke { Size::Made } else { Size::Whole };
        return repeat(&items::all(size)?, item, reader, times.parse()?);
    }
    let (size, effort) = if arguments.smoke {
        (Size::Tiny, Effort { sample: Duration::ZERO, budget: Duration::ZERO, rounds: 1 })
    } else if arguments.quick {
        (
            Size::Whole,
            Effort { sample: Duration::from_millis(5), budget: Duration::from_secs(18), rounds: 25 },
        )
    } else {
        (
            Size::Whole,
            Effort { sample: Duration::from_millis(50), budget: Duration::from_mins(4), rounds: 50 },
        )
    };
    let items = items::all(size)?;
    if let Some(folder) = &arguments.write {
        return write(&items, folder);
    }
    let mut measured = items.iter().map(measure::check).collect::<Result<Vec<_>>>()?;
    measure::run(&items, &mut measured, effort);
    print!("{}\n{}", table::table(&items, &measured), table::ratios(&items, &measured));
    if size == Size::Whole {
        println!();
        print_peak(100_000, 1, &Limits::default())?;
    }
    if arguments.huge {
        print_peak(100_000, 100, &unlimited())?;
    }
    Ok(())
}

/// Has one reader read one item again and again.
fn repeat(items: &[Item], item: &str, reader: &str, times: u32) -> Result<()> {
    let item = items.iter().find(|other| other.name == item).context("no such item")?;
    let reader = item.readers.iter().find(|other| other.name == reader).context("no such reader")?;
    let mut allocations = 0;
    for _ in 0..times {
        let mut read = Ok(());
        allocations = allocation_counter::measure(|| read = measure::read(item, *reader)).count_total;
        read?;
    }
    println!("allocations {allocations}");
    Ok(())
}

/// Writes every input to `folder`: mails as `.eml`, and text as what it is.
fn write(items: &[Item], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for item in items {
        for (n, input) in item.inputs.iter().enumerate() {
            let name = format!("{}-{n}.{}", item.name.replace(' ', "-"), input.extension());
            std::fs::write(folder.join(name), &input.bytes)?;
        }
    }
    Ok(())
}

/// Prints the peak of the heap while a mail is read record by record, beside the mail itself.
fn print_peak(records: u64, times: usize, limits: &Limits) -> Result<()> {
    let mail = items::repeated_mail(records, times)?;
    let mut totals = totals::Totals::default();
    let memory = allocation_counter::measure(|| totals = peers::stream_mail(&mail, limits));
    let expected = records * times as u64;
    ensure!(totals.records == expected, "{} of {expected} records were read", totals.records);
    println!("peak mail_gz_{expected} ours, by record {} bytes", memory.bytes_max);
    Ok(())
}

/// Ceilings that a report of ten million records does not reach.
fn unlimited() -> Limits {
    let mut limits = Limits::default();
    (limits.message_bytes, limits.payload_bytes, limits.total_bytes) = (1 << 30, 1 << 40, 1 << 40);
    (limits.elements, limits.elements_ratio, limits.records) = (u64::MAX, u64::MAX, u64::MAX);
    limits
}
