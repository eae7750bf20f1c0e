//! The order in which mail becomes durable:
//!
//! 1. rows and bytes that are kept aside are written to `staging` and synced;
//! 2. one transaction of the ledger says that they count, and how far the mailbox is read;
//! 3. the files are moved to their places;
//! 4. the mail is acknowledged, by whoever called [`Dataset::commit`].
//!
//! A crash before the transaction leaves files that nobody knows, and mail that is read again. A crash behind it leaves files
//! that [`publish`](super::publish) moves, and mail that is recognised by its content and acknowledged then.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dmarc_core::identity::{ContentHash, Identity};
use dmarc_core::{MessageInfo, Quirks, Report};
use sha2::{Digest, Sha256};

use super::Dataset;
use super::error::DatasetError;
use super::fault;
use super::layout::{Partition, hex, sync_folder, write_durably};
use super::ledger::{Segment, Version};
use super::record::Writer;
use super::rows::{self, Addition, Size};
use super::segment;
use crate::receive::{Arrival, Part, PartFound};
use crate::source::{Cursor, Place};
use crate::verdict::{Rank, Verdict};

/// Mail that becomes durable together, or not at all.
#[derive(Debug, Default)]
pub struct Delivery {
    pub(crate) arrivals: Vec<Arrival>,
    /// How many mails were taken in before.
    pub(crate) known: u64,
    /// Those of them that are in a mailbox, with the hash of their content.
    pub(crate) known_places: Vec<(Place, [u8; 32])>,
    /// How far a mailbox is read then.
    pub(crate) cursor: Option<Cursor>,
    /// Whether the mails of a mailbox are to be acknowledged.
    pub(crate) acknowledge: bool,
    /// Whether mails that are known already are judged anew.
    pub(crate) again: bool,
}

impl Committed {
    /// Takes over what another commit did, but for its places.
    pub fn add(&mut self, other: &Self) {
        self.mails += other.mails;
        self.known += other.known;
        self.reports += other.reports;
        self.rows += other.rows;
        self.duplicates += other.duplicates;
        self.conflicts += other.conflicts;
        self.untrusted += other.untrusted;
        self.refused += other.refused;
        self.not_reports += other.not_reports;
        self.kept += other.kept;
        self.dataset = other.dataset;
        self.took += other.took;
    }
}

impl Delivery {
    /// Whether nothing is in it and nothing moves on.
    pub(crate) fn is_empty(&self) -> bool {
        self.arrivals.is_empty() && self.known == 0 && self.cursor.is_none()
    }

    /// Whether a mail with this content is in it.
    pub(crate) fn has(&self, hash: &[u8; 32]) -> bool {
        self.arrivals.iter().any(|arrival| arrival.hash == *hash)
    }

    /// Takes in a mail that was taken in before.
    pub(crate) fn known(&mut self, place: Option<Place>, hash: [u8; 32]) {
        self.known += 1;
        self.known_places.extend(place.map(|place| (place, hash)));
    }
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// Mails that were new.
    pub mails: u64,
    /// Mails that were taken in before.
    pub known: u64,
    /// Reports that count now and did not before.
    pub reports: u64,
    /// Their rows.
    pub rows: u64,
    /// Copies of reports that were there.
    pub duplicates: u64,
    /// Reports that contradict another one.
    pub conflicts: u64,
    /// Reports that are not to be trusted.
    pub untrusted: u64,
    /// Parts that claim to be a report and gave none.
    pub refused: u64,
    /// Mails without a report.
    pub not_reports: u64,
    /// Mails and other files that are kept aside because of it.
    pub kept: u64,
    /// What the dataset has then.
    pub dataset: Totals,
    /// How long it took until it was durable.
    pub took: Duration,
    /// What may be acknowledged now.
    pub places: Vec<Place>,
}

/// What a dataset has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Segments.
    pub segments: u64,
    /// Their rows.
    pub rows: u64,
    /// Messages and TLS sessions in them.
    pub messages: u64,
}

