//! What was observed of a domain: its records, reduced to *streams* as they come.
//!
//! A stream is one cause inside a host: Author Domain and authentication signature. Streams repeat day after day and
//! reporter after reporter, so what is kept grows with what differs, not with the number of records.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::newest::{is_believable, newest_day};
use super::signals::Signals;
use super::{DayTotals, DomainSummary, weights};
use crate::domain::organizational;
use crate::model::aggregate::{DateRange, Disposition};
use crate::record::{FlatRecord, ReportFacts, Trust};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// The largest rows of a stream that are remembered.
pub(super) const ROWS: usize = 10;

/// Records by Organizational Domain, each reduced to its streams.
///
/// The order in which records come, and how they are split over several of these that are [merged](Self::merge), makes no
/// difference to what is found.
#[derive(Debug, Default)]
pub struct Observations {
    domains: BTreeMap<String, Observed>,
}

impl Observations {
    /// Takes in a record.
    pub fn add(&mut self, record: &FlatRecord) {
        self.domain(organizational(&record.report.policy_domain)).add(record);
    }

    /// Takes in what others observed.
    pub fn merge(&mut self, others: Self) {
        for (name, other) in others.domains {
            match self.domains.get_mut(&name) {
                Some(domain) => domain.merge(other),
                None => drop(self.domains.insert(name, other)),
            }
        }
    }

    /// The domains, by name.
    pub fn domains(&self) -> impl Iterator<Item = &Observed> {
        self.domains.values()
    }

    pub(crate) fn domain(&mut self, name: &str) -> &mut Observed {
        if !self.domains.contains_key(name) {
            self.domains.insert(name.to_owned(), Observed::new(name));
        }
        self.domains.entry(name.to_owned()).or_default()
    }
}

/// What was observed of one Organizational Domain.
#[derive(Debug, Default)]
pub struct Observed {
    pub(super) name: String,
    /// Author Domains and reporters.
    texts: Interner<str>,
    signals: Interner<Signals>,
    ids: Interner<ReportId>,
    /// The rest about each of `ids`.
    reports: Vec<KnownReport>,
    hosts: Hosts,
    streams: Vec<StreamData>,
    index: HashMap<StreamKey, u32, RandomState>,
    /// Once somebody asked, and until there is another report.
    newest_day: OnceLock<Option<i64>>,
}

/// A report, and what its records add up to.
#[derive(Debug)]
struct KnownReport {
    rest: ReportRest,
    period: DateRange,
    /// Of `texts`.
    reporter: u32,
    records: u64,
    totals: DayTotals,
}

/// Host, Author Domain and signature, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct StreamKey {
    host: u32,
    from: u32,
    signals: u32,
}

/// What tells one report from another, inside a domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::struct_field_names, reason = "the RFC calls it `report_id`")]
pub(crate) struct ReportId {
    pub(crate) period: DateRange,
    pub(crate) reporter: String,
    pub(crate) report_id: String,
    pub(crate) policy_domain: String,
}

/// What else is known of a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReportRest {
    pub(crate) origin: String,
    pub(crate) trust: Trust,
    pub(crate) policy: PolicyWords,
}

/// The policy that a report found; each word is empty where absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PolicyWords {
    pub(crate) p: String,
    pub(crate) sp: String,
    pub(crate) np: String,
    pub(crate) testing: String,
}

impl PolicyWords {
    fn of(facts: &ReportFacts) -> Self {
        let policy = &facts.policy_published;
        let word =
            |word: Option<&Disposition<'_>>| word.map(|word| word.as_str().to_owned()).unwrap_or_default();
        Self {
            p: facts.policy.clone(),
            sp: word(policy.sp.as_ref()),
            np: word(policy.np.as_ref()),
            testing: policy.testing.as_ref().map(|word| word.as_str().to_owned()).unwrap_or_default(),
        }
    }
}

/// A report, as rows refer to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReportRef<'o> {
    pub(super) id: &'o ReportId,
    pub(super) rest: &'o ReportRest,
}

