//! Decompression with ceilings: nothing is inflated but through a [`Bounded`].
//!
//! Every ceiling is looked at while inflating, so that a bomb costs no more than the ceiling and one step. What is
//! over a ceiling is an error and never cut.

use std::cell::Cell;
use std::io::{self, Read};

use crate::error::{Error, Result};
use crate::limits::Limits;

/// Output below which the ratio is not looked at, in bytes.
const RATIO_FROM: u64 = 1 << 20;
/// What is read at once at most, in bytes.
pub(super) const STEP: usize = 32 << 10;
/// What is read first, in bytes; then twice as much each time. Room must be cleared before it is filled, which would cost more
/// than all else for a payload as small as most are.
pub(super) const FIRST: usize = 1 << 10;

/// A reader that inflates.
pub(super) trait Inflate: Read {
    /// Compressed bytes that were taken so far.
    fn taken(&self) -> u64;
}

/// What all containers of one message gave, and what they may.
#[derive(Debug)]
pub(super) struct Budget {
    given: Cell<u64>,
    /// What the ratio allows to all of them together: else entries that overlap, or containers in containers, would give
    /// it several times over.
    max_by_ratio: u64,
    max_total: u64,
    max_payload: u64,
    max_ratio: u64,
}

impl Budget {
    /// For a message of `received` bytes.
    pub(super) fn new(limits: &Limits, received: usize) -> Self {
        Self {
            given: Cell::new(0),
            max_by_ratio: limits.ratio.saturating_mul(received as u64).max(RATIO_FROM),
            max_total: limits.total_bytes,
            max_payload: limits.payload_bytes,
            max_ratio: limits.ratio,
        }
    }

    /// Whether the message gave too much.
    pub(super) fn is_spent(&self) -> bool {
        self.given.get() > self.max_total.min(self.max_by_ratio)
    }
}

/// What one container or one entry of an archive holds, as far as it may be inflated.
#[derive(Debug)]
pub(super) struct Bounded<'b, R> {
    source: R,
    budget: &'b Budget,
    given: u64,
}

impl<'b, R: Inflate> Bounded<'b, R> {
    pub(super) fn new(source: R, budget: &'b Budget) -> Self {
        Self { source, budget, given: 0 }
    }

    /// Compares with every ceiling after `more` bytes have come out.
    fn account(&mut self, more: u64) -> Result<()> {
        let Budget { given: all, max_by_ratio, max_total, max_payload, max_ratio } = self.budget;
        self.given += more;
        all.set(all.get().saturating_add(more));
        Limits::check("payload_bytes", self.given, *max_payload)?;
        Limits::check("total_bytes", all.get(), *max_total)?;
        let allowed = max_ratio.saturating_mul(self.source.taken()).max(RATIO_FROM);
        if self.given > allowed || all.get() > *max_by_ratio {
            return Err(Error::limit("ratio", *max_ratio));
        }
        Ok(())
    }
}

impl<R: Inflate> Read for Bounded<'_, R> {
    /// # Errors
    /// An [`Error`]: [`LimitExceeded`](crate::ErrorKind::LimitExceeded), or what the source gives.
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let step = to.len().min(STEP);
        let read = self.source.read(to.get_mut(..step).unwrap_or_default())?;
        self.account(read as u64)?;
        Ok(read)
    }
}

/// Reads all of `source` behind `held`, which is to have no more than `max` bytes.
///
/// # Errors
/// [`LimitExceeded`](crate::ErrorKind::LimitExceeded) of `held_bytes`, or what the source gives.
pub(super) fn collect(
    source: &mut dyn Read,
    mut held: Vec<u8>,
    max: u64,
    limits: &Limits,
) -> Result<Vec<u8>> {
    loop {
        Limits::check("held_bytes", held.len() as u64, max)
            .map_err(|_| Error::limit("held_bytes", limits.held_bytes))?;
        let step = held.len().clamp(FIRST, STEP);
        if fill(source, &mut held, step)? == 0 {
            return Ok(held);
        }
    }
}

/// Reads `source` to its end and keeps nothing.
///
/// # Errors
/// What the source gives.
pub(crate) fn drain(source: &mut dyn Read) -> Result<()> {
    let mut piece = [0; FIRST];
    loop {
        match source.read(&mut piece) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(Error::of_read(error)),
            _ => {}
        }
    }
}

/// Reads up to `max` bytes behind `held` and tells how many; 0 at the end.
///
/// # Errors
/// What the source gives.
pub(super) fn fill(source: &mut dyn Read, held: &mut Vec<u8>, max: usize) -> Result<usize> {
    let before = held.len();
    held.resize(before + max, 0);
    loop {
        match source.read(held.get_mut(before..).unwrap_or_default()) {
            Ok(read) => {
                held.truncate(before + read);
                return Ok(read);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                held.truncate(before);
                return Err(Error::of_read(error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::ErrorKind;
    use crate::decode::gzip::Members;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u32;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'a' + (state >> 28) as u8
        })
        .take(len)
        .collect()
    }

    fn inflate(input: &[u8], budget: &Budget, limits: &Limits) -> Result<Vec<u8>> {
        let quirks = RefCell::default();
        let mut stream = flate2::Decompress::new(false);
        let mut bounded = Bounded::new(Members::new(input, &mut stream, &quirks), budget);
        collect(&mut bounded, Vec::new(), limits.held_bytes, limits)
    }

    fn inflate_alone(input: &[u8], limits: &Limits) -> Result<Vec<u8>> {
        inflate(input, &Budget::new(limits, usize::MAX), limits)
    }

    #[test]
    fn accepts_a_payload_at_the_limit_and_rejects_one_byte_more() {
        let limits = Limits { payload_bytes: 100_000, ..Limits::default() };
        assert_eq!(inflate_alone(&gzip(&noise(100_000)), &limits).unwrap(), noise(100_000));
        let error = inflate_alone(&gzip(&noise(100_001)), &limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { limit: "payload_bytes", max: 100_000 });
    }

    #[test]
    fn holds_no_more_than_a_step_beyond_the_limit() {
        let limits = Limits { held_bytes: 100_000, ..Limits::default() };
        assert_eq!(inflate_alone(&gzip(&noise(100_000)), &limits).unwrap().len(), 100_000);
        let error = inflate_alone(&gzip(&noise(100_001)), &limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { limit: "held_bytes", max: 100_000 });
    }

    #[test]
    fn stops_by_ratio_only_beyond_a_mebibyte() {
        let spaces = gzip(&vec![b' '; 1 << 20]);
        assert_eq!(inflate_alone(&spaces, &Limits::default()).unwrap().len(), 1 << 20);
        let error = inflate_alone(&gzip(&vec![b' '; 40 << 20]), &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { limit: "ratio", max: 180 });
    }

    #[test]
    fn stops_when_the_message_as_a_whole_gave_too_much() {
        let limits = Limits { total_bytes: 150_000, ..Limits::default() };
        let budget = Budget::new(&limits, usize::MAX);
        let one = gzip(&noise(100_000));
        inflate(&one, &budget, &limits).unwrap();
        let error = inflate(&one, &budget, &limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { limit: "total_bytes", max: 150_000 });
    }
}
