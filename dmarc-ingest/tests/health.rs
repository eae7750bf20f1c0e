//! What whoever watches the service sees, over real sockets, and what he cannot do to it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dmarc_ingest::health::HealthServer;
use dmarc_ingest::metrics::Metrics;

fn start(mailboxes: &[&str], max_age: Duration) -> (HealthServer, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new(mailboxes.iter().map(|&name| name.to_owned())));
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    (HealthServer::start(address, Arc::clone(&metrics), max_age).unwrap(), metrics)
}

fn connect(server: &HealthServer) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Everything that comes until the server closes. A reset is an end too.
fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(part.get(..length).unwrap()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}"),
        }
    }
    String::from_utf8(answer).unwrap()
}

fn ask(server: &HealthServer, request: &str) -> String {
    let mut stream = connect(server);
    stream.write_all(request.as_bytes()).unwrap();
    rest(stream)
}

fn get(server: &HealthServer, path: &str) -> String {
    ask(server, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

#[test]
fn serves_metrics_and_closes() {
    let (server, metrics) = start(&["rua"], Duration::from_mins(1));
    metrics.reports_stored.add(7);
    let answer = get(&server, "/metrics?x=y");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.to_lowercase().contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("\ndmarc_reports_total{outcome=\"stored\"} 7\n"), "{answer}");
}

#[test]
fn is_healthy_only_when_every_mailbox_succeeded_lately() {
    let (server, metrics) = start(&["rua", "ruf"], Duration::from_millis(300));
    let answer = get(&server, "/healthz");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("mailbox \"rua\": no pass succeeded yet"), "{answer}");
    metrics.succeeded("rua");
    assert!(!get(&server, "/healthz").contains("mailbox \"rua\": no pass"));
    assert!(get(&server, "/healthz").contains("mailbox \"ruf\": no pass succeeded yet"));
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        metrics.succeeded("rua");
        metrics.succeeded("ruf");
        if get(&server, "/healthz").starts_with("HTTP/1.1 200 ") {
            break;
        }
        assert!(Instant::now() < deadline, "never healthy");
    }
    while !get(&server, "/healthz").contains("the last pass succeeded 0 s ago") {
        assert!(Instant::now() < deadline, "healthy for ever");
    }
}

#[test]
fn is_healthy_without_a_mailbox() {
    let (server, _) = start(&[], Duration::ZERO);
    assert!(get(&server, "/healthz").ends_with("\r\n\r\nok\n"));
}

#[test]
fn refuses_other_paths_and_methods() {
    let (server, _) = start(&[], Duration::ZERO);
    assert!(get(&server, "/").starts_with("HTTP/1.1 404 "));
    assert!(get(&server, "/metrics/../etc/passwd").starts_with("HTTP/1.1 404 "));
    let answer = ask(&server, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 405 ") && answer.to_lowercase().contains("\r\nallow: get, head\r\n"),
        "{answer}"
    );
    let answer = ask(&server, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn answers_one_request_a_connection() {
    let (server, _) = start(&[], Duration::ZERO);
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n";
    let answer = ask(&server, &request.repeat(5));
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

#[test]
fn refuses_a_header_section_that_is_too_large() {
    let (server, _) = start(&[], Duration::ZERO);
    for header in [format!("X: {}\r\n", "x".repeat(20_000)), "X: y\r\n".repeat(40)] {
        let mut stream = connect(&server);
        let request = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{header}\r\n");
        // The server may close before it has read all.
        drop(stream.write_all(request.as_bytes()));
        let answer = rest(stream);
        assert!(!answer.contains("HTTP/1.1 200 "), "{answer}");
    }
    assert!(get(&server, "/healthz").starts_with("HTTP/1.1 200 "));
}

#[test]
fn survives_bytes_that_are_no_request() {
    let (server, _) = start(&[], Duration::ZERO);
    for request in [
        "\0\u{1}\u{2}",
        "GET\r\n\r\n",
        "\r\n\r\n\r\n",
        "GET /healthz HTTP/9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = connect(&server);
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(!rest(stream).contains("HTTP/1.1 200 "), "{request:?}");
    }
    assert!(get(&server, "/healthz").starts_with("HTTP/1.1 200 "));
}

#[test]
fn throws_out_who_sends_slowly_and_serves_who_waited() {
    let (server, _) = start(&[], Duration::ZERO);
    let begin = Instant::now();
    // As many as are served at once, and some more; each sends the beginning of a request and then nothing.
    let mut slow: Vec<_> = (0..24).map(|_| connect(&server)).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost:").unwrap();
    }
    assert!(get(&server, "/healthz").starts_with("HTTP/1.1 200 "), "whoever waits is served in the end");
    // It had to wait until the first were thrown out for their header, long before the end of a connection.
    let waited = begin.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_secs(9)).contains(&waited), "{waited:?}");
    for stream in slow {
        assert!(!rest(stream).contains("HTTP/1.1 200 "));
    }
}

#[test]
fn stops_when_dropped_even_with_open_connections() {
    let (server, _) = start(&[], Duration::ZERO);
    let address = server.address();
    let open = connect(&server);
    let begin = Instant::now();
    drop(server);
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert!(TcpStream::connect(address).is_err());
    assert_eq!(rest(open), "");
}

#[test]
fn says_so_where_the_address_is_taken() {
    let (server, metrics) = start(&[], Duration::ZERO);
    let error = HealthServer::start(server.address(), metrics, Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}
