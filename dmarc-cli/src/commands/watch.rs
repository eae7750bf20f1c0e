//! `dmarc watch`: the service. It reads the mailboxes as mail comes, and cares for the dataset, until it is asked to stop.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use dmarc_ingest::config::Log;
use dmarc_ingest::events::{self, EventFormat};
use dmarc_ingest::health::HealthServer;
use dmarc_ingest::metrics::Metrics;
use dmarc_ingest::service::Stop;
use dmarc_ingest::{Config, systemd};
use tokio::signal::unix::{SignalKind, signal};

use crate::Output;
use crate::commands::setup::{Setup, accounts, service};
use crate::error::{CommandError, Kind};
use crate::render::journal::Journal;

/// A mailbox that was not read to its end for so many of its polling intervals is said to be ill.
const MISSED_POLLS: u32 = 4;
/// The shortest time after which a mailbox is said to be ill: a connection is left waiting for new mail that long.
const MAX_AGE: Duration = Duration::from_hours(1);

/// `dmarc watch`
#[derive(Debug, clap::Args)]
#[command(after_help = "SIGTERM and SIGINT end it once the batch under way is durable.")]
pub(crate) struct Options {
    #[command(flatten)]
    setup: Setup,
}

impl Options {
    pub(crate) fn run(self, _: &mut Output<'_>) -> Result<(), CommandError> {
        let config = self.setup.config()?;
        let accounts = accounts(&config, &[])?;
        let format = match config.service.log {
            Log::Text => EventFormat::Text,
            Log::Json => EventFormat::Json,
        };
        events::install(format, config.service.log_level)
            .map_err(|error| CommandError::new(Kind::Bug, error))?;
        let mut service = service(&config, &self.setup.data(&config)?)?;
        let metrics = Arc::new(Metrics::new(accounts.iter().map(|account| account.name.clone())));
        let poll = accounts.iter().map(|account| account.poll).max().unwrap_or_default();
        let _health = listen(&config, &metrics, MAX_AGE.max(poll.saturating_mul(MISSED_POLLS)))?;
        let journal = Journal::new(metrics);
        journal.begin(service.dataset.get_mut().unwrap_or_else(PoisonError::into_inner));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(CommandError::output)?;
        tracing::info!(mailboxes = accounts.len(), "watching");
        let ended = std::thread::scope(|scope| {
            let work = scope.spawn(|| {
                let ended = service.run(&accounts, &journal);
                // A damaged dataset ends the wait for a signal as well.
                service.stop.set();
                ended
            });
            notify(systemd::ready());
            runtime.block_on(until_stopped(&service.stop));
            notify(systemd::stopping());
            service.stop.set();
            work.join()
        });
        tracing::info!("stopped");
        match ended {
            Ok(ended) => ended.map_err(CommandError::from),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn listen(
    config: &Config,
    metrics: &Arc<Metrics>,
    max_age: Duration,
) -> Result<Option<HealthServer>, CommandError> {
    let Some(address) = config.service.metrics else { return Ok(None) };
    let server = HealthServer::start(address, Arc::clone(metrics), max_age).map_err(|error| {
        CommandError::new(
            Kind::Usage,
            anyhow::Error::new(error).context(format!("cannot listen on {address}")),
        )
        .hint("`service.metrics` is an address of this machine and a free port")
    })?;
    tracing::info!(address = %server.address(), "listening for /metrics and /healthz");
    Ok(Some(server))
}

/// Waits for a signal, or until somebody else asks to stop; tells the supervisor meanwhile that we are alive.
async fn until_stopped(stop: &Stop) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be heard");
        return;
    };
    let mut tick = tokio::time::interval(systemd::watchdog_interval().unwrap_or(TICK).min(TICK));
    while !stop.is_set() {
        tokio::select! {
            _ = terminate.recv() => return tracing::info!("SIGTERM: finishing the batch"),
            _ = interrupt.recv() => return tracing::info!("SIGINT: finishing the batch"),
            _ = tick.tick() => notify(systemd::alive()),
        }
    }
}

/// How often it is looked whether somebody else asked to stop.
const TICK: Duration = Duration::from_secs(1);

/// A supervisor that cannot be reached is no reason to stop.
fn notify(notified: std::io::Result<()>) {
    if let Err(error) = notified {
        tracing::warn!(%error, "the supervisor cannot be told");
    }
}
