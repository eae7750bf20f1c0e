//! What reporters say of a host, and whether enough of them say it of enough of its mail to be believed of the host.
//!
//! Anybody may send reports, and claim any number of messages in them: so a part of the messages alone says nothing, nor do a few
//! reporters, nor a few days.

use std::collections::BTreeSet;

use super::observed::Stream;
use super::signals::Signals;
use super::weights;

/// Of what part of the mail of a host something is said, and by whom.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    reporters: usize,
    of_reporters: usize,
    days: usize,
    /// Whether it is said of a good part of its messages and of its days.
    is_part: bool,
}

impl Said {
    /// Who says that `is` of the mail of `streams`, those of one host.
    pub(super) fn of(streams: &[Stream<'_>], is: fn(&Signals) -> bool) -> Self {
        let (said, others): (Vec<&Stream<'_>>, Vec<&Stream<'_>>) =
            streams.iter().partition(|stream| is(stream.signals));
        if said.is_empty() {
            return Self::default();
        }
        let (part, rest) = (Part::of(&said), Part::of(&others));
        let of_days = part.days.union(&rest.days).count();
        let of_messages = part.messages.saturating_add(rest.messages);
        let is_share = |part, whole| weights::is_share(part, whole, weights::SAID_PERCENT);
        Self {
            reporters: part.reporters.len(),
            of_reporters: part.reporters.union(&rest.reporters).count(),
            days: part.days.len(),
            is_part: is_share(part.messages, of_messages) && is_share(part.days.len() as u64, of_days as u64),
        }
    }

    /// Whether more than half of the reporters that see the host say it: for what follows from its address alone, so that honest
    /// reporters agree.
    pub(super) fn by_most(self) -> bool {
        self.is_part && self.reporters * 2 > self.of_reporters
    }

    /// Whether several reporters say it, or all: for what only some can tell.
    pub(super) fn by_several(self) -> bool {
        self.is_part && (self.reporters >= 2 || self.reporters == self.of_reporters)
    }

    /// Whether several reporters say it, or one does so again and again.
    pub(super) fn by_several_or_often(self) -> bool {
        self.by_several() || (self.is_part && self.days >= weights::OFTEN_DAYS)
    }
}

/// Some of the streams of a host.
struct Part<'o> {
    messages: u64,
    reporters: BTreeSet<&'o str>,
    days: BTreeSet<i64>,
}

impl<'o> Part<'o> {
    fn of(streams: &[&Stream<'o>]) -> Self {
        Self {
            messages: streams.iter().fold(0_u64, |sum, stream| sum.saturating_add(stream.messages())),
            reporters: streams.iter().flat_map(|stream| stream.reporters()).collect(),
            days: streams.iter().flat_map(|stream| stream.by_day()).map(|(day, _)| *day).collect(),
        }
    }
}
