//! What the service counts, and how it looks to Prometheus (text format 0.0.4).
//!
//! Plain atomics in one struct: counting never waits and never fails. Names and labels are part of what operators build
//! on; a metric is added, not renamed. No label has a value that comes from a mail.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// `count` more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The sum so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that is what it is now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Replaces what it was.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it is.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Time spent, and how often. Kept in microseconds.
#[derive(Debug, Default)]
pub struct Spent {
    micros: Counter,
    times: Counter,
}

impl Spent {
    /// Once more, for so long.
    pub fn add(&self, time: Duration) {
        self.micros.add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        self.times.increment();
    }

    /// The sum, and of how many.
    pub fn value(&self) -> (Duration, u64) {
        (Duration::from_micros(self.micros.value()), self.times.value())
    }
}

/// Everything that is counted.
#[derive(Debug)]
#[non_exhaustive]
pub struct Metrics {
    /// Mails in which there was a report.
    pub mails_with_report: Counter,
    /// Mails in which there was none.
    pub mails_without_report: Counter,
    /// Mails set aside because a part of them claims to be a report and is none, or because reading them failed.
    pub mails_quarantined: Counter,
    /// Reports that are new and count.
    pub reports_stored: Counter,
    /// Copies of a report that was stored before.
    pub reports_duplicate: Counter,
    /// Reports that contradict another with the same identity.
    pub reports_conflict: Counter,
    /// Parts that claim to be a report and gave none.
    pub reports_refused: Counter,
    /// Reports that did not come from whom they say, or are about domains of others.
    pub reports_untrusted: Counter,
    /// Bytes of mail read.
    pub bytes_read: Counter,
    /// Batches of mail whose reports are durable.
    pub batches_committed: Counter,
    /// Published segments of the dataset.
    pub segments: Gauge,
    /// Rows in them.
    pub dataset_rows: Gauge,
    /// Messages that the rows count.
    pub dataset_messages: Gauge,
    /// Committing to the ledger.
    pub ledger_commits: Spent,
    mailboxes: BTreeMap<String, MailboxMetrics>,
    started: Instant,
}

/// What is counted for each mailbox.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct MailboxMetrics {
    /// Connections that could not be made, or broke.
    pub connection_errors: Counter,
    /// Connections made after the first.
    pub reconnects: Counter,
    /// Time spent waiting before connecting again.
    pub backoff: Spent,
    /// In seconds since the Unix epoch; 0 if there was none.
    last_success: Gauge,
    /// In milliseconds since the start, and one; 0 if there was none. Unlike the time of day it never jumps.
    last_success_age_mark: Gauge,
}

impl Metrics {
    /// All at zero, for mailboxes of these names.
    #[must_use]
    pub fn new(mailboxes: impl IntoIterator<Item = String>) -> Self {
        Self {
            mails_with_report: Counter::default(),
            mails_without_report: Counter::default(),
            mails_quarantined: Counter::default(),
            reports_stored: Counter::default(),
            reports_duplicate: Counter::default(),
            reports_conflict: Counter::default(),
            reports_refused: Counter::default(),
            reports_untrusted: Counter::default(),
            bytes_read: Counter::default(),
            batches_committed: Counter::default(),
            segments: Gauge::default(),
            dataset_rows: Gauge::default(),
            dataset_messages: Gauge::default(),
            ledger_commits: Spent::default(),
            mailboxes: mailboxes.into_iter().map(|name| (name, MailboxMetrics::default())).collect(),
            started: Instant::now(),
        }
    }

    /// What is counted for the mailbox `name`; `None` if it is none of the configured.
    pub fn mailbox(&self, name: &str) -> Option<&MailboxMetrics> {
        self.mailboxes.get(name)
    }

    /// Notes that a pass over the mailbox `name` has just succeeded.
    pub fn succeeded(&self, name: &str) {
        let Some(mailbox) = self.mailbox(name) else { return };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        mailbox.last_success.set(now.as_secs());
        mailbox.last_success_age_mark.set(self.millis().saturating_add(1));
    }

    /// Each mailbox and how long ago a pass over it succeeded; `None` if none has.
    pub fn last_successes(&self) -> impl Iterator<Item = (&str, Option<Duration>)> {
        let now = self.millis();
        self.mailboxes.iter().map(move |(name, mailbox)| {
            let mark = mailbox.last_success_age_mark.value().checked_sub(1);
            (name.as_str(), mark.map(|mark| Duration::from_millis(now.saturating_sub(mark))))
        })
    }

