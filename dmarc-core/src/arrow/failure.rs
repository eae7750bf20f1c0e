//! Failure reports: one row for each report (RFC 9991; RFC 6591).
//!
//! `original_mail_from`, `original_rcpt_to`, `dkim_identity` and `reported_uri` can point to people: leave them out of what you
//! publish.
//! What a failure report says is not to be taken as accurate (RFC 5965, Section 3).
//!
//! | column | type | null | meaning | field |
//! |---|---|---|---|---|
//! | `reporter` | text | | who sent the mail: the domain of its RFC5322.From, empty where unknown | |
//! | `policy_domain` | text | null | the first of `reported_domain` | `Reported-Domain` |
//! | `reported_domain` | list of text | | the domains that were used, in normal form | `Reported-Domain` |
//! | `feedback_type` | text | | `auth-failure` | `Feedback-Type` |
//! | `user_agent` | text | null | the reporting software | `User-Agent` |
//! | `auth_failure` | text | null | what failed: `dmarc`, `spf`, `signature`, …, or the word as received | `Auth-Failure` |
//! | `delivery_result` | text | null | what became of the message: `delivered`, `spam`, `policy`, `reject`, `other`, or the word as received | `Delivery-Result` |
//! | `dkim_aligned` | Boolean | null | whether DKIM aligned; null where that cannot be told | |
//! | `spf_aligned` | Boolean | null | whether SPF aligned; null where that cannot be told | |
//! | `alignment_basis` | text | | what these two were derived from: `lists_none`, `lists_both`, `evidence`, `stated`, `unknown` | |
//! | `source_ip` | Utf8 | null | the host that sent the message | `Source-IP` |
//! | `source_port` | UInt16 | null | its port | `Source-Port` |
//! | `arrived` | time | null | when the message arrived | `Arrival-Date` |
//! | `message_count` | UInt64 | | number of messages that this report stands for | `Incidents` |
//! | `reporting_mta` | text | null | the host that reports, as received | `Reporting-MTA` |
//! | `original_envelope_id` | text | null | the envelope identifier | `Original-Envelope-Id` |
//! | `original_mail_from` | text | null | the reverse-path without `<>`; empty for the null one | `Original-Mail-From` |
//! | `original_rcpt_to` | list of text | | the recipients | `Original-Rcpt-To` |
//! | `original_message_id` | text | null | `Message-ID` of the included message, as received | |
//! | `header_from` | text | null | the Author Domain of the included message, in normal form | |
//! | `dkim_domain` | text | null | the signing domain, in normal form | `DKIM-Domain` |
//! | `dkim_identity` | text | null | the signing identity | `DKIM-Identity` |
//! | `dkim_selector` | text | null | the selector | `DKIM-Selector` |
//! | `spf_dns` | list of text | | the SPF records that were used | `SPF-DNS` |
//! | `reported_uri` | list of text | | links of the message | `Reported-URI` |
//! | `authentication_results` | list of struct | | one item a method of a field, in their order | `Authentication-Results` |
//! | `authentication_results.authserv_id` | text | | who claims the result; may be empty | `authserv-id` |
//! | `authentication_results.method` | text | | the method, in lower case: `dkim`, `spf`, … | `method` |
//! | `authentication_results.result` | text | | the result, in lower case | `result` |
//! | `authentication_results.reason` | text | null | its reason | `reason` |
//! | `authentication_results.header_d` | text | null | the signing domain | `header.d` |
//! | `authentication_results.header_s` | text | null | the selector | `header.s` |
//! | `authentication_results.header_from` | text | null | the Author Domain | `header.from` |
//! | `authentication_results.smtp_mailfrom` | text | null | the reverse-path or its domain | `smtp.mailfrom` |
//! | `authentication_results.smtp_helo` | text | null | the HELO name | `smtp.helo` |
//! | `origin` | text | | where the report was read from: mail or file, and part | |
//! | `trust` | text | | how far the mail is known to be genuine: `unverified`, `trusted_authres`, `verified` | |
//! | `mail_from_domain` | text | null | the domain of RFC5322.From of the mail | |
//! | `mail_message_id` | text | null | its `Message-ID` without `<>` | |
//! | `mail_date` | time | null | its `Date`: what the sender says | |
//! | `mail_received` | time | null | when it arrived, by its source | |

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, StringBuilder, TimestampMicrosecondBuilder, UInt16Builder, UInt64Builder,
};
use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array as _, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Fields, SchemaRef};

