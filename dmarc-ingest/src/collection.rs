//! What a one-shot run keeps: reports that count, each once, and what was set aside.
//!
//! Nothing here depends on the order in which mail is read: copies of a report are recognised by identity and content,
//! and of reports that contradict each other the same one stays active whichever came first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use dmarc_core::findings::{
    FailureObservation, HostFacts, HostName, SetAside, TlsObservation, newest_day, tls_observations,
};
use dmarc_core::identity::Identity;
use dmarc_core::model::aggregate::DateRange;
use dmarc_core::record::{self, FlatRecord, flatten};
use dmarc_core::{Found, MessageInfo, Report};

use crate::config::Owner;
use crate::enrich::Host;
use crate::pipeline::MailOutcome;
use crate::verdict::{Rank, verdict};

/// How many inputs came to what.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Inputs {
    /// Mails and files read.
    pub mails: u64,
    /// Reports that count.
    pub reports: u64,
    /// Copies of a report that is there already.
    pub duplicates: u64,
    /// Reports that contradict another with the same identity, and do not count.
    pub conflicts: u64,
    /// Reports that did not come from whom they say, or are about domains of others: they do not count.
    pub untrusted: u64,
    /// Parts that claim to be a report and gave none.
    pub refused: u64,
    /// Records of good reports that cannot be counted.
    pub rejected_records: u64,
    /// Mails and files in which there was no report.
    pub not_reports: u64,
}

/// Reports of one run, gathered mail by mail.
#[derive(Debug, Default)]
pub struct Collection {
    owner: Owner,
    inputs: Inputs,
    reports: BTreeMap<Identity, Vec<Version>>,
    set_aside: Vec<SetAside>,
}

/// What findings are made from, see [`Input`](dmarc_core::findings::Input).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Collected {
    /// Records that count.
    pub records: Vec<FlatRecord>,
    /// Failed TLS sessions that count.
    pub tls: Vec<TlsObservation>,
    /// Failure reports.
    pub failures: Vec<FailureObservation>,
    /// Reports that do not count.
    pub set_aside: Vec<SetAside>,
    /// How many inputs came to what.
    pub inputs: Inputs,
    /// Who reported about which periods, whatever the kind of report, where this was asked of files.
    pub periods: BTreeSet<(String, DateRange)>,
    /// The TLS reports that count, where this was asked of files.
    pub tls_reports: Vec<NamedReport>,
}

/// A TLS report that counts, by what its reporter calls it. It has no records, so findings know only what failed in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[non_exhaustive]
pub struct NamedReport {
    /// Who reported.
    pub reporter: String,
    /// The reporter's identifier.
    pub report_id: String,
    /// The policy domains, sorted, with a space between.
    pub policy_domains: String,
    /// The reporting period: seconds since the Unix epoch, UTC.
    pub period: (i64, i64),
    /// The mail or file, and the part in it.
    pub origin: String,
    /// How far the mail is known to be genuine.
    pub trust: record::Trust,
}

impl NamedReport {
    fn new(identity: Identity, version: &Version) -> Self {
        Self {
            reporter: identity.reporter,
            report_id: identity.report_id,
            policy_domains: identity.policy_domain,
            period: (identity.begin, identity.end),
            origin: version.aside.origin.clone(),
            trust: version.rank.trust(),
        }
    }
}

/// One content of an identity. Several are a conflict.
#[derive(Debug)]
struct Version {
    rank: Rank,
    aside: SetAside,
    content: Content,
}

/// What a report adds.
#[derive(Debug)]
enum Content {
    Records(Vec<FlatRecord>),
    Tls(Vec<TlsObservation>),
    Failure(Option<FailureObservation>),
}

impl Collection {
    /// An empty collection for `owner`.
    #[must_use]
    pub fn new(owner: Owner) -> Self {
        Self { owner, ..Self::default() }
    }

    /// Takes in everything that was found in one mail.
    pub fn add(&mut self, mail: MailOutcome) {
        self.inputs.mails += 1;
        self.inputs.refused += u64::from(mail.panicked);
        let mut reports = 0;
        for outcome in mail.outcomes {
            match outcome.found {
                Found::Report(parsed) => {
                    let origin = origin(&mail.source, &outcome.part);
                    self.add_report(parsed.report, origin, mail.message.as_ref());
                    reports += 1;
                }
                Found::Refused(_) => {
                    self.inputs.refused += 1;
                    reports += 1;
                }
                _ => {}
            }
        }
        self.inputs.not_reports += u64::from(reports == 0 && !mail.panicked);
    }

