//! Questions to DNS that cost a bounded time and a bounded memory, for threads that are not async.
//!
//! Ingestion must go on while DNS is slow, broken or under the control of whoever wrote the mail. So every question has
//! a deadline, only so many are under way at once, and a server that stays silent is left alone for a while:
//!
//! - [`DnsOptions::patience`] questions in a row without an answer suspend asking for [`DnsOptions::pause`]. Meanwhile
//!   the answer is [`Unknown`](Answer::Unknown) at once. Whether the *server* is silent or only that of the names asked
//!   for (a sender can arrange that) is found out by asking for the name servers of the root, which every resolver
//!   knows: if that is answered, nothing is suspended.
//! - An error code (SERVFAIL, REFUSED) is an answer of the server and suspends nothing.
//! - Text records below an organizational domain whose servers were silent are not asked for again during such a pause,
//!   so that a thousand mails of a sender with dead servers cost the time of one.
//!
//! *Not supported:* DNSSEC validation (a validating resolver answers SERVFAIL for what is forged), DNS over TLS or
//! HTTPS, the hosts file, search lists: names are absolute.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use dmarc_core::Domain;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The most records of one answer that are looked at.
const MAX_RECORDS: usize = 64;
/// The longest that an answer is kept, whatever its time to live.
const MAX_KEPT: Duration = Duration::from_hours(1);
/// The longest that the absence of a name is kept.
const MAX_ABSENCE_KEPT: Duration = Duration::from_mins(5);
/// The most that [`DnsOptions::timeout`] can be.
const MAX_TIMEOUT: Duration = Duration::from_mins(1);
/// The most that [`DnsOptions::pause`] can be.
const MAX_PAUSE: Duration = Duration::from_hours(1);
/// How many silent organizational domains are remembered.
const MAX_SILENT_DOMAINS: usize = 1024;

/// Whom to ask, and how much that may cost.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct DnsOptions {
    /// The servers to ask, with ports, over UDP and, for long answers, TCP. Default: none, which means those that the
    /// system is configured with.
    pub servers: Vec<SocketAddr>,
    /// How long one question may take, its repetition included; a minute at most. Default: 3 seconds.
    pub timeout: Duration,
    /// How many questions may be under way at once. Default: 32.
    pub concurrency: usize,
    /// How many answers are kept for their time to live, an hour at most. An answer has up to 64 KiB, most have less
    /// than one. Default: 1024.
    pub kept_answers: u64,
    /// How many questions in a row may stay without an answer before asking is suspended. Default: 5.
    pub patience: u32,
    /// How long asking is then suspended; an hour at most. Default: 30 seconds.
    pub pause: Duration,
}

impl Default for DnsOptions {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(3),
            concurrency: 32,
            kept_answers: 1024,
            patience: 5,
            pause: Duration::from_secs(30),
        }
    }
}