/// What is known of one host of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HostSummary {
    /// The host.
    pub ip: IpAddr,
    /// Its messages; `day` means nothing here.
    pub totals: DayTotals,
    /// From the beginning of the first report to the end of the last: seconds since the Unix epoch, UTC.
    pub period: (i64, i64),
    /// Who reported it.
    pub reporters: BTreeSet<String>,
}

impl HostSummary {
    fn new(ip: IpAddr) -> Self {
        Self { ip, totals: DayTotals::default(), period: (i64::MAX, i64::MIN), reporters: BTreeSet::new() }
    }
}

/// What is known of one report about a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ReportSummary {
    /// Who reported.
    pub reporter: String,
    /// The reporter's identifier.
    pub report_id: String,
    /// The policy domain.
    pub policy_domain: String,
    /// The reporting period: seconds since the Unix epoch, UTC.
    pub period: (i64, i64),
    /// The mail or file, and the part in it.
    pub origin: String,
    /// How far the mail is known to be genuine.
    pub trust: Trust,
    /// Records.
    pub records: u64,
    /// Messages; `day` is that of the middle of the period.
    pub totals: DayTotals,
}

/// What a record adds to its stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) report: u32,
    pub(crate) messages: u64,
    pub(crate) is_pass: bool,
    pub(crate) is_delivered: bool,
    pub(crate) disagrees: bool,
    /// Whether the receiver gave a reason to do other than the policy asks.
    pub(crate) has_reason: bool,
}

/// A row, as evidence.
#[derive(Clone, Copy, Debug)]
struct Row {
    messages: u64,
    /// When the period of its report begins.
    begin: i64,
    report: u32,
}

impl Row {
    /// The largest row first, and then by what the report is, so that names of files and the order of rows do not matter.
    fn is_before(&self, other: &Self, ids: &Interner<ReportId>) -> bool {
        let order = (other.messages, self.begin).cmp(&(self.messages, other.begin));
        order.then_with(|| ids.get(self.report).cmp(&ids.get(other.report))).is_lt()
    }
}

/// A day since the Unix epoch, UTC, and messages of it.
type DayMessages = (i64, u64);

/// All records of a stream. Most streams of a large domain are of one record: that needs no memory elsewhere.
#[derive(Debug)]
struct StreamData {
    key: StreamKey,
    messages: u64,
    delivered: u64,
    disagreeing: u64,
    unverified: u64,
    /// Delivered with a reason to do other than the policy asks.
    overridden: u64,
    begin: i64,
    end: i64,
    /// Messages by day, sorted; only of periods that could be.
    days: SmallVec<[DayMessages; 1]>,
    /// First and last day of the other periods.
    implausible: Option<(i64, i64)>,
    /// Of `texts`, in no order.
    reporters: SmallVec<[u32; 2]>,
    /// The report that all records are of; `None`: there are several.
    only_report: Option<u32>,
    rows: SmallVec<[Row; 1]>,
}

/// A stream as the rules see it.
#[derive(Clone, Debug)]
pub(super) struct Stream<'o> {
    pub(super) from: &'o str,
    pub(super) signals: &'o Signals,
    data: &'o StreamData,
    observed: &'o Observed,
    /// Of the domain: what is reported about later days is not believed to be about these.
    newest: i64,
}

impl Observed {
    /// Nothing yet about the Organizational Domain `name`.
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The Organizational Domain.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn add(&mut self, record: &FlatRecord) {
        let facts = &record.report;
        let id = ReportId {
            reporter: facts.reporter.clone(),
            period: facts.period,
            report_id: facts.report_id.clone(),
            policy_domain: facts.policy_domain.clone(),
        };
        let (origin, policy) = (facts.origin.clone(), PolicyWords::of(facts));
        let report = self.report(id, ReportRest { origin, trust: facts.trust, policy });
        let signals = Signals::of(record, &self.name);
        let cause = self.cause(&record.header_from, signals);
        let host = self.host(record.source_ip);
        let stream = self.stream(host, cause);
        let counted = Counted {
            report,
            messages: record.message_count,
            is_pass: record.is_pass(),
            is_delivered: record.is_delivered,
            disagrees: record.disagrees,
            has_reason: !record.reasons.is_empty(),
        };
        self.count(stream, counted);
    }

