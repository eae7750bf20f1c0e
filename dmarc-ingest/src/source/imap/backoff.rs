//! How long to wait before a server is asked again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::source::SourceError;

/// First and longest wait after a broken connection.
const BROKEN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(15));
/// First and longest wait after a refused login: servers lock accounts that try too often.
const REFUSED: (Duration, Duration) = (Duration::from_mins(5), Duration::from_hours(6));

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setback {
    /// The server could not be reached, or the connection broke.
    Broken,
    /// The login was refused.
    LoginRefused,
}

impl Setback {
    /// What this error is to a [`Backoff`].
    pub fn of(error: &SourceError) -> Self {
        match error {
            SourceError::Imap(error) if error.fault.is_login_refused() => Self::LoginRefused,
            _ => Self::Broken,
        }
    }
}

/// Waits that double with each failure in a row, between half and the whole of which chance decides.
///
/// Only a connection that survives a whole pass is a success: a server that lets us in and says goodbye is not.
#[derive(Clone, Debug)]
#[must_use]
pub struct Backoff {
    broken: u32,
    refused: u32,
    random: RandomState,
    draws: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

impl Backoff {
    /// Without any failure.
    pub fn new() -> Self {
        Self { broken: 0, refused: 0, random: RandomState::new(), draws: 0 }
    }

    /// Notes a failure; how long to wait now.
    pub fn failed(&mut self, setback: Setback) -> Duration {
        let (failures, (first, longest)) = match setback {
            Setback::Broken => (&mut self.broken, BROKEN),
            Setback::LoginRefused => (&mut self.refused, REFUSED),
        };
        let wait = first.saturating_mul(2_u32.saturating_pow((*failures).min(30))).min(longest);
        *failures = failures.saturating_add(1);
        self.jitter(wait)
    }

    /// Notes that a whole pass succeeded.
    pub fn succeeded(&mut self) {
        self.broken = 0;
        self.refused = 0;
    }

    /// Between half of `wait` and all of it, so that many clients of a server that restarts do not come at once.
    fn jitter(&mut self, wait: Duration) -> Duration {
        self.draws = self.draws.wrapping_add(1);
        let share = (self.random.hash_one(self.draws) % 1001) as u32;
        wait / 2 + wait / 2 * share / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_around(wait: Duration, whole: Duration) -> bool {
        wait >= whole / 2 && wait <= whole
    }

    #[test]
    fn doubles_up_to_a_ceiling() {
        let mut backoff = Backoff::new();
        for whole in [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            let wait = backoff.failed(Setback::Broken);
            assert!(is_around(wait, Duration::from_secs(whole)), "{wait:?} for {whole}");
        }
        for _ in 0..100 {
            assert!(backoff.failed(Setback::Broken) <= BROKEN.1);
        }
    }

    #[test]
    fn waits_longest_for_a_refused_login() {
        let mut backoff = Backoff::new();
        assert!(is_around(backoff.failed(Setback::LoginRefused), REFUSED.0));
        assert!(is_around(backoff.failed(Setback::LoginRefused), REFUSED.0 * 2));
        assert!(is_around(backoff.failed(Setback::Broken), BROKEN.0), "each has its own schedule");
        for _ in 0..100 {
            assert!(backoff.failed(Setback::LoginRefused) <= REFUSED.1);
        }
    }

    #[test]
    fn begins_again_after_a_success() {
        let mut backoff = Backoff::new();
        for _ in 0..5 {
            let _ = backoff.failed(Setback::Broken);
        }
        backoff.succeeded();
        assert!(is_around(backoff.failed(Setback::Broken), BROKEN.0));
    }

    #[test]
    fn differs_between_two_that_fail_together() {
        let (mut one, mut other) = (Backoff::new(), Backoff::new());
        let differ = (0..50).any(|_| one.failed(Setback::Broken) != other.failed(Setback::Broken));
        assert!(differ);
    }
}
