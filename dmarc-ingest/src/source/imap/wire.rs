//! Commands out, responses in: lines and literals, bounded in bytes and time.

use std::io::{self, Read, Write};
use std::time::Duration;

use super::account::Account;
use super::fault::Fault;
use super::response::Response;
use super::stream::{self, Stream};

/// Longest line of a response, in bytes.
const LINE_BYTES: usize = 1 << 20;
/// Longest literal that is read past, in bytes. It is not kept.
const SKIPPED_BYTES: u64 = 1 << 30;

/// A connection on which lines and literals are told apart.
pub(super) struct Wire {
    stream: Stream,
    server: String,
    timeout: Duration,
    /// Received and not yet read: `buffer[start..end]`.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    tags: u32,
    /// What may still come of the answer to a command.
    bounds: Bounds,
}

/// What is kept of the answer to a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// All lines together, in bytes; more breaks the connection.
    pub(super) lines: u64,
    /// All literals together, in bytes; those beyond are read past.
    pub(super) literals: u64,
    /// One literal, in bytes; a longer one is read past.
    pub(super) literal: u64,
}

impl Default for Bounds {
    /// Enough for a window of the listing, which brings no literals.
    fn default() -> Self {
        Self { lines: 4 << 20, literals: 1 << 20, literal: 64 << 10 }
    }
}

impl Wire {
    /// Connects with the server of `account`.
    pub(super) fn connect(account: &Account) -> Result<Self, Fault> {
        Ok(Self {
            stream: Stream::connect(account)?,
            server: stream::server(account),
            timeout: account.timeout,
            buffer: vec![0; 64 << 10].into_boxed_slice(),
            start: 0,
            end: 0,
            tags: 0,
            bounds: Bounds::default(),
        })
    }

    /// Puts TLS on the connection after STARTTLS.
    ///
    /// What came in the clear after the server's consent could only be from somebody else: it ends the connection.
    pub(super) fn secure(mut self, account: &Account) -> Result<Self, Fault> {
        if self.start != self.end {
            return Err(self.insecure("more than the answer to STARTTLS came in the clear"));
        }
        self.stream = self.stream.secure(account)?;
        Ok(self)
    }

    /// Host and port.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// The version of TLS, in words.
    pub(super) fn privacy(&self) -> String {
        self.stream.privacy()
    }

    /// Sends a command of one line; the tag that its answer will have.
    ///
    /// `bounds` hold until the next command.
    pub(super) fn send(&mut self, command: &str, bounds: Bounds) -> Result<String, Fault> {
        self.tags = self.tags.wrapping_add(1);
        self.bounds = bounds;
        let tag = format!("d{}", self.tags);
        self.write(format!("{tag} {command}\r\n").as_bytes())?;
        Ok(tag)
    }

