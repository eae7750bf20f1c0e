//! Which reports should have come: each reporter has a rhythm, and what does not keep it is a gap.
//!
//! A rhythm is the median distance of the periods of one reporter about one domain. A reporter that has too few periods, or
//! keeps no rhythm (many send only when there was mail), gets no expectations, so that nothing is called missing which
//! nobody promised.

use std::collections::{BTreeMap, BTreeSet};

use dmarc_core::findings::newest_day;
use dmarc_core::model::aggregate::DateRange;
use dmarc_ingest::store::ReportReceipt;

use crate::commands::question::Subject;
use crate::error::CommandError;
use crate::render::answer::{Answer, Cell, Column, ColumnKind};

/// Periods from which on there is a rhythm.
const MIN_PERIODS: usize = 4;
/// The shortest rhythm, in seconds.
const MIN_RHYTHM: i64 = 3_600;
/// Of so many distances one may be out of step by more than a quarter of the rhythm.
const ONE_OUT_OF: usize = 4;
/// How far apart two times are at least, in seconds.
const SILENCE: i64 = 30 * 86_400;
/// How late a report is at least, in seconds.
const MIN_LATE: i64 = 2 * 86_400;
/// A period has shrunk that has less than this part of the usual messages, if these are enough.
const SHRUNK_TO: u64 = 10;
const MIN_USUAL: u64 = 100;

/// A reporting period, with all reports about it. Times are in seconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    /// When it begins.
    pub(crate) begin: i64,
    /// When it ends, inclusive or not.
    pub(crate) end: i64,
    /// Messages in its reports; 0 where they cannot be added.
    pub(crate) messages: u64,
    /// When the first of its reports arrived.
    pub(crate) arrived: Option<i64>,
}

/// What is wrong in a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Nothing came.
    Missing,
    /// It came much later than the others.
    Late,
    /// It has far fewer messages than the others.
    Shrunk,
}

/// Periods in a row with the same thing wrong. Times are in seconds since the Unix epoch, UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) kind: Kind,
    /// The first second.
    pub(crate) from: i64,
    /// The last one.
    pub(crate) to: i64,
    /// Periods.
    pub(crate) periods: u64,
    pub(crate) detail: String,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Late => "late",
            Self::Shrunk => "shrunk",
        }
    }
}

/// The gaps of every reporter about every domain.
pub(crate) fn ask(subject: &Subject) -> Result<Answer, CommandError> {
    let mut calendars: BTreeMap<[String; 3], Vec<Period>> = BTreeMap::new();
    let mut said: BTreeSet<(String, DateRange)> = BTreeSet::new();
    subject.reader.reports(|report| {
        // A failure report is sent when something happens, not in a rhythm.
        if !report.is_active || report.kind == "failure" {
            return;
        }
        for domain in report.policy_domains.iter().filter(|domain| {
            subject.selection.has_domain(domain) && subject.selection.has_time(report.period.0)
        }) {
            said.insert((report.reporter.clone(), DateRange::new(report.period.0, report.period.1)));
            let key = [domain.clone(), report.reporter.clone(), report.kind.clone()];
            calendars.entry(key).or_default().push(period(&report));
        }
    })?;
    let mut answer = Answer::new("gaps", columns());
    let said = || said.iter().map(|(reporter, period)| (reporter.as_str(), *period));
    let Some(day) = newest_day(said()) else { return Ok(answer) };
    let is_believed = |period: DateRange| period.is_plausible() && period.day() <= day;
    let ends =
        said().map(|(_, period)| period).filter(|period| is_believed(*period)).map(|period| period.end);
    let newest = ends.max().unwrap_or(i64::MIN);
    for ([domain, reporter, kind], mut periods) in calendars {
        periods.retain(|period| is_believed(DateRange::new(period.begin, period.end)));
        for gap in gaps(periods, newest) {
            answer.push(row(&domain, &reporter, &kind, gap));
        }
    }
    Ok(answer)
}

/// What is missing, late or shrunk among the periods of one reporter about one domain, in the order of time. `newest` is the
/// last second that any reporter knows of.
pub(crate) fn gaps(periods: Vec<Period>, newest: i64) -> Vec<Gap> {
    let periods = merged(periods);
    let periods = without_another_time(&periods);
    let mut gaps = late(periods);
    gaps.extend(shrunk(periods));
    if let Some(rhythm) = rhythm(periods) {
        gaps.extend(missing(periods, rhythm, newest));
    }
    gaps.sort_by_key(|gap| (gap.from, gap.kind));
    gaps
}

