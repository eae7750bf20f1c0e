//! The dataset: what reports said, as Parquet files that anybody can read, and a ledger that says what counts.
//!
//! ```text
//! DIR/ledger.sqlite                                         every mail and what became of it, every report once, the
//!                                                           list of segments, how far each mailbox is read
//! DIR/records/kind=aggregate/month=2026-11/NAME.parquet     segments: the rows of reports that count
//! DIR/quarantine/NAME.eml                                   mails with something in them that could not be trusted
//! DIR/staging/                                              not published yet; of no account
//! DIR/lock                                                  held by the one that writes
//! ```
//!
//! *The ledger is the truth.* A transaction of it is the moment in which mail counts; `commit.rs` has the order of steps, and
//! `publish.rs` makes the folders agree with the ledger, after a commit as after a crash. Files are named by their content
//! and never changed.
//!
//! Whoever reads from outside may list `records` at any time: rows are added by renaming one file into its folder, and no
//! listing ever shows a row twice. When segments are merged, the whole folder is exchanged at once; a listing under way at that
//! moment may miss files of it. Who must be exact then takes the list of files from the ledger
//! ([`DatasetReader::files`], `dmarc dataset files`), and asks again when a file is gone.

mod commit;
mod compact;
mod error;
mod fault;
mod hosts;
mod layout;
mod ledger;
mod load;
mod observe;
mod publish;
mod quarantine;
mod read;
mod receipts;
mod record;
mod rows;
mod segment;
mod status;
mod verify;

use std::fs::{self, File, TryLockError};
use std::path::Path;

pub use commit::{Committed, Delivery, Totals, report_key};
pub use compact::{Compacted, Erased};
pub use error::DatasetError;
pub use load::{Load, LoadedReport};
pub use quarantine::Kept;
pub use read::{DatasetReader, Facts, KnownFacts};
pub use receipts::ReportReceipt;
pub use rows::{RowBuilder, Rows, schema};
pub use status::Status;
pub use verify::{Problem, Verified};

pub(crate) use layout::Layout;
pub(crate) use ledger::Ledger;

use crate::source::{Cursor, Place};

/// The version of ledger and folders that this code writes.
pub const DATASET_VERSION: &str = "1";

/// A dataset, opened to write. There is one writer at a time; readers are not hindered.
#[derive(Debug)]
pub struct Dataset {
    layout: Layout,
    ledger: Ledger,
    /// Released when it is closed, also by a crash.
    _lock: File,
}

impl Dataset {
    /// Opens the dataset in the folder `path`, which is made if it is not there, and finishes what a crash interrupted.
    ///
    /// # Errors
    /// [`DatasetError::Locked`] if another process writes, [`DatasetError::Newer`] if a newer version wrote it,
    /// [`DatasetError::Damaged`] if files are missing, or what the system says.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        let layout = Layout::new(path);
        layout.create()?;
        let lock = lock(&layout)?;
        let ledger = Ledger::create(&layout)?;
        let mut dataset = Self { layout, ledger, _lock: lock };
        dataset.recover()?;
        Ok(dataset)
    }

    /// Whether a mail with this content was taken in before.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn knows(&self, hash: &[u8; 32]) -> Result<bool, DatasetError> {
        self.ledger.knows(hash)
    }

    /// How far a folder of a mailbox is read; `None` if it never was.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn cursor(&self, mailbox: &str, folder: &str) -> Result<Option<Cursor>, DatasetError> {
        self.ledger.cursor(mailbox, folder)
    }

    /// Messages of a mailbox that are durable and not acknowledged yet.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn pending(&self, mailbox: &str) -> Result<Vec<Place>, DatasetError> {
        self.ledger.pending(mailbox)
    }

    /// Notes that these messages were acknowledged.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn acknowledged(&mut self, places: &[Place]) -> Result<(), DatasetError> {
        self.ledger.acknowledged(places)?;
        fault::point("acknowledged");
        Ok(())
    }

    /// What it has.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn totals(&self) -> Result<Totals, DatasetError> {
        self.ledger.totals()
    }

    /// The same dataset, for reading.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn reader(&self) -> Result<DatasetReader, DatasetError> {
        DatasetReader::open(self.layout.root())
    }
}

fn lock(layout: &Layout) -> Result<File, DatasetError> {
    let path = layout.lock();
    let options = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = options.map_err(|error| DatasetError::io(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DatasetError::Locked { path: layout.root().to_owned() }),
        Err(TryLockError::Error(error)) => Err(DatasetError::io(&path, error)),
    }
}
