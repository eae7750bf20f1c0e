//! The `dmarc` command: who sends as your domain without authorisation.
//!
//! Data goes to standard output, talk to standard error. What the exit codes mean stands at [`error::Kind`]; a closed
//! pipe is no error. A new verb is one file in `commands` and one line in its list.

mod analytics;
mod commands;
pub mod error;
pub mod render;

use std::ffi::OsString;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use clap::Parser;
use error::{CommandError, Kind};
use render::Screen;

/// Finds out from DMARC and TLS reports who sends mail as your domains.
#[derive(Debug, Parser)]
#[command(name = "dmarc", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: commands::Command,
}

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  done, and there are findings as bad as --fail-on names, whether some input was refused or not
  2  the command line or the configuration is wrong
  3  done, but some input was refused (named on standard error)
  4  a file, a folder, a mailbox or the output could not be reached; all else was read
  5  the dataset is damaged, or another process writes to it
 70  a bug of ours";

/// Where a command writes.
pub(crate) struct Output<'a> {
    /// Data.
    pub(crate) out: &'a mut dyn Write,
    /// Talk.
    pub(crate) err: &'a mut dyn Write,
    /// What `out` is shown on.
    pub(crate) screen: Screen,
}

/// Runs the command that `arguments` ask for (the first is the name of the program) and returns the exit code.
///
/// Data goes to `out`, laid out for `screen`, and talk to `err`; both are flushed. Standard input is read where `-` is named.
pub fn run<A, I>(arguments: I, out: &mut dyn Write, err: &mut dyn Write, screen: Screen) -> u8
where
    I: IntoIterator<Item = A>,
    A: Into<OsString> + Clone,
{
    let mut output = Output { out, err, screen };
    let done = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => guarded(|| arguments.command.run(&mut output)),
        Err(usage) => answer(&usage, &mut output),
    };
    done.and_then(|()| output.out.flush().map_err(CommandError::output))
        .map_or_else(|error| error.report(output.err), |()| 0)
}

/// Makes a panic say where it happened and nothing else: its message may hold text of a mail.
pub fn name_panics_only() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        drop(writeln!(std::io::stderr(), "dmarc: a bug of ours at {place}; please report it"));
    }));
}

fn guarded(command: impl FnOnce() -> Result<(), CommandError>) -> Result<(), CommandError> {
    catch_unwind(AssertUnwindSafe(command)).unwrap_or_else(|_| {
        Err(CommandError::new(Kind::Bug, anyhow::anyhow!("the command stopped at a bug of ours"))
            .hint("please report it, with the command and, if you may, the input"))
    })
}

/// What clap answers by itself: help and version on `out`, a usage error on `err`.
fn answer(usage: &clap::Error, output: &mut Output<'_>) -> Result<(), CommandError> {
    let text = usage.render().to_string();
    if usage.use_stderr() {
        return Err(CommandError::usage(text));
    }
    output.out.write_all(text.as_bytes()).map_err(CommandError::output)
}

/// The examples of the README, compiled by the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explains_every_exit_code() {
        for kind in [Kind::Findings, Kind::Usage, Kind::Refused, Kind::Unreachable, Kind::Dataset, Kind::Bug]
        {
            assert!(EXIT_CODES.contains(&format!("\n{:>3}  ", kind.code())), "{kind:?}");
        }
    }
}