/// Periods by their beginning: reports that share it are one.
fn merged(mut periods: Vec<Period>) -> Vec<Period> {
    periods.sort_by_key(|period| (period.begin, period.end));
    let mut merged: Vec<Period> = Vec::new();
    for period in periods {
        match merged.last_mut().filter(|last| last.begin == period.begin) {
            Some(last) => {
                last.end = last.end.max(period.end);
                last.messages = last.messages.saturating_add(period.messages);
                last.arrived = last.arrived.into_iter().chain(period.arrived).min();
            }
            None => merged.push(period),
        }
    }
    merged
}

/// Leaves out a few periods that lie further before all others than these reach: a clock was wrong, and nobody owed reports about
/// the time between.
fn without_another_time(periods: &[Period]) -> &[Period] {
    let last = periods.last().map_or(0, |last| last.begin);
    let is_before = |(at, (a, b)): &(usize, (&Period, &Period))| {
        let distance = b.begin.saturating_sub(a.begin);
        let few = (at + 1) * MIN_PERIODS < periods.len();
        few && distance > SILENCE && distance > last.saturating_sub(b.begin)
    };
    let before = pairs(periods).enumerate().filter(is_before).last().map_or(0, |(at, _)| at + 1);
    periods.get(before..).unwrap_or_default()
}

/// The distance from one period to the next, in seconds, if there is a usual one.
fn rhythm(periods: &[Period]) -> Option<i64> {
    if periods.len() < MIN_PERIODS {
        return None;
    }
    let distances: Vec<i64> = pairs(periods).map(|(a, b)| b.begin.saturating_sub(a.begin)).collect();
    let rhythm = median(distances.iter().copied()).filter(|rhythm| *rhythm >= MIN_RHYTHM)?;
    let is_out = |distance: &&i64| distance.saturating_sub(rhythm).saturating_abs() > rhythm / 4;
    let out = distances.iter().filter(is_out).count();
    (out * ONE_OUT_OF <= distances.len()).then_some(rhythm)
}

fn missing(periods: &[Period], rhythm: i64, newest: i64) -> Vec<Gap> {
    let gap = |after: &Period, until: i64, count: i64, detail: &str| Gap {
        kind: Kind::Missing,
        from: after.begin.saturating_add(rhythm),
        to: until.saturating_sub(1),
        periods: u64::try_from(count).unwrap_or_default(),
        detail: format!("{detail}one comes every {}", duration(rhythm)),
    };
    let mut gaps: Vec<Gap> = pairs(periods)
        .filter_map(|(a, b)| {
            // Rounded to whole periods.
            let steps = b.begin.saturating_sub(a.begin).saturating_add(rhythm / 2) / rhythm;
            (steps > 1).then(|| gap(a, b.begin, steps - 1, ""))
        })
        .collect();
    if let Some(last) = periods.last() {
        // The report about the newest period of all may still be on its way.
        let due = newest.saturating_add(1).saturating_sub(last.begin) / rhythm - 2;
        if due > 0 {
            let until = last.begin.saturating_add(rhythm.saturating_mul(due + 1));
            gaps.push(gap(last, until, due, "none since; "));
        }
    }
    gaps
}

fn late(periods: &[Period]) -> Vec<Gap> {
    let delay = |period: &Period| period.arrived.map(|arrived| arrived.saturating_sub(period.end).max(0));
    let Some(usual) = median(periods.iter().filter_map(delay)) else { return Vec::new() };
    let is_late =
        |period: &Period| delay(period).is_some_and(|delay| delay >= usual.saturating_add(MIN_LATE));
    runs(periods, is_late, Kind::Late, |run| {
        let most = run.iter().filter_map(delay).max().unwrap_or_default();
        format!("{} after its end, usually {}", duration(most), duration(usual))
    })
}

fn shrunk(periods: &[Period]) -> Vec<Gap> {
    let usual = median(periods.iter().map(|period| period.messages)).unwrap_or_default();
    if periods.len() < MIN_PERIODS || usual < MIN_USUAL {
        return Vec::new();
    }
    let is_shrunk = |period: &Period| period.messages < usual / SHRUNK_TO;
    runs(periods, is_shrunk, Kind::Shrunk, |run| {
        let most = run.iter().map(|period| period.messages).max().unwrap_or_default();
        format!("at most {most} messages, usually {usual}")
    })
}

