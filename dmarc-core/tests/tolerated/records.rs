//! Records with parts that are absent, empty or in another form, and those that cannot be counted.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

use dmarc_core::model::aggregate::{PolicyOverride, Record};
use dmarc_core::record::{Trust, flatten};
use dmarc_core::{AggregateReport, QuirkCode};

use crate::reading::{Got, aggregate, counted, sample};

fn odd() -> Got<AggregateReport<'static>> {
    aggregate(sample("aggregate/odd-records.xml"))
}

/// The record of `odd-records.xml` from this address, and whether this deviation is recorded.
fn record(ip: &str, code: QuirkCode, detail: &str) -> Record<'static> {
    let got = odd();
    assert!(got.notes(code, detail), "{:?}", got.quirks);
    let ip = ip.parse().unwrap();
    got.report.records.into_iter().find(|record| record.row.source_ip == Some(ip)).unwrap()
}

#[test]
fn counts_every_record_of_any_form() {
    let got = odd();
    let counts: Vec<_> = counted(&got.report).into_iter().map(|(_, count)| count).collect();
    assert_eq!(counts, [1, 2, 3, 4, 5, 6, 7, 1_008, 9, 10, 11, 12]);
    assert_eq!(got.report.rejected_records, []);
}

#[test]
fn reads_a_record_with_an_empty_spf_result() {
    let record = record("192.0.2.1", QuirkCode::MissingElement, "auth_results/spf");
    assert_eq!((record.row.count, record.auth_results.spf.len(), record.auth_results.dkim.len()), (1, 0, 1));
}

#[test]
fn reads_a_record_with_an_empty_dkim_result() {
    let record = record("192.0.2.2", QuirkCode::MissingElement, "auth_results/dkim");
    assert_eq!((record.row.count, record.auth_results.spf.len(), record.auth_results.dkim.len()), (2, 1, 0));
}

#[test]
fn reads_a_record_without_auth_results() {
    let record = record("192.0.2.3", QuirkCode::MissingElement, "record/auth_results");
    assert_eq!((record.row.count, record.auth_results.spf.len(), record.auth_results.dkim.len()), (3, 0, 0));
    assert_eq!(record.identifiers.header_from.as_str(), "example.org");
}

#[test]
fn reads_a_record_without_identifiers() {
    let record = record("192.0.2.4", QuirkCode::MissingElement, "record/identifiers");
    assert_eq!((record.row.count, record.identifiers.header_from.as_str()), (4, ""));
    assert_eq!(record.auth_results.dkim.len(), 1);
}

#[test]
fn reads_a_record_with_an_empty_reason() {
    let record = record("192.0.2.5", QuirkCode::MissingElement, "policy_evaluated/reason");
    assert_eq!((record.row.count, record.row.policy_evaluated.reasons), (5, vec![]));
}

#[test]
fn reads_a_record_with_a_reason_of_bare_text() {
    let record = record("192.0.2.6", QuirkCode::StrayText, "policy_evaluated/reason");
    let reasons: Vec<_> = record.row.policy_evaluated.reasons.into_iter().map(|reason| reason.kind).collect();
    assert_eq!((record.row.count, reasons), (6, vec![PolicyOverride::MailingList]));
}

#[test]
fn reads_a_count_with_a_fraction_of_zero() {
    assert_eq!(record("192.0.2.7", QuirkCode::NormalizedCount, "7.0").row.count, 7);
}

#[test]
fn reads_a_count_with_separators() {
    assert_eq!(record("192.0.2.8", QuirkCode::NormalizedCount, "1,008").row.count, 1_008);
}

#[test]
fn reads_an_address_with_a_port() {
    assert_eq!(record("192.0.2.9", QuirkCode::NormalizedIp, "192.0.2.9:25").row.count, 9);
}

#[test]
fn reads_an_address_in_brackets() {
    assert_eq!(record("192.0.2.10", QuirkCode::NormalizedIp, "[192.0.2.10]").row.count, 10);
}

#[test]
fn reads_an_address_with_its_full_prefix_length() {
    assert_eq!(record("192.0.2.11", QuirkCode::NormalizedIp, "192.0.2.11/32").row.count, 11);
    assert_eq!(record("2001:db8::12", QuirkCode::NormalizedIp, "2001:db8::12/128").row.count, 12);
}

// ---- records that cannot be trusted

fn uncountable() -> Got<AggregateReport<'static>> {
    aggregate(sample("malformed/uncountable-records.xml"))
}

#[test]
fn sets_aside_with_its_reason_each_record_that_cannot_be_counted() {
    let got = uncountable();
    let rejected: Vec<_> = got
        .report
        .rejected_records
        .iter()
        .map(|rejected| (rejected.index, rejected.reason.as_str()))
        .collect();
    let expected = [
        (1, "count is absent"),
        (2, "count is \"\""),
        (3, "count is \"0\""),
        (4, "count is \"-3\""),
        (5, "count is \"many\""),
        (6, "count is \"1.5\""),
        (7, "count is \"18446744073709551616\""),
        (8, "count is \"9007199254740993\""),
        (9, "source_ip is \"999.1.2.3\""),
        (10, "source_ip is \"192.0.2.0/24\""),
        (11, "source_ip is \"mail.example.org\""),
        (12, "row is absent"),
    ];
    assert_eq!(rejected, expected);
    for (_, reason) in expected {
        assert!(got.notes(QuirkCode::RejectedRecord, reason), "{reason}");
    }
}

#[test]
fn leaves_records_that_are_set_aside_out_of_every_total() {
    let got = uncountable();
    assert_eq!(counted(&got.report), [("192.0.2.1".to_owned(), 1), ("192.0.2.14".to_owned(), 14)]);
    let flat = flatten(got.report, String::new(), Trust::Unverified);
    assert_eq!(flat.iter().map(|record| record.message_count).sum::<u64>(), 15);
}
