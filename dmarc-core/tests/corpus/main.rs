//! Reports of others, one test a file: every field that an independent parser read of it is compared with ours.
//!
//! Needs the corpus beside the workspace: any files, `INDEX.tsv`, which says what each file is,
//! and `TRUTH.jsonl`, one JSON object a report. Without it there is one test that says so.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests; the exemption of clippy.toml ends at `#[test]` functions"
)]

mod disagreements;
mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use disagreements::{DISAGREEMENTS, Difference, Disagreement};
use dmarc_core::{Found, Limits, Outcome, Reading, read};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// Files that list what is in the corpus.
const LISTS: [&str; 4] = ["INDEX.tsv", "PROVENANCE.tsv", "TRUTH.jsonl", "derived/SOURCES.tsv"];

/// Number of files by what the index says they are and by what became of them.
type Summary = Arc<Mutex<BTreeMap<(String, &'static str), u64>>>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if !root.exists() {
        say("skipped: no corpus");
        let skipped = Trial::test("corpus_is_not_there_and_its_tests_are_skipped", || Ok(()));
        return libtest_mimic::run(&arguments, vec![skipped]).exit_code();
    }
    let summary = Summary::default();
    let conclusion = libtest_mimic::run(&arguments, trials(&root, &summary));
    let line = summary_line(&summary.lock().unwrap());
    if !line.is_empty() {
        say(&format!("corpus: {line}"));
    }
    conclusion.exit_code()
}

fn trials(root: &Path, summary: &Summary) -> Vec<Trial> {
    let kinds = kinds(root);
    let mut truths = truths(root);
    let files = files(root);
    let lists = lists_only_what_is_there(&files, &kinds, &truths);
    let mut trials = vec![Trial::test("lists_only_files_that_are_there", move || lists)];
    for file in files {
        let kind = kinds.get(&file).cloned().unwrap_or_else(|| "derived".to_owned());
        let case =
            Case { path: root.join(&file), truths: truths.remove(&file).unwrap_or_default(), file, kind };
        let summary = Arc::clone(summary);
        trials.push(Trial::test(case.file.clone(), move || case.run(&summary)));
    }
    trials
}

/// One file of the corpus, and what is known of it.
struct Case {
    file: String,
    path: PathBuf,
    kind: String,
    truths: Vec<Value>,
}

impl Case {
    fn run(&self, summary: &Summary) -> Result<(), Failed> {
        let bytes = bytes(&self.path);
        let reading = read(&bytes, &Limits::default());
        let became = outcome(&reading).0;
        *summary.lock().unwrap().entry((self.kind.clone(), became)).or_default() += 1;
        let found = self.differences(&bytes, &reading);
        let known: Vec<_> = DISAGREEMENTS.iter().filter(|known| known.file == self.file).collect();
        let mut message = String::new();
        for Difference { field, theirs, ours } in &found {
            if !known.iter().any(|known| known.field == field && known.ours == ours) {
                writeln!(message, "{field}: theirs {theirs:?}, ours {ours:?}").unwrap();
            }
        }
        for known in known {
            if !found.iter().any(|found| known.field == found.field && known.ours == found.ours) {
                let Disagreement { field, ours, why, .. } = known;
                writeln!(message, "{field}: gone is the listed disagreement, ours {ours:?} ({why})").unwrap();
            }
        }
        if message.is_empty() { Ok(()) } else { Err(message.into()) }
    }

    fn differences(&self, bytes: &[u8], reading: &Reading) -> Vec<Difference> {
        let mut differ = Vec::new();
        let expected = self.expected_outcome();
        let (became, code) = outcome(reading);
        let as_expected = became == expected;
        if !as_expected {
            differ.push(Difference::new("outcome", expected, format!("{became} {code}").trim()));
        }
        let mut left: Vec<&Outcome> = reading.outcomes.iter().filter(|outcome| is_found(outcome)).collect();
        let reports: Vec<_> =
            self.truths.iter().filter(|truth| truth.get("strict_error").is_none()).collect();
        for (index, truth) in reports.iter().enumerate() {
            let prefix = if reports.len() > 1 { format!("{}.", index + 1) } else { String::new() };
            if let Some(at) = fitting(&left, truth) {
                let ours = fields::ours(left.remove(at), reading.message.is_some(), bytes);
                let fields = fields::compare(truth, &ours);
                differ.extend(fields.into_iter().map(|found| found.within(&prefix)));
            } else if as_expected {
                differ.push(Difference::new("kind", truth["kind"].as_str().unwrap(), "none").within(&prefix));
            }
        }
        let more = if reports.is_empty() { Vec::new() } else { left };
        differ.extend(more.into_iter().map(|more| Difference::new("kind", "none", fields::kind(more))));
        differ
    }

