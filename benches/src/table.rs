//! Figures as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::items::Item;
use crate::measure::{Measured, median, spread};

/// The table: one line for each reader of each item.
pub(crate) fn table(items: &[Item], measured: &[Vec<Measured>]) -> String {
    let rounds = measured.iter().flatten().map(|measured| measured.rounds.len()).min().unwrap_or_default();
    let mut text = format!(
        "medians of {rounds} rounds or more, CPU time of one thread; ± is half of what lies between the quartiles\n\
         {:<22} {:<16} {:>12} {:>5} {:>12} {:<8} {:>8} {:>9} {:>10}\n",
        "item", "reader", "time", "±", "per second", "", "MB/s", "allocs", "peak"
    );
    for (item, measured) in items.iter().zip(measured) {
        for (reader, measured) in item.readers.iter().zip(measured) {
            line(&mut text, item, reader.name, measured);
        }
    }
    for note in items.iter().filter_map(|item| item.note.as_ref()) {
        push(&mut text, format_args!("{note}\n"));
    }
    text
}

/// One line for each ratio of ours to a peer.
pub(crate) fn ratios(items: &[Item], measured: &[Vec<Measured>]) -> String {
    // Logarithms of the ratios, by name: what several items share is their geometric mean.
    let mut all: BTreeMap<(&str, usize, &str), Vec<f64>> = BTreeMap::new();
    for (place, (item, measured)) in items.iter().zip(measured).enumerate() {
        let Some(((ours, first), peers)) =
            readers(item, measured).split_first().map(|(a, b)| (*a, b.to_vec()))
        else {
            continue;
        };
        let place = items.iter().position(|other| other.ratio == item.ratio).unwrap_or(place);
        for (peer, measured) in peers {
            if !peer.starts_with(ours) {
                all.entry((peer, place, item.ratio)).or_default().push(ratio(first, measured).ln());
            }
        }
    }
    let mut text = String::new();
    for ((peer, _, name), logarithms) in all {
        let ratio = (logarithms.iter().sum::<f64>() / count(logarithms.len())).exp();
        push(
            &mut text,
            format_args!("ratio {name} ours/{peer} {ratio:.*}\n", if ratio < 1.0 { 2 } else { 1 }),
        );
    }
    text
}

fn readers<'m>(item: &Item, measured: &'m [Measured]) -> Vec<(&'static str, &'m Measured)> {
    item.readers.iter().map(|reader| reader.name).zip(measured).collect()
}

/// How many times as fast `ours` is: the median over the rounds, which met the same machine.
fn ratio(ours: &Measured, theirs: &Measured) -> f64 {
    let ratios: Vec<f64> =
        ours.rounds.iter().zip(&theirs.rounds).map(|(ours, theirs)| theirs / ours).collect();
    median(&ratios)
}

fn line(text: &mut String, item: &Item, reader: &str, measured: &Measured) {
    let seconds = median(&measured.rounds);
    let units = units(item.units);
    let bytes: usize = item.inputs.iter().map(|input| input.bytes.len()).sum();
    push(
        text,
        format_args!(
            "{:<22} {:<16} {:>9.1} µs {:>4.1}% {:>12.0} {:<8} {:>8.0} {:>9.2} {:>7.0} kB\n",
            item.name,
            reader,
            seconds * 1e6,
            spread(&measured.rounds) * 100.0,
            units / seconds,
            item.unit,
            count(bytes) / seconds / 1e6,
            self::units(measured.memory.count_total) / units,
            self::units(measured.memory.bytes_max) / 1e3,
        ),
    );
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(line);
    debug_assert!(written.is_ok(), "a String takes any text");
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn units(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn count(number: usize) -> f64 {
    number as f64
}
