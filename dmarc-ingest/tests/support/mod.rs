//! What the tests of IMAP need: a real server, certificates, and a network that misbehaves.

pub(crate) mod dovecot;
pub(crate) mod pki;
pub(crate) mod proxy;
pub(crate) mod script;

use std::time::{Duration, Instant};

/// Waits until `condition` holds; the deadline is only there so that a failure ends.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}
