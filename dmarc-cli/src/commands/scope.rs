//! Which reports a question is about.

use dmarc_core::Domain;
use dmarc_core::record::Selection;
use dmarc_core::time::rfc3339;

use crate::Output;
use crate::error::{CommandError, Kind};

const DAY: i64 = 86_400;

/// Which reports count.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Scope {
    /// Only this policy domain and what is below it; may be repeated
    #[arg(long = "domain", value_name = "NAME", value_parser = domain)]
    domains: Vec<String>,

    /// Only reports whose period begins then or later: a date, an RFC 3339 time, or an age such as 30d or 4w, which counts
    /// back from the newest day in the data
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<When>,

    /// Only reports whose period begins then or earlier; a day counts as a whole
    #[arg(long, value_name = "WHEN", value_parser = when)]
    until: Option<When>,
}

/// A time as it is asked for, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Seconds since the Unix epoch.
    Second(i64),
    /// The first second of a day.
    Day(i64),
    /// Days before the end of the newest day.
    Age(i64),
}

impl Scope {
    /// The same about the last days, unless another time is asked for.
    pub(crate) fn or_since(mut self, days: i64) -> Self {
        if self.since.is_none() && self.until.is_none() {
            self.since = Some(When::Age(days));
        }
        self
    }

    /// The reports that count, where `newest` tells the newest day of the data, in days since the Unix epoch. It is asked only
    /// where an age is given, and said then.
    pub(crate) fn selection(
        &self,
        newest: impl FnOnce() -> Result<Option<i64>, CommandError>,
        output: &mut Output<'_>,
    ) -> Result<Selection, CommandError> {
        let is_age = |when: &Option<When>| matches!(when, Some(When::Age(_)));
        let newest = if is_age(&self.since) || is_age(&self.until) { newest()? } else { None };
        // Without any data no age means anything, and nothing is left out.
        let end = newest.map_or(0, end_of);
        if newest.is_some() {
            // Standard error may be closed.
            drop(writeln!(output.err, "ages count back from the end of {}", rfc3339(end.saturating_sub(1))));
        }
        let mut selection = Selection::default();
        selection.domains.clone_from(&self.domains);
        selection.since = self.since.map(|when| when.first(end));
        selection.until = self.until.map(|when| when.last(end));
        if let (Some(since), Some(until)) = (selection.since, selection.until)
            && since > until
        {
            let what = format!("no time is since {} and until {}", rfc3339(since), rfc3339(until));
            return Err(CommandError::new(Kind::Usage, anyhow::Error::msg(what)));
        }
        Ok(selection)
    }
}

impl When {
    /// Its first second, where ages count back from `end`.
    pub(crate) fn first(self, end: i64) -> i64 {
        match self {
            Self::Second(second) | Self::Day(second) => second,
            Self::Age(days) => end.saturating_sub(days.saturating_mul(DAY)),
        }
    }

    fn last(self, end: i64) -> i64 {
        match self {
            Self::Second(second) => second,
            Self::Day(first) => first.saturating_add(DAY - 1),
            Self::Age(_) => self.first(end).saturating_sub(1),
        }
    }
}

/// The first second after a day that is counted in days since the Unix epoch.
pub(crate) fn end_of(day: i64) -> i64 {
    day.saturating_add(1).saturating_mul(DAY)
}

fn domain(text: &str) -> Result<String, String> {
    let domain = Domain::new(text);
    if domain.is_host_name() {
        Ok(domain.as_str().to_owned())
    } else {
        Err("expected a domain such as example.org".to_owned())
    }
}

pub(crate) fn when(text: &str) -> Result<When, String> {
    let time = text.parse::<jiff::Timestamp>().map(|time| When::Second(time.as_second()));
    let day = || format!("{text}T00:00:00Z").parse::<jiff::Timestamp>().map(|day| When::Day(day.as_second()));
    let found = time.or_else(|_| day()).ok().or_else(|| age(text));
    found.ok_or_else(|| {
        "expected a date such as 2026-01-31, an RFC 3339 time, or an age such as 30d or 4w".to_owned()
    })
}

fn age(text: &str) -> Option<When> {
    let (number, days) =
        text.strip_suffix('d').map(|n| (n, 1)).or_else(|| text.strip_suffix('w').map(|n| (n, 7)))?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = number.parse().ok().filter(|_| is_number)?;
    number.checked_mul(days).map(When::Age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_days_times_and_ages_and_nothing_else() {
        assert_eq!(when("1970-01-02"), Ok(When::Day(DAY)));
        assert_eq!(when("1970-01-01T00:01:00Z"), Ok(When::Second(60)));
        assert_eq!([when("30d"), when("4w")], [Ok(When::Age(30)), Ok(When::Age(28))]);
        for text in ["", "d", "-1d", "+3d", "3h", "2026-13-01", "yesterday", "99999999999999999999d"] {
            assert!(when(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_a_day_as_a_whole_and_ages_from_the_end_of_the_newest_day() {
        assert_eq!((When::Day(0).first(9), When::Day(0).last(9)), (0, DAY - 1));
        assert_eq!(When::Age(2).first(10 * DAY), 8 * DAY);
        assert_eq!(When::Age(2).last(10 * DAY), 8 * DAY - 1);
    }
}
