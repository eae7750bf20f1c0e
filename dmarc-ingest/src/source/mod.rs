//! Paths → the bytes of one message, file or payload each, in an order that depends on names only.
//!
//! - `-` is standard input.
//! - A folder that holds `cur` or `new` is a Maildir: both are read, `tmp` never, and so is every folder in it that
//!   is a Maildir itself (Maildir++ `.Sent`, or nested by name). Other files in it are the mail server's.
//! - Any other folder is walked with the folders in it. Hidden names are passed over, symbolic links not followed.
//! - A file that begins with `From ` is an mbox; any other file is one input.
//!
//! At most one byte more than [`Limits::message_bytes`] is kept of an input, be it a file or a member of an mbox:
//! `dmarc_core::read` then refuses it as too large, a dataset does not take it in, and memory stays bounded.
//!
//! *Not supported:* compressed mbox files (a `.gz` is taken for a compressed report), MH and mbx folders.

mod files;
pub mod imap;
mod maildir;
mod mbox;
mod paths;

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use dmarc_core::Limits;

pub(crate) use files::read_at_most;
use files::{Opened, Walk};
pub use paths::{BatchSize, Paths};

/// Where mail is read from, batch by batch.
///
/// A message belongs to its source until it is acknowledged: a source that is read again gives it again.
pub trait MessageSource {
    /// The next messages, in the order of the source.
    ///
    /// # Errors
    /// [`SourceError`] if the source as a whole can give no more: open it again.
    fn next_batch(&mut self) -> Result<Batch, SourceError>;

    /// Hears that what these messages brought is durable: now, and never before, they may be flagged, moved or deleted.
    ///
    /// # Errors
    /// [`SourceError`] if that cannot be done; it may be asked for again, also of another connection.
    fn acknowledge(&mut self, places: &[Place]) -> Result<(), SourceError>;
}

/// What a source gives at a time, bounded in messages and bytes.
#[derive(Debug, Default)]
pub struct Batch {
    /// The messages.
    pub messages: Vec<Message>,
    /// What could not be read, one thing each; it does not end the source.
    pub unreadable: Vec<SourceError>,
    /// How far a mailbox is read, once all of this batch is durable.
    pub cursor: Option<Cursor>,
    /// Whether there is no more for now.
    pub is_last: bool,
}

/// One message, file or payload, as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it came from, for people: `new/17`, `mail.mbox#17`, `-`, `rua/INBOX/17`. Print it neutralised.
    pub source: String,
    /// Its place in a mailbox; `None` for files.
    pub place: Option<Place>,
    /// When it arrived, as the source says (IMAP `INTERNALDATE`), in seconds since the Unix epoch, UTC.
    pub received: Option<i64>,
    /// Its bytes.
    pub content: Content,
}

/// The bytes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// As received.
    Bytes(Vec<u8>),
    /// Left where they are: more than [`Limits::message_bytes`].
    TooLarge {
        /// How many the source says there are.
        bytes: u64,
    },
}

/// Where a message stands in a mailbox (RFC 9051, Section 2.3.1.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The name of the mailbox in the configuration.
    pub mailbox: String,
    /// The folder, decoded.
    pub folder: String,
    /// Its UIDVALIDITY.
    pub uid_validity: u32,
    /// The UID.
    pub uid: u32,
}

/// How far a folder of a mailbox is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The name of the mailbox in the configuration.
    pub mailbox: String,
    /// The folder, decoded.
    pub folder: String,
    /// Its UIDVALIDITY: with another value the folder is read from its beginning.
    pub uid_validity: u32,
    /// Every message with a smaller UID is settled.
    pub next_uid: u32,
}

/// One message, file or payload, as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Input {
    /// Where it came from: `new/17`, `mail.mbox#17`, `-`. Text of the file system: print it neutralised.
    pub source: String,
    /// Its bytes; one more than [`Limits::message_bytes`] if it is too large.
    pub bytes: Vec<u8>,
    /// How many there are, at least: of standard input it is not known what follows those that were read.
    pub size: u64,
}

