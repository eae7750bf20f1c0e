//! Aggregate reports: one row for each [`FlatRecord`] (RFC 9990, Appendix A).
//!
//! The sum of `message_count` over any rows is a number of messages: no message stands in two rows of a report. A message
//! passed DMARC where `dkim_aligned OR spf_aligned`. Which elements are meant: those of RFC 9990, Appendix A.
//!
//! | column | type | null | meaning | element |
//! |---|---|---|---|---|
//! | `reporter` | text | | who reported, in lower case: `org_name` or, where it is empty, the domain of `email`; part of the key of a report | |
//! | `org_name` | text | | the reporting organization; empty where absent | `report_metadata/org_name` |
//! | `email` | text | | contact of the reporter; empty where absent | `report_metadata/email` |
//! | `report_id` | text | | the reporter's identifier; part of the key | `report_metadata/report_id` |
//! | `begin` | time | | beginning of the reporting period; part of the key | `date_range/begin` |
//! | `end` | time | | its end, inclusive or not, as sent; part of the key | `date_range/end` |
//! | `policy_domain` | text | | the DMARC Policy Domain, in normal form; part of the key | `policy_published/domain` |
//! | `policy_discovery_method` | text | null | how the policy was found: `psl`, `treewalk` | `policy_published/discovery_method` |
//! | `policy_p` | text | null | requested policy: `none`, `quarantine`, `reject`, or the word as received | `policy_published/p` |
//! | `policy_sp` | text | null | the same for existing subdomains | `policy_published/sp` |
//! | `policy_np` | text | null | the same for subdomains that do not exist | `policy_published/np` |
//! | `policy_adkim` | text | null | DKIM alignment mode: `r`, `s` | `policy_published/adkim` |
//! | `policy_aspf` | text | null | SPF alignment mode: `r`, `s` | `policy_published/aspf` |
//! | `policy_pct` | text | null | share of failing mail that the policy applies to, in percent, as received (RFC 7489) | `policy_published/pct` |
//! | `policy_fo` | text | null | failure reporting options | `policy_published/fo` |
//! | `policy_testing` | text | null | whether the owner tests: `y`, `n` | `policy_published/testing` |
//! | `source_ip` | Utf8 | null | the host that sent the mail; null where the reporter masked it | `row/source_ip` |
//! | `message_count` | UInt64 | | number of messages | `row/count` |
//! | `disposition` | text | null | what the receiver did: `none`, `pass`, `quarantine`, `reject`, or the word as received | `policy_evaluated/disposition` |
//! | `is_delivered` | Boolean | | whether it neither quarantined nor rejected; true where `disposition` is null | |
//! | `reported_dkim` | text | null | whether DKIM gave an aligned pass, as reported: `pass`, `fail`, or the word as received | `policy_evaluated/dkim` |
//! | `reported_spf` | text | null | the same of SPF | `policy_evaluated/spf` |
//! | `dkim_aligned` | Boolean | | whether DKIM gave an aligned pass: as reported or, where that is null, derived from `dkim` | |
//! | `spf_aligned` | Boolean | | whether SPF gave an aligned pass: as reported or, where that is null, derived from `spf` | |
//! | `disagrees` | Boolean | | whether the raw results give something else than these two | |
//! | `header_from` | text | | the Author Domain, in normal form; empty where absent | `identifiers/header_from` |
//! | `envelope_from` | text | null | the MAIL FROM domain; empty for the null reverse-path | `identifiers/envelope_from` |
//! | `envelope_to` | text | null | the recipient domain | `identifiers/envelope_to` |
//! | `dkim` | list of struct | | raw DKIM results, in the order of the report | `auth_results/dkim` |
//! | `dkim.domain` | text | | the signing domain, in normal form | `domain` |
//! | `dkim.selector` | text | null | the selector, in lower case | `selector` |
//! | `dkim.result` | text | | the result: `pass`, `fail`, …, or the word as received | `result` |
//! | `dkim.human_result` | text | null | the result in the reporter's words | `human_result` |
//! | `dkim.human_result_lang` | text | null | their language | `human_result/@lang` |
//! | `spf` | list of struct | | raw SPF results, in the order of the report | `auth_results/spf` |
//! | `spf.domain` | text | | the domain checked, in normal form; may be empty | `domain` |
//! | `spf.scope` | text | null | the identity checked: `mfrom`, `helo` | `scope` |
//! | `spf.result` | text | | the result: `pass`, `fail`, …, or the word as received | `result` |
//! | `spf.human_result` | text | null | the result in the reporter's words | `human_result` |
//! | `spf.human_result_lang` | text | null | their language | `human_result/@lang` |
//! | `reasons` | list of struct | | why the receiver did other than the policy asks | `policy_evaluated/reason` |
//! | `reasons.type` | text | | `forwarded`, `mailing_list`, …, or the word as received | `type` |
//! | `reasons.comment` | text | null | the reporter's words | `comment` |
//! | `reasons.comment_lang` | text | null | their language | `comment/@lang` |
//! | `origin` | text | | where the report was read from: mail or file, and part | |
//! | `trust` | text | | how far the mail is known to be genuine: `unverified`, `trusted_authres`, `verified` | |
//! | `mail_from_domain` | text | null | the domain of RFC5322.From of the mail | |
//! | `mail_message_id` | text | null | its `Message-ID` without `<>` | |
//! | `mail_date` | time | null | its `Date`: what the sender says | |
//! | `mail_received` | time | null | when it arrived, by its source | |

