//! Judging a dataset domain by domain: what is held in memory follows the largest domain and not the dataset.
//!
//! Rows of a segment stand in the order of their policy domains, so the rows of some domains are ranges of each segment. A
//! *share* is a few domains with the ranges of their rows; a thread takes one share after the other. Only a domain that is
//! larger than a share is read by several threads, which put together what they observed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int32Type;
use dmarc_core::arrow::OBSERVED_COLUMNS;
use dmarc_core::domain::organizational;
use dmarc_core::findings::{Observations, Observed};
use dmarc_core::record::Selection;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;

use super::error::DatasetError;
use super::read::{DatasetReader, patiently};
use super::segment::check_schema;
use crate::decisions::begin_of;

/// Rows that a thread takes at once, about.
const SHARE_ROWS: usize = 2_000_000;
/// Rows of a large domain that a thread reads at once, about.
const PIECE_ROWS: usize = 262_144;
/// Rows of a batch.
const BATCH_ROWS: usize = 32_768;
/// Rows of a batch of which only the domain is read.
const INDEX_ROWS: usize = 65_536;

/// A segment, and where the rows of each policy domain are.
struct Segment {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    domains: Vec<(String, Range<usize>)>,
}

/// Some domains and their rows: of each segment by number, the ranges.
#[derive(Debug, Default)]
struct Share {
    rows: usize,
    ranges: Vec<(usize, Range<usize>)>,
}

impl DatasetReader {
    /// Observes every Organizational Domain that has records in `selection`, and gives what `judge` makes of each, by name.
    ///
    /// # Errors
    /// What is wrong with the dataset, see [`DatasetError`].
    pub fn observe<T: Send>(
        &self,
        selection: &Selection,
        judge: &(dyn Fn(&Observed) -> T + Sync),
    ) -> Result<Vec<T>, DatasetError> {
        patiently(|| {
            let paths: Vec<PathBuf> = self
                .readable()?
                .into_iter()
                .filter(|(kind, path)| kind == "aggregate" && may_have(path, selection))
                .map(|(_, path)| path)
                .collect();
            let segments = on_all_cores(&paths, |path| Segment::open(path, selection))?;
            let (large, small) = shares(&segments);
            let mut judged: BTreeMap<String, T> = BTreeMap::new();
            for share in large {
                let observations = observe_together(&segments, &share, selection)?;
                judged.extend(
                    observations.domains().map(|observed| (observed.name().to_owned(), judge(observed))),
                );
            }
            let of_small = on_all_cores(&small, |share| {
                let observations = observe(&segments, &share.ranges, selection)?;
                Ok(observations
                    .domains()
                    .map(|observed| (observed.name().to_owned(), judge(observed)))
                    .collect::<Vec<_>>())
            })?;
            judged.extend(of_small.into_iter().flatten());
            Ok(judged.into_values().collect())
        })
    }
}

/// Whether a segment may have records of the selection, by the month that its folder is named after: in it the periods begin.
fn may_have(path: &Path, selection: &Selection) -> bool {
    let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let month = folder.as_deref().and_then(|name| name.strip_prefix("month=")).unwrap_or_default();
    let first: Option<jiff::civil::Date> = format!("{month}-01").parse().ok();
    let Some(first) = first else { return true };
    let seconds = |date| begin_of(date).unwrap_or(i64::MAX);
    let next = first.saturating_add(jiff::Span::new().months(1));
    selection.until.is_none_or(|until| seconds(first) <= until)
        && selection.since.is_none_or(|since| seconds(next) > since)
}

impl Segment {
    fn open(path: &Path, selection: &Selection) -> Result<Self, DatasetError> {
        let file = File::open(path).map_err(|error| DatasetError::io(path, error))?;
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let metadata =
            ArrowReaderMetadata::load(&file, options).map_err(|error| DatasetError::rows(path, error))?;
        check_schema(path, metadata.schema(), "aggregate")?;
        let domains = domains(path, file, &metadata, selection)?;
        Ok(Self { path: path.to_owned(), metadata, domains })
    }

    fn read(
        &self,
        range: &Range<usize>,
        selection: &Selection,
        observations: &mut Observations,
    ) -> Result<(), DatasetError> {
        let fail = |error| DatasetError::rows(&self.path, error);
        let file = File::open(&self.path).map_err(|error| DatasetError::io(&self.path, error))?;
        let (groups, rows) = self.selected(range);
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mask = ProjectionMask::columns(reader.parquet_schema(), OBSERVED_COLUMNS);
        let batches = reader
            .with_projection(mask)
            .with_row_groups(groups)
            .with_row_selection(rows)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|error| DatasetError::rows(&self.path, error))?;
        for batch in batches {
            let batch = batch.map_err(|error| DatasetError::rows(&self.path, error))?;
            observations.add_batch(&batch, selection).map_err(fail)?;
        }
        Ok(())
    }

    /// The row groups that have rows of a range, and which of theirs those are.
    fn selected(&self, range: &Range<usize>) -> (Vec<usize>, RowSelection) {
        let mut groups = Vec::new();
        let mut first = None;
        let (mut start, mut rows) = (0, 0);
        for (at, group) in self.metadata.metadata().row_groups().iter().enumerate() {
            let end = start + usize::try_from(group.num_rows()).unwrap_or_default();
            if start < range.end && end > range.start {
                groups.push(at);
                first.get_or_insert(start);
                rows += end - start;
            }
            start = end;
        }
        let skipped = range.start - first.unwrap_or(range.start);
        let rest = rows.saturating_sub(skipped + range.len());
        let selectors =
            [RowSelector::skip(skipped), RowSelector::select(range.len()), RowSelector::skip(rest)];
        (groups, RowSelection::from(selectors.to_vec()))
    }
}