/// Periods in a row of which something is true.
fn runs(
    periods: &[Period],
    is_wrong: impl Fn(&Period) -> bool,
    kind: Kind,
    detail: impl Fn(&[Period]) -> String,
) -> Vec<Gap> {
    let runs = periods.chunk_by(|a, b| is_wrong(a) == is_wrong(b));
    let gap = |run: &[Period]| {
        let (first, last) = run.first().filter(|first| is_wrong(first)).zip(run.last())?;
        let (from, to) = (first.begin, last.end.saturating_sub(1).max(last.begin));
        Some(Gap { kind, from, to, periods: run.len() as u64, detail: detail(run) })
    };
    runs.filter_map(gap).collect()
}

fn pairs(periods: &[Period]) -> impl Iterator<Item = (&Period, &Period)> {
    periods.iter().zip(periods.iter().skip(1))
}

/// The value in the middle, the lower of two.
fn median<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied()
}

/// `36 h`, `5 d`: days where they are whole or many.
fn duration(seconds: i64) -> String {
    let hours = seconds.saturating_add(1_800) / 3_600;
    if hours >= 24 && (hours % 24 == 0 || hours >= 96) {
        format!("{} d", hours / 24)
    } else {
        format!("{hours} h")
    }
}

fn period(report: &ReportReceipt) -> Period {
    // The sessions of a TLS report stand under several of its policies, so their number is none.
    let messages = if report.kind == "tlsrpt" { 0 } else { report.messages };
    Period { begin: report.period.0, end: report.period.1, messages, arrived: report.arrived }
}

fn columns() -> Vec<Column> {
    use ColumnKind::{Number, Text, Time};
    vec![
        Column::new("policy_domain", Text).head("domain"),
        Column::new("reporter", Text),
        Column::new("gap", Text),
        Column::new("from", Time),
        Column::new("to", Time),
        Column::new("periods", Number),
        Column::new("detail", Text),
        Column::new("kind", Text),
    ]
}