    /// The number of a report.
    pub(crate) fn report(&mut self, id: ReportId, rest: ReportRest) -> u32 {
        let reporter = self.text(&id.reporter);
        let period = id.period;
        let number = self.ids.number(id);
        match self.reports.get_mut(number as usize) {
            None => {
                let totals = DayTotals { day: period.day(), ..DayTotals::default() };
                self.reports.push(KnownReport { rest, period, reporter, records: 0, totals });
                self.newest_day = OnceLock::new();
            }
            // Two with one identity should not be; whatever comes first must not matter.
            Some(known) if rest < known.rest => known.rest = rest,
            Some(_) => {}
        }
        number
    }

    /// The numbers of an Author Domain and a signature.
    pub(crate) fn cause(&mut self, from: &str, signals: Signals) -> (u32, u32) {
        (self.text(from), self.signals.number(signals))
    }

    /// The number of a host.
    pub(crate) fn host(&mut self, host: Option<IpAddr>) -> u32 {
        self.hosts.number(host)
    }

    /// The number of the stream of a host, with the numbers of Author Domain and signature.
    pub(crate) fn stream(&mut self, host: u32, (from, signals): (u32, u32)) -> u32 {
        let key = StreamKey { host, from, signals };
        let streams = &mut self.streams;
        *self.index.entry(key).or_insert_with(|| {
            streams.push(StreamData::new(key));
            number(streams.len() - 1)
        })
    }

    fn text(&mut self, text: &str) -> u32 {
        self.texts.number_of_text(text)
    }

    /// Counts a record of a stream.
    pub(crate) fn count(&mut self, stream: u32, counted: Counted) {
        let Some(report) = self.reports.get_mut(counted.report as usize) else { return };
        report.records += 1;
        report.totals.add(counted.messages, counted.is_pass, counted.is_delivered);
        let row = Row { messages: counted.messages, begin: report.period.begin, report: counted.report };
        let is_better = |a: &Row, b: &Row| a.is_before(b, &self.ids);
        if let Some(stream) = self.streams.get_mut(stream as usize) {
            stream.count(counted, report);
            stream.add_row(row, is_better);
        }
    }

    fn merge(&mut self, other: Self) {
        let texts: Vec<u32> = other.texts.values.iter().map(|text| self.text(text)).collect();
        let signals: Vec<u32> =
            other.signals.values.iter().map(|signals| self.signals.number_of(Arc::clone(signals))).collect();
        let hosts: Vec<u32> = other.hosts.values.iter().map(|host| self.hosts.number(*host)).collect();
        let reports: Vec<u32> = other
            .ids
            .values
            .iter()
            .zip(other.reports)
            .map(|(id, report)| self.take_report(id, report))
            .collect();
        let map = |numbers: &[u32], number: u32| numbers.get(number as usize).copied().unwrap_or_default();
        for mut stream in other.streams {
            stream.key = StreamKey {
                host: map(&hosts, stream.key.host),
                from: map(&texts, stream.key.from),
                signals: map(&signals, stream.key.signals),
            };
            stream.reporters.iter_mut().for_each(|reporter| *reporter = map(&texts, *reporter));
            stream.only_report = stream.only_report.map(|report| map(&reports, report));
            stream.rows.iter_mut().for_each(|row| row.report = map(&reports, row.report));
            self.take_stream(stream);
        }
    }

    fn take_report(&mut self, id: &ReportId, other: KnownReport) -> u32 {
        let number = self.report(id.clone(), other.rest);
        if let Some(report) = self.reports.get_mut(number as usize) {
            report.records += other.records;
            report.totals.take(other.totals);
        }
        number
    }

    fn take_stream(&mut self, other: StreamData) {
        match self.index.get(&other.key).copied() {
            None => {
                self.index.insert(other.key, number(self.streams.len()));
                self.streams.push(other);
            }
            Some(at) => {
                let is_better = |a: &Row, b: &Row| a.is_before(b, &self.ids);
                if let Some(stream) = self.streams.get_mut(at as usize) {
                    stream.merge(other, is_better);
                }
            }
        }
    }