    /// Sends what continues a command, as it is.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let sent = self.stream.write_all(bytes).and_then(|()| self.stream.flush());
        sent.map_err(|error| self.broken(error))
    }

    /// The next response.
    pub(super) fn read(&mut self) -> Result<Response, Fault> {
        let mut response = Response::default();
        loop {
            let line = response.bytes.len();
            self.read_line(&mut response.bytes)?;
            let Some(length) = response.bytes.get(line..).and_then(announced) else {
                return Ok(response);
            };
            if length <= self.bounds.literal.min(self.bounds.literals) {
                self.bounds.literals -= length;
                response.bytes.extend_from_slice(b"\r\n");
                // Memory grows with what arrives, not with what is announced.
                self.pass(length, |bytes| response.bytes.extend_from_slice(bytes))?;
            } else {
                // An empty literal stands in its place.
                let header = response.bytes.iter().rposition(|byte| *byte == b'{').unwrap_or_default();
                response.bytes.truncate(header);
                response.bytes.extend_from_slice(b"{0}\r\n");
                self.skip(length)?;
                response.left_out = response.left_out.max(Some(length));
            }
        }
    }

    /// Waits up to `timeout` for the server to say something; whether there is something to read.
    pub(super) fn poll(&mut self, timeout: Duration) -> Result<bool, Fault> {
        if self.start != self.end {
            return Ok(true);
        }
        self.stream.set_read_timeout(timeout).map_err(|error| self.broken(error))?;
        let filled = self.fill();
        self.stream.set_read_timeout(self.timeout).map_err(|error| self.broken(error))?;
        match filled {
            Err(error) if is_timeout(&error) => Ok(false),
            other => other.map(|()| true).map_err(|error| self.broken(error)),
        }
    }

    /// Waits for the next answers at most `timeout`, for those that can be done without.
    pub(super) fn hurry(&mut self, timeout: Duration) {
        self.timeout = self.timeout.min(timeout);
        // If that fails, the connection is broken and the next operation finds out.
        drop(self.stream.set_read_timeout(self.timeout));
    }

    pub(super) fn insecure(&self, reason: &'static str) -> Fault {
        Fault::Insecure { server: self.server.clone(), reason }
    }

    pub(super) fn not_understood(&self, reason: &'static str) -> Fault {
        Fault::NotUnderstood { server: self.server.clone(), reason }
    }

    /// Appends the rest of a line without its end.
    fn read_line(&mut self, into: &mut Vec<u8>) -> Result<(), Fault> {
        let begin = into.len();
        loop {
            let received = self.received();
            let end = received.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(received.len(), |end| end + 1);
            let taken = received.get(..length).unwrap_or_default();
            into.extend_from_slice(taken);
            self.start += length;
            self.pay(length as u64)?;
            if end.is_some() {
                into.pop();
                if into.last() == Some(&b'\r') && into.len() > begin {
                    into.pop();
                }
                return Ok(());
            }
            if into.len() - begin > LINE_BYTES {
                return Err(self.not_understood("a line without an end"));
            }
            self.receive()?;
        }
    }

    fn skip(&mut self, length: u64) -> Result<(), Fault> {
        if length > SKIPPED_BYTES {
            return Err(Fault::TooMuch { server: self.server.clone(), bytes: SKIPPED_BYTES });
        }
        self.pass(length, |_| {})
    }

    fn pass(&mut self, length: u64, mut to: impl FnMut(&[u8])) -> Result<(), Fault> {
        let mut missing =
            usize::try_from(length).map_err(|_| self.not_understood("the length of a literal"))?;
        while missing > 0 {
            let received = self.received();
            let length = missing.min(received.len());
            to(received.get(..length).unwrap_or_default());
            missing -= length;
            self.start += length;
            if missing > 0 {
                self.receive()?;
            }
        }
        Ok(())
    }

    fn pay(&mut self, bytes: u64) -> Result<(), Fault> {
        let left = self.bounds.lines;
        self.bounds.lines = left
            .checked_sub(bytes)
            .ok_or_else(|| Fault::TooMuch { server: self.server.clone(), bytes: left })?;
        Ok(())
    }

    fn received(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn receive(&mut self) -> Result<(), Fault> {
        self.fill().map_err(|error| self.broken(error))
    }

    /// Reads into the buffer, of which everything was taken.
    fn fill(&mut self) -> io::Result<()> {
        self.start = 0;
        self.end = 0;
        loop {
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    self.end = read;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn broken(&self, source: io::Error) -> Fault {
        let server = self.server.clone();
        if is_timeout(&source) {
            return Fault::TimedOut { server, seconds: self.timeout.as_secs() };
        }
        Fault::Lost { server, source }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The length of the literal that follows a line.
fn announced(line: &[u8]) -> Option<u64> {
    let digits = line.strip_suffix(b"}")?;
    let brace = digits.iter().rposition(|byte| *byte == b'{')?;
    let digits = digits.get(brace + 1..)?;
    digits.first().filter(|byte| byte.is_ascii_digit())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::announced;

    #[test]
    fn tells_a_literal_from_text_in_braces() {
        assert_eq!(announced(b"* 1 FETCH (BODY[] {12}"), Some(12));
        for line in [&b"* OK {12} x"[..], b"* OK {x}", b"* OK {}", b"* OK {+1}", b"12}"] {
            assert_eq!(announced(line), None, "{line:?}");
        }
    }
}
