//! Decompression with ceilings: the only module that touches a raw decompressor.
//!
//! Every ceiling is looked at while inflating, so that a bomb costs no more than the ceiling and one step. What is
//! over a ceiling is an error and never cut.

use std::io::Read;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;

/// Output below which the ratio is not looked at, in bytes.
const RATIO_FROM: u64 = 1 << 20;
/// The first capacity of an output buffer and the size of one step, in bytes.
const STEP: usize = 64 << 10;

/// What may still be inflated.
#[derive(Debug)]
pub(super) struct Budget {
    /// Bytes that all containers of one message may still give.
    total: u64,
    max_total: u64,
    max_payload: u64,
    max_ratio: u64,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            total: limits.total_bytes,
            max_total: limits.total_bytes,
            max_payload: limits.payload_bytes,
            max_ratio: limits.ratio,
        }
    }

    /// The ceiling of one payload or archive, in bytes.
    pub(super) fn max_payload(&self) -> u64 {
        self.max_payload
    }

    /// Takes `bytes` off what is left for the message.
    fn spend(&mut self, bytes: u64) {
        self.total = self.total.saturating_sub(bytes);
    }
}

/// The output of one container or of one entry of an archive.
#[derive(Debug)]
pub(super) struct Output<'b> {
    bytes: Vec<u8>,
    budget: &'b mut Budget,
    /// The ceiling of this output, in bytes; what is left of the ceiling of its archive.
    max: u64,
}

impl<'b> Output<'b> {
    pub(super) fn new(budget: &'b mut Budget, max: u64) -> Self {
        Self { bytes: Vec::new(), budget, max }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Inflates one raw deflate stream at the beginning of `input`, behind what is there already, and tells how many
    /// bytes of `input` it took. `before` bytes of the container were used up before it.
    ///
    /// # Errors
    /// - [`ErrorKind::LimitExceeded`] if a ceiling is reached.
    /// - [`ErrorKind::Decompress`] if the stream is damaged or cut short.
    pub(super) fn inflate(&mut self, input: &[u8], before: usize) -> Result<usize> {
        let mut stream = Decompress::new(false);
        loop {
            let taken = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
            let rest = input.get(taken..).unwrap_or_default();
            self.make_room();
            let (given, held) = (stream.total_in(), self.bytes.len());
            let status = stream
                .decompress_vec(rest, &mut self.bytes, FlushDecompress::None)
                .map_err(|e| Error::new(ErrorKind::Decompress).with_source(e))?;
            let taken = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
            self.account(self.bytes.len() - held, before.saturating_add(taken))?;
            match status {
                Status::StreamEnd => return Ok(taken),
                _ if given == stream.total_in() && held == self.bytes.len() => {
                    return Err(Error::new(ErrorKind::Decompress));
                }
                _ => {}
            }
        }
    }

    /// Reads all of `reader`, which decompresses `compressed` bytes.
    ///
    /// # Errors
    /// - [`ErrorKind::LimitExceeded`] if a ceiling is reached.
    /// - [`ErrorKind::Decompress`] if `reader` fails.
    pub(super) fn read_from(&mut self, reader: &mut impl Read, compressed: usize) -> Result<()> {
        let mut step = vec![0; STEP];
        loop {
            let read = match reader.read(&mut step) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Error::new(ErrorKind::Decompress).with_source(e)),
            };
            self.make_room();
            self.bytes.extend_from_slice(step.get(..read).unwrap_or_default());
            self.account(read, compressed)?;
        }
    }

    /// The checksum and size of what was added behind the first `from` bytes.
    pub(super) fn checksum(&self, from: usize) -> (u32, u32) {
        let mut crc = Crc::new();
        crc.update(self.bytes.get(from..).unwrap_or_default());
        (crc.sum(), crc.amount())
    }

    /// Doubles the buffer where it is full, but never beyond one step over the ceiling.
    fn make_room(&mut self) {
        if self.bytes.capacity() - self.bytes.len() < STEP {
            let max = usize::try_from(self.max).unwrap_or(usize::MAX).saturating_add(STEP);
            let wanted = self.bytes.len().max(STEP).min(max.saturating_sub(self.bytes.len())).max(STEP);
            self.bytes.reserve_exact(wanted);
        }
    }

    /// Compares with every ceiling after `more` bytes have come out and `compressed` have gone in.
    fn account(&mut self, more: usize, compressed: usize) -> Result<()> {
        self.budget.spend(more as u64);
        let (len, compressed) = (self.bytes.len() as u64, compressed as u64);
        Limits::check("payload_bytes", len, self.max).map_err(|_| self.payload_error())?;
        if len > RATIO_FROM && len / self.budget.max_ratio.max(1) >= compressed.max(1) {
            return Err(Error::limit("ratio", self.budget.max_ratio));
        }
        if self.budget.total == 0 {
            return Err(Error::limit("total_bytes", self.budget.max_total));
        }
        Ok(())
    }

    fn payload_error(&self) -> Error {
        Error::limit("payload_bytes", self.budget.max_payload)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
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

    fn inflate(input: &[u8], limits: &Limits) -> Result<(Vec<u8>, usize)> {
        let mut budget = Budget::new(limits);
        let max = budget.max_payload();
        let mut output = Output::new(&mut budget, max);
        let taken = output.inflate(input, 0)?;
        Ok((output.into_bytes(), taken))
    }

    #[test]
    fn accepts_a_payload_at_the_limit_and_rejects_one_byte_more() {
        let limits = Limits { payload_bytes: 100_000, ..Limits::default() };
        assert_eq!(inflate(&deflated(&noise(100_000)), &limits).unwrap().0, noise(100_000));
        let error = inflate(&deflated(&noise(100_001)), &limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { limit: "payload_bytes", max: 100_000 });
    }

    #[test]
    fn grows_the_buffer_no_further_than_a_step_beyond_the_limit() {
        let limits = Limits { payload_bytes: 1_000_000, ..Limits::default() };
        let mut budget = Budget::new(&limits);
        let mut output = Output::new(&mut budget, 1_000_000);
        let error = output.inflate(&deflated(&noise(5_000_000)), 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { limit: "payload_bytes", max: 1_000_000 });
        assert!(output.bytes.capacity() <= 1_000_000 + 2 * STEP, "{}", output.bytes.capacity());
    }

    #[test]
    fn stops_by_ratio_only_beyond_a_mebibyte() {
        let spaces = deflated(&vec![b' '; 1 << 20]);
        assert_eq!(inflate(&spaces, &Limits::default()).unwrap().0.len(), 1 << 20);
        let error = inflate(&deflated(&vec![b' '; 40 << 20]), &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { limit: "ratio", max: 250 });
    }

    #[test]
    fn stops_when_the_message_as_a_whole_gave_too_much() {
        let limits = Limits { total_bytes: 150_000, ..Limits::default() };
        let mut budget = Budget::new(&limits);
        let one = deflated(&noise(100_000));
        Output::new(&mut budget, 1_000_000).inflate(&one, 0).unwrap();
        let error = Output::new(&mut budget, 1_000_000).inflate(&one, 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded { limit: "total_bytes", max: 150_000 });
    }

    #[test]
    fn tells_where_the_stream_ended_and_refuses_a_cut_one() {
        let mut stream = deflated(&noise(300_000));
        let len = stream.len();
        stream.extend_from_slice(b"behind");
        assert_eq!(inflate(&stream, &Limits::default()).unwrap().1, len);
        for cut in [0, 1, len / 2, len - 1] {
            let error = inflate(&stream[..cut], &Limits::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decompress, "{cut}");
        }
    }
}
