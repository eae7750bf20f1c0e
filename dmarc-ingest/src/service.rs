//! Mailboxes into a dataset: once ([`Service::fetch`]), or for ever ([`Service::run`]).
//!
//! Each mailbox has a thread, for the protocol is spoken in blocking calls; the dataset is behind one lock, which is held
//! for a commit and not while mail is fetched or read. Whatever fails, a mailbox is dropped, and connected again after a
//! wait that grows: nothing of it is kept but in the dataset.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::dns::Resolver;
use crate::enrich::reverse_dns::look_up_many;
use crate::ingest::{IngestError, Observer, Received, Settings, acknowledge, ingest, lock};
use crate::source::SourceError;
use crate::source::imap::{Account, After, Backoff, ImapOptions, ImapSource, Setback, Wake};
use crate::store::{Committed, Compacted, Dataset, DatasetError};

/// How often a pass is tried that a broken connection ended.
const FETCH_TRIES: u32 = 3;
/// How long a connection waits for mail before it is used for another pass.
const IDLE: Duration = Duration::from_mins(25);
/// How many small segments of a month are merged once there are so many, see [`Dataset::compact`].
pub const SMALL_SEGMENTS: usize = 16;
/// When small segments are merged for the first time: a service that is restarted every day does it as well.
const FIRST_COMPACTION: Duration = Duration::from_mins(1);
/// How many hosts are looked up at a time, and how long that may take.
const HOSTS: usize = 256;
const HOSTS_TIME: Duration = Duration::from_secs(20);
/// How often it is looked for hosts that are not known.
const HOSTS_EVERY: Duration = Duration::from_secs(30);

/// A request to stop, which wakes whoever sleeps.
#[derive(Debug, Default)]
pub struct Stop {
    is_set: AtomicBool,
    gate: Mutex<()>,
    bell: Condvar,
}

impl Stop {
    /// Asks everybody to finish what is under way, and to stop.
    pub fn set(&self) {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_set.store(true, Ordering::Relaxed);
        self.bell.notify_all();
    }

