//! What all questions have in common: what they are asked of, which part of it counts, and how the answer is written.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use dmarc_core::Domain;
use dmarc_core::domain::is_at_or_below;
use dmarc_core::time::rfc3339;
use dmarc_ingest::source::Paths;
use dmarc_ingest::store::{Dataset, DatasetReader};
use dmarc_ingest::{Config, IngestError, Settings, ingest};
use tempfile::TempDir;

use crate::Output;
use crate::commands::limits;
use crate::commands::setup::Setup;
use crate::error::{CommandError, Kind};
use crate::render::answer::{Answer, Format};
use crate::render::intake::Intake;
use crate::render::trouble::Trouble;

const DAY: i64 = 86_400;

/// What a question is asked of, and how its answer is written.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Question {
    /// Mail, Maildir, mbox, report or folder of these; `-` reads standard input; without any, the dataset
    #[arg(value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    setup: Setup,

    #[command(flatten)]
    scope: Scope,

    /// How to write the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Rows at most; how many are left out is said
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

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

/// The part of the data that counts. Times are in seconds since the Unix epoch, UTC, and count themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Domains in normal form; all if there is none.
    pub(crate) domains: Vec<String>,
    /// The first second in which the period of a report may begin.
    pub(crate) since: Option<i64>,
    /// The last one.
    pub(crate) until: Option<i64>,
}

/// What a question is asked of.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) reader: DatasetReader,
    pub(crate) bounds: Bounds,
    /// The folder of mail that was taken in for this question alone; removed at the end.
    _folder: Option<TempDir>,
}

impl Question {
    /// Takes in what was named, asks, and writes the answer.
    pub(crate) fn answer(
        &self,
        output: &mut Output<'_>,
        ask: impl FnOnce(&Subject) -> Result<Answer, CommandError>,
    ) -> Result<(), CommandError> {
        let mut trouble = Trouble::default();
        let (reader, folder) = if self.paths.is_empty() {
            (self.setup.reader(&self.setup.config()?)?, None)
        } else {
            let folder = tempfile::Builder::new().prefix("dmarc-").tempdir().map_err(unwritable)?;
            (self.take_in(&folder, &mut trouble)?, Some(folder))
        };
        // What was refused is said first, so that the answer is what stays on the screen.
        let ended = trouble.finish(output.err);
        let bounds = self.scope.bounds(&reader, output)?;
        let mut answer = ask(&Subject { reader, bounds, _folder: folder })?;
        if let Some(limit) = self.limit {
            answer.limit(limit);
        }
        answer.write(self.format, output.screen, output.out, output.err).map_err(CommandError::output)?;
        ended
    }

    /// Takes what was named into a dataset of its own. Nothing is asked of the network, so no signature is checked.
    fn take_in(&self, folder: &TempDir, trouble: &mut Trouble) -> Result<DatasetReader, CommandError> {
        let config = self.setup.named_config()?;
        let settings = Settings { limits: limits(), owner: config.owner, resolver: None, acknowledge: false };
        let dataset = Mutex::new(Dataset::open(folder.path())?);
        let mut source = Paths::new(&self.paths, &settings.limits, Config::default().limits.batch());
        let mut intake = Intake::default();
        let taken = ingest(&mut source, &dataset, &settings, &mut intake, &AtomicBool::new(false));
        taken.map_err(|error| match error {
            IngestError::Dataset(error) => error.into(),
            error => CommandError::new(Kind::Unreachable, error),
        })?;
        *trouble = intake.into_trouble();
        Ok(DatasetReader::open(folder.path())?)
    }
}

impl Scope {
    /// Finds out which reports of this dataset count, and says what ages count back from.
    pub(crate) fn bounds(
        &self,
        reader: &DatasetReader,
        output: &mut Output<'_>,
    ) -> Result<Bounds, CommandError> {
        let is_age = |when: &Option<When>| matches!(when, Some(When::Age(_)));
        let newest = if is_age(&self.since) || is_age(&self.until) { reader.newest()? } else { None };
        // Without any data no age means anything, and nothing is left out.
        let end = newest.map_or(0, |newest| newest.div_euclid(DAY).saturating_add(1).saturating_mul(DAY));
        if newest.is_some() {
            // Standard error may be closed.
            drop(writeln!(output.err, "ages count back from the end of {}", rfc3339(end.saturating_sub(1))));
        }
        let bounds = Bounds {
            domains: self.domains.clone(),
            since: self.since.map(|when| when.first(end)),
            until: self.until.map(|when| when.last(end)),
        };
        if let (Some(since), Some(until)) = (bounds.since, bounds.until)
            && since > until
        {
            let what = format!("no time is since {} and until {}", rfc3339(since), rfc3339(until));
            return Err(CommandError::new(Kind::Usage, anyhow::Error::msg(what)));
        }
        Ok(bounds)
    }
}