/// Why a resolver cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolverError {
    /// The configuration of the system (`/etc/resolv.conf`) cannot be used.
    #[error("the DNS servers of the system cannot be found out")]
    System(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The system gives no threads.
    #[error("the DNS client cannot be started")]
    Start(#[source] std::io::Error),
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Answer<T> {
    /// The records, at least one.
    Found(Vec<T>),
    /// There is no such name, or it has no record of this kind: a fact.
    Absent,
    /// It is not known, and asking again later may help.
    Unknown(Trouble),
}

/// Why an answer is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// The server did not answer in time.
    #[error("DNS did not answer in time")]
    TimedOut,
    /// No server could be reached.
    #[error("no DNS server can be reached")]
    Unreachable,
    /// The server answered with an error code, such as SERVFAIL.
    #[error("the DNS server answered {0:?}")]
    Server(&'static str),
    /// The answer could not be understood.
    #[error("the answer of the DNS server cannot be understood")]
    Garbled,
    /// DNS did not answer lately and was not asked.
    #[error("DNS did not answer lately and was not asked again")]
    Suspended,
    /// Other questions took all the time.
    #[error("there was no time left to ask DNS")]
    NoTime,
    /// The text is no name that DNS could hold.
    #[error("this is no name that DNS can hold")]
    NotAName,
}

/// Asks DNS. Every call blocks the calling thread, for a bounded time.
///
/// It has one thread of its own; share it by reference or in an [`Arc`].
#[derive(Debug)]
pub struct Resolver {
    client: Arc<Client>,
    /// Invariant: there until the drop.
    runtime: Option<Runtime>,
}

impl Resolver {
    /// A resolver; asks nothing yet.
    ///
    /// # Errors
    /// - [`ResolverError::System`] if `options` names no server and the system does not either.
    /// - [`ResolverError::Start`] if the system gives no thread.
    pub fn new(options: &DnsOptions) -> Result<Self, ResolverError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("dns")
            .enable_all()
            .build()
            .map_err(ResolverError::Start)?;
        let client = Arc::new(Client::new(options)?);
        Ok(Self { client, runtime: Some(runtime) })
    }

    /// The text records of `name`, the strings of each record joined.
    pub fn txt(&self, name: &str) -> Answer<Vec<u8>> {
        let (client, name) = (Arc::clone(&self.client), name.to_owned());
        self.run(async move { client.txt(&name).await })
    }

    /// The text records of several names at once, in their order.
    pub fn txt_many(&self, names: Vec<String>) -> Vec<Answer<Vec<u8>>> {
        let ask = |name: String| {
            let client = Arc::clone(&self.client);
            self.start(async move { client.txt(&name).await })
        };
        let waiting: Vec<_> = names.into_iter().map(ask).collect();
        let until = Instant::now() + self.longest();
        waiting.into_iter().map(|answer| received(&answer, until)).collect()
    }

    /// The names of an address (RFC 1035, Section 3.5) that are host names, in normal form. Names that hold other bytes
    /// are passed over.
    pub fn names_of(&self, address: IpAddr) -> Answer<String> {
        let client = Arc::clone(&self.client);
        self.run(async move { client.names_of(address).await })
    }

    /// The longest that one question takes: waiting for its turn, for an answer, and to find out whether anything is
    /// answered.
    pub(crate) fn longest(&self) -> Duration {
        self.client.timeout.saturating_mul(3).saturating_add(Duration::from_secs(1))
    }

    /// What asks, for tasks of this resolver's own runtime.
    pub(crate) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }

    /// Starts a task; its result can be waited for. A task that panics, or that has no runtime, closes the channel.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> mpsc::Receiver<T> {
        let (send, receive) = mpsc::sync_channel(1);
        if let Some(runtime) = &self.runtime {
            // Whoever asked may have stopped waiting.
            drop(runtime.spawn(async move { send.send(task.await).unwrap_or_default() }));
        }
        receive
    }

    fn run<T: Send + 'static>(&self, task: impl Future<Output = Answer<T>> + Send + 'static) -> Answer<T> {
        let until = Instant::now() + self.longest();
        received(&self.start(task), until)
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The last net against a runtime that hangs: nothing waits longer than `until`.
fn received<T>(answer: &mpsc::Receiver<Answer<T>>, until: Instant) -> Answer<T> {
    let left = until.saturating_duration_since(Instant::now());
    answer.recv_timeout(left).unwrap_or(Answer::Unknown(Trouble::NoTime))
}

/// The async side.
#[derive(Debug)]
pub(crate) struct Client {
    dns: TokioResolver,
    slots: Semaphore,
    /// How many slots there are.
    concurrency: usize,
    timeout: Duration,
    breaker: Mutex<Breaker>,
    silent_domains: Mutex<SilentDomains>,
    patience: u32,
    pause: Duration,
}

/// Whether the server is answering.
#[derive(Debug, Default)]
struct Breaker {
    /// Questions since the last answer.
    silent: u32,
    /// Nothing is asked until then.
    suspended_until: Option<Instant>,
}

/// Organizational domains whose servers were silent, and until when they are left alone.
#[derive(Debug, Default)]
struct SilentDomains(HashMap<String, Instant>);

impl SilentDomains {
    fn holds(&self, domain: &str) -> bool {
        self.0.get(domain).is_some_and(|&until| Instant::now() < until)
    }

    /// Adds one where there is room; the others then cost their time.
    fn add(&mut self, domain: &str, pause: Duration) {
        let now = Instant::now();
        if self.0.len() >= MAX_SILENT_DOMAINS {
            self.0.retain(|_, &mut until| now < until);
        }
        if self.0.len() < MAX_SILENT_DOMAINS {
            self.0.insert(domain.to_owned(), now + pause);
        }
    }
}

/// Whether a question may be asked.
enum Leave {
    Ask,
    /// The pause is over: find out first whether the server answers again. Nobody else gets this leave meanwhile.
    Probe,
    Suspended,
}

impl Client {
    fn new(options: &DnsOptions) -> Result<Self, ResolverError> {
        let concurrency = options.concurrency.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self {
            dns: client(options).map_err(|error| ResolverError::System(Box::new(error)))?,
            slots: Semaphore::new(concurrency),
            concurrency,
            timeout: options.timeout.min(MAX_TIMEOUT),
            breaker: Mutex::default(),
            silent_domains: Mutex::default(),
            patience: options.patience.max(1),
            pause: options.pause.min(MAX_PAUSE),
        })
    }

    pub(crate) async fn txt(&self, name: &str) -> Answer<Vec<u8>> {
        let text = |record: &RData| match record {
            RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        };
        let domain = Domain::new(name);
        if self.silent_domains().holds(domain.organizational()) {
            return Answer::Unknown(Trouble::Suspended);
        }
        let answer = self.records(host_name(name), RecordType::TXT, text).await;
        if matches!(answer, Answer::Unknown(Trouble::TimedOut)) {
            self.silent_domains().add(domain.organizational(), self.pause);
        }
        answer
    }

    /// See [`Resolver::names_of`].
    pub(crate) async fn names_of(&self, address: IpAddr) -> Answer<String> {
        let name = |record: &RData| match record {
            RData::PTR(name) => {
                let name = name.0.to_ascii();
                let name = Domain::new(name);
                name.is_host_name().then(|| name.as_str().to_owned())
            }
            _ => None,
        };
        self.records(Some(Name::from(address.to_canonical())), RecordType::PTR, name).await
    }

    /// The addresses of `name`, of the family of `like`.
    pub(crate) async fn addresses(&self, name: &str, like: IpAddr) -> Answer<IpAddr> {
        let kind = if like.is_ipv4() { RecordType::A } else { RecordType::AAAA };
        self.records(host_name(name), kind, RData::ip_addr).await
    }

    /// How many questions may be under way at once.
    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency
    }

    async fn records<T>(
        &self,
        name: Option<Name>,
        kind: RecordType,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Answer<T> {
        let Some(name) = name else { return Answer::Unknown(Trouble::NotAName) };
        let found: Vec<T> = match self.ask(name, kind).await {
            Ok(None) => return Answer::Absent,
            Ok(Some(lookup)) => {
                let records = lookup.answers().iter().take(MAX_RECORDS);
                records.filter_map(|record| pick(&record.data)).collect()
            }
            Err(trouble) => return Answer::Unknown(trouble),
        };
        if found.is_empty() { Answer::Absent } else { Answer::Found(found) }
    }

    async fn ask(&self, name: Name, kind: RecordType) -> Result<Option<Lookup>, Trouble> {
        let slot = timeout(self.timeout, self.slots.acquire()).await;
        let Ok(Ok(_slot)) = slot else { return Err(Trouble::NoTime) };
        match self.leave() {
            Leave::Ask => {}
            Leave::Probe if self.probe().await => {}
            Leave::Probe | Leave::Suspended => return Err(Trouble::Suspended),
        }
        let answer = timeout(self.timeout, self.dns.lookup(name, kind)).await;
        match answer.map_or(Err(NetError::Timeout), |answer| answer) {
            Ok(lookup) => {
                self.breaker().answered();
                Ok(Some(lookup))
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(_))) => {
                self.breaker().answered();
                Ok(None)
            }
            Err(NetError::Dns(DnsError::ResponseCode(code))) => {
                self.breaker().answered();
                Err(Trouble::Server(code.to_str()))
            }
            Err(NetError::Dns(_) | NetError::Proto(_)) => Err(Trouble::Garbled),
            Err(error) => {
                self.count_silence().await;
                Err(if matches!(error, NetError::Timeout) { Trouble::TimedOut } else { Trouble::Unreachable })
            }
        }
    }

    fn leave(&self) -> Leave {
        let mut breaker = self.breaker();
        let now = Instant::now();
        match breaker.suspended_until {
            None => Leave::Ask,
            Some(until) if now < until => Leave::Suspended,
            Some(_) => {
                breaker.suspended_until = Some(now + self.timeout.max(self.pause));
                Leave::Probe
            }
        }
    }

    /// One more question without an answer. The last of the patience suspends, and finds out whether that is right.
    async fn count_silence(&self) {
        let is_last = {
            let mut breaker = self.breaker();
            breaker.silent = breaker.silent.saturating_add(1);
            let is_last = breaker.silent >= self.patience && breaker.suspended_until.is_none();
            if is_last {
                breaker.suspended_until = Some(Instant::now() + self.pause);
            }
            is_last
        };
        if is_last {
            self.probe().await;
        }
    }

    /// Finds out whether the server answers anything; if not, the pause begins anew.
    async fn probe(&self) -> bool {
        let answers = self.answers().await;
        let mut breaker = self.breaker();
        if answers {
            breaker.answered();
        } else {
            breaker.suspended_until = Some(Instant::now() + self.pause);
        }
        answers
    }

    /// Whether the server answers anything at all.
    async fn answers(&self) -> bool {
        self.dns.clear_lookup_cache(Name::root(), RecordType::NS);
        let answer = timeout(self.timeout, self.dns.lookup(Name::root(), RecordType::NS)).await;
        matches!(answer, Ok(Ok(_) | Err(NetError::Dns(_))))
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        // What it holds is valid whatever panicked.
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn silent_domains(&self) -> MutexGuard<'_, SilentDomains> {
        self.silent_domains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Breaker {
    fn answered(&mut self) {
        *self = Self::default();
    }
}

fn client(options: &DnsOptions) -> Result<TokioResolver, NetError> {
    let mut builder = if options.servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = options.servers.iter().map(name_server).collect();
        let config = ResolverConfig::from_name_servers(servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    bound(builder.options_mut(), options);
    builder.build()
}

fn name_server(server: &SocketAddr) -> NameServerConfig {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = server.port();
        connection
    };
    let connections = vec![with_port(ConnectionConfig::udp()), with_port(ConnectionConfig::tcp())];
    NameServerConfig::new(server.ip(), true, connections)
}

/// Two tries within the time of a question: one datagram may be lost.
fn bound(client: &mut ResolverOpts, options: &DnsOptions) {
    client.timeout = options.timeout.min(MAX_TIMEOUT) / 2;
    client.attempts = 1;
    client.cache_size = options.kept_answers;
    client.positive_max_ttl = Some(MAX_KEPT);
    client.negative_max_ttl = Some(MAX_ABSENCE_KEPT);
    client.use_hosts_file = ResolveHosts::Never;
}

/// `name` as DNS holds it, absolute; `None` if it is no host name.
fn host_name(name: &str) -> Option<Name> {
    let domain = Domain::new(name);
    if !domain.is_host_name() {
        return None;
    }
    let mut name = Name::from_ascii(domain.as_str()).ok()?;
    name.set_fqdn(true);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_a_bounded_number_of_silent_domains_for_a_while() {
        let mut domains = SilentDomains::default();
        for n in 0..MAX_SILENT_DOMAINS {
            domains.add(&n.to_string(), Duration::ZERO);
        }
        assert!(!domains.holds("0"));
        for n in 0..=MAX_SILENT_DOMAINS {
            domains.add(&format!("x{n}"), Duration::from_mins(1));
        }
        assert!(domains.holds("x0") && domains.holds(&format!("x{}", MAX_SILENT_DOMAINS - 1)));
        assert!(!domains.holds(&format!("x{MAX_SILENT_DOMAINS}")));
        assert_eq!(domains.0.len(), MAX_SILENT_DOMAINS);
    }
}
