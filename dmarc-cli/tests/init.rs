//! `dmarc init`: a commented configuration to begin with.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

#[expect(dead_code, reason = "a part of it is enough here")]
mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::{Run, dmarc, dmarc_with_env};
use dmarc_ingest::Config;

/// Runs `dmarc init` on `name` in `folder`; what it says is the same in every folder and on every host.
fn init(folder: &Path, name: &str) -> Run {
    let home = folder.to_str().unwrap();
    let path = folder.join(name);
    let variables = [("HOME", home), ("XDG_DATA_HOME", "")];
    let mut run = dmarc_with_env(&["init", path.to_str().unwrap()], &variables);
    run.stderr = run
        .stderr
        .lines()
        .filter(|line| !line.contains(" may be your domain"))
        .map(|line| {
            line.replace("/var/lib/dmarc", "DATA").replace(&format!("{home}/.local/share/dmarc"), "DATA")
        })
        .map(|line| line.replace(home, "FOLDER") + "\n")
        .collect();
    run
}

fn load(path: &Path) -> Config {
    Config::load::<String, String>(path, []).unwrap()
}

#[test]
fn writes_a_configuration_of_defaults_that_its_owner_alone_may_read() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(init(folder.path(), "dmarc.toml").whole(), @r"
    --- stderr
    Wrote FOLDER/dmarc.toml: every key with its default, as a comment.
      The dataset will be in DATA.
    --- exit code 0
    ");
    let path = folder.path().join("dmarc.toml");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut config = load(&path);
    assert!(config.data.take().unwrap().ends_with("dmarc"));
    assert_eq!(config, Config::default());
}

#[test]
fn writes_a_configuration_that_other_commands_accept() {
    let folder = common::folder(&[("mail/a.xml", common::REPORT)]);
    init(folder.path(), "dmarc.toml");
    let [config, mail] = ["dmarc.toml", "mail"].map(|name| folder.path().join(name));
    let run = dmarc(&["findings", mail.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

#[test]
fn writes_to_standard_output_and_into_no_file_where_a_dash_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = dmarc(&["init", "-"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let path = folder.path().join("dmarc.toml");
    std::fs::write(&path, run.stdout).unwrap();
    let config = load(&path);
    assert_eq!((config.owner, config.mailboxes), Default::default());
    assert!(!Path::new("-").exists());
}

#[test]
fn never_overwrites_a_file() {
    let folder = common::folder(&[("dmarc.toml", "# mine\n")]);
    insta::assert_snapshot!(init(folder.path(), "dmarc.toml").whole(), @r"
    --- stderr
    dmarc: FOLDER/dmarc.toml: there is a file already, and it is left as it is
      hint: name another one: dmarc init FILE
    --- exit code 2
    ");
    assert_eq!(std::fs::read_to_string(folder.path().join("dmarc.toml")).unwrap(), "# mine\n");
}

#[test]
fn does_not_write_through_a_link_that_leads_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(folder.path().join("else"), folder.path().join("dmarc.toml")).unwrap();
    assert_eq!(init(folder.path(), "dmarc.toml").code, 2);
    assert!(!folder.path().join("else").exists());
}

#[test]
fn says_that_a_folder_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(init(folder.path(), "etc/dmarc.toml").whole(), @r"
    --- stderr
    dmarc: FOLDER/etc/dmarc.toml: the configuration cannot be written: No such file or directory (os error 2)
      hint: its folder is not there: make it first
    --- exit code 4
    ");
}

#[test]
fn lets_the_environment_win_over_the_file_of_another_command() {
    let folder = common::folder(&[("dmarc.toml", ""), ("a.xml", common::REPORT)]);
    let [config, mail] = ["dmarc.toml", "a.xml"].map(|name| folder.path().join(name));
    let arguments = ["findings", mail.to_str().unwrap(), "--config", config.to_str().unwrap()];
    insta::assert_snapshot!(dmarc_with_env(&arguments, &[("DMARC_OWNER_DOMIANS", "example.org")]).whole(), @r"
    --- stderr
    dmarc: unknown environment variable DMARC_OWNER_DOMIANS (did you mean `DMARC_OWNER_DOMAINS`?)
    --- exit code 2
    ");
}
