//! TLS reports: one row for each policy of a report (RFC 8460, Section 4.4).
//!
//! What failed is a list inside the row, so that no join and no filter can count the sessions of a policy twice. The same
//! sessions may still stand under several policies of one report, say `sts` and `tlsa`: add totals only within one
//! `policy_type`. Failed sessions of the details may exceed the total, for one session can fail in several ways. A report
//! without policies has no row.
//!
//! | column | type | null | meaning | element |
//! |---|---|---|---|---|
//! | `reporter` | text | | who reported, in lower case: the organization or, where it is empty, the domain of the contact; part of the key of a report | |
//! | `organization_name` | text | | the reporting organization; may be empty | `organization-name` |
//! | `contact_info` | text | null | contact of the reporter | `contact-info` |
//! | `report_id` | text | | the reporter's identifier; part of the key | `report-id` |
//! | `start_datetime` | text | | beginning of the reporting period as received | `date-range/start-datetime` |
//! | `end_datetime` | text | | its end as received | `date-range/end-datetime` |
//! | `begin` | time | | beginning of the reporting period; part of the key | `date-range/start-datetime` |
//! | `end` | time | | its end; part of the key | `date-range/end-datetime` |
//! | `policy_index` | UInt32 | | position of the policy in its report, from 0 | `policies` |
//! | `policy_type` | text | | `tlsa`, `sts`, `no-policy-found`, or the word as received | `policy/policy-type` |
//! | `policy_domain` | text | null | the domain it stands for, in normal form; with DANE the MX host | `policy/policy-domain` |
//! | `report_domain` | text | null | the domain that the report is about, by its mail or file name, where a policy does not name it | |
//! | `policy_string` | list of text | | its text: lines of an MTA-STS policy, or TLSA records | `policy/policy-string` |
//! | `mx_host` | list of text | | patterns of MX host names | `policy/mx-host` |
//! | `total_successful_session_count` | UInt64 | | sessions that succeeded | `summary/total-successful-session-count` |
//! | `total_failure_session_count` | UInt64 | | sessions that failed | `summary/total-failure-session-count` |
//! | `failure_details` | list of struct | | what failed | `failure-details` |
//! | `failure_details.result_type` | text | | the kind of failure, or the word as received | `result-type` |
//! | `failure_details.sending_mta_ip` | text | null | the host that sent, as received | `sending-mta-ip` |
//! | `failure_details.receiving_mx_hostname` | text | null | the MX host | `receiving-mx-hostname` |
//! | `failure_details.receiving_mx_helo` | text | null | the name in its greeting | `receiving-mx-helo` |
//! | `failure_details.receiving_ip` | text | null | its address, as received | `receiving-ip` |
//! | `failure_details.additional_information` | text | null | where the reporter says more | `additional-information` |
//! | `failure_details.failure_reason_code` | text | null | the error in the reporter's words | `failure-reason-code` |
//! | `failure_details.failed_session_count` | UInt64 | | sessions that failed so | `failed-session-count` |
//! | `origin` | text | | where the report was read from: mail or file, and part | |
//! | `trust` | text | | how far the mail is known to be genuine: `unverified`, `trusted_authres`, `verified` | |
//! | `mail_from_domain` | text | null | the domain of RFC5322.From of the mail | |
//! | `mail_message_id` | text | null | its `Message-ID` without `<>` | |
//! | `mail_date` | time | null | its `Date`: what the sender says | |
//! | `mail_received` | time | null | when it arrived, by its source | |

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::{TimestampMicrosecondBuilder, UInt32Builder, UInt64Builder};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{TimestampMicrosecondType, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch, TimestampMicrosecondArray, UInt32Array, UInt64Array};
use arrow_schema::{ArrowError, DataType, Field, Fields, SchemaRef};

use super::column::{
    Lengths, ListColumn, Room, TextColumns, TextListColumn, TextLists, Texts, column, domain, known, list,
    optional, primitive, push_time, seconds, size, text, text_list, time, times,
};
use super::{Provenance, ProvenanceColumns, check_batch, versioned};
use crate::Domain;
use crate::identity::tls_reporter;
use crate::model::TlsReport;
use crate::model::tlsrpt::{
    TlsDateRange, TlsFailure, TlsPolicy, TlsPolicyResult, TlsPolicyType, TlsResultType, TlsSummary,
};
use crate::record::Trust;

