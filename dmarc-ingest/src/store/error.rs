//! What can be wrong with a dataset.

use std::io;
use std::path::{Path, PathBuf};

/// Why a dataset cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// There is none.
    #[error("{}: there is no dataset here (`dmarc import` makes one)", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// Another process writes.
    #[error("{}: another process writes to this dataset (is `dmarc watch` running?); reading is possible", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// Another version of this program wrote it.
    #[error("{}: written with schema {found}, and this version knows schema {known}: use the version of dmarc that wrote it, or a newer one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema number.
        found: String,
        /// The number that this version writes.
        known: &'static str,
    },
    /// More than one thing has a name that begins so.
    #[error(
        "more than one mail that is kept aside has a name that begins with {id}: give more of its digits"
    )]
    Ambiguous {
        /// What was given.
        id: String,
    },
    /// What the ledger says and what is there differ.
    #[error("{}: {what}: the dataset is damaged (`dmarc dataset verify` says more)", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: {}", path.display(), reason(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The ledger cannot be read or written.
    #[error("{}: the ledger cannot be used", path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// Rows cannot be encoded or decoded.
    #[error("{}: the rows cannot be encoded or decoded", path.display())]
    Rows {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "there is no room left; what was taken in so far is safe, make room and run it again"
        }
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        io::ErrorKind::PermissionDenied => "permission denied (does the folder belong to this user?)",
        _ => "cannot be read or written",
    }
}

impl DatasetError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(super) fn rows(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Rows { path: path.to_owned(), source: source.into() }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }

    /// Whether a file is not there: when it is one that counted, it was replaced, and there is a newer state.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the dataset itself is the trouble: damaged, locked, or of a newer version.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Locked { .. } | Self::Newer { .. } | Self::Damaged { .. } | Self::Rows { .. } => true,
            Self::Ledger { source, .. } => !matches!(
                source.sqlite_error_code(),
                Some(
                    rusqlite::ErrorCode::DatabaseBusy
                        | rusqlite::ErrorCode::DatabaseLocked
                        | rusqlite::ErrorCode::DiskFull
                        | rusqlite::ErrorCode::ReadOnly
                        | rusqlite::ErrorCode::CannotOpen
                        | rusqlite::ErrorCode::PermissionDenied
                        | rusqlite::ErrorCode::SystemIoFailure
                )
            ),
            Self::Missing { .. } | Self::Ambiguous { .. } | Self::Io { .. } => false,
        }
    }
}