    /// Whether it was asked.
    pub fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }

    /// Sleeps that long, or until it is asked to stop.
    pub fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.is_set() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            gate = self.bell.wait_timeout(gate, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Hears what happens to mailboxes, from several threads.
pub trait Listener: Sync {
    /// A mail was read and judged; it is not durable yet.
    fn mail(&self, mailbox: &str, mail: &Received<'_>);

    /// Something could not be read; the rest can.
    fn unreadable(&self, mailbox: &str, error: &SourceError);

    /// A delivery is durable.
    fn committed(&self, mailbox: &str, committed: &Committed);

    /// A pass over the mailbox came to its end.
    fn passed(&self, mailbox: &str);

    /// A pass failed; it is tried again after `wait`.
    fn failed(&self, mailbox: &str, error: &IngestError, wait: Duration);

    /// Segments were merged, or that failed.
    fn compacted(&self, compacted: &Result<Compacted, DatasetError>);

    /// So many hosts were looked up, and so many in vain.
    fn looked_up(&self, known: usize, in_vain: usize);
}

/// What one mailbox tells a listener.
struct Named<'a>(&'a str, &'a dyn Listener);

impl Observer for Named<'_> {
    fn mail(&mut self, mail: &Received<'_>) {
        self.1.mail(self.0, mail);
    }

    fn unreadable(&mut self, error: &SourceError) {
        self.1.unreadable(self.0, error);
    }

    fn committed(&mut self, committed: &Committed) {
        self.1.committed(self.0, committed);
    }
}

/// Why a service ends that nobody asked to stop.
enum End {
    Damage(DatasetError),
    Panic(Box<dyn Any + Send>),
}

/// Everything that mailboxes are read with.
#[derive(Debug)]
pub struct Service {
    /// The dataset.
    pub dataset: Mutex<Dataset>,
    /// What mail is judged by; whether it is acknowledged, each account says.
    pub settings: Settings,
    /// How mailboxes are read.
    pub options: ImapOptions,
    /// Who looks up the names of hosts; `None`: nobody.
    pub host_resolver: Option<std::sync::Arc<Resolver>>,
    /// How often small segments are merged.
    pub compact_every: Duration,
    /// When to stop.
    pub stop: Stop,
}

impl Service {
    /// Reads every account once, side by side. A connection that breaks is made again a few times.
    ///
    /// # Errors
    /// The first failure of each account that failed, with its name; the others were read to their end.
    pub fn fetch(&self, accounts: &[Account], listener: &dyn Listener) -> Vec<(String, IngestError)> {
        let failures = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for account in accounts {
                let failures = &failures;
                scope.spawn(move || {
                    if let Err(error) = self.fetch_one(account, listener) {
                        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                        failures.push((account.name.clone(), error));
                    }
                });
            }
        });
        let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        failures.sort_by(|a, b| a.0.cmp(&b.0));
        failures
    }

    fn fetch_one(&self, account: &Account, listener: &dyn Listener) -> Result<(), IngestError> {
        let mut backoff = Backoff::new();
        for _ in 1..FETCH_TRIES {
            match self.pass(account, listener) {
                Err(IngestError::Source(error))
                    if setback(&error) == Setback::Broken && !self.stop.is_set() =>
                {
                    let wait = backoff.failed(Setback::Broken);
                    listener.failed(&account.name, &error.into(), wait);
                    self.stop.sleep(wait);
                }
                done => return done,
            }
        }
        self.pass(account, listener)
    }

    fn pass(&self, account: &Account, listener: &dyn Listener) -> Result<(), IngestError> {
        let mut source = self.connect(account)?;
        self.read(&mut source, account, listener)?;
        source.close();
        Ok(())
    }

    /// Reads all accounts until it is asked to stop, and cares for the dataset meanwhile.
    ///
    /// # Errors
    /// [`DatasetError`] if the dataset is damaged. Whatever else fails is tried again.
    ///
    /// # Panics
    /// A panic in one of the threads stops the others, and goes on here once they are done: better than a mailbox that nobody
    /// reads beside others that are read.
    pub fn run(&self, accounts: &[Account], listener: &dyn Listener) -> Result<(), DatasetError> {
        let end = Mutex::new(None);
        thread::scope(|scope| {
            let end = &end;
            scope.spawn(|| {
                self.until_the_end(end, || {
                    self.compact_now_and_then(listener);
                    Ok(())
                });
            });
            scope.spawn(|| {
                self.until_the_end(end, || {
                    self.look_up_now_and_then(listener);
                    Ok(())
                });
            });
            for account in accounts {
                scope.spawn(move || self.until_the_end(end, || self.watch(account, listener)));
            }
        });
        match end.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(End::Damage(error)) => Err(error),
            Some(End::Panic(panic)) => resume_unwind(panic),
        }
    }

    /// Runs `work`; if it does not end well, all others are asked to stop. The first end of that kind is kept in `end`.
    fn until_the_end(&self, end: &Mutex<Option<End>>, work: impl FnOnce() -> Result<(), DatasetError>) {
        let bad = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => End::Damage(error),
            Err(panic) => End::Panic(panic),
        };
        end.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(bad);
        self.stop.set();
    }

    /// Reads one account until it is asked to stop.
    fn watch(&self, account: &Account, listener: &dyn Listener) -> Result<(), DatasetError> {
        let mut backoff = Backoff::new();
        while !self.stop.is_set() {
            let error = match self.watch_connected(account, listener, &mut backoff) {
                Ok(()) => return Ok(()),
                Err(IngestError::Dataset(error)) if error.is_damage() => return Err(error),
                Err(error) => error,
            };
            let setback = match &error {
                IngestError::Source(error) => setback(error),
                IngestError::Dataset(_) => Setback::Broken,
            };
            let wait = backoff.failed(setback);
            listener.failed(&account.name, &error, wait);
            self.stop.sleep(wait);
        }
        Ok(())
    }

    /// Pass after pass on one connection, as long as it holds.
    fn watch_connected(
        &self,
        account: &Account,
        listener: &dyn Listener,
        backoff: &mut Backoff,
    ) -> Result<(), IngestError> {
        let mut source = self.connect(account)?;
        loop {
            self.read(&mut source, account, listener)?;
            if self.stop.is_set() {
                break;
            }
            backoff.succeeded();
            listener.passed(&account.name);
            if source.wait(IDLE, &self.stop.is_set)? == Wake::Stopped {
                break;
            }
        }
        source.close();
        Ok(())
    }

    fn connect(&self, account: &Account) -> Result<ImapSource, IngestError> {
        let mut cursors = Vec::new();
        for folder in &account.folders {
            cursors.extend(lock(&self.dataset).cursor(&account.name, folder)?);
        }
        let resume = |folder: &str| cursors.iter().find(|cursor| cursor.folder == folder).cloned();
        Ok(ImapSource::connect(account, &resume, self.options.clone())?)
    }

    /// One pass: first what is durable and was not acknowledged, then what is new.
    fn read(
        &self,
        source: &mut ImapSource,
        account: &Account,
        listener: &dyn Listener,
    ) -> Result<(), IngestError> {
        let is_acknowledged = account.after != After::Keep && !self.options.dry_run;
        let mut named = Named(&account.name, listener);
        if is_acknowledged {
            let pending = lock(&self.dataset).pending(&account.name)?;
            acknowledge(pending, source, &self.dataset, &mut named)?;
        }
        let settings = Settings { acknowledge: is_acknowledged, ..self.settings.clone() };
        ingest(source, &self.dataset, &settings, &mut named, &self.stop.is_set)
    }

    fn compact_now_and_then(&self, listener: &dyn Listener) {
        self.stop.sleep(FIRST_COMPACTION.min(self.compact_every));
        while !self.stop.is_set() {
            listener.compacted(&self.compact());
            self.stop.sleep(self.compact_every);
        }
    }

    /// Merges small segments. Mail is taken in between two merges, and whoever asks to stop waits for one at most.
    ///
    /// # Errors
    /// See [`Dataset::compact`].
    pub fn compact(&self) -> Result<Compacted, DatasetError> {
        let before = lock(&self.dataset).totals()?.segments;
        while !self.stop.is_set() && lock(&self.dataset).compact_some(SMALL_SEGMENTS)? {
            thread::yield_now();
        }
        Ok(Compacted { before, after: lock(&self.dataset).totals()?.segments })
    }

    fn look_up_now_and_then(&self, listener: &dyn Listener) {
        while self.host_resolver.is_some() && !self.stop.is_set() {
            self.stop.sleep(HOSTS_EVERY);
            while !self.stop.is_set() && self.look_up_some(listener).is_ok_and(|known| known > 0) {}
        }
    }

    /// Looks up hosts of reports of which nothing is known, some at a time, while it takes less than `budget`; the mail that
    /// named them is durable already. How many hosts are known now is said to `listener`.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn look_up_hosts(&self, listener: &dyn Listener, budget: Duration) -> Result<(), DatasetError> {
        let until = Instant::now() + budget;
        while Instant::now() < until && self.look_up_some(listener)? > 0 {}
        Ok(())
    }

    /// How many became known.
    fn look_up_some(&self, listener: &dyn Listener) -> Result<usize, DatasetError> {
        let Some(resolver) = &self.host_resolver else { return Ok(0) };
        let hosts = lock(&self.dataset).unknown_hosts(HOSTS)?;
        if hosts.is_empty() {
            return Ok(0);
        }
        let found = look_up_many(resolver, hosts, HOSTS_TIME);
        let in_vain: Vec<_> = found.unknown.iter().map(|(ip, _)| *ip).collect();
        lock(&self.dataset).note_hosts(&found.hosts, &in_vain)?;
        listener.looked_up(found.hosts.len(), in_vain.len());
        Ok(found.hosts.len())
    }
}

