//! What findings may and may not conclude, each as one behaviour.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

use std::net::IpAddr;
use std::sync::Arc;

use dmarc_core::Limits;
use dmarc_core::findings::{Class, Evidence, Finding, HostFacts, HostName, Input, Severity, find};
use dmarc_core::model::aggregate::{Disposition, Testing};
use dmarc_core::record::{FlatRecord, Trust, flatten};

const DAY: i64 = 86_400;
const START: i64 = 1_788_220_800; // 2026-09-01

/// A row of a report, as a reporter would write it.
#[derive(Clone)]
struct Row {
    ip: &'static str,
    count: u64,
    disposition: &'static str,
    aligned: (&'static str, &'static str),
    header_from: &'static str,
    dkim: Vec<(&'static str, &'static str, &'static str)>,
    spf: (&'static str, &'static str),
    reason: &'static str,
}

impl Row {
    fn new(ip: &'static str, count: u64) -> Self {
        Self {
            ip,
            count,
            disposition: "none",
            aligned: ("fail", "fail"),
            header_from: "example.org",
            dkim: Vec::new(),
            spf: ("example.org", "fail"),
            reason: "",
        }
    }

    /// Mail of our own host: both mechanisms pass.
    fn own() -> Self {
        let row = Self::new("192.0.2.1", 1_000);
        Self {
            aligned: ("pass", "pass"),
            dkim: vec![("example.org", "s1", "pass")],
            spf: ("example.org", "pass"),
            ..row
        }
    }

