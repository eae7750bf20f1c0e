//! The reports of a month about one domain: who is seen by whom on which day, as small rows, and then as rows of a segment.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Result;
use dmarc_core::arrow::Mail;
use dmarc_core::identity::{ContentHash, Identity};
use dmarc_core::model::aggregate::DateRange;
use dmarc_core::record::{FlatRecord, ReportFacts};
use dmarc_ingest::store::{LoadedReport, RowBuilder, Rows, report_key};
use sha2::{Digest as _, Sha256};

use crate::rng::{Rng, whole};
use crate::sight;
use crate::world::{
    Dialect, HostName, Kind, Owner, Reporter, SECOND_ROW, WEEKEND, World, presence, stray_host,
};

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;
/// The share of records of hosts that spoof for a few days.
const BURSTS: f64 = 0.04;

/// Hosts and their names.
type Names = Vec<(IpAddr, HostName)>;

/// Days that follow each other: numbers of days from the beginning of the world.
#[derive(Clone, Debug)]
pub(crate) struct Month {
    pub(crate) days: std::ops::Range<u32>,
    /// The first of all days, in seconds since the Unix epoch.
    pub(crate) first: i64,
}

/// A report with what the ledger wants to know of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stub {
    pub(crate) owner: u32,
    /// Number of the reporter in the world.
    pub(crate) reporter: u16,
    pub(crate) day: u32,
    pub(crate) rows: u64,
    pub(crate) messages: u64,
}

/// A row before it has its columns.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// Number of its address; in the order of their texts once they are sorted.
    ip: u32,
    /// Number of the report in the month.
    report: u32,
    kind: u16,
    variant: u8,
    count: u32,
}

/// What happens in a month to one domain.
pub(crate) struct Draft<'w> {
    world: &'w World,
    owner: Owner,
    month: Month,
    rng: Rng,
    rows: Vec<Row>,
    hosts: Vec<(IpAddr, HostName)>,
}

impl<'w> Draft<'w> {
    /// Lets a month happen.
    pub(crate) fn new(world: &'w World, index: u32, month: &Month) -> Self {
        let owner = world.owner(index);
        let rng = Rng::new(&[world.seed, 8, u64::from(index), u64::from(month.days.start)]);
        let mut draft = Self { world, owner, month: month.clone(), rng, rows: Vec::new(), hosts: Vec::new() };
        draft.recurring();
        let wanted = draft.owner.per_day * f64::from(month.days.end - month.days.start);
        draft.bursts(wanted * BURSTS);
        let whole = draft.rng.about(wanted);
        draft.tail(whole);
        draft
    }

    /// Hosts that are there every day, nearly.
    fn recurring(&mut self) {
        let streams = std::mem::take(&mut self.owner.streams);
        for stream in &streams {
            let ip = self.host(stream.ip, stream.name);
            for day in self.month.days.clone() {
                // The first of January 1970 was a Thursday.
                let weekday = (self.month.first / DAY + i64::from(day) + 3) % 7;
                let share = if weekday >= 5 { WEEKEND } else { 1.0 };
                for reporter in 0..self.owner.reporters.len() {
                    let size = self.owner.reporters.get(reporter).map_or(0.0, |(_, size)| *size);
                    if self.rng.chance(presence(stream.activity, size) * share) {
                        let count = self.rng.skewed((stream.volume * size).max(1.0), 2_000_000);
                        // Three in four rows of a host are alike.
                        let first = if self.rng.chance(0.25) { self.variant() } else { 0 };
                        self.row(ip, (day, reporter), stream.kind, first, count);
                        if self.rng.chance(SECOND_ROW) {
                            let count = self.rng.skewed(1.0, 10_000);
                            let second = (first + 1 + self.variant()) % 10;
                            self.row(ip, (day, reporter), stream.kind, second, count);
                        }
                    }
                }
            }
        }
        self.owner.streams = streams;
    }

