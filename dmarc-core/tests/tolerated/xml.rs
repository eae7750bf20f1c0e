//! Characters, names, dates and documents of aggregate reports.

use dmarc_core::QuirkCode;
use dmarc_core::model::aggregate::DateRange;

use crate::packing::{attachment, gzip, multipart, zip};
use crate::reading::{aggregate, assert_json, assert_xml, counted, json, reports, sample, xml, xml_with_id};

const MARK: &str = "\u{feff}";

fn marked(text: &str) -> String {
    format!("{MARK}{text}")
}

#[test]
fn reads_a_file_behind_a_byte_order_mark() {
    assert_xml(marked(&xml()), "", &[]);
}

#[test]
fn reads_a_gzip_or_zip_with_a_byte_order_mark_inside() {
    assert_xml(gzip(marked(&xml()).as_bytes()), "", &[]);
    assert_xml(zip(&[("a.xml", marked(&xml()).as_bytes())]), "a.xml", &[]);
}

#[test]
fn reads_a_base64_attachment_behind_a_byte_order_mark() {
    assert_xml(multipart(&[attachment("text/xml", "a.xml", marked(&xml()))]), "1/a.xml", &[]);
}

#[test]
fn reads_json_behind_a_byte_order_mark() {
    assert_json(marked(&json()), "", &[]);
    assert_json(gzip(marked(&json()).as_bytes()), "", &[]);
}

#[test]
fn x04_reads_utf_16_with_and_without_byte_order_mark() {
    let xml = xml().replace("UTF-8", "UTF-16");
    for text in [marked(&xml), xml] {
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(order).collect();
            assert_xml(&bytes, "", &[QuirkCode::Charset]);
            assert_xml(gzip(&bytes), "", &[QuirkCode::Charset]);
        }
    }
}

#[test]
fn reads_json_in_utf_16() {
    let bytes: Vec<u8> = marked(&json()).encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_json(&bytes, "", &[QuirkCode::Charset]);
}

#[test]
fn reads_a_report_behind_blank_lines() {
    assert_xml(format!("\r\n \n\t{}", xml()), "", &[QuirkCode::LateDeclaration]);
    assert_xml(format!("{MARK}\n\n{}", xml()), "", &[QuirkCode::LateDeclaration]);
}

#[test]
fn reads_prefixed_names() {
    let got = aggregate(sample("aggregate/prefixed.xml"));
    assert_eq!(counted(&got.report), [("192.0.2.10".to_owned(), 12), ("2001:db8::25".to_owned(), 3)]);
    assert_eq!(got.report.policy_published.domain.as_str(), "example.org");
    assert_eq!(got.codes(), []);
}

#[test]
fn reads_an_upper_case_root_element() {
    let got = aggregate(xml().replace("feedback>", "FEEDBACK>"));
    assert_eq!(got.report, aggregate(xml()).report);
}

#[test]
fn reads_a_report_without_email() {
    let got = aggregate(xml().replace("<email>dmarc-reports@receiver.example</email>", ""));
    assert_eq!(got.report.report_metadata.email, "");
    assert_eq!(got.report.records, aggregate(xml()).report.records);
    assert!(got.notes(QuirkCode::MissingElement, "report_metadata/email"));
}

fn period(begin: &str, end: &str) -> (DateRange, Vec<QuirkCode>) {
    let got = aggregate(xml().replace(">1788220800<", &format!(">{begin}<")).replace("1788307199", end));
    assert_eq!(got.report.records, aggregate(xml()).report.records);
    (got.report.report_metadata.date_range, got.codes())
}

#[test]
fn reads_iso_dates() {
    let expected = (DateRange::new(1_788_220_800, 1_788_307_199), vec![QuirkCode::NormalizedDate; 2]);
    assert_eq!(period("2026-09-01T00:00:00Z", "2026-09-01T23:59:59Z"), expected);
    assert_eq!(period("2026-09-01 00:00:00", "2026-09-01T23:59:59+00:00"), expected);
    assert_eq!(period("2026-09-01", "2026-09-02T01:59:59.5+02:00"), expected);
}

#[test]
fn reads_dates_in_milliseconds() {
    let expected = (DateRange::new(1_788_220_800, 1_788_307_199), vec![QuirkCode::NormalizedDate; 2]);
    assert_eq!(period("1788220800000", "1788307199999"), expected);
    assert_eq!(period("1788220800.0", "1788307199.999"), expected);
}

#[test]
fn reads_every_one_of_concatenated_documents() {
    let text = format!("{}\n{}", xml_with_id("1"), xml_with_id("2"));
    for input in [text.clone().into_bytes(), gzip(text.as_bytes())] {
        let got = reports(&input);
        assert_eq!(got.len(), 2);
        assert!(!got[0].notes(QuirkCode::ConcatenatedDocuments, ""));
        assert!(got[1].notes(QuirkCode::ConcatenatedDocuments, ""));
    }
    assert_eq!(crate::reading::ids(text), [(String::new(), "1".to_owned()), (String::new(), "2".to_owned())]);
}
