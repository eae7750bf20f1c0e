//! Whole simulated worlds against their truth. Needs the world generator beside the workspace, and python3.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

#[expect(dead_code, reason = "a part of it is enough here")]
mod common;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn world_1_is_found_as_it_is() {
    finds_a_world_as_it_is(1, &[]);
}

#[test]
fn world_2_is_found_as_it_is() {
    finds_a_world_as_it_is(2, &["--once"]);
}

#[test]
fn world_3_is_found_as_it_is() {
    finds_a_world_as_it_is(3, &["--once"]);
}

/// The script compares: totals, duplicates and forgeries exactly, and memory below 100 MB. Unless it runs once only: at
/// most 12 findings a domain, the same bytes twice, the same findings in any order of mail.
fn finds_a_world_as_it_is(seed: u32, options: &[&str]) {
    let generator = Path::new(ROOT).join("../shared/worldgen/worldgen.py");
    let has_python = Command::new("python3").arg("--version").output().is_ok_and(|run| run.status.success());
    if !generator.exists() || !has_python {
        return common::skipped("no world generator");
    }
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path().join("world");
    let seed = seed.to_string();
    python(&generator, &["--seed", &seed, "--domains", "3", "--days", "30", "--out"], &world);
    python(&script("world-config.py"), &[], &world);
    let options = [options, &["--dmarc", env!("CARGO_BIN_EXE_dmarc")]].concat();
    let said = python(&script("score-worlds.py"), &options, &world);
    assert!(said.contains("called unauthorized.spoof (each is a bug): 0\n"), "{said}");
    assert!(said.contains("unauthorised sources not found: 0\n"), "{said}");
    assert!(said.ends_with("exact checks failed: 0\n"), "{said}");
}

fn script(name: &str) -> std::path::PathBuf {
    Path::new(ROOT).join("scripts").join(name)
}

/// Runs a script over `world` and returns what it said.
fn python(script: &Path, options: &[&str], world: &Path) -> String {
    let arguments = options.iter().map(OsStr::new).chain([world.as_os_str()]);
    // No compiled copy of a script is left beside it.
    let run = Command::new("python3").arg("-B").arg(script).args(arguments).output().unwrap();
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success(), "{}: {said}{}", script.display(), String::from_utf8_lossy(&run.stderr));
    said
}
