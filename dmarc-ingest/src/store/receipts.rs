//! What is known of each report without its rows.

use dmarc_core::findings::newest_day;
use dmarc_core::model::aggregate::DateRange;
use dmarc_core::record::Trust;
use rusqlite::Row;

use super::error::DatasetError;
use super::ledger::{ERASED, trust};
use super::read::DatasetReader;
use crate::collection::{NamedReport, origin};

/// A report with a content, as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportReceipt {
    /// `aggregate`, `failure` or `tlsrpt`.
    pub kind: String,
    /// Who reported, in lower case.
    pub reporter: String,
    /// The policy domains, in normal form and sorted; several only in a TLS report.
    pub policy_domains: Vec<String>,
    /// Beginning and end of the reporting period as sent, in seconds since the Unix epoch, UTC.
    pub period: (i64, i64),
    /// Its rows.
    pub rows: u64,
    /// Its messages or, for TLS, sessions, added over all its policies.
    pub messages: u64,
    /// How far its mail is known to be genuine.
    pub trust: Trust,
    /// When the first mail with it arrived or, where its source does not say, was sent; in seconds since the Unix epoch, UTC.
    pub arrived: Option<i64>,
    /// How often the same came again.
    pub copies: u64,
    /// Whether it counts; if not, another content of the same report does.
    pub is_active: bool,
}

impl DatasetReader {
    /// Hands every report that was not erased to `each`: by kind, reporter, policy domain and period.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn reports(&self, mut each: impl FnMut(ReportReceipt)) -> Result<(), DatasetError> {
        self.ledger().read(|connection| {
            let mut statement = connection.prepare(
                "SELECT kind, reporter, policy_domain, begin, \"end\", rows, messages, trust, \
                   (SELECT min(coalesce(received, date)) FROM parts JOIN mails ON mails.id = parts.mail \
                     WHERE parts.report = reports.id), \
                   (SELECT count(*) FROM parts WHERE parts.report = reports.id AND outcome = 'duplicate'), active \
                 FROM reports WHERE active <> ? \
                 ORDER BY kind, reporter, policy_domain, begin, \"end\", report_id, hash",
            )?;
            let mut rows = statement.query([ERASED])?;
            while let Some(row) = rows.next()? {
                each(receipt(row)?);
            }
            Ok(())
        })
    }

    /// The TLS reports that count and are called `report_id` by their reporters.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn tls_reports(&self, report_id: &str) -> Result<Vec<NamedReport>, DatasetError> {
        let query = "SELECT reporter, report_id, policy_domain, begin, \"end\", trust, source, \
                       coalesce((SELECT part FROM parts WHERE parts.report = reports.id AND parts.mail = mails.id \
                         ORDER BY position LIMIT 1), '') \
                     FROM reports JOIN mails ON mails.id = reports.mail \
                     WHERE kind = 'tlsrpt' AND active = 1 AND report_id = ?";
        let mut found = self.ledger().read(|connection| {
            let mut statement = connection.prepare(query)?;
            statement.query_map([report_id], named)?.collect::<Result<Vec<_>, _>>()
        })?;
        found.sort();
        Ok(found)
    }

    /// The newest day that the reports may be believed about, see [`newest_day`]: days since the Unix epoch, UTC. What a mail
    /// says of a day after its arrival is not believed, where its source says when that was.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn newest_day(&self) -> Result<Option<i64>, DatasetError> {
        let query = "SELECT DISTINCT reporter, begin, \"end\" FROM reports JOIN mails ON mails.id = reports.mail \
                     WHERE active = 1 AND begin < coalesce(received, begin) + 86400";
        self.ledger().read(|connection| {
            let mut statement = connection.prepare(query)?;
            let period = |row: &Row<'_>| Ok((row.get(0)?, DateRange::new(row.get(1)?, row.get(2)?)));
            let said: Vec<(String, DateRange)> =
                statement.query_map([], period)?.collect::<Result<_, _>>()?;
            Ok(newest_day(said.iter().map(|(reporter, period)| (reporter.as_str(), *period))))
        })
    }
}

fn named(row: &Row<'_>) -> rusqlite::Result<NamedReport> {
    Ok(NamedReport {
        reporter: row.get(0)?,
        report_id: row.get(1)?,
        policy_domains: row.get(2)?,
        period: (row.get(3)?, row.get(4)?),
        trust: trust(&row.get::<_, String>(5)?),
        origin: origin(&row.get::<_, String>(6)?, &row.get::<_, String>(7)?),
    })
}

fn receipt(row: &Row<'_>) -> rusqlite::Result<ReportReceipt> {
    let domains: String = row.get(2)?;
    Ok(ReportReceipt {
        kind: row.get(0)?,
        reporter: row.get(1)?,
        policy_domains: domains.split(' ').map(str::to_owned).collect(),
        period: (row.get(3)?, row.get(4)?),
        rows: row.get(5)?,
        messages: row.get(6)?,
        trust: trust(&row.get::<_, String>(7)?),
        arrived: row.get(8)?,
        copies: row.get(9)?,
        is_active: row.get(10)?,
    })
}