    fn xml(&self) -> String {
        let dkim = self.dkim.iter().fold(String::new(), |xml, (d, s, r)| {
            xml + &format!("<dkim><domain>{d}</domain><selector>{s}</selector><result>{r}</result></dkim>")
        });
        format!(
            "<record><row><source_ip>{}</source_ip><count>{}</count><policy_evaluated>\
             <disposition>{}</disposition><dkim>{}</dkim><spf>{}</spf>{}</policy_evaluated></row>\
             <identifiers><header_from>{}</header_from></identifiers><auth_results>{dkim}\
             <spf><domain>{}</domain><scope>mfrom</scope><result>{}</result></spf></auth_results></record>",
            self.ip,
            self.count,
            self.disposition,
            self.aligned.0,
            self.aligned.1,
            self.reason,
            self.header_from,
            self.spf.0,
            self.spf.1
        )
    }
}

/// One report of `reporter` about one day.
fn report(reporter: &str, day: i64, rows: &[Row]) -> Vec<FlatRecord> {
    let begin = START + day * DAY;
    let records: String = rows.iter().map(Row::xml).collect();
    let xml = format!(
        "<feedback><version>1.0</version><report_metadata><org_name>{reporter}</org_name><email>r@{reporter}</email>\
         <report_id>{day}</report_id><date_range><begin>{begin}</begin><end>{}</end></date_range></report_metadata>\
         <policy_published><domain>example.org</domain><p>none</p></policy_published>{records}</feedback>",
        begin + DAY - 1
    );
    let mut reports = dmarc_core::parse::aggregate::parse(&xml, &Limits::default())
        .into_iter()
        .map(|report| report.unwrap().report.into_owned())
        .collect::<Vec<_>>();
    flatten(reports.remove(0), format!("{reporter}/{day}"), Trust::TrustedAuthres)
}

/// The same rows on each of `days`, seen by two reporters.
fn days(days: std::ops::Range<i64>, rows: &[Row]) -> Vec<FlatRecord> {
    days.flat_map(|day| [report("a.example", day, rows), report("b.example", day, rows)].concat()).collect()
}

fn nameless(_: IpAddr) -> HostFacts {
    HostFacts::new(false, HostName::Nameless)
}

fn confirmed(ip: &'static str, name: &'static str) -> impl Fn(IpAddr) -> HostFacts {
    named(ip, HostName::Confirmed(name.to_owned()))
}

fn named(ip: &'static str, name: HostName) -> impl Fn(IpAddr) -> HostFacts {
    move |asked| {
        if asked.to_string() == ip {
            HostFacts::new(false, name.clone())
        } else {
            HostFacts::new(false, HostName::Nameless)
        }
    }
}

/// The finding that lists `ip` and is no pass of another stream.
fn finding_of(records: &[FlatRecord], host: &dyn Fn(IpAddr) -> HostFacts, ip: &str) -> Finding {
    let ip: IpAddr = ip.parse().unwrap();
    let mut found = find(&Input::new(records, host)).findings;
    found.retain(|finding| finding.source.ips.contains(&ip));
    assert_eq!(found.len(), 1, "one finding of {ip}: {found:#?}");
    found.remove(0)
}

fn with_own(mut row: Vec<Row>) -> Vec<Row> {
    row.push(Row::own());
    row
}

#[test]
fn calls_mail_with_nothing_of_ours_a_spoof() {
    let records = [days(0..14, &[Row::own()]), days(5..7, &[Row::new("198.51.100.7", 400)])].concat();
    let finding = finding_of(&records, &nameless, "198.51.100.7");
    assert_eq!((finding.class, finding.severity), (Class::UnauthorizedSpoof, Severity::Critical));
    assert_eq!((finding.messages, finding.delivered), (1_600, 1_600));
}

#[test]
fn takes_no_raw_pass_for_an_aligned_one() {
    let row = Row {
        dkim: vec![("evil.example", "k", "pass")],
        spf: ("evil.example", "pass"),
        ..Row::new("198.51.100.7", 60)
    };
    let records = days(0..10, &with_own(vec![row]));
    assert_eq!(finding_of(&records, &nameless, "198.51.100.7").class, Class::UnauthorizedSpoof);
}

#[test]
fn passes_on_either_mechanism() {
    let row = Row {
        aligned: ("pass", "fail"),
        dkim: vec![("example.org", "s1", "pass")],
        ..Row::new("192.0.2.9", 5)
    };
    let records = days(0..10, &with_own(vec![row]));
    let summary = &find(&Input::new(&records, &nameless)).domains[0];
    assert_eq!(summary.dmarc_fail, 0);
}

#[test]
fn does_not_believe_a_name_that_does_not_resolve_back() {
    let claims = named("198.51.100.7", HostName::Unconfirmed("mail-x.google.com".to_owned()));
    let records = days(0..10, &with_own(vec![Row::new("198.51.100.7", 60)]));
    let finding = finding_of(&records, &claims, "198.51.100.7");
    assert_eq!(finding.class, Class::UnauthorizedSpoof);
    assert!(!finding.source.name.contains("google"), "{}", finding.source.name);

    let own = named("198.51.100.7", HostName::Unconfirmed("mx9.example.org".to_owned()));
    assert_eq!(finding_of(&records, &own, "198.51.100.7").class, Class::UnauthorizedSpoof);
}

#[test]
fn excuses_no_failing_mail_for_an_override_that_is_not_about_forwarding() {
    let reason = "<reason><type>local_policy</type><comment>we let it through</comment></reason>";
    let records = days(0..10, &with_own(vec![Row { reason, ..Row::new("198.51.100.7", 60) }]));
    assert_eq!(finding_of(&records, &nameless, "198.51.100.7").class, Class::UnauthorizedSpoof);
}

#[test]
fn believes_arc_only_beside_our_broken_signature() {
    let reason = "<reason><type>local_policy</type><comment>arc=pass</comment></reason>";
    let bare = Row { reason, ..Row::new("198.51.100.7", 60) };
    let signed = Row { reason, dkim: vec![("example.org", "s1", "fail")], ..Row::new("198.51.100.8", 60) };
    let records = days(0..10, &with_own(vec![bare, signed]));
    assert_eq!(finding_of(&records, &nameless, "198.51.100.7").class, Class::UnauthorizedSpoof);
    assert_eq!(finding_of(&records, &nameless, "198.51.100.8").class, Class::ForwardedModified);
}

#[test]
fn says_spoof_though_nothing_was_rejected_and_lowers_severity_where_all_was() {
    let blocked = Row { disposition: "reject", ..Row::new("198.51.100.7", 60) };
    let records = days(0..10, &with_own(vec![blocked]));
    let finding = finding_of(&records, &nameless, "198.51.100.7");
    assert_eq!(
        (finding.class, finding.severity, finding.delivered),
        (Class::UnauthorizedSpoof, Severity::Low, 0)
    );
}

#[test]
fn never_tells_to_add_a_spoofer_or_forwarder_to_spf() {
    let forwarded = Row {
        aligned: ("pass", "fail"),
        dkim: vec![("example.org", "s1", "pass")],
        ..Row::new("192.0.2.9", 5)
    };
    let records = days(0..10, &with_own(vec![Row::new("198.51.100.7", 60), forwarded]));
    for ip in ["198.51.100.7", "192.0.2.9"] {
        let remedy = finding_of(&records, &nameless, ip).remedy;
        assert!(!remedy.contains("add the host to SPF"), "{remedy}");
    }
}

#[test]
fn takes_a_broken_signature_of_ours_for_no_list_unless_its_host_signs_again() {
    // Selector and MAIL FROM are the choice of the sender: only a signature of the host's own domain is a list's.
    let row = Row {
        dkim: vec![("example.org", "s1", "fail")],
        spf: ("evil.example", "pass"),
        ..Row::new("198.51.100.7", 60)
    };
    let records = days(0..10, &with_own(vec![row]));
    let host = confirmed("198.51.100.7", "mail.evil.example");
    assert_eq!(finding_of(&records, &host, "198.51.100.7").class, Class::UnauthorizedSpoof);
}

#[test]
fn keeps_inferred_forwarding_in_sight_until_a_receiver_calls_it_so() {
    let list = |reason| Row {
        dkim: vec![("example.org", "s1", "fail"), ("lists.example.net", "l", "pass")],
        reason,
        ..Row::new("203.0.113.5", 60)
    };
    let host = confirmed("203.0.113.5", "lists.example.net");
    let inferred = finding_of(&days(0..10, &with_own(vec![list("")])), &host, "203.0.113.5");
    assert_eq!((inferred.class, inferred.severity), (Class::ForwardedModified, Severity::Medium));
    let reason = "<reason><type>mailing_list</type></reason>";
    let reported = finding_of(&days(0..10, &with_own(vec![list(reason)])), &host, "203.0.113.5");
    assert_eq!((reported.class, reported.severity), (Class::ForwardedModified, Severity::Info));
}

#[test]
fn believes_a_signature_of_a_service_only_from_its_host() {
    // The second signature travels with a replayed message.
    let replayed = Row {
        aligned: ("pass", "fail"),
        dkim: vec![("example.org", "s1", "pass"), ("amazonses.com", "k", "pass")],
        spf: ("x.example", "none"),
        ..Row::new("203.0.113.77", 900)
    };
    let records = [days(0..30, &[Row::own()]), days(12..14, &[replayed])].concat();
    assert_eq!(finding_of(&records, &nameless, "203.0.113.77").class, Class::SuspectReplay);
}

#[test]
fn makes_one_finding_of_a_replay_from_many_networks() {
    const IPS: [&str; 4] = ["198.18.1.1", "198.18.2.2", "198.18.3.3", "198.18.4.4"];
    let burst = |ip: &&'static str| Row {
        aligned: ("pass", "fail"),
        dkim: vec![("example.org", "s1", "pass")],
        ..Row::new(ip, 100)
    };
    let burst: Vec<Row> = IPS.iter().map(burst).collect();
    let records = [days(0..30, &[Row::own()]), days(12..14, &burst)].concat();
    let finding = finding_of(&records, &nameless, IPS[0]);
    assert_eq!((finding.class, finding.source.hosts, finding.messages), (Class::SuspectReplay, 4, 1_600));
}

