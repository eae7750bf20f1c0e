//! The entries of a zip archive, one after the other and never two in memory.
//!
//! *Not supported:* encryption, archives in several volumes, methods other than stored and deflated. Sizes in the
//! directory are not trusted: what counts are the bytes that really come out.

use std::io::{self, Cursor, Read};

use ::zip::ZipArchive;
use ::zip::read::ZipFile;
use ::zip::result::ZipError;

use super::bounded::Inflate;
use super::name;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;

/// How an archive begins: a local file header, or the end of an empty directory.
pub(super) const MAGICS: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// Names of a first entry by which other formats that use zip are known: office documents, e-books, Java
/// archives.
const DOCUMENTS: [&str; 3] = ["[Content_Types].xml", "mimetype", "META-INF/"];

/// An open archive.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    size: usize,
    next: usize,
    files: usize,
}

impl<'a> Archive<'a> {
    /// Reads the directory.
    ///
    /// # Errors
    /// - [`ErrorKind::LimitExceeded`] if there are too many entries.
    /// - [`ErrorKind::Archive`] if there is no readable directory.
    pub(super) fn open(input: &'a [u8], limits: &Limits) -> Result<Self> {
        // The directory is held in memory, whatever number of entries it claims: look before that. Entries that are
        // archives themselves may be stored, hence the factor.
        let records = memchr::memmem::find_iter(input, b"PK\x01\x02").count() as u64;
        Limits::check("entries", records / 16, limits.entries)
            .map_err(|_| Error::limit("entries", limits.entries))?;
        let zip = ZipArchive::new(Cursor::new(input)).map_err(archive_error)?;
        let archive = Self { zip, size: input.len(), next: 0, files: 0 };
        if !archive.is_document() {
            Limits::check("entries", archive.zip.len() as u64, limits.entries)?;
        }
        Ok(archive)
    }

    /// Whether this is a document of an office suite or the like, which holds no reports.
    pub(super) fn is_document(&self) -> bool {
        let first = self.zip.file_names_raw().next().unwrap_or_default();
        DOCUMENTS.iter().any(|name| first.starts_with(name.as_bytes()))
    }

    /// Finds the next file: its name, and its content or why it cannot be had. `None` at the end.
    pub(super) fn next_file(&mut self) -> Option<(String, Result<Entry<'_, 'a>>)> {
        loop {
            let index = self.next;
            if index >= self.zip.len() {
                return None;
            }
            self.next += 1;
            let path = self.zip.name_for_index(index)?.map(|path| name::clean(&path)).unwrap_or_default();
            if !name::is_passed_over(&path) {
                self.files += 1;
                return Some((path, self.entry(index)));
            }
        }
    }

    /// Says why an archive that has been read to its end is not whole.
    ///
    /// # Errors
    /// [`ErrorKind::Archive`] if it has no file at all, or several under one name, of which only the last was read.
    pub(super) fn finish(&self) -> Result<()> {
        if self.files == 0 {
            return Err(Error::new(ErrorKind::Archive).with_source("archive has no files"));
        }
        if self.zip.has_duplicate_names() {
            return Err(Error::new(ErrorKind::Archive).with_source("archive has several files of one name"));
        }
        Ok(())
    }

    fn entry(&mut self, index: usize) -> Result<Entry<'_, 'a>> {
        let entry = self.zip.by_index_data(index).map_err(archive_error)?;
        if entry.encrypted() {
            return Err(Error::new(ErrorKind::Encrypted));
        }
        let compressed = entry.compressed_size().min(self.size as u64);
        drop(entry);
        let file = self.zip.by_index(index).map_err(archive_error)?;
        Ok(Entry { file, compressed })
    }
}

/// The content of one file.
pub(super) struct Entry<'z, 'a> {
    file: ZipFile<'z, Cursor<&'a [u8]>>,
    compressed: u64,
}

impl Read for Entry<'_, '_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.file.read(to).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                error
            } else {
                Error::new(ErrorKind::Decompress).with_source(error).into()
            }
        })
    }
}

impl Inflate for Entry<'_, '_> {
    fn taken(&self) -> u64 {
        self.compressed
    }
}

fn archive_error(error: ZipError) -> Error {
    let kind = match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            ErrorKind::Encrypted
        }
        _ => ErrorKind::Archive,
    };
    Error::new(kind).with_source(error)
}
