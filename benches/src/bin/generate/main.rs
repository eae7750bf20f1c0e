//! Writes a dataset of many aggregate records, as `dmarc import` and `dmarc dataset compact` would leave it after months.
//!
//! `cargo run --release -p dmarc-benches --bin generate -- --records 10000000 --out DIR`
//!
//! What is in it follows from `--seed`. Hosts of the owner, services, forwarders and mailing lists come again nearly every day
//! at several reporters; spoofers come in bursts; about three records in ten are of hosts that are seen once to three times.
//! No mail is read: rows and ledger are written by [`dmarc_ingest::store::Load`]. Addresses are of ranges reserved for
//! documentation, for benchmarks, or for the future; names are made up.
#![expect(clippy::print_stdout, reason = "it says what it wrote")]

mod month;
mod rng;
mod sight;
mod world;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Parser;
use dmarc_ingest::Host;
use dmarc_ingest::store::{Dataset, RowBuilder, Rows};
use month::{DAY, Draft, Month, Reports, Stub};
use world::{HostName, World};

/// The day behind the last one of every dataset: 2026-11-24.
const END: i64 = 1_795_478_400;
/// Batches that wait to be written.
const WAITING: usize = 8;

/// Writes a dataset of many aggregate records.
#[derive(Debug, Parser)]
struct Arguments {
    /// Records, about.
    #[arg(long)]
    records: u64,
    /// The folder of the dataset; it must not be there yet.
    #[arg(long)]
    out: PathBuf,
    /// What everything follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Policy domains [default: one for 20,000 records, at least 3].
    #[arg(long)]
    domains: Option<u32>,
    /// Days of reports, the last of them 2026-11-23.
    #[arg(long, default_value_t = 90)]
    days: u32,
    /// Read everything again and compare it with the ledger, as `dmarc dataset verify` does.
    #[arg(long)]
    verify: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.out.exists() {
        bail!("{} is there already", arguments.out.display());
    }
    let domains =
        arguments.domains.unwrap_or_else(|| u32::try_from(arguments.records / 20_000).unwrap_or(u32::MAX));
    let world = World::new(arguments.seed, arguments.records, domains.max(3), arguments.days);
    let mut dataset = Dataset::open(&arguments.out)?;
    for month in months(arguments.days) {
        let begun = Instant::now();
        let totals = write_month(&mut dataset, &world, &month)?;
        println!(
            "{} rows in {} segments after {:.1} s more",
            totals.rows,
            totals.segments,
            begun.elapsed().as_secs_f64()
        );
    }
    if arguments.verify {
        let verified = dataset.reader()?.verify()?;
        println!("{} rows of {} reports in {} bytes", verified.rows, verified.reports, verified.bytes);
        if let Some(problem) = verified.problems.first() {
            bail!("{} problems, the first: {}: {}", verified.problems.len(), problem.file, problem.what);
        }
    }
    Ok(())
}

/// The days of each month.
fn months(days: u32) -> Vec<Month> {
    let first = END - i64::from(days) * DAY;
    let mut months: Vec<(String, Month)> = Vec::new();
    for day in 0..days {
        let name = dmarc_core::time::rfc3339(first + i64::from(day) * DAY).chars().take(7).collect();
        match months.last_mut() {
            Some((last, month)) if *last == name => month.days.end = day + 1,
            _ => months.push((name, Month { days: day..day + 1, first })),
        }
    }
    months.into_iter().map(|(_, month)| month).collect()
}

/// What stands in the ledger about a month.
#[derive(Default)]
struct Noted {
    stubs: Vec<Stub>,
    hosts: Vec<(IpAddr, HostName)>,
}

/// One thread makes rows, the other writes them.
fn write_month(dataset: &mut Dataset, world: &World, month: &Month) -> Result<dmarc_ingest::store::Totals> {
    let mut load = dataset.load(month.first + i64::from(month.days.start) * DAY)?;
    let (sender, receiver) = sync_channel(WAITING);
    let mut noted = std::thread::scope(|scope| {
        let maker = scope.spawn(move || make_month(world, month, &sender));
        load.rows(receiver)?;
        maker.join().map_err(|_| anyhow!("a bug: the maker of rows panicked"))?
    })?;
    noted.hosts.sort_unstable();
    noted.hosts.dedup_by_key(|(ip, _)| *ip);
    let hosts = noted.hosts.into_iter().map(|(ip, name)| {
        let (name, confirmed) = world.host_name(ip, name);
        let mut host = Host::default();
        (host.name, host.confirmed) = (name, confirmed);
        (ip, host)
    });
    let reports = Reports::new(world, month.first, noted.stubs);
    Ok(load.finish(reports, hosts)?)
}

fn make_month(world: &World, month: &Month, sender: &SyncSender<Rows>) -> Result<Noted> {
    let mut order: Vec<(&str, u32)> = world.domains.iter().map(|(name, _)| name.as_str()).zip(0..).collect();
    order.sort_unstable();
    let mut builder = RowBuilder::default();
    let mut noted = Noted::default();
    let mut sent = Ok(());
    for (_, index) in order {
        let draft = Draft::new(world, index, month);
        let (stubs, hosts) = draft.write(&mut builder, |rows| {
            if sent.is_ok() {
                sent = sender.send(rows);
            }
        })?;
        sent.as_ref().ok().context("nobody writes any more")?;
        noted.stubs.extend(stubs);
        noted.hosts.extend(hosts);
    }
    if let Some(rows) = builder.finish()? {
        sender.send(rows).ok().context("nobody writes any more")?;
    }
    Ok(noted)
}
