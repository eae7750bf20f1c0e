//! Reading a dataset: one state of the ledger, and the rows of its segments.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use dmarc_core::arrow::{aggregate, failure, tlsrpt};
use dmarc_core::findings::{Class, SetAside, tls_observations};
use rusqlite::Connection;

use super::error::DatasetError;
use super::layout::{Layout, Partition};
use super::ledger::{self, Ledger};
use super::segment::{self, Reader};
use crate::collection::{Collected, Inputs};
use crate::enrich::Host;

/// How often a state is asked for again whose files were replaced before they were open.
const TRIES: usize = 10;
/// Rows of a batch that is read.
const READ_ROWS: usize = 8_192;

/// A dataset, opened to read. It does not hinder the one that writes.
#[derive(Debug)]
pub struct DatasetReader {
    layout: Layout,
    ledger: Ledger,
}

/// One state of a dataset: whatever is written later is not seen.
struct State {
    /// Open files: they stay readable when they are replaced.
    segments: Vec<(Partition, std::path::PathBuf, File)>,
    inputs: Inputs,
    set_aside: Vec<SetAside>,
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

    /// What findings are made from.
    ///
    /// # Errors
    /// What is wrong with the dataset, see [`DatasetError`].
    pub fn collected(&self) -> Result<Collected, DatasetError> {
        let State { segments, inputs, set_aside } = self.state()?;
        let mut collected = Collected { set_aside, inputs, ..Collected::default() };
        for (partition, path, file) in segments {
            let reader = segment::read(&path, file, &partition.kind, &[], READ_ROWS)?;
            collected.read(&partition.kind, &path, reader)?;
        }
        Ok(collected)
    }

    /// What was found out about a host.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn host(&self, ip: IpAddr) -> Result<Option<Host>, DatasetError> {
        self.ledger.host(ip)
    }

    /// A compaction may replace files between the look into the ledger and their opening: then there is a newer state.
    fn state(&self) -> Result<State, DatasetError> {
        for _ in 1..TRIES {
            match self.try_state() {
                Err(DatasetError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                done => return done,
            }
        }
        self.try_state().map_err(|error| match error {
            DatasetError::Io { path, source } if source.kind() == io::ErrorKind::NotFound => {
                DatasetError::damaged(&path, "the ledger has this file and it is not there")
            }
            error => error,
        })
    }

    fn try_state(&self) -> Result<State, DatasetError> {
        let (list, inputs, set_aside) = self.ledger.snapshot(|connection| {
            let mut list = Vec::new();
            for partition in ledger::partitions(connection)? {
                let segments = ledger::segments(connection, &partition)?;
                list.extend(segments.into_iter().map(|segment| (partition.clone(), segment.name)));
            }
            Ok((list, inputs(connection)?, set_aside(connection)?))
        })?;
        let mut segments = Vec::new();
        for (partition, name) in list {
            let path = self.layout.partition(&partition).join(name);
            let file = File::open(&path).map_err(|error| DatasetError::io(&path, error))?;
            segments.push((partition, path, file));
        }
        Ok(State { segments, inputs, set_aside })
    }
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
        let origin = if part.is_empty() { source } else { format!("{source} {part}") };
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