use super::column::{
    MAX_IP, Room, TextColumns, TextLists, TextStructs, Texts, column, known, list, optional, optional_time,
    push_ip, push_time, schema_error, seconds, size, text, text_list, times,
};
use super::{Provenance, ProvenanceColumns, check_batch, versioned};
use crate::Domain;
use crate::findings::FailureObservation;
use crate::model::FailureReport;
use crate::model::auth::{AuthenticationResults, MethodResult};
use crate::model::failure::{AlignmentBasis, AuthFailureType, DeliveryResult};

/// The schema of failure batches: the columns above.
pub fn schema() -> SchemaRef {
    let mut fields = vec![
        text("reporter"),
        optional("policy_domain"),
        text_list("reported_domain"),
        text("feedback_type"),
        optional("user_agent"),
        optional("auth_failure"),
        optional("delivery_result"),
        Field::new("dkim_aligned", DataType::Boolean, true),
        Field::new("spf_aligned", DataType::Boolean, true),
        text("alignment_basis"),
        Field::new("source_ip", DataType::Utf8, true),
        Field::new("source_port", DataType::UInt16, true),
        optional_time("arrived"),
        Field::new("message_count", DataType::UInt64, false),
        optional("reporting_mta"),
        optional("original_envelope_id"),
        optional("original_mail_from"),
        text_list("original_rcpt_to"),
        optional("original_message_id"),
        optional("header_from"),
        optional("dkim_domain"),
        optional("dkim_identity"),
        optional("dkim_selector"),
        text_list("spf_dns"),
        text_list("reported_uri"),
        list("authentication_results", result_fields()),
    ];
    fields.extend(ProvenanceColumns::fields());
    Arc::new(versioned("failure", fields))
}

fn result_fields() -> Fields {
    Fields::from(vec![
        text("authserv_id"),
        text("method"),
        text("result"),
        optional("reason"),
        optional("header_d"),
        optional("header_s"),
        optional("header_from"),
        optional("smtp_mailfrom"),
        optional("smtp_helo"),
    ])
}

/// Gathers failure reports into record batches.
#[derive(Debug)]
pub struct FailureBuilder {
    schema: SchemaRef,
    rows: usize,
    room: Room,
    texts: Texts<15>,
    /// `dkim_aligned`, `spf_aligned`.
    aligned: [BooleanBuilder; 2],
    source_ip: StringBuilder,
    source_port: UInt16Builder,
    arrived: TimestampMicrosecondBuilder,
    message_count: UInt64Builder,
    /// `reported_domain`, `original_rcpt_to`, `spf_dns`, `reported_uri`.
    lists: [TextLists; 4],
    results: TextStructs<9>,
    provenance: ProvenanceColumns,
}

impl Default for FailureBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl FailureBuilder {
    /// A builder without rows.
    #[must_use]
    pub fn new() -> Self {
        Self {
            schema: schema(),
            rows: 0,
            room: Room::default(),
            texts: Texts::new(),
            aligned: std::array::from_fn(|_| BooleanBuilder::new()),
            source_ip: StringBuilder::new(),
            source_port: UInt16Builder::new(),
            arrived: times(),
            message_count: UInt64Builder::new(),
            lists: std::array::from_fn(|_| TextLists::new()),
            results: TextStructs::new(),
            provenance: ProvenanceColumns::new(),
        }
    }

