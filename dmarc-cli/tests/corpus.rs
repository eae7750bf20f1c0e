//! Reports of others: `dmarc parse` and `dmarc findings` over all of them. What is read of each is tested in the core.
//! Needs the corpus beside the workspace.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

#[expect(dead_code, reason = "a part of it is enough here")]
mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use common::{dmarc, json_lines};
use serde_json::Value;

#[test]
fn says_something_about_every_file_of_a_corpus() {
    let Some(corpus) = corpus() else { return };
    let run = dmarc(&["parse", corpus.to_str().unwrap()]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    let lines = json_lines(&run);
    let bugs: Vec<_> = lines.iter().filter(|line| line["error"]["code"] == "bug").collect();
    assert!(bugs.is_empty() && !run.stderr.contains("a bug of ours"), "{bugs:?}\n{}", run.stderr);
    let told: BTreeSet<_> = lines.iter().map(|line| file(line).to_owned()).collect();
    assert_eq!(told, files(&corpus));
}

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

/// The file that a line is about; a member of an mbox has a number behind it.
fn file(line: &Value) -> &str {
    let source = line["source"].as_str().unwrap();
    match source.rsplit_once('#') {
        Some((file, number)) if number.parse::<u32>().is_ok() => file,
        _ => source,
    }
}

/// The path of every file below `root`.
fn files(root: &Path) -> BTreeSet<String> {
    let (mut files, mut folders) = (BTreeSet::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files
}
