//! Everything that is measured works, and costs no more than it did: allocations and instructions, never time.
//!
//! Figures stand in `benches/guard.tsv`; `GUARD=write cargo test -p dmarc-benches --test guard` writes them anew, and why
//! they grew belongs into the message of that commit. Instructions are those of the profile for tests, as valgrind counts
//! them; without valgrind only allocations are compared.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};

/// What is read: item, reader, and how often in the shorter of two runs.
const READ: [(&str, &str, u64); 8] = [
    ("xml_10 google", "ours", 20),
    ("xml_10 google", "ours, by record", 20),
    ("xml_10 microsoft", "ours", 20),
    ("xml_10 rfc9990", "ours", 20),
    ("mail_gz_1", "ours", 20),
    ("mail_zip_1", "ours", 20),
    ("failure", "ours", 20),
    ("tlsrpt_small", "ours", 20),
];

#[test]
fn reads_every_item_with_every_reader_and_finds_the_same() {
    let output = Command::new(BENCHES).arg("--smoke").output().unwrap();
    let text = text(output);
    for ratio in ["xml_1", "xml_10", "mail_gz_1", "mail_zip_1", "mailbox", "failure", "tlsrpt_small"] {
        let line = format!("ratio {ratio} ours/mail-auth ");
        assert!(text.lines().any(|l| l.starts_with(&line)), "{line}is not in {text}");
    }
}

#[test]
fn costs_no_more_than_it_did() {
    let has_valgrind = Command::new("valgrind").arg("--version").output().is_ok();
    assert!(has_valgrind || std::env::var_os("CI").is_none(), "continuous integration needs valgrind");
    let known = std::fs::read_to_string(file()).unwrap_or_default();
    let (mut written, mut worse) = (String::from("what\titem\treader\tfigure\n"), Vec::new());
    for (item, reader, times) in READ {
        let mut figures = vec![("allocations", allocations(item, reader))];
        if has_valgrind {
            let (once, twice) = (instructions(item, reader, times), instructions(item, reader, 2 * times));
            figures.push(("instructions", (twice - once) / times));
        }
        for (what, figure) in figures {
            let key = format!("{what}\t{item}\t{reader}\t");
            writeln!(written, "{key}{figure}").unwrap();
            let before = known.lines().find_map(|line| line.strip_prefix(&key)?.parse::<u64>().ok());
            if before.is_none_or(|before| figure * 100 > before * 105) {
                worse.push(format!("{what} of {item} by {reader}: {figure} instead of {before:?}"));
            }
        }
    }
    if std::env::var("GUARD").is_ok_and(|what| what == "write") {
        std::fs::write(file(), written).unwrap();
    } else {
        eprint!("{written}");
        assert!(worse.is_empty(), "more than 5 % worse: {worse:#?}");
    }
}

const BENCHES: &str = env!("CARGO_BIN_EXE_dmarc-benches");

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("guard.tsv")
}

/// What one reading allocates, once all that is kept from mail to mail is there.
fn allocations(item: &str, reader: &str) -> u64 {
    let output = Command::new(BENCHES).args(["--smoke", "--repeat", item, reader, "2"]).output().unwrap();
    text(output).trim().strip_prefix("allocations ").unwrap().parse().unwrap()
}

/// All instructions of a process that reads so many times.
fn instructions(item: &str, reader: &str, times: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", BENCHES])
        .args(["--smoke", "--repeat", item, reader, &times.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| line.contains("refs:")).unwrap();
    line.split(':').next_back().unwrap().replace(',', "").trim().parse().unwrap()
}

fn text(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