const KIND: &str = "tlsrpt";
/// The text columns that are read back, in the order of [`TlsRows::read`].
const ROW: [&str; 10] = [
    "organization_name",
    "contact_info",
    "report_id",
    "start_datetime",
    "end_datetime",
    "policy_type",
    "policy_domain",
    "report_domain",
    "origin",
    "trust",
];
/// The text columns of `failure_details`, in the order of [`failure_texts`].
const FAILURE: [&str; 7] = [
    "result_type",
    "sending_mta_ip",
    "receiving_mx_hostname",
    "receiving_mx_helo",
    "receiving_ip",
    "additional_information",
    "failure_reason_code",
];

/// The schema of TLS batches: the columns above.
pub fn schema() -> SchemaRef {
    let mut fields = vec![
        text("reporter"),
        text("organization_name"),
        optional("contact_info"),
        text("report_id"),
        text("start_datetime"),
        text("end_datetime"),
        time("begin"),
        time("end"),
        Field::new("policy_index", DataType::UInt32, false),
        text("policy_type"),
        optional("policy_domain"),
        optional("report_domain"),
        text_list("policy_string"),
        text_list("mx_host"),
        count("total_successful_session_count"),
        count("total_failure_session_count"),
        list("failure_details", failure_fields()),
    ];
    fields.extend(ProvenanceColumns::fields());
    Arc::new(versioned(KIND, fields))
}

fn count(name: &str) -> Field {
    Field::new(name, DataType::UInt64, false)
}

fn failure_fields() -> Fields {
    let [result_type, others @ ..] = FAILURE;
    let mut fields = vec![text(result_type)];
    fields.extend(others.map(optional));
    fields.push(count("failed_session_count"));
    Fields::from(fields)
}

/// Gathers TLS reports into record batches.
#[derive(Debug)]
pub struct TlsBuilder {
    schema: SchemaRef,
    rows: usize,
    room: Room,
    /// What all policies of a report share.
    report: Texts<6>,
    begin: TimestampMicrosecondBuilder,
    end: TimestampMicrosecondBuilder,
    policy_index: UInt32Builder,
    /// Type and domains.
    policy: Texts<3>,
    policy_string: TextLists,
    mx_host: TextLists,
    successful: UInt64Builder,
    failed: UInt64Builder,
    failures: FailureColumns,
    provenance: ProvenanceColumns,
}

/// The columns of `failure_details`.
#[derive(Debug)]
struct FailureColumns {
    texts: Texts<{ FAILURE.len() }>,
    failed_session_count: UInt64Builder,
    lengths: Lengths,
}

impl Default for TlsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl TlsBuilder {
    /// A builder without rows.
    #[must_use]
    pub fn new() -> Self {
        Self {
            schema: schema(),
            rows: 0,
            room: Room::default(),
            report: Texts::new(),
            begin: times(),
            end: times(),
            policy_index: UInt32Builder::new(),
            policy: Texts::new(),
            policy_string: TextLists::new(),
            mx_host: TextLists::new(),
            successful: UInt64Builder::new(),
            failed: UInt64Builder::new(),
            failures: FailureColumns {
                texts: Texts::new(),
                failed_session_count: UInt64Builder::new(),
                lengths: Lengths::new(),
            },
            provenance: ProvenanceColumns::new(),
        }
    }

    /// Adds a report: a row for each of its policies.
    ///
    /// # Errors
    /// [`ArrowError::InvalidArgumentError`] if the batch would hold more than 2 GiB of text: nothing was added, finish it
    /// and append the report again.
    pub fn append(&mut self, report: &TlsReport<'_>, provenance: &Provenance<'_>) -> Result<(), ArrowError> {
        let reporter = tls_reporter(report);
        let shared = report_texts(report, &reporter);
        let each = size(&shared).saturating_add(ProvenanceColumns::size(provenance));
        let sizes = report.policies.iter().map(|result| each.saturating_add(policy_size(report, result)));
        self.room.take(sizes.fold(0, usize::saturating_add))?;
        for (result, index) in report.policies.iter().zip(0..) {
            self.report.push(shared)?;
            push_time(&mut self.begin, Some(report.date_range.begin));
            push_time(&mut self.end, Some(report.date_range.end));
            self.policy_index.append_value(index);
            self.push_policy(report, result)?;
            self.provenance.push(provenance)?;
            self.rows += 1;
        }
        Ok(())
    }