/// The policy domains of a segment that are selected, and where their rows are.
fn domains(
    path: &Path,
    file: File,
    metadata: &ArrowReaderMetadata,
    selection: &Selection,
) -> Result<Vec<(String, Range<usize>)>, DatasetError> {
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
    let mask = ProjectionMask::columns(reader.parquet_schema(), ["policy_domain"]);
    let batches = reader
        .with_projection(mask)
        .with_batch_size(INDEX_ROWS)
        .build()
        .map_err(|error| DatasetError::rows(path, error))?;
    let mut domains: Vec<(String, Range<usize>)> = Vec::new();
    let mut start = 0;
    for batch in batches {
        let batch = batch.map_err(|error| DatasetError::rows(path, error))?;
        let missing = || DatasetError::damaged(path, "it has no column policy_domain");
        let column = batch.column_by_name("policy_domain").ok_or_else(missing)?;
        let column = column.as_dictionary_opt::<Int32Type>().ok_or_else(missing)?;
        let words = column.values().as_string_opt::<i32>().ok_or_else(missing)?;
        let keys = column.keys().values();
        for run in keys.chunk_by(|a, b| a == b) {
            let word = run.first().and_then(|key| usize::try_from(*key).ok()).filter(|at| *at < words.len());
            let domain = word.map(|at| words.value(at)).unwrap_or_default();
            add_run(&mut domains, domain, start..start + run.len());
            start += run.len();
        }
    }
    domains.retain(|(domain, _)| selection.has_domain(domain));
    Ok(domains)
}

/// A run that follows one of the same domain makes it longer: batches end where they end.
fn add_run(domains: &mut Vec<(String, Range<usize>)>, domain: &str, run: Range<usize>) {
    match domains.last_mut() {
        Some((last, rows)) if last == domain => rows.end = run.end,
        _ => domains.push((domain.to_owned(), run)),
    }
}

/// Domains that are large each, and the others in shares of about the same size.
fn shares(segments: &[Segment]) -> (Vec<Share>, Vec<Share>) {
    let mut organizations: BTreeMap<&str, Share> = BTreeMap::new();
    for (at, segment) in segments.iter().enumerate() {
        for (domain, rows) in &segment.domains {
            let share = organizations.entry(organizational(domain)).or_default();
            share.rows += rows.len();
            share.ranges.push((at, rows.clone()));
        }
    }
    let (large, small): (Vec<Share>, Vec<Share>) =
        organizations.into_values().partition(|share| share.rows > SHARE_ROWS);
    let mut shares: Vec<Share> = Vec::new();
    for share in small {
        match shares.last_mut() {
            Some(last) if last.rows + share.rows <= SHARE_ROWS => last.take(share),
            _ => shares.push(share),
        }
    }
    (large, shares)
}

impl Share {
    fn take(&mut self, other: Self) {
        self.rows += other.rows;
        self.ranges.extend(other.ranges);
    }
}

/// Neighbouring ranges of a segment as one, so that nothing is decoded twice.
fn joined(ranges: &[(usize, Range<usize>)]) -> Vec<(usize, Range<usize>)> {
    let sorted: BTreeSet<(usize, usize, usize)> =
        ranges.iter().map(|(segment, rows)| (*segment, rows.start, rows.end)).collect();
    let mut joined: Vec<(usize, Range<usize>)> = Vec::new();
    for (segment, start, end) in sorted {
        match joined.last_mut() {
            Some((last, rows)) if *last == segment && rows.end == start => rows.end = end,
            _ => joined.push((segment, start..end)),
        }
    }
    joined
}

fn observe(
    segments: &[Segment],
    ranges: &[(usize, Range<usize>)],
    selection: &Selection,
) -> Result<Observations, DatasetError> {
    let mut observations = Observations::default();
    for (at, range) in joined(ranges) {
        if let Some(segment) = segments.get(at) {
            segment.read(&range, selection, &mut observations)?;
        }
    }
    Ok(observations)
}

/// The same by all cores, for a domain that is large.
fn observe_together(
    segments: &[Segment],
    share: &Share,
    selection: &Selection,
) -> Result<Observations, DatasetError> {
    let pieces = |(at, range): &(usize, Range<usize>)| {
        let at = *at;
        range.clone().step_by(PIECE_ROWS).map({
            let end = range.end;
            move |start| (at, start..end.min(start + PIECE_ROWS))
        })
    };
    let pieces: Vec<(usize, Range<usize>)> = joined(&share.ranges).iter().flat_map(pieces).collect();
    // Each thread takes pieces that follow each other: hosts stand together in them.
    let parts: Vec<&[(usize, Range<usize>)]> = pieces.chunks(pieces.len().div_ceil(cores()).max(1)).collect();
    let observed = on_all_cores(&parts, |part| observe(segments, part, selection))?;
    Ok(observed
        .into_iter()
        .reduce(|mut all, other| {
            all.merge(other);
            all
        })
        .unwrap_or_default())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Works on each item, with as many threads as there are cores; the first error ends it.
pub(super) fn on_all_cores<I: Sync, T: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<T, DatasetError> + Sync,
) -> Result<Vec<T>, DatasetError> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    let run = || -> Result<(), DatasetError> {
        while let Some((at, item)) = take(&next, items) {
            let result = work(item).inspect_err(|_| next.store(items.len(), Ordering::Relaxed))?;
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((at, result));
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores().min(items.len())).map(|_| scope.spawn(run)).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

fn take<'i, I>(next: &AtomicUsize, items: &'i [I]) -> Option<(usize, &'i I)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    items.get(at).map(|item| (at, item))
}
