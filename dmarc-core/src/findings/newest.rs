//! The newest day of the data: the "now" of everything that depends on age. No clock is asked, so that a run over the same
//! reports gives the same answer whenever it is made; and no single report moves it, for anybody may send one.

use std::collections::BTreeSet;

use super::weights;
use crate::model::aggregate::DateRange;

/// The newest day that `reports`, each with who sent it and its period, may be believed about: days since the Unix epoch, UTC;
/// `None` where no period is plausible.
///
/// - A period outside the years 2005 to 2100, or longer than a year, says nothing.
/// - What follows a silence of more than 30 days is believed once it is more than all before the silence, or once at least
///   half of those who reported before it report again, on two days or two of them. So an isolated report of another
///   year moves nothing, whoever sends it, and an outage does not stop the time for long.
/// - A reporter that is more than 2 days ahead of everything that the others say is believed where it reported before, too,
///   and did so on 3 more days at least, the last not over a week apart, for so looks the only one that still sees mail; or
///   where it says more than all that came before.
///
/// *Not told apart:* a reporter that lies for weeks, day by day, from one that is right. Whoever knows when reports arrived
/// can bound the day by that.
///
/// The order of `reports`, and how often one is repeated, makes no difference.
///
/// ```
/// use dmarc_core::findings::newest_day;
/// use dmarc_core::model::aggregate::DateRange;
///
/// let day = |day: i64| DateRange::new(day * 86_400, day * 86_400 + 86_399);
/// let daily = (20_000..20_040).map(|n| ("a.example", day(n)));
/// // One that claims the year 2099.
/// let wrong = ("b.example", day(47_117));
/// assert_eq!(newest_day(daily.chain([wrong])), Some(20_039));
/// ```
pub fn newest_day<R: Copy + Ord>(reports: impl IntoIterator<Item = (R, DateRange)>) -> Option<i64> {
    let said = reports.into_iter().filter(|(_, period)| is_believable(*period));
    let mut said: Vec<(i64, R)> = said.map(|(reporter, period)| (period.day(), reporter)).collect();
    said.sort_unstable();
    said.dedup();
    let believed = before_an_unbelieved_silence(&said);
    let newest = (0..believed.len()).rev().find(|at| !is_alone_ahead(believed, *at)).unwrap_or_default();
    believed.get(newest).map(|(day, _)| *day)
}

/// Whether a period could be that of a report at all. A longer one could have its middle today and its end in another
/// decade.
pub(super) fn is_believable(period: DateRange) -> bool {
    period.is_plausible() && period.end.saturating_sub(period.begin) <= weights::LONGEST_PERIOD
}

/// What comes before the first silence after which too little is said. Sorted, as `said` is.
fn before_an_unbelieved_silence<R: Copy + Ord>(said: &[(i64, R)]) -> &[(i64, R)] {
    let silences = said.windows(2).enumerate().filter_map(|(at, pair)| match pair {
        [(last, _), (next, _)] if next - last > weights::SILENCE_DAYS => Some(at + 1),
        _ => None,
    });
    let unbelieved = silences
        .map(|at| said.split_at(at))
        .find(|(before, after)| after.len() <= before.len() && !are_back(before, after));
    unbelieved.map_or(said, |(before, _)| before)
}

/// Whether at least half of those who reported last before a silence report after it, and more than once in all.
fn are_back<R: Copy + Ord>(before: &[(i64, R)], after: &[(i64, R)]) -> bool {
    let last = before.last().map_or(i64::MIN, |(day, _)| *day);
    let recent = before.iter().rev().take_while(|(day, _)| last - day <= weights::SILENCE_DAYS);
    let known: BTreeSet<R> = recent.map(|(_, reporter)| *reporter).collect();
    let known_after = after.iter().map(|(_, reporter)| *reporter).filter(|reporter| known.contains(reporter));
    let times = known_after.clone().count();
    let back: BTreeSet<R> = known_after.collect();
    times >= 2 && back.len() * 2 >= known.len()
}

/// Whether nobody else says anything of the last days before what is said at `at`, and whoever says it has neither kept
/// reporting nor said more than all that came before it was alone.
fn is_alone_ahead<R: Copy + Ord>(said: &[(i64, R)], at: usize) -> bool {
    let (until, _) = said.split_at((at + 1).min(said.len()));
    let Some((day, reporter)) = until.last().copied() else { return false };
    let Some((others, _)) = until.iter().rev().find(|(_, other)| *other != reporter).copied() else {
        return false;
    };
    let (before, alone) = until.split_at(until.partition_point(|(day, _)| *day <= others));
    day - others > weights::AHEAD_DAYS
        && alone.len() <= before.len()
        && !keeps_reporting(reporter, before, alone)
}