    /// Gives out the rows as a batch and begins the next one.
    ///
    /// # Errors
    /// [`ArrowError`] if the columns do not fit together, which would be a mistake of this crate.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        (self.rows, self.room) = (0, Room::default());
        let mut columns = Vec::from(self.report.finish());
        columns.extend([
            Arc::new(self.begin.finish()) as ArrayRef,
            Arc::new(self.end.finish()),
            Arc::new(self.policy_index.finish()),
        ]);
        columns.extend(self.policy.finish());
        columns.extend([
            self.policy_string.finish()?,
            self.mx_host.finish()?,
            Arc::new(self.successful.finish()),
            Arc::new(self.failed.finish()),
            self.failures.finish()?,
        ]);
        columns.extend(self.provenance.finish());
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }

    /// The number of rows of the batch so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether the batch has no row yet.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    fn push_policy(
        &mut self,
        report: &TlsReport<'_>,
        result: &TlsPolicyResult<'_>,
    ) -> Result<(), ArrowError> {
        self.policy.push(policy_texts(report, &result.policy))?;
        self.policy_string.push(result.policy.policy_string.iter().map(AsRef::as_ref))?;
        self.mx_host.push(result.policy.mx_host.iter().map(AsRef::as_ref))?;
        self.successful.append_value(result.summary.total_successful_session_count);
        self.failed.append_value(result.summary.total_failure_session_count);
        self.failures.push(&result.failure_details)
    }
}

impl FailureColumns {
    fn push(&mut self, failures: &[TlsFailure<'_>]) -> Result<(), ArrowError> {
        self.lengths.push(failures.len())?;
        for failure in failures {
            self.texts.push(failure_texts(failure))?;
            self.failed_session_count.append_value(failure.failed_session_count);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let mut columns = Vec::from(self.texts.finish());
        columns.push(Arc::new(self.failed_session_count.finish()));
        self.lengths.finish_structs(failure_fields(), columns)
    }
}

fn report_texts<'a>(report: &'a TlsReport<'_>, reporter: &'a str) -> [Option<&'a str>; 6] {
    [
        Some(reporter),
        Some(&report.organization_name),
        report.contact_info.as_deref(),
        Some(&report.report_id),
        Some(&report.date_range.start_datetime),
        Some(&report.date_range.end_datetime),
    ]
}

fn policy_texts<'a>(report: &'a TlsReport<'_>, policy: &'a TlsPolicy<'_>) -> [Option<&'a str>; 3] {
    let [named, derived] =
        [&policy.policy_domain, &report.report_domain].map(|domain| domain.as_ref().map(Domain::as_str));
    [Some(policy.policy_type.as_str()), named, derived]
}

fn failure_texts<'a>(failure: &'a TlsFailure<'_>) -> [Option<&'a str>; FAILURE.len()] {
    [
        Some(failure.result_type.as_str()),
        failure.sending_mta_ip.as_deref(),
        failure.receiving_mx_hostname.as_deref(),
        failure.receiving_mx_helo.as_deref(),
        failure.receiving_ip.as_deref(),
        failure.additional_information.as_deref(),
        failure.failure_reason_code.as_deref(),
    ]
}

fn policy_size(report: &TlsReport<'_>, result: &TlsPolicyResult<'_>) -> usize {
    let policy = &result.policy;
    let lines = policy.policy_string.iter().chain(&policy.mx_host).map(|line| size(&[Some(line)]));
    let failures = result.failure_details.iter().map(|failure| size(&failure_texts(failure)));
    lines.chain(failures).chain([size(&policy_texts(report, policy))]).fold(0, usize::saturating_add)
}

/// A row of a TLS batch, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsRow {
    /// Where the report was read from: mail or file, and part.
    pub origin: String,
    /// How far the mail is known to be genuine.
    pub trust: Trust,
    /// Position of the policy in its report, from 0.
    pub policy_index: u32,
    /// The report, with this policy alone.
    pub report: TlsReport<'static>,
}

