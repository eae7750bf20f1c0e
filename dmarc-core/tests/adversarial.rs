//! Senders and reporters that mean to mislead, and honest ones that look as if they did: what may be said of them.
//!
//! Where nobody could tell two causes apart from reports, the test asserts the class that claims least, and says why.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use dmarc_core::Limits;
use dmarc_core::findings::{
    Class, Decision, Evidence, Finding, Findings, HostFacts, HostName, Input, Severity, Status, Subject, find,
};
use dmarc_core::record::{FlatRecord, Trust, flatten};
use proptest::prelude::*;
use proptest::sample::{Index, select};

const DAY: i64 = 86_400;
const START: i64 = 1_788_220_800; // 2026-09-01
/// Findings of one domain that an analyst is shown.
const HANDFUL: usize = 12;
const TWO: &[&str] = &["a.example", "b.example"];
const SPOOFER: &str = "198.51.100.7";
const FORWARDER: &str = "203.0.113.9";
const OWN: &str = "192.0.2.1";

/// A row of a report. Whether it aligns follows from its results, as with an honest reporter.
#[derive(Clone, Debug)]
struct Row {
    ip: String,
    count: u64,
    disposition: &'static str,
    from: String,
    dkim: Vec<(String, String, &'static str)>,
    spf: (String, &'static str),
    reasons: Vec<(&'static str, &'static str)>,
}

impl Row {
    /// Nothing of ours passes, MAIL FROM is ours, and the mail is delivered.
    fn spoof(ip: impl Into<String>, count: u64) -> Self {
        Self {
            ip: ip.into(),
            count,
            disposition: "none",
            from: "example.org".to_owned(),
            dkim: Vec::new(),
            spf: ("example.org".to_owned(), "fail"),
            reasons: Vec::new(),
        }
    }

    /// Mail of our own host: both mechanisms pass.
    fn own() -> Self {
        Self::spoof(OWN, 200).spf("example.org", "pass").dkim("example.org", "s1", "pass")
    }

    /// Our mail, forwarded unchanged with the forwarder's MAIL FROM.
    fn forwarded(ip: &str, count: u64) -> Self {
        Self::spoof(ip, count).spf("forwarder.example.net", "pass").dkim("example.org", "s1", "pass")
    }

    fn from(self, from: &str) -> Self {
        Self { from: from.to_owned(), ..self }
    }

    fn spf(self, domain: &str, result: &'static str) -> Self {
        Self { spf: (domain.to_owned(), result), ..self }
    }

    fn dkim(mut self, domain: &str, selector: &str, result: &'static str) -> Self {
        self.dkim.push((domain.to_owned(), selector.to_owned(), result));
        self
    }

    fn reason(mut self, kind: &'static str, comment: &'static str) -> Self {
        self.reasons.push((kind, comment));
        self
    }

    fn disposition(self, disposition: &'static str) -> Self {
        Self { disposition, ..self }
    }

    fn xml(&self, policy_domain: &str) -> String {
        let aligned = |domain: &str, result: &str| {
            let is_ours = domain == policy_domain || domain.ends_with(&format!(".{policy_domain}"));
            is_ours && result == "pass"
        };
        let word = |pass: bool| if pass { "pass" } else { "fail" };
        let dkim_aligned = word(self.dkim.iter().any(|(domain, _, result)| aligned(domain, result)));
        let spf_aligned = word(aligned(&self.spf.0, self.spf.1));
        let reasons = self.reasons.iter().fold(String::new(), |xml, (kind, comment)| {
            xml + &format!("<reason><type>{kind}</type><comment>{comment}</comment></reason>")
        });
        let dkim = self.dkim.iter().fold(String::new(), |xml, (domain, selector, result)| {
            xml + &format!(
                "<dkim><domain>{domain}</domain><selector>{selector}</selector><result>{result}</result></dkim>"
            )
        });
        format!(
            "<record><row><source_ip>{}</source_ip><count>{}</count><policy_evaluated>\
             <disposition>{}</disposition><dkim>{dkim_aligned}</dkim><spf>{spf_aligned}</spf>{reasons}\
             </policy_evaluated></row><identifiers><header_from>{}</header_from></identifiers><auth_results>{dkim}\
             <spf><domain>{}</domain><scope>mfrom</scope><result>{}</result></spf></auth_results></record>",
            self.ip, self.count, self.disposition, self.from, self.spf.0, self.spf.1
        )
    }
}

/// What reporters saw, and what is known about hosts.
#[derive(Clone, Debug)]
struct World {
    policy_domain: &'static str,
    records: Vec<FlatRecord>,
    names: BTreeMap<IpAddr, HostName>,
    decisions: Vec<Decision>,
}

impl World {
    /// Our own declared host sends every day of `days`, and two reporters see it.
    fn new(days: Range<i64>) -> Self {
        Self::empty("example.org").seen(TWO, days, &[Row::own()])
    }

    fn empty(policy_domain: &'static str) -> Self {
        Self { policy_domain, records: Vec::new(), names: BTreeMap::new(), decisions: Vec::new() }
    }

    /// Each of `reporters` reports `rows` on each of `days`.
    fn seen(mut self, reporters: &[&str], days: Range<i64>, rows: &[Row]) -> Self {
        for day in days {
            for reporter in reporters {
                self = self.report(reporter, day * DAY, DAY, rows);
            }
        }
        self
    }

    /// A report about the time from `begin`, in seconds since the start, of `length` seconds.
    fn report(mut self, reporter: &str, begin: i64, length: i64, rows: &[Row]) -> Self {
        let (begin, end) = (START + begin, START + begin + length - 1);
        let records: String = rows.iter().map(|row| row.xml(self.policy_domain)).collect();
        let xml = format!(
            "<feedback><version>1.0</version><report_metadata><org_name>{reporter}</org_name><email>r@{reporter}</email>\
             <report_id>{}</report_id><date_range><begin>{begin}</begin><end>{end}</end></date_range></report_metadata>\
             <policy_published><domain>{}</domain><p>none</p></policy_published>{records}</feedback>",
            self.records.len(),
            self.policy_domain
        );
        let report = dmarc_core::parse::aggregate::parse(&xml, &Limits::default()).remove(0).unwrap().report;
        let origin = format!("{reporter}/{begin}");
        self.records.extend(flatten(report.into_owned(), origin, Trust::TrustedAuthres));
        self
    }

    /// The last report says that it found this policy.
    fn policy(mut self, policy: &str) -> Self {
        let last = Arc::clone(&self.records.last().unwrap().report);
        for record in self.records.iter_mut().filter(|record| record.report == last) {
            policy.clone_into(&mut Arc::make_mut(&mut record.report).policy);
        }
        self
    }

    fn name(mut self, ip: &str, name: HostName) -> Self {
        self.names.insert(ip.parse().unwrap(), name);
        self
    }

    fn confirmed(self, ip: &str, name: &str) -> Self {
        self.name(ip, HostName::Confirmed(name.to_owned()))
    }

    fn unconfirmed(self, ip: &str, name: &str) -> Self {
        self.name(ip, HostName::Unconfirmed(name.to_owned()))
    }

    fn find(&self) -> Findings {
        let host = |ip: IpAddr| {
            let name = self.names.get(&ip).cloned().unwrap_or(HostName::Nameless);
            HostFacts::new(ip.to_string() == OWN, name)
        };
        let mut input = Input::new(&self.records, &host);
        input.known.decisions = &self.decisions;
        find(&input)
    }

    /// The findings that list `ip`, worst first.
    fn findings_of(&self, ip: &str) -> Vec<Finding> {
        let ip: IpAddr = ip.parse().unwrap();
        self.find().findings.into_iter().filter(|finding| finding.source.ips.contains(&ip)).collect()
    }

    /// The one finding that lists `ip`.
    fn finding_of(&self, ip: &str) -> Finding {
        let mut findings = self.findings_of(ip);
        assert_eq!(findings.len(), 1, "one finding of {ip}: {findings:#?}");
        findings.remove(0)
    }

    fn classes_of(&self, ip: &str) -> Vec<Class> {
        self.findings_of(ip).iter().map(|finding| finding.class).collect()
    }

    /// Findings that ask for something.
    fn asking(&self) -> usize {
        self.find().findings.iter().filter(|finding| !finding.class.is_quiet()).count()
    }
}

fn rows(rows: impl IntoIterator<Item = Row>) -> Vec<Row> {
    rows.into_iter().collect()
}

/// The `n`th address of many, each in a network of its own.
fn bot(n: usize) -> String {
    format!("198.{}.{}.{}", 18 + n / 250, n % 250, 1 + n * 7 % 250)
}

// ---- spoofers

/// Any customer of the service could have sent it, and so could we: reports show no account.
#[test]
fn asks_the_owner_about_a_stranger_who_sends_through_a_service_that_everybody_uses() {
    let row = Row::spoof(SPOOFER, 60).spf("sendgrid.net", "pass").dkim("sendgrid.net", "s1", "pass");
    let world =
        World::new(0..30).seen(TWO, 3..20, &[row]).confirmed(SPOOFER, "o9.outbound-mail.sendgrid.net");
    let finding = world.finding_of(SPOOFER);
    assert_eq!((finding.class, finding.source.name.as_str()), (Class::ThirdPartyUnaligned, "SendGrid"));
    assert!(finding.severity <= Severity::Medium, "{:?}", finding.severity);
    assert!(finding.remedy.starts_with("ask who uses this service"), "{}", finding.remedy);
    assert!(!finding.remedy.contains("to SPF"), "{}", finding.remedy);
}

/// The service passes SPF, but the name of the host is its sender's claim: the class stays, the confidence does not.
#[test]
fn is_less_sure_of_a_service_whose_name_its_host_only_claims() {
    let row = Row::spoof(SPOOFER, 60).spf("sendgrid.net", "pass").dkim("sendgrid.net", "s1", "pass");
    let world = World::new(0..30).seen(TWO, 3..20, &[row]);
    let sure = world.clone().confirmed(SPOOFER, "o9.outbound-mail.sendgrid.net").finding_of(SPOOFER);
    let claimed = world.unconfirmed(SPOOFER, "o9.outbound-mail.sendgrid.net").finding_of(SPOOFER);
    assert!(claimed.confidence < sure.confidence, "{claimed:#?}");
}

#[test]
fn takes_a_signature_of_a_service_for_no_service_where_its_spf_does_not_pass() {
    let row = Row::spoof(SPOOFER, 60).spf("sendgrid.net", "fail").dkim("sendgrid.net", "s1", "pass");
    let world =
        World::new(0..30).seen(TWO, 3..20, &[row]).unconfirmed(SPOOFER, "o9.outbound-mail.sendgrid.net");
    let finding = world.finding_of(SPOOFER);
    assert_eq!(finding.class, Class::UnauthorizedSpoof);
    assert!(!finding.source.name.contains("SendGrid"), "{}", finding.source.name);
}

#[test]
fn sees_a_spoofer_that_sends_a_message_or_two_a_day_for_months() {
    let mut world = World::new(0..90);
    for day in 0..90 {
        let reporter = TWO.iter().copied().cycle().skip(usize::try_from(day).unwrap() % 2).take(1);
        world = world.seen(
            &reporter.collect::<Vec<_>>(),
            day..day + 1,
            &[Row::spoof(SPOOFER, 1 + day.unsigned_abs() % 2)],
        );
    }
    let finding = world.finding_of(SPOOFER);
    assert_eq!((finding.class, finding.messages), (Class::UnauthorizedSpoof, 135));
    assert!(finding.severity >= Severity::High, "{:?}", finding.severity);
}

/// A steady host with a name of its own may be a server of ours that everybody forgot: unknown, and in sight.
#[test]
fn asks_who_a_steady_host_with_a_name_of_its_own_is() {
    let world = World::new(0..90)
        .seen(TWO, 0..90, &[Row::spoof(SPOOFER, 1)])
        .confirmed(SPOOFER, "vps7.hoster.example");
    let finding = world.finding_of(SPOOFER);
    assert_eq!(finding.class, Class::UnauthorizedUnknown);
    assert!(finding.severity >= Severity::Medium, "{:?}", finding.severity);
}

#[test]
fn believes_no_name_that_a_spoofer_gives_its_host() {
    for name in ["mx1.example.org", "o1.outbound-mail.sendgrid.net", "mail-x.google.com"] {
        let world = World::new(0..20).seen(TWO, 3..9, &[Row::spoof(SPOOFER, 60)]);
        let finding = world.unconfirmed(SPOOFER, name).finding_of(SPOOFER);
        assert_eq!(finding.class, Class::UnauthorizedSpoof, "{name}");
        assert_eq!(finding.source.name, SPOOFER);
    }
}

#[test]
fn calls_a_spoofer_one_that_passes_spf_and_dkim_and_has_a_confirmed_name_of_its_own() {
    let row = Row::spoof(SPOOFER, 60).spf("evil.example", "pass").dkim("evil.example", "k", "pass");
    let world = World::new(0..20).seen(TWO, 3..9, &[row]).confirmed(SPOOFER, "vps.evil.example");
    let finding = world.finding_of(SPOOFER);
    assert_eq!((finding.class, finding.severity), (Class::UnauthorizedSpoof, Severity::Critical));
    assert!(!finding.remedy.contains("add the host to SPF"), "{}", finding.remedy);
}

#[test]
fn takes_no_name_under_the_public_suffix_that_we_share_for_ours() {
    let own =
        Row::own().from("example.co.uk").spf("example.co.uk", "pass").dkim("example.co.uk", "s1", "pass");
    let spoof = Row::spoof(SPOOFER, 60).from("example.co.uk").spf("evil.co.uk", "pass").dkim(
        "evil.co.uk",
        "s1",
        "pass",
    );
    let world = World::empty("example.co.uk")
        .seen(TWO, 0..20, &[own])
        .seen(TWO, 3..9, &[spoof])
        .confirmed(SPOOFER, "mx.evil.co.uk");
    let finding = world.finding_of(SPOOFER);
    assert_eq!((finding.class, finding.domain.as_str()), (Class::UnauthorizedSpoof, "example.co.uk"));
}

#[test]
fn takes_no_domain_for_ours_that_ends_or_begins_as_ours() {
    for alike in ["notexample.org", "example.org.evil.example", "example.orgg.example"] {
        let row = Row::spoof(SPOOFER, 60).spf(alike, "pass").dkim(alike, "s1", "pass");
        let world = World::new(0..20).seen(TWO, 3..9, &[row]).confirmed(SPOOFER, &format!("mx.{alike}"));
        assert_eq!(world.finding_of(SPOOFER).class, Class::UnauthorizedSpoof, "{alike}");
    }
}

/// SPF is aligned and passes: our own record says that the host may send as us. Reports show no account, so nobody can
/// tell our mail there from that of another customer.
#[test]
fn cannot_tell_another_customer_of_a_service_in_our_spf_record_from_us() {
    let row = Row::spoof(SPOOFER, 60).spf("example.org", "pass");
    let world = World::new(0..20).seen(TWO, 3..9, &[row]).confirmed(SPOOFER, "a1.smtp-out.amazonses.com");
    assert_eq!(world.finding_of(SPOOFER).class, Class::Authorized);
}

/// The same host may be any host, and its sender's guilt is not shown by what reporters hide.
#[test]
fn calls_no_hidden_address_a_spoofer() {
    let world = World::new(0..20).seen(TWO, 3..9, &[Row::spoof("X.X.X.X", 400)]);
    let hidden =
        world.find().findings.into_iter().find(|f| f.source.ips.is_empty() && f.messages == 4_800).unwrap();
    assert_eq!((hidden.class, hidden.severity), (Class::UnauthorizedUnknown, Severity::Medium));
    assert_eq!(hidden.source.name, "addresses hidden by reporters");
}

#[test]
fn excuses_no_delivered_mail_for_an_override_that_is_not_about_forwarding() {
    for (kind, comment) in [
        ("other", "arc=pass mailing_list"),
        ("policy_override", "trusted"),
        ("sampled_out", ""),
        ("policy_test_mode", ""),
        ("local_policy", "trusted sender, forwarded"),
        ("local_policy", "arc=fail"),
    ] {
        let world = World::new(0..20).seen(TWO, 3..9, &[Row::spoof(SPOOFER, 60).reason(kind, comment)]);
        let finding = world.finding_of(SPOOFER);
        let seen = (finding.class, finding.severity, finding.delivered);
        assert_eq!(seen, (Class::UnauthorizedSpoof, Severity::Critical, 720), "{kind} {comment}");
    }
}

#[test]
fn makes_a_handful_of_findings_of_a_thousand_failing_hosts() {
    let bots = |day: i64| {
        rows((0..1_100).filter(|n| n % 3 == usize::try_from(day).unwrap() % 3).map(|n| Row::spoof(bot(n), 1)))
    };
    let mut world = World::new(0..20);
    for day in 5..8 {
        world = world.seen(TWO, day..day + 1, &bots(day));
    }
    let finding = world.finding_of(&bot(0));
    assert_eq!((finding.class, finding.source.hosts), (Class::UnauthorizedSpoof, 1_100));
    assert!(world.find().findings.len() <= 3);
}

#[test]
fn makes_a_handful_of_findings_of_hosts_of_every_size_and_time() {
    let mut world = World::new(0..60);
    for n in 0..300 {
        let day = i64::try_from(n).unwrap() * 7 % 60;
        world = world.seen(TWO, day..day + 1, &[Row::spoof(bot(n), 1 + (n as u64 % 5) * 20)]);
    }
    assert!(world.asking() <= HANDFUL, "{}", world.asking());
}

/// Too few at a time for a campaign: they are still not one finding each.
#[test]
fn makes_a_handful_of_findings_of_hosts_that_come_one_after_the_other() {
    let mut world = World::new(0..90);
    for n in 0..60 {
        let day = i64::try_from(n).unwrap() * 3 / 2;
        world = world.seen(TWO, day..day + 1, &[Row::spoof(bot(n), 2)]);
    }
    assert!(world.asking() <= HANDFUL, "{}", world.asking());
}

// ---- replay

#[test]
fn suspects_a_replay_though_its_sender_signs_and_passes_as_itself() {
    let burst = Row::forwarded(SPOOFER, 900).spf("evil.example", "pass").dkim("evil.example", "k", "pass");
    let world = World::new(0..30).seen(TWO, 12..14, &[burst]).confirmed(SPOOFER, "vps.evil.example");
    assert_eq!(world.finding_of(SPOOFER).class, Class::SuspectReplay);
}

/// A replay that drips looks as a forwarder does: our signature, a host that is not ours, a few messages a day.
#[test]
fn cannot_tell_a_dripping_replay_from_a_forwarder() {
    let world = World::new(0..60).seen(TWO, 0..60, &[Row::forwarded(SPOOFER, 3)]);
    assert_eq!(world.finding_of(SPOOFER).class, Class::ForwardedIntact);
}

/// A replay is of mail that we sent: its selector was seen before. A new service brings its own.
#[test]
fn takes_a_new_service_with_a_selector_of_its_own_for_no_replay() {
    let row = Row::spoof(FORWARDER, 900).spf("bounce.newservice.example", "pass").dkim(
        "example.org",
        "ns1",
        "pass",
    );
    let world = World::new(0..30).seen(TWO, 28..30, &[row]).confirmed(FORWARDER, "mta1.newservice.example");
    assert_ne!(world.finding_of(FORWARDER).class, Class::SuspectReplay);
}

/// Every customer of the service can send our old mail through it: its SPF vouches for the service, not for us.
#[test]
fn suspects_a_replay_through_a_service_that_everybody_may_send_with() {
    let burst = Row::forwarded(SPOOFER, 5_000).spf("amazonses.com", "pass");
    let world = World::new(0..30).seen(TWO, 25..27, &[burst]);
    let confirmed = world.clone().confirmed(SPOOFER, "a1.smtp-out.amazonses.com");
    for world in [world, confirmed] {
        let finding = world.finding_of(SPOOFER);
        assert_eq!((finding.class, finding.severity), (Class::SuspectReplay, Severity::Critical));
    }
}

#[test]
fn takes_mail_of_a_service_for_ours_that_has_a_key_of_its_own_or_used_ours_for_longer() {
    let row = |selector| {
        Row::spoof(FORWARDER, 900).spf("amazonses.com", "pass").dkim("example.org", selector, "pass")
    };
    let new = World::new(0..30).seen(TWO, 28..30, &[row("ses1")]);
    let known = World::new(0..30).seen(TWO, 0..30, &[row("s1")]);
    for world in [new, known] {
        let confirmed = world.clone().confirmed(FORWARDER, "a1.smtp-out.amazonses.com");
        assert_eq!(world.classes_of(FORWARDER), [Class::Authorized]);
        assert_eq!(confirmed.classes_of(FORWARDER), [Class::Authorized]);
    }
}

// ---- reporters

/// Anybody may send reports, from a domain that looks like a known reporter's. What it says excuses its own rows only.
#[test]
fn lets_no_single_reporter_excuse_what_others_saw() {
    let row = || Row::spoof(SPOOFER, 60);
    let excused = row().reason("mailing_list", "");
    let world = World::new(0..20).seen(TWO, 3..9, &[row()]).seen(&["a.examp1e"], 3..9, &[excused]);
    let spoof = world.findings_of(SPOOFER).remove(0);
    assert_eq!(
        (spoof.class, spoof.severity, spoof.messages),
        (Class::UnauthorizedSpoof, Severity::Critical, 720)
    );
}

/// The same, beside a broken signature of ours, which every sender can add.
#[test]
fn lets_no_single_reporter_excuse_what_others_saw_beside_a_broken_signature() {
    let row = || Row::spoof(SPOOFER, 60).dkim("example.org", "s1", "fail");
    let excused = row().reason("mailing_list", "");
    let world = World::new(0..20).seen(TWO, 3..9, &[row()]).seen(&["a.examp1e"], 3..9, &[excused]);
    let spoof = world.findings_of(SPOOFER).remove(0);
    assert_eq!(
        (spoof.class, spoof.severity, spoof.messages),
        (Class::UnauthorizedSpoof, Severity::Critical, 720)
    );
}

/// Whatever it says of the host, and however many messages it claims to have seen.
#[test]
fn lowers_no_spoof_for_one_report_that_others_contradict() {
    let spoof = || Row::spoof(SPOOFER, 200).spf("evil.example", "pass");
    for days in [0..30, 5..7] {
        let world = World::new(0..30).seen(TWO, days, &[spoof()]);
        let alone = world.finding_of(SPOOFER);
        assert_eq!((alone.class, alone.severity), (Class::UnauthorizedSpoof, Severity::Critical));
        for count in [1, 1_000_000] {
            let said = || Row::spoof(SPOOFER, count).spf("evil.example", "pass");
            for row in [
                said().reason("local_policy", "arc=pass"),
                said().reason("mailing_list", ""),
                said().spf("example.org", "pass"),
                said().dkim("example.org", "s1", "pass"),
            ] {
                let world = world.clone().report("a.examp1e", 5 * DAY, DAY, std::slice::from_ref(&row));
                let spoof = world.findings_of(SPOOFER);
                let spoof = spoof.iter().find(|finding| finding.id == alone.id).unwrap();
                assert_eq!((spoof.class, spoof.severity), (alone.class, alone.severity), "{row:?}");
            }
        }
    }
}

/// More reporters that lie than reporters that do not cannot be told from the truth; as many can.
#[test]
fn takes_no_spoofer_for_ours_or_for_a_forwarder_because_two_reports_say_so() {
    let fakes = &["x1.example", "x2.example"];
    let broken = || Row::spoof(SPOOFER, 200).spf("evil.example", "pass").dkim("example.org", "s1", "fail");
    let world = World::new(0..30).seen(TWO, 0..30, &[broken()]);
    for count in [1, 1_000_000] {
        for row in [
            Row::spoof(SPOOFER, count).spf("example.org", "pass"),
            Row::spoof(SPOOFER, count).reason("mailing_list", ""),
        ] {
            let world = world.clone().seen(fakes, 3..4, std::slice::from_ref(&row));
            let spoof = world.findings_of(SPOOFER);
            let spoof = spoof.iter().find(|finding| finding.messages == 12_000).unwrap();
            assert_eq!(
                (spoof.class, spoof.severity),
                (Class::UnauthorizedSpoof, Severity::Critical),
                "{row:?}"
            );
        }
    }
}

/// Whether SPF passes follows from our record and the address, so honest reporters agree on it.
#[test]
fn takes_no_host_for_ours_that_passes_spf_for_one_reporter_and_fails_for_others() {
    let passes = Row::spoof(SPOOFER, 1).spf("example.org", "pass");
    let world =
        World::new(0..20).seen(TWO, 3..9, &[Row::spoof(SPOOFER, 60)]).seen(&["a.examp1e"], 3..4, &[passes]);
    let classes = world.classes_of(SPOOFER);
    assert!(!classes.contains(&Class::LegitBroken), "{classes:?}");
    assert_eq!(classes.first(), Some(&Class::UnauthorizedSpoof), "{classes:?}");
}

#[test]
fn judges_the_same_when_reports_overlap_or_are_a_day_off() {
    let burst = [Row::spoof(SPOOFER, 60)];
    let bots = |day: i64| {
        rows(
            (0..40_u64)
                .filter(|n| n % 2 == day.unsigned_abs() % 2)
                .map(|n| Row::spoof(bot(usize::try_from(n).unwrap()), 1)),
        )
    };
    let mut world = World::new(0..20);
    for day in 5..7 {
        world = world.seen(TWO, day..day + 1, &burst).seen(TWO, day..day + 1, &bots(day));
        // One with the clock of another day, one every hour.
        world = world.report(
            "skewed.example",
            (day + 1) * DAY + 7_200,
            DAY,
            &[burst.as_slice(), &bots(day)].concat(),
        );
        for hour in 0..24 {
            world = world.report("hourly.example", day * DAY + hour * 3_600, 3_600, &burst);
        }
        world = world.report("hourly.example", day * DAY, DAY, &bots(day));
    }
    assert_eq!(world.finding_of(SPOOFER).class, Class::UnauthorizedSpoof);
    let campaign = world.finding_of(&bot(0));
    assert_eq!((campaign.class, campaign.source.hosts), (Class::UnauthorizedSpoof, 40));
    assert!(world.find().findings.len() <= 4);
}

/// Its sender's clock may be wrong, or it may mean to make decisions expire, findings resolved and the policy strict.
#[test]
fn lets_no_report_of_another_time_say_what_is_old() {
    let expires = START + 60 * DAY;
    let network = Subject::Network("203.0.113.0/24".parse().unwrap());
    let owner = || "ops@example.org".to_owned();
    let decision = Decision::new(Status::Approved, network, owner(), "newsletter".to_owned(), expires);
    for reporters in [TWO, &["a.example"]] {
        let rows = [Row::own(), Row::spoof(SPOOFER, 9), Row::spoof(FORWARDER, 9)];
        let mut good = World::empty("example.org").seen(reporters, 0..40, &rows);
        good.decisions = vec![decision.clone()];
        let expected = good.find();
        // The years 2098 and 2199, and the month after.
        for day in [26_000, 63_000, 65] {
            let wrong = good
                .clone()
                .report("tiny.example", day * DAY, DAY, &[Row::spoof(FORWARDER, 1), Row::own()])
                .policy("reject");
            let found = wrong.find();
            let key = |found: &Findings| {
                let of =
                    |f: &Finding| (f.id.clone(), (f.class, f.severity, f.novelty, f.first_seen, f.last_seen));
                found.findings.iter().map(of).collect::<BTreeMap<_, _>>()
            };
            assert_eq!(key(&found), key(&expected), "{day}");
            assert_eq!((found.expired.len(), found.period), (0, expected.period), "{day}");
            let (domain, before) = (found.domains.first().unwrap(), expected.domains.first().unwrap());
            assert_eq!((domain.policy.as_str(), domain.days.len()), ("none", before.days.len()), "{day}");
        }
    }
}

#[test]
fn lets_a_decision_expire_with_the_last_day_of_the_reports_whatever_second_they_end_in() {
    let network = Subject::Network("203.0.113.0/24".parse().unwrap());
    let expired = |days: i64, length: i64| {
        let mut world = World::empty("example.org");
        for day in 0..days {
            world = world.report("a.example", day * DAY, length, &[Row::spoof(FORWARDER, 9)]);
        }
        let (owner, reason) = ("ops@example.org".to_owned(), "newsletter".to_owned());
        world.decisions =
            vec![Decision::new(Status::Approved, network.clone(), owner, reason, START + 20 * DAY)];
        world.find().expired.len()
    };
    // The end is the last second of the day, or the first of the next one.
    for length in [DAY, DAY + 1] {
        assert_eq!((expired(20, length), expired(21, length)), (0, 1), "{length}");
    }
}

#[test]
fn believes_no_single_reporter_about_the_policy_that_others_found_otherwise() {
    let policy = |world: World| world.find().domains.first().unwrap().policy.clone();
    let own = &[Row::own()];
    let good = World::new(0..20);
    for day in [19, 20, 21] {
        let wrong = good.clone().report("tiny.example", day * DAY, DAY, own).policy("reject");
        assert_eq!(policy(wrong), "none", "{day}");
    }
    // The only one that others contradict is not many.
    let one = World::empty("example.org").seen(&["a.example"], 0..20, own);
    assert_eq!(policy(one.report("tiny.example", 21 * DAY, DAY, own).policy("reject")), "none");
    // A change that both see is one.
    let changed = good.report("a.example", 20 * DAY, DAY, own).policy("reject");
    let changed = changed.report("b.example", 20 * DAY, DAY, own).policy("reject");
    assert_eq!(policy(changed), "reject");
}

// ---- mail of ours that looks strange

#[test]
fn calls_no_list_a_spoofer_that_strips_signatures_and_that_some_reporters_know() {
    let list =
        || Row::spoof(FORWARDER, 9).spf("lists.example.net", "pass").dkim("lists.example.net", "l", "pass");
    let world = World::new(0..25)
        .seen(&["a.example"], 0..25, &[list().reason("mailing_list", "")])
        .seen(&["b.example", "c.example"], 0..25, &[list()])
        .confirmed(FORWARDER, "lists.example.net");
    let findings = world.findings_of(FORWARDER);
    let classes: Vec<Class> = findings.iter().map(|finding| finding.class).collect();
    assert!(classes.contains(&Class::ForwardedModified), "{classes:?}");
    assert!(!classes.contains(&Class::UnauthorizedSpoof), "{findings:#?}");
    assert!(findings.iter().all(|finding| !finding.remedy.contains("add the host to SPF")));
}

#[test]
fn calls_mail_forwarded_that_a_mailbox_provider_forwards() {
    for name in ["mail-sor-f41.google.com", "mail-x.outbound.protection.outlook.com"] {
        let intact = Row::forwarded(FORWARDER, 20);
        let world = World::new(0..25).seen(TWO, 0..25, &[intact]).confirmed(FORWARDER, name);
        assert_eq!(world.finding_of(FORWARDER).class, Class::ForwardedIntact, "{name}");

        let changed = Row::spoof(FORWARDER, 20)
            .spf("forwarder.example.net", "pass")
            .dkim("example.org", "s1", "fail")
            .reason("local_policy", "arc=pass");
        let world = World::new(0..25).seen(TWO, 0..25, &[changed]).confirmed(FORWARDER, name);
        assert_eq!(world.finding_of(FORWARDER).class, Class::ForwardedModified, "{name}");
    }
}

/// The other way round: the account there is a stranger's, and nothing of ours is in the mail.
#[test]
fn takes_no_mail_for_forwarded_because_it_comes_from_a_mailbox_provider() {
    let row = Row::spoof(SPOOFER, 20).spf("gmail.com", "pass").dkim("gmail.com", "k", "pass");
    let world = World::new(0..25).seen(TWO, 5..9, &[row]).confirmed(SPOOFER, "mail-sor-f41.google.com");
    let class = world.finding_of(SPOOFER).class;
    assert!(matches!(class, Class::UnauthorizedUnknown | Class::UnauthorizedSpoof), "{class:?}");
}

#[test]
fn calls_no_host_a_spoofer_whose_old_key_fails_while_the_new_one_passes() {
    let app = "203.0.113.20";
    let old = Row::spoof(app, 20).dkim("example.org", "old", "pass");
    let broken = Row::spoof(app, 10).dkim("example.org", "old", "fail");
    let new = Row::spoof(app, 10).dkim("example.org", "new", "pass");
    let world = World::new(0..30)
        .seen(TWO, 0..15, &[old])
        .seen(TWO, 15..30, &[broken, new])
        .confirmed(app, "app1.example.org");
    let classes = world.classes_of(app);
    assert_eq!(classes, [Class::LegitBroken, Class::Authorized]);
    assert!(world.findings_of(app).remove(0).remedy.contains("selector"));
}

#[test]
fn follows_a_move_from_one_service_to_another_without_alarm() {
    let (fades, appears) = ("203.0.113.30", "203.0.113.40");
    let from = |ip: &str, count: i64, service: &str, selector: &str| {
        Row::spoof(ip, u64::try_from(count).unwrap()).spf(service, "pass").dkim(
            "example.org",
            selector,
            "pass",
        )
    };
    let mut world = World::new(0..20)
        .confirmed(fades, "o1.outbound-mail.sendgrid.net")
        .confirmed(appears, "m1.mailgun.net");
    for day in 0..20 {
        if day < 18 {
            world = world.seen(TWO, day..day + 1, &[from(fades, 400 - 20 * day, "sendgrid.net", "sg1")]);
        }
        if day >= 17 {
            world = world.seen(TWO, day..day + 1, &[from(appears, 500, "mailgun.org", "mg1")]);
        }
    }
    assert_eq!(world.classes_of(fades), [Class::Authorized]);
    assert_eq!(world.classes_of(appears), [Class::Authorized]);
}

// ---- laws

/// One of the things that a sender or forwarder does.
fn any_row() -> impl Strategy<Value = Row> {
    let ip = select(vec![OWN, SPOOFER, FORWARDER, "198.51.100.8", "198.51.200.1", "2001:db8::7", "X.X.X.X"]);
    let spf = select(vec![
        ("example.org", "fail"),
        ("example.org", "pass"),
        ("evil.example", "pass"),
        ("sendgrid.net", "pass"),
    ]);
    let dkim = select(vec![
        None,
        Some(("example.org", "pass")),
        Some(("example.org", "fail")),
        Some(("lists.example.net", "pass")),
    ]);
    let reason = select(vec![
        None,
        Some(("mailing_list", "")),
        Some(("local_policy", "arc=pass")),
        Some(("other", "")),
    ]);
    let disposition = select(vec!["none", "quarantine", "reject"]);
    (ip, 1_u64..400, spf, dkim, reason, disposition).prop_map(
        |(ip, count, spf, dkim, reason, disposition)| {
            let row = Row::spoof(ip, count).spf(spf.0, spf.1).disposition(disposition);
            let row = match dkim {
                Some((domain, result)) => row.dkim(domain, "s1", result),
                None => row,
            };
            match reason {
                Some((kind, comment)) => row.reason(kind, comment),
                None => row,
            }
        },
    )
}

fn any_world() -> impl Strategy<Value = World> {
    let report = (
        select(vec!["a.example", "b.example", "c.example"]),
        0_i64..40,
        prop::collection::vec(any_row(), 1..6),
    );
    prop::collection::vec(report, 1..25).prop_map(|reports| {
        let world = World::new(0..10)
            .confirmed(FORWARDER, "lists.example.net")
            .unconfirmed("198.51.200.1", "mx1.example.org");
        reports
            .into_iter()
            .fold(world, |world, (reporter, day, rows)| world.report(reporter, day * DAY, DAY, &rows))
    })
}

/// What must stay when the same mail is reported otherwise: all but the rows that are shown.
fn essence(findings: &Findings) -> Vec<Finding> {
    let mut essence = findings.findings.clone();
    for finding in &mut essence {
        finding.evidence.retain(|evidence| !matches!(evidence, Evidence::Row { .. }));
    }
    essence
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_records_does_not_matter(world in any_world(), swaps in prop::collection::vec(any::<(Index, Index)>(), 1..60)) {
        let first = world.find();
        let mut shuffled = world;
        let len = shuffled.records.len();
        for (a, b) in swaps {
            shuffled.records.swap(a.index(len), b.index(len));
        }
        prop_assert_eq!(shuffled.find(), first);
    }

    #[test]
    fn a_row_in_two_halves_is_the_same_mail(world in any_world(), at in any::<Index>(), part in 1_u64..400) {
        let mut split = world.clone();
        let at = at.index(split.records.len());
        let record = split.records.get_mut(at).unwrap();
        let part = part.min(record.message_count);
        record.message_count -= part;
        let mut rest = record.clone();
        rest.message_count = part;
        if split.records.get(at).unwrap().message_count == 0 {
            split.records.remove(at);
        }
        split.records.push(rest);
        prop_assert_eq!(essence(&split.find()), essence(&world.find()));
    }

    /// Whatever a sender can add by itself makes its mail no less severe.
    #[test]
    fn what_a_sender_chooses_is_no_innocence(
        count in 1_u64..300,
        days in 1_i64..40,
        reporters in 1_usize..3,
        disposition in select(vec!["none", "reject"]),
        name in select(vec![HostName::Nameless, HostName::NotLookedUp, HostName::Confirmed("vps.evil.example".to_owned())]),
    ) {
        let reporters = TWO.get(..reporters).unwrap();
        let severity = |row: Row, name: &HostName| {
            let world = World::new(0..50).seen(reporters, 2..2 + days, &[row.disposition(disposition)]);
            let finding = world.name(SPOOFER, name.clone()).finding_of(SPOOFER);
            (finding.severity, finding.class == Class::UnauthorizedSpoof)
        };
        let plain = || Row::spoof(SPOOFER, count).spf("unrelated.example", "none");
        let alone = severity(plain(), &name);
        for (what, row) in [
            ("MAIL FROM of ours", plain().spf("example.org", "fail")),
            ("MAIL FROM of ours, softly", plain().spf("example.org", "softfail")),
            ("broken signature of ours", plain().dkim("example.org", "s1", "fail")),
            ("broken signature with an unknown selector", plain().dkim("example.org", "zz", "fail")),
            ("failing signature of a service", plain().dkim("sendgrid.net", "s1", "fail")),
            ("all of it", plain().spf("example.org", "fail").dkim("example.org", "s1", "fail").dkim("google.com", "x", "fail")),
        ] {
            prop_assert!(severity(row, &name) >= alone, "{}: {:?} < {:?}", what, severity(plain(), &name), alone);
        }
        for claimed in ["mx1.example.org", "o1.outbound-mail.sendgrid.net", "mail-x.google.com"] {
            let claimed = severity(plain(), &HostName::Unconfirmed(claimed.to_owned()));
            prop_assert!(claimed >= severity(plain(), &HostName::Nameless));
        }
    }
}
