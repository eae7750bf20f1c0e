//! Records of a batch, reduced to streams without a record being built: the way that large datasets are judged.
//!
//! Text columns hold numbers of words, so rows are compared by numbers, and words are looked at once a batch.

use std::collections::HashMap;
use std::net::IpAddr;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{TimestampMicrosecondType, UInt64Type};
use arrow_array::{
    Array as _, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::ArrowError;
use foldhash::fast::RandomState;

use super::check_batch;
use super::column::{TextColumns, TextStructColumn, column, known, primitive, schema_error, seconds, trust};
use crate::domain::organizational;
use crate::findings::observed::{Counted, Observations, Observed, PolicyWords, ReportId, ReportRest};
use crate::findings::signals::{Signals, SignalsBuilder};
use crate::model::aggregate::DateRange;
use crate::record::Selection;

/// The columns of aggregate batches that [`Observations::add_batch`] looks at: those of Parquet, where a list has its items
/// below `list.item`. `origin`, which is large, is not among them: it is for whoever asks for it, see
/// [`Findings::name_origins`](crate::findings::Findings::name_origins).
pub const OBSERVED_COLUMNS: [&str; 25] = [
    "reporter",
    "report_id",
    "begin",
    "end",
    "policy_domain",
    "policy_p",
    "policy_sp",
    "policy_np",
    "policy_testing",
    "source_ip",
    "message_count",
    "is_delivered",
    "dkim_aligned",
    "spf_aligned",
    "disagrees",
    "header_from",
    "dkim.list.item.domain",
    "dkim.list.item.selector",
    "dkim.list.item.result",
    "spf.list.item.domain",
    "spf.list.item.scope",
    "spf.list.item.result",
    "reasons.list.item.type",
    "reasons.list.item.comment",
    "trust",
];

/// What is looked at of each report.
const REPORT: [&str; 3] = ["report_id", "reporter", "trust"];
const POLICY: [&str; 4] = ["policy_p", "policy_sp", "policy_np", "policy_testing"];
/// Which of these is the reporter.
const REPORTER: usize = 1;
/// What is looked at of each item of a list.
const DKIM: [&str; 3] = ["domain", "selector", "result"];
const SPF: [&str; 3] = ["domain", "scope", "result"];
const REASONS: [&str; 2] = ["type", "comment"];

/// The streams of a host that are compared before they are looked up.
const STREAMS_AT_HAND: usize = 8;

impl Observations {
    /// Takes in the records of an aggregate batch that are selected: the same as [`add`](Self::add) of each of them, many times
    /// faster.
    ///
    /// The batch needs [`OBSERVED_COLUMNS`]; what else it has is not looked at.
    ///
    /// # Errors
    /// [`ArrowError`] if a column is missing or of another type, or a value is none that this crate writes. Records before it
    /// were taken in.
    pub fn add_batch(&mut self, batch: &RecordBatch, selection: &Selection) -> Result<(), ArrowError> {
        check_batch(batch, super::aggregate::KIND)?;
        let rows = Rows::new(batch)?;
        let mut start = 0;
        while start < batch.num_rows() {
            let end = rows.end_of_domain(start, batch.num_rows());
            let [name] = rows.policy_domain.row(start);
            let name = known(name, "policy_domain")?;
            if selection.has_domain(name) {
                rows.add(start..end, name, selection, self)?;
            }
            start = end;
        }
        Ok(())
    }
}

/// The columns of a batch.
struct Rows<'a> {
    policy_domain: TextColumns<'a, 1>,
    report: TextColumns<'a, 3>,
    policy: TextColumns<'a, 4>,
    begin: &'a TimestampMicrosecondArray,
    end: &'a TimestampMicrosecondArray,
    source_ip: &'a StringArray,
    message_count: &'a UInt64Array,
    is_delivered: &'a BooleanArray,
    dkim_aligned: &'a BooleanArray,
    spf_aligned: &'a BooleanArray,
    disagrees: &'a BooleanArray,
    header_from: TextColumns<'a, 1>,
    dkim: TextStructColumn<'a, 3>,
    spf: TextStructColumn<'a, 3>,
    reasons: TextStructColumn<'a, 2>,
}