use std::net::IpAddr;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, StringBuilder, TimestampMicrosecondBuilder, UInt64Builder};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{TimestampMicrosecondType, UInt64Type};
use arrow_array::{
    Array as _, ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::{ArrowError, DataType, Field, Fields, SchemaRef};

use super::column::{
    MAX_IP, Room, TextColumns, TextStructColumn, TextStructs, Texts, column, domain, known, list, optional,
    primitive, push_ip, push_time, schema_error, seconds, size, text, time, times,
};
use super::{Mail, MailColumns, ProvenanceColumns, check_batch, versioned};
use crate::Domain;
use crate::model::aggregate::{
    ActionDisposition, Alignment, AuthResults, DateRange, DiscoveryMethod, Disposition, DkimAuthResult,
    DmarcResult, PolicyOverride, PolicyOverrideReason, PolicyPublished, SpfAuthResult, SpfScope, Testing,
    Text,
};
use crate::model::auth::{DkimResultCode, SpfResultCode};
use crate::record::{FlatRecord, ReportFacts};

pub(super) const KIND: &str = "aggregate";
/// The text columns that all records of a report share, in the order of [`facts_texts`].
const FACTS: [&str; 16] = [
    "reporter",
    "org_name",
    "email",
    "report_id",
    "policy_domain",
    "policy_discovery_method",
    "policy_p",
    "policy_sp",
    "policy_np",
    "policy_adkim",
    "policy_aspf",
    "policy_pct",
    "policy_fo",
    "policy_testing",
    "origin",
    "trust",
];
/// The text columns of a record, in the order of [`record_texts`].
const RECORD: [&str; 6] =
    ["disposition", "reported_dkim", "reported_spf", "header_from", "envelope_from", "envelope_to"];
const DKIM: [&str; 5] = ["domain", "selector", "result", "human_result", "human_result_lang"];
const SPF: [&str; 5] = ["domain", "scope", "result", "human_result", "human_result_lang"];
const REASONS: [&str; 3] = ["type", "comment", "comment_lang"];

/// The schema of aggregate batches: the columns above.
pub fn schema() -> SchemaRef {
    let flag = |name| Field::new(name, DataType::Boolean, false);
    let mut fields = vec![text("reporter"), text("org_name"), text("email"), text("report_id")];
    fields.extend([time("begin"), time("end"), text("policy_domain")]);
    fields.extend(FACTS.iter().filter(|name| is_policy_tag(name)).map(|name| optional(name)));
    fields.extend([
        Field::new("source_ip", DataType::Utf8, true),
        Field::new("message_count", DataType::UInt64, false),
        optional("disposition"),
        flag("is_delivered"),
        optional("reported_dkim"),
        optional("reported_spf"),
        flag("dkim_aligned"),
        flag("spf_aligned"),
        flag("disagrees"),
        text("header_from"),
        optional("envelope_from"),
        optional("envelope_to"),
        list("dkim", dkim_fields()),
        list("spf", spf_fields()),
        list("reasons", reason_fields()),
    ]);
    fields.extend(ProvenanceColumns::fields());
    Arc::new(versioned(KIND, fields))
}

fn is_policy_tag(name: &str) -> bool {
    name.starts_with("policy_") && name != "policy_domain"
}

fn dkim_fields() -> Fields {
    let [domain, selector, result, human, lang] = DKIM;
    Fields::from([text(domain), optional(selector), text(result), optional(human), optional(lang)].to_vec())
}

fn spf_fields() -> Fields {
    let [domain, scope, result, human, lang] = SPF;
    Fields::from([text(domain), optional(scope), text(result), optional(human), optional(lang)].to_vec())
}

fn reason_fields() -> Fields {
    let [kind, comment, lang] = REASONS;
    Fields::from([text(kind), optional(comment), optional(lang)].to_vec())
}

/// Gathers flat records into record batches.
///
/// Appending allocates nothing but what the columns need to grow; what records of one report share is written once for
/// all of them that follow each other.
#[derive(Debug)]
pub struct AggregateBuilder {
    schema: SchemaRef,
    rows: usize,
    room: Room,
    /// The report of the last records, and how many of them its columns do not have yet.
    pending: Option<(Arc<ReportFacts>, usize)>,
    facts: Texts<{ FACTS.len() }>,
    begin: TimestampMicrosecondBuilder,
    end: TimestampMicrosecondBuilder,
    source_ip: StringBuilder,
    message_count: UInt64Builder,
    /// `is_delivered`, `dkim_aligned`, `spf_aligned`, `disagrees`.
    flags: [BooleanBuilder; 4],
    record: Texts<{ RECORD.len() }>,
    dkim: TextStructs<{ DKIM.len() }>,
    spf: TextStructs<{ SPF.len() }>,
    reasons: TextStructs<{ REASONS.len() }>,
    mail: MailColumns,
}

impl Default for AggregateBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl AggregateBuilder {
    /// A builder without rows.
    #[must_use]
    pub fn new() -> Self {
        Self {
            schema: schema(),
            rows: 0,
            room: Room::default(),
            pending: None,
            facts: Texts::new(),
            begin: times(),
            end: times(),
            source_ip: StringBuilder::new(),
            message_count: UInt64Builder::new(),
            flags: std::array::from_fn(|_| BooleanBuilder::new()),
            record: Texts::new(),
            dkim: TextStructs::new(),
            spf: TextStructs::new(),
            reasons: TextStructs::new(),
            mail: MailColumns::new(),
        }
    }

    /// Adds a record of a report that `mail` brought.
    ///
    /// # Errors
    /// [`ArrowError::InvalidArgumentError`] if the batch would hold more than 2 GiB of text: nothing was added, finish it
    /// and append the record again.
    pub fn append(&mut self, record: &FlatRecord, mail: &Mail<'_>) -> Result<(), ArrowError> {
        let facts = if self.is_pending(&record.report) { 0 } else { size(&facts_texts(&record.report)) };
        let sizes = [facts, record_size(record), size(&MailColumns::texts(mail))];
        self.room.take(sizes.into_iter().fold(0, usize::saturating_add))?;
        self.note_report(&record.report)?;
        push_ip(&mut self.source_ip, record.source_ip);
        self.message_count.append_value(record.message_count);
        let flags = [record.is_delivered, record.dkim_aligned, record.spf_aligned, record.disagrees];
        for (column, flag) in self.flags.iter_mut().zip(flags) {
            column.append_value(flag);
        }
        self.record.push(record_texts(record))?;
        self.dkim.push(record.auth_results.dkim.iter().map(dkim_texts))?;
        self.spf.push(record.auth_results.spf.iter().map(spf_texts))?;
        self.reasons.push(record.reasons.iter().map(reason_texts))?;
        self.mail.push(mail)?;
        self.rows += 1;
        Ok(())
    }

    /// Gives out the rows as a batch and begins the next one.
    ///
    /// # Errors
    /// [`ArrowError`] if the columns do not fit together, which would be a mistake of this crate.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.write_report()?;
        (self.rows, self.room) = (0, Room::default());
        let [reporter, org_name, email, report_id, policy_domain, policy @ .., origin, trust] =
            self.facts.finish();
        let [disposition, reported_dkim, reported_spf, header_from, envelope_from, envelope_to] =
            self.record.finish();
        let [is_delivered, dkim_aligned, spf_aligned, disagrees] =
            self.flags.each_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        let mut columns = vec![reporter, org_name, email, report_id];
        columns.extend([
            Arc::new(self.begin.finish()) as ArrayRef,
            Arc::new(self.end.finish()),
            policy_domain,
        ]);
        columns.extend(policy);
        columns.extend([
            Arc::new(self.source_ip.finish()) as ArrayRef,
            Arc::new(self.message_count.finish()),
            disposition,
            is_delivered,
            reported_dkim,
            reported_spf,
            dkim_aligned,
            spf_aligned,
            disagrees,
            header_from,
            envelope_from,
            envelope_to,
            self.dkim.finish(dkim_fields())?,
            self.spf.finish(spf_fields())?,
            self.reasons.finish(reason_fields())?,
            origin,
            trust,
        ]);
        columns.extend(self.mail.finish());
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

    /// Counts a row of `report`; writes what waited if that is another report.
    fn note_report(&mut self, report: &Arc<ReportFacts>) -> Result<(), ArrowError> {
        if !self.is_pending(report) {
            self.write_report()?;
            self.pending = Some((Arc::clone(report), 0));
        }
        self.pending.iter_mut().for_each(|(_, rows)| *rows += 1);
        Ok(())
    }

    fn is_pending(&self, report: &Arc<ReportFacts>) -> bool {
        self.pending.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, report))
    }

    fn write_report(&mut self) -> Result<(), ArrowError> {
        let Some((report, rows)) = self.pending.take() else { return Ok(()) };
        self.facts.push_times(facts_texts(&report), rows)?;
        for _ in 0..rows {
            push_time(&mut self.begin, Some(report.period.begin));
            push_time(&mut self.end, Some(report.period.end));
        }
        Ok(())
    }
}

