//! Where everything of a dataset lies, and how a file becomes durable.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::DatasetError;

/// The folder of a dataset.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

/// Rows that lie in one folder: of one kind and one month.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Partition {
    /// `aggregate`, `failure` or `tlsrpt`.
    pub(crate) kind: String,
    /// `2026-11`; the month in which the period of the report begins, in UTC.
    pub(crate) month: String,
}

impl Partition {
    /// Where a report of this kind belongs whose period begins at `begin`, in seconds since the Unix epoch.
    pub(crate) fn new(kind: &str, begin: i64) -> Self {
        let month = jiff::Timestamp::from_second(begin)
            .map(|time| time.strftime("%Y-%m").to_string())
            .ok()
            // Whatever else a reporter says is no month that anybody looks for.
            .filter(|month| ("2005-01".."2101-01").contains(&month.as_str()) && month.len() == 7)
            .unwrap_or_else(|| "0000-00".to_owned());
        Self { kind: kind.to_owned(), month }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kind={}/month={}", self.kind, self.month)
    }
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.root.join("ledger.sqlite")
    }

    /// Whether the ledger has a journal beside it: somebody writes to it, or did and crashed.
    pub(crate) fn is_written(&self) -> bool {
        self.root.join("ledger.sqlite-wal").exists()
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    pub(crate) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.root.join("records")
    }

    pub(crate) fn partition(&self, partition: &Partition) -> PathBuf {
        self.records().join(partition.to_string())
    }

    /// The partitions that have a folder.
    pub(crate) fn partitions(&self) -> Result<Vec<Partition>, DatasetError> {
        let mut partitions = Vec::new();
        for kind in names(&self.records())? {
            let Some(kind_name) = kind.strip_prefix("kind=") else { continue };
            for month in names(&self.records().join(&kind))? {
                let Some(month_name) = month.strip_prefix("month=") else { continue };
                partitions.push(Partition { kind: kind_name.to_owned(), month: month_name.to_owned() });
            }
        }
        Ok(partitions)
    }

    pub(crate) fn create(&self) -> Result<(), DatasetError> {
        for folder in [self.root.clone(), self.records(), self.staging(), self.quarantine()] {
            make_folder(&folder)?;
        }
        sync_folder(&self.root)
    }
}

/// Makes a folder and those above it, and makes each durable.
pub(super) fn make_folder(path: &Path) -> Result<(), DatasetError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    make_folder(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(DatasetError::io(path, error)),
        _ => sync_folder(parent),
    }
}

/// The names in a folder, sorted; none if it is not there. A name that is not UTF-8 is none of ours.
pub(super) fn names(path: &Path) -> Result<Vec<String>, DatasetError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(DatasetError::io(path, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| DatasetError::io(path, error))?;
        found.extend(entry.file_name().into_string());
    }
    found.sort_unstable();
    Ok(found)
}

/// Makes what was created, renamed or removed in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), DatasetError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|error| DatasetError::io(path, error))
}

/// Writes a file and makes its content durable; its name is made so by [`sync_folder`]. It never has its name with a part of
/// its content.
pub(super) fn write_durably(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), DatasetError> {
    let temporary = folder.join("kept");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, folder.join(name))
    };
    write().map_err(|error| DatasetError::io(&temporary, error))
}

/// Removes a file; it is fine if it is gone.
pub(super) fn remove_file(path: &Path) -> Result<(), DatasetError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(DatasetError::io(path, error)),
        _ => Ok(()),
    }
}

/// SHA-256 of a file that may be large, and its length.
pub(super) fn hash_file(path: &Path) -> Result<([u8; 32], u64), DatasetError> {
    let hash = || {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut bytes = 0;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                return Ok((hasher.finalize().into(), bytes));
            }
            hasher.update(buffer.get(..read).unwrap_or_default());
            bytes += read as u64;
        }
    };
    hash().map_err(|error| DatasetError::io(path, error))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok());
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_a_report_where_its_period_begins() {
        for (begin, month) in [
            (1_793_491_199, "2026-10"),
            (1_793_491_200, "2026-11"),
            (0, "0000-00"),
            (4_133_980_799, "2100-12"),
            (4_133_980_800, "0000-00"),
            (i64::MAX, "0000-00"),
            (-100_000_000_000, "0000-00"),
        ] {
            assert_eq!(
                Partition::new("aggregate", begin).to_string(),
                format!("kind=aggregate/month={month}")
            );
        }
    }
}