/// What a row says about the stream, in numbers that mean something inside this batch only.
type Words = Vec<i32>;

impl<'a> Rows<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Self, ArrowError> {
        let flag = |name| column(batch, name, |column| column.as_boolean_opt());
        let time = |name| column(batch, name, |column| column.as_primitive_opt::<TimestampMicrosecondType>());
        Ok(Self {
            policy_domain: TextColumns::new(batch, ["policy_domain"])?,
            report: TextColumns::new(batch, REPORT)?,
            policy: TextColumns::new(batch, POLICY)?,
            begin: time("begin")?,
            end: time("end")?,
            source_ip: column(batch, "source_ip", |column| column.as_string_opt())?,
            message_count: column(batch, "message_count", |column| column.as_primitive_opt::<UInt64Type>())?,
            is_delivered: flag("is_delivered")?,
            dkim_aligned: flag("dkim_aligned")?,
            spf_aligned: flag("spf_aligned")?,
            disagrees: flag("disagrees")?,
            header_from: TextColumns::new(batch, ["header_from"])?,
            dkim: TextStructColumn::new(batch, "dkim", DKIM)?,
            spf: TextStructColumn::new(batch, "spf", SPF)?,
            reasons: TextStructColumn::new(batch, "reasons", REASONS)?,
        })
    }

    /// Where the rows about the policy domain of `start` end.
    fn end_of_domain(&self, start: usize, rows: usize) -> usize {
        let end = (start + 1..rows).find(|row| !self.policy_domain.is_same(*row, start));
        end.unwrap_or(rows)
    }

    fn add(
        &self,
        rows: std::ops::Range<usize>,
        policy_domain: &str,
        selection: &Selection,
        observations: &mut Observations,
    ) -> Result<(), ArrowError> {
        let mut rows = rows.filter(|row| self.is_in(*row, selection)).peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let observed = observations.domain(organizational(policy_domain));
        let mut reports = Reports::new(self.report.values());
        let mut causes = Causes::new(observed.name());
        let mut host = HostStreams::default();
        for row in rows {
            let report = reports.number(row, self, || {
                let (id, rest) = self.read_report(row, policy_domain)?;
                Ok(observed.report(id, rest))
            })?;
            if host.row.is_none_or(|before| !self.is_same_host(row, before)) {
                host.begin(observed.host(self.ip(row)?));
            }
            host.row = Some(row);
            let stream = if let Some(stream) = host.stream_like(row, self) {
                stream
            } else {
                let cause = causes.number(row, self, observed)?;
                host.add(row, observed.stream(host.number, cause))
            };
            observed.count(stream, self.counted(row, report)?);
        }
        Ok(())
    }

    /// A row without a period is looked at, and found out.
    fn is_in(&self, row: usize, selection: &Selection) -> bool {
        selection.is_of_any_time() || seconds(self.begin, row).is_none_or(|begin| selection.has_time(begin))
    }

    fn counted(&self, row: usize, report: u32) -> Result<Counted, ArrowError> {
        Ok(Counted {
            report,
            messages: known(primitive(self.message_count, row), "message_count")?,
            is_pass: is_set(self.dkim_aligned, row) || is_set(self.spf_aligned, row),
            is_delivered: is_set(self.is_delivered, row),
            disagrees: is_set(self.disagrees, row),
            has_reason: !self.reasons.is_empty(row),
        })
    }

    /// Whether two rows with the same identifier are of one report; the policy domain is the same.
    fn is_same_report(&self, row: usize, other: usize) -> bool {
        let is_same_time =
            |column: &TimestampMicrosecondArray| primitive(column, row) == primitive(column, other);
        self.report.is_same_in(REPORTER, row, other) && is_same_time(self.begin) && is_same_time(self.end)
    }

    fn read_report(&self, row: usize, policy_domain: &str) -> Result<(ReportId, ReportRest), ArrowError> {
        let (begin, end) = (seconds(self.begin, row), seconds(self.end, row));
        let [report_id, reporter, word] = self.report.row(row);
        let [p, sp, np, testing] = self.policy.row(row).map(|word| word.unwrap_or_default().to_owned());
        let id = ReportId {
            period: DateRange::new(known(begin, "begin")?, known(end, "end")?),
            reporter: known(reporter, "reporter")?.to_owned(),
            report_id: known(report_id, "report_id")?.to_owned(),
            policy_domain: policy_domain.to_owned(),
        };
        let rest = ReportRest {
            origin: String::new(),
            trust: trust(known(word, "trust")?)?,
            policy: PolicyWords { p, sp, np, testing },
        };
        Ok((id, rest))
    }

    /// Whether two rows have one Author Domain, and everything that [`signals`](Self::signals) depends on.
    fn is_same_cause(&self, row: usize, other: usize) -> bool {
        let is_same = |flags: &BooleanArray| is_set(flags, row) == is_set(flags, other);
        is_same(self.dkim_aligned)
            && is_same(self.spf_aligned)
            && self.header_from.is_same(row, other)
            && self.dkim.is_same(row, other)
            && self.spf.is_same(row, other)
            && self.reasons.is_same(row, other)
    }

    /// The same in numbers.
    fn words(&self, row: usize, words: &mut Words) {
        words.clear();
        let flag = |flags: &BooleanArray| i32::from(is_set(flags, row));
        words.push(flag(self.dkim_aligned) | flag(self.spf_aligned) << 1);
        words.extend(self.header_from.keys(row));
        self.dkim.push_keys(row, words);
        self.spf.push_keys(row, words);
        self.reasons.push_keys(row, words);
    }

    fn signals(&self, row: usize, domain: &str, header_from: &str) -> Signals {
        let (spf_aligned, dkim_aligned) = (is_set(self.spf_aligned, row), is_set(self.dkim_aligned, row));
        let mut signals = SignalsBuilder::new(domain, header_from, spf_aligned, dkim_aligned);
        for [signer, selector, result] in self.dkim.items(row) {
            signals.dkim(signer.unwrap_or_default(), selector, result.unwrap_or_default());
        }
        for [checked, scope, result] in self.spf.items(row) {
            signals.spf(checked.unwrap_or_default(), scope, result.unwrap_or_default());
        }
        for [kind, comment] in self.reasons.items(row) {
            signals.reason(kind.unwrap_or_default(), comment);
        }
        signals.build()
    }

    fn is_same_host(&self, row: usize, other: usize) -> bool {
        let ip = |row: usize| self.source_ip.is_valid(row).then(|| self.source_ip.value(row));
        ip(row) == ip(other)
    }

    fn ip(&self, row: usize) -> Result<Option<IpAddr>, ArrowError> {
        if !self.source_ip.is_valid(row) {
            return Ok(None);
        }
        let text = self.source_ip.value(row);
        text.parse().map(Some).map_err(|_| schema_error("source_ip", &format!("holds no address: {text:?}")))
    }
}

