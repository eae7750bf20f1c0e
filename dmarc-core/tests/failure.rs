//! Failure reports as whole mails, read end to end. A name that begins with a letter and two digits carries the id of a
//! conformance case.
#![expect(clippy::panic, reason = "a test may fail")]

use dmarc_core::identity::identify;
use dmarc_core::model::failure::{AlignmentBasis, AuthFailureType, DeliveryResult};
use dmarc_core::{Domain, FailureReport, Found, Limits, Parsed, QuirkCode, Report, read};

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../testdata/failure/", $name))
    };
}

fn all(mail: &[u8]) -> Vec<Parsed<FailureReport<'static>>> {
    let outcomes = read(mail, &Limits::default()).outcomes.into_iter();
    let reports = outcomes.map(|outcome| match outcome.found {
        Found::Report(parsed) => parsed.map(|report| match report {
            Report::Failure(report) => *report,
            other => panic!("a {} report", other.kind()),
        }),
        other => panic!("{other:?}"),
    });
    reports.collect()
}

fn one(mail: &[u8]) -> Parsed<FailureReport<'static>> {
    let mut reports = all(mail);
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

fn details<'q>(parsed: &'q Parsed<FailureReport<'static>>, code: QuirkCode) -> Vec<&'q str> {
    let quirks = parsed.quirks.as_slice().iter();
    quirks.filter(|quirk| quirk.code == code).map(|quirk| quirk.detail.as_str()).collect()
}

/// A mail around the fields `fields` of a DMARC failure report, and the header `original`.
fn mail(fields: &str, original: &str) -> Vec<u8> {
    format!(
        "From: dmarc@reporter.example\nTo: failures@marke.example\nDate: Tue, 4 Mar 2025 10:21:07 +0100\n\
         MIME-Version: 1.0\nContent-Type: multipart/report; report-type=feedback-report; boundary=_b\n\n\
         --_b\nContent-Type: text/plain\n\nSomething failed.\n--_b\nContent-Type: message/feedback-report\n\n\
         Feedback-Type: auth-failure\nAuth-Failure: dmarc\nUser-Agent: x/1\nVersion: 1\n{fields}\n\
         --_b\nContent-Type: text/rfc822-headers\n\n{original}\n--_b--\n"
    )
    .into_bytes()
}

const FROM: &str = "From: a@marke.example\n";

#[test]
fn f01_reads_a_report_about_dmarc() {
    let parsed = one(sample!("dmarc.eml"));
    let report = &parsed.report;
    assert_eq!(report.auth_failure, Some(AuthFailureType::Dmarc));
    assert_eq!(report.identity_alignment.as_deref(), Some(&["dkim".into()][..]));
    assert_eq!((report.dkim_aligned, report.spf_aligned), (Some(false), Some(false)));
    assert_eq!(report.alignment_basis, AlignmentBasis::Evidence);
    assert_eq!(report.source_port, Some(51_234));
    let original = report.original.as_ref().unwrap();
    assert_eq!(original.header_from, Some(Domain::new("marke.example")));
    assert_eq!((original.header("message-id"), original.body_bytes), (Some("<a1@marke.example>"), 6));
}

#[test]
fn f01_takes_each_verdict_from_the_evidence_that_there_is() {
    // Without the results at the top of the message nothing is known of DKIM, and with an aligned sender nothing of SPF.
    let text = std::str::from_utf8(sample!("dmarc.eml")).unwrap();
    let text = text.replace("dmarc=fail header.from", "dmarc=none header.from");
    let report = one(text.as_bytes()).report;
    assert_eq!((report.dkim_aligned, report.spf_aligned), (Some(false), Some(false)));
    let blind = text.replace("dkim=neutral", "iprev=pass").replace("dkim=permerror", "iprev=fail");
    let report = one(blind.as_bytes()).report;
    assert_eq!((report.dkim_aligned, report.spf_aligned), (None, Some(false)));
    let report = one(blind.replace("@liste.example>", "@marke.example>").as_bytes()).report;
    assert_eq!((report.dkim_aligned, report.spf_aligned), (None, None));
}

#[test]
fn f02_reads_a_report_about_a_body_hash() {
    let report = one(sample!("bodyhash.eml")).report;
    assert_eq!(report.auth_failure, Some(AuthFailureType::BodyHash));
    assert_eq!(
        report.canonicalized_body().unwrap(),
        b"Hallo Welt,\nauf dem Weg hat jemand diese Zeilen angefuegt.\n"
    );
    assert_eq!(report.canonicalized_header(), None);
    let original = report.original.unwrap();
    assert_eq!((original.headers.len(), original.body_bytes), (5, 0));
    assert_eq!(original.header_from, Some(Domain::new("post.marke.example")));
}