impl When {
    fn first(self, end: i64) -> i64 {
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

impl Bounds {
    /// Whether a report about this domain, whose period begins then, counts.
    pub(crate) fn contain(&self, domain: &str, begin: i64) -> bool {
        self.contain_row(domain, Some(begin))
    }

    /// The same where it may be unknown when that was: then it counts only if all times do.
    pub(crate) fn contain_row(&self, domain: &str, begin: Option<i64>) -> bool {
        let is_of_domain =
            self.domains.is_empty() || self.domains.iter().any(|asked| is_at_or_below(domain, asked));
        is_of_domain
            && self.since.is_none_or(|since| begin.is_some_and(|begin| begin >= since))
            && self.until.is_none_or(|until| begin.is_some_and(|begin| begin <= until))
    }
}

fn domain(text: &str) -> Result<String, String> {
    let domain = Domain::new(text);
    if domain.is_host_name() {
        Ok(domain.as_str().to_owned())
    } else {
        Err("expected a domain such as example.org".to_owned())
    }
}

fn when(text: &str) -> Result<When, String> {
    let time = text.parse::<jiff::Timestamp>().map(|time| When::Second(time.as_second()));
    let day = || format!("{text}T00:00:00Z").parse::<jiff::Timestamp>().map(|day| When::Day(day.as_second()));
    let found = time.or_else(|_| day()).ok().or_else(|| age(text));
    found.ok_or_else(|| {
        "expected a date such as 2026-01-31, an RFC 3339 time, or an age such as 30d or 4w".to_owned()
    })
}

fn age(text: &str) -> Option<When> {
    let days = text.strip_suffix('d').map(|number| (number, 1));
    let (number, days) = days.or_else(|| text.strip_suffix('w').map(|number| (number, 7)))?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = number.parse().ok().filter(|_| is_number)?;
    number.checked_mul(days).map(When::Age)
}

fn unwritable(error: std::io::Error) -> CommandError {
    let cause = anyhow::Error::new(error).context("cannot make a folder for what was named");
    CommandError::new(Kind::Unreachable, cause).hint("TMPDIR says where such folders are made")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWEST: i64 = 1_789_084_800;

    #[test]
    fn reads_dates_times_and_ages() {
        assert_eq!(when("2026-09-11"), Ok(When::Day(NEWEST)));
        assert_eq!(when("2026-09-11T02:00:00+02:00"), Ok(When::Second(NEWEST)));
        assert_eq!((when("30d"), when("4w")), (Ok(When::Age(30)), Ok(When::Age(28))));
        for wrong in ["", "d", "-1d", "+1d", "30", "30h", "2026-13-01", "9999999999999999999w", "1e3d"] {
            assert!(when(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn counts_whole_days_back_from_the_end_of_the_newest() {
        let end = NEWEST + DAY;
        assert_eq!(When::Age(1).first(end), NEWEST);
        assert_eq!(When::Age(1).last(end), NEWEST - 1);
        assert_eq!(When::Day(NEWEST).last(end), NEWEST + DAY - 1);
        assert_eq!(When::Second(NEWEST).last(end), NEWEST);
    }

    #[test]
    fn takes_a_domain_with_what_is_below_it() {
        let bounds = Bounds { domains: vec!["example.org".to_owned()], since: Some(5), until: Some(9) };
        for (domain, begin, expected) in [
            ("example.org", 5, true),
            ("a.example.org", 9, true),
            ("badexample.org", 7, false),
            ("example.org", 4, false),
            ("example.org", 10, false),
        ] {
            assert_eq!(bounds.contain(domain, begin), expected, "{domain} {begin}");
        }
        assert!(Bounds::default().contain("", i64::MIN));
    }

    #[test]
    fn brings_domains_into_normal_form() {
        assert_eq!(domain("Müller.Example."), Ok("xn--mller-kva.example".to_owned()));
        assert!(domain("not a domain").is_err());
    }
}
