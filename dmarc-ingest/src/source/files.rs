//! Folders and files: what is in them, and how a file is read with a ceiling.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::path::{Path, PathBuf};

use super::{SourceError, lossy, maildir, mbox};

/// The files of a folder with their labels, folder by folder in the order of names.
#[derive(Debug)]
pub(super) struct Walk {
    root: PathBuf,
    /// What is still to be looked at, the next one last.
    pending: Vec<Item>,
    /// Whether anything was found, readable or not.
    found: bool,
}

/// A name in a folder, with the label of what is there.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) path: PathBuf,
    pub(super) label: String,
    pub(super) kind: Kind,
}

/// What an [`Item`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file.
    File,
    /// A folder of which is not known yet whether it is a Maildir.
    Folder,
    /// A folder with files only: `cur` or `new`.
    Flat,
}

impl Walk {
    /// The files of `root`; `prefix` stands before their labels.
    pub(super) fn new(root: &Path, prefix: String) -> Self {
        let first = Item { path: root.to_owned(), label: prefix, kind: Kind::Folder };
        Self { root: root.to_owned(), pending: vec![first], found: false }
    }

    fn open(&mut self, folder: &Item) -> Result<(), SourceError> {
        let entries = entries(folder).map_err(|error| SourceError::new(&folder.path, error))?;
        let mut items = match folder.kind {
            Kind::Folder if maildir::is_maildir(&entries) => maildir::parts(entries),
            Kind::Folder => entries.into_iter().filter(|entry| !entry.is_hidden()).collect(),
            Kind::File | Kind::Flat => {
                entries.into_iter().filter(|entry| entry.kind == Kind::File && !entry.is_hidden()).collect()
            }
        };
        items.reverse();
        self.pending.append(&mut items);
        Ok(())
    }
}

impl Iterator for Walk {
    type Item = Result<(PathBuf, String), SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(item) = self.pending.pop() {
            if item.kind == Kind::File {
                self.found = true;
                return Some(Ok((item.path, item.label)));
            }
            if let Err(error) = self.open(&item) {
                self.found = true;
                return Some(Err(error));
            }
        }
        if std::mem::replace(&mut self.found, true) {
            return None;
        }
        Some(Err(SourceError::Empty { path: lossy(&self.root) }))
    }
}

impl Item {
    pub(super) fn name(&self) -> &[u8] {
        self.path.file_name().unwrap_or_default().as_encoded_bytes()
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.name().starts_with(b".")
    }
}

/// The files and folders in `folder`, in the order of the bytes of their names; links and devices left out.
pub(super) fn entries(folder: &Item) -> io::Result<Vec<Item>> {
    let mut found: Vec<(OsString, Kind)> = Vec::new();
    for entry in fs::read_dir(&folder.path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            found.push((entry.file_name(), Kind::Folder));
        } else if kind.is_file() {
            found.push((entry.file_name(), Kind::File));
        }
    }
    found.sort_unstable_by(|a, b| a.0.as_encoded_bytes().cmp(b.0.as_encoded_bytes()));
    Ok(found.into_iter().map(|(name, kind)| folder.child(&name, kind)).collect())
}

impl Item {
    fn child(&self, name: &OsString, kind: Kind) -> Self {
        let text = name.to_string_lossy();
        let label = match self.label.trim_end_matches('/') {
            "" if self.label.is_empty() => text.into_owned(),
            folder => format!("{folder}/{text}"),
        };
        Self { path: self.path.join(name), label, kind }
    }
}

/// What a file holds.
pub(super) enum Opened {
    /// One message or payload.
    Whole(Vec<u8>),
    /// Messages, from the first separator on.
    Mbox(Peeked),
}

/// A reader of which the first bytes were looked at.
pub(super) struct Peeked(BufReader<Chain<Cursor<Vec<u8>>, Source>>);

type Source = Box<dyn Read + Send>;

impl fmt::Debug for Peeked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peeked")
    }
}

impl Read for Peeked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl BufRead for Peeked {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

/// Tells an mbox from anything else, and reads the latter up to one byte more than `max`. `size` is a hint.
pub(super) fn content(mut reader: impl Read + Send + 'static, size: u64, max: u64) -> io::Result<Opened> {
    let mut bytes = Vec::new();
    read_at_most(&mut reader, mbox::SEPARATOR.len() as u64, &mut bytes)?;
    if bytes == mbox::SEPARATOR {
        let reader: Source = Box::new(reader);
        return Ok(Opened::Mbox(Peeked(BufReader::with_capacity(
            64 << 10,
            Cursor::new(bytes).chain(reader),
        ))));
    }
    let ceiling = max.saturating_add(1);
    bytes.reserve_exact(usize::try_from(size.min(ceiling)).unwrap_or_default().saturating_add(1));
    let rest = ceiling.saturating_sub(bytes.len() as u64);
    read_at_most(&mut reader, rest, &mut bytes)?;
    Ok(Opened::Whole(bytes))
}

/// Appends at most `max` bytes to `bytes`.
///
/// # Errors
/// Whatever the reader gives.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads to the end, and it is bounded by `take`"
)]
pub(crate) fn read_at_most(reader: &mut impl Read, max: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    reader.take(max).read_to_end(bytes).map(drop)
}