    /// Adds a report.
    ///
    /// # Errors
    /// [`ArrowError::InvalidArgumentError`] if the batch would hold more than 2 GiB of text: nothing was added, finish it
    /// and append the report again.
    pub fn append(
        &mut self,
        report: &FailureReport<'_>,
        provenance: &Provenance<'_>,
    ) -> Result<(), ArrowError> {
        let results: Vec<_> = report.authentication_results.iter().flat_map(result_texts).collect();
        let texts = report_texts(report, provenance);
        let lists = lists(report);
        let sizes = results.iter().map(|texts| size(texts));
        let sizes = sizes.chain(lists.iter().flatten().map(|text| size(&[Some(text)])));
        let sizes = sizes.chain([size(&texts), MAX_IP, ProvenanceColumns::size(provenance)]);
        self.room.take(sizes.fold(0, usize::saturating_add))?;
        self.texts.push(texts)?;
        for (column, aligned) in self.aligned.iter_mut().zip([report.dkim_aligned, report.spf_aligned]) {
            column.append_option(aligned);
        }
        push_ip(&mut self.source_ip, report.source_ip);
        self.source_port.append_option(report.source_port);
        push_time(&mut self.arrived, report.arrived);
        self.message_count.append_value(report.incidents);
        for (column, list) in self.lists.iter_mut().zip(lists) {
            column.push(list.into_iter())?;
        }
        self.results.push(results.into_iter())?;
        self.provenance.push(provenance)?;
        self.rows += 1;
        Ok(())
    }

    /// Gives out the rows as a batch and begins the next one.
    ///
    /// # Errors
    /// [`ArrowError`] if the columns do not fit together, which would be a mistake of this crate.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        (self.rows, self.room) = (0, Room::default());
        let [
            reporter,
            policy_domain,
            texts @ ..,
            alignment_basis,
            mta,
            envelope,
            mail_from,
            id,
            author,
            d,
            i,
            s,
        ] = self.texts.finish();
        let [dkim_aligned, spf_aligned] =
            self.aligned.each_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        let [reported_domain, rcpt_to, spf_dns, reported_uri] = self.lists.each_mut().map(TextLists::finish);
        let mut columns = vec![reporter, policy_domain, reported_domain?];
        columns.extend(texts);
        columns.extend([
            dkim_aligned,
            spf_aligned,
            alignment_basis,
            Arc::new(self.source_ip.finish()),
            Arc::new(self.source_port.finish()),
            Arc::new(self.arrived.finish()),
            Arc::new(self.message_count.finish()),
        ]);
        columns.extend([mta, envelope, mail_from, rcpt_to?, id, author, d, i, s, spf_dns?, reported_uri?]);
        columns.push(self.results.finish(result_fields())?);
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
}

/// Reads of a failure batch what findings use of it, see [`FailureObservation`]: rows without a source are left out.
///
/// The batch may have more columns and another order of columns, but the types must be those of [`schema`].
///
/// # Errors
/// [`ArrowError::SchemaError`] if the batch names another kind or version, or a column is missing or of another type.
pub fn observations(batch: &RecordBatch) -> Result<Vec<FailureObservation>, ArrowError> {
    check_batch(batch, "failure")?;
    let texts = TextColumns::new(batch, ["policy_domain", "original_message_id", "origin"])?;
    let ips = column(batch, "source_ip", |column| column.as_string_opt::<i32>())?;
    let arrived = column(batch, "arrived", |column| column.as_primitive_opt::<TimestampMicrosecondType>())?;
    let mut observations = Vec::new();
    for row in (0..batch.num_rows()).filter(|row| ips.is_valid(*row)) {
        let [domain, message_id, origin] = texts.row(row);
        let ip = ips.value(row);
        let ip = ip.parse().map_err(|_| schema_error("source_ip", &format!("holds no address: {ip:?}")))?;
        let origin = known(origin, "origin")?.to_owned();
        let mut observation = FailureObservation::new(ip, domain.unwrap_or_default().to_owned(), origin);
        observation.arrived = seconds(arrived, row);
        observation.message_id = message_id.map(str::to_owned);
        observations.push(observation);
    }
    Ok(observations)
}