    /// What should become of the file, from what others say of it.
    fn expected_outcome(&self) -> &'static str {
        let has = |kind: &str| self.truths.iter().any(|truth| truth["kind"] == kind);
        if has("arf") || self.kind == "not-a-report" {
            "not a report"
        } else if self.truths.iter().any(|truth| truth.get("strict_error").is_some()) {
            "refused"
        } else {
            "parsed"
        }
    }
}

/// What became of a file as a whole, and the code of the first refusal.
fn outcome(reading: &Reading) -> (&'static str, &'static str) {
    let code = reading.outcomes.iter().find_map(|outcome| match &outcome.found {
        Found::Refused(error) => Some(error.kind().code()),
        _ => None,
    });
    let parsed = reading.outcomes.iter().any(|outcome| matches!(outcome.found, Found::Report(_)));
    match (parsed, code) {
        (true, Some(code)) => ("parsed in part", code),
        (true, None) => ("parsed", ""),
        (false, Some(code)) => ("refused", code),
        (false, None) => ("not a report", ""),
    }
}

fn is_found(outcome: &Outcome) -> bool {
    matches!(outcome.found, Found::Report(_) | Found::OtherFeedback(_))
}

/// The outcome that a truth is about: of its kind, and with its id where several are.
fn fitting(left: &[&Outcome], truth: &Value) -> Option<usize> {
    let is_kind = |outcome: &Outcome| fields::kind(outcome) == truth["kind"].as_str().unwrap();
    let same_id = |outcome: &&&Outcome| fields::report_id(outcome) == truth["report_id"].as_str();
    let kind: Vec<_> = left.iter().enumerate().filter(|(_, outcome)| is_kind(outcome)).collect();
    let same = kind.iter().find(|(_, outcome)| same_id(outcome));
    same.or_else(|| kind.first()).map(|(at, _)| *at)
}

fn lists_only_what_is_there(
    files: &[String],
    kinds: &BTreeMap<String, String>,
    truths: &BTreeMap<String, Vec<Value>>,
) -> Result<(), Failed> {
    let there: BTreeSet<&str> = files.iter().map(String::as_str).collect();
    let listed = kinds.keys().chain(truths.keys()).map(String::as_str);
    let gone: BTreeSet<_> = listed
        .chain(DISAGREEMENTS.iter().map(|known| known.file))
        .filter(|file| !there.contains(file))
        .collect();
    if gone.is_empty() { Ok(()) } else { Err(format!("listed, and not there: {gone:#?}").into()) }
}

fn summary_line(summary: &BTreeMap<(String, &'static str), u64>) -> String {
    let mut by_kind: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((kind, outcome), number) in summary {
        by_kind.entry(kind).or_default().push(format!("{number} {outcome}"));
    }
    let kinds: Vec<_> =
        by_kind.into_iter().map(|(kind, counts)| format!("{kind}: {}", counts.join(", "))).collect();
    kinds.join("; ")
}

// ---- the files of the corpus

/// Every file with something in it to read, sorted.
fn files(root: &Path) -> Vec<String> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.retain(|file| !LISTS.contains(&file.as_str()));
    files.sort();
    files
}

#[expect(clippy::disallowed_methods, reason = "the corpus is ours to trust in size")]
fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// File → what the index says it is.
fn kinds(root: &Path) -> BTreeMap<String, String> {
    let index = std::fs::read_to_string(root.join("INDEX.tsv")).unwrap();
    let columns = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    index.lines().skip(1).map(columns).map(|line| (line[0].clone(), line[2].clone())).collect()
}

/// File → what the other parser read of it.
fn truths(root: &Path) -> BTreeMap<String, Vec<Value>> {
    let mut truths = BTreeMap::<String, Vec<Value>>::new();
    for line in std::fs::read_to_string(root.join("TRUTH.jsonl")).unwrap().lines() {
        let truth: Value = serde_json::from_str(line).unwrap();
        truths.entry(truth["file"].as_str().unwrap().to_owned()).or_default().push(truth);
    }
    truths
}

fn say(line: &str) {
    let mut err = std::io::stderr();
    writeln!(err, "{line}").unwrap();
}
