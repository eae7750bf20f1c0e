//! What happens where a run is told to stop that keeps something in a folder of its own.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell says of a program that a signal ended, before the number of the signal is added.
const ENDED_BY_SIGNAL: i32 = 128;
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

    /// Ends the run as the signal would, but removes `folder` first: what reports say is left to nobody. Whoever writes there
    /// holds `writer`, and so does this until the end: nothing comes into the folder any more.
    pub(super) fn remove<T: Send + 'static>(self, folder: &Path, writer: Arc<Mutex<T>>) {
        let folder = folder.to_owned();
        std::thread::spawn(move || self.wait(&folder, &writer));
    }

    /// The rest of the run may be anywhere, and hears nothing: this ends it.
    fn wait<T>(mut self, folder: &Path, writer: &Mutex<T>) {
        let number = self.runtime.block_on(async {
            tokio::select! {
                _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
                _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            }
        });
        let _writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        // The run ends either way; one that cannot be removed is not to be read by others, as before.
        drop(std::fs::remove_dir_all(folder));
        std::process::exit(ENDED_BY_SIGNAL + number);
    }
}