#[test]
fn f03_reads_none_as_nothing_aligned() {
    let report = one(&mail("Identity-Alignment: none\n", FROM)).report;
    assert_eq!((report.dkim_aligned, report.spf_aligned), (Some(false), Some(false)));
    assert_eq!(report.alignment_basis, AlignmentBasis::ListsNone);
}

#[test]
fn f04_reads_both_as_both_failed() {
    let report = one(&mail("Identity-Alignment: spf,dkim\n", FROM)).report;
    assert_eq!((report.dkim_aligned, report.spf_aligned), (Some(false), Some(false)));
    assert_eq!(report.alignment_basis, AlignmentBasis::ListsBoth);
}

#[test]
fn f05_claims_nothing_for_one_mechanism_without_evidence() {
    let report = one(&mail("Identity-Alignment: spf\n", FROM)).report;
    assert_eq!((report.dkim_aligned, report.spf_aligned), (None, None));
    assert_eq!(report.alignment_basis, AlignmentBasis::Unknown);
    assert_eq!(report.identity_alignment.as_deref(), Some(&["spf".into()][..]));
}

#[test]
fn f06_derives_alignment_where_the_field_is_absent() {
    let parsed = one(&mail("", FROM));
    assert!(details(&parsed, QuirkCode::MissingField).contains(&"Identity-Alignment"));
    assert_eq!((parsed.report.dkim_aligned, parsed.report.spf_aligned), (None, None));
    let results = "Authentication-Results: mx.example; dkim=pass header.d=marke.example; spf=fail\n";
    let report = one(&mail(results, FROM)).report;
    assert_eq!((report.dkim_aligned, report.spf_aligned), (Some(true), Some(false)));
    assert_eq!(report.alignment_basis, AlignmentBasis::Evidence);
}

#[test]
fn f07_reads_base64_parts_of_a_mixed_mail() {
    let report = one(sample!("base64-mixed.eml")).report;
    assert_eq!(report.original_mail_from.as_deref(), Some("werbung@fremd.example"));
    assert_eq!(report.source_ip, Some("192.0.2.79".parse().unwrap()));
    assert_eq!(report.original.unwrap().header("Subject"), Some("Angebot"));
}

#[test]
fn f07_reads_8bit_fields() {
    let text = String::from_utf8(mail("Reported-Domain: bücher.example\n", FROM)).unwrap();
    let text = text.replace("feedback-report\n\n", "feedback-report\nContent-Transfer-Encoding: 8bit\n\n");
    let report = one(text.as_bytes()).report;
    assert_eq!(report.reported_domain, [Domain::new("xn--bcher-kva.example")]);
}

#[test]
fn f08_salvages_a_notice_in_prose() {
    let parsed = one(sample!("notice.eml"));
    assert!(parsed.quirks.contains(QuirkCode::NoArf));
    let report = &parsed.report;
    assert_eq!(report.source_ip, Some("192.0.2.80".parse().unwrap()));
    assert_eq!(report.reported_domain, [Domain::new("marke.example")]);
    assert_eq!(report.arrival_date.as_deref(), Some("Tue, 04 Mar 2025 10:20:30 +0100"));
    assert_eq!(report.arrived, Some(1_741_080_030));
    assert_eq!((report.dkim_aligned, report.spf_aligned), (Some(false), Some(false)));
    assert_eq!(report.alignment_basis, AlignmentBasis::Stated);
    assert_eq!(report.other_fields, [("DMARC Results".into(), "None, Accept".into())]);
    let original = report.original.as_ref().unwrap();
    assert_eq!(original.headers.len(), 6);
    assert_eq!(original.header("Message-ID"), Some("<d1@zuhause.example>"));
    assert_eq!(original.header_from, Some(Domain::new("marke.example")));
}

#[test]
fn f08_takes_no_second_report_from_the_words_beside_an_arf_part() {
    let text = String::from_utf8(mail("Source-IP: 192.0.2.1\n", FROM)).unwrap();
    let words = "This failed DMARC.\n\n  Sender Domain: x.example\n  Sender IP Address: 192.0.2.9\n  SPF Alignment: no\n";
    let text = text.replace("Something failed.\n", words);
    assert_eq!(one(text.as_bytes()).report.source_ip, Some("192.0.2.1".parse().unwrap()));
    let alone = format!("From: a@b.example\nTo: c@d.example\nContent-Type: text/plain\n\n{words}");
    assert_eq!(one(alone.as_bytes()).report.source_ip, Some("192.0.2.9".parse().unwrap()));
    assert!(all(alone.replace("DMARC", "SPF").as_bytes()).is_empty());
}

#[test]
fn f09_accepts_version_1_0() {
    let text = String::from_utf8(mail("", FROM)).unwrap().replace("Version: 1\n", "Version: 1.0\n");
    let parsed = one(text.as_bytes());
    assert_eq!(details(&parsed, QuirkCode::FeedbackVersion), ["1.0"]);
}