    /// Hosts that spoof for some days.
    fn bursts(&mut self, mut rows: f64) {
        while rows >= 1.0 {
            let kind = match self.rng.below(10) {
                0..6 => self.owner.tail.spoof,
                6..9 => self.rng.pick(&self.owner.tail.spoof_with_own_spf.clone()),
                _ => self.owner.tail.replay,
            };
            let forged = HostName::Forged { domain: self.owner.index };
            let name = self.rng.pick(&[None, None, Some(forged), Some(HostName::Line { confirmed: true })]);
            let ip = stray_host(&mut self.rng);
            let ip = self.host(ip, name.unwrap_or(HostName::Nameless));
            let start = self.day();
            for day in start..self.month.days.end.min(start + 1 + self.below(6)) {
                for reporter in 0..self.owner.reporters.len() {
                    if rows >= 1.0 && self.rng.chance(0.7) {
                        let (variant, count) = (self.variant(), self.rng.skewed(4.0, 5_000));
                        self.row(ip, (day, reporter), kind, variant, count);
                        rows -= 1.0;
                    }
                }
            }
        }
    }

    /// Hosts that are seen once or twice, until there are `wanted` rows.
    fn tail(&mut self, wanted: u64) {
        let campaigns = [self.day(), self.day(), self.day()];
        let forwarders = self.owner.tail.forwarders.clone();
        let own_spf = self.owner.tail.spoof_with_own_spf.clone();
        while (self.rows.len() as u64) < wanted {
            let (kind, day) = match self.rng.below(20) {
                0..6 => (self.owner.tail.botnet, self.rng.pick(&campaigns)),
                6..10 => (self.owner.tail.botnet, self.day()),
                10..17 => (self.rng.pick(&forwarders), self.day()),
                _ => (self.rng.pick(&own_spf), self.day()),
            };
            let name = match self.rng.below(20) {
                0..14 => HostName::Nameless,
                14..18 => HostName::Line { confirmed: false },
                _ => HostName::Line { confirmed: true },
            };
            let ip = stray_host(&mut self.rng);
            let ip = self.host(ip, name);
            for _ in 0..self.rng.pick(&[1, 1, 1, 1, 1, 2, 2, 2, 3, 3]) {
                let day = (day + self.below(3)).min(self.month.days.end - 1);
                let (reporter, variant) = (self.some_reporter(), self.variant());
                let count = self.rng.skewed(0.8, 200);
                self.row(ip, (day, reporter), kind, variant, count);
            }
        }
    }

    fn host(&mut self, ip: IpAddr, name: HostName) -> u32 {
        self.hosts.push((ip, name));
        u32::try_from(self.hosts.len() - 1).unwrap_or_default()
    }

    fn row(&mut self, ip: u32, (day, reporter): (u32, usize), kind: u16, variant: u8, count: u32) {
        let report = (day - self.month.days.start) as usize * self.owner.reporters.len() + reporter;
        self.rows.push(Row { ip, report: u32::try_from(report).unwrap_or_default(), kind, variant, count });
    }