    /// The streams by host, in an order that depends on what they are only.
    pub(super) fn streams_by_host(
        &self,
    ) -> impl Iterator<Item = (Option<IpAddr>, SmallVec<[Stream<'_>; 1]>)> {
        let newest = self.newest_day().unwrap_or(i64::MAX);
        let mut streams: Vec<(HostOrder, u32)> = self
            .streams
            .iter()
            .zip(0_u32..)
            .map(|(data, at)| (HostOrder::of(self.hosts.get(data.key.host)), at))
            .collect();
        streams.sort_unstable();
        let mut rest = streams.into_iter().peekable();
        std::iter::from_fn(move || {
            let (order, first) = rest.next()?;
            let mut of_host: SmallVec<[Stream<'_>; 1]> = self.stream_at(first, newest).into_iter().collect();
            while let Some((_, next)) = rest.next_if(|(other, _)| *other == order) {
                of_host.extend(self.stream_at(next, newest));
            }
            of_host.sort_unstable_by(|a, b| (a.from, a.signals).cmp(&(b.from, b.signals)));
            let host = self.streams.get(first as usize).and_then(|data| self.hosts.get(data.key.host));
            Some((host, of_host))
        })
    }

    fn stream_at(&self, number: u32, newest: i64) -> Option<Stream<'_>> {
        let data = self.streams.get(number as usize)?;
        let (from, signals) = (self.texts.get(data.key.from)?, self.signals.get(data.key.signals)?);
        Some(Stream { from, signals, data, observed: self, newest })
    }

    /// Key figures.
    pub(super) fn summary(&self) -> DomainSummary {
        let mut days: BTreeMap<i64, DayTotals> = BTreeMap::new();
        let mut all = DayTotals::default();
        let newest = self.newest_day().unwrap_or(i64::MAX);
        for report in &self.reports {
            all.take(report.totals);
            if report.totals.day > newest {
                continue;
            }
            days.entry(report.totals.day)
                .or_insert_with(|| DayTotals { day: report.totals.day, ..DayTotals::default() })
                .take(report.totals);
        }
        let [policy, sp, np, testing] = self.policy();
        let reporters: HashSet<u32> = self.reports.iter().map(|report| report.reporter).collect();
        DomainSummary {
            domain: self.name.clone(),
            period: None,
            messages: all.dmarc_pass.saturating_add(all.dmarc_fail),
            dmarc_pass: all.dmarc_pass,
            dmarc_fail: all.dmarc_fail,
            delivered_failing: all.delivered_failing,
            records: self.reports.iter().map(|report| report.records).sum(),
            reports: self.reports.len() as u64,
            reporters: reporters.len() as u64,
            policy,
            policy_sp: sp,
            policy_np: np,
            policy_testing: testing,
            days: days.into_values().collect(),
        }
    }

    /// What is known of one host of the domain; `None` if no record is about it.
    pub fn host_summary(&self, ip: IpAddr) -> Option<HostSummary> {
        let number = self.hosts.known(ip)?;
        let streams = self.streams.iter().filter(|stream| stream.key.host == number);
        let mut summary = HostSummary::new(ip);
        for data in streams {
            let is_pass = self.signals.get(data.key.signals).is_some_and(Signals::is_pass);
            summary.totals.add(data.messages, is_pass, false);
            summary.totals.delivered_failing =
                summary.totals.delivered_failing.saturating_add(if is_pass { 0 } else { data.delivered });
            summary.period = (summary.period.0.min(data.begin), summary.period.1.max(data.end));
            summary.reporters.extend(
                data.reporters.iter().filter_map(|reporter| self.texts.get(*reporter)).map(str::to_owned),
            );
        }
        Some(summary)
    }

    /// What is known of the reports with an identifier; reporters choose it, so there may be several.
    pub fn report_summaries(&self, report_id: &str) -> Vec<ReportSummary> {
        let known = self.ids.values.iter().zip(&self.reports).filter(|(id, _)| id.report_id == report_id);
        let mut found: Vec<ReportSummary> = known
            .map(|(id, report)| ReportSummary {
                reporter: id.reporter.clone(),
                report_id: id.report_id.clone(),
                policy_domain: id.policy_domain.clone(),
                period: (id.period.begin, id.period.end),
                origin: report.rest.origin.clone(),
                trust: report.rest.trust,
                records: report.records,
                totals: report.totals,
            })
            .collect();
        found.sort_by(|a, b| {
            (&a.reporter, &a.policy_domain, a.period).cmp(&(&b.reporter, &b.policy_domain, b.period))
        });
        found
    }

    /// The newest day that its reports may be believed about, see [`newest_day`](super::newest_day): days since the Unix epoch,
    /// UTC.
    pub fn newest_day(&self) -> Option<i64> {
        let reports = || self.reports.iter().map(|report| (report.reporter, report.period));
        *self.newest_day.get_or_init(|| newest_day(reports()))
    }

    /// From the beginning of the first report to the end of the last. One that claims another century, or a day that nobody else
    /// knows of yet, must not stretch what all the others cover.
    pub(super) fn period(&self) -> Option<(i64, i64)> {
        let newest = self.newest_day()?;
        let periods = self.reports.iter().map(|report| report.period);
        periods
            .filter(|period| is_believable(*period) && period.day() <= newest)
            .map(|period| (period.begin, period.end))
            .reduce(|(b, e), (begin, end)| (b.min(begin), e.max(end)))
    }

    /// Policy domains below the domain: those with a record of their own.
    pub(super) fn policy_subdomains(&self) -> BTreeSet<&str> {
        let domains = self.ids.values.iter().map(|id| id.policy_domain.as_str());
        domains.filter(|domain| *domain != self.name).collect()
    }

    /// The policy that those found who reported about the domain itself in its last days: `p`, `sp`, `np` and `t`, each as most
    /// say who say anything of it; empty if nobody does.
    fn policy(&self) -> [String; 4] {
        let own = || {
            let all = self.ids.values.iter().map(AsRef::as_ref).zip(&self.reports);
            all.filter(|(id, report): &(&ReportId, _)| {
                id.policy_domain == self.name && is_believable(report.period)
            })
        };
        let newest = newest_day(own().map(|(_, report)| (report.reporter, report.period)));
        let believed: Vec<(&ReportId, &KnownReport)> =
            own().filter(|(_, report)| newest.is_some_and(|newest| report.totals.day <= newest)).collect();
        let since = newest.unwrap_or_default() - weights::AHEAD_DAYS;
        let words: [fn(&PolicyWords) -> &str; 4] =
            [|policy| &policy.p, |policy| &policy.sp, |policy| &policy.np, |policy| &policy.testing];
        words.map(|word| most_found(&believed, since, word).to_owned())
    }

    fn report_ref(&self, number: u32) -> Option<ReportRef<'_>> {
        let id = self.ids.get(number)?;
        self.reports.get(number as usize).map(|report| ReportRef { id, rest: &report.rest })
    }
}