/// What is to be done, decided before anything is written.
#[derive(Default)]
struct Plan {
    mails: Vec<Mail>,
    /// Of each arrival, the mail that it is, if it is judged anew.
    ids: Vec<Option<i64>>,
    /// Reports that the ledger has or gets, by identity.
    versions: HashMap<Identity, Vec<State>>,
    additions: Vec<Addition>,
    /// The hosts in them.
    hosts: BTreeSet<IpAddr>,
    /// Keys of reports whose rows go.
    removed: BTreeMap<Partition, BTreeSet<String>>,
    /// Of these, the reports that gave way to another: key, mail.
    displaced: Vec<(String, i64)>,
    kept: Vec<Kept>,
    committed: Committed,
}

/// A version of a report, and what changes about it.
pub(super) struct State {
    pub(super) version: Version,
    pub(super) was_active: bool,
    pub(super) had_trust: dmarc_core::record::Trust,
    pub(super) is_changed: bool,
    /// What it says, if a mail of this delivery brought it.
    pub(super) addition: Option<Addition>,
    pub(super) size: Size,
    /// The mail of this delivery that brought it first, if the ledger does not have it.
    pub(super) brought_by: Option<usize>,
    /// Whether that mail has its receipt: a second copy in it is a copy all the same.
    pub(super) is_told: bool,
}

/// A mail as the ledger gets it.
pub(super) struct Mail {
    pub(super) arrival: Arrival,
    pub(super) parts: Vec<PartRow>,
}

impl Mail {
    /// Whether nothing is lost if the mail is deleted: it brought something, and what could not be stored is kept aside.
    fn is_settled(&self) -> bool {
        self.arrival.bytes.is_some() && self.parts.iter().any(|row| row.outcome != "other")
    }
}

/// A part as the ledger gets it.
pub(super) struct PartRow {
    pub(super) part: String,
    pub(super) outcome: &'static str,
    pub(super) reason: Option<String>,
    /// Which version of which report it is.
    pub(super) report: Option<(Identity, String)>,
    pub(super) aside: Option<dmarc_core::findings::SetAside>,
    pub(super) rejected: u64,
    pub(super) quirks: String,
}

/// A file that is kept aside.
pub(super) struct Kept {
    pub(super) name: String,
    pub(super) mail: KeptFor,
    pub(super) bytes: u64,
    pub(super) hash: [u8; 32],
}

pub(super) enum KeptFor {
    Mail(usize),
    Id(i64),
}

/// What was written to `staging`.
#[derive(Default)]
pub(super) struct Staged {
    pub(super) added: BTreeMap<Partition, Vec<Segment>>,
    pub(super) removed: BTreeMap<Partition, Vec<String>>,
}

impl Staged {
    /// The partitions that change.
    pub(super) fn partitions(&self) -> BTreeSet<Partition> {
        self.added.keys().chain(self.removed.keys()).cloned().collect()
    }
}

impl Dataset {
    /// Makes a delivery durable. When it returns, the mails in [`Committed::places`] may be acknowledged, and never before.
    ///
    /// # Errors
    /// What the system says. Nothing of the delivery counts then, or all of it does: deliver it again.
    pub fn commit(&mut self, mut delivery: Delivery) -> Result<Committed, DatasetError> {
        let begun = Instant::now();
        self.settle()?;
        self.set_known_apart(&mut delivery)?;
        let mut plan = self.plan(&mut delivery)?;
        plan.take_mails(delivery.arrivals);
        let staged = self.stage(&mut plan)?;
        let staged_bytes = self.stage_kept(&mut plan)?;
        fault::point("staged");
        self.record(&plan, &staged, &delivery.known_places, delivery.cursor.as_ref(), delivery.acknowledge)?;
        fault::point("recorded");
        let partitions = staged.partitions();
        if staged_bytes || !partitions.is_empty() {
            self.publish(&partitions)?;
        }
        fault::point("published");
        plan.committed.known = delivery.known;
        plan.committed.kept = plan.kept.len() as u64;
        plan.committed.dataset = self.ledger.totals()?;
        plan.committed.took = begun.elapsed();
        if delivery.acknowledge {
            plan.committed.places = self.acknowledgeable(&plan, &delivery.known_places)?;
        }
        Ok(plan.committed)
    }