/// How long to leave a server alone after this.
fn setback(error: &SourceError) -> Setback {
    match error {
        SourceError::Imap(error) if error.fault.is_login_refused() => Setback::LoginRefused,
        _ => Setback::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wakes_whoever_sleeps_when_it_is_to_stop() {
        let stop = Stop::default();
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| stop.sleep(Duration::from_hours(1)));
            stop.set();
            sleeper.join().unwrap();
        });
        stop.sleep(Duration::from_hours(1));
    }

    /// Stops at a bug where a mailbox of this name cannot be reached.
    struct Stumbles(&'static str);

    impl Listener for Stumbles {
        fn mail(&self, _: &str, _: &Received<'_>) {}
        fn unreadable(&self, _: &str, _: &SourceError) {}
        fn committed(&self, _: &str, _: &Committed) {}
        fn passed(&self, _: &str) {}
        fn failed(&self, mailbox: &str, _: &IngestError, _: Duration) {
            assert_ne!(mailbox, self.0, "a bug");
        }
        fn compacted(&self, _: &Result<Compacted, DatasetError>) {}
        fn looked_up(&self, _: usize, _: usize) {}
    }

    /// A mailbox on a port that nothing listens on.
    fn unreachable(name: &str) -> Account {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Account {
            name: name.to_owned(),
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            tls: crate::source::imap::Tls::None,
            ca_file: None,
            user: "dmarc".to_owned(),
            login: crate::source::imap::Login::Password(crate::secret::Secret::File("gone".into())),
            folders: vec!["INBOX".to_owned()],
            after: After::Keep,
            timeout: Duration::from_secs(5),
            poll: Duration::from_mins(1),
        }
    }

    #[test]
    fn ends_as_a_whole_if_one_mailbox_stops_at_a_bug() {
        let folder = tempfile::tempdir().unwrap();
        let service = Service {
            dataset: Mutex::new(Dataset::open(folder.path()).unwrap()),
            settings: Settings::default(),
            options: ImapOptions::default(),
            host_resolver: None,
            compact_every: Duration::from_hours(1),
            stop: Stop::default(),
        };
        let (ended, hears) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let accounts = [unreachable("good"), unreachable("bad")];
            let run = AssertUnwindSafe(|| service.run(&accounts, &Stumbles("bad")));
            ended.send(catch_unwind(run).is_err()).unwrap();
        });
        assert_eq!(hears.recv_timeout(Duration::from_secs(30)), Ok(true), "a panic, and an end");
    }
}
