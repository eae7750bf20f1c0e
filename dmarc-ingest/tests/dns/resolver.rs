//! What a question may cost.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use dmarc_ingest::dns::{Answer, Resolver, Trouble};

use crate::server::{Dns, options};

#[test]
fn tells_found_from_absent_from_unknown() {
    let dns = Dns::start();
    dns.txt("a.example", &"x".repeat(600));
    dns.address("only-an-address.example", "192.0.2.1");
    let resolver = dns.resolver();
    assert_eq!(resolver.txt("A.Example."), Answer::Found(vec![vec![b'x'; 600]]));
    assert_eq!(resolver.txt("gone.example"), Answer::Absent);
    assert_eq!(resolver.txt("only-an-address.example"), Answer::Absent);
    assert_eq!(resolver.txt("a.broken.example"), Answer::Unknown(Trouble::Server("Server Failure")));
    assert_eq!(resolver.txt("a.silent.example"), Answer::Unknown(Trouble::TimedOut));
    for name in ["", "a..example", "two words.example", &"a.".repeat(200), "a\0.example"] {
        assert_eq!(resolver.txt(name), Answer::Unknown(Trouble::NotAName), "{name:?}");
    }
}

#[test]
fn asks_once_for_what_it_was_told() {
    let dns = Dns::start();
    dns.txt("a.example", "x");
    let resolver = dns.resolver();
    for _ in 0..5 {
        assert_eq!(resolver.txt("a.example"), Answer::Found(vec![b"x".to_vec()]));
    }
    assert_eq!(dns.asked(), 1);
}

#[test]
fn reads_an_answer_that_no_datagram_holds() {
    let dns = Dns::start();
    dns.txt("long.example", &"y".repeat(8_000));
    assert_eq!(dns.resolver().txt("long.example"), Answer::Found(vec![vec![b'y'; 8_000]]));
}

#[test]
fn leaves_a_silent_server_alone_and_comes_back_when_it_answers_again() {
    let dns = Dns::start();
    dns.txt("a.example", "x");
    let resolver = dns.resolver();
    dns.fall_silent(true);
    let start = Instant::now();
    for name in ["b.example", "c.example", "d.example"] {
        assert_eq!(resolver.txt(name), Answer::Unknown(Trouble::TimedOut));
    }
    // Three questions, and one to find out whether anything is answered.
    assert!(start.elapsed() < Duration::from_secs(7), "{:?}", start.elapsed());
    let asked = dns.asked();
    for _ in 0..100 {
        assert_eq!(resolver.txt("a.example"), Answer::Unknown(Trouble::Suspended));
    }
    assert_eq!(dns.asked(), asked, "a suspended resolver asks nothing");
    dns.fall_silent(false);
    let deadline = Instant::now() + Duration::from_secs(10);
    while resolver.txt("a.example") != Answer::Found(vec![b"x".to_vec()]) {
        assert!(Instant::now() < deadline, "it never asks again");
    }
}

#[test]
fn is_not_suspended_by_names_whose_own_servers_are_silent() {
    let dns = Dns::start();
    dns.txt("a.example", "x");
    let resolver = dns.resolver();
    for n in 0..4 {
        assert_eq!(resolver.txt(&format!("a.silent.n{n}.example")), Answer::Unknown(Trouble::TimedOut));
    }
    assert_eq!(resolver.txt("a.example"), Answer::Found(vec![b"x".to_vec()]));
}

#[test]
fn waits_once_for_a_domain_with_silent_servers() {
    let dns = Dns::start();
    let resolver = dns.resolver();
    assert_eq!(resolver.txt("k1._domainkey.silent.example"), Answer::Unknown(Trouble::TimedOut));
    let asked = dns.asked();
    for n in 0..100 {
        let name = format!("k{n}._domainkey.x{n}.silent.example");
        assert_eq!(resolver.txt(&name), Answer::Unknown(Trouble::Suspended));
    }
    assert_eq!(dns.asked(), asked);
    let deadline = Instant::now() + Duration::from_secs(10);
    while resolver.txt("k2._domainkey.silent.example") != Answer::Unknown(Trouble::TimedOut) {
        assert!(Instant::now() < deadline, "it never asks again");
    }
}

#[test]
fn is_stopped_by_no_socket_that_swallows_everything() {
    let hole = UdpSocket::bind("127.0.0.1:0").unwrap();
    let resolver = Resolver::new(&options([hole.local_addr().unwrap()])).unwrap();
    let start = Instant::now();
    let names = (0..100).map(|n| format!("n{n}.example")).collect();
    let answers = resolver.txt_many(names);
    assert_eq!(answers.len(), 100);
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Unknown(_))));
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}

#[test]
fn asks_another_server_where_the_first_is_not_there() {
    let dns = Dns::start();
    dns.txt("a.example", "x");
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let resolver = Resolver::new(&options([gone, dns.address])).unwrap();
    assert_eq!(resolver.txt("a.example"), Answer::Found(vec![b"x".to_vec()]));
}

#[test]
fn can_be_asked_and_dropped_where_a_runtime_is_running() {
    let dns = Dns::start();
    dns.txt("a.example", "x");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let resolver = dns.resolver();
        assert_eq!(resolver.txt("a.example"), Answer::Found(vec![b"x".to_vec()]));
    });
}

#[test]
fn starts_with_the_servers_of_the_system() {
    // What they answer is not ours to say, only that asking ends.
    if let Ok(resolver) = Resolver::new(&options([])) {
        let start = Instant::now();
        drop(resolver.txt("a.invalid"));
        assert!(start.elapsed() < Duration::from_secs(6));
    }
}

#[test]
fn takes_times_without_end_for_the_longest_there_are() {
    let dns = Dns::start();
    dns.txt("a.example", "x");
    let mut options = options([dns.address]);
    options.timeout = Duration::MAX;
    options.pause = Duration::MAX;
    let resolver = Resolver::new(&options).unwrap();
    assert_eq!(resolver.txt("a.example"), Answer::Found(vec![b"x".to_vec()]));
}
