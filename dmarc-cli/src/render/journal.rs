//! What the service says: log lines and metrics.

use std::sync::Arc;
use std::time::Duration;

use dmarc_ingest::events;
use dmarc_ingest::metrics::Metrics;
use dmarc_ingest::service::Listener;
use dmarc_ingest::store::{Committed, Compacted, Dataset, DatasetError, Totals};
use dmarc_ingest::{IngestError, Received, SourceError};

use dmarc_ingest::text::chain;

/// Hears what the service does, logs it and counts it.
#[derive(Debug)]
pub(crate) struct Journal {
    metrics: Arc<Metrics>,
}

impl Journal {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }

    /// Tells the metrics what the dataset has to begin with.
    pub(crate) fn begin(&self, dataset: &Dataset) {
        match dataset.totals() {
            Ok(totals) => self.take(totals),
            Err(error) => tracing::warn!(error = %chain(&error), "the state of the dataset cannot be read"),
        }
    }

    fn take(&self, totals: Totals) {
        self.metrics.segments.set(totals.segments);
        self.metrics.dataset_rows.set(totals.rows);
        self.metrics.dataset_messages.set(totals.messages);
    }
}

impl Listener for Journal {
    fn mail(&self, mailbox: &str, mail: &Received<'_>) {
        self.metrics.bytes_read.add(mail.bytes());
        let _span = events::mail(mail.source()).entered();
        if mail.panicked() {
            tracing::error!("reading stopped at a bug of ours; please report it");
        }
        for (part, reason) in mail.refused() {
            tracing::warn!(part, reason, "refused");
        }
        for (part, reason) in mail.untrusted() {
            tracing::warn!(part, reason, "untrusted");
        }
        for (part, records) in mail.rejected() {
            tracing::warn!(part, records, "records that cannot be counted");
        }
        tracing::debug!(mailbox, bytes = mail.bytes(), "read");
    }

    fn unreadable(&self, mailbox: &str, error: &SourceError) {
        tracing::warn!(mailbox, error = %chain(error), "cannot be read");
    }

    fn committed(&self, mailbox: &str, committed: &Committed) {
        let metrics = &self.metrics;
        metrics.batches_committed.increment();
        metrics.mails_without_report.add(committed.not_reports);
        metrics.mails_with_report.add(committed.mails.saturating_sub(committed.not_reports));
        metrics.reports_stored.add(committed.reports);
        metrics.reports_duplicate.add(committed.duplicates);
        metrics.reports_conflict.add(committed.conflicts);
        metrics.reports_refused.add(committed.refused);
        metrics.reports_untrusted.add(committed.untrusted);
        metrics.mails_quarantined.add(committed.kept);
        metrics.ledger_commits.add(committed.took);
        self.take(committed.dataset);
        if committed.mails > 0 {
            tracing::info!(
                mailbox,
                mails = committed.mails,
                reports = committed.reports,
                rows = committed.rows,
                duplicates = committed.duplicates,
                conflicts = committed.conflicts,
                untrusted = committed.untrusted,
                refused = committed.refused,
                "durable"
            );
        }
    }

    fn passed(&self, mailbox: &str) {
        self.metrics.succeeded(mailbox);
        tracing::debug!(mailbox, "read to its end");
    }

    fn failed(&self, mailbox: &str, error: &IngestError, wait: Duration) {
        if let Some(of_mailbox) = self.metrics.mailbox(mailbox) {
            of_mailbox.connection_errors.increment();
            of_mailbox.reconnects.increment();
            of_mailbox.backoff.add(wait);
        }
        tracing::warn!(mailbox, error = %chain(error), again_in = wait.as_secs(), "failed");
    }

    fn compacted(&self, compacted: &Result<Compacted, DatasetError>) {
        match compacted {
            Ok(compacted) => {
                self.metrics.segments.set(compacted.after);
                tracing::info!(before = compacted.before, after = compacted.after, "segments merged");
            }
            Err(error) => tracing::error!(error = %chain(error), "segments cannot be merged"),
        }
    }

    fn looked_up(&self, known: usize, in_vain: usize) {
        tracing::debug!(known, in_vain, "hosts looked up");
    }
}
