//! A process that takes mail in and is killed with SIGKILL: whatever the moment, nothing is lost and nothing counts twice.
//!
//! `CRASH_RUNS` says how many crashes are tried, and `CRASH_BATCH` how many mails become durable together: the fewer, the more
//! steps there are. `scripts/crash` tries a thousand and more.
#![cfg(feature = "fault-points")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests; the exemption of clippy.toml ends at `#[test]` functions"
)]

#[path = "../../dmarc-ingest/tests/support/content.rs"]
mod content;

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use content::content;
use dmarc_ingest::store::{DatasetReader, Status};
use tempfile::TempDir;

const MAILBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox");
/// Enough to see that it works at all.
const DEFAULT_RUNS: u32 = 24;

/// Everything that counts, and what became of the mail.
#[derive(Debug, PartialEq)]
struct State {
    lines: Vec<String>,
    /// Mails, reports and rows by sort; files kept aside.
    mails: Vec<(String, u64)>,
    reports: Vec<(String, u64)>,
    rows: Vec<(String, u64)>,
    kept: u64,
}

fn state(data: &Path) -> State {
    let lines = content(data);
    let Status { mails, reports, rows, kept, .. } = DatasetReader::open(data).unwrap().status().unwrap();
    State { lines, mails, reports, rows, kept }
}

/// Where mail is read from, and a folder for datasets.
struct Site {
    root: TempDir,
    mailbox: PathBuf,
}

impl Site {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), mailbox: MAILBOX.into() }
    }

    fn data(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A command on the dataset `data` that dies at a fault point, if one is named.
    fn command(arguments: &[&str], data: &Path, fault: Option<&str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dmarc"));
        command.args(arguments).arg("--data").arg(data);
        command.env("DMARC_LIMITS_BATCH_MESSAGES", batch()).env("DMARC_AUTHENTICATE_DKIM", "false");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        fault.map(|fault| command.env("FAULT_POINT", fault));
        command
    }

    fn import(&self, data: &Path, fault: Option<&str>) -> Command {
        Self::command(&["import", self.mailbox.to_str().unwrap()], data, fault)
    }

    /// Imports to the end.
    fn complete(&self, data: &Path) {
        let status = self.import(data, None).status().unwrap();
        assert_eq!(status.signal(), None);
        // Some input is refused.
        assert!(matches!(status.code(), Some(0 | 3)), "{status}");
    }
}

fn batch() -> String {
    std::env::var("CRASH_BATCH").unwrap_or_else(|_| "17".to_owned())
}

