//! Reports of others: what `dmarc parse` reads against what an independent parser counted, and `dmarc findings` over
//! them all. Needs the corpus beside the workspace.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests; the exemption of clippy.toml ends at `#[test]` functions"
)]

#[expect(dead_code, reason = "a part of it is enough here")]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use common::{dmarc, json_lines};
use serde_json::Value;

/// Records, messages and messages that pass of each report of a file, sorted.
type Counts = BTreeMap<String, Vec<(u64, u64, u64)>>;

/// Files that list what is in the corpus.
const LISTS: [&str; 4] = ["INDEX.tsv", "PROVENANCE.tsv", "TRUTH.jsonl", "derived/SOURCES.tsv"];

/// Files on which we and the other parser do not agree, and why we do as we do.
const DISAGREEMENTS: [(&str, &str); 5] = [
    (
        "MTG-Thomas+DmarcAnalyzerApp/src/api.integrationtests/Fixtures/Conformance/payloads/archive-size-limit/01-receiver.example!sigma.example!1785888000!1785974399.xml.gz",
        "refused: it expands more than 250-fold, made to be a bomb",
    ),
    (
        "djav1985+v-dmarc-dashboard/unit/fixtures/dmarc/forensic-sample.xml",
        "refused: no <date_range>, and no record that could be counted",
    ),
    (
        "domainaware+parsedmarc/tests/test_init.py.embedded-83456.xml",
        "refused: no <date_range>, and no record that could be counted",
    ),
    (
        "ietf-wg-dmarc+draft-ietf-dmarc-aggregate-reporting/@30f9311b/dmarc-xmlalt-0.2.xml",
        "its only record is set aside: the source address ::ffff:092.168.4.4 is none",
    ),
    (
        "pthoor+DMARC-for-Defender-XDR/tests/DmarcHelpers.Tests.ps1.embedded-16436.xml",
        "refused: no <date_range>, and no record",
    ),
];

#[test]
fn reads_a_corpus_as_an_independent_parser_does() {
    let Some(corpus) = corpus() else { return };
    let run = dmarc(&["parse", corpus.to_str().unwrap()]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    let lines = json_lines(&run);
    let bugs: Vec<_> = lines.iter().filter(|line| line["error"]["code"] == "bug").collect();
    assert!(bugs.is_empty() && !run.stderr.contains("a bug of ours"), "{bugs:?}\n{}", run.stderr);
    let files: BTreeSet<_> = lines.iter().map(file).filter(|file| !LISTS.contains(file)).collect();
    assert!(files.len() > 400, "{}", files.len());
    let (ours, theirs) = (ours(&lines), theirs(&corpus));
    assert!(theirs.len() > 300, "{}", theirs.len());
    let differ: BTreeSet<_> = theirs
        .iter()
        .filter(|(file, counts)| ours.get(*file) != Some(*counts))
        .map(|(file, _)| file.as_str())
        .collect();
    let known = DISAGREEMENTS.map(|(file, _)| file).into();
    let new: BTreeMap<_, _> =
        differ.difference(&known).map(|file| (file, (&theirs[*file], ours.get(*file)))).collect();
    assert!(new.is_empty(), "theirs and ours differ: {new:#?}");
    assert_eq!(differ, known, "a known disagreement is gone");
}

/// The file that a line is about; a member of an mbox has a number behind it.
#[test]
fn finds_something_to_say_about_a_corpus_and_the_same_each_time() {
    let Some(corpus) = corpus() else { return };
    let run = || dmarc(&["findings", corpus.to_str().unwrap(), "--all", "--format", "json"]);
    let first = run();
    assert_eq!(first.code, 3, "{}", first.stderr);
    let found: Value = serde_json::from_str(&first.stdout).unwrap();
    assert!(found["domains"].as_array().unwrap().len() > 50);
    assert_eq!(first.stdout, run().stdout);
}

/// The corpus, where it is there.
fn corpus() -> Option<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if !corpus.exists() {
        common::skipped("no corpus");
        return None;
    }
    Some(corpus)
}

fn file(line: &Value) -> &str {
    let source = line["source"].as_str().unwrap();
    match source.rsplit_once('#') {
        Some((file, number)) if number.parse::<u32>().is_ok() => file,
        _ => source,
    }
}

fn ours(lines: &[Value]) -> Counts {
    let mut counts = Counts::new();
    for line in lines.iter().filter(|line| line["outcome"] == "parsed" && line["kind"] == "aggregate") {
        let records = line["report"]["records"].as_array().unwrap();
        let rejected = line["report"]["rejected_records"].as_array().map_or(0, Vec::len);
        let messages = |of: &[&Value]| of.iter().map(|record| record["row"]["count"].as_u64().unwrap()).sum();
        let passing: Vec<_> = records.iter().filter(|record| passes(record)).collect();
        let all: Vec<_> = records.iter().collect();
        let report = ((records.len() + rejected) as u64, messages(&all), messages(&passing));
        counts.entry(file(line).to_owned()).or_default().push(report);
    }
    sorted(counts)
}

/// Whether the reporter says that DMARC passed.
fn passes(record: &Value) -> bool {
    let evaluated = &record["row"]["policy_evaluated"];
    ["dkim", "spf"]
        .iter()
        .any(|how| evaluated[how].as_str().is_some_and(|result| result.trim().eq_ignore_ascii_case("pass")))
}

fn theirs(corpus: &Path) -> Counts {
    let mut counts = Counts::new();
    for line in std::fs::read_to_string(corpus.join("TRUTH.jsonl")).unwrap().lines() {
        let report: Value = serde_json::from_str(line).unwrap();
        if report["kind"] == "aggregate" && report.get("strict_error").is_none() {
            let number = |key: &str| report[key].as_u64().unwrap();
            let file = report["file"].as_str().unwrap().to_owned();
            let numbers = (number("records"), number("total"), number("dmarc_pass"));
            counts.entry(file).or_default().push(numbers);
        }
    }
    sorted(counts)
}

fn sorted(mut counts: Counts) -> Counts {
    for reports in counts.values_mut() {
        reports.sort_unstable();
    }
    counts
}
