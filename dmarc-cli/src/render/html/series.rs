//! From days to the bars of a chart: at most a hundred, whatever dates reports claim.

use dmarc_core::findings::DayTotals;

use super::words::tenths;

/// Days without a record that part what belongs together from what a report claims of another time.
const APART: i64 = 180;
/// Bars of a chart at most.
const BARS: i64 = 100;
/// Days of a bar: as few of them as leave no more than [`BARS`]; then whole multiples of the last.
const STEPS: [i64; 3] = [1, 7, 28];

/// Bars of equal length, one after the other.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Series {
    /// Days of each bar.
    pub(super) step: i64,
    pub(super) bars: Vec<Bar>,
    /// Messages of days that are far from all others.
    pub(super) left_out: u64,
}

/// Messages of some days that follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bar {
    /// The first of its days, in days since the Unix epoch, UTC.
    pub(super) day: i64,
    pub(super) passed: u64,
    /// Messages that failed and were quarantined or rejected.
    pub(super) blocked: u64,
    /// Messages that failed and were delivered all the same.
    pub(super) delivered: u64,
}

impl Series {
    /// The bars of `days`, which are sorted.
    pub(super) fn new(days: &[DayTotals]) -> Self {
        let runs = days.chunk_by(|a, b| b.day.saturating_sub(a.day) <= APART);
        let run = runs.max_by_key(|run| (run.len(), run.last().map(|last| last.day))).unwrap_or_default();
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Self::default() };
        let span = last.day - first.day + 1;
        let step = step(span);
        let starts = (0..=(span - 1) / step).map(|at| first.day.saturating_add(at * step));
        let mut bars: Vec<Bar> = starts.map(|day| Bar { day, ..Bar::default() }).collect();
        for totals in run {
            let at = usize::try_from((totals.day - first.day) / step).unwrap_or_default();
            bars.get_mut(at).into_iter().for_each(|bar| bar.add(totals));
        }
        let all = |days: &[DayTotals]| {
            days.iter()
                .fold(0_u64, |sum, day| sum.saturating_add(day.dmarc_pass).saturating_add(day.dmarc_fail))
        };
        Self { step, bars, left_out: all(days).saturating_sub(all(run)) }
    }
}

impl Bar {
    /// Its messages.
    pub(super) fn messages(&self) -> u64 {
        self.passed.saturating_add(self.failed())
    }

    /// Its messages that failed.
    pub(super) fn failed(&self) -> u64 {
        self.blocked.saturating_add(self.delivered)
    }

    /// The share that passed, in tenths of a percent; `None` without a message.
    pub(super) fn rate(&self) -> Option<u64> {
        tenths(self.passed, self.messages())
    }

    fn add(&mut self, day: &DayTotals) {
        self.passed = self.passed.saturating_add(day.dmarc_pass);
        self.delivered = self.delivered.saturating_add(day.delivered_failing);
        let blocked = day.dmarc_fail.saturating_sub(day.delivered_failing);
        self.blocked = self.blocked.saturating_add(blocked);
    }
}

/// Days of a bar where `span` days are shown.
fn step(span: i64) -> i64 {
    let [.., longest] = STEPS;
    let fits = |step: &i64| span <= step * BARS;
    STEPS.into_iter().find(fits).unwrap_or_else(|| (span / (BARS * longest) + 1) * longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64, passed: u64, failed: u64, delivered: u64) -> DayTotals {
        let mut totals = DayTotals::default();
        (totals.day, totals.dmarc_pass, totals.dmarc_fail, totals.delivered_failing) =
            (day, passed, failed, delivered);
        totals
    }

    #[test]
    fn makes_a_bar_of_each_day_and_of_days_without_mail() {
        let series = Series::new(&[day(20_000, 90, 10, 4), day(20_002, 0, 5, 5)]);
        let bar = |day, passed, blocked, delivered| Bar { day, passed, blocked, delivered };
        assert_eq!(series.bars, [bar(20_000, 90, 6, 4), bar(20_001, 0, 0, 0), bar(20_002, 0, 0, 5)]);
        assert_eq!(series.bars.iter().map(Bar::rate).collect::<Vec<_>>(), [Some(900), None, Some(0)]);
        assert_eq!((series.step, series.left_out), (1, 0));
    }

    #[test]
    fn takes_days_together_where_they_are_many_and_loses_no_message() {
        for span in [1, 2, 100, 101, 700, 701, 2_800, 2_801, 9_999, 100_000] {
            let days: Vec<_> = (0..span).map(|at| day(at - 5, 2, 1, 1)).collect();
            let series = Series::new(&days);
            let messages: u64 = series.bars.iter().map(Bar::messages).sum();
            assert!(series.bars.len() <= 100, "{span}: {}", series.bars.len());
            assert_eq!((messages, series.left_out), (3 * u64::try_from(span).unwrap(), 0), "{span}");
        }
    }

    #[test]
    fn is_not_stretched_by_a_report_of_another_time() {
        let days =
            [day(i64::MIN, 1, 0, 0), day(20_000, 1, 1, 0), day(20_001, 1, 0, 0), day(i64::MAX, 7, 2, 0)];
        let series = Series::new(&days);
        assert_eq!(series.bars.len(), 2);
        assert_eq!(series.left_out, 10);
        assert_eq!(Series::new(&[]), Series::default());
    }
}
