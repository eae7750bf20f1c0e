//! Names of hosts.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use dmarc_ingest::dns::Trouble;
use dmarc_ingest::enrich::reverse_dns::{look_up, look_up_many};
use hickory_proto::rr::Name;

use crate::server::Dns;

/// Name and whether it is confirmed.
fn host(dns: &Dns, address: &str) -> Result<(String, bool), Trouble> {
    look_up(&dns.resolver(), address.parse().unwrap()).map(|host| (host.name, host.confirmed))
}

#[expect(clippy::unnecessary_wraps, reason = "compared with what a look-up gives")]
fn named(name: &str, confirmed: bool) -> Result<(String, bool), Trouble> {
    Ok((name.to_owned(), confirmed))
}

#[test]
fn confirms_a_name_that_leads_back() {
    let dns = Dns::start();
    dns.ptr("192.0.2.1", "Mail.Example.ORG.");
    dns.address("mail.example.org", "192.0.2.9");
    dns.address("mail.example.org", "192.0.2.1");
    dns.ptr("2001:db8::1", "v6.example.org.");
    dns.address("v6.example.org", "2001:db8::1");
    assert_eq!(host(&dns, "192.0.2.1"), named("mail.example.org", true));
    assert_eq!(host(&dns, "::ffff:192.0.2.1"), named("mail.example.org", true));
    assert_eq!(host(&dns, "2001:db8::1"), named("v6.example.org", true));
}

#[test]
fn does_not_confirm_a_name_of_somebody_else() {
    let dns = Dns::start();
    dns.ptr("192.0.2.66", "mail.google.com.");
    dns.address("mail.google.com", "192.0.2.1");
    dns.ptr("192.0.2.67", "nowhere.example.");
    assert_eq!(host(&dns, "192.0.2.66"), named("mail.google.com", false));
    assert_eq!(host(&dns, "192.0.2.67"), named("nowhere.example", false));
}

#[test]
fn knows_a_host_without_name_from_one_that_dns_did_not_tell_about() {
    let dns = Dns::start();
    assert_eq!(host(&dns, "192.0.2.5"), named("", false));
    dns.ptr("192.0.2.6", "mail.broken.example.");
    assert_eq!(host(&dns, "192.0.2.6"), Err(Trouble::Server("Server Failure")));
    dns.ptr("192.0.2.7", "mail.silent.example.");
    assert_eq!(host(&dns, "192.0.2.7"), Err(Trouble::TimedOut));
    dns.fall_silent(true);
    assert_eq!(host(&dns, "192.0.2.5"), Err(Trouble::TimedOut));
}

#[test]
fn takes_the_first_confirmed_of_several_names() {
    let dns = Dns::start();
    for name in ["z.example.", "m.example.", "a.example.", "k.example."] {
        dns.ptr("192.0.2.8", name);
    }
    dns.address("m.example", "192.0.2.8");
    dns.address("k.example", "192.0.2.8");
    assert_eq!(host(&dns, "192.0.2.8"), named("k.example", true));
}

#[test]
fn follows_only_so_many_names_of_a_host() {
    let dns = Dns::start();
    for n in 10..50 {
        dns.ptr("192.0.2.9", &format!("n{n}.example."));
    }
    assert_eq!(host(&dns, "192.0.2.9"), named("n10.example", false));
    assert!(dns.asked() <= 1 + 1 + 8, "{} questions", dns.asked());
}

#[test]
fn passes_over_names_that_no_host_has() {
    let dns = Dns::start();
    for label in [&b"bad\x00\xff\n\x1b[31m"[..], b"two words", b"a.b", b"<script>", b"back\\slash"] {
        dns.ptr_name("192.0.2.10", Name::from_labels([label, b"example"]).unwrap());
        dns.ptr_name("192.0.2.11", Name::from_labels([label, b"example"]).unwrap());
    }
    dns.ptr_name("192.0.2.12", Name::root());
    dns.ptr("192.0.2.11", "good.example.");
    dns.address("good.example", "192.0.2.11");
    assert_eq!(host(&dns, "192.0.2.10"), named("", false));
    assert_eq!(host(&dns, "192.0.2.11"), named("good.example", true));
    assert_eq!(host(&dns, "192.0.2.12"), named("", false));
}

#[test]
fn looks_up_many_at_once_and_each_address_once() {
    let dns = Dns::start();
    let addresses: Vec<String> = (0..200).map(|n| format!("192.0.2.{n}")).collect();
    for (n, address) in addresses.iter().enumerate() {
        dns.ptr(address, &format!("h{n}.example."));
        dns.address(&format!("h{n}.example"), address);
    }
    let ips = addresses.iter().chain(&addresses).map(|address| address.parse::<IpAddr>().unwrap());
    let found = look_up_many(&dns.resolver(), ips, Duration::from_secs(30));
    assert_eq!((found.hosts.len(), found.unknown.len()), (200, 0));
    assert!(found.hosts.iter().all(|(_, host)| host.confirmed));
    assert!(found.hosts.is_sorted_by_key(|(address, _)| *address));
    assert_eq!(dns.asked(), 400);
}

#[test]
fn gives_what_it_got_when_its_time_is_over() {
    let dns = Dns::start();
    dns.ptr("192.0.2.1", "a.example.");
    dns.address("a.example", "192.0.2.1");
    for n in 2..200 {
        dns.ptr(&format!("192.0.2.{n}"), &format!("h{n}.silent.example."));
    }
    let ips = (1..200).map(|n| IpAddr::from([192, 0, 2, n]));
    let start = Instant::now();
    let found = look_up_many(&dns.resolver(), ips, Duration::from_millis(700));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(found.hosts.len() + found.unknown.len(), 199);
    assert!(found.hosts.iter().any(|(_, host)| host.name == "a.example"));
    assert!(found.unknown.iter().any(|(_, trouble)| *trouble == Trouble::NoTime));
    assert!(found.hosts.iter().all(|(address, _)| *address == IpAddr::from([192, 0, 2, 1])));
}
