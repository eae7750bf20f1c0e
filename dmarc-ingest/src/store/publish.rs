//! Makes the folders agree with the ledger. What is in `staging` and counts is moved to its place, and what is in its place
//! and does not count is taken away: the same after a commit as after a crash, and as often as one likes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rustix::io::Errno;

use super::Dataset;
use super::error::DatasetError;
use super::fault;
use super::layout::{Partition, make_folder, names, remove_file, sync_folder};

impl Dataset {
    /// Finishes what a crash or a failure interrupted, and clears away what is of no account.
    pub(super) fn recover(&mut self) -> Result<(), DatasetError> {
        let mut partitions: BTreeSet<Partition> = self.layout.partitions()?.into_iter().collect();
        partitions.extend(self.ledger.partitions()?);
        self.publish(&partitions)?;
        self.clear_quarantine()?;
        self.clear_staging()
    }

    /// To be called before anything is staged: whatever an earlier failure left comes to its place, or away.
    ///
    /// A folder that was exchanged is left until then, so that whoever listed it may read on.
    pub(super) fn settle(&mut self) -> Result<(), DatasetError> {
        if names(&self.layout.staging())?.is_empty() { Ok(()) } else { self.recover() }
    }

    /// Publishes what the ledger has in `partitions`, and whatever is kept aside.
    pub(super) fn publish(&mut self, partitions: &BTreeSet<Partition>) -> Result<(), DatasetError> {
        self.publish_kept()?;
        for partition in partitions {
            self.publish_partition(partition)?;
        }
        Ok(())
    }

    fn publish_kept(&self) -> Result<(), DatasetError> {
        let staged = names(&self.layout.staging())?;
        if staged.is_empty() {
            return Ok(());
        }
        let folder = self.layout.quarantine();
        let published = names(&folder)?;
        let wanted = self.ledger.kept_names()?;
        let is_missing = |name: &&String| wanted.contains(*name) && !published.contains(name);
        self.add(&folder, staged.iter().filter(is_missing))
    }

    fn publish_partition(&self, partition: &Partition) -> Result<(), DatasetError> {
        let wanted: BTreeSet<String> =
            self.ledger.segments(partition)?.into_iter().map(|segment| segment.name).collect();
        let folder = self.layout.partition(partition);
        let found: BTreeSet<String> = names(&folder)?.into_iter().collect();
        if found == wanted {
            return Ok(());
        }
        make_folder(&folder)?;
        if found.is_subset(&wanted) {
            return self.add(&folder, wanted.difference(&found));
        }
        self.exchange(partition, &folder, &wanted)
    }

    /// Moves files from `staging` into `folder`, each at once.
    fn add<'a>(&self, folder: &Path, missing: impl Iterator<Item = &'a String>) -> Result<(), DatasetError> {
        for name in missing {
            let from = self.layout.staging().join(name);
            let to = folder.join(name);
            fs::rename(&from, &to).map_err(|error| lost(&to, error))?;
            fault::point("renamed");
        }
        sync_folder(folder)
    }

    /// Puts a folder that has the wanted files, and nothing else, in the place of `folder`, at once: at no moment does a
    /// listing show both what was replaced and what replaces it, or neither.
    fn exchange(
        &self,
        partition: &Partition,
        folder: &Path,
        wanted: &BTreeSet<String>,
    ) -> Result<(), DatasetError> {
        let staging = self.layout.staging();
        let next = staging.join(format!("{}-{}", partition.kind, partition.month));
        if next.exists() {
            fs::remove_dir_all(&next).map_err(|error| DatasetError::io(&next, error))?;
        }
        make_folder(&next)?;
        for name in wanted {
            let published = folder.join(name);
            let from = if published.exists() { published } else { staging.join(name) };
            fs::hard_link(&from, next.join(name)).map_err(|error| lost(&from, error))?;
        }
        sync_folder(&next)?;
        fault::point("before exchange");
        let cwd = rustix::fs::CWD;
        match rustix::fs::renameat_with(cwd, &next, cwd, folder, rustix::fs::RenameFlags::EXCHANGE) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                return self.replace_one_by_one(folder, wanted);
            }
            Err(error) => return Err(DatasetError::io(folder, error.into())),
        }
        fault::point("exchanged");
        folder.parent().map_or(Ok(()), sync_folder)?;
        sync_folder(&staging)
    }

    /// Where a file system cannot exchange folders: what goes goes first, so that no listing shows a row twice. One that
    /// comes in between misses some.
    fn replace_one_by_one(&self, folder: &Path, wanted: &BTreeSet<String>) -> Result<(), DatasetError> {
        let found: BTreeSet<String> = names(folder)?.into_iter().collect();
        for name in found.difference(wanted) {
            remove_file(&folder.join(name))?;
        }
        self.add(folder, wanted.difference(&found))
    }

    /// Removes what was dropped and is still there.
    fn clear_quarantine(&self) -> Result<(), DatasetError> {
        let wanted = self.ledger.kept_names()?;
        let folder = self.layout.quarantine();
        for name in names(&folder)?.iter().filter(|name| !wanted.contains(*name)) {
            remove_file(&folder.join(name))?;
        }
        Ok(())
    }

    fn clear_staging(&self) -> Result<(), DatasetError> {
        let staging = self.layout.staging();
        for name in names(&staging)? {
            let path = staging.join(name);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|error| DatasetError::io(&path, error))?;
            fault::point("cleared");
        }
        Ok(())
    }
}

fn lost(path: &Path, error: std::io::Error) -> DatasetError {
    if error.kind() == std::io::ErrorKind::NotFound {
        return DatasetError::damaged(path, "the ledger has this file and it is nowhere");
    }
    DatasetError::io(path, error)
}
