//! Reading a dataset: one state of the ledger, and the rows of its segments.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use dmarc_core::arrow::{aggregate, failure, tlsrpt};
use dmarc_core::findings::{Class, SetAside, tls_observations};
use dmarc_core::record::Selection;
use rusqlite::Connection;

use super::error::DatasetError;
use super::hosts::HostTable;
use super::layout::{Layout, Partition};
use super::ledger::{self, Ledger};
use super::observe::on_all_cores;
use super::segment::{self, Reader};
use crate::collection::{Collected, Inputs};
use crate::enrich::Host;

/// How often a state is asked for again whose files were replaced before they were read.
const TRIES: usize = 20;
/// How long it is waited then: a commit is somewhere between its transaction and its last file.
const PAUSE: Duration = Duration::from_millis(20);
/// Where addresses are divided, as text, to be read by several threads.
const ADDRESSES: [&str; 9] = ["", "13", "16", "19", "2", "4", "6", "8", "g"];

/// A dataset, opened to read. It does not hinder the one that writes.
#[derive(Debug)]
pub struct DatasetReader {
    layout: Layout,
    ledger: Ledger,
}

impl DatasetReader {
    /// Opens the dataset in the folder `path`.
    ///
    /// # Errors
    /// [`DatasetError::Missing`] if there is none, or what the ledger says.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        let layout = Layout::new(path);
        let ledger = Ledger::open(&layout)?;
        Ok(Self { layout, ledger })
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// All that findings are made from: one state of the dataset, whatever is written meanwhile. It holds every record in
    /// memory; [`observe`](Self::observe) does not.
    ///
    /// # Errors
    /// What is wrong with the dataset, see [`DatasetError`].
    pub fn collected(&self) -> Result<Collected, DatasetError> {
        self.collect(|_| true)
    }

    /// The same without records of aggregate reports.
    ///
    /// # Errors
    /// What is wrong with the dataset, see [`DatasetError`].
    pub fn beside(&self) -> Result<Collected, DatasetError> {
        self.collect(|kind| kind != "aggregate")
    }

    fn collect(&self, is_wanted: impl Fn(&str) -> bool) -> Result<Collected, DatasetError> {
        patiently(|| {
            let (mut collected, list) = self.ledger.snapshot(|connection| {
                let inputs = inputs(connection)?;
                let set_aside = set_aside(connection)?;
                Ok((Collected { set_aside, inputs, ..Collected::default() }, list(connection)?))
            })?;
            for (partition, name) in list.into_iter().filter(|(partition, _)| is_wanted(&partition.kind)) {
                let (path, file) = self.open_segment(&partition, &name)?;
                let reader = segment::read(&path, file, &partition.kind, &[], segment::READ_VALUES)?;
                collected.read(&partition.kind, &path, reader)?;
            }
            Ok(collected)
        })
    }

