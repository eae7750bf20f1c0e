//! Passwords and tokens: where they are kept, never what they are.
//!
//! A secret is read when it is needed and forgotten afterwards. A file that everybody may read is refused, but for
//! those below `/run/secrets`: there container runtimes put secrets, with a mode of their choice and no other users. (A
//! Kubernetes secret elsewhere wants `defaultMode: 0440`.) What is read is bounded, and so is the time a command may
//! take. No error and no `Debug` says more than the place.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::source::read_at_most;

/// The largest file, variable or output read, in bytes.
const MAX_BYTES: u64 = 64 << 10;
/// How long a command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the end of a command is looked for, once it has printed everything.
const LOOK: Duration = Duration::from_millis(5);
/// Where container runtimes put secrets.
const RUN_SECRETS: &str = "/run/secrets/";
/// The bits of a file's mode that let everybody in.
const OTHERS: u32 = 0o007;

/// Where a secret is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The first line of a file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// The first line that a command prints; the first item is the program.
    Command(Vec<String>),
}

/// The place only: the arguments of a command may hold what nobody should see.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

/// The place, for people: `file /run/secrets/rua`, `environment variable RUA`, `command pass`.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::Command(words) => write!(f, "command {}", words.first().map_or("", String::as_str)),
        }
    }
}

/// Why a secret could not be read. It never says what the secret is.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct SecretError {
    /// Where it is kept.
    pub place: String,
    /// What was wrong, and what can be done.
    pub reason: String,
}

impl Secret {
    /// The secret, without the end of its line. A command is waited for, at most 30 seconds.
    ///
    /// # Errors
    /// [`SecretError`] if it is not there, cannot be read, is empty, is larger than 64 KiB, may be read by everybody, or
    /// if its command fails or takes too long.
    pub fn read(&self) -> Result<String, SecretError> {
        let bytes = match self {
            Self::File(path) => of_file(path),
            Self::Env(name) => std::env::var_os(name)
                .map(std::os::unix::ffi::OsStringExt::into_vec)
                .ok_or_else(|| io::Error::other("it is not set")),
            Self::Command(words) => of_command(words, COMMAND_TIMEOUT),
        };
        bytes
            .and_then(first_line)
            .map_err(|error| SecretError { place: self.to_string(), reason: error.to_string() })
    }
}

fn first_line(bytes: Vec<u8>) -> io::Result<String> {
    let bytes = bounded(bytes)?;
    // The error of `from_utf8` would hold the bytes.
    let text = String::from_utf8(bytes).map_err(|_| io::Error::other("the secret is not UTF-8"))?;
    match text.lines().next().unwrap_or_default() {
        "" => Err(io::Error::other("the secret is empty")),
        line => Ok(line.to_owned()),
    }
}

fn bounded(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("expected a secret of at most {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

fn of_file(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe would be waited for without NONBLOCK; for a file it means nothing.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    check_mode(&file, path)?;
    let mut bytes = Vec::new();
    read_at_most(&mut file, MAX_BYTES + 1, &mut bytes)?;
    Ok(bytes)
}

fn check_mode(file: &File, path: &Path) -> io::Result<()> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("expected a regular file"));
    }
    if metadata.mode() & OTHERS != 0 && !path.starts_with(RUN_SECRETS) {
        let mode = metadata.mode() & 0o777;
        let message =
            format!("every user of this host may use it (mode {mode:04o}): chmod 600, or 640 for a group");
        return Err(io::Error::other(message));
    }
    Ok(())
}

/// What the command prints; it is killed, with all that it started, if it takes longer than `timeout`.
fn of_command(words: &[String], timeout: Duration) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + timeout;
    let (program, arguments) = words.split_first().ok_or_else(|| io::Error::other("there is no command"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .process_group(0)
        .spawn()?;
    let done = child
        .stdout
        .take()
        .ok_or_else(|| io::Error::other("its output cannot be read"))
        .and_then(|stdout| output(stdout, deadline))
        .and_then(bounded)
        .and_then(|bytes| Ok((bytes, wait(&mut child, deadline)?)));
    if done.is_err() {
        kill(&mut child);
    }
    match done? {
        (bytes, status) if status.success() => Ok(bytes),
        (_, status) => Err(io::Error::other(format!("it failed: {status}"))),
    }
}

/// Everything that is printed, read by a thread because a pipe that stays open would hold us up.
fn output(mut stdout: ChildStdout, deadline: Instant) -> io::Result<Vec<u8>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new().name("secret".to_owned()).spawn(move || {
        let mut bytes = Vec::new();
        let read = read_at_most(&mut stdout, MAX_BYTES + 1, &mut bytes).map(|()| bytes);
        // Nobody listens any more after the deadline.
        drop(sender.send(read));
    })?;
    receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())).map_err(|_| too_slow())?
}