    /// Mails that somebody else took in since they were looked for.
    fn set_known_apart(&self, delivery: &mut Delivery) -> Result<(), DatasetError> {
        if delivery.again {
            return Ok(());
        }
        for arrival in std::mem::take(&mut delivery.arrivals) {
            if self.ledger.knows(&arrival.hash)? {
                delivery.known(arrival.place, arrival.hash);
            } else {
                delivery.arrivals.push(arrival);
            }
        }
        Ok(())
    }

    /// Decides what becomes of everything in a delivery.
    fn plan(&self, delivery: &mut Delivery) -> Result<Plan, DatasetError> {
        let mut plan = Plan::default();
        for (index, arrival) in delivery.arrivals.iter_mut().enumerate() {
            let id = if delivery.again { self.ledger.mail_id(&arrival.hash)? } else { None };
            plan.ids.push(id);
            for part in &mut arrival.parts {
                let PartFound::Report(verdict, _) = &mut part.found else { continue };
                if verdict.untrusted.is_none() {
                    let mail = (arrival.message.clone(), arrival.received);
                    self.place(&mut plan, index, mail, verdict)?;
                }
            }
        }
        plan.decide();
        Ok(plan)
    }

    /// Finds the versions of a report, and this one among them.
    fn place(
        &self,
        plan: &mut Plan,
        index: usize,
        (message, received): (Option<Arc<MessageInfo>>, Option<i64>),
        verdict: &mut Verdict,
    ) -> Result<(), DatasetError> {
        if !plan.versions.contains_key(&verdict.identity) {
            let known = self.ledger.versions(&verdict.identity)?;
            plan.versions.insert(verdict.identity.clone(), known.into_iter().map(State::known).collect());
        }
        let states = plan.versions.entry(verdict.identity.clone()).or_default();
        let Some(report) = verdict.report.take() else { return Ok(()) };
        let key = report_key(&verdict.identity, &verdict.rank.hash);
        let (partition, size) = (rows::partition(&report), Size::of(&report));
        let origin = verdict.aside.origin.clone();
        let trust = verdict.rank.trust();
        let known = states.iter().find(|state| state.version.key == key);
        let partition = known.map_or(partition, |state| state.version.partition.clone());
        let addition = Addition {
            key: key.clone(),
            partition: partition.clone(),
            report,
            origin,
            trust,
            message,
            received,
        };
        let rank = verdict.rank.clone();
        match states.iter_mut().find(|state| state.version.key == key) {
            None => states.push(State::new(key, rank, partition, size, addition, index)),
            Some(state) if rank < state.version.rank => {
                state.version.rank = rank;
                state.is_changed = true;
                state.addition = Some(addition);
            }
            // Of a report that does not count, nothing but a copy has the content.
            Some(state) if state.addition.is_none() && !state.was_active => state.addition = Some(addition),
            Some(_) => {}
        }
        Ok(())
    }

    /// Writes rows that are added, again those that stay where others of their file go, and what gives way to a better one.
    fn stage(&self, plan: &mut Plan) -> Result<Staged, DatasetError> {
        let staging = self.layout.staging();
        let mut staged = self.stage_without(&plan.removed)?;
        for (partition, additions) in rows::by_partition(std::mem::take(&mut plan.additions)) {
            let batches = rows::batches(&partition.kind, additions)
                .map_err(|error| DatasetError::rows(&staging, error))?;
            let segment = segment::write(&self.layout, &partition, batches.into_iter().map(Ok))?;
            staged.added.entry(partition).or_default().extend(segment);
        }
        let keys: BTreeSet<String> = plan.displaced.iter().map(|(key, _)| key.clone()).collect();
        let Some(mail) = plan.displaced.iter().map(|(_, mail)| *mail).min() else { return Ok(staged) };
        for (partition, names) in &staged.removed {
            for name in names {
                let rows = self.rewrite(partition, name, &keys, true)?;
                let kept = |rows: Segment| Kept {
                    name: rows.name,
                    mail: KeptFor::Id(mail),
                    bytes: rows.bytes,
                    hash: rows.hash,
                };
                plan.kept.extend(rows.map(kept));
            }
        }
        Ok(staged)
    }