    /// The files that count, with their kind, sorted. A file that is gone when it is opened was replaced: ask again.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn files(&self) -> Result<Vec<(String, PathBuf)>, DatasetError> {
        let list = self.ledger.snapshot(list)?;
        let path = |(partition, name): (Partition, String)| {
            let path = self.layout.partition(&partition).join(name);
            (partition.kind, path)
        };
        Ok(list.into_iter().map(path).collect())
    }

    /// The same files where they are now, each made sure to be of a version that is known here.
    ///
    /// # Errors
    /// [`DatasetError::Newer`] if a file was written by a newer version, [`DatasetError::Damaged`] if one is not there, or what
    /// the ledger says.
    pub fn readable(&self) -> Result<Vec<(String, PathBuf)>, DatasetError> {
        patiently(|| {
            let list = self.ledger.snapshot(list)?;
            list.into_iter().map(|(partition, name)| self.readable_segment(partition, &name)).collect()
        })
    }

    /// The rows of a kind that count, segment by segment, in batches. A segment that is gone was replaced: begin anew, see
    /// [`DatasetError::is_gone`].
    ///
    /// # Errors
    /// What is wrong with the dataset, see [`DatasetError`], and the errors of `each`.
    pub fn batches<E: From<DatasetError>>(
        &self,
        kind: &str,
        mut each: impl FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        for (partition, name) in self.ledger.snapshot(list)?.into_iter().filter(|(of, _)| of.kind == kind) {
            let (path, file) = self.open_segment(&partition, &name)?;
            for batch in segment::read(&path, file, kind, &[], segment::READ_VALUES)? {
                each(&batch?)?;
            }
        }
        Ok(())
    }

    fn readable_segment(&self, partition: Partition, name: &str) -> Result<(String, PathBuf), DatasetError> {
        let (path, file) = self.open_segment(&partition, name)?;
        drop(segment::read(&path, file, &partition.kind, &[], segment::READ_VALUES)?);
        Ok((partition.kind, path))
    }

    /// What the ledger knows beside the rows of a selection, for several threads to ask. Of all domains most hosts will be
    /// asked for: then they are read at once, for one after the other takes many times as long.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn facts(&self, selection: &Selection) -> Result<KnownFacts, DatasetError> {
        let hosts = selection.domains.is_empty().then(|| self.all_hosts()).transpose()?;
        Ok(KnownFacts { layout: self.layout.clone(), idle: Mutex::default(), hosts })
    }

    fn all_hosts(&self) -> Result<HostTable, DatasetError> {
        let parts: Vec<[&str; 2]> = ADDRESSES.array_windows().copied().collect();
        let layout = &self.layout;
        let read = |[first, end]: &[&str; 2]| Ledger::open(layout)?.hosts(first, end);
        on_all_cores(&parts, read).map(HostTable::finish)
    }

    /// Opens a segment where it is published or, right after its commit, is to be published from.
    fn open_segment(&self, partition: &Partition, name: &str) -> Result<(PathBuf, File), DatasetError> {
        let published = self.layout.partition(partition).join(name);
        let staged = self.layout.staging().join(name);
        for path in [&published, &staged] {
            match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                opened => {
                    return opened.map(|file| (path.clone(), file)).map_err(|e| DatasetError::io(path, e));
                }
            }
        }
        let opened = File::open(&published).map_err(|error| DatasetError::io(&published, error))?;
        Ok((published, opened))
    }
}

/// What the ledger knows beside the rows, for several threads to ask: each has a connection of its own.
#[derive(Debug)]
pub struct KnownFacts {
    layout: Layout,
    idle: Mutex<Vec<Ledger>>,
    /// All hosts, where most of them will be asked for.
    hosts: Option<HostTable>,
}

/// What one thread asks.
#[derive(Debug)]
pub struct Facts<'a> {
    ledger: &'a Ledger,
    hosts: Option<&'a HostTable>,
    failed: RefCell<Option<DatasetError>>,
}

impl KnownFacts {
    /// Runs `ask`, which may ask for facts.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn with<T>(&self, ask: impl FnOnce(&Facts<'_>) -> T) -> Result<T, DatasetError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let ledger = idle.map_or_else(|| Ledger::open_to_look_up(&self.layout), Ok)?;
        let facts = Facts { ledger: &ledger, hosts: self.hosts.as_ref(), failed: RefCell::default() };
        let answer = ask(&facts);
        if let Some(error) = facts.failed.into_inner() {
            return Err(error);
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(ledger);
        Ok(answer)
    }
}

impl Facts<'_> {
    /// What was found out about a host.
    pub fn host(&self, ip: IpAddr) -> Option<Host> {
        match self.hosts {
            Some(hosts) => hosts.get(ip),
            None => self.noted(self.ledger.host(ip)).flatten(),
        }
    }

    /// The mail or file that brought a report, and the part in it; empty if the report is not known.
    pub fn origin(&self, report: (&str, &str, &str), period: (i64, i64)) -> String {
        self.noted(self.ledger.origin(report, period)).unwrap_or_default()
    }

    /// An error is for the end: nothing that was made without the answer is given out.
    fn noted<T>(&self, answer: Result<T, DatasetError>) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.failed.borrow_mut().get_or_insert(error);
                None
            }
        }
    }
}