fn report_texts<'a>(report: &'a FailureReport<'_>, provenance: &Provenance<'a>) -> [Option<&'a str>; 15] {
    let original = report.original.as_ref();
    [
        Some(provenance.mail.from_domain.unwrap_or_default()),
        report.reported_domain.first().map(Domain::as_str),
        Some(&report.feedback_type),
        report.user_agent.as_deref(),
        report.auth_failure.as_ref().map(AuthFailureType::as_str),
        report.delivery_result.as_ref().map(DeliveryResult::as_str),
        Some(basis(report.alignment_basis)),
        report.reporting_mta.as_deref(),
        report.original_envelope_id.as_deref(),
        report.original_mail_from.as_deref(),
        original.and_then(|original| original.header("message-id")),
        original.and_then(|original| original.header_from.as_ref()).map(Domain::as_str),
        report.dkim_domain.as_ref().map(Domain::as_str),
        report.dkim_identity.as_deref(),
        report.dkim_selector.as_deref(),
    ]
}

fn basis(basis: AlignmentBasis) -> &'static str {
    match basis {
        AlignmentBasis::ListsNone => "lists_none",
        AlignmentBasis::ListsBoth => "lists_both",
        AlignmentBasis::Evidence => "evidence",
        AlignmentBasis::Stated => "stated",
        AlignmentBasis::Unknown => "unknown",
    }
}

fn lists<'a>(report: &'a FailureReport<'_>) -> [Vec<&'a str>; 4] {
    [
        report.reported_domain.iter().map(Domain::as_str).collect(),
        report.original_rcpt_to.iter().map(AsRef::as_ref).collect(),
        report.spf_dns.iter().map(AsRef::as_ref).collect(),
        report.reported_uri.iter().map(AsRef::as_ref).collect(),
    ]
}

fn result_texts<'a>(field: &'a AuthenticationResults<'_>) -> impl Iterator<Item = [Option<&'a str>; 9]> {
    field.results.iter().map(|result: &MethodResult<'_>| {
        [
            Some(field.authserv_id.as_ref()),
            Some(&result.method),
            Some(&result.result),
            result.reason.as_deref(),
            result.property("header.d"),
            result.property("header.s"),
            result.property("header.from"),
            result.property("smtp.mailfrom"),
            result.property("smtp.helo"),
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrow::Mail;
    use crate::arrow::tests::tables;
    use crate::record::Trust;
    use crate::{Found, Limits, Report, read};

    #[test]
    fn documents_the_columns_that_it_has() {
        let (documented, real) = tables(include_str!("failure.rs"), &schema());
        assert_eq!(documented, real);
    }

    #[test]
    fn writes_a_row_for_a_report() {
        let mail = "From: a@r.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; \
            report-type=feedback-report; boundary=b\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n\
            Feedback-Type: auth-failure\r\nUser-Agent: x/1\r\nVersion: 1\r\nAuth-Failure: dmarc\r\n\
            Authentication-Results: mx.r.example; dkim=fail header.d=example.org header.s=s1; spf=pass\r\n\
            Reported-Domain: Example.ORG\r\nSource-IP: 2001:DB8::0:1\r\nIncidents: 3\r\n\
            Original-Mail-From: <>\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n\
            From: a@example.org\r\nMessage-ID: <1@example.org>\r\n\r\n--b--\r\n";
        let mut builder = FailureBuilder::new();
        for outcome in read(mail.as_bytes(), &Limits::default()).outcomes {
            let Found::Report(parsed) = outcome.found else { panic!("{:?}", outcome.found) };
            let Report::Failure(report) = parsed.report else { panic!("{:?}", parsed.report) };
            let mail = Mail { from_domain: Some("r.example"), ..Mail::default() };
            builder.append(&report, &Provenance::new("new/1", Trust::Unverified, mail)).unwrap();
        }
        let batch = builder.finish().unwrap();
        assert!(builder.is_empty() && batch.num_rows() == 1);
        assert_eq!(batch["source_ip"].as_string::<i32>().value(0), "2001:db8::1");
        assert_eq!(batch["message_count"].as_primitive::<arrow_array::types::UInt64Type>().value(0), 3);
        assert!(batch["arrived"].is_null(0) && batch["original_mail_from"].is_valid(0));
        assert_eq!(batch["authentication_results"].as_list::<i32>().value_length(0), 2);
        let ip = "2001:db8::1".parse().unwrap();
        let mut expected = FailureObservation::new(ip, "example.org".to_owned(), "new/1".to_owned());
        expected.message_id = Some("<1@example.org>".to_owned());
        assert_eq!(observations(&batch).unwrap(), [expected]);
    }
}