fn runs() -> u32 {
    std::env::var("CRASH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(DEFAULT_RUNS)
}

/// How often a command passes a fault point: it dies at the last one, and not behind it.
fn count_points(run: impl Fn(u64) -> bool) -> u64 {
    let mut high = 1;
    while run(high) {
        high *= 2;
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        if run(middle) { low = middle } else { high = middle }
    }
    low
}

#[test]
fn counts_everything_once_after_a_crash_at_any_durable_step() {
    let site = Site::new();
    let whole = site.data("whole");
    site.complete(&whole);
    let truth = state(&whole);
    assert!(truth.lines.len() > 100);

    let dies = |data: &Path, point: u64| {
        let status = site.import(data, Some(&format!("any:{point}"))).status().unwrap();
        status.signal() == Some(9)
    };
    let points = count_points(|point| {
        let data = site.data("count");
        let is_dead = dies(&data, point);
        std::fs::remove_dir_all(&data).unwrap();
        is_dead
    });
    assert!(points > 100, "{points}");
    let runs = u64::from(runs()).min(points);
    for run in 0..runs {
        let point = 1 + run * (points - 1) / runs.max(2).saturating_sub(1);
        let data = site.data("data");
        assert!(dies(&data, point), "at point {point} of {points}");
        // A second crash, in the middle of the recovery or a little further.
        dies(&data, 1 + run % 5);
        site.complete(&data);
        assert_eq!(state(&data), truth, "after a crash at point {point}");
        std::fs::remove_dir_all(&data).unwrap();
    }
    eprintln!("{runs} crashes at {points} points");
}

#[test]
fn counts_everything_once_after_a_crash_at_any_time() {
    let site = Site::new();
    let whole = site.data("whole");
    let begin = Instant::now();
    site.complete(&whole);
    let duration = begin.elapsed();
    let truth = state(&whole);
    let mut crashes = 0;
    let runs = runs();
    for run in 0..runs {
        let data = site.data("data");
        let mut child = site.import(&data, None).spawn().unwrap();
        let after = duration * (2 * run + 1) / (2 * runs);
        std::thread::sleep(after);
        child.kill().unwrap();
        crashes += u64::from(child.wait().unwrap().signal() == Some(9));
        site.complete(&data);
        assert_eq!(state(&data), truth, "after a crash {after:?} into the import");
        std::fs::remove_dir_all(&data).unwrap();
    }
    assert!(crashes > 0);
    eprintln!("{crashes} crashes within {duration:?}");
}

#[test]
fn says_the_same_after_a_crash_of_whatever_cares_for_the_dataset() {
    let site = Site::new();
    let whole = site.data("whole");
    site.complete(&whole);
    let before = state(&whole);
    let care: [&[&str]; 3] = [
        &["dataset", "compact"],
        &["dataset", "erase", "--before", "2026-09-10"],
        &["quarantine", "retry", "--all"],
    ];
    // What is kept aside stays so when it is tried again.
    let run = |arguments: &[&str], data: &Path| {
        let code = Site::command(arguments, data, None).status().unwrap().code();
        assert!(matches!(code, Some(0 | 3)), "{arguments:?}: {code:?}");
    };
    for arguments in care {
        let done = site.data("done");
        copy(&whole, &done);
        run(arguments, &done);
        let after = state(&done);
        std::fs::remove_dir_all(&done).unwrap();
        for point in 1.. {
            let data = site.data("data");
            copy(&whole, &data);
            let died =
                Site::command(arguments, &data, Some(&format!("any:{point}"))).status().unwrap().signal();
            // Whoever writes next puts it in order, and what a reader sees is the one or the other.
            run(&["quarantine", "retry", "--all"], &data);
            let found = state(&data);
            let same = |other: &State| found.lines == other.lines && found.reports == other.reports;
            assert!(same(&before) || same(&after), "after a crash at point {point} of {arguments:?}");
            run(arguments, &data);
            assert_eq!(state(&data).kept, before.kept);
            assert!(state(&data).lines == after.lines, "after a crash at point {point} of {arguments:?}");
            std::fs::remove_dir_all(&data).unwrap();
            if died.is_none() {
                assert!(point > 5, "{point}");
                break;
            }
        }
    }
}

/// Copies a dataset at rest.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { assert!(std::fs::copy(&path, &target).is_ok()) }
    }
}

// ---- no room, no right --------------------------------------------------------------

#[test]
fn goes_on_when_there_is_room_again() {
    let site = Site::new();
    let whole = site.data("whole");
    site.complete(&whole);
    let truth = state(&whole);
    // The ledger, the bytes kept aside or a segment is the first that does not fit.
    for kilobytes in [8, 40, 80, 120] {
        let data = site.data("data");
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", kilobytes * 2);
        let mut command = Command::new("sh");
        command
            .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_dmarc"), "import", MAILBOX, "--data"])
            .arg(&data);
        command.env("DMARC_LIMITS_BATCH_MESSAGES", "17").env("DMARC_AUTHENTICATE_DKIM", "false");
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains("dmarc: "), "{said}");
        site.complete(&data);
        assert_eq!(state(&data), truth, "with files of {kilobytes} kB at most");
        std::fs::remove_dir_all(&data).unwrap();
    }
}

#[test]
fn says_which_folder_cannot_be_written() {
    let site = Site::new();
    let file = site.data("file");
    std::fs::write(&file, "").unwrap();
    for data in [Path::new("/proc/dmarc"), &file] {
        let output = site.import(data, None).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains(data.to_str().unwrap()), "{said}");
    }
}

#[test]
fn refuses_to_write_where_another_one_does() {
    let site = Site::new();
    let data = site.data("data");
    let dataset = dmarc_ingest::store::Dataset::open(&data).unwrap();
    let output = site.import(&data, None).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("another process writes to this dataset"), "{said}");
    drop(dataset);
    site.complete(&data);
}
