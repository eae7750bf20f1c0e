//! `dmarc quarantine`: what was kept aside, and what can be done about it.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

#[expect(dead_code, reason = "a part of it is enough here")]
mod common;

use std::path::{Path, PathBuf};

use common::{Run, dmarc_with_env, folder, json_lines};
use serde_json::Value;
use tempfile::TempDir;

const MAILBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox/dmarc.toml");
const UNKNOWN: &str = "0123456789abcdef";

/// A dataset with the mailbox in it.
struct Data(TempDir);

impl Data {
    fn new() -> Self {
        let data = Self(tempfile::tempdir().unwrap());
        let run = data.run(&["import", MAILBOX, "--config", CONFIG]);
        assert_eq!(run.code, 3, "{}", run.whole());
        data
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let path = self.path();
        let arguments = [arguments, &["--data", path.to_str().unwrap()]].concat();
        // No name server is asked.
        dmarc_with_env(&arguments, &[("DMARC_AUTHENTICATE_DKIM", "false")])
    }

    fn list(&self) -> Vec<Value> {
        let run = self.run(&["quarantine", "list", "--json"]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        json_lines(&run)
    }

    /// The names of mails with this outcome.
    fn ids(&self, outcome: &str) -> Vec<String> {
        let list = self.list();
        let found = list.iter().filter(|kept| kept["outcome"] == outcome);
        found.map(|kept| kept["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The files that are kept aside.
    fn files(&self) -> usize {
        std::fs::read_dir(self.path().join("quarantine")).unwrap().count()
    }

    fn assert_agrees(&self) {
        let run = self.run(&["dataset", "verify"]);
        assert_eq!(run.code, 0, "{}", run.whole());
    }
}

/// The first digits of a name.
fn digits(id: &str, count: usize) -> &str {
    id.get(..count).unwrap()
}

#[test]
fn lists_every_mail_that_could_not_be_trusted_with_the_reason() {
    let data = Data::new();
    let run = data.run(&["quarantine", "list"]);
    insta::assert_snapshot!(run.whole());
    let list = data.list();
    assert_eq!(list.len(), run.stdout.lines().count());
    for (kept, line) in list.iter().zip(run.stdout.lines()) {
        let [id, outcome] = ["id", "outcome"].map(|key| kept[key].as_str().unwrap());
        assert!(line.starts_with(&format!("{id}  {outcome}")), "{line}");
        assert_eq!(kept["schema"], 1);
        assert!(Path::new(MAILBOX).join(kept["source"].as_str().unwrap()).exists(), "{kept}");
    }
    assert_eq!(data.files(), list.len());
}

#[test]
fn shows_a_mail_as_it_was_received() {
    let data = Data::new();
    for kept in data.list() {
        let id = kept["id"].as_str().unwrap();
        let file = kept["file"].as_str().unwrap();
        let mail =
            std::fs::read_to_string(Path::new(MAILBOX).join(kept["source"].as_str().unwrap())).unwrap();
        let upper = id.to_uppercase();
        for name in [id, digits(id, 8), upper.as_str(), file.strip_suffix(".eml").unwrap()] {
            let run = data.run(&["quarantine", "show", name]);
            assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{name}");
            assert!(run.stdout == mail, "{name} is not {kept}");
        }
    }
}

#[test]
fn knows_no_name_that_is_too_short_or_unknown_or_a_path() {
    let data = Data::new();
    let known = data.ids("refused").remove(0);
    let before = data.files();
    for verb in ["show", "retry", "drop"] {
        for name in [UNKNOWN, digits(&known, 7), "", "%", "________", "../ledger.sqlite", "zzzzzzzzzzzzzzzz"]
        {
            let run = data.run(&["quarantine", verb, name]);
            assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{verb} {name}: {}", run.whole());
            assert!(run.stderr.contains("is kept aside\n  hint: `dmarc quarantine list`"), "{}", run.stderr);
        }
    }
    assert_eq!(data.files(), before);
    insta::assert_snapshot!(data.run(&["quarantine", "drop", UNKNOWN]).whole(), @r#"
    --- stderr
    dmarc: nothing of the name "0123456789abcdef" is kept aside
      hint: `dmarc quarantine list` shows the names; 8 digits are enough
    --- exit code 2
    "#);
}

#[test]
fn counts_what_is_trusted_now() {
    let data = Data::new();
    let untrusted = data.ids("untrusted");
    assert_eq!(untrusted.len(), 2);
    // With the same configuration it stays where it is.
    let run = data.run(&["quarantine", "retry", &untrusted[0], "--config", CONFIG]);
    assert_eq!(run.code, 3, "{}", run.whole());
    assert_eq!(
        run.stdout,
        format!("{}  0 reports stored, 0 refused, 1 untrusted, 0 in conflict\n", untrusted[0])
    );
    assert_eq!(data.ids("untrusted"), untrusted);
    data.assert_agrees();
    // Where no mail server is trusted to say that it is forged, it counts.
    let run = data.run(&["quarantine", "retry", &untrusted[0]]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.whole());
    assert_eq!(
        run.stdout,
        format!("{}  1 report stored, 0 refused, 0 untrusted, 0 in conflict\n", untrusted[0])
    );
    assert_eq!(data.ids("untrusted"), untrusted[1..]);
    data.assert_agrees();
    let run = data.run(&["quarantine", "retry", &untrusted[0]]);
    assert_eq!(run.code, 2, "it is not there any more: {}", run.whole());
}

#[test]
fn tries_all_that_is_kept_aside_once_more() {
    let data = Data::new();
    let before = data.list();
    let run = data.run(&["quarantine", "retry", "--all", "--config", CONFIG]);
    assert_eq!(run.code, 3, "{}", run.whole());
    assert_eq!(run.stdout.lines().count(), before.len());
    assert!(run.stderr.ends_with(" stay kept aside\n"), "{}", run.stderr);
    let names = |list: Vec<Value>| list.into_iter().map(|kept| kept["id"].clone()).collect::<Vec<_>>();
    assert_eq!(names(data.list()), names(before));
    data.assert_agrees();
}

#[test]
fn throws_a_mail_away_and_remembers_what_became_of_it() {
    let data = Data::new();
    let (ids, files) = (data.ids("refused"), data.files());
    let run = data.run(&["quarantine", "drop", &ids[0], &ids[1]]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(run.stdout, format!("{}  dropped\n{}  dropped\n", ids[0], ids[1]));
    assert_eq!(data.files(), files - 2);
    let list = data.list();
    let dropped = list.iter().find(|kept| kept["id"] == ids[0].as_str()).unwrap();
    assert_eq!((&dropped["file"], &dropped["outcome"]), (&Value::Null, &"refused".into()));
    assert_eq!(data.run(&["quarantine", "show", &ids[0]]).code, 2);
    data.assert_agrees();
    // It is not taken in again.
    let run = data.run(&["import", MAILBOX, "--config", CONFIG]);
    assert!(run.stdout.starts_with("0 new mails"), "{}", run.whole());
    assert_eq!(data.files(), files - 2);
}

#[test]
fn throws_all_away_that_is_there() {
    let data = Data::new();
    let files = data.files();
    let run = data.run(&["quarantine", "drop", "--all"]);
    assert_eq!((run.code, run.stdout.lines().count()), (0, files), "{}", run.whole());
    assert_eq!(data.files(), 0);
    data.assert_agrees();
    let run = data.run(&["quarantine", "drop", "--all"]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "", ""));
}

#[test]
fn drops_what_came_before_a_name_that_is_unknown() {
    let data = Data::new();
    let (ids, files) = (data.ids("refused"), data.files());
    let run = data.run(&["quarantine", "drop", &ids[0], UNKNOWN, &ids[1]]);
    assert_eq!((run.code, run.stdout), (2, format!("{}  dropped\n", ids[0])));
    assert_eq!(data.files(), files - 1);
}

#[test]
fn asks_for_names_or_all() {
    let data = Data::new();
    let files = data.files();
    for arguments in [&["drop"][..], &["retry"], &["drop", UNKNOWN, "--all"], &["show"], &["list", UNKNOWN]] {
        let run = data.run(&[&["quarantine"], arguments].concat());
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{arguments:?}: {}", run.whole());
    }
    assert_eq!(data.files(), files);
}

#[test]
fn waits_for_nobody_who_writes() {
    let data = Data::new();
    let dataset = dmarc_ingest::store::Dataset::open(&data.path()).unwrap();
    for verb in ["retry", "drop"] {
        let run = data.run(&["quarantine", verb, "--all"]);
        assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{}", run.whole());
        assert!(run.stderr.contains("another process writes to this dataset"), "{}", run.stderr);
    }
    // To look is possible.
    assert_eq!(data.list().len(), data.files());
    drop(dataset);
}

#[test]
fn has_nothing_to_list_where_all_is_well() {
    let mails = folder(&[("a.xml", common::REPORT)]);
    let data = Data(tempfile::tempdir().unwrap());
    assert_eq!(data.run(&["import", mails.path().to_str().unwrap()]).code, 0);
    for arguments in [&["quarantine", "list"][..], &["quarantine", "list", "--json"]] {
        let run = data.run(arguments);
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "", ""));
    }
}
