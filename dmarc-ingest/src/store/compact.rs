//! Few large segments instead of many small ones, and rows that are to be forgotten.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fs::File;

use arrow_array::RecordBatch;
use arrow_select::interleave::interleave_record_batch;

use super::Dataset;
use super::commit::Staged;
use super::error::DatasetError;
use super::fault;
use super::layout::{Layout, Partition, remove_file, sync_folder};
use super::ledger::Segment;
use super::record::Writer;
use super::segment::{self, Reader};

/// How many segments are merged at once.
const FAN_IN: usize = 64;
/// A segment of this many bytes is large enough.
pub(super) const LARGE_BYTES: u64 = 256 << 20;
/// Values that are read of each segment at a time, and that are written at a time, about: what bounds the memory of a merge.
const READ_VALUES: u64 = 64 << 10;
const WRITE_VALUES: u64 = 1 << 20;
/// Reports of which the period ended before a time. A failure report that does not say when is as old as its mail.
const ERASABLE: &str = "\
SELECT kind, month, key FROM reports JOIN mails ON mails.id = reports.mail \
WHERE active = 1 AND CASE WHEN kind = 'failure' AND \"end\" = 0 THEN coalesce(mails.date, mails.at) ELSE \"end\" END < ?";

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Compacted {
    /// Segments before.
    pub before: u64,
    /// Segments after.
    pub after: u64,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Erased {
    /// Reports whose rows are gone.
    pub reports: u64,
    /// Files that were kept aside.
    pub kept: u64,
}

impl Dataset {
    /// Merges the segments of every month that has at least `least` small ones.
    ///
    /// # Errors
    /// What the ledger or the system says; what was merged before stays so.
    pub fn compact(&mut self, least: usize) -> Result<Compacted, DatasetError> {
        let before = self.totals()?.segments;
        while self.compact_some(least)? {}
        Ok(Compacted { before, after: self.totals()?.segments })
    }

    /// The next step of [`compact`](Self::compact): one merge, which counts at once or not at all. Says whether there was one.
    ///
    /// # Errors
    /// What the ledger or the system says.
    pub fn compact_some(&mut self, least: usize) -> Result<bool, DatasetError> {
        self.settle()?;
        for partition in self.ledger.partitions()? {
            let mut small = self.small_segments(&partition)?;
            if small.len() >= least.max(2) {
                small.truncate(FAN_IN);
                self.merge(&partition, &small)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The smallest first.
    fn small_segments(&self, partition: &Partition) -> Result<Vec<Segment>, DatasetError> {
        let mut segments = self.ledger.segments(partition)?;
        segments.retain(|segment| segment.bytes < LARGE_BYTES);
        segments.sort_by_key(|segment| segment.bytes);
        Ok(segments)
    }

    fn merge(&mut self, partition: &Partition, segments: &[Segment]) -> Result<(), DatasetError> {
        let merge = Merge::new(&self.layout, partition, segments)?;
        let merged = segment::write(&self.layout, partition, merge)?;
        let mut staged = Staged::default();
        staged
            .removed
            .insert(partition.clone(), segments.iter().map(|segment| segment.name.clone()).collect());
        staged.added.insert(partition.clone(), merged.into_iter().collect());
        self.forget(&staged, &[], &[])
    }

    /// Forgets reports whose period ended before `before`, and mails that were kept aside before; both in seconds since the
    /// Unix epoch. That they were there stays known, so that they are not taken in again.
    ///
    /// # Errors
    /// What the ledger or the system says. Everything is forgotten then, or nothing.
    pub fn erase(&mut self, before: i64) -> Result<Erased, DatasetError> {
        self.settle()?;
        let (keys, kept) = self.ledger.read(|connection| {
            let keys: Vec<(String, String, String)> = connection
                .prepare(ERASABLE)?
                .query_map([before], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<rusqlite::Result<_>>()?;
            let kept: Vec<String> = connection
                .prepare("SELECT name FROM kept JOIN mails ON mails.id = kept.mail WHERE mails.at < ?")?
                .query_map([before], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            Ok((keys, kept))
        })?;
        let mut by_partition: BTreeMap<Partition, BTreeSet<String>> = BTreeMap::new();
        for (kind, month, key) in &keys {
            let partition = Partition { kind: kind.clone(), month: month.clone() };
            by_partition.entry(partition).or_default().insert(key.clone());
        }
        let staged = self.stage_without(&by_partition)?;
        let keys: Vec<&str> = keys.iter().map(|(.., key)| key.as_str()).collect();
        self.forget(&staged, &keys, &kept)?;
        for name in &kept {
            remove_file(&self.layout.quarantine().join(name))?;
        }
        Ok(Erased { reports: keys.len() as u64, kept: kept.len() as u64 })
    }

    /// Writes the segments that have rows of these reports once more, without them.
    pub(super) fn stage_without(
        &self,
        removed: &BTreeMap<Partition, BTreeSet<String>>,
    ) -> Result<Staged, DatasetError> {
        let mut staged = Staged::default();
        for (partition, keys) in removed {
            for old in self.ledger.segments(partition)? {
                let path = self.layout.partition(partition).join(&old.name);
                if segment::sizes(&path, &partition.kind)?.keys().any(|key| keys.contains(key)) {
                    let rest = self.rewrite(partition, &old.name, keys, false)?;
                    staged.added.entry(partition.clone()).or_default().extend(rest);
                    staged.removed.entry(partition.clone()).or_default().push(old.name);
                }
            }
        }
        Ok(staged)
    }

    fn forget(&mut self, staged: &Staged, keys: &[&str], kept: &[String]) -> Result<(), DatasetError> {
        sync_folder(&self.layout.staging())?;
        fault::point("staged");
        self.ledger.write(|transaction| {
            Writer { transaction, at: super::commit::now() }.segments(staged)?;
            let mut erase = transaction.prepare("UPDATE reports SET active = 2 WHERE key = ?")?;
            for key in keys {
                erase.execute([key])?;
            }
            let mut drop_kept = transaction.prepare("DELETE FROM kept WHERE name = ?")?;
            for name in kept {
                drop_kept.execute([name])?;
            }
            Ok(())
        })?;
        fault::point("recorded");
        self.publish(&staged.partitions())
    }
}

/// Rows of several segments in the order of one.
struct Merge {
    sources: Vec<Source>,
    /// The next row of each source, the smallest first.
    next: BinaryHeap<Reverse<(Order, usize)>>,
    /// How many rows are written at a time.
    write_rows: usize,
}

/// What rows are ordered by: policy domain, source, report.
type Order = [String; 3];

/// A segment that is being merged.
struct Source {
    reader: Reader,
    batch: RecordBatch,
    row: usize,
}

impl Merge {
    fn new(layout: &Layout, partition: &Partition, segments: &[Segment]) -> Result<Self, DatasetError> {
        let mut merge = Self { sources: Vec::new(), next: BinaryHeap::new(), write_rows: usize::MAX };
        for segment in segments {
            let path = layout.partition(partition).join(&segment.name);
            let file = File::open(&path).map_err(|error| DatasetError::io(&path, error))?;
            let mut reader = segment::read(&path, file, &partition.kind, &[], READ_VALUES)?;
            let write_rows = segment::rows_of(WRITE_VALUES, reader.values_a_row());
            merge.write_rows = merge.write_rows.min(write_rows);
            if let Some(batch) = reader.next().transpose()? {
                let order = segment::order(&batch, 0);
                merge.next.push(Reverse((order, merge.sources.len())));
                merge.sources.push(Source { reader, batch, row: 0 });
            }
        }
        Ok(merge)
    }

    /// Some rows; as many batches are held as sources, and those that were used up meanwhile.
    fn batch(&mut self) -> Result<Option<RecordBatch>, DatasetError> {
        let mut batches: Vec<RecordBatch> = self.sources.iter().map(|source| source.batch.clone()).collect();
        // Which of `batches` is the current one of each source.
        let mut current: Vec<usize> = (0..batches.len()).collect();
        let mut rows = Vec::new();
        while rows.len() < self.write_rows
            && let Some(Reverse((_, at))) = self.next.pop()
        {
            let (Some(source), Some(batch)) = (self.sources.get_mut(at), current.get_mut(at)) else {
                continue;
            };
            rows.push((*batch, source.row));
            if source.advance()? {
                *batch = batches.len();
                batches.push(source.batch.clone());
            }
            if source.row < source.batch.num_rows() {
                self.next.push(Reverse((segment::order(&source.batch, source.row), at)));
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let batches: Vec<&RecordBatch> = batches.iter().collect();
        interleave_record_batch(&batches, &rows)
            .map(Some)
            .map_err(|error| DatasetError::rows(std::path::Path::new("staging"), error))
    }
}

impl Source {
    /// Goes to the next row; says whether that is in another batch.
    fn advance(&mut self) -> Result<bool, DatasetError> {
        self.row += 1;
        if self.row < self.batch.num_rows() {
            return Ok(false);
        }
        let Some(batch) = self.reader.next().transpose()? else { return Ok(false) };
        self.batch = batch;
        self.row = 0;
        Ok(true)
    }
}

impl Iterator for Merge {
    type Item = Result<RecordBatch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch().transpose()
    }
}