#[test]
fn does_not_take_hidden_addresses_for_one_host() {
    let own = Row { aligned: ("fail", "pass"), spf: ("example.org", "pass"), ..Row::new("X.X.X.X", 1) };
    let records = days(0..10, &with_own(vec![own, Row::new("X.X.X.X", 60)]));
    let classes: Vec<Class> =
        find(&Input::new(&records, &nameless)).findings.iter().map(|f| f.class).collect();
    assert!(!classes.contains(&Class::LegitBroken), "{classes:?}");
}

#[test]
fn does_not_take_the_other_customers_of_a_service_for_us() {
    let ours =
        Row { aligned: ("fail", "pass"), spf: ("example.org", "pass"), ..Row::new("203.0.113.5", 100) };
    let records = days(0..10, &with_own(vec![ours, Row::new("203.0.113.5", 60)]));
    let host = confirmed("203.0.113.5", "a1.smtp-out.amazonses.com");
    let classes: Vec<Class> = find(&Input::new(&records, &host)).findings.iter().map(|f| f.class).collect();
    assert!(!classes.contains(&Class::LegitBroken), "{classes:?}");
}

#[test]
fn does_not_lower_a_spoofer_for_mail_that_it_replays() {
    let replayed = Row {
        aligned: ("pass", "fail"),
        dkim: vec![("example.org", "s1", "pass")],
        ..Row::new("198.51.100.7", 2)
    };
    let spoofed = Row::new("198.51.100.7", 400);
    let records = [days(0..20, &[Row::own()]), days(5..7, &[replayed, spoofed])].concat();
    let findings = find(&Input::new(&records, &nameless)).findings;
    assert!(
        findings.iter().any(|f| f.class == Class::UnauthorizedSpoof && f.messages == 1_600),
        "{findings:#?}"
    );
}

