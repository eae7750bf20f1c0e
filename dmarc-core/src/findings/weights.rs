//! Every weight, threshold and cap, in one table. They are proposals: measure them on labelled worlds and change them
//! where the measurement says so.

/// A step of the score: what it says, and its points.
pub(super) struct Step {
    pub(super) fact: &'static str,
    pub(super) points: i32,
}

const fn step(fact: &'static str, points: i32) -> Step {
    Step { fact, points }
}

// ---- score of sources with which nothing of ours authenticates: what raises it
pub(super) const NOTHING_OF_OURS: Step = step("nothing of ours authenticates", 25);
pub(super) const NO_CONFIRMED_NAME: Step = step("no host has a name that resolves back to it", 15);
pub(super) const SILENT_SUBDOMAIN: Step = step("uses a sub-domain from which nothing ever passed", 10);
pub(super) const SEVERAL_REPORTERS: Step = step("at least 2 reporters saw it", 10);
pub(super) const MANY_MESSAGES: Step = step("at least 100 messages", 10);
pub(super) const NEW_AND_BURSTY: Step = step("appeared and was active for a few days only", 10);
pub(super) const SEVERAL_REPORTS: Step = step("at least 2 reports have it", 5);
// ---- and what lowers it
pub(super) const ALSO_PASSES: Step = step("the same source also passes for this domain", -25);
pub(super) const KNOWN_SERVICE: Step = step("the host belongs to a known service", -15);
pub(super) const PARTLY_INDIRECT: Step = step("reporters call part of it forwarded", -15);
pub(super) const STEADY: Step = step("seen steadily for 4 weeks or longer", -10);
pub(super) const INCOMPLETE: Step = step("evidence is incomplete: address hidden, or DNS errors", -25);

/// Score from which it is a spoof.
pub(super) const SPOOF_SCORE: i32 = 50;
/// Messages for [`MANY_MESSAGES`].
pub(super) const MANY: u64 = 100;
/// Days that a burst lasts at most.
pub(super) const BURST_DAYS: i64 = 10;
/// Days of steady activity for [`STEADY`].
pub(super) const STEADY_DAYS: i64 = 28;
/// Fewer messages than this, in a single report, are too little to say anything.
pub(super) const MINIMUM_MESSAGES: u64 = 3;

// ---- campaigns
/// Hosts that make a campaign.
pub(super) const CAMPAIGN_HOSTS: usize = 5;
/// Messages of one host of a campaign at most.
pub(super) const CAMPAIGN_HOST_MESSAGES: u64 = 300;
/// Days in which the hosts of a campaign, or of a replay, are active at most.
pub(super) const CAMPAIGN_DAYS: i64 = 3;

/// Share of the unexplained mail of an Author Domain, in percent, with which a network stands on its own where there
/// are [`CAMPAIGN_HOSTS`] or more; the others become one source.
pub(super) const STANDS_ALONE_PERCENT: u64 = 20;

// ---- what reporters say of a host
/// Share of a host's messages and of its days, in percent, of which something must be said to be believed of the host: one
/// report with one message must not change what hundreds of others show.
pub(super) const SAID_PERCENT: u64 = 10;
/// Days on which one reporter must say that mail was forwarded, where no other says so: few reporters know lists, and
/// those that do say so whenever a list sends.
pub(super) const OFTEN_DAYS: usize = 5;

// ---- replay
/// Days on which a service may use a key of our own hosts without being known to hold it: as long as a replay lasts at most.
pub(super) const REPLAY_DAYS: usize = 3;
/// Messages with a valid signature from networks never seen before, within [`CAMPAIGN_DAYS`].
pub(super) const REPLAY_MESSAGES: u64 = 300;
/// Days of reports without which nobody can say "never seen before".
pub(super) const REPLAY_HISTORY_DAYS: i64 = 7;

