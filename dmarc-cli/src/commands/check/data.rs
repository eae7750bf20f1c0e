//! The folder of the dataset: is it there, can it be used, and what is in it.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use dmarc_core::time::rfc3339;
use dmarc_ingest::store::{DatasetError, DatasetReader, Status};
use dmarc_ingest::text::chain;
use rustix::fs::{Access, CWD, RenameFlags, access, renameat_with, statvfs};

use super::Line;
use crate::error::Kind;

/// Less free room than this, in bytes, is worth a word.
const LITTLE_ROOM: u64 = 1 << 30;
/// With less than this, in bytes, a batch of mail may not fit.
const NO_ROOM: u64 = 64 << 20;

pub(super) fn check(data: Option<&Path>) -> Vec<Line> {
    let Some(data) = data else {
        let line = Line::fail(Kind::Usage, "data", "it is not known where the dataset is");
        return vec![line.hint("name its folder with --data DIR, DMARC_DATA or `data` in the configuration")];
    };
    match data.metadata() {
        Ok(found) if found.is_dir() => there(data),
        Ok(_) => vec![
            unusable("data", &format!("{}: this is no folder", data.display()))
                .hint("name another folder, or move the file away"),
        ],
        Err(error) if error.kind() == io::ErrorKind::NotFound => vec![absent(data)],
        Err(error) => vec![unusable("data", &format!("{}: {error}", data.display()))],
    }
}

/// There is no folder; whoever writes first makes it.
fn absent(data: &Path) -> Line {
    let parent = data.ancestors().skip(1).find(|parent| parent.exists() || parent.as_os_str().is_empty());
    let parent = parent.filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    if is_writable(parent) {
        return Line::ok("data", &format!("{}: not there yet, and can be made", data.display()));
    }
    let finding =
        format!("{}: not there, and {} does not let this user make it", data.display(), parent.display());
    unusable("data", &finding).hint(format!("as root: install -d -m 750 -o USER {}", data.display()))
}

fn there(data: &Path) -> Vec<Line> {
    let is_writable = is_writable(data);
    let mut lines = vec![if is_writable {
        Line::ok("data", &format!("{}: can be written", data.display()))
    } else {
        let finding = format!("{}: cannot be written by this user", data.display());
        unusable("data", &finding)
            .hint("give the folder to the user that runs `dmarc`, or run it as its owner")
    }];
    lines.extend(room(data));
    lines.extend(one_file_system(data));
    if is_writable {
        lines.push(exchange(data));
    }
    lines.extend(lock(data));
    lines.push(content(data));
    lines
}

fn room(data: &Path) -> Option<Line> {
    let found = statvfs(data).ok()?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let finding = format!("{} MiB are free", free >> 20);
    Some(match free {
        ..NO_ROOM => unusable("disk", &finding).hint("make room: nothing can be taken in"),
        NO_ROOM..LITTLE_ROOM => Line::warn("disk", &finding).hint("make room before it is needed"),
        LITTLE_ROOM.. => Line::ok("disk", &finding),
    })
}

/// Files are written in one folder and renamed into others.
fn one_file_system(data: &Path) -> Option<Line> {
    let device = |path: &Path| path.metadata().ok().map(|found| found.dev());
    let home = device(data)?;
    let elsewhere = ["records", "staging", "quarantine"]
        .into_iter()
        .find(|name| device(&data.join(name)).is_some_and(|device| device != home))?;
    let finding = format!("{elsewhere} is on another one than the rest of {}", data.display());
    Some(unusable("file system", &finding).hint("put the whole dataset on one file system"))
}

/// Segments are replaced by exchanging two folders at once, which not every file system can do.
fn exchange(data: &Path) -> Line {
    let tried = tempfile::Builder::new().prefix(".dmarc-check-").tempdir_in(data).and_then(|folder| {
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        std::fs::create_dir(&one)?;
        std::fs::create_dir(&other)?;
        renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE)?;
        folder.close()
    });
    match tried {
        Ok(()) => Line::ok("file system", "folders can be exchanged"),
        Err(error) => unusable("file system", &format!("folders cannot be exchanged: {error}"))
            .hint("compaction needs it: put the dataset on a local file system such as ext4, XFS or Btrfs"),
    }
}

/// Held for an instant where nobody holds it.
fn lock(data: &Path) -> Option<Line> {
    match File::open(data.join("lock")).ok()?.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            Some(Line::ok("lock", "another process writes to the dataset now, and others have to wait"))
        }
        Ok(()) => Some(Line::ok("lock", "nobody writes to the dataset now")),
        Err(TryLockError::Error(error)) => Some(unusable("lock", &error.to_string())),
    }
}

fn content(data: &Path) -> Line {
    let status = DatasetReader::open(data).and_then(|reader| reader.status());
    match status {
        Ok(status) => state(&status),
        Err(DatasetError::Missing { .. }) => {
            Line::ok("dataset", "there is none yet: whatever is taken in first makes it")
        }
        Err(error) if error.is_damage() => Line::fail(Kind::Dataset, "dataset", &chain(&error))
            .hint("`dmarc dataset verify` says more; restore the folder from a copy if it is damaged"),
        Err(error) => unusable("dataset", &chain(&error)),
    }
}

fn state(status: &Status) -> Line {
    let mails: u64 = status.mails.iter().map(|(_, count)| count).sum();
    let last = status.last.map_or_else(|| "never".to_owned(), rfc3339);
    Line::ok("dataset", &format!("{mails} mails, the last taken in {last}; {} kept aside", status.kept))
}

fn is_writable(folder: &Path) -> bool {
    access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn unusable(subject: &str, finding: &str) -> Line {
    Line::fail(Kind::Unreachable, subject, finding)
}