fn facts_texts(facts: &ReportFacts) -> [Option<&str>; FACTS.len()] {
    let policy = &facts.policy_published;
    [
        Some(&facts.reporter),
        Some(&facts.org_name),
        Some(&facts.email),
        Some(&facts.report_id),
        Some(&facts.policy_domain),
        policy.discovery_method.as_ref().map(DiscoveryMethod::as_str),
        policy.p.as_ref().map(Disposition::as_str),
        policy.sp.as_ref().map(Disposition::as_str),
        policy.np.as_ref().map(Disposition::as_str),
        policy.adkim.as_ref().map(Alignment::as_str),
        policy.aspf.as_ref().map(Alignment::as_str),
        policy.pct.as_deref(),
        policy.fo.as_deref(),
        policy.testing.as_ref().map(Testing::as_str),
        Some(&facts.origin),
        Some(facts.trust.as_str()),
    ]
}

fn record_texts(record: &FlatRecord) -> [Option<&str>; RECORD.len()] {
    [
        record.disposition.as_ref().map(ActionDisposition::as_str),
        record.reported_dkim.as_ref().map(DmarcResult::as_str),
        record.reported_spf.as_ref().map(DmarcResult::as_str),
        Some(&record.header_from),
        record.envelope_from.as_ref().map(Domain::as_str),
        record.envelope_to.as_ref().map(Domain::as_str),
    ]
}

