//! The verbs, one a file.

mod check;
mod dataset;
mod diff;
mod evidence;
pub(crate) mod explain;
mod fetch;
mod findings;
mod gaps;
mod import;
mod init;
mod parse;
mod quarantine;
pub(crate) mod question;
mod readiness;
mod report;
mod reports;
mod scope;
mod senders;
mod setup;
mod signals;
mod simulate;
mod sql;
mod summary;
mod tls;
mod watch;

use dmarc_core::Limits;

use crate::Output;
use crate::error::CommandError;

/// What one mail may bring, in bytes of memory: more than the library allows unasked, for somebody looks on.
const READING_BYTES: u64 = 1 << 30;

/// The ceilings for mail that a command is pointed at.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.reading_bytes = READING_BYTES;
    limits
}

/// Declares the verbs: the doc line is the help, the module has a type `Options` with `run(self, &mut Output)`.
macro_rules! verbs {
    ($($(#[$doc:meta])+ $name:ident($module:ident),)+) => {
        /// What can be asked for.
        #[derive(Debug, clap::Subcommand)]
        pub(crate) enum Command { $($(#[$doc])+ $name($module::Options),)+ }

        impl Command {
            /// Does it.
            pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
                match self { $(Self::$name(options) => options.run(output),)+ }
            }
        }
    };
}

verbs! {
    /// Show what works, what does not, and what to do
    Check(check),
    /// Show the state of the dataset, and care for it
    Dataset(dataset),
    /// Compare two periods, source by source
    Diff(diff),
    /// Show a finding, a report, a host or a domain down to its rows, its reports and the mails they came in
    Explain(explain),
    /// Read the mailboxes once, into the dataset
    Fetch(fetch),
    /// Show who sends as your domains without authorisation, worst first
    Findings(findings),
    /// Show which reports should have come and did not, came late, or have shrunk
    Gaps(gaps),
    /// Take mails and reports from files into the dataset
    Import(import),
    /// Write a commented configuration to begin with
    Init(init),
    /// Show what reports say: one line of JSON for each report, refused part or other mail
    Parse(parse),
    /// Show what could not be trusted, with the reason, and deal with it
    Quarantine(quarantine),
    /// Show whether a domain may take the next policy step, and which gates are not met
    Readiness(readiness),
    /// Write all findings as one page of HTML, to keep, send or print
    Report(report),
    /// Show what arrived, by reporter and domain
    Reports(reports),
    /// Show who sends as your domains, by source
    Senders(senders),
    /// Show what another record would have done to the mail that was reported
    Simulate(simulate),
    /// Ask the stored rows in SQL
    Sql(sql),
    /// Show key figures of each domain
    Summary(summary),
    /// Show TLS sessions that failed, by domain, MX and kind of failure
    Tls(tls),
    /// Read the mailboxes as mail comes, until asked to stop
    Watch(watch),
}