#[test]
fn makes_one_campaign_of_bots_that_have_names_or_domains_of_their_own() {
    const IPS: [&str; 6] =
        ["198.18.1.1", "198.18.2.2", "198.18.3.3", "198.18.4.4", "198.18.5.5", "198.18.6.6"];
    const OWN: [&str; 6] =
        ["a1.example", "a2.example", "a3.example", "a4.example", "a5.example", "a6.example"];
    let bots: Vec<Row> =
        IPS.iter().zip(OWN).map(|(ip, domain)| Row { spf: (domain, "pass"), ..Row::new(ip, 2) }).collect();
    let records = [days(0..14, &[Row::own()]), days(5..6, &bots)].concat();
    let host = |ip: IpAddr| match ip.to_string().strip_prefix("198.18.") {
        Some(rest) => {
            HostFacts::new(false, HostName::Confirmed(format!("dsl.isp-{}.example", rest.replace('.', "-"))))
        }
        None => HostFacts::default(),
    };
    assert_eq!(finding_of(&records, &host, IPS[0]).source.hosts, 6);
}

#[test]
fn takes_an_unknown_disposition_for_no_sign_that_mail_was_stopped() {
    let row = Row { disposition: "delivered", ..Row::new("198.51.100.7", 60) };
    let records = days(0..10, &with_own(vec![row]));
    assert_eq!(finding_of(&records, &nameless, "198.51.100.7").delivered, 1_200);
}

#[test]
fn lets_no_report_of_another_century_stretch_the_period() {
    let mut records = days(0..10, &with_own(vec![Row::new("198.51.100.7", 60)]));
    let before = find(&Input::new(&records, &nameless)).period;
    records.extend(report("a.example", 4_000_000, &[Row::own()]));
    let after = find(&Input::new(&records, &nameless));
    assert_eq!(after.period, before);
    assert_eq!(after.domains[0].reports, 21);
}

#[test]
fn knows_a_list_by_our_broken_signature_and_its_own() {
    let row = Row {
        dkim: vec![("example.org", "s1", "fail"), ("lists.example.net", "l", "pass")],
        spf: ("lists.example.net", "pass"),
        ..Row::new("203.0.113.5", 20)
    };
    let records = days(0..10, &with_own(vec![row]));
    let host = confirmed("203.0.113.5", "lists.example.net");
    assert_eq!(finding_of(&records, &host, "203.0.113.5").class, Class::ForwardedModified);
}

#[test]
fn says_what_is_broken_on_a_host_that_is_ours() {
    let row = Row { dkim: vec![("example.org", "old", "fail")], ..Row::new("203.0.113.5", 20) };
    let records = days(0..10, &with_own(vec![row]));
    let host = confirmed("203.0.113.5", "app1.example.org");
    let finding = finding_of(&records, &host, "203.0.113.5");
    assert_eq!(finding.class, Class::LegitBroken);
    assert!(finding.remedy.contains("selector"), "{}", finding.remedy);
}

#[test]
fn asks_the_owner_about_a_service_that_passes_as_itself() {
    let row = Row {
        dkim: vec![("sendgrid.net", "s1", "pass")],
        spf: ("sendgrid.net", "pass"),
        ..Row::new("203.0.113.5", 20)
    };
    let records = days(0..10, &with_own(vec![row]));
    let host = confirmed("203.0.113.5", "o9.outbound-mail.sendgrid.net");
    let finding = finding_of(&records, &host, "203.0.113.5");
    assert_eq!((finding.class, finding.source.name.as_str()), (Class::ThirdPartyUnaligned, "SendGrid"));
}

#[test]
fn makes_one_campaign_of_many_tiny_hosts() {
    const IPS: [&str; 8] = [
        "198.18.1.1",
        "198.18.2.2",
        "198.18.3.3",
        "198.18.4.4",
        "198.18.5.5",
        "198.18.6.6",
        "198.18.7.7",
        "198.18.8.8",
    ];
    let bots: Vec<Row> = IPS.iter().map(|ip| Row::new(ip, 2)).collect();
    let records = [days(0..14, &[Row::own()]), days(5..6, &bots)].concat();
    let finding = finding_of(&records, &nameless, IPS[0]);
    assert_eq!(finding.source.hosts, 8);
    assert_eq!(finding.source.name, "8 hosts, one campaign");
}

