//! Reports inside mail and containers, read end to end. A name that begins with a letter and two digits carries the id
//! of a conformance case.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::io::Write;
use std::ops::ControlFlow;

use dmarc_core::model::aggregate::Record;
use dmarc_core::{
    AggregateReport, Domain, ErrorKind, Found, Limits, QuirkCode, Reading, Report, Visitor, read, stream,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

const AGGREGATE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<feedback>
  <version>1.0</version>
  <report_metadata>
    <org_name>Receiver</org_name><email>reports@receiver.example</email><report_id>ID</report_id>
    <date_range><begin>1704067200</begin><end>1704153599</end></date_range>
  </report_metadata>
  <policy_published><domain>sender.example</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct></policy_published>
  <record>
    <row><source_ip>192.0.2.1</source_ip><count>2</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
    <identifiers><header_from>sender.example</header_from></identifiers>
    <auth_results><dkim><domain>sender.example</domain><selector>s</selector><result>pass</result></dkim>
      <spf><domain>bounce.example</domain><result>fail</result></spf></auth_results>
  </record>
</feedback>
"#;

fn report_with_id(id: &str) -> String {
    AGGREGATE.replace("<report_id>ID<", &format!("<report_id>{id}<"))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// The quirks of every report.
fn quirks(reading: &Reading) -> Vec<(QuirkCode, String)> {
    let reports = reading.outcomes.iter().filter_map(|outcome| match &outcome.found {
        Found::Report(parsed) => Some(parsed.quirks.as_slice()),
        _ => None,
    });
    reports.flatten().map(|quirk| (quirk.code, quirk.detail.clone())).collect()
}

/// Part and id of every aggregate report; anything else fails the test.
fn ids(reading: &Reading) -> Vec<(&str, &str)> {
    let mut ids = Vec::new();
    for outcome in &reading.outcomes {
        match &outcome.found {
            Found::Report(parsed) => match &parsed.report {
                Report::Aggregate(report) => {
                    ids.push((outcome.part.as_str(), report.report_metadata.report_id.as_ref()));
                }
                other => panic!("a {} report in {}", other.kind(), outcome.part),
            },
            other => panic!("{other:?} in {}", outcome.part),
        }
    }
    ids
}

fn mail(parts: &[String]) -> String {
    let mut mail =
        "From: Reports <noreply@receiver.example>\r\nTo: dmarc@sender.example\r\nSubject: Report\r\n\
        Message-ID: <1@receiver.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            .to_owned();
    for part in parts {
        mail = mail + "--b\r\n" + part + "\r\n";
    }
    mail + "--b--\r\n"
}

#[test]
fn x03_replaces_a_byte_that_is_no_utf8() {
    let report = report_with_id("1").replace("<header_from>sender", "<header_from>sen\u{1}der").into_bytes();
    let report: Vec<u8> = report.into_iter().map(|byte| if byte == 1 { 0x91 } else { byte }).collect();
    let reading = read(&report, &Limits::default());
    assert_eq!(ids(&reading), [("", "1")]);
    assert!(quirks(&reading).iter().any(|(code, _)| *code == QuirkCode::BadEncoding));
    let Found::Report(parsed) = &reading.outcomes[0].found else { panic!() };
    let Report::Aggregate(report) = &parsed.report else { panic!() };
    assert_eq!(report.records[0].identifiers.header_from.as_str(), "sen\u{fffd}der.example");
}

#[test]
fn x07_keeps_the_message_around_a_container_that_holds_no_report() {
    let body = [
        b"From: a@b.example\r\nTo: c@d.example\r\nContent-Type: application/gzip\r\n\r\n",
        &gzip("unused")[..],
    ];
    let reading = read(&body.concat(), &Limits::default());
    assert!(reading.outcomes.is_empty() && reading.message.is_some());
}

#[test]
fn m04_reads_the_same_report_whatever_the_subject_says() {
    let part = format!("Content-Type: text/xml; name=1.xml\r\n\r\n{}", report_with_id("1"));
    let plain = mail(&[part]);
    for subject in [
        "Subject: Report domain: sender.example Submitter: receiver.example Report-ID: 99\r\n",
        "Subject: Report Domain: other.example; Submitter: Mail.Ru; Report-ID: 1\r\n",
        "Subject: Dmarc Aggregate Report Domain: {other.example} Submitter: {Amazon SES} Date: {2024-01-01} Report-ID: {9}\r\n",
        "Subject: Report Domain: sender.example\r\n Submitter: receiver.example\r\n\tReport-ID: <1@x>\r\n",
        "Subject: =?utf-8?B?/w==?=\r\n",
        "",
    ] {
        let reading = read(plain.replace("Subject: Report\r\n", subject).as_bytes(), &Limits::default());
        assert_eq!(ids(&reading), [("1/1.xml", "1")], "{subject}");
        assert_eq!(quirks(&reading), [], "{subject}");
    }
}

#[test]
fn m05_believes_the_report_and_notes_another_domain_or_period_in_its_name() {
    for (name, fits) in [
        ("receiver.example!sender.example!1704067200!1704153599.xml", true),
        ("receiver.example!Sender.Example!1704067200!1704153599!a1.xml.gz", true),
        ("report.xml", true),
        ("receiver.example!other.example!1704067200!1704153599.xml", false),
        ("receiver.example!sender.example!1704067201!1704153599.xml", false),
        ("receiver.example!sender.example!1704067200!1704153600!a1.xml", false),
    ] {
        let part = format!("Content-Type: text/xml; name=\"{name}\"\r\n\r\n{}", report_with_id("1"));
        let reading = read(mail(&[part]).as_bytes(), &Limits::default());
        assert_eq!(ids(&reading)[0].1, "1");
        let Found::Report(parsed) = &reading.outcomes[0].found else { panic!() };
        let Report::Aggregate(report) = &parsed.report else { panic!() };
        assert_eq!(report.policy_published.domain.as_str(), "sender.example");
        assert_eq!(report.report_metadata.date_range.end, 1_704_153_599);
        let noted = quirks(&reading).contains(&(QuirkCode::FileName, name.to_owned()));
        assert_eq!(noted, !fits, "{name}");
    }
}

#[test]
fn m06_recognises_the_notice_of_a_report_that_was_not_delivered() {
    let fields = "Report-Date: Mon, 01 Jan 2024 00:10:00 +0000\r\nReport-Domain: Sender.example\r\n\
        Report-ID: 17@receiver.example\r\nReport-Size: 14000000\r\nSubmitter: receiver.example\r\n\
        Submitting-URI: mailto:a@sender.example\r\nSubmitting-URI: mailto:b@sender.example\r\n";
    for body in [fields.to_owned(), format!("We have a report that we could not send.\r\n\r\n{fields}")] {
        let message = mail(&[format!("Content-Type: text/plain\r\n\r\n{body}")]);
        let outcomes = read(message.as_bytes(), &Limits::default()).outcomes;
        assert_eq!(outcomes.len(), 1);
        let Found::ErrorReport(report) = &outcomes[0].found else { panic!("{outcomes:?}") };
        assert_eq!(report.report_domain.as_str(), "sender.example");
        assert_eq!(
            (report.report_id.as_ref(), report.report_size),
            ("17@receiver.example", Some(14_000_000))
        );
        assert_eq!(report.submitter.as_ref().map(Domain::as_str), Some("receiver.example"));
        assert_eq!(report.submitting_uri, ["mailto:a@sender.example", "mailto:b@sender.example"]);
        assert!(report.report_date.is_some());
    }
    let prose = format!("Content-Type: text/plain\r\n\r\n{}", fields.replace("Submitting-URI", "Link"));
    assert!(read(mail(&[prose]).as_bytes(), &Limits::default()).outcomes.is_empty());
}

#[test]
fn z04_refuses_a_cut_gzip_file_and_gives_no_part_of_it() {
    let whole = gzip(&report_with_id("1"));
    let reading = read(&whole[..whole.len() / 2], &Limits::default());
    assert_eq!(reading.outcomes.len(), 1);
    assert!(
        matches!(&reading.outcomes[0].found, Found::Refused(error) if error.kind().code() == "decompress")
    );
}

#[test]
fn gives_nothing_for_a_message_without_report() {
    let reading = read(mail(&["\r\nHello.".to_owned()]).as_bytes(), &Limits::default());
    assert!(reading.outcomes.is_empty());
    assert!(reading.message.is_some());
}

proptest! {
    #[test]
    fn never_panics_whatever_is_damaged(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let message = mail(&[format!("Content-Type: text/xml\r\n\r\n{}", report_with_id("1"))]);
        for mut input in [message.into_bytes(), gzip(&report_with_id("1")), report_with_id("1").into_bytes()] {
            let index = at.index(input.len());
            input[index] = byte;
            read(&input, &Limits::default());
            read(&input[..cut.index(input.len())], &Limits::default());
        }
    }

    #[test]
    fn never_panics_whatever_the_bytes(input in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        read(&input, &Limits::default());
    }
}

#[test]
fn gives_no_report_of_a_file_whose_checksum_is_wrong_however_whole_it_looks() {
    let mut file = gzip(&[report_with_id("1"), report_with_id("2")].concat());
    let checksum = file.len() - 8;
    file[checksum] ^= 1;
    let outcomes = read(&file, &Limits::default()).outcomes;
    let [outcome] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    let Found::Refused(error) = &outcome.found else { panic!("{outcome:?}") };
    assert_eq!(error.kind(), ErrorKind::Decompress);
}

/// Wants no record of the second report.
#[derive(Default)]
struct First(Vec<Found>);

impl Visitor for First {
    fn record(&mut self, report: usize, _: &AggregateReport<'_>, _: &mut Record<'_>) -> ControlFlow<()> {
        if report == 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn part(&mut self, _: &str, found: Vec<Found>) {
        self.0 = found;
    }
}

#[test]
fn refuses_a_part_whose_records_are_not_wanted() {
    let mut first = First::default();
    let text = [report_with_id("1"), report_with_id("2")].concat();
    assert!(stream(text.as_bytes(), &Limits::default(), &mut first).is_none());
    assert!(
        matches!(first.0.as_slice(), [Found::Refused(error)] if error.kind() == ErrorKind::Stopped),
        "{:?}",
        first.0
    );
}
