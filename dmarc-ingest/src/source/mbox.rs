//! mbox files (RFC 4155), with the quoting of `mboxrd`.
//!
//! A line that begins with `From ` at the start or behind an empty line separates messages; one `>` is taken away
//! from `>From `, `>>From `, … . `Content-Length` is not looked at: it is text of the message, which lies.

use std::io::{self, BufRead, Read};

/// How an mbox, and each message in it, begins.
pub(super) const SEPARATOR: &[u8] = b"From ";

/// Lines are read in pieces of at most this many bytes.
const PIECE: u64 = 8 << 10;

/// Reads one message after the other; memory for one of them, and never more than the ceiling.
#[derive(Debug)]
pub(super) struct Mbox<R> {
    reader: R,
    max: u64,
    piece: Vec<u8>,
    /// Whether the last piece ended its line.
    line_ended: bool,
    state: State,
}

/// A message of an mbox.
#[derive(Debug, Default)]
pub(super) struct Member {
    /// As many bytes as are kept.
    pub(super) bytes: Vec<u8>,
    /// How many there are.
    pub(super) size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next line is the first separator.
    Start,
    /// A separator was read; what follows is a message.
    Inside,
    /// There is nothing more.
    End,
}

impl<R: BufRead> Mbox<R> {
    /// Reads from `reader`, which stands at the first separator, and keeps at most `max` + 1 bytes of a message.
    pub(super) fn new(reader: R, max: u64) -> Self {
        Self { reader, max, piece: Vec::new(), line_ended: true, state: State::Start }
    }

    /// The next message; `None` after the last one, and after an error.
    pub(super) fn read_member(&mut self) -> io::Result<Option<Member>> {
        let member = self.member();
        if member.is_err() {
            self.state = State::End;
        }
        member
    }

    fn member(&mut self) -> io::Result<Option<Member>> {
        if self.state == State::Start {
            self.next_piece()?;
            self.separator_read()?;
        }
        if self.state == State::End {
            return Ok(None);
        }
        let mut member = Member::default();
        // An empty line is held back: the one before a separator belongs to the mbox and not to the message.
        let mut blank: &[u8] = b"";
        while let Some(begins_line) = self.next_piece()? {
            if begins_line && !blank.is_empty() && self.piece.starts_with(SEPARATOR) {
                self.separator_read()?;
                return Ok(Some(member));
            }
            self.keep(&mut member, blank);
            blank = b"";
            match self.piece.as_slice() {
                b"\n" if begins_line => blank = b"\n",
                b"\r\n" if begins_line => blank = b"\r\n",
                piece => self.keep(&mut member, if begins_line { unquoted(piece) } else { piece }),
            }
        }
        self.state = State::End;
        Ok(Some(member))
    }

    /// Reads on; tells whether the piece begins a line, `None` at the end.
    fn next_piece(&mut self) -> io::Result<Option<bool>> {
        self.piece.clear();
        (&mut self.reader).take(PIECE).read_until(b'\n', &mut self.piece)?;
        let begins_line = self.line_ended;
        self.line_ended = self.piece.ends_with(b"\n");
        Ok((!self.piece.is_empty()).then_some(begins_line))
    }

    /// Passes over what is left of a separator.
    fn separator_read(&mut self) -> io::Result<()> {
        self.state = State::Inside;
        while !self.line_ended && self.next_piece()?.is_some() {}
        self.line_ended = true;
        Ok(())
    }

    fn keep(&self, member: &mut Member, bytes: &[u8]) {
        let room = self.max.saturating_add(1).saturating_sub(member.bytes.len() as u64);
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        member.bytes.extend_from_slice(bytes.get(..room).unwrap_or_default());
        member.size += bytes.len() as u64;
    }
}

fn unquoted(line: &[u8]) -> &[u8] {
    let Some(rest) = line.strip_prefix(b">") else { return line };
    let depth = rest.iter().take_while(|byte| **byte == b'>').count();
    if rest.get(depth..).is_some_and(|text| text.starts_with(SEPARATOR)) { rest } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(mbox: &[u8], max: u64) -> Vec<String> {
        let mut mbox = Mbox::new(mbox, max);
        let mut members = Vec::new();
        while let Some(member) = mbox.read_member().unwrap() {
            members.push(String::from_utf8(member.bytes).unwrap());
        }
        members
    }

    #[test]
    fn splits_at_separators_behind_an_empty_line_only() {
        let mbox = b"From a Mon\nS: 1\n\nFrom here\nFrom there\n\n\nFrom b Tue\nS: 2\n\ntwo\n\n";
        assert_eq!(members(mbox, 1000), ["S: 1\n", "From there\n\n", "S: 2\n\ntwo\n"]);
    }

    #[test]
    fn takes_one_level_of_quoting_away() {
        let mbox = b"From a\n\n>From x\n>>From y\n>Fro\n> From\n>\n";
        assert_eq!(members(mbox, 1000), ["\nFrom x\n>From y\n>Fro\n> From\n>\n"]);
    }

    #[test]
    fn keeps_crlf() {
        assert_eq!(
            members(b"From a\r\nS: 1\r\n\r\nx\r\n\r\nFrom b\r\nS: 2\r\n", 1000),
            ["S: 1\r\n\r\nx\r\n", "S: 2\r\n"]
        );
    }

    #[test]
    fn passes_over_the_rest_of_a_message_that_is_too_large() {
        let mut mbox = b"From a\nS: 1\n\n".to_vec();
        mbox.extend(std::iter::repeat_n(b'x', 100_000));
        mbox.extend_from_slice(b"\n\nFrom b\nS: 2\n");
        assert_eq!(members(&mbox, 10), ["S: 1\n\nxxxxx", "S: 2\n"]);
        let first = Mbox::new(mbox.as_slice(), 10).read_member().unwrap().unwrap();
        assert_eq!((first.bytes.len(), first.size), (11, 100_007));
    }

    #[test]
    fn finds_no_separator_in_the_middle_of_a_long_line() {
        let mut text = vec![b'x'; usize::try_from(PIECE).unwrap()];
        text.extend_from_slice(b"From b\n>From c\n");
        let mbox = [b"From a\n\n".as_slice(), &text].concat();
        let members = members(&mbox, 1 << 20);
        assert_eq!(members.len(), 1);
        assert!(members[0].ends_with("xFrom b\nFrom c\n"));
    }

    #[test]
    fn gives_the_same_members_however_the_bytes_arrive() {
        struct OneByOne<'a>(&'a [u8]);
        impl Read for OneByOne<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0.read(buffer.get_mut(..1).unwrap_or_default())
            }
        }
        let text = b"From a\nS: 1\n\n>From x\n\nFrom b\nS: 2\n\ny";
        let mut mbox = Mbox::new(io::BufReader::new(OneByOne(text)), 1000);
        let mut slow = Vec::new();
        while let Some(member) = mbox.read_member().unwrap() {
            slow.push(String::from_utf8(member.bytes).unwrap());
        }
        assert_eq!(slow, members(text, 1000));
    }
}