/// Why something could not be read. Whatever else was named is read all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is nothing under this name.
    #[error("{path}: no such file or folder (`-` reads standard input)")]
    NotFound {
        /// The path as given, or what was found in it.
        path: String,
    },
    /// It is there and cannot be read.
    #[error("{path}: cannot be read (are its permissions right?)")]
    Unreadable {
        /// The path as given, or what was found in it.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A mailbox.
    #[error(transparent)]
    Imap(#[from] imap::ImapError),
    /// A mailbox that does not let mail be flagged, moved or deleted. It can be read all the same.
    #[error("{messages} messages are taken in and stay as they are in the mailbox; it is tried again later")]
    NotAcknowledged {
        /// How many.
        messages: usize,
        /// What the mailbox said.
        source: Box<Self>,
    },
    /// A folder without any file to read.
    #[error("{path}: no file in this folder (hidden names and links in it are passed over)")]
    Empty {
        /// The path as given.
        path: String,
    },
}

impl SourceError {
    /// Whether the mailbox refused what was asked, and can be asked other things: the connection holds.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Imap(error) if error.fault.is_refusal())
    }

    fn new(path: &Path, source: io::Error) -> Self {
        let path = lossy(path);
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            _ => Self::Unreadable { path, source },
        }
    }
}

/// Everything under a list of paths, one [`Input`] at a time.
///
/// An error names one path and does not end the iteration.
#[derive(Debug)]
#[must_use]
pub struct Messages {
    roots: VecDeque<PathBuf>,
    several: bool,
    max: u64,
    walk: Option<Walk>,
    open: Option<Open>,
}

/// An mbox that is being read.
#[derive(Debug)]
struct Open {
    path: PathBuf,
    label: String,
    mbox: mbox::Mbox<files::Peeked>,
    number: u64,
}

impl Messages {
    /// Everything under `paths`, in their order; nothing is opened before it is asked for.
    pub fn new(paths: &[PathBuf], limits: &Limits) -> Self {
        Self {
            several: paths.len() > 1,
            roots: paths.iter().cloned().collect(),
            max: limits.message_bytes,
            walk: None,
            open: None,
        }
    }

    fn start(&mut self, root: &Path) -> Option<Result<Input, SourceError>> {
        if root.as_os_str() == "-" {
            return self.begin(root, "-".to_owned(), io::stdin(), 0);
        }
        match fs::metadata(root) {
            Ok(kind) if kind.is_dir() => {
                let prefix = if self.several { lossy(root) } else { String::new() };
                self.walk = Some(Walk::new(root, prefix));
                None
            }
            Ok(_) => self.file(root, lossy(root)),
            Err(error) => Some(Err(SourceError::new(root, error))),
        }
    }

    fn file(&mut self, path: &Path, label: String) -> Option<Result<Input, SourceError>> {
        match fs::File::open(path) {
            Ok(file) => {
                let size = file.metadata().map_or(0, |metadata| metadata.len());
                self.begin(path, label, file, size)
            }
            Err(error) => Some(Err(SourceError::new(path, error))),
        }
    }

    fn begin(
        &mut self,
        path: &Path,
        label: String,
        reader: impl Read + Send + 'static,
        size: u64,
    ) -> Option<Result<Input, SourceError>> {
        match files::content(reader, size, self.max) {
            Ok(Opened::Whole(bytes)) => {
                let read = bytes.len() as u64;
                // The size that a system states is only asked for where not everything was read.
                let size = if read > self.max { read.max(size) } else { read };
                Some(Ok(Input { source: label, bytes, size }))
            }
            Ok(Opened::Mbox(reader)) => {
                let mbox = mbox::Mbox::new(reader, self.max);
                self.open = Some(Open { path: path.to_owned(), label, mbox, number: 0 });
                None
            }
            Err(error) => Some(Err(SourceError::new(path, error))),
        }
    }
}

impl Iterator for Messages {
    type Item = Result<Input, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(open) = &mut self.open {
                if let Some(member) = open.next() {
                    return Some(member);
                }
                self.open = None;
            }
            let item = match self.walk.as_mut().map(Iterator::next) {
                Some(Some(Ok((path, label)))) => self.file(&path, label),
                Some(Some(Err(error))) => Some(Err(error)),
                Some(None) => {
                    self.walk = None;
                    None
                }
                None => {
                    let root = self.roots.pop_front()?;
                    self.start(&root)
                }
            };
            if item.is_some() {
                return item;
            }
        }
    }
}

impl Open {
    fn next(&mut self) -> Option<Result<Input, SourceError>> {
        self.number += 1;
        match self.mbox.read_member() {
            Ok(Some(mbox::Member { bytes, size })) => {
                Some(Ok(Input { source: format!("{}#{}", self.label, self.number), bytes, size }))
            }
            Ok(None) => None,
            Err(error) => Some(Err(SourceError::new(&self.path, error))),
        }
    }
}

