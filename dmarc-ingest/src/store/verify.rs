//! Whether ledger, segments and files agree.

use std::collections::BTreeMap;
use std::fs;

use super::error::DatasetError;
use super::layout::{Partition, hash_file, names};
use super::ledger;
use super::read::DatasetReader;
use super::rows::{Size, total};
use super::segment;

/// What was compared, and what does not agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Verified {
    /// Mails in the ledger.
    pub mails: u64,
    /// Reports that count.
    pub reports: u64,
    /// Segments.
    pub segments: u64,
    /// Their rows.
    pub rows: u64,
    /// Messages and TLS sessions in them.
    pub messages: u64,
    /// Bytes of segments.
    pub bytes: u64,
    /// Files that are kept aside.
    pub kept: u64,
    /// What does not agree; nothing if all is well.
    pub problems: Vec<Problem>,
}

/// Something that does not agree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The file, relative to the dataset.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
}

/// What the ledger says.
struct Expected {
    segments: Vec<(Partition, ledger::Segment)>,
    reports: BTreeMap<String, Size>,
    kept: Vec<(String, u64, [u8; 32])>,
    mails: u64,
    sqlite: Vec<String>,
}

impl DatasetReader {
    /// Reads everything and compares it. Meant for a dataset at rest: what a writer replaces meanwhile shows as a problem.
    ///
    /// # Errors
    /// What the ledger says, if it cannot be read at all.
    pub fn verify(&self) -> Result<Verified, DatasetError> {
        let expected = self.ledger().snapshot(expected)?;
        let mut verified = Verified { mails: expected.mails, ..Verified::default() };
        for what in expected.sqlite {
            verified.problem("ledger.sqlite", what);
        }
        let mut found: BTreeMap<String, Size> = BTreeMap::new();
        for (partition, segment) in &expected.segments {
            self.verify_segment(partition, segment, &mut found, &mut verified);
        }
        verified.compare(&expected.reports, &found);
        self.verify_folders(&expected.segments, &mut verified)?;
        self.verify_kept(&expected.kept, &mut verified)?;
        verified.reports = expected.reports.len() as u64;
        verified.problems.sort_unstable();
        Ok(verified)
    }

    fn verify_segment(
        &self,
        partition: &Partition,
        segment: &ledger::Segment,
        found: &mut BTreeMap<String, Size>,
        verified: &mut Verified,
    ) {
        let path = self.layout().partition(partition).join(&segment.name);
        let file = format!("records/{partition}/{}", segment.name);
        let (hash, bytes) = match hash_file(&path) {
            Ok(hashed) => hashed,
            Err(error) => return verified.problem(&file, reason(&error)),
        };
        if (hash, bytes) != (segment.hash, segment.bytes) {
            return verified.problem(&file, "its content is not what was written".to_owned());
        }
        let sizes = match segment::sizes(&path, &partition.kind) {
            Ok(sizes) => sizes,
            Err(error) => return verified.problem(&file, reason(&error)),
        };
        let mut sum = Size { rows: 0, messages: 0 };
        for (key, size) in sizes {
            sum = sum.and(size);
            let all = found.entry(key).or_insert(Size { rows: 0, messages: 0 });
            *all = all.and(size);
        }
        if (sum.rows, sum.messages) != (segment.rows, segment.messages) {
            let what = format!("it has {} rows, and the ledger says {}", sum.rows, segment.rows);
            verified.problem(&file, what);
        }
        verified.segments += 1;
        verified.bytes += bytes;
        verified.rows += sum.rows;
        verified.messages = total([verified.messages, sum.messages]);
    }

    /// Whether there are files that the ledger does not have.
    fn verify_folders(
        &self,
        segments: &[(Partition, ledger::Segment)],
        verified: &mut Verified,
    ) -> Result<(), DatasetError> {
        for partition in self.layout().partitions()? {
            for name in names(&self.layout().partition(&partition))? {
                let is_known =
                    segments.iter().any(|(known, segment)| *known == partition && segment.name == name);
                if !is_known {
                    let file = format!("records/{partition}/{name}");
                    verified.problem(&file, "the ledger does not have it".to_owned());
                }
            }
        }
        Ok(())
    }

    fn verify_kept(
        &self,
        kept: &[(String, u64, [u8; 32])],
        verified: &mut Verified,
    ) -> Result<(), DatasetError> {
        let folder = self.layout().quarantine();
        for (name, bytes, hash) in kept {
            let file = format!("quarantine/{name}");
            match hash_file(&folder.join(name)) {
                Ok(found) if found == (*hash, *bytes) => verified.kept += 1,
                Ok(_) => verified.problem(&file, "its content is not what was written".to_owned()),
                Err(error) => verified.problem(&file, reason(&error)),
            }
        }
        for name in names(&folder)? {
            if !kept.iter().any(|(known, ..)| *known == name) {
                verified.problem(&format!("quarantine/{name}"), "the ledger does not have it".to_owned());
            }
        }
        // Something in `staging` is what a crash left; the next writer clears it away.
        fs::metadata(self.layout().staging())
            .map(drop)
            .map_err(|error| DatasetError::io(&self.layout().staging(), error))
    }
}

impl Verified {
    fn problem(&mut self, file: &str, what: String) {
        self.problems.push(Problem { file: file.to_owned(), what });
    }

    /// Whether every report that counts has its rows, once, and nothing else has any.
    fn compare(&mut self, expected: &BTreeMap<String, Size>, found: &BTreeMap<String, Size>) {
        for (key, size) in expected {
            let rows = found.get(key).copied().unwrap_or(Size { rows: 0, messages: 0 });
            if rows != *size {
                let what = format!(
                    "report {key} has {} rows with {} messages, and the ledger says {} with {}",
                    rows.rows, rows.messages, size.rows, size.messages
                );
                self.problem("records", what);
            }
        }
        for key in found.keys().filter(|key| !expected.contains_key(*key)) {
            self.problem("records", format!("there are rows of report {key}, which does not count"));
        }
    }
}

fn expected(connection: &rusqlite::Connection) -> rusqlite::Result<Expected> {
    let mut segments = Vec::new();
    for partition in ledger::partitions(connection)? {
        let of_partition = ledger::segments(connection, &partition)?;
        segments.extend(of_partition.into_iter().map(|segment| (partition.clone(), segment)));
    }
    let reports = connection
        .prepare("SELECT key, rows, messages FROM reports WHERE active = 1")?
        .query_map([], |row| Ok((row.get(0)?, Size { rows: row.get(1)?, messages: row.get(2)? })))?
        .collect::<rusqlite::Result<_>>()?;
    let kept = connection
        .prepare("SELECT name, bytes, hash FROM kept ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let check: Vec<String> = connection
        .prepare("PRAGMA integrity_check")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Expected {
        segments,
        reports,
        kept,
        mails: connection.query_row("SELECT count(*) FROM mails", [], |row| row.get(0))?,
        sqlite: check.into_iter().filter(|line| line != "ok").collect(),
    })
}

fn reason(error: &DatasetError) -> String {
    match error {
        DatasetError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            "it is missing".to_owned()
        }
        error => error.to_string(),
    }
}