/// Reads the rows of a TLS batch back; together the policies of a report are the report as it was appended.
///
/// The batch may have more columns and another order of columns, but the types must be those of [`schema`].
///
/// # Errors
/// [`ArrowError::SchemaError`] if the batch names another kind or version, or a column is missing or of another type.
pub fn rows(batch: &RecordBatch) -> Result<TlsRows<'_>, ArrowError> {
    check_batch(batch, KIND)?;
    let number = |name| column(batch, name, |column| column.as_primitive_opt::<UInt64Type>());
    let time = |name| column(batch, name, |column| column.as_primitive_opt::<TimestampMicrosecondType>());
    let details = ListColumn::new(batch, "failure_details")?;
    let items = details.structs("failure_details")?;
    Ok(TlsRows {
        rows: 0..batch.num_rows(),
        texts: TextColumns::new(batch, ROW)?,
        period: [time("begin")?, time("end")?],
        policy_index: column(batch, "policy_index", |column| column.as_primitive_opt::<UInt32Type>())?,
        policy_string: TextListColumn::new(batch, "policy_string")?,
        mx_host: TextListColumn::new(batch, "mx_host")?,
        totals: [number("total_successful_session_count")?, number("total_failure_session_count")?],
        details,
        failures: TextColumns::new(items, FAILURE)?,
        failed: column(items, "failed_session_count", |column| column.as_primitive_opt::<UInt64Type>())?,
    })
}

/// The rows of a batch, see [`rows`].
///
/// An item is an error where a value that is never null is null, or is none that this crate writes: such a batch is
/// damaged, or from a later version.
#[derive(Debug)]
pub struct TlsRows<'a> {
    rows: std::ops::Range<usize>,
    texts: TextColumns<'a, { ROW.len() }>,
    period: [&'a TimestampMicrosecondArray; 2],
    policy_index: &'a UInt32Array,
    policy_string: TextListColumn<'a>,
    mx_host: TextListColumn<'a>,
    totals: [&'a UInt64Array; 2],
    details: ListColumn<'a>,
    failures: TextColumns<'a, { FAILURE.len() }>,
    failed: &'a UInt64Array,
}

impl Iterator for TlsRows<'_> {
    type Item = Result<TlsRow, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        Some(self.read(row))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl ExactSizeIterator for TlsRows<'_> {}

impl TlsRows<'_> {
    fn read(&self, row: usize) -> Result<TlsRow, ArrowError> {
        let [organization, contact, id, start, end, policy_type, policy_domain, report_domain, origin, trust] =
            self.texts.row(row);
        let [begin_seconds, end_seconds] = self.period.map(|column| seconds(column, row));
        let date_range = TlsDateRange {
            start_datetime: text_of(known(start, "start_datetime")?),
            end_datetime: text_of(known(end, "end_datetime")?),
            begin: known(begin_seconds, "begin")?,
            end: known(end_seconds, "end")?,
        };
        let policy = TlsPolicy {
            policy_type: TlsPolicyType::new(known(policy_type, "policy_type")?).into_owned(),
            policy_string: self.policy_string.items(row).map(text_of).collect(),
            policy_domain: policy_domain.map(domain),
            mx_host: self.mx_host.items(row).map(text_of).collect(),
        };
        let report = TlsReport {
            organization_name: text_of(known(organization, "organization_name")?),
            date_range,
            contact_info: contact.map(text_of),
            report_id: text_of(known(id, "report_id")?),
            policies: vec![self.result(row, policy)?],
            report_domain: report_domain.map(domain),
        };
        Ok(TlsRow {
            origin: known(origin, "origin")?.to_owned(),
            trust: super::column::trust(known(trust, "trust")?)?,
            policy_index: known(primitive(self.policy_index, row), "policy_index")?,
            report,
        })
    }

    fn result(&self, row: usize, policy: TlsPolicy<'static>) -> Result<TlsPolicyResult<'static>, ArrowError> {
        let [successful, failed] = self.totals.map(|column| primitive(column, row));
        Ok(TlsPolicyResult {
            policy,
            summary: TlsSummary {
                total_successful_session_count: known(successful, "total_successful_session_count")?,
                total_failure_session_count: known(failed, "total_failure_session_count")?,
            },
            failure_details: self.details.range(row).map(|at| self.failure(at)).collect::<Result<_, _>>()?,
        })
    }

    fn failure(&self, at: usize) -> Result<TlsFailure<'static>, ArrowError> {
        let [result_type, sending_ip, mx, helo, receiving_ip, additional, reason] = self.failures.row(at);
        Ok(TlsFailure {
            result_type: TlsResultType::new(known(result_type, "result_type")?).into_owned(),
            sending_mta_ip: sending_ip.map(text_of),
            receiving_mx_hostname: mx.map(text_of),
            receiving_mx_helo: helo.map(text_of),
            receiving_ip: receiving_ip.map(text_of),
            failed_session_count: known(primitive(self.failed, at), "failed_session_count")?,
            additional_information: additional.map(text_of),
            failure_reason_code: reason.map(text_of),
        })
    }
}

