//! What a simulated record may and may not say about mail, each as one behaviour.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

use std::net::IpAddr;

use dmarc_core::Limits;
use dmarc_core::findings::{
    Candidate, HostFacts, HostName, Known, Observations, Simulated, Subject, simulate,
};
use dmarc_core::record::{FlatRecord, Trust, flatten};

const BEGIN: i64 = 1_788_220_800; // 2026-09-01

/// 100 messages; what passes is said to be aligned by `dkim` and `spf`.
fn row(ip: &str, from: &str, (dkim, spf): (&str, &str), results: &str) -> String {
    format!(
        "<record><row><source_ip>{ip}</source_ip><count>100</count><policy_evaluated><disposition>none</disposition>\
         <dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated></row><identifiers><header_from>{from}</header_from>\
         </identifiers><auth_results>{results}</auth_results></record>"
    )
}

fn dkim(domain: &str, selector: &str) -> String {
    let selector =
        if selector.is_empty() { String::new() } else { format!("<selector>{selector}</selector>") };
    format!("<dkim><domain>{domain}</domain>{selector}<result>pass</result></dkim>")
}

fn spf(domain: &str) -> String {
    format!("<spf><domain>{domain}</domain><scope>mfrom</scope><result>pass</result></spf>")
}

fn report(policy_domain: &str, rows: &[String]) -> Vec<FlatRecord> {
    let xml = format!(
        "<feedback><report_metadata><org_name>a.example</org_name><report_id>{policy_domain}</report_id><date_range>\
         <begin>{BEGIN}</begin><end>{}</end></date_range></report_metadata><policy_published><domain>{policy_domain}</domain>\
         <p>none</p></policy_published>{}</feedback>",
        BEGIN + 86_399,
        rows.concat()
    );
    let report = dmarc_core::parse::aggregate::parse(&xml, &Limits::default()).remove(0).unwrap().report;
    flatten(report.into_owned(), "a.xml".to_owned(), Trust::Verified)
}

/// What becomes of all of it, with hosts of that name.
fn simulated(records: &[FlatRecord], candidate: &Candidate, name: &HostName) -> Vec<Simulated> {
    let mut observations = Observations::default();
    for record in records {
        observations.add(record);
    }
    let host = |_: IpAddr| HostFacts::new(false, name.clone());
    observations.domains().flat_map(|observed| simulate(observed, &Known::new(&host), candidate)).collect()
}

/// The same of one record: what passes and what is rejected, and what is not known.
fn one(record: &str, candidate: &Candidate, name: &HostName) -> (u64, (u64, u64), Vec<&'static str>) {
    let mut found = simulated(&report("example.org", &[record.to_owned()]), candidate, name);
    assert_eq!(found.len(), 1, "{found:#?}");
    let one = found.remove(0);
    (one.would_pass, one.rejected, one.unknown.into_iter().collect())
}

fn candidate(record: &str) -> Candidate {
    let mut candidate = Candidate::default();
    candidate.policy = record.parse().unwrap();
    candidate
}

fn without_selector(record: &str, selector: &str) -> Candidate {
    let mut candidate = candidate(record);
    candidate.lost_selectors.insert(selector.to_owned());
    candidate
}

fn without_spf(subject: Subject) -> Candidate {
    let mut candidate = candidate("p=reject");
    candidate.lost_spf.push(subject);
    candidate
}

fn ses() -> Subject {
    Subject::Service("Amazon SES".to_owned())
}

#[test]
fn changes_nothing_for_a_sub_domain_with_a_record_of_its_own() {
    let results = dkim("news.example.org", "n1") + &spf("news.example.org");
    let passing = row("192.0.2.9", "news.example.org", ("pass", "pass"), &results);
    let failing = row("198.51.100.7", "news.example.org", ("fail", "fail"), "");
    let below = report("news.example.org", &[passing, failing]);
    let sums = |candidate: &Candidate| {
        let all = simulated(&below, candidate, &HostName::Nameless);
        all.iter().fold((0, 0, 0), |(pass, would, rejected), one| {
            (pass + one.dmarc_pass, would + one.would_pass, rejected + one.rejected.1)
        })
    };
    assert_eq!(sums(&candidate("p=reject; adkim=s")), (100, 100, 0));
    // Its keys and hosts may be lost all the same.
    let mut lost = without_selector("p=reject", "n1");
    assert_eq!(sums(&lost), (100, 100, 0), "SPF is left");
    lost.lost_spf.push(Subject::Network("192.0.2.0/24".parse().unwrap()));
    assert_eq!(sums(&lost), (100, 0, 0));
}