/// Whether a reporter that spoke `before`, too, has spoken several times since it is `alone`, and the last times not far apart.
fn keeps_reporting<R: Copy + Ord>(reporter: R, before: &[(i64, R)], alone: &[(i64, R)]) -> bool {
    let last = alone.len().checked_sub(weights::KEEPS_REPORTING).and_then(|from| alone.get(from..));
    let steps = |last: &[(i64, R)]| {
        let is_step = |(a, b): (&(i64, R), &(i64, R))| b.0 - a.0 <= weights::KEEPS_REPORTING_DAYS;
        last.iter().zip(last.iter().skip(1)).all(is_step)
    };
    before.iter().any(|(_, who)| *who == reporter) && last.is_some_and(steps)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TODAY: i64 = 20_700;

    fn period(day: i64) -> DateRange {
        DateRange::new(day * 86_400, day * 86_400 + 86_399)
    }

    /// Who reported on which days, counted from today.
    fn newest(said: &[(&str, &[i64])]) -> i64 {
        let reports = said.iter().flat_map(|(who, days)| days.iter().map(|day| (*who, period(TODAY + day))));
        newest_day(reports).unwrap() - TODAY
    }

    fn days(days: std::ops::RangeInclusive<i64>) -> Vec<i64> {
        days.collect()
    }

    #[test]
    fn knows_no_newest_day_without_a_plausible_period() {
        assert_eq!(newest_day::<&str>([]), None);
        for (begin, end) in
            [(0, 86_399), (i64::MIN, i64::MAX), (7_258_118_400, 7_258_204_799), (1_788_220_800, 0)]
        {
            assert_eq!(newest_day([("a", DateRange::new(begin, end))]), None, "{begin}");
        }
    }

    #[test]
    fn believes_no_period_of_decades_whose_middle_is_today() {
        let middle = TODAY * 86_400;
        let wide = DateRange::new(middle - 5_000 * 86_400, middle + 5_000 * 86_400);
        assert_eq!(newest_day([("a", period(TODAY - 9)), ("b", wide)]), Some(TODAY - 9));
    }

    #[test]
    fn is_moved_by_no_report_of_another_year() {
        let good = days(-40..=0);
        assert_eq!(newest(&[("a", &good), ("liar", &[26_000])]), 0);
        assert_eq!(newest(&[("a", &good), ("liar", &[-7_000])]), 0);
        assert_eq!(newest(&[("a", &good), ("liar", &[-42])]), 0);
        assert_eq!(newest(&[("a", &[-60, -40, -20, 0]), ("liar", &[-65])]), 0);
        // Its own clock once went wrong.
        assert_eq!(newest(&[("a", &[good.as_slice(), &[26_000]].concat())]), 0);
        // Two that agree about it.
        assert_eq!(newest(&[("a", &good), ("liar", &[26_000, 26_001]), ("other", &[26_000])]), 0);
    }

    #[test]
    fn believes_no_single_reporter_that_is_ahead_of_the_others() {
        let good = days(-40..=0);
        for ahead in [3, 7, 20, 29] {
            assert_eq!(newest(&[("a", &good), ("b", &good), ("liar", &[ahead])]), 0, "{ahead}");
            assert_eq!(newest(&[("a", &good), ("liar", &[ahead])]), 0, "{ahead}");
        }
        assert_eq!(newest(&[("a", &good), ("b", &good), ("early", &[2])]), 2);
    }

    #[test]
    fn believes_the_only_one_that_still_reports() {
        let rare: &[i64] = &[-40, -25];
        assert_eq!(newest(&[("a", &days(-40..=0)), ("b", rare)]), 0);
        assert_eq!(newest(&[("a", &[-40, -20, -14, -7, 0]), ("b", rare)]), 0);
        assert_eq!(newest(&[("a", &days(-40..=0))]), 0);
    }

    #[test]
    fn goes_on_after_an_outage_once_those_who_reported_before_are_back() {
        let before = days(-120..=-60);
        assert_eq!(newest(&[("a", &before), ("b", &before), ("liar", &[0, -1, -2])]), -60);
        let a = [before.as_slice(), &[-2, -1, 0]].concat();
        assert_eq!(newest(&[("a", &a), ("b", &before)]), 0);
        let a = [before.as_slice(), &[0]].concat();
        assert_eq!(newest(&[("a", &a), ("b", &a)]), 0);
        assert_eq!(newest(&[("a", &a), ("b", &before)]), -60);
    }

    proptest! {
        #[test]
        fn is_the_same_in_any_order_and_however_often_a_report_is_repeated(
            mut said in prop::collection::vec((0_u8..4, 0_i64..200), 0..60),
            seed in any::<prop::sample::Index>(),
        ) {
            let of = |said: &[(u8, i64)]| newest_day(said.iter().map(|(who, day)| (*who, period(*day + TODAY))));
            let first = of(&said);
            if !said.is_empty() {
                let at = seed.index(said.len());
                said.rotate_left(at);
                said.push(said[at]);
                said.reverse();
            }
            prop_assert_eq!(of(&said), first);
            let last = said.iter().map(|(_, day)| *day + TODAY).max();
            prop_assert!(first <= last && first.is_some() == last.is_some());
        }

        #[test]
        fn one_report_moves_it_by_two_days_at_most(
            who in prop::collection::vec(0_u8..4, 1..4),
            days in 15_i64..60,
            other in 0_u8..6,
            at in -20_000_i64..20_000,
        ) {
            let daily = || (0..days).flat_map(|day| who.iter().map(move |who| (*who, period(TODAY + day))));
            let newest = newest_day(daily()).unwrap();
            prop_assert_eq!(newest, TODAY + days - 1);
            let moved = newest_day(daily().chain([(other, period(newest + at))])).into_iter().next();
            // Who reports every day by itself may skip a week; one that is new may not.
            let reach = if who.contains(&other) { 30 } else { 2 };
            prop_assert!(moved.is_some_and(|moved| (newest..=newest + reach).contains(&moved)), "{:?}", moved);
        }
    }
}
