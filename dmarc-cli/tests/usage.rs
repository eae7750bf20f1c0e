//! The command itself: help, version, wrong use.

#[expect(dead_code, reason = "a part of it is enough here")]
mod common;

use common::dmarc;

#[test]
fn shows_help_on_standard_output() {
    let run = dmarc(&["--help"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.contains("Usage: dmarc <COMMAND>"), "{}", run.stdout);
    assert!(run.stdout.contains("parse"), "{}", run.stdout);
}

#[test]
fn shows_its_version() {
    let run = dmarc(&["--version"]);
    assert_eq!(
        run.whole(),
        format!("{}\n--- stderr\n--- exit code 0", concat!("dmarc ", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn asks_for_a_command() {
    let run = dmarc(&[]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("Usage: dmarc <COMMAND>"), "{}", run.stderr);
}

#[test]
fn names_the_nearest_command() {
    let run = dmarc(&["prase"]);
    insta::assert_snapshot!(run.whole(), @r"
    --- stderr
    error: unrecognized subcommand 'prase'

      tip: a similar subcommand exists: 'parse'

    Usage: dmarc <COMMAND>

    For more information, try '--help'.
    --- exit code 2
    ");
}