fn wait(child: &mut Child, deadline: Instant) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            return Err(too_slow());
        }
        thread::sleep(LOOK);
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it takes too long, and was stopped")
}

/// Ends the command and all that it started, and waits until it is gone.
fn kill(child: &mut Child) {
    // Until it is waited for, its number belongs to nobody else.
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let killed = group.is_some_and(|group| kill_process_group(group, Signal::KILL).is_ok());
    if killed || child.kill().is_ok() {
        drop(child.wait());
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(bytes: &[u8], mode: u32) -> (tempfile::TempDir, Secret) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (folder, Secret::File(path))
    }

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    fn reason(secret: &Secret) -> String {
        secret.read().unwrap_err().reason
    }

    #[test]
    fn reads_the_first_line_of_a_file() {
        for bytes in ["hunter2", "hunter2\n", "hunter2\r\nuser: me\n"] {
            let (_folder, secret) = file(bytes.as_bytes(), 0o640);
            assert_eq!(secret.read().unwrap(), "hunter2");
        }
    }

    #[test]
    fn refuses_a_file_that_everybody_may_use() {
        for mode in [0o644, 0o602, 0o601] {
            let (_folder, secret) = file(b"hunter2\n", mode);
            let expected = format!(
                "every user of this host may use it (mode {mode:04o}): chmod 600, or 640 for a group"
            );
            assert_eq!(reason(&secret), expected);
        }
    }

    #[test]
    fn takes_a_file_of_a_container_runtime_with_any_mode() {
        let (folder, _secret) = file(b"hunter2\n", 0o444);
        let open = File::open(folder.path().join("secret")).unwrap();
        assert!(check_mode(&open, Path::new("/run/secrets/rua")).is_ok());
        assert!(check_mode(&open, Path::new("/run/secrets-of-mine/rua")).is_err());
    }

    #[test]
    fn accepts_a_secret_at_the_limit_and_refuses_one_byte_more() {
        let at_limit = vec![b'a'; 64 << 10];
        let (_folder, secret) = file(&at_limit, 0o600);
        assert_eq!(secret.read().unwrap().len(), 64 << 10);
        let (_folder, secret) = file(&[at_limit, vec![b'a']].concat(), 0o600);
        assert_eq!(reason(&secret), "expected a secret of at most 65536 bytes");
        let secret = Secret::Command(shell("yes"));
        assert_eq!(reason(&secret), "expected a secret of at most 65536 bytes");
    }

    #[test]
    fn says_what_is_wrong_and_never_what_the_secret_is() {
        let (_folder, empty) = file(b"\nhunter2\n", 0o600);
        assert_eq!(reason(&empty), "the secret is empty");
        let (_folder, binary) = file(b"hunter2\xff\n", 0o600);
        assert_eq!(reason(&binary), "the secret is not UTF-8");
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(reason(&Secret::File(folder.path().to_path_buf())), "expected a regular file");
        assert_eq!(
            Secret::Env("NO_SUCH_VARIABLE_OF_DMARC".to_owned()).read().unwrap_err().to_string(),
            "environment variable NO_SUCH_VARIABLE_OF_DMARC: it is not set"
        );
        let failing = Secret::Command(shell("echo hunter2; exit 3"));
        assert_eq!(failing.read().unwrap_err().to_string(), "command sh: it failed: exit status: 3");
        assert_eq!(format!("{failing:?}"), "Secret(command sh)");
        assert!(reason(&Secret::Command(vec!["/no/such/program".to_owned()])).starts_with("No such file"));
    }

    #[test]
    fn does_not_wait_for_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert_eq!(reason(&Secret::File(path)), "expected a regular file");
    }

    #[test]
    fn reads_what_a_command_prints() {
        let secret = Secret::Command(shell("printf 'hunter2\\nurl: x\\n'"));
        assert_eq!(secret.read().unwrap(), "hunter2");
    }

    #[test]
    fn stops_a_command_that_hangs_and_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let number = folder.path().join("pid");
        for script in [
            "sleep 600 & echo $! > \"$0\"; echo hunter2; wait",
            "echo hunter2; exec >&-; echo $$ > \"$0\"; sleep 600",
        ] {
            let mut words = shell(script);
            words.push(number.to_string_lossy().into_owned());
            let begin = Instant::now();
            let error = of_command(&words, Duration::from_millis(500)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(begin.elapsed() < Duration::from_mins(1));
            let pid = std::fs::read_to_string(&number).unwrap();
            let status = PathBuf::from(format!("/proc/{}/status", pid.trim()));
            // Its new parent may take a while to bury it.
            let is_gone = || std::fs::read_to_string(&status).map_or(true, |text| text.contains("State:\tZ"));
            while !is_gone() {
                assert!(begin.elapsed() < Duration::from_mins(1), "{script}");
                thread::yield_now();
            }
        }
    }
}