    /// Decides between versions and gives out what counts.
    #[must_use]
    pub fn finish(self) -> Collected {
        let mut collected = Collected { inputs: self.inputs, ..Collected::default() };
        let mut set_aside = self.set_aside;
        for (identity, mut versions) in self.reports {
            let rejected = versions.iter().map(|version| version.rank.rejected);
            collected.inputs.rejected_records += rejected.sum::<u64>();
            versions.sort_by(|a, b| a.rank.cmp(&b.rank));
            let mut versions = versions.into_iter();
            if let Some(active) = versions.next() {
                collected.inputs.reports += 1;
                if identity.kind == "tlsrpt" {
                    collected.tls_reports.push(NamedReport::new(identity, &active));
                }
                let (begin, end) = active.aside.period;
                collected.periods.insert((active.aside.reporter, DateRange::new(begin, end)));
                collected.keep(active.content);
            }
            for loser in versions {
                collected.inputs.conflicts += 1;
                set_aside.push(loser.aside);
            }
        }
        sort(&mut set_aside);
        collected.set_aside = set_aside;
        collected
    }

    fn add_report(&mut self, report: Report<'static>, origin: String, message: Option<&MessageInfo>) {
        let verdict = verdict(report, origin, message, None, &self.owner);
        if let Some(reason) = verdict.untrusted {
            self.inputs.untrusted += 1;
            return self.set_aside.push(verdict.aside.untrusted(reason));
        }
        let Some(report) = verdict.report else { return };
        let content = content(report, verdict.aside.origin.clone(), verdict.rank.trust());
        self.add_version(verdict.identity, Version { rank: verdict.rank, aside: verdict.aside, content });
    }

    /// Keeps a new version. Of copies, the one with the better rank and then the smaller origin speaks for all.
    fn add_version(&mut self, identity: Identity, version: Version) {
        let versions = self.reports.entry(identity).or_default();
        match versions.iter_mut().find(|known| known.rank.hash == version.rank.hash) {
            None => versions.push(version),
            Some(known) => {
                self.inputs.duplicates += 1;
                if (&version.rank, &version.aside.origin) < (&known.rank, &known.aside.origin) {
                    *known = version;
                }
            }
        }
    }
}

impl Collected {
    /// The newest day that [its reports](Self::periods) may be believed about, see [`newest_day`]: days since the Unix epoch, UTC.
    pub fn newest_day(&self) -> Option<i64> {
        newest_day(self.periods.iter().map(|(reporter, period)| (reporter.as_str(), *period)))
    }

    fn keep(&mut self, content: Content) {
        match content {
            Content::Records(records) => self.records.extend(records),
            Content::Tls(tls) => self.tls.extend(tls),
            Content::Failure(failure) => self.failures.extend(failure),
        }
    }
}

/// What a report says orders it first, so that names of files matter only between equals.
pub(crate) fn sort(set_aside: &mut [SetAside]) {
    set_aside.sort_by_cached_key(|aside| {
        let said = (aside.policy_domain.clone(), aside.reporter.clone(), aside.period, aside.reason.clone());
        // The part of a mail is named by the mail.
        let part = aside.origin.rsplit_once(' ').map(|(_, part)| part.to_owned());
        (said, aside.messages, part, aside.origin.clone())
    });
}

/// What is known about a host: from the networks of its owner and from what was found out about it, if anything was.
pub fn host_facts(owner: &Owner, host: Option<Host>, ip: IpAddr) -> HostFacts {
    let is_own = owner.networks.iter().any(|network| network.contains(&ip));
    let name = match host {
        None => HostName::NotLookedUp,
        Some(host) if host.name.is_empty() => HostName::Nameless,
        Some(host) if host.confirmed => HostName::Confirmed(host.name),
        Some(host) => HostName::Unconfirmed(host.name),
    };
    HostFacts::new(is_own, name)
}

pub(crate) fn origin(source: &str, part: &str) -> String {
    if part.is_empty() { source.to_owned() } else { format!("{source} {part}") }
}