/// Files may be replaced between the look into the ledger and their opening: then there is a newer state.
pub(super) fn patiently<T>(read: impl Fn() -> Result<T, DatasetError>) -> Result<T, DatasetError> {
    for _ in 1..TRIES {
        match read() {
            Err(error) if error.is_gone() => std::thread::sleep(PAUSE),
            done => return done,
        }
    }
    read().map_err(|error| match error {
        DatasetError::Io { path, source } if source.kind() == io::ErrorKind::NotFound => {
            DatasetError::damaged(&path, "the ledger has this file and it is not there")
        }
        error => error,
    })
}

/// The segments that count.
fn list(connection: &Connection) -> rusqlite::Result<Vec<(Partition, String)>> {
    let mut list = Vec::new();
    for partition in ledger::partitions(connection)? {
        let segments = ledger::segments(connection, &partition)?;
        list.extend(segments.into_iter().map(|segment| (partition.clone(), segment.name)));
    }
    Ok(list)
}

impl Collected {
    fn read(&mut self, kind: &str, path: &Path, reader: Reader) -> Result<(), DatasetError> {
        let fail = |error| DatasetError::rows(path, error);
        for batch in reader {
            let batch = batch?;
            match kind {
                "aggregate" => {
                    for record in aggregate::records(&batch).map_err(fail)? {
                        self.records.push(record.map_err(fail)?);
                    }
                }
                "tlsrpt" => {
                    for row in tlsrpt::rows(&batch).map_err(fail)? {
                        let row = row.map_err(fail)?;
                        self.tls.extend(tls_observations(&row.report, &row.origin));
                    }
                }
                _ => self.failures.extend(failure::observations(&batch).map_err(fail)?),
            }
        }
        Ok(())
    }
}

fn inputs(connection: &Connection) -> rusqlite::Result<Inputs> {
    let count = |query: &str| connection.query_row(query, [], |row| row.get::<_, u64>(0));
    Ok(Inputs {
        mails: count("SELECT count(*) FROM mails")?,
        reports: count("SELECT count(*) FROM reports WHERE active = 1")?,
        duplicates: count("SELECT count(*) FROM parts WHERE outcome = 'duplicate'")?,
        conflicts: count("SELECT count(*) FROM reports WHERE NOT active")?,
        untrusted: count("SELECT count(*) FROM parts WHERE outcome = 'untrusted'")?,
        refused: count("SELECT count(*) FROM parts WHERE outcome = 'refused'")?,
        rejected_records: count("SELECT coalesce(sum(rejected), 0) FROM reports")?,
        not_reports: count(
            "SELECT count(*) FROM mails WHERE NOT EXISTS \
             (SELECT 1 FROM parts WHERE parts.mail = mails.id AND outcome <> 'other')",
        )?,
    })
}

/// Reports that do not count, as one run over the same mail names them.
fn set_aside(connection: &Connection) -> rusqlite::Result<Vec<SetAside>> {
    let mut statement = connection.prepare(
        "SELECT parts.outcome, source, part, coalesce(parts.reason, reports.report_id, ''), parts.policy_domain, \
         parts.reporter, parts.begin, parts.\"end\", parts.messages \
         FROM parts JOIN mails ON mails.id = parts.mail LEFT JOIN reports ON reports.id = parts.report \
         WHERE parts.outcome = 'untrusted' OR (parts.outcome = 'report' AND NOT reports.active)",
    )?;
    let aside = |row: &rusqlite::Row<'_>| {
        let (outcome, source, part, reason): (String, String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let origin = crate::collection::origin(&source, &part);
        let mut aside = if outcome == "untrusted" {
            SetAside::new(Class::ReportUntrusted, origin, reason)
        } else {
            SetAside::new(Class::ReportConflict, origin, crate::verdict::conflict(&reason))
        };
        aside.policy_domain = row.get::<_, Option<String>>(4)?.unwrap_or_default();
        aside.reporter = row.get::<_, Option<String>>(5)?.unwrap_or_default();
        aside.period = (row.get(6)?, row.get(7)?);
        aside.messages = row.get(8)?;
        Ok(aside)
    };
    let mut found: Vec<SetAside> = statement.query_map([], aside)?.collect::<rusqlite::Result<_>>()?;
    crate::collection::sort(&mut found);
    Ok(found)
}