fn dkim_texts<'a>(dkim: &'a DkimAuthResult<'_>) -> [Option<&'a str>; DKIM.len()] {
    let [human, lang] = text_and_lang(dkim.human_result.as_ref());
    [Some(dkim.domain.as_str()), dkim.selector.as_deref(), Some(dkim.result.as_str()), human, lang]
}

fn spf_texts<'a>(spf: &'a SpfAuthResult<'_>) -> [Option<&'a str>; SPF.len()] {
    let [human, lang] = text_and_lang(spf.human_result.as_ref());
    let scope = spf.scope.as_ref().map(SpfScope::as_str);
    [Some(spf.domain.as_str()), scope, Some(spf.result.as_str()), human, lang]
}

fn reason_texts<'a>(reason: &'a PolicyOverrideReason<'_>) -> [Option<&'a str>; REASONS.len()] {
    let [comment, lang] = text_and_lang(reason.comment.as_ref());
    [Some(reason.kind.as_str()), comment, lang]
}

fn text_and_lang<'a>(text: Option<&'a Text<'_>>) -> [Option<&'a str>; 2] {
    [text.map(|text| text.text.as_ref()), text.and_then(|text| text.lang.as_deref())]
}

/// How much room a record takes, without its report.
fn record_size(record: &FlatRecord) -> usize {
    let results = &record.auth_results;
    let lists = results.dkim.iter().map(|dkim| size(&dkim_texts(dkim)));
    let lists = lists.chain(results.spf.iter().map(|spf| size(&spf_texts(spf))));
    let lists = lists.chain(record.reasons.iter().map(|reason| size(&reason_texts(reason))));
    let own = [MAX_IP, size(&record_texts(record))];
    lists.chain(own).fold(0, usize::saturating_add)
}