/// The word that most reporters found last in the days from `since`. Where as many found another, the one that was found more
/// often before, and then the weaker one: a policy that is called weaker than it is does no harm.
fn most_found<'o>(
    reports: &[(&'o ReportId, &'o KnownReport)],
    since: i64,
    word: fn(&PolicyWords) -> &str,
) -> &'o str {
    let mut last: BTreeMap<u32, (&ReportId, &str)> = BTreeMap::new();
    // Reporters that found it last, and reports.
    let mut votes: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (id, report) in reports {
        let found = word(&report.rest.policy);
        if found.is_empty() {
            continue;
        }
        votes.entry(found).or_default().1 += 1;
        if report.totals.day >= since {
            let known = last.entry(report.reporter).or_insert((id, found));
            *known = (*known).max((id, found));
        }
    }
    for (_, found) in last.into_values() {
        votes.entry(found).or_default().0 += 1;
    }
    let most = votes.into_iter().max_by_key(|(found, votes)| (*votes, Reverse(strength(found))));
    most.filter(|(_, (reporters, _))| *reporters > 0).map_or("", |(found, _)| found)
}

/// A greater value is stricter.
fn strength(policy: &str) -> u8 {
    match policy {
        "none" => 0,
        "quarantine" => 1,
        "reject" => 2,
        _ => 3,
    }
}