    /// Everything in the text format of Prometheus.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        self.write(&mut text).unwrap_or_default();
        text
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        family(out, "dmarc_mails_total", "counter", "Mails read, by what was in them.")?;
        for (outcome, counter) in [
            ("report", &self.mails_with_report),
            ("no_report", &self.mails_without_report),
            ("quarantined", &self.mails_quarantined),
        ] {
            labelled(out, "dmarc_mails_total", "outcome", outcome, counter.value())?;
        }
        family(out, "dmarc_reports_total", "counter", "Reports read, by what became of them.")?;
        for (outcome, counter) in [
            ("stored", &self.reports_stored),
            ("duplicate", &self.reports_duplicate),
            ("conflict", &self.reports_conflict),
            ("refused", &self.reports_refused),
            ("untrusted", &self.reports_untrusted),
        ] {
            labelled(out, "dmarc_reports_total", "outcome", outcome, counter.value())?;
        }
        for (name, kind, help, value) in [
            ("dmarc_read_bytes_total", "counter", "Bytes of mail read.", self.bytes_read.value()),
            (
                "dmarc_batches_committed_total",
                "counter",
                "Batches of mail whose reports are durable.",
                self.batches_committed.value(),
            ),
            ("dmarc_dataset_segments", "gauge", "Published segments.", self.segments.value()),
            ("dmarc_dataset_rows", "gauge", "Rows in published segments.", self.dataset_rows.value()),
            (
                "dmarc_dataset_messages",
                "gauge",
                "Messages that the rows of published segments count.",
                self.dataset_messages.value(),
            ),
        ] {
            family(out, name, kind, help)?;
            writeln!(out, "{name} {value}")?;
        }
        let (time, times) = self.ledger_commits.value();
        let name = "dmarc_ledger_commit_duration_seconds";
        family(out, name, "summary", "Time of commits to the ledger.")?;
        writeln!(out, "{name}_sum {}\n{name}_count {times}", time.as_secs_f64())?;
        self.write_mailboxes(out)
    }

    fn write_mailboxes(&self, out: &mut String) -> fmt::Result {
        type Pick = fn(&MailboxMetrics) -> Option<f64>;
        let families: [(&str, &str, &str, Pick); 4] = [
            (
                "dmarc_mailbox_last_success_timestamp_seconds",
                "gauge",
                "When the last pass over the mailbox succeeded; absent if none did.",
                |mailbox| Some(mailbox.last_success.value()).filter(|&at| at > 0).map(precise),
            ),
            (
                "dmarc_mailbox_connection_errors_total",
                "counter",
                "Connections that could not be made, or broke.",
                |mailbox| Some(precise(mailbox.connection_errors.value())),
            ),
            ("dmarc_mailbox_reconnects_total", "counter", "Connections made after the first.", |mailbox| {
                Some(precise(mailbox.reconnects.value()))
            }),
            (
                "dmarc_mailbox_backoff_seconds_total",
                "counter",
                "Time spent waiting before connecting again.",
                |mailbox| Some(mailbox.backoff.value().0.as_secs_f64()),
            ),
        ];
        for (name, kind, help, pick) in families {
            family(out, name, kind, help)?;
            for (mailbox, metrics) in &self.mailboxes {
                if let Some(value) = pick(metrics) {
                    labelled(out, name, "mailbox", mailbox, value)?;
                }
            }
        }
        Ok(())
    }
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

fn labelled(
    out: &mut String,
    name: &str,
    label: &str,
    value: &str,
    number: impl fmt::Display,
) -> fmt::Result {
    write!(out, "{name}{{{label}=\"")?;
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            _ => out.push(c),
        }
    }
    writeln!(out, "\"}} {number}")
}

/// Prometheus holds numbers as `f64`; exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "the format has no other numbers")]
fn precise(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'t>(text: &'t str, start: &str) -> Option<&'t str> {
        text.lines().find(|line| line.starts_with(start))
    }

    #[test]
    fn renders_each_family_once_with_help_and_type() {
        let metrics = Metrics::new(["rua".to_owned(), "ruf".to_owned()]);
        let text = metrics.render();
        let mut families: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let count = families.len();
        families.sort_unstable();
        families.dedup_by_key(|family| family.split(' ').next());
        assert_eq!(families.len(), count);
        for (help, kind) in
            text.lines().zip(text.lines().skip(1)).filter(|(line, _)| line.starts_with("# HELP"))
        {
            assert_eq!(help.split(' ').nth(2), kind.split(' ').nth(2));
            assert!(kind.starts_with("# TYPE"));
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let family = name.split('{').next().unwrap();
            let family =
                family.strip_suffix("_sum").or_else(|| family.strip_suffix("_count")).unwrap_or(family);
            assert!(text.contains(&format!("# TYPE {family} ")), "{line}");
        }
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn counts_what_it_is_told() {
        let metrics = Metrics::new(["rua".to_owned()]);
        metrics.reports_stored.add(3);
        metrics.ledger_commits.add(Duration::from_millis(1500));
        metrics.ledger_commits.add(Duration::from_millis(250));
        metrics.dataset_rows.set(20_000_000);
        metrics.mailbox("rua").unwrap().backoff.add(Duration::from_millis(500));
        let text = metrics.render();
        for expected in [
            "dmarc_reports_total{outcome=\"stored\"} 3",
            "dmarc_ledger_commit_duration_seconds_sum 1.75",
            "dmarc_ledger_commit_duration_seconds_count 2",
            "dmarc_dataset_rows 20000000",
            "dmarc_mailbox_backoff_seconds_total{mailbox=\"rua\"} 0.5",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
        }
    }

    #[test]
    fn escapes_the_name_of_a_mailbox() {
        let text = Metrics::new(["a\"b\\c\nd".to_owned()]).render();
        let line = line(&text, "dmarc_mailbox_reconnects_total").unwrap();
        assert_eq!(line, r#"dmarc_mailbox_reconnects_total{mailbox="a\"b\\c\nd"} 0"#);
    }

    #[test]
    fn tells_no_success_from_one_just_now() {
        let metrics = Metrics::new(["rua".to_owned()]);
        let stamp = "dmarc_mailbox_last_success_timestamp_seconds{";
        assert_eq!(line(&metrics.render(), stamp), None);
        assert_eq!(metrics.last_successes().next(), Some(("rua", None)));
        metrics.succeeded("rua");
        metrics.succeeded("no such mailbox");
        assert!(line(&metrics.render(), stamp).is_some());
        let (_, age) = metrics.last_successes().next().unwrap();
        assert!(age.unwrap() < Duration::from_secs(5));
    }
}
