//! How a source moves: new, gone, more, less. From the days of its mail and of the domain, never from a clock.

use std::collections::BTreeMap;

use super::view::Days;
use super::weights;

/// How a source moved in the last days that the reports cover, against the days before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Novelty {
    /// First seen in the last 7 days.
    New,
    /// Back in the last 7 days, after at least 14 days without it.
    Reopened,
    /// At least twice as much a day as before.
    Worse,
    /// Neither of the others.
    Ongoing,
    /// At most half as much a day as before.
    Better,
    /// Not seen for 14 days, while other mail of the domain was reported.
    Resolved,
}

impl Novelty {
    /// The name of the value in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Reopened => "reopened",
            Self::Worse => "worse",
            Self::Ongoing => "ongoing",
            Self::Better => "better",
            Self::Resolved => "resolved",
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Novelty {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How a source with these messages by day moves, where reports cover `covered`.
pub(super) fn novelty(by_day: &BTreeMap<i64, u64>, covered: Days) -> Novelty {
    let (Some((first, _)), Some((last, _))) = (by_day.first_key_value(), by_day.last_key_value()) else {
        return Novelty::Ongoing;
    };
    let recent = covered.last.saturating_sub(weights::RECENT_DAYS - 1);
    if covered.last.saturating_sub(*last) >= weights::QUIET_DAYS {
        Novelty::Resolved
    } else if *first >= recent && *first > covered.first {
        Novelty::New
    } else if comeback(by_day).is_some_and(|day| day >= recent) {
        Novelty::Reopened
    } else {
        trend(by_day, recent, recent.saturating_sub(weights::BASELINE_DAYS).max(*first))
    }
}

/// The day on which it last came back after a long silence.
fn comeback(by_day: &BTreeMap<i64, u64>) -> Option<i64> {
    let pairs = by_day.keys().zip(by_day.keys().skip(1));
    pairs
        .filter(|(before, after)| *after - *before > weights::QUIET_DAYS)
        .map(|(_, after)| *after)
        .next_back()
}

/// Messages a day from `recent` on, against those from `base` until then.
fn trend(by_day: &BTreeMap<i64, u64>, recent: i64, base: i64) -> Novelty {
    let sum =
        |days: std::ops::Range<i64>| by_day.range(days).fold(0_u128, |sum, (_, n)| sum + u128::from(*n));
    let baseline_days = u128::try_from(recent.saturating_sub(base)).unwrap_or_default();
    let recent_days = u128::try_from(weights::RECENT_DAYS).unwrap_or(1);
    if baseline_days < recent_days {
        return Novelty::Ongoing;
    }
    // Both sums as if they were of as many days.
    let now = sum(recent..i64::MAX) * baseline_days;
    let before = sum(base..recent) * recent_days;
    let is_much = |more: u128, less: u128| {
        more >= 2 * less && more - less >= u128::from(weights::TREND_MESSAGES) * baseline_days
    };
    if is_much(now, before) {
        Novelty::Worse
    } else if is_much(before, now) {
        Novelty::Better
    } else {
        Novelty::Ongoing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(days: impl IntoIterator<Item = (i64, u64)>) -> Novelty {
        novelty(&days.into_iter().collect(), Days { first: 0, last: 60 })
    }

    #[test]
    fn calls_new_what_was_first_seen_in_the_last_week() {
        assert_eq!(of([(54, 3)]), Novelty::New);
        assert_eq!(of([(53, 3), (60, 3)]), Novelty::Ongoing);
    }

    #[test]
    fn calls_nothing_new_where_nothing_was_reported_before() {
        let all = Days { first: 58, last: 60 };
        assert_eq!(novelty(&BTreeMap::from([(58, 3)]), all), Novelty::Ongoing);
    }

    #[test]
    fn calls_resolved_what_was_not_seen_for_two_weeks() {
        assert_eq!(of([(10, 9), (46, 9)]), Novelty::Resolved);
        assert_eq!(of([(40, 9), (47, 9)]), Novelty::Ongoing);
    }

    #[test]
    fn calls_reopened_what_came_back_after_two_weeks_of_silence() {
        assert_eq!(of([(10, 9), (56, 9)]), Novelty::Reopened);
        assert_eq!(of([(10, 9), (50, 9), (56, 9)]), Novelty::Ongoing);
    }

    #[test]
    fn compares_the_last_week_with_the_four_before() {
        let steady = |recent| (20..=60).map(move |day| (day, if day > 53 { recent } else { 10 }));
        assert_eq!(of(steady(10)), Novelty::Ongoing);
        assert_eq!(of(steady(19)), Novelty::Ongoing);
        assert_eq!(of(steady(20)), Novelty::Worse);
        assert_eq!(of(steady(5)), Novelty::Better);
        assert_eq!(of(steady(0)), Novelty::Better);
    }

    #[test]
    fn sees_no_trend_in_a_handful_of_messages() {
        assert_eq!(of([(30, 1), (40, 1), (50, 1), (59, 2), (60, 2)]), Novelty::Ongoing);
    }
}