fn text_of(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrow::Mail;
    use crate::arrow::tests::tables;
    use crate::{Limits, parse};

    #[test]
    fn documents_the_columns_that_it_has() {
        let (documented, real) = tables(include_str!("tlsrpt.rs"), &schema());
        assert_eq!(documented, real);
    }

    fn failure(sessions: u64) -> TlsFailure<'static> {
        TlsFailure {
            result_type: TlsResultType::CertificateExpired,
            sending_mta_ip: None,
            receiving_mx_hostname: Some("mx.example.org".into()),
            receiving_mx_helo: None,
            receiving_ip: None,
            failed_session_count: sessions,
            additional_information: None,
            failure_reason_code: None,
        }
    }

    fn policy(policy_type: TlsPolicyType<'static>, failures: &[u64]) -> TlsPolicyResult<'static> {
        TlsPolicyResult {
            policy: TlsPolicy { policy_type, ..TlsPolicy::default() },
            summary: TlsSummary { total_successful_session_count: 10, total_failure_session_count: 3 },
            failure_details: failures.iter().map(|sessions| failure(*sessions)).collect(),
        }
    }

    #[test]
    fn has_the_totals_of_a_policy_once_however_many_ways_it_failed() {
        let policies = vec![
            policy(TlsPolicyType::Sts, &[1, 2]),
            policy(TlsPolicyType::Tlsa, &[]),
            TlsPolicyResult::default(),
        ];
        let report = TlsReport { policies, ..TlsReport::default() };
        let mut builder = TlsBuilder::new();
        builder.append(&report, &Provenance::new("new/1", Trust::Unverified, Mail::default())).unwrap();
        assert_eq!(builder.len(), 3);
        let batch = builder.finish().unwrap();
        let totals = batch["total_failure_session_count"].as_primitive::<UInt64Type>();
        assert_eq!(totals.values(), &[3, 3, 0]);
        let details = batch["failure_details"].as_list::<i32>();
        assert_eq!([0, 1, 2].map(|row| details.value_length(row)), [2, 0, 0]);
        let failed = details.values().as_struct()["failed_session_count"].as_primitive::<UInt64Type>();
        assert_eq!(failed.values(), &[1, 2]);
    }

    /// Reports of the samples, and one whose policies differ in everything.
    fn reports() -> Vec<TlsReport<'static>> {
        let mut reports: Vec<TlsReport<'static>> = Vec::new();
        for name in ["tlsrpt/regular.json", "tlsrpt/sloppy.json"] {
            let text = crate::testdata::sample(name);
            let parsed = parse::tlsrpt::parse(&text, &Limits::default()).into_iter().flatten();
            reports.extend(parsed.map(|parsed| parsed.report.into_owned()));
        }
        let mut other = policy(TlsPolicyType::Other("new".into()), &[u64::MAX]);
        other.policy.policy_string = vec!["".into(), "version: STSv1".into()];
        other.failure_details[0].receiving_ip = Some("".into());
        reports.push(TlsReport {
            policies: vec![TlsPolicyResult::default(), other],
            report_domain: Some(Domain::new("example.org")),
            ..TlsReport::default()
        });
        reports
    }

    #[test]
    fn gives_back_every_report_as_it_was() {
        let reports: Vec<_> = reports().into_iter().filter(|report| !report.policies.is_empty()).collect();
        assert!(reports.len() > 2, "{}", reports.len());
        let mut builder = TlsBuilder::new();
        for (report, origin) in reports.iter().zip(0..) {
            let origin = format!("new/{origin}");
            builder
                .append(report, &Provenance::new(&origin, Trust::TrustedAuthres, Mail::default()))
                .unwrap();
        }
        let mut read: Vec<TlsReport<'static>> = Vec::new();
        for row in rows(&builder.finish().unwrap()).unwrap().map(Result::unwrap) {
            match row.policy_index {
                0 => read.push(row.report),
                _ => read.last_mut().unwrap().policies.extend(row.report.policies),
            }
        }
        assert_eq!(read, reports);
    }
}