fn row(domain: &str, reporter: &str, kind: &str, gap: Gap) -> Vec<Cell> {
    vec![
        Cell::Text(domain.to_owned()),
        Cell::Text(reporter.to_owned()),
        Cell::Text(gap.kind.as_str().to_owned()),
        Cell::Day(gap.from),
        Cell::Day(gap.to),
        Cell::Count(gap.periods),
        Cell::Text(gap.detail),
        Cell::Text(kind.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400;

    /// A day with 1000 messages, reported six hours later.
    fn daily(day: i64) -> Period {
        let end = (day + 1) * DAY;
        Period { begin: day * DAY, end, messages: 1_000, arrived: Some(end + 6 * 3_600) }
    }

    fn days(days: impl IntoIterator<Item = i64>) -> Vec<Period> {
        days.into_iter().map(daily).collect()
    }

    fn found(periods: Vec<Period>, newest: i64) -> Vec<(Kind, i64, i64, u64)> {
        let day = |second: i64| second.div_euclid(DAY);
        gaps(periods, newest).iter().map(|gap| (gap.kind, day(gap.from), day(gap.to), gap.periods)).collect()
    }

    #[test]
    fn finds_no_gap_in_a_complete_calendar() {
        assert_eq!(found(days(0..10), 10 * DAY), []);
        // Nothing is known yet of the last day of all.
        assert_eq!(found(days(0..10), 11 * DAY - 1), []);
    }

    #[test]
    fn finds_days_that_are_missing_in_between() {
        let periods = days([0, 1, 2, 3, 5, 6, 7, 10, 11, 12]);
        assert_eq!(found(periods, 13 * DAY), [(Kind::Missing, 4, 4, 1), (Kind::Missing, 8, 9, 2)]);
    }

    #[test]
    fn finds_a_reporter_that_fell_silent() {
        let gaps = gaps(days(0..10), 15 * DAY - 1);
        assert_eq!(gaps.len(), 1);
        assert_eq!((gaps[0].from, gaps[0].to, gaps[0].periods), (10 * DAY, 14 * DAY - 1, 4));
        assert_eq!(gaps[0].detail, "none since; one comes every 1 d");
        assert_eq!(found(days(0..10), 12 * DAY), [(Kind::Missing, 10, 10, 1)]);
    }

    #[test]
    fn expects_nothing_between_the_right_time_and_that_of_a_wrong_clock() {
        assert_eq!(found(days([-7_000].into_iter().chain(0..10)), 10 * DAY), []);
        // An outage is a gap.
        assert_eq!(found(days((-60..-50).chain(0..10)), 10 * DAY), [(Kind::Missing, -50, -1, 50)]);
    }

    #[test]
    fn expects_nothing_of_who_has_no_rhythm() {
        assert_eq!(found(days([0, 1, 9, 10, 17, 30, 31, 60]), 90 * DAY), []);
        assert_eq!(found(days([0, 1, 5]), 90 * DAY), []);
    }

    #[test]
    fn knows_weekly_and_hourly_rhythms() {
        let weekly = days((0..70).step_by(7).filter(|day| *day != 28));
        assert_eq!(found(weekly, 71 * DAY), [(Kind::Missing, 28, 34, 1)]);
        let hour = |n: i64| Period { begin: n * 3_600, end: (n + 1) * 3_600, messages: 5, arrived: None };
        let hourly: Vec<Period> = (0..48).filter(|n| !(30..33).contains(n)).map(hour).collect();
        let gaps = gaps(hourly, 48 * 3_600);
        assert_eq!(
            (gaps.len(), gaps[0].from, gaps[0].to, gaps[0].periods),
            (1, 30 * 3_600, 33 * 3_600 - 1, 3)
        );
    }

    #[test]
    fn takes_reports_about_one_period_for_one() {
        let mut periods = days(0..10);
        periods.extend(days(0..10).into_iter().map(|period| Period { messages: 7, ..period }));
        assert_eq!(found(periods, 10 * DAY), []);
    }

    #[test]
    fn finds_what_came_much_later_than_usual() {
        let mut periods = days(0..10);
        for period in &mut periods[3..5] {
            period.arrived = period.arrived.map(|arrived| arrived + 3 * DAY);
        }
        let gaps = gaps(periods.clone(), 10 * DAY);
        assert_eq!((gaps.len(), gaps[0].kind, gaps[0].periods), (1, Kind::Late, 2));
        assert_eq!(gaps[0].detail, "78 h after its end, usually 6 h");
        // Whoever is always late is not late.
        for period in &mut periods {
            period.arrived = Some(period.end + 5 * DAY);
        }
        assert_eq!(found(periods, 10 * DAY), []);
    }

    #[test]
    fn finds_what_has_far_fewer_messages_than_usual() {
        let mut periods = days(0..10);
        periods[4].messages = 99;
        periods[7].messages = 100;
        assert_eq!(found(periods.clone(), 10 * DAY), [(Kind::Shrunk, 4, 4, 1)]);
        for period in &mut periods {
            period.messages /= 11;
        }
        assert_eq!(found(periods, 10 * DAY), [], "90 messages are too few to tell");
    }

    proptest! {
        #[test]
        fn any_calendar_gives_gaps_in_order_and_does_not_depend_on_its_own(
            times in vec((any::<i64>(), any::<i64>(), any::<u64>(), proptest::option::of(any::<i64>())), 0..20),
            near in vec(0_i64..60, 0..40),
            newest in any::<i64>(),
        ) {
            let wild = times.into_iter().map(|(begin, end, messages, arrived)| Period { begin, end, messages, arrived });
            for mut periods in [wild.collect(), days(near)] {
                let found = gaps(periods.clone(), newest);
                prop_assert!(found.is_sorted_by_key(|gap| (gap.from, gap.kind)));
                prop_assert!(found.iter().all(|gap| gap.periods > 0));
                periods.reverse();
                prop_assert_eq!(gaps(periods, newest), found);
            }
        }

        #[test]
        fn whatever_is_left_out_of_a_daily_calendar_is_named(
            out in proptest::collection::btree_set(1_i64..58, 0..10),
        ) {
            // Few enough for a rhythm, and never the last day.
            let kept = (0..60).filter(|day| !out.contains(day));
            let missing: u64 = gaps(days(kept), 60 * DAY).iter().map(|gap| gap.periods).sum();
            prop_assert_eq!(missing, out.len() as u64);
        }
    }
}