/// Reads the records of an aggregate batch back, as they were appended.
///
/// The batch may have more columns and another order of columns, but the types must be those of [`schema`].
///
/// # Errors
/// [`ArrowError::SchemaError`] if the batch names another kind or version, or a column is missing or of another type.
pub fn records(batch: &RecordBatch) -> Result<Records<'_>, ArrowError> {
    check_batch(batch, KIND)?;
    let flag = |name| column(batch, name, |column| column.as_boolean_opt());
    let time = |name| column(batch, name, |column| column.as_primitive_opt::<TimestampMicrosecondType>());
    Ok(Records {
        rows: 0..batch.num_rows(),
        last: None,
        facts: TextColumns::new(batch, FACTS)?,
        period: [time("begin")?, time("end")?],
        source_ip: column(batch, "source_ip", |column| column.as_string_opt())?,
        message_count: column(batch, "message_count", |column| column.as_primitive_opt::<UInt64Type>())?,
        flags: [flag("is_delivered")?, flag("dkim_aligned")?, flag("spf_aligned")?, flag("disagrees")?],
        record: TextColumns::new(batch, RECORD)?,
        dkim: TextStructColumn::new(batch, "dkim", DKIM)?,
        spf: TextStructColumn::new(batch, "spf", SPF)?,
        reasons: TextStructColumn::new(batch, "reasons", REASONS)?,
    })
}

/// The records of a batch, see [`records`]. Records of one report that follow each other share its facts.
///
/// An item is an error where a value that is never null is null, or is none that this crate writes: such a batch is
/// damaged, or from a later version.
#[derive(Debug)]
pub struct Records<'a> {
    rows: std::ops::Range<usize>,
    last: Option<(usize, Arc<ReportFacts>)>,
    facts: TextColumns<'a, { FACTS.len() }>,
    period: [&'a TimestampMicrosecondArray; 2],
    source_ip: &'a StringArray,
    message_count: &'a UInt64Array,
    flags: [&'a BooleanArray; 4],
    record: TextColumns<'a, { RECORD.len() }>,
    dkim: TextStructColumn<'a, { DKIM.len() }>,
    spf: TextStructColumn<'a, { SPF.len() }>,
    reasons: TextStructColumn<'a, { REASONS.len() }>,
}

impl Iterator for Records<'_> {
    type Item = Result<FlatRecord, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        Some(self.read(row))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl ExactSizeIterator for Records<'_> {}

impl Records<'_> {
    fn read(&mut self, row: usize) -> Result<FlatRecord, ArrowError> {
        let report = self.report(row)?;
        let [disposition, reported_dkim, reported_spf, header_from, envelope_from, envelope_to] =
            self.record.row(row);
        let flag = |column: &BooleanArray| column.is_valid(row) && column.value(row);
        let [is_delivered, dkim_aligned, spf_aligned, disagrees] = self.flags.map(flag);
        Ok(FlatRecord {
            report,
            source_ip: self.ip(row)?,
            message_count: known(primitive(self.message_count, row), "message_count")?,
            disposition: disposition.map(|word| ActionDisposition::new(word).into_owned()),
            is_delivered,
            reported_dkim: reported_dkim.map(|word| DmarcResult::new(word).into_owned()),
            reported_spf: reported_spf.map(|word| DmarcResult::new(word).into_owned()),
            dkim_aligned,
            spf_aligned,
            disagrees,
            header_from: known(header_from, "header_from")?.to_owned(),
            envelope_from: envelope_from.map(domain),
            envelope_to: envelope_to.map(domain),
            auth_results: AuthResults {
                dkim: self.dkim.items(row).map(read_dkim).collect::<Result<_, _>>()?,
                spf: self.spf.items(row).map(read_spf).collect::<Result<_, _>>()?,
            },
            reasons: self.reasons.items(row).map(read_reason).collect::<Result<_, _>>()?,
        })
    }

    /// The facts of the report of a row: those of the row before if they are the same.
    fn report(&mut self, row: usize) -> Result<Arc<ReportFacts>, ArrowError> {
        let [begin, end] = self.period.map(|column| seconds(column, row));
        let period = DateRange::new(known(begin, "begin")?, known(end, "end")?);
        if let Some((before, facts)) = &self.last
            && facts.period == period
            && self.facts.is_same(row, *before)
        {
            return Ok(Arc::clone(facts));
        }
        let facts = Arc::new(read_facts(self.facts.row(row), period)?);
        self.last = Some((row, Arc::clone(&facts)));
        Ok(facts)
    }

    fn ip(&self, row: usize) -> Result<Option<IpAddr>, ArrowError> {
        if !self.source_ip.is_valid(row) {
            return Ok(None);
        }
        let text = self.source_ip.value(row);
        text.parse().map(Some).map_err(|_| schema_error("source_ip", &format!("holds no address: {text:?}")))
    }
}