/// A path as text; what is not UTF-8 in it becomes U+FFFD.
fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(paths: &[PathBuf]) -> Vec<String> {
        let show = |item: Result<Input, SourceError>| match item {
            Ok(input) => format!("{}={}", input.source, String::from_utf8_lossy(&input.bytes)),
            Err(error) => format!("! {error}"),
        };
        Messages::new(paths, &Limits::default()).map(show).collect()
    }

    #[test]
    fn reads_a_maildir_cur_first_then_new_by_name_and_never_tmp() {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in
            [("new/2", "c"), ("new/10", "b"), ("cur/9:2,S", "a"), ("tmp/1", "x"), ("uidlist", "x")]
        {
            write(root.path(), name, text);
        }
        write(root.path(), "new/.hidden", "x");
        assert_eq!(read(&[root.path().to_owned()]), ["cur/9:2,S=a", "new/10=b", "new/2=c"]);
    }

    #[test]
    fn reads_the_folders_of_a_maildir() {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in [("new/1", "a"), (".Reports/new/1", "b"), ("Sub/cur/1", "c"), ("other/1", "x")] {
            write(root.path(), name, text);
        }
        assert_eq!(read(&[root.path().to_owned()]), ["new/1=a", ".Reports/new/1=b", "Sub/cur/1=c"]);
    }

    #[test]
    fn walks_a_plain_folder_by_name_without_hidden_files() {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in
            [("b/2.xml", "c"), ("b/1.xml", "b"), ("a.xml", "a"), (".git/x", "x"), ("c.xml", "d")]
        {
            write(root.path(), name, text);
        }
        assert_eq!(read(&[root.path().to_owned()]), ["a.xml=a", "b/1.xml=b", "b/2.xml=c", "c.xml=d"]);
    }

    #[test]
    fn finds_a_maildir_inside_a_plain_folder() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "box/new/1", "a");
        write(root.path(), "box/notes", "x");
        assert_eq!(read(&[root.path().to_owned()]), ["box/new/1=a"]);
    }

    #[test]
    fn labels_a_folder_with_its_path_if_several_are_given() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "one/new/1", "a");
        write(root.path(), "two.xml", "b");
        let (one, two) = (root.path().join("one"), root.path().join("two.xml"));
        let expected = [format!("{}/new/1=a", one.display()), format!("{}=b", two.display())];
        assert_eq!(read(&[one, two]), expected);
    }

    #[test]
    fn goes_on_after_a_missing_path_and_names_an_empty_folder() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a", "a");
        let empty = root.path().join("empty");
        fs::create_dir(&empty).unwrap();
        let read = read(&[root.path().join("gone"), empty, root.path().join("a")]);
        assert!(read[0].contains("gone: no such file or folder"), "{}", read[0]);
        assert!(read[1].contains("empty: no file in this folder"), "{}", read[1]);
        assert!(read[2].ends_with("a=a"));
        assert_eq!(read.len(), 3);
    }

    #[test]
    fn keeps_one_byte_over_the_limit_of_a_file() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a", "0123456789");
        let mut limits = Limits::default();
        limits.message_bytes = 4;
        let inputs: Vec<_> = Messages::new(&[root.path().join("a")], &limits).map(Result::unwrap).collect();
        assert_eq!((inputs[0].bytes.as_slice(), inputs[0].size), (b"01234".as_slice(), 10));
    }

    #[test]
    fn numbers_the_members_of_an_mbox() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "in.mbox", "From a\nA: 1\n\none\n\nFrom b\nA: 2\n\ntwo\n");
        write(root.path(), "z", "From the start\n\nx\n");
        let read = read(&[root.path().to_owned()]);
        assert_eq!(read, ["in.mbox#1=A: 1\n\none\n", "in.mbox#2=A: 2\n\ntwo\n", "z#1=\nx\n"]);
    }

    #[cfg(unix)]
    #[test]
    fn does_not_follow_links_inside_a_folder() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a", "a");
        std::os::unix::fs::symlink(root.path(), root.path().join("loop")).unwrap();
        std::os::unix::fs::symlink(root.path().join("a"), root.path().join("b")).unwrap();
        assert_eq!(read(&[root.path().to_owned()]), ["a=a"]);
    }

    #[cfg(unix)]
    #[test]
    fn reads_a_name_that_is_not_utf8() {
        use std::os::unix::ffi::OsStrExt;
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(std::ffi::OsStr::from_bytes(b"a\xff")), "a").unwrap();
        assert_eq!(read(&[root.path().to_owned()]), ["a\u{fffd}=a"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_a_file_that_cannot_be_read() {
        let read = read(&[PathBuf::from("/proc/self/mem")]);
        assert_eq!(read, ["! /proc/self/mem: cannot be read (are its permissions right?)"]);
    }
}
