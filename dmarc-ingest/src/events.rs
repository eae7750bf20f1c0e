//! What the service says while it works: structured events to stderr, as text or JSON.
//!
//! Times are UTC (RFC 3339). WARN: recovered, nothing lost. ERROR: something is lost or an operator is needed. Libraries
//! below us are heard from WARN on only.
//!
//! **One span a mail** ([`mail`]), none a record. Within it an event needs no field that says which mail it is about.
//! Field names are fixed: `source`, `mailbox`, `uid`, `org_name`, `report_id`, `policy_domain`, `outcome`, `reason`.
//! Never an event: credentials, local parts of addresses, bodies.
//!
//! **What strangers wrote cannot forge an event.** Everything that goes out passes a filter that escapes control
//! characters, line breaks but the last one, and characters that reorder or hide text: an event is one line, whatever is
//! in it, and JSON stays JSON.

use std::fmt;
use std::io::{self, Write};

use jiff::Timestamp;
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Level, Span, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use crate::text::is_unsafe;

/// The form of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line, fields at its top.
    Json,
}

/// Sends events of this level and above to stderr, for the rest of the process. Called once, by the program.
///
/// # Errors
/// If somebody did so before.
pub fn install(format: EventFormat, level: Level) -> Result<(), SetGlobalDefaultError> {
    tracing::subscriber::set_global_default(subscriber(format, level, io::stderr))
}

/// The same for any `writer`, and for as long as the caller wants.
pub fn subscriber<W>(format: EventFormat, level: Level, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let writer = NeutralWriter(writer);
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_timer(Utc).with_writer(writer);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        EventFormat::Text => layer.boxed(),
        EventFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let level = LevelFilter::from_level(level);
    let targets = Targets::new()
        .with_target("dmarc_core", level)
        .with_target("dmarc_ingest", level)
        .with_target("dmarc_cli", level)
        .with_default(level.min(LevelFilter::WARN));
    Registry::default().with(layer.with_filter(targets))
}

/// The span of one mail, from `source` (see [`Input::source`](crate::Input::source)). Whoever knows more records
/// `outcome` and `reports` (how many were found) in it.
pub fn mail(source: &str) -> Span {
    tracing::info_span!("mail", source, outcome = tracing::field::Empty, reports = tracing::field::Empty)
}

/// The time, to the millisecond.
#[derive(Debug)]
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{:.3}", Timestamp::now())
    }
}

/// Gives out writers that let nothing through that is not text.
#[derive(Debug)]
struct NeutralWriter<W>(W);

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for NeutralWriter<W> {
    type Writer = Neutral<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Neutral(self.0.make_writer())
    }
}

/// Invariant: each write is one whole event, with the line break at its end. That is how `tracing_subscriber` writes.
#[derive(Debug)]
struct Neutral<W>(W);

impl<W: Write> Write for Neutral<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        self.0.write_all(neutral(&text).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// `event` on one line, with nothing that a terminal or a reader would act on. Escapes are those of JSON.
fn neutral(event: &str) -> String {
    let event = event.strip_suffix('\n').unwrap_or(event);
    let mut line = String::with_capacity(event.len() + 1);
    for c in event.chars() {
        if is_unsafe(c) {
            // Two escapes for a character beyond the first plane, as JSON wants it.
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                line.extend(['\\', 'u']);
                line.extend([12, 8, 4, 0].map(|shift| hex_digit(*unit >> shift)));
            }
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    line
}

/// The last four bits, as a digit.
fn hex_digit(bits: u16) -> char {
    char::from_digit(u32::from(bits & 0xf), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Everything that was written.
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: EventFormat, level: Level, work: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = {
            let sink = sink.clone();
            move || sink.clone()
        };
        tracing::subscriber::with_default(subscriber(format, level, writer), work);
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    /// What a stranger may put into a report.
    const HOSTILE: &str = "x\n2026-11-24T00:00:00.000Z ERROR forged\r\u{1b}[31m\u{9b}2J\u{202e}cod\u{2066}\u{2028}\u{7f}\0\u{e0041}é";

    #[test]
    fn writes_one_line_an_event_whatever_is_in_it() {
        for format in [EventFormat::Text, EventFormat::Json] {
            let text = written(format, Level::INFO, || {
                let _guard = mail(HOSTILE).entered();
                tracing::warn!(org_name = HOSTILE, reason = ?HOSTILE, report_id = %HOSTILE, "refused {HOSTILE}");
            });
            assert_eq!(text.matches('\n').count(), 1, "{text:?}");
            assert!(text.ends_with('\n'));
            let line = text.trim_end_matches('\n');
            let hostile = HOSTILE.chars().filter(|&c| !matches!(c, ' '..='~' | 'é'));
            hostile.for_each(|c| assert!(!line.contains(c), "{c:?} in {line:?}"));
            assert!(line.contains('é') && line.contains("\\u202e"), "{line}");
        }
    }

    #[test]
    fn writes_json_that_gives_back_what_was_said() {
        let text = written(EventFormat::Json, Level::INFO, || {
            let span = mail(HOSTILE);
            span.record("outcome", "quarantined");
            let _guard = span.entered();
            tracing::warn!(org_name = HOSTILE, count = 3, "refused");
        });
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["org_name"], HOSTILE);
        assert_eq!(event["count"], 3);
        assert_eq!(event["message"], "refused");
        assert_eq!(event["level"], "WARN");
        assert_eq!(event["span"]["source"], HOSTILE);
        assert_eq!(event["span"]["outcome"], "quarantined");
        let time: Timestamp = event["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(event["timestamp"].as_str().unwrap().ends_with('Z'));
        assert!((Timestamp::now().as_second() - time.as_second()).abs() < 60);
    }

    #[test]
    fn hears_libraries_only_where_they_warn() {
        let text = written(EventFormat::Text, Level::DEBUG, || {
            tracing::debug!("ours");
            tracing::trace!("too fine");
            tracing::info!(target: "hickory_resolver", "theirs");
            tracing::warn!(target: "hickory_resolver", "trouble of theirs");
        });
        assert!(text.contains("ours") && text.contains("trouble of theirs"), "{text}");
        assert_eq!(text.lines().count(), 2, "{text}");
        let text = written(EventFormat::Text, Level::ERROR, || {
            tracing::warn!("ours");
            tracing::warn!(target: "hickory_resolver", "theirs");
        });
        assert_eq!(text, "");
    }
}