    /// The rows of a published segment that belong to the reports `keys`, or do not, as a new segment.
    pub(super) fn rewrite(
        &self,
        partition: &Partition,
        name: &str,
        keys: &BTreeSet<String>,
        belong: bool,
    ) -> Result<Option<Segment>, DatasetError> {
        let path = self.layout.partition(partition).join(name);
        let batches =
            segment::open(&path, &partition.kind)?.map(|batch| segment::select(&path, &batch?, keys, belong));
        segment::write(&self.layout, partition, batches)
    }

    /// Writes the bytes of mails that are kept aside; says whether there are any.
    fn stage_kept(&self, plan: &mut Plan) -> Result<bool, DatasetError> {
        for (index, mail) in plan.mails.iter().enumerate() {
            let Some(bytes) = mail.arrival.bytes.as_deref().filter(|_| plan.is_kept(mail)) else { continue };
            let name = format!("{}.eml", hex(&mail.arrival.hash));
            write_durably(&self.layout.staging(), &name, bytes)?;
            fault::point("kept synced");
            let hash = mail.arrival.hash;
            plan.kept.push(Kept { name, mail: KeptFor::Mail(index), bytes: bytes.len() as u64, hash });
        }
        sync_folder(&self.layout.staging())?;
        Ok(!plan.kept.is_empty())
    }

    /// The transaction: from here on, it counts.
    fn record(
        &mut self,
        plan: &Plan,
        staged: &Staged,
        known: &[(Place, [u8; 32])],
        cursor: Option<&Cursor>,
        acknowledge: bool,
    ) -> Result<(), DatasetError> {
        let at = now();
        self.ledger.write(|transaction| {
            let write = Writer { transaction, at };
            let mut mails = Vec::new();
            for mail in &plan.mails {
                mails.push(write.mail(mail)?);
            }
            let mut reports = HashMap::new();
            for (identity, states) in &plan.versions {
                for state in states {
                    let id = write.report(identity, state, &mails)?;
                    reports.insert((identity, state.version.key.as_str()), id);
                }
            }
            for (mail, id) in plan.mails.iter().zip(&mails) {
                write.parts(*id, mail, &reports)?;
                if let Some(place) = mail.arrival.place.as_ref().filter(|_| acknowledge && mail.is_settled())
                {
                    write.pending(place, *id)?;
                }
            }
            write.segments(staged)?;
            write.hosts(&plan.hosts)?;
            for kept in &plan.kept {
                let id = match kept.mail {
                    KeptFor::Mail(index) => mails.get(index).copied().unwrap_or_default(),
                    KeptFor::Id(id) => id,
                };
                write.kept(kept, id)?;
            }
            for (place, hash) in known.iter().filter(|_| acknowledge) {
                write.pending_if_settled(place, hash)?;
            }
            cursor.map_or(Ok(()), |cursor| write.cursor(cursor))
        })
    }

    /// The places of a delivery that wait for their acknowledgement.
    fn acknowledgeable(&self, plan: &Plan, known: &[(Place, [u8; 32])]) -> Result<Vec<Place>, DatasetError> {
        let places = plan.mails.iter().filter_map(|mail| mail.arrival.place.as_ref());
        let places: BTreeSet<&Place> = places.chain(known.iter().map(|(place, _)| place)).collect();
        let mailboxes: BTreeSet<&str> = places.iter().map(|place| place.mailbox.as_str()).collect();
        let mut waiting = Vec::new();
        for mailbox in mailboxes {
            let pending = self.ledger.pending(mailbox)?;
            waiting.extend(pending.into_iter().filter(|place| places.contains(place)));
        }
        Ok(waiting)
    }
}

impl State {
    /// A version that the ledger does not have.
    fn new(
        key: String,
        rank: Rank,
        partition: Partition,
        size: Size,
        addition: Addition,
        brought_by: usize,
    ) -> Self {
        Self {
            had_trust: rank.trust(),
            version: Version { id: None, key, rank, active: false, is_erased: false, mail: None, partition },
            was_active: false,
            is_changed: true,
            addition: Some(addition),
            size,
            brought_by: Some(brought_by),
            is_told: false,
        }
    }