fn is_set(flags: &BooleanArray, row: usize) -> bool {
    flags.is_valid(row) && flags.value(row)
}

/// The host of the last row, and some of its streams, each with a row of it: rows of one host follow each other, and are of
/// few streams.
#[derive(Default)]
struct HostStreams {
    row: Option<usize>,
    number: u32,
    streams: Vec<(usize, u32)>,
}

impl HostStreams {
    fn begin(&mut self, number: u32) {
        self.number = number;
        self.streams.clear();
    }

    fn stream_like(&self, row: usize, rows: &Rows<'_>) -> Option<u32> {
        self.streams.iter().find(|(like, _)| rows.is_same_cause(row, *like)).map(|(_, stream)| *stream)
    }

    fn add(&mut self, row: usize, stream: u32) -> u32 {
        if self.streams.len() < STREAMS_AT_HAND {
            self.streams.push((row, stream));
        }
        stream
    }
}

/// Numbers of Author Domains with signatures, by the numbers of their words.
struct Causes {
    domain: String,
    words: Words,
    numbers: HashMap<Words, (u32, u32), RandomState>,
}

impl Causes {
    fn new(domain: &str) -> Self {
        Self { domain: domain.to_owned(), words: Words::new(), numbers: HashMap::default() }
    }

    fn number(
        &mut self,
        row: usize,
        rows: &Rows<'_>,
        observed: &mut Observed,
    ) -> Result<(u32, u32), ArrowError> {
        rows.words(row, &mut self.words);
        if let Some(number) = self.numbers.get(&self.words) {
            return Ok(*number);
        }
        let [from] = rows.header_from.row(row);
        let from = known(from, "header_from")?;
        let number = observed.cause(from, rows.signals(row, &self.domain, from));
        self.numbers.insert(self.words.clone(), number);
        Ok(number)
    }
}

