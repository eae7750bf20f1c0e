//! What happens where a run is told to stop that keeps something in a folder of its own.

use std::io;
use std::path::Path;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell says of a program that a signal ended, before the number of the signal is added.
const ENDED_BY_SIGNAL: i32 = 128;
/// Files may come into a folder while it is removed.
const TRIES: usize = 100;

/// SIGINT and SIGTERM, which end the run only once somebody waits for them.
pub(super) struct Signals {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Begins to hear them.
    pub(super) fn hear() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (interrupt, terminate) = {
            let _context = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        Ok(Self { runtime, interrupt, terminate })
    }

    /// Ends the run as the signal would, but removes `folder` first: what reports say is left to nobody.
    pub(super) fn remove(self, folder: &Path) {
        let folder = folder.to_owned();
        std::thread::spawn(move || self.wait(&folder));
    }

    /// The rest of the run may be anywhere, and hears nothing: this ends it.
    fn wait(mut self, folder: &Path) {
        let number = self.runtime.block_on(async {
            tokio::select! {
                _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
                _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            }
        });
        for _ in 0..TRIES {
            // What matters is whether it is gone.
            drop(std::fs::remove_dir_all(folder));
            if !folder.exists() {
                break;
            }
        }
        std::process::exit(ENDED_BY_SIGNAL + number);
    }
}