fn content(report: Report<'static>, origin: String, trust: record::Trust) -> Content {
    match report {
        Report::Aggregate(report) => Content::Records(flatten(*report, origin, trust)),
        Report::Tls(report) => Content::Tls(tls_observations(&report, &origin)),
        Report::Failure(report) => Content::Failure(report.source_ip.map(|ip| {
            let domain =
                report.reported_domain.first().map(|domain| domain.as_str().to_owned()).unwrap_or_default();
            let mut failure = FailureObservation::new(ip, domain, origin);
            failure.arrived = report.arrived;
            let message = report.original.as_ref();
            failure.message_id =
                message.and_then(|message| message.header("message-id")).map(ToString::to_string);
            failure
        })),
        _ => Content::Failure(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dmarc_core::Limits;
    use dmarc_core::findings::Class;

    fn xml(count: u64, domain: &str) -> String {
        format!(
            "<feedback><version>1.0</version><report_metadata><org_name>r.example</org_name><email>a@r.example</email>\
             <report_id>1</report_id><date_range><begin>1789171200</begin><end>1789257599</end></date_range>\
             </report_metadata><policy_published><domain>{domain}</domain><p>none</p></policy_published>\
             <record><row><source_ip>192.0.2.1</source_ip><count>{count}</count><policy_evaluated>\
             <disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>\
             <identifiers><header_from>{domain}</header_from></identifiers><auth_results/></record></feedback>"
        )
    }

    fn mail(source: &str, results: &str, xml: &str) -> MailOutcome {
        let text = format!(
            "Authentication-Results: mx.owner.example; {results}\r\nFrom: a@r.example\r\nSubject: x\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/xml\r\n\r\n{xml}"
        );
        let reading = dmarc_core::read(text.as_bytes(), &Limits::default());
        MailOutcome {
            source: source.to_owned(),
            message: reading.message,
            outcomes: reading.outcomes,
            panicked: false,
        }
    }

    fn collect(mails: impl IntoIterator<Item = MailOutcome>, domains: &[&str]) -> Collected {
        let owner = Owner {
            domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
            trusted_authserv_ids: vec!["mx.owner.example".to_owned()],
            ..Owner::default()
        };
        let mut collection = Collection::new(owner);
        mails.into_iter().for_each(|mail| collection.add(mail));
        collection.finish()
    }

    const PASS: &str = "dmarc=pass";

    #[test]
    fn d01_counts_a_report_once_however_often_it_arrives() {
        let collected = collect((0..3).map(|n| mail(&format!("new/{n}"), PASS, &xml(7, "a.example"))), &[]);
        assert_eq!((collected.inputs.reports, collected.inputs.duplicates), (1, 2));
        assert_eq!(collected.records.iter().map(|r| r.message_count).sum::<u64>(), 7);
        assert_eq!(collected.records[0].report.origin.split(' ').next(), Some("new/0"));
    }

    /// The xml of a report whose `report_id`, first or other `org_name` and period differ.
    fn named(id: &str, org: &str, days: u64) -> String {
        let begin = 1_789_171_200 + days * 86_400;
        xml(7, "a.example")
            .replace("<report_id>1<", &format!("<report_id>{id}<"))
            .replace("<org_name>r.example<", &format!("<org_name>{org}<"))
            .replace("1789171200", &begin.to_string())
            .replace("1789257599", &(begin + 86_399).to_string())
    }

    /// How many different reports, and how many copies, two reports are.
    fn reports_and_copies(one: &str, other: &str) -> (u64, u64) {
        let inputs = collect([mail("1", PASS, one), mail("2", PASS, other)], &[]).inputs;
        assert_eq!(inputs.conflicts, 0);
        (inputs.reports, inputs.duplicates)
    }

    #[test]
    fn counts_both_of_two_reports_that_share_reporter_and_id() {
        let first = xml(7, "a.example");
        let other_domain = xml(8, "b.example");
        let next_hour = first.replace("1789171200", "1789174800").replace("1789257599", "1789261199");
        let collected = collect([&first, &other_domain, &next_hour].map(|xml| mail("1", PASS, xml)), &[]);
        assert_eq!(
            (collected.inputs.reports, collected.inputs.duplicates, collected.inputs.conflicts),
            (3, 0, 0)
        );
        assert_eq!(collected.records.iter().map(|r| r.message_count).sum::<u64>(), 7 + 8 + 7);
    }

    #[test]
    fn d02_counts_two_reports_with_one_id_for_two_days() {
        assert_eq!(reports_and_copies(&named("1", "r.example", 0), &named("1", "r.example", 1)), (2, 0));
    }

    #[test]
    fn d03_counts_two_reports_with_one_id_of_two_reporters() {
        let id = "a.example.1789171200.1789257599";
        assert_eq!(reports_and_copies(&named(id, "r.example", 0), &named(id, "s.example", 0)), (2, 0));
    }

    #[test]
    fn d05_does_not_cut_an_id_at_its_at_sign() {
        assert_eq!(reports_and_copies(&named("a@x", "r.example", 0), &named("a@y", "r.example", 0)), (2, 0));
    }

    #[test]
    fn d06_takes_an_id_in_angle_brackets_for_the_same() {
        let bracketed = named("&lt;a@x&gt;", "r.example", 0);
        assert_eq!(reports_and_copies(&bracketed, &named("a@x", "r.example", 0)), (1, 1));
    }

    #[test]
    fn m02_believes_nothing_that_stands_inside_a_forwarded_mail() {
        let inner = format!(
            "Authentication-Results: mx.owner.example; dmarc=pass\r\nFrom: a@r.example\r\nSubject: x\r\n\
             Content-Type: text/xml\r\n\r\n{}",
            xml(7, "a.example")
        );
        let text = format!(
            "Authentication-Results: mx.owner.example; dmarc=pass\r\nFrom: me@owner.example\r\nSubject: Fwd\r\n\
             Content-Type: message/rfc822\r\n\r\n{inner}"
        );
        let reading = dmarc_core::read(text.as_bytes(), &Limits::default());
        let outer = MailOutcome {
            source: "1".to_owned(),
            message: reading.message,
            outcomes: reading.outcomes,
            panicked: false,
        };
        let collected = collect([outer], &[]);
        assert_eq!(collected.inputs.reports, 1);
        assert_eq!(collected.records[0].report.trust, record::Trust::Unverified);
    }

    #[test]
    fn d04_keeps_the_same_one_of_two_that_contradict_whichever_comes_first() {
        let mails = || [mail("1", PASS, &xml(7, "a.example")), mail("2", PASS, &xml(8, "a.example"))];
        let forward = collect(mails(), &[]);
        let mut reversed = mails();
        reversed.reverse();
        assert_eq!(forward.records, collect(reversed, &[]).records);
        assert_eq!((forward.inputs.conflicts, forward.set_aside[0].class), (1, Class::ReportConflict));
        assert_eq!((forward.inputs.reports, forward.records.len()), (1, 1));
    }

    #[test]
    fn lets_no_unverified_report_displace_a_verified_one() {
        let collected = collect(
            [mail("1", "dmarc=none", &xml(1, "a.example")), mail("2", PASS, &xml(9, "a.example"))],
            &[],
        );
        assert_eq!(collected.records[0].message_count, 9);
    }

    #[test]
    fn lets_no_stranger_whose_own_mail_is_genuine_displace_a_report() {
        let forged = || {
            let mut forged = mail("1", PASS, &xml(1, "a.example"));
            if let Some(message) = forged.message.as_mut() {
                message.from_domain = Some("evil.example".to_owned());
                message.date = Some(0);
            }
            forged
        };
        for order in [[0, 1], [1, 0]] {
            let mut mails = [Some(forged()), Some(mail("2", PASS, &xml(9, "a.example")))];
            let mails = order.map(|at: usize| mails[at].take().unwrap());
            assert_eq!(collect(mails, &[]).records[0].message_count, 9);
        }
    }

    #[test]
    fn counts_nothing_of_a_report_that_failed_authentication() {
        let collected = collect([mail("1", "dmarc=fail", &xml(1_000_000, "a.example"))], &[]);
        assert_eq!((collected.records.len(), collected.inputs.untrusted), (0, 1));
        assert_eq!(
            (collected.set_aside[0].origin.as_str(), collected.set_aside[0].messages),
            ("1 1", 1_000_000)
        );
    }

    #[test]
    fn m09_counts_nothing_about_domains_of_others() {
        let mails = || [mail("1", PASS, &xml(1, "mail.a.example")), mail("2", PASS, &xml(1, "b.example"))];
        let collected = collect(mails(), &["a.example"]);
        assert_eq!((collected.inputs.reports, collected.inputs.untrusted), (1, 1));
        let reason = "it is about b.example, which is none of the configured domains";
        assert_eq!(collected.set_aside[0].reason, reason);
        assert_eq!(collect(mails(), &[]).inputs.reports, 2);
    }
}
