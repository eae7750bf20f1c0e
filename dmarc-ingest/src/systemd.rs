//! What the service manager is told (`sd_notify`): ready, what is going on, still alive, stopping.
//!
//! Without `NOTIFY_SOCKET` in the environment nobody listens and nothing is sent. Messages are datagrams that do not
//! wait for an answer; a manager that is gone is no reason to stop, so failures are for the log only.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;

/// Says that the service is up: configuration read, dataset open.
///
/// # Errors
/// If there is a service manager and it cannot be reached.
pub fn ready() -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Ready])
}

/// Says that the service is about to stop.
///
/// # Errors
/// If there is a service manager and it cannot be reached.
pub fn stopping() -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Stopping])
}

/// Says what is going on, in one line for `systemctl status`. Line breaks, which would begin another message, and
/// other control characters are replaced.
///
/// # Errors
/// If there is a service manager and it cannot be reached.
pub fn status(text: &str) -> io::Result<()> {
    let text = text.replace(|c: char| c.is_control(), " ");
    sd_notify::notify(&[NotifyState::Status(&text)])
}

/// Says that the service is alive. Only code that does the work may call this, not a thread of its own: a watchdog that
/// is fed while the work hangs is none.
///
/// # Errors
/// If there is a service manager and it cannot be reached.
pub fn alive() -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Watchdog])
}

/// How often [`alive`] is to be called: half of the time after which the manager restarts the service. `None` if it
/// does not watch.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|time| time / 2).filter(|time| !time.is_zero())
}