#[test]
fn suspects_replay_where_our_signature_bursts_from_a_new_network() {
    let burst = Row {
        aligned: ("pass", "fail"),
        dkim: vec![("example.org", "s1", "pass")],
        ..Row::new("203.0.113.77", 900)
    };
    let forwarder = Row {
        aligned: ("pass", "fail"),
        dkim: vec![("example.org", "s1", "pass")],
        ..Row::new("203.0.113.8", 9)
    };
    let records = [days(0..30, &[Row::own(), forwarder]), days(12..14, &[burst])].concat();
    assert_eq!(finding_of(&records, &nameless, "203.0.113.77").class, Class::SuspectReplay);
    assert_eq!(finding_of(&records, &nameless, "203.0.113.8").class, Class::ForwardedIntact);
}

#[test]
fn names_each_cap_on_its_confidence() {
    let records =
        [days(0..10, &[Row::own()]), report("a.example", 3, &[Row::new("198.51.100.7", 60)])].concat();
    let finding = finding_of(&records, &nameless, "198.51.100.7");
    assert!(finding.confidence <= 45);
    assert!(
        finding.against.iter().any(|e| matches!(e, Evidence::Cap { cap: 45, .. })),
        "{:?}",
        finding.against
    );
}

#[test]
fn caps_its_confidence_where_no_mail_of_a_report_was_verified() {
    let records = [days(0..10, &[Row::own()]), days(3..9, &[Row::new("198.51.100.7", 60)])].concat();
    let confidence = |trust| {
        let mut records = records.clone();
        for record in &mut records {
            Arc::make_mut(&mut record.report).trust = trust;
        }
        finding_of(&records, &nameless, "198.51.100.7").confidence
    };
    assert!(Trust::Unverified < Trust::TrustedAuthres && Trust::TrustedAuthres < Trust::Verified);
    assert!(confidence(Trust::Unverified) <= 60);
    assert!(confidence(Trust::Verified) > 60);
    assert_eq!(confidence(Trust::Verified), confidence(Trust::TrustedAuthres));
}

#[test]
fn says_what_the_record_asks_for_below_the_domain_and_whether_it_is_tested() {
    let mut records = days(0..10, &[Row::own()]);
    let policy = |records: &[FlatRecord]| {
        let domain = find(&Input::new(records, &nameless)).domains.remove(0);
        [domain.policy, domain.policy_sp, domain.policy_np, domain.policy_testing]
    };
    assert_eq!(policy(&records), ["none", "", "", ""]);
    // A reporter of the older format knows nothing of `np` and `t`.
    for record in records.iter_mut().filter(|record| record.report.reporter == "a.example") {
        let facts = Arc::make_mut(&mut record.report);
        facts.policy_published.sp = Some(Disposition::Quarantine);
        facts.policy_published.np = Some(Disposition::Reject);
        facts.policy_published.testing = Some(Testing::Yes);
    }
    assert_eq!(policy(&records), ["none", "quarantine", "reject", "y"]);
}

#[test]
fn keeps_its_id_whatever_the_counts_and_dates() {
    let id = |count, day| {
        let records =
            [days(0..20, &[Row::own()]), days(day..day + 2, &[Row::new("198.51.100.7", count)])].concat();
        finding_of(&records, &nameless, "198.51.100.7").id
    };
    assert_eq!(id(60, 3), id(4_000, 11));
}

#[test]
fn judges_a_domain_that_only_reports_of_other_centuries_are_about() {
    for day in [-40_000, 4_000_000, 100_000_000] {
        let forwarded = Row {
            aligned: ("pass", "fail"),
            dkim: vec![("example.org", "s1", "pass")],
            ..Row::new("192.0.2.9", 5)
        };
        let records = report("a.example", day, &[Row::own(), Row::new("198.51.100.7", 60), forwarded]);
        let found = find(&Input::new(&records, &nameless));
        assert_eq!((found.findings.len(), found.period), (3, None), "{day}");
    }
}

#[test]
fn gives_the_same_findings_for_any_order_of_records() {
    let rows = with_own(vec![Row::new("198.51.100.7", 60), Row::new("198.51.100.8", 60)]);
    let mut records = days(0..10, &rows);
    let first = find(&Input::new(&records, &nameless));
    for seed in 1..20 {
        let len = records.len();
        for i in 0..len {
            records.swap(i, (i * 7 + seed * 13) % len);
        }
        assert_eq!(find(&Input::new(&records, &nameless)), first);
    }
}