    fn known(version: Version) -> Self {
        Self {
            was_active: version.active,
            had_trust: version.rank.trust(),
            is_changed: false,
            addition: None,
            size: Size { rows: 0, messages: 0 },
            brought_by: None,
            is_told: false,
            version,
        }
    }
}

impl Plan {
    /// Decides which version of each report counts, and which rows come and go for that.
    fn decide(&mut self) {
        for states in self.versions.values_mut() {
            let best = states.iter().enumerate().min_by(|a, b| a.1.version.rank.cmp(&b.1.version.rank));
            let Some(best) = best.map(|(at, _)| at) else { continue };
            // What was to be forgotten stays so, also with another content.
            let is_erased = states.iter().any(|state| state.version.is_erased);
            for (at, state) in states.iter_mut().enumerate() {
                state.version.active = at == best;
                state.version.is_erased = is_erased && at == best;
                state.is_changed |= state.version.active != state.was_active;
                let trust_changed = state.version.rank.trust() != state.had_trust;
                let is_wanted = state.version.active && !state.version.is_erased;
                let is_added = is_wanted && (!state.was_active || trust_changed);
                if state.was_active && (is_added || !state.version.active) {
                    let keys = self.removed.entry(state.version.partition.clone()).or_default();
                    keys.insert(state.version.key.clone());
                }
                if state.was_active && !state.version.active {
                    self.displaced.push((state.version.key.clone(), state.version.mail.unwrap_or_default()));
                }
                if is_added {
                    self.committed.reports += u64::from(!state.was_active);
                    let addition = state.addition.take();
                    self.committed.rows += addition.as_ref().map_or(0, |add| Size::of(&add.report).rows);
                    self.hosts.extend(addition.iter().flat_map(|addition| hosts(&addition.report)));
                    self.additions.extend(addition);
                }
            }
        }
    }

    /// Takes the mails in, each part with its outcome.
    fn take_mails(&mut self, arrivals: Vec<Arrival>) {
        for (index, mut arrival) in arrivals.into_iter().enumerate() {
            let parts = std::mem::take(&mut arrival.parts);
            let id = self.ids.get(index).copied().flatten();
            let rows: Vec<PartRow> = parts.into_iter().map(|part| self.part_row(index, id, part)).collect();
            let is_report = rows.iter().any(|row| row.outcome != "other");
            self.committed.mails += 1;
            self.committed.not_reports += u64::from(!is_report);
            self.mails.push(Mail { arrival, parts: rows });
        }
    }

    fn part_row(&mut self, mail: usize, id: Option<i64>, part: Part) -> PartRow {
        let mut row = PartRow {
            part: part.part,
            outcome: "other",
            reason: None,
            report: None,
            aside: None,
            rejected: 0,
            quirks: "[]".to_owned(),
        };
        match part.found {
            PartFound::Refused(reason) => {
                (row.outcome, row.reason) = ("refused", Some(reason));
                self.committed.refused += 1;
            }
            PartFound::Other(what) => row.reason = Some(what),
            PartFound::Report(verdict, quirks) => {
                row.quirks = quirks_json(&quirks);
                row.rejected = verdict.rank.rejected;
                if let Some(reason) = verdict.untrusted {
                    (row.outcome, row.reason) = ("untrusted", Some(reason));
                    self.committed.untrusted += 1;
                } else {
                    let key = report_key(&verdict.identity, &verdict.rank.hash);
                    row.outcome = self.outcome(&verdict.identity, &key, mail, id);
                    row.report = Some((verdict.identity, key));
                }
                row.aside = Some(verdict.aside);
            }
        }
        row
    }