    fn day(&mut self) -> u32 {
        self.month.days.start + self.below(self.month.days.end - self.month.days.start)
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.rng.below(u64::from(end))).unwrap_or_default()
    }

    fn variant(&mut self) -> u8 {
        u8::try_from(self.rng.below(10)).unwrap_or_default()
    }

    /// One of the reporters, the large ones more often.
    fn some_reporter(&mut self) -> usize {
        let count = self.owner.reporters.len();
        let at = whole(self.rng.unit().powi(2) * f64::from(u32::try_from(count).unwrap_or_default()));
        (at as usize).min(count.saturating_sub(1))
    }

    /// Turns the rows into those of a segment, and says what reports and hosts there are.
    pub(crate) fn write(
        mut self,
        builder: &mut RowBuilder,
        mut done: impl FnMut(Rows),
    ) -> Result<(Vec<Stub>, Names)> {
        let reports = self.reports()?;
        self.sort_hosts();
        let keys = ranks(reports.iter().map(|report| report.key.as_str()));
        let rank = |row: &Row| keys.get(row.report as usize).copied().unwrap_or_default();
        self.rows.sort_unstable_by_key(|row| (row.ip, rank(row), row.kind, row.variant, row.count));
        let mut stubs: Vec<Stub> = reports.iter().map(|report| report.stub).collect();
        let mut seen = Vec::new();
        let mut records: HashMap<(u16, u8, u16, bool), FlatRecord> = HashMap::new();
        for row in &self.rows {
            let at = row.report as usize;
            let (Some(report), Some(stub)) = (reports.get(at), stubs.get_mut(at)) else { continue };
            stub.rows += 1;
            stub.messages += u64::from(row.count);
            let Some(kind) = self.owner.kinds.get(usize::from(row.kind)) else { continue };
            let is_late = matches!(kind, Kind::Broken { from_day } if stub.day >= *from_day);
            let Some(reporter) = self.world.reporters.get(usize::from(stub.reporter)) else { continue };
            let key = (row.kind, kind.variant(row.variant), writer(stub.reporter, reporter.dialect), is_late);
            let record = match records.entry(key) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    entry.insert(sight::record(&self.owner, reporter, kind, row.variant, stub.day)?)
                }
            };
            let Some(host) = self.hosts.get(row.ip as usize) else { continue };
            if seen.last() != Some(host) {
                seen.push(*host);
            }
            record.report = Arc::clone(&report.facts);
            record.source_ip = Some(host.0);
            record.message_count = u64::from(row.count);
            builder.push(record, &report.mail(), &report.key)?.map(&mut done);
        }
        stubs.retain(|stub| stub.rows > 0);
        Ok((stubs, seen))
    }

    /// Puts addresses in the order of their texts, and each one there once.
    fn sort_hosts(&mut self) {
        let texts: Vec<String> = self.hosts.iter().map(|(ip, _)| ip.to_string()).collect();
        let ranks = ranks(texts.iter().map(String::as_str));
        let mut sorted = vec![(IpAddr::from([0; 4]), HostName::Nameless); self.hosts.len()];
        for (host, rank) in self.hosts.iter().zip(&ranks) {
            sorted.get_mut(*rank as usize).iter_mut().for_each(|place| **place = *host);
        }
        for row in &mut self.rows {
            row.ip = ranks.get(row.ip as usize).copied().unwrap_or_default();
        }
        self.hosts = sorted;
    }

    /// All reports that there may be: of each day and each reporter.
    fn reports(&self) -> Result<Vec<Written>> {
        let mut bases = Vec::new();
        for (number, _) in &self.owner.reporters {
            let Some(reporter) = self.world.reporters.get(*number) else { continue };
            bases.push((*number, reporter, sight::facts(&self.owner, reporter)?));
        }
        let mut reports = Vec::new();
        for day in self.month.days.clone() {
            for (number, reporter, (facts, identity)) in &bases {
                let stub = Stub {
                    owner: self.owner.index,
                    reporter: u16::try_from(*number).unwrap_or_default(),
                    day,
                    rows: 0,
                    messages: 0,
                };
                reports.push(Written::new(self.world, self.month.first, stub, reporter, (facts, identity)));
            }
        }
        Ok(reports)
    }
}

/// Reporters with the same number here write the same records: only one dialect names the reporter in them.
fn writer(reporter: u16, dialect: Dialect) -> u16 {
    if dialect == Dialect::Cloud { reporter } else { 1_000 + dialect as u16 }
}

/// The place of each text among all, from 0; the same texts have the same.
fn ranks<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<u32> {
    let mut sorted: Vec<(&str, usize)> = texts.enumerate().map(|(at, text)| (text, at)).collect();
    sorted.sort_unstable();
    let mut ranks = vec![0; sorted.len()];
    let mut rank = 0;
    let mut last = "";
    for (text, at) in sorted {
        if text != last {
            (last, rank) = (text, rank + 1);
        }
        ranks.get_mut(at).iter_mut().for_each(|place| **place = rank - 1);
    }
    ranks
}

/// A report, as a mail brought it.
struct Written {
    stub: Stub,
    facts: Arc<ReportFacts>,
    identity: Identity,
    content: ContentHash,
    key: String,
    from_domain: String,
    message_id: String,
    date: i64,
    source: String,
    part: String,
    mail_hash: [u8; 32],
}