impl StreamData {
    fn new(key: StreamKey) -> Self {
        Self {
            key,
            messages: 0,
            delivered: 0,
            disagreeing: 0,
            unverified: 0,
            overridden: 0,
            begin: i64::MAX,
            end: i64::MIN,
            days: SmallVec::new(),
            implausible: None,
            reporters: SmallVec::new(),
            only_report: None,
            rows: SmallVec::new(),
        }
    }

    fn count(&mut self, counted: Counted, report: &KnownReport) {
        let (period, trust) = (report.period, report.rest.trust);
        let count = counted.messages;
        let add = |sum: &mut u64, when: bool| *sum = sum.saturating_add(if when { count } else { 0 });
        add(&mut self.messages, true);
        add(&mut self.delivered, counted.is_delivered);
        add(&mut self.disagreeing, counted.disagrees);
        add(&mut self.unverified, trust == Trust::Unverified);
        add(&mut self.overridden, counted.has_reason && counted.is_delivered);
        self.begin = self.begin.min(period.begin);
        self.end = self.end.max(period.end);
        if is_believable(period) {
            self.add_day(report.totals.day, count);
        } else {
            self.add_implausible((report.totals.day, report.totals.day));
        }
        // The first record has no reporter before it.
        let is_only = self.reporters.is_empty() || self.only_report == Some(counted.report);
        self.only_report = is_only.then_some(counted.report);
        self.add_reporter(report.reporter);
    }

    fn add_day(&mut self, day: i64, messages: u64) {
        match self.days.binary_search_by_key(&day, |(day, _)| *day) {
            Ok(at) => {
                if let Some((_, sum)) = self.days.get_mut(at) {
                    *sum = sum.saturating_add(messages);
                }
            }
            Err(at) => self.days.insert(at, (day, messages)),
        }
    }

    fn add_implausible(&mut self, (first, last): (i64, i64)) {
        let known = self.implausible.unwrap_or((first, last));
        self.implausible = Some((known.0.min(first), known.1.max(last)));
    }

    fn add_reporter(&mut self, reporter: u32) {
        if !self.reporters.contains(&reporter) {
            self.reporters.push(reporter);
        }
    }

    fn add_row(&mut self, row: Row, is_better: impl Fn(&Row, &Row) -> bool) {
        if self.rows.len() == ROWS && self.rows.last().is_some_and(|last| !is_better(&row, last)) {
            return;
        }
        let at = self.rows.partition_point(|known| !is_better(&row, known));
        self.rows.insert(at, row);
        self.rows.truncate(ROWS);
    }

    fn merge(&mut self, other: Self, is_better: impl Fn(&Row, &Row) -> bool) {
        let sums = [
            (&mut self.messages, other.messages),
            (&mut self.delivered, other.delivered),
            (&mut self.disagreeing, other.disagreeing),
            (&mut self.unverified, other.unverified),
            (&mut self.overridden, other.overridden),
        ];
        for (sum, more) in sums {
            *sum = sum.saturating_add(more);
        }
        self.begin = self.begin.min(other.begin);
        self.end = self.end.max(other.end);
        for (day, messages) in other.days {
            self.add_day(day, messages);
        }
        if let Some(days) = other.implausible {
            self.add_implausible(days);
        }
        other.reporters.into_iter().for_each(|reporter| self.add_reporter(reporter));
        self.only_report = self.only_report.filter(|report| other.only_report == Some(*report));
        other.rows.into_iter().for_each(|row| self.add_row(row, &is_better));
    }
}

impl<'o> Stream<'o> {
    pub(super) fn messages(&self) -> u64 {
        self.data.messages
    }

    pub(super) fn delivered(&self) -> u64 {
        self.data.delivered
    }

    pub(super) fn disagreeing(&self) -> u64 {
        self.data.disagreeing
    }

    pub(super) fn unverified(&self) -> u64 {
        self.data.unverified
    }

    /// Delivered with a reason to do other than the policy asks.
    pub(super) fn overridden(&self) -> u64 {
        self.data.overridden
    }