    /// The first mail with a report brought it; every other is a copy.
    fn outcome(&mut self, identity: &Identity, key: &str, mail: usize, id: Option<i64>) -> &'static str {
        let states = self.versions.get_mut(identity);
        let state = states.and_then(|states| states.iter_mut().find(|state| state.version.key == key));
        let own = state.filter(|state| {
            let is_own = state.brought_by == Some(mail) || (id.is_some() && state.version.mail == id);
            is_own && !state.is_told
        });
        let Some(state) = own else {
            self.committed.duplicates += 1;
            return "duplicate";
        };
        state.is_told = true;
        self.committed.conflicts += u64::from(!state.version.active);
        "report"
    }

    /// Whether the bytes of a mail are kept: something in it is in no segment and no copy of what is.
    fn is_kept(&self, mail: &Mail) -> bool {
        mail.parts.iter().any(|row| match row.outcome {
            "refused" | "untrusted" => true,
            "report" => row.rejected > 0 || self.is_inactive(row.report.as_ref()),
            _ => false,
        })
    }

    fn is_inactive(&self, report: Option<&(Identity, String)>) -> bool {
        let states = report.and_then(|(identity, key)| Some((self.versions.get(identity)?, key)));
        states.is_some_and(|(states, key)| {
            states.iter().any(|state| state.version.key == *key && !state.version.active)
        })
    }
}

/// The hosts that a report names.
fn hosts(report: &Report<'_>) -> Vec<IpAddr> {
    match report {
        Report::Aggregate(report) => {
            report.records.iter().filter_map(|record| record.row.source_ip).collect()
        }
        Report::Failure(report) => report.source_ip.into_iter().collect(),
        _ => Vec::new(),
    }
}

/// What ties rows to their report, the column `report_key`: made from identity and content, so that writers who know nothing
/// of each other agree.
pub fn report_key(identity: &Identity, hash: &ContentHash) -> String {
    let mut hasher = Sha256::new();
    for text in [identity.kind, &identity.reporter, &identity.policy_domain, &identity.report_id] {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.update(identity.begin.to_le_bytes());
    hasher.update(identity.end.to_le_bytes());
    hasher.update(hash.as_bytes());
    hex(hasher.finalize().get(..16).unwrap_or_default())
}

/// Deviations as JSON: `[["code", "detail", count], …]`.
fn quirks_json(quirks: &Quirks) -> String {
    let list =
        quirks.as_slice().iter().map(|quirk| (quirk.code.as_str(), quirk.detail.as_str(), quirk.count));
    serde_json::to_string(&list.collect::<Vec<_>>()).unwrap_or_else(|_| "[]".to_owned())
}

/// Seconds since the Unix epoch.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Settings;
    use crate::receive;
    use crate::source::{Content, Message};

    #[test]
    fn takes_a_mail_in_once_that_two_mailboxes_deliver_at_the_same_time() {
        let root = tempfile::tempdir().unwrap();
        let mut dataset = Dataset::open(root.path()).unwrap();
        // Both were read before either was durable.
        let delivery = |uid: u32| {
            let place = Place { mailbox: "rua".to_owned(), folder: "INBOX".to_owned(), uid_validity: 1, uid };
            let message = Message {
                source: "rua/INBOX/1".to_owned(),
                place: Some(place),
                received: None,
                content: Content::Bytes(b"<feedback><report_metadata/>".to_vec()),
            };
            let hash = receive::hash(&message);
            let arrivals = vec![receive::receive(message, hash, &Settings::default())];
            Delivery { arrivals, acknowledge: true, ..Delivery::default() }
        };
        let first = dataset.commit(delivery(1)).unwrap();
        assert_eq!((first.mails, first.refused, first.kept, first.places.len()), (1, 1, 1, 1));
        let second = dataset.commit(delivery(2)).unwrap();
        assert_eq!((second.mails, second.known, second.refused, second.places.len()), (0, 1, 0, 1));
        assert_eq!(dataset.reader().unwrap().quarantine().unwrap().len(), 1);
        assert_eq!(dataset.reader().unwrap().verify().unwrap().problems, []);
        // Whose content is kept nowhere any more is not to be deleted.
        let id = dataset.reader().unwrap().quarantine().unwrap().remove(0).id;
        assert!(dataset.drop_kept(&id).unwrap());
        assert_eq!(dataset.pending("rua").unwrap(), []);
        assert_eq!(dataset.commit(delivery(3)).unwrap().places, []);
    }
}
