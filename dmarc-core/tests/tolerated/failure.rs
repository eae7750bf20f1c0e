//! Failure reports whose parts are in another order, of another type, or in another form.

use dmarc_core::model::failure::AuthFailureType;
use dmarc_core::{FailureReport, QuirkCode};

use crate::packing::{Part, base64, multipart_of, part};
use crate::reading::{Got, failure, sample};

const HUMAN: &str = "This is a failure report.";

fn fields() -> String {
    sample("failure/regular.txt")
}

fn feedback(header: &str, body: impl AsRef<[u8]>) -> Part {
    part(header, body)
}

fn regular_feedback() -> Part {
    feedback("Content-Type: message/feedback-report", fields())
}

fn original() -> Part {
    part("Content-Type: message/rfc822", sample("failure/original.txt"))
}

fn read(parts: &[Part]) -> Got<FailureReport<'static>> {
    failure(multipart_of("multipart/report; report-type=feedback-report", parts))
}

fn regular() -> Got<FailureReport<'static>> {
    read(&[part("Content-Type: text/plain", HUMAN), regular_feedback(), original()])
}

/// The report whose fields are those of the regular one with `from` replaced by `to`.
fn with(from: &str, to: &str) -> Got<FailureReport<'static>> {
    let fields = fields();
    assert!(fields.contains(from), "{from}");
    let feedback = feedback("Content-Type: message/feedback-report", fields.replace(from, to));
    read(&[part("Content-Type: text/plain", HUMAN), feedback, original()])
}

#[test]
fn reads_a_regular_report_without_a_quirk() {
    let got = regular();
    assert_eq!((got.part.as_str(), got.codes()), ("2", vec![]));
    assert_eq!(got.report.auth_failure, Some(AuthFailureType::Dmarc));
    assert_eq!(
        got.report.original.and_then(|original| original.header_from).unwrap().as_str(),
        "mail.marke.example"
    );
}

#[test]
fn reads_a_report_whose_sample_stands_before_the_feedback_part() {
    let got = read(&[part("Content-Type: text/plain", HUMAN), original(), regular_feedback()]);
    assert_eq!((got.part.as_str(), &got.report), ("3", &regular().report));
}

#[test]
fn reads_a_report_without_sample() {
    let got = read(&[part("Content-Type: text/plain", HUMAN), regular_feedback()]);
    let expected = regular().report;
    assert_eq!((got.report.source_ip, got.report.original), (expected.source_ip, None));
    assert_eq!((&got.report.reported_domain, got.report.incidents), (&expected.reported_domain, 250));
    assert_eq!(got.quirks, [(QuirkCode::MissingOriginal, String::new())]);
}

#[test]
fn reads_a_feedback_part_as_text_plain() {
    let feedback = feedback("Content-Type: text/plain", fields());
    let got = read(&[part("Content-Type: text/plain", HUMAN), feedback, original()]);
    assert_eq!((got.part.as_str(), &got.report), ("2", &regular().report));
    assert!(got.notes(QuirkCode::FeedbackStructure, "text/plain"), "{:?}", got.quirks);
}

#[test]
fn reads_a_feedback_part_without_media_type() {
    let got = read(&[part("Content-Type: text/plain", HUMAN), feedback("", fields()), original()]);
    assert_eq!((got.part.as_str(), &got.report), ("2", &regular().report));
    assert!(got.notes(QuirkCode::FeedbackStructure, "no media type"), "{:?}", got.quirks);
}

#[test]
fn reads_a_feedback_part_as_octet_stream() {
    let feedback = feedback("Content-Type: application/octet-stream; name=report.arf", fields());
    let got = read(&[part("Content-Type: text/plain", HUMAN), feedback, original()]);
    assert_eq!((got.part.as_str(), &got.report), ("2/report.arf", &regular().report));
    assert!(got.notes(QuirkCode::FeedbackStructure, "application/octet-stream"), "{:?}", got.quirks);
}

#[test]
fn reads_a_feedback_part_in_base64() {
    for media in ["message/feedback-report", "application/octet-stream", "text/plain"] {
        let header = format!("Content-Type: {media}\r\nContent-Transfer-Encoding: base64");
        let feedback = feedback(&header, base64(fields().as_bytes()));
        let got = read(&[part("Content-Type: text/plain", HUMAN), feedback, original()]);
        assert_eq!(got.report, regular().report, "{media}");
    }
}

#[test]
fn reads_a_source_address_in_brackets() {
    let got = with("Source-IP: 192.0.2.77", "Source-IP: [192.0.2.77]");
    assert_eq!(got.report, regular().report);
    assert_eq!(got.quirks, [(QuirkCode::NormalizedIp, "[192.0.2.77]".to_owned())]);
}

#[test]
fn reads_field_names_in_lower_case() {
    let lower = |line: &str| match line.split_once(':') {
        Some((name, value)) if !line.starts_with([' ', '\t']) && name != "X-Ticket" => {
            format!("{}:{value}\n", name.to_lowercase())
        }
        _ => format!("{line}\n"),
    };
    let fields: String = fields().lines().map(lower).collect();
    let feedback = feedback("content-type: MESSAGE/Feedback-Report", fields);
    let got = read(&[part("content-type: text/plain", HUMAN), feedback, original()]);
    assert_eq!((&got.report, got.codes()), (&regular().report, vec![]));
}

#[test]
fn keeps_every_line_of_a_folded_field() {
    let report = regular().report;
    let results = &report.authentication_results[0];
    assert_eq!(
        results.results.iter().map(|result| result.method.as_ref()).collect::<Vec<_>>(),
        ["dkim", "spf", "dmarc"]
    );
    assert_eq!(results.results[0].property("header.s"), Some("k1"));
    assert_eq!(results.results[2].property("header.from"), Some("marke.example"));
    assert_eq!(report.dkim_canonicalized_body.as_deref(), Some("R3J1w58K"));
}

#[test]
fn keeps_every_recipient() {
    let got = with(
        "Original-Rcpt-To: <leser@reporter.example>",
        "Original-Rcpt-To: <leser@reporter.example>\nOriginal-Rcpt-To: <zweite@reporter.example>\nOriginal-Rcpt-To: dritte@reporter.example",
    );
    assert_eq!(
        got.report.original_rcpt_to,
        ["leser@reporter.example", "zweite@reporter.example", "dritte@reporter.example"]
    );
    assert_eq!(got.codes(), []);
}