// ---- caps on confidence: the lowest that applies
pub(super) const CAP_ONE_REPORT: u8 = 45;
pub(super) const CAP_DISAGREES: u8 = 50;
pub(super) const CAP_FEW_MESSAGES: u8 = 50;
pub(super) const CAP_ONE_REPORTER: u8 = 55;
pub(super) const CAP_MIXED: u8 = 55;
pub(super) const CAP_LONG_AGO: u8 = 55;
pub(super) const CAP_UNVERIFIED: u8 = 60;
pub(super) const CAP_NOT_LOOKED_UP: u8 = 70;
/// Messages below which [`CAP_FEW_MESSAGES`] applies.
pub(super) const FEW_MESSAGES: u64 = 10;
/// Days without a sign of it after which [`CAP_LONG_AGO`] applies.
pub(super) const LONG_AGO_DAYS: i64 = 30;

// ---- the newest day of the data
/// Seconds of a reporting period at most: RFC 9990 asks for a day, and nobody sums up more than a year.
pub(super) const LONGEST_PERIOD: i64 = 366 * 86_400;
/// Days without any report after which those that follow must be believed anew. Who writes to a domain that sends mail does
/// so more often than monthly.
pub(super) const SILENCE_DAYS: i64 = 30;
/// Days that one reporter may be ahead of all others: some report at once, and some two days late.
pub(super) const AHEAD_DAYS: i64 = 2;
/// Days on which one that is ahead must have reported to be believed: a single forged report must not do.
pub(super) const KEEPS_REPORTING: usize = 3;
/// Days between these at most: who is the only one that still sees mail sees it in most weeks.
pub(super) const KEEPS_REPORTING_DAYS: i64 = 7;

// ---- novelty
/// The last days that are compared with those before.
pub(super) const RECENT_DAYS: i64 = 7;
/// The days before at most.
pub(super) const BASELINE_DAYS: i64 = 28;
/// Days without a sign of it after which a source is gone.
pub(super) const QUIET_DAYS: i64 = 14;
/// Messages more or less that make a trend.
pub(super) const TREND_MESSAGES: u64 = 10;

// ---- severity
/// Delivered messages from which unauthorised mail is of high severity.
pub(super) const HIGH_DELIVERED: u64 = 50;
/// Delivered messages from which unauthorised mail is of critical severity.
pub(super) const CRITICAL_DELIVERED: u64 = 500;
/// Own mail quarantined or rejected from which a broken source is of high severity.
pub(super) const BROKEN_BLOCKED: u64 = 10;
/// Own mail failing from which a broken source is of medium severity.
pub(super) const BROKEN_FAILING: u64 = 10;
/// Share of the domain's mail, in percent, from which a broken source is of medium severity.
pub(super) const BROKEN_SHARE_PERCENT: u64 = 1;

// ---- confidence of what a rule says, before caps
pub(super) const DECIDED: u8 = 100;
pub(super) const ALIGNED_SPF: u8 = 95;
pub(super) const ALIGNED_DKIM: u8 = 95;
pub(super) const SENDS_FOR_US: u8 = 90;
pub(super) const REPLAY: u8 = 70;
pub(super) const INTACT: u8 = 80;
pub(super) const REPORTED_FORWARDER: u8 = 75;
pub(super) const ACCEPTED_ARC: u8 = 65;
pub(super) const INFERRED_FORWARDER: u8 = 60;
pub(super) const OURS: u8 = 85;
pub(super) const HOLDS_KEY: u8 = 65;
pub(super) const CONFIRMED_SERVICE: u8 = 75;
pub(super) const UNCONFIRMED_SERVICE: u8 = 55;
pub(super) const TOO_LITTLE: u8 = 20;
pub(super) const SET_ASIDE: u8 = 90;
pub(super) const TLS_SEEN_TWICE: u8 = 85;
/// Share of its messages, in percent, from which unverified or disagreeing reports cap the confidence of a cluster:
/// one stray report must not lower what many others show.
pub(super) const CAP_SHARE_PERCENT: u64 = 10;

/// Share of a host's mail, in percent, that passes and from which [`ALSO_PASSES`] applies; and the share of a source's mail that
/// such hosts, or those whose mail is called forwarded, must send for the steps about them to apply.
pub(super) const ALSO_PASSES_PERCENT: u64 = 10;

/// Whether `part` is at least `percent` of `whole`.
pub(super) fn is_share(part: u64, whole: u64, percent: u64) -> bool {
    u128::from(part) * 100 >= u128::from(whole) * u128::from(percent)
}
