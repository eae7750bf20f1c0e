//! Paths → what was found under them, one mail at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use dmarc_core::{Limits, MessageInfo, Outcome, Reading};

use crate::source::{Input, Messages, SourceError};

/// What one input gave.
#[derive(Debug)]
#[non_exhaustive]
pub struct MailOutcome {
    /// Where it came from, see [`Input::source`](crate::source::Input::source).
    pub source: String,
    /// The message, where the input was one.
    pub message: Option<MessageInfo>,
    /// What was found in it, in the order of its bytes; empty if it is no report.
    pub outcomes: Vec<Outcome>,
    /// Whether reading panicked: a bug of ours. Nothing was found then, and the input may hold a report.
    pub panicked: bool,
}

/// Reads everything under `paths`, in an order that depends on names only.
///
/// Each input is read when it is asked for, so only one is held in memory. An error names one path and does not end
/// the iteration.
pub fn outcomes(
    paths: &[PathBuf],
    limits: &Limits,
) -> impl Iterator<Item = Result<MailOutcome, SourceError>> {
    let limits = limits.clone();
    Messages::new(paths, &limits)
        .map(move |input| input.map(|input| guarded(input, |bytes| dmarc_core::read(bytes, &limits))))
}

/// The last net: core does not panic, but if it does one day, one mail is lost and not the run.
fn guarded(input: Input, read: impl Fn(&[u8]) -> Reading) -> MailOutcome {
    let reading = catch_unwind(AssertUnwindSafe(|| read(&input.bytes)));
    let panicked = reading.is_err();
    let Reading { message, outcomes, .. } = reading.unwrap_or_default();
    MailOutcome { source: input.source, message, outcomes, panicked }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_a_panic_of_the_reader() {
        let input = Input { source: "new/1".to_owned(), bytes: b"x".to_vec(), size: 1 };
        let mail = guarded(input, |_| panic!("a bug"));
        assert!(mail.panicked);
        assert_eq!(mail.source, "new/1");
        assert!(mail.outcomes.is_empty());
    }

    #[test]
    fn goes_on_after_a_path_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "no report").unwrap();
        let items: Vec<_> = outcomes(&[folder.path().join("gone"), file], &Limits::default()).collect();
        assert!(matches!(items[0], Err(SourceError::NotFound { .. })));
        assert!(items[1].as_ref().is_ok_and(|mail| !mail.panicked));
    }
}