/// Numbers of reports, each with a row of it, by the number of the identifier. That nearly always stands for one report; where
/// it stands for several, they are read again.
struct Reports(Vec<Option<(usize, u32)>>);

impl Reports {
    fn new(ids: usize) -> Self {
        Self(vec![None; ids])
    }

    fn number(
        &mut self,
        row: usize,
        rows: &Rows<'_>,
        read: impl FnOnce() -> Result<u32, ArrowError>,
    ) -> Result<u32, ArrowError> {
        let slot = rows.report.key(row).and_then(|id| self.0.get_mut(id));
        match slot {
            Some(Some((like, number))) if rows.is_same_report(row, *like) => Ok(*number),
            Some(slot) => {
                let number = read()?;
                *slot = Some((row, number));
                Ok(number)
            }
            None => read(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::arrow::aggregate::tests::{batch, report};
    use crate::findings::{Findings, HostFacts, HostName, Known};
    use crate::record::{FlatRecord, Trust, flatten};

    fn found(observations: &Observations) -> Findings {
        let host = |_| HostFacts::new(false, HostName::Nameless);
        let mut found = Findings::default();
        observations.domains().for_each(|observed| found.merge(Findings::of(observed, &Known::new(&host))));
        found.sort();
        found
    }

    fn of_records<'r>(records: impl Iterator<Item = &'r FlatRecord>) -> Observations {
        let mut observations = Observations::default();
        records.for_each(|record| observations.add(record));
        observations
    }

    fn of_batch(records: &[FlatRecord], selection: &Selection) -> Observations {
        let mut observations = Observations::default();
        observations.add_batch(&batch(records), selection).unwrap();
        observations
    }

    fn records() -> impl Strategy<Value = Vec<FlatRecord>> {
        let trust = |trusted| if trusted { Trust::TrustedAuthres } else { Trust::Unverified };
        vec((report(), any::<bool>()), 0..5).prop_map(move |reports| {
            // Where a report came from is not observed from a batch.
            let flat = |(report, trusted)| flatten(report, String::new(), trust(trusted));
            reports.into_iter().flat_map(flat).collect()
        })
    }

    proptest! {
        #[test]
        fn observes_a_batch_as_it_observes_each_record(records in records()) {
            let expected = found(&of_records(records.iter()));
            prop_assert_eq!(found(&of_batch(&records, &Selection::default())), expected);
        }

        #[test]
        fn observes_selected_records_only(records in records(), since in any::<Option<i32>>(), until in any::<Option<i32>>()) {
            let domain = records.first().map(|record| record.report.policy_domain.clone());
            let selection = Selection {
                domains: domain.into_iter().collect(),
                since: since.map(i64::from),
                until: until.map(i64::from),
            };
            let expected = found(&of_records(records.iter().filter(|record| selection.has(record))));
            prop_assert_eq!(found(&of_batch(&records, &selection)), expected);
        }

        #[test]
        fn finds_the_same_however_records_are_split_and_merged(records in records(), at in any::<prop::sample::Index>()) {
            let (first, second) = records.split_at(at.index(records.len() + 1));
            let mut merged = of_records(second.iter().rev());
            merged.merge(of_records(first.iter()));
            prop_assert_eq!(found(&merged), found(&of_records(records.iter())));
        }
    }
}
