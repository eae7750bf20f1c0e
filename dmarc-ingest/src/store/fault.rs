//! Where a crash may be asked for, so that tests can see what it leaves behind.

/// A step that is durable or about to be. With the feature `fault-points`, the process dies here by SIGKILL if
/// `FAULT_POINT` is `NAME:N` and this is the N-th time; without it, this is nothing.
#[cfg(not(feature = "fault-points"))]
#[inline]
pub(super) fn point(_name: &str) {}

#[cfg(feature = "fault-points")]
pub(super) fn point(name: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);

    let Ok(wanted) = std::env::var("FAULT_POINT") else { return };
    let (wanted, number) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if wanted != "any" && wanted != name {
        return;
    }
    if COUNT.fetch_add(1, Ordering::SeqCst) + 1 == number.parse().unwrap_or(1) {
        let done = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        debug_assert!(done.is_ok());
        loop {
            std::thread::park();
        }
    }
}