fn read_facts(texts: [Option<&str>; FACTS.len()], period: DateRange) -> Result<ReportFacts, ArrowError> {
    let [reporter, org_name, email, report_id, policy_domain, policy @ .., origin, trust] = texts;
    let [discovery_method, p, sp, np, adkim, aspf, pct, fo, testing] = policy;
    let policy_domain = known(policy_domain, "policy_domain")?;
    let disposition = |word: &str| Disposition::new(word).into_owned();
    let alignment = |word: &str| Alignment::new(word).into_owned();
    Ok(ReportFacts {
        origin: known(origin, "origin")?.to_owned(),
        reporter: known(reporter, "reporter")?.to_owned(),
        org_name: known(org_name, "org_name")?.to_owned(),
        email: known(email, "email")?.to_owned(),
        report_id: known(report_id, "report_id")?.to_owned(),
        period,
        policy_domain: policy_domain.to_owned(),
        policy: p.unwrap_or_default().to_owned(),
        policy_published: PolicyPublished {
            domain: domain(policy_domain),
            discovery_method: discovery_method.map(|word| DiscoveryMethod::new(word).into_owned()),
            p: p.map(disposition),
            sp: sp.map(disposition),
            np: np.map(disposition),
            adkim: adkim.map(alignment),
            aspf: aspf.map(alignment),
            pct: pct.map(|text| text.to_owned().into()),
            fo: fo.map(|text| text.to_owned().into()),
            testing: testing.map(|word| Testing::new(word).into_owned()),
        },
        trust: super::column::trust(known(trust, "trust")?)?,
    })
}

fn read_dkim(texts: [Option<&str>; DKIM.len()]) -> Result<DkimAuthResult<'static>, ArrowError> {
    let [name, selector, result, human, lang] = texts;
    Ok(DkimAuthResult {
        domain: domain(known(name, "dkim.domain")?),
        selector: selector.map(|text| text.to_owned().into()),
        result: DkimResultCode::new(known(result, "dkim.result")?).into_owned(),
        human_result: read_text(human, lang),
    })
}

fn read_spf(texts: [Option<&str>; SPF.len()]) -> Result<SpfAuthResult<'static>, ArrowError> {
    let [name, scope, result, human, lang] = texts;
    Ok(SpfAuthResult {
        domain: domain(known(name, "spf.domain")?),
        scope: scope.map(|word| SpfScope::new(word).into_owned()),
        result: SpfResultCode::new(known(result, "spf.result")?).into_owned(),
        human_result: read_text(human, lang),
    })
}

fn read_reason(texts: [Option<&str>; REASONS.len()]) -> Result<PolicyOverrideReason<'static>, ArrowError> {
    let [kind, comment, lang] = texts;
    Ok(PolicyOverrideReason {
        kind: PolicyOverride::new(known(kind, "reasons.type")?).into_owned(),
        comment: read_text(comment, lang),
    })
}

