//! Watches a folder and prints a line for each report in each new file: mails, gzip, zip, XML or JSON.
//!
//! `cargo run -p dmarc-core --example watch_folder -- [--once | --rounds N] FOLDER`
//!
//! It looks every two seconds, for ever or N times. Whoever puts files there should rename them into place, as Maildir
//! does, so that none is read half-written.
#![expect(clippy::print_stderr, reason = "an example talks to its terminal")]

use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dmarc_core::time::rfc3339;
use dmarc_core::{Found, Limits, Report, read};

const PAUSE: Duration = Duration::from_secs(2);
const USAGE: &str = "usage: watch_folder [--once | --rounds N] FOLDER";

fn main() -> Result<(), Box<dyn Error>> {
    let (folder, rounds) = arguments(std::env::args_os().skip(1))?;
    let mut seen = BTreeSet::new();
    let mut round = 0;
    loop {
        look(&folder, &mut seen, &mut io::stdout().lock())?;
        round += 1;
        if rounds.is_some_and(|rounds| round >= rounds) {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
}

fn arguments(mut args: impl Iterator<Item = OsString>) -> Result<(PathBuf, Option<u64>), Box<dyn Error>> {
    let mut first = args.next().ok_or(USAGE)?;
    let mut rounds = None;
    if first == "--once" {
        rounds = Some(1);
        first = args.next().ok_or(USAGE)?;
    } else if first == "--rounds" {
        rounds = Some(args.next().and_then(|n| n.to_str()?.parse().ok()).ok_or(USAGE)?);
        first = args.next().ok_or(USAGE)?;
    }
    Ok((first.into(), rounds))
}

/// Reads what is new in `folder`. Files that are gone are forgotten, so that `seen` does not grow for ever.
fn look(folder: &Path, seen: &mut BTreeSet<PathBuf>, out: &mut impl Write) -> io::Result<()> {
    let mut present = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            present.insert(entry.path());
        }
    }
    for path in present.difference(seen) {
        if let Err(error) = show(path, out) {
            eprintln!("{}", format!("{}: {error}", path.display()).escape_debug());
        }
    }
    *seen = present;
    Ok(())
}

/// Prints a line for each report of a file. Text of reports and names of files reach the terminal escaped only.
fn show(path: &Path, out: &mut impl Write) -> io::Result<()> {
    let limits = Limits::default();
    let mut bytes = Vec::new();
    // One byte more than may be read, so that a file that is too large is refused and not cut.
    io::copy(&mut File::open(path)?.take(limits.message_bytes + 1), &mut bytes)?;
    let name = path.file_name().unwrap_or_default().display().to_string();
    for outcome in read(&bytes, &limits).outcomes {
        match outcome.found {
            Found::Report(parsed) => writeln!(out, "{name:?}: {}", line(&parsed.report))?,
            Found::Refused(error) => writeln!(out, "{name:?}: refused: {:?}", error.to_string())?,
            _ => {}
        }
    }
    Ok(())
}

fn line(report: &Report<'_>) -> String {
    match report {
        Report::Aggregate(report) => {
            let metadata = &report.report_metadata;
            let messages = report.records.iter().fold(0_u64, |sum, r| sum.saturating_add(r.row.count));
            format!(
                "{messages} messages as {:?} from {} to {}, by {:?}",
                report.policy_published.domain.as_str(),
                rfc3339(metadata.date_range.begin),
                rfc3339(metadata.date_range.end),
                metadata.org_name
            )
        }
        Report::Tls(report) => {
            format!("{} TLS policies, by {:?}", report.policies.len(), report.organization_name)
        }
        Report::Failure(report) => format!(
            "{} messages failed as {:?}",
            report.incidents,
            report.reported_domain.first().map(dmarc_core::Domain::as_str).unwrap_or_default()
        ),
        other => format!("a report of kind {}", other.kind()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_each_report_once() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/mailbox/new");
        let (mut seen, mut out) = (BTreeSet::new(), Vec::new());
        look(&folder, &mut seen, &mut out).unwrap();
        let first = String::from_utf8(out).unwrap();
        assert!(first.lines().count() > 100 && first.contains(" messages as \""), "{first}");
        let mut out = Vec::new();
        look(&folder, &mut seen, &mut out).unwrap();
        assert!(out.is_empty());
    }
}
