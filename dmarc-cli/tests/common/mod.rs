//! Runs the real binary and keeps everything it says.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

/// A small aggregate report.
pub(crate) const REPORT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<feedback>
  <version>1.0</version>
  <report_metadata>
    <org_name>Receiver</org_name>
    <email>dmarc@receiver.example</email>
    <report_id>r-1</report_id>
    <date_range><begin>1792886400</begin><end>1792972799</end></date_range>
  </report_metadata>
  <policy_published>
    <domain>example.org</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct>
  </policy_published>
  <record>
    <row>
      <source_ip>192.0.2.1</source_ip><count>2</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>pass</spf></policy_evaluated>
    </row>
    <identifiers><header_from>example.org</header_from></identifiers>
    <auth_results>
      <dkim><domain>example.org</domain><selector>s1</selector><result>pass</result></dkim>
      <spf><domain>example.org</domain><scope>mfrom</scope><result>pass</result></spf>
    </auth_results>
  </record>
</feedback>
"#;

/// What a run said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Run {
    /// Everything, for a snapshot.
    pub(crate) fn whole(&self) -> String {
        format!("{}--- stderr\n{}--- exit code {}", self.stdout, self.stderr, self.code)
    }
}

/// Runs `dmarc` with an empty standard input.
pub(crate) fn dmarc(arguments: &[&str]) -> Run {
    dmarc_with_input(arguments, b"")
}

/// Runs `dmarc` with this standard input.
pub(crate) fn dmarc_with_input(arguments: &[&str], input: &[u8]) -> Run {
    let mut child = spawn(arguments, Stdio::piped());
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        finish(child)
    })
}

/// Runs `dmarc` with these variables in its environment.
pub(crate) fn dmarc_with_env(arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = command(arguments);
    command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped());
    finish(command.spawn().unwrap())
}

/// Runs `dmarc` with standard output into a file.
pub(crate) fn dmarc_into(arguments: &[&str], file: std::fs::File) -> Run {
    let mut child = spawn(arguments, file.into());
    drop(child.stdin.take());
    finish(child)
}

/// Runs `dmarc` and closes its standard output before it writes.
pub(crate) fn dmarc_with_closed_pipe(arguments: &[&str]) -> Run {
    let mut child = spawn(arguments, Stdio::piped());
    drop(child.stdout.take());
    finish(child)
}

/// Every line of standard output as a value.
pub(crate) fn json_lines(run: &Run) -> Vec<serde_json::Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A folder with these files.
pub(crate) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    root
}

/// Says why a test did nothing; past the capture of a passing test, so that it is seen.
pub(crate) fn skipped(why: &str) {
    let mut err = std::io::stderr();
    writeln!(err, "skipped: {why}").unwrap();
}

fn spawn(arguments: &[&str], stdout: Stdio) -> Child {
    command(arguments).stdin(Stdio::piped()).stdout(stdout).spawn().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dmarc"));
    command.args(arguments).env("COLUMNS", "100").env_remove("NO_COLOR").stderr(Stdio::piped());
    command
}

fn finish(child: Child) -> Run {
    let output = child.wait_with_output().unwrap();
    Run {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}