#[test]
fn knows_which_key_aligns_strictly() {
    let both = dkim("example.org", "s1") + &dkim("mail.example.org", "s2");
    let mail = row("192.0.2.3", "example.org", ("pass", "fail"), &both);
    let rejected = |record, selector| one(&mail, &without_selector(record, selector), &HostName::Nameless).1;
    assert_eq!(rejected("p=reject; adkim=s", "s1"), (100, 100), "what is left aligns in relaxed mode only");
    assert_eq!(rejected("p=reject; adkim=s", "s2"), (0, 0));
    assert_eq!(rejected("p=reject", "s1"), (0, 0));
}

#[test]
fn does_not_guess_the_key_that_a_reporter_leaves_out() {
    let mail = row("192.0.2.2", "example.org", ("pass", "fail"), &dkim("example.org", ""));
    let (would_pass, rejected, unknown) =
        one(&mail, &without_selector("p=reject", "s1"), &HostName::Nameless);
    assert_eq!((would_pass, rejected), (0, (0, 100)));
    assert_eq!(unknown, ["a reporter leaves selectors out: whether the key would be lost is not known"]);
    let nothing_lost = one(&mail, &candidate("p=reject"), &HostName::Nameless);
    assert_eq!(nothing_lost, (100, (0, 0), vec![]));
    // Another signature, whose key is known, is left.
    let results = dkim("example.org", "") + &dkim("example.org", "s2");
    let mail = row("192.0.2.2", "example.org", ("pass", "fail"), &results);
    let left = one(&mail, &without_selector("p=reject", "s1"), &HostName::Nameless);
    assert_eq!(left, (100, (0, 0), vec![]));
}

#[test]
fn does_not_guess_whether_a_host_that_nobody_looked_up_is_of_a_service() {
    let mail = row("54.240.8.1", "example.org", ("fail", "pass"), &spf("bounce.example.org"));
    let (would_pass, rejected, unknown) = one(&mail, &without_spf(ses()), &HostName::NotLookedUp);
    assert_eq!((would_pass, rejected), (0, (0, 100)));
    assert_eq!(unknown, ["hosts were not looked up: whether SPF would be lost is not known"]);
    let of_service = HostName::Confirmed("a1.smtp-out.amazonses.com".to_owned());
    assert_eq!(one(&mail, &without_spf(ses()), &of_service).1, (100, 100));
    assert_eq!(one(&mail, &without_spf(ses()), &HostName::Nameless).1, (0, 0));
    // An address needs no look-up.
    let network = without_spf(Subject::Network("192.0.2.0/24".parse().unwrap()));
    assert_eq!(one(&mail, &network, &HostName::NotLookedUp), (100, (0, 0), vec![]));
}

#[test]
fn does_not_guess_where_a_reporter_contradicts_its_own_results() {
    let results = dkim("example.org", "s1") + &spf("example.org");
    let mail = row("192.0.2.1", "example.org", ("fail", "fail"), &results);
    let (would_pass, rejected, unknown) = one(&mail, &candidate("p=reject"), &HostName::Nameless);
    assert_eq!((would_pass, rejected), (0, (0, 100)));
    assert_eq!(
        unknown,
        ["a reporter says that it failed and shows results that pass: counted from nothing to all"]
    );
    // One mechanism on which it agrees is enough.
    let mail = row("192.0.2.1", "example.org", ("fail", "pass"), &results);
    assert_eq!(one(&mail, &candidate("p=reject"), &HostName::Nameless), (100, (0, 0), vec![]));
}