#[test]
fn f10_keeps_a_delivery_result_in_other_words() {
    let parsed = one(&mail("Delivery-Result: smg-policy-action\n", FROM));
    assert_eq!(parsed.report.delivery_result, Some(DeliveryResult::Other("smg-policy-action".into())));
    assert_eq!(details(&parsed, QuirkCode::UnknownValue), ["Delivery-Result: smg-policy-action"]);
}

#[test]
fn f11_counts_incidents() {
    assert_eq!(one(&mail("Incidents: 250\n", FROM)).report.incidents, 250);
    assert_eq!(one(&mail("", FROM)).report.incidents, 1);
}

#[test]
fn f12_reads_an_ipv6_literal() {
    let report = one(&mail("Source-IP: IPv6:2001:db8::1\n", FROM)).report;
    assert_eq!(report.source_ip, Some("2001:db8::1".parse().unwrap()));
}

#[test]
fn f13_uses_arrival_date_of_two_dates() {
    let dates =
        "Received-Date: Mon, 3 Mar 2025 00:00:00 +0000\nArrival-Date: Tue, 4 Mar 2025 09:20:30 +0000\n";
    let parsed = one(&mail(dates, FROM));
    assert_eq!(parsed.report.arrived, Some(1_741_080_030));
    assert_eq!(details(&parsed, QuirkCode::ArrivalDate), ["Arrival-Date and Received-Date"]);
}

#[test]
fn f14_tells_feedback_of_another_type() {
    let text = String::from_utf8(mail("", FROM)).unwrap().replace("auth-failure", "abuse");
    let outcomes = read(text.as_bytes(), &Limits::default()).outcomes;
    assert_eq!(outcomes.len(), 1);
    assert!(matches!(&outcomes[0].found, Found::OtherFeedback(kind) if kind == "abuse"));
}

#[test]
fn f15_takes_the_date_of_the_mail_where_there_is_no_arrival_date() {
    let parsed = one(&mail("", FROM));
    assert_eq!((parsed.report.arrival_date.as_deref(), parsed.report.arrived), (None, Some(1_741_080_067)));
    assert_eq!(details(&parsed, QuirkCode::ArrivalDate), ["absent", "date of the mail"]);
}

#[test]
fn f15_knows_two_copies_with_different_dates_for_one_report() {
    let identity = |date: &str| {
        let text = String::from_utf8(mail("", &format!("{FROM}Message-ID: <1@marke.example>\n"))).unwrap();
        let report = one(text.replace("10:21:07", date).as_bytes()).report;
        identify(&Report::Failure(Box::new(report)), "reporter.example")
    };
    assert_eq!(identity("10:21:07"), identity("10:25:00"));
}

#[test]
fn f16_keeps_a_redacted_local_part() {
    let redacted = "rZ8cqXWGiKHzhz1MsFRGTysHia4=@example.net";
    let parsed = one(&mail(&format!("Original-Rcpt-To: <{redacted}>\n"), &format!("{FROM}To: {redacted}\n")));
    assert_eq!(parsed.report.original_rcpt_to, [redacted]);
    assert_eq!(parsed.report.original.as_ref().unwrap().header("To"), Some(redacted));
    assert!(!parsed.quirks.contains(QuirkCode::BadField));
}

#[test]
fn f17_keeps_unknown_fields() {
    let report = one(&mail("Message-ID: <x@y.example>\nRemoval-Recipient: z@y.example\n", FROM)).report;
    let kept = [("Message-ID", "<x@y.example>"), ("Removal-Recipient", "z@y.example")];
    assert_eq!(report.other_fields, kept.map(|(name, value)| (name.into(), value.into())));
}

#[test]
fn says_where_a_report_stands_in_an_odd_place() {
    let regular = String::from_utf8(mail("Source-IP: 192.0.2.1:25\n", FROM)).unwrap();
    let parsed = one(regular.as_bytes());
    assert_eq!(parsed.report.source_ip, Some("192.0.2.1".parse().unwrap()));
    assert_eq!(details(&parsed, QuirkCode::NormalizedIp), ["192.0.2.1:25"]);
    assert_eq!(details(&parsed, QuirkCode::FeedbackStructure), Vec::<&str>::new());
    let mixed = one(regular.replacen("multipart/report", "multipart/mixed", 1).as_bytes());
    assert_eq!(details(&mixed, QuirkCode::FeedbackStructure), ["not in multipart/report"]);
    let head = "From: a@b.example\nTo: c@d.example\nContent-Type: multipart/report; boundary=bb\n\n";
    let feedback = "--bb\nContent-Type: message/feedback-report\n\nFeedback-Type: auth-failure\n\n";
    let sample = "--bb\nContent-Type: message/rfc822\n\nFrom: x@example.org\n\n";
    let turned = one(format!("{head}{sample}{feedback}--bb--\n").as_bytes());
    assert_eq!(details(&turned, QuirkCode::FeedbackStructure), ["behind the included message"]);
}