impl Written {
    fn new(
        world: &World,
        first: i64,
        stub: Stub,
        reporter: &Reporter,
        (facts, identity): (&Arc<ReportFacts>, &Identity),
    ) -> Self {
        let begin = first + i64::from(stub.day) * DAY;
        let end = begin + DAY - 1;
        let seed = [world.seed, 9, u64::from(stub.owner), u64::from(stub.reporter), u64::from(stub.day)];
        let mut rng = Rng::new(&seed);
        let domain = &facts.policy_domain;
        let report_id = match reporter.dialect {
            Dialect::Big => rng.bits().to_string(),
            Dialect::Cloud => format!("{:016x}{:016x}", rng.bits(), rng.bits()),
            Dialect::Old => format!("{domain}:{begin}"),
            _ => format!("{begin}.{}@{}", rng.below(10_000_000), reporter.name),
        };
        let date = end + 1 + i64::try_from(rng.below(30_000)).unwrap_or_default();
        let source = format!("new/{date}.M{:06}P{}.rua", rng.below(1_000_000), rng.below(40_000));
        let part = format!("2 {}!{domain}!{begin}!{end}.xml.gz", reporter.name);
        let mut identity = identity.clone();
        identity.report_id.clone_from(&report_id);
        (identity.begin, identity.end) = (begin, end);
        // It stands for the content, which follows from the same numbers.
        let content = ContentHash::from(hash(&[b"content", &bytes(&seed)]));
        let key = report_key(&identity, &content);
        let mut facts = ReportFacts::clone(facts);
        facts.origin = format!("{source} {part}");
        facts.report_id = report_id;
        facts.period = DateRange::new(begin, end);
        Self {
            stub,
            key,
            content,
            from_domain: reporter.name.clone(),
            message_id: format!("{:020x}@{}", rng.bits(), reporter.name),
            date,
            mail_hash: hash(&[b"mail", &bytes(&seed)]),
            source,
            part,
            facts: Arc::new(facts),
            identity,
        }
    }

    fn mail(&self) -> Mail<'_> {
        let mut mail = Mail::default();
        mail.from_domain = Some(&self.from_domain);
        mail.message_id = Some(&self.message_id);
        mail.date = Some(self.date);
        mail
    }

    fn loaded(self) -> LoadedReport {
        LoadedReport {
            content: self.content,
            trust: self.facts.trust,
            rows: self.stub.rows,
            messages: self.stub.messages,
            mail_hash: self.mail_hash,
            mail_bytes: 1_900 + self.stub.rows * 25,
            source: self.source,
            part: self.part,
            from_domain: self.from_domain,
            message_id: self.message_id,
            date: self.date,
            identity: self.identity,
        }
    }
}

/// The reports of stubs, once more, as the ledger gets them.
pub(crate) struct Reports<'w> {
    world: &'w World,
    first: i64,
    stubs: std::vec::IntoIter<Stub>,
    /// Those of the last domain, by reporter.
    owner: Option<Owner>,
    bases: HashMap<u16, (Arc<ReportFacts>, Identity)>,
}

impl<'w> Reports<'w> {
    pub(crate) fn new(world: &'w World, first: i64, stubs: Vec<Stub>) -> Self {
        Self { world, first, stubs: stubs.into_iter(), owner: None, bases: HashMap::new() }
    }
}

impl Iterator for Reports<'_> {
    type Item = LoadedReport;

    fn next(&mut self) -> Option<LoadedReport> {
        let stub = self.stubs.next()?;
        if self.owner.as_ref().is_none_or(|owner| owner.index != stub.owner) {
            self.owner = Some(self.world.owner(stub.owner));
            self.bases.clear();
        }
        let (owner, reporter) = (self.owner.as_ref()?, self.world.reporters.get(usize::from(stub.reporter))?);
        let base = match self.bases.entry(stub.reporter) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(sight::facts(owner, reporter).ok()?),
        };
        Some(Written::new(self.world, self.first, stub, reporter, (&base.0, &base.1)).loaded())
    }
}

fn bytes(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Sha256::new(), Sha256::chain_update).finalize().into()
}
