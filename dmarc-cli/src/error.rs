//! How a command ends: one error at the edge, which picks the exit code.

use std::io::{self, Write};

use dmarc_ingest::{ConfigError, DecisionsError, HostsError};

use crate::render::text::Neutral;

/// The longest message or cause shown, in characters.
const WIDTH: usize = 400;

/// How a command failed, in the order of what matters more: when several apply, the greatest counts.
///
/// 0 means done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// Done, but some input was refused; every one is named.
    Refused,
    /// Done, and there are findings as bad as was asked for, whether input was refused or not: anybody can send what is refused,
    /// and that must not hide them.
    Findings,
    /// The data set is damaged or locked.
    Dataset,
    /// A source, or the output, could not be reached; whatever else was named was read.
    Unreachable,
    /// The command line or the configuration is wrong; nothing was done.
    Usage,
    /// A bug of ours.
    Bug,
}

impl Kind {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Unreachable => 4,
            Self::Dataset => 5,
            Self::Bug => 70,
        }
    }
}

/// Why a command did not end with exit code 0.
#[derive(Debug)]
#[must_use]
pub struct CommandError {
    kind: Kind,
    cause: anyhow::Error,
    hints: Vec<String>,
    /// The cause is a finished text of clap.
    finished: bool,
}

impl CommandError {
    /// A failure of this kind; `cause` says what happened and may come from elsewhere.
    pub fn new(kind: Kind, cause: impl Into<anyhow::Error>) -> Self {
        Self { kind, cause: cause.into(), hints: Vec::new(), finished: false }
    }

    /// A wrong command line, with the text that explains it.
    pub fn usage(text: String) -> Self {
        Self { finished: true, ..Self::new(Kind::Usage, anyhow::Error::msg(text)) }
    }

    /// Output that could not be written; a closed pipe ends the command silently with exit code 0.
    pub fn output(error: io::Error) -> Self {
        Self::new(Kind::Unreachable, anyhow::Error::new(error).context("cannot write the output"))
    }

    /// Says what can be done.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Says to `err` what happened, and returns the exit code.
    pub fn report(&self, err: &mut dyn Write) -> u8 {
        if self.is_closed_pipe() {
            return 0;
        }
        // Standard error may be closed as well; the exit code still tells.
        drop(self.write(err));
        self.kind.code()
    }

    /// Of everything that went wrong in one run, the worst is what the run ends with; the others are said to `err` here.
    ///
    /// # Errors
    /// The worst, if anything went wrong.
    pub fn worst(failures: impl IntoIterator<Item = Self>, err: &mut dyn Write) -> Result<(), Self> {
        let mut failures: Vec<Self> = failures.into_iter().collect();
        // A closed pipe ends a run silently only if that is all.
        let order = |failure: &Self| (!failure.is_closed_pipe(), failure.kind);
        let worst = (0..failures.len()).max_by_key(|at| failures.get(*at).map(order));
        let Some(worst) = worst else { return Ok(()) };
        let worst = failures.remove(worst);
        for failure in failures {
            failure.report(err);
        }
        Err(worst)
    }

    fn write(&self, err: &mut dyn Write) -> io::Result<()> {
        if self.finished {
            return write!(err, "{}", self.cause);
        }
        write!(err, "dmarc")?;
        for cause in self.cause.chain() {
            write!(err, ": {}", Neutral::new(&cause.to_string(), WIDTH))?;
        }
        writeln!(err)?;
        for hint in &self.hints {
            writeln!(err, "  hint: {}", Neutral::new(hint, WIDTH))?;
        }
        err.flush()
    }

    fn is_closed_pipe(&self) -> bool {
        let kinds =
            self.cause.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
        kinds.into_iter().any(|kind| kind == io::ErrorKind::BrokenPipe)
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self::new(Kind::Usage, error)
    }
}

impl From<DecisionsError> for CommandError {
    fn from(error: DecisionsError) -> Self {
        Self::new(Kind::Usage, error)
    }
}

impl From<HostsError> for CommandError {
    fn from(error: HostsError) -> Self {
        Self::new(Kind::Usage, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(error: &CommandError) -> (u8, String) {
        let mut err = Vec::new();
        let code = error.report(&mut err);
        (code, String::from_utf8(err).unwrap())
    }

    #[test]
    fn says_the_whole_chain_neutralised_and_then_what_to_do() {
        let cause = anyhow::anyhow!("red \u{1b}[31m").context("reading failed");
        let error = CommandError::new(Kind::Unreachable, cause).hint("try again");
        assert_eq!(
            report(&error),
            (4, "dmarc: reading failed: red \\u{1b}[31m\n  hint: try again\n".to_owned())
        );
    }

    #[test]
    fn is_silent_about_a_closed_pipe() {
        let error = CommandError::output(io::ErrorKind::BrokenPipe.into());
        assert_eq!(report(&error), (0, String::new()));
    }

    #[test]
    fn ends_with_the_worst_of_several_failures_and_says_them_all() {
        let failure = |kind, what: &'static str| CommandError::new(kind, anyhow::Error::msg(what));
        let mut err = Vec::new();
        assert!(CommandError::worst([], &mut err).is_ok());
        let failures = [
            failure(Kind::Refused, "a"),
            failure(Kind::Unreachable, "b").hint("c"),
            failure(Kind::Dataset, "d"),
            CommandError::output(io::ErrorKind::BrokenPipe.into()),
        ];
        let worst = CommandError::worst(failures, &mut err).unwrap_err();
        assert_eq!(report(&worst), (4, "dmarc: b\n  hint: c\n".to_owned()));
        assert_eq!(String::from_utf8(err).unwrap(), "dmarc: a\ndmarc: d\n");
    }

    #[test]
    fn calls_a_name_that_is_too_short_wrong_use() {
        let error = dmarc_ingest::store::DatasetError::Ambiguous { id: "01234567".to_owned() };
        assert_eq!(report(&error.into()).0, 2);
    }

    #[test]
    fn calls_a_broken_configuration_wrong_use() {
        let path = std::path::Path::new("dmarc.toml");
        let error = dmarc_ingest::Config::parse("[owner]\ndomain = []", path).unwrap_err();
        let expected = "dmarc: dmarc.toml:2: unknown key `owner.domain` (did you mean `domains`?): \
                        expected domains, networks or trusted_authserv_ids\n";
        assert_eq!(report(&error.into()), (2, expected.to_owned()));
    }

    #[test]
    fn hides_no_finding_behind_input_that_was_refused() {
        assert_eq!([Kind::Findings, Kind::Refused].into_iter().max(), Some(Kind::Findings));
    }

    #[test]
    fn counts_the_worst_of_several() {
        assert_eq!([Kind::Refused, Kind::Bug, Kind::Unreachable].into_iter().max(), Some(Kind::Bug));
        assert_eq!([Kind::Unreachable, Kind::Refused].into_iter().max(), Some(Kind::Unreachable));
    }
}
