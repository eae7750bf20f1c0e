//! TLS reports (RFC 8460) in the manner of large senders.

use std::fmt::Write as _;

/// A report of so many policies, each with so many kinds of failures.
pub(super) fn report(policies: u64, failures: u64) -> String {
    let mut json = "{\"organization-name\":\"Receiver Inc.\",\"date-range\":{\"start-datetime\":\"2026-09-12T00:00:00Z\",\
        \"end-datetime\":\"2026-09-12T23:59:59Z\"},\"contact-info\":\"smtp-tls-reporting@receiver.example\",\
        \"report-id\":\"2026-09-12T00:00:00Z_example.org\",\"policies\":["
        .to_owned();
    for policy in 0..policies {
        let comma = if policy == 0 { "" } else { "," };
        let written = write!(
            json,
            "{comma}{{\"policy\":{{\"policy-type\":\"sts\",\"policy-string\":[\"version: STSv1\",\"mode: enforce\",\
             \"mx: *.mx{policy}.example.org\",\"max_age: 604800\"],\"policy-domain\":\"d{policy}.example.org\",\
             \"mx-host\":[\"*.mx{policy}.example.org\"]}},\"summary\":{{\"total-successful-session-count\":{},\
             \"total-failure-session-count\":{}}},\"failure-details\":[",
            4_000 + policy,
            2 * failures
        );
        debug_assert!(written.is_ok(), "a String takes any text");
        for failure in 0..failures {
            let comma = if failure == 0 { "" } else { "," };
            let written = write!(
                json,
                "{comma}{{\"result-type\":\"certificate-expired\",\"sending-mta-ip\":\"192.0.2.{}\",\
                 \"receiving-mx-hostname\":\"a{failure}.mx{policy}.example.org\",\
                 \"receiving-ip\":\"198.51.100.{}\",\"failed-session-count\":2}}",
                failure % 250,
                policy % 250
            );
            debug_assert!(written.is_ok(), "a String takes any text");
        }
        json.push_str("]}");
    }
    json.push_str("]}");
    json
}