    /// From the beginning of the first period to the end of the last. Where some are not believed, of the days that are.
    pub(super) fn period(&self) -> DateRange {
        let days = self.by_day();
        match (days.first(), days.last(), self.implausible_days()) {
            (Some((first, _)), Some((last, _)), Some(_)) => {
                DateRange::new(first * DAY, last * DAY + (DAY - 1))
            }
            _ => DateRange::new(self.data.begin, self.data.end),
        }
    }

    /// Messages by day; of periods that are believed only.
    pub(super) fn by_day(&self) -> &'o [DayMessages] {
        self.data.days.get(..self.believed_days()).unwrap_or_default()
    }

    /// First and last day of the other periods.
    pub(super) fn implausible_days(&self) -> Option<(i64, i64)> {
        let later = self.data.days.get(self.believed_days()..).unwrap_or_default();
        let later = later.first().zip(later.last()).map(|((first, _), (last, _))| (*first, *last));
        let all = self.data.implausible.into_iter().chain(later);
        all.reduce(|(first, last), (a, b)| (first.min(a), last.max(b)))
    }

    /// How many of the days are not after the newest one.
    fn believed_days(&self) -> usize {
        self.data.days.partition_point(|(day, _)| *day <= self.newest)
    }

    pub(super) fn reporters(&self) -> impl Iterator<Item = &'o str> {
        let observed = self.observed;
        self.data.reporters.iter().filter_map(move |reporter| observed.texts.get(*reporter))
    }

    /// The number of the report that all its records are of, unless there are several.
    pub(super) fn only_report(&self) -> Option<u32> {
        self.data.only_report
    }

    /// Its largest rows: messages and report.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u64, ReportRef<'o>)> {
        let observed = self.observed;
        let row = move |row: &Row| Some((row.messages, observed.report_ref(row.report)?));
        self.data.rows.iter().filter_map(row)
    }
}

/// Gives numbers to hosts.
#[derive(Debug, Default)]
struct Hosts {
    numbers: HashMap<Option<IpAddr>, u32, RandomState>,
    values: Vec<Option<IpAddr>>,
}

impl Hosts {
    fn get(&self, number: u32) -> Option<IpAddr> {
        self.values.get(number as usize).copied().flatten()
    }

    fn known(&self, ip: IpAddr) -> Option<u32> {
        self.numbers.get(&Some(ip)).copied()
    }

    fn number(&mut self, host: Option<IpAddr>) -> u32 {
        *self.numbers.entry(host).or_insert_with(|| {
            self.values.push(host);
            number(self.values.len() - 1)
        })
    }
}

/// The order of hosts, in numbers: hidden ones, those of IP version 4, those of version 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HostOrder(u8, u128);

impl HostOrder {
    fn of(host: Option<IpAddr>) -> Self {
        match host {
            None => Self(0, 0),
            Some(IpAddr::V4(ip)) => Self(1, ip.to_bits().into()),
            Some(IpAddr::V6(ip)) => Self(2, ip.to_bits()),
        }
    }
}

/// Gives numbers to values: the same value gets the same number.
#[derive(Debug)]
struct Interner<T: ?Sized> {
    numbers: HashMap<Arc<T>, u32, RandomState>,
    values: Vec<Arc<T>>,
}

impl<T: ?Sized> Default for Interner<T> {
    fn default() -> Self {
        Self { numbers: HashMap::default(), values: Vec::new() }
    }
}

impl<T: ?Sized + Eq + Hash> Interner<T> {
    fn get(&self, number: u32) -> Option<&T> {
        self.values.get(number as usize).map(AsRef::as_ref)
    }

    fn number_of(&mut self, value: Arc<T>) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let new = number(self.values.len());
        self.values.push(Arc::clone(&value));
        self.numbers.insert(value, new);
        new
    }
}

impl<T: Eq + Hash> Interner<T> {
    fn number(&mut self, value: T) -> u32
    where
        Arc<T>: Borrow<T>,
    {
        match self.numbers.get(&value) {
            Some(number) => *number,
            None => self.number_of(Arc::new(value)),
        }
    }
}

impl Interner<str> {
    fn number_of_text(&mut self, text: &str) -> u32 {
        match self.numbers.get(text) {
            Some(number) => *number,
            None => self.number_of(text.into()),
        }
    }
}

/// Memory ends long before there are more.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