fn read_text(text: Option<&str>, lang: Option<&str>) -> Option<Text<'static>> {
    text.map(|text| Text { text: text.to_owned().into(), lang: lang.map(|lang| lang.to_owned().into()) })
}

#[cfg(test)]
pub(super) mod tests {
    use arrow_array::types::Int32Type;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::arrow::tests::tables;
    use crate::model::AggregateReport;
    use crate::model::aggregate::{Identifiers, PolicyEvaluated, Record, ReportMetadata, Row};
    use crate::record::{Trust, flatten};

    #[test]
    fn documents_the_columns_that_it_has() {
        let (documented, real) = tables(include_str!("aggregate.rs"), &schema());
        assert_eq!(documented, real);
    }

    /// A word of a vocabulary, or none; in any letter case.
    fn word() -> impl Strategy<Value = String> {
        prop_oneof![
            "pass|fail|none|reject|r|s|y|n|Quarantine|mfrom|mailing_list|TreeWalk",
            ".{0,6}",
            "[a-z.]{0,9}"
        ]
    }

    fn words<const N: usize>() -> impl Strategy<Value = [String; N]> {
        vec(word(), N).prop_map(|words| words.try_into().unwrap())
    }

    fn optional_words<const N: usize>() -> impl Strategy<Value = [Option<String>; N]> {
        vec(option::of(word()), N).prop_map(|words| words.try_into().unwrap())
    }

