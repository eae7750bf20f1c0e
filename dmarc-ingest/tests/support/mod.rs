//! What the tests of IMAP need: a real server, certificates, and a network that misbehaves.

pub(crate) mod dovecot;
pub(crate) mod pki;
pub(crate) mod proxy;
pub(crate) mod script;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Writes a secret into a file that nobody else can read, in place of what was there.
pub(crate) fn write_secret(path: impl AsRef<Path>, secret: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())
}

/// Waits until `condition` holds; the deadline is only there so that a failure ends.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}