    fn human() -> impl Strategy<Value = Option<Text<'static>>> {
        option::of(
            (word(), option::of(word()))
                .prop_map(|(text, lang)| Text { text: text.into(), lang: lang.map(Into::into) }),
        )
    }

    fn auth_results() -> impl Strategy<Value = AuthResults<'static>> {
        let dkim =
            (words(), option::of(word()), human()).prop_map(|([name, result], selector, human_result)| {
                let selector = selector.map(Into::into);
                DkimAuthResult {
                    domain: Domain::new(name),
                    selector,
                    result: DkimResultCode::new(result),
                    human_result,
                }
            });
        let spf = (words(), option::of(word()), human()).prop_map(|([name, result], scope, human_result)| {
            let scope = scope.map(SpfScope::new);
            SpfAuthResult {
                domain: Domain::new(name),
                scope,
                result: SpfResultCode::new(result),
                human_result,
            }
        });
        (vec(dkim, 0..3), vec(spf, 0..3)).prop_map(|(dkim, spf)| AuthResults { dkim, spf })
    }

    fn evaluated() -> impl Strategy<Value = PolicyEvaluated<'static>> {
        let reason = (word(), human())
            .prop_map(|(kind, comment)| PolicyOverrideReason { kind: PolicyOverride::new(kind), comment });
        (optional_words(), vec(reason, 0..3)).prop_map(|([disposition, dkim, spf], reasons)| {
            PolicyEvaluated {
                disposition: disposition.map(ActionDisposition::new),
                dkim: dkim.map(DmarcResult::new),
                spf: spf.map(DmarcResult::new),
                reasons,
            }
        })
    }

    fn record() -> impl Strategy<Value = Record<'static>> {
        let row = (any::<Option<IpAddr>>(), any::<u64>(), evaluated())
            .prop_map(|(source_ip, count, policy_evaluated)| Row { source_ip, count, policy_evaluated });
        (row, word(), optional_words(), auth_results()).prop_map(|(row, from, [sender, to], auth_results)| {
            let identifiers = Identifiers {
                header_from: Domain::new(from),
                envelope_from: sender.map(Domain::new),
                envelope_to: to.map(Domain::new),
            };
            Record { row, identifiers, auth_results, ..Record::default() }
        })
    }

    pub(in crate::arrow) fn report() -> impl Strategy<Value = AggregateReport<'static>> {
        let seconds = || i64::MIN / 1_000_000..=i64::MAX / 1_000_000;
        let metadata =
            (words(), seconds(), seconds()).prop_map(|([name, email, id], begin, end)| ReportMetadata {
                org_name: name.into(),
                email: email.into(),
                report_id: id.into(),
                date_range: DateRange::new(begin, end),
                ..ReportMetadata::default()
            });
        let policy = (word(), optional_words()).prop_map(
            |(domain, [method, p, sp, np, adkim, aspf, pct, fo, testing])| PolicyPublished {
                domain: Domain::new(domain),
                discovery_method: method.map(DiscoveryMethod::new),
                p: p.map(Disposition::new),
                sp: sp.map(Disposition::new),
                np: np.map(Disposition::new),
                adkim: adkim.map(Alignment::new),
                aspf: aspf.map(Alignment::new),
                pct: pct.map(Into::into),
                fo: fo.map(Into::into),
                testing: testing.map(Testing::new),
            },
        );
        (metadata, policy, vec(record(), 0..4)).prop_map(|(report_metadata, policy_published, records)| {
            AggregateReport { report_metadata, policy_published, records, ..AggregateReport::default() }
        })
    }

    pub(in crate::arrow) fn batch(records: &[FlatRecord]) -> RecordBatch {
        let mut builder = AggregateBuilder::new();
        for record in records {
            builder.append(record, &Mail::default()).unwrap();
        }
        builder.finish().unwrap()
    }

    fn sample() -> Vec<FlatRecord> {
        let records = vec![Record::default(), Record::default()];
        flatten(
            AggregateReport { records, ..AggregateReport::default() },
            "new/1".to_owned(),
            Trust::Unverified,
        )
    }

    proptest! {
        #[test]
        fn gives_back_every_record_as_it_was(reports in vec((report(), word(), any::<bool>()), 0..4)) {
            let records: Vec<FlatRecord> = reports.into_iter().flat_map(|(report, origin, trusted)| {
                flatten(report, origin, if trusted { Trust::TrustedAuthres } else { Trust::Unverified })
            }).collect();
            let batch = batch(&records);
            let read: Vec<FlatRecord> = super::records(&batch).unwrap().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(&read, &records);
            // A slice has offsets of its own.
            let tail = batch.slice(records.len() / 2, records.len() - records.len() / 2);
            let read: Vec<FlatRecord> = super::records(&tail).unwrap().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(&read, &records[records.len() / 2..]);
        }
    }

    #[test]
    fn begins_anew_after_each_batch() {
        let mut builder = AggregateBuilder::new();
        for _ in 0..2 {
            for record in sample() {
                builder.append(&record, &Mail::default()).unwrap();
            }
            assert_eq!(builder.len(), 2);
            assert_eq!(records(&builder.finish().unwrap()).unwrap().count(), 2);
            assert!(builder.is_empty());
        }
        assert_eq!(builder.finish().unwrap().num_rows(), 0);
    }

    #[test]
    fn shares_the_facts_of_a_report() {
        let batch = batch(&sample());
        let read: Vec<FlatRecord> = records(&batch).unwrap().map(Result::unwrap).collect();
        assert!(Arc::ptr_eq(&read[0].report, &read[1].report));
        assert_eq!(batch["origin"].as_dictionary::<Int32Type>().values().len(), 1);
    }

    #[test]
    fn refuses_batches_of_another_kind_or_version_and_values_of_nobody() {
        let tls = crate::arrow::tlsrpt::TlsBuilder::new().finish().unwrap();
        let error = records(&tls).unwrap_err().to_string();
        assert_eq!(error, r#"Schema error: dmarc.kind must be aggregate and is "tlsrpt""#);
        let batch = batch(&sample());
        let later = schema().as_ref().clone().with_metadata([("dmarc.kind", KIND), ("dmarc.schema", "2")]);
        let later = RecordBatch::try_new(Arc::new(later), batch.columns().to_vec()).unwrap();
        let error = records(&later).unwrap_err().to_string();
        assert_eq!(error, r#"Schema error: dmarc.schema must be 1 and is "2""#);
        let without: Vec<usize> = (1..batch.num_columns()).collect();
        let error = records(&batch.project(&without).unwrap()).unwrap_err().to_string();
        assert_eq!(error, "Schema error: column reporter is missing");
        let mut columns = batch.columns().to_vec();
        let at = batch.schema().index_of("source_ip").unwrap();
        columns[at] = Arc::new(StringArray::from(vec!["192.0.2.1", "nobody"]));
        let damaged = RecordBatch::try_new(schema(), columns).unwrap();
        let errors: Vec<bool> = records(&damaged).unwrap().map(|record| record.is_err()).collect();
        assert_eq!(errors, [false, true]);
    }
}
