//! Mail: labels, transfer encodings, what stands beside the report, and header fields.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

use dmarc_core::{Limits, MessageInfo, QuirkCode, read};

use crate::packing::{HEAD, attachment, base64, gzip, multipart, part, quoted_printable, single, zip};
use crate::reading::{aggregate, assert_json, assert_xml, json, xml};

fn labelled(media: &str, name: &str) -> Vec<u8> {
    multipart(&[part("Content-Type: text/plain", "See below."), attachment(media, name, xml())])
}

// ---- attachments that are not compressed

#[test]
fn reads_xml_in_7bit() {
    let fields = "Content-Type: text/xml; name=report.xml\r\nContent-Transfer-Encoding: 7bit";
    assert_xml(multipart(&[part(fields, xml())]), "1/report.xml", &[]);
}

#[test]
fn reads_xml_in_8bit() {
    let fields = "Content-Type: text/xml; charset=utf-8\r\nContent-Transfer-Encoding: 8bit";
    let got = aggregate(multipart(&[part(
        fields,
        xml().replace("<org_name>receiver.example<", "<org_name>Müller Empfänger<"),
    )]));
    assert_eq!(got.report.report_metadata.org_name, "Müller Empfänger");
    assert_eq!((got.report.records.len(), got.codes()), (2, vec![]));
}

#[test]
fn reads_xml_in_quoted_printable() {
    let fields =
        "Content-Type: application/xml; name=report.xml\r\nContent-Transfer-Encoding: quoted-printable";
    assert_xml(multipart(&[part(fields, quoted_printable(&xml()))]), "1/report.xml", &[]);
    assert_xml(single(fields, quoted_printable(&xml())), "1/report.xml", &[]);
}

#[test]
fn reads_json_in_7bit() {
    let fields = "Content-Type: application/tlsrpt+json; name=report.json\r\nContent-Transfer-Encoding: 7bit";
    assert_json(multipart(&[part(fields, json())]), "1/report.json", &[]);
}

#[test]
fn reads_json_in_8bit() {
    let fields = "Content-Type: application/tlsrpt+json\r\nContent-Transfer-Encoding: 8bit";
    let got = crate::reading::tls(multipart(&[part(fields, json().replace("Beispiel Mail", "Müller"))]));
    assert_eq!(got.report.organization_name, "Müller");
    assert_eq!((got.report.policies.len(), got.codes()), (2, vec![]));
}

#[test]
fn reads_json_in_quoted_printable() {
    let fields = "Content-Type: application/tlsrpt+json\r\nContent-Transfer-Encoding: quoted-printable";
    assert_json(multipart(&[part(fields, quoted_printable(&json()))]), "1", &[]);
}

#[test]
fn reads_a_tls_report_as_application_json() {
    let message = multipart(&[attachment("application/json", "report.json", json())]);
    assert_json(message, "1/report.json", &[]);
}

// ---- labels and transfer encodings

#[test]
fn reads_a_report_labelled_text_plain() {
    assert_xml(labelled("text/plain", "report.xml"), "2/report.xml", &[]);
}

#[test]
fn reads_a_report_labelled_text_html() {
    assert_xml(labelled("text/html", "report.xml"), "2/report.xml", &[QuirkCode::Mislabelled]);
}

#[test]
fn reads_a_report_labelled_image_png() {
    assert_xml(labelled("image/png", "logo.png"), "2/logo.png", &[QuirkCode::Mislabelled]);
}

#[test]
fn reads_a_report_labelled_as_a_feedback_report() {
    let media = "message/feedback-report";
    assert_eq!(aggregate(labelled(media, "report.xml")).report.records.len(), 2);
    for container in [gzip(xml().as_bytes()), zip(&[("report.xml", xml().as_bytes())])] {
        let mail = multipart(&[attachment(media, "report", container)]);
        assert_eq!(aggregate(mail).report.records.len(), 2);
    }
}

#[test]
fn z08_reads_a_container_under_the_label_of_another() {
    let xml = xml();
    let plain_as_gzip = multipart(&[attachment("application/gzip", "a.xml.gz", &xml)]);
    assert_xml(plain_as_gzip, "1/a.xml.gz", &[QuirkCode::Mislabelled]);
    let zip_as_gzip =
        multipart(&[attachment("application/octet-stream", "b.gz", zip(&[("b.xml", xml.as_bytes())]))]);
    assert_xml(zip_as_gzip, "1/b.gz/b.xml", &[QuirkCode::Mislabelled]);
    let gzip_as_zip = multipart(&[attachment("application/zip", "c.zip", gzip(xml.as_bytes()))]);
    assert_xml(gzip_as_zip, "1/c.zip", &[QuirkCode::Mislabelled]);
    let gzip_without_name = multipart(&[attachment("application/octet-stream", "", gzip(xml.as_bytes()))]);
    assert_xml(gzip_without_name, "1", &[]);
}

#[test]
fn reads_a_gzip_with_binary_transfer_encoding() {
    let fields = "Content-Type: application/gzip; name=r.xml.gz\r\nContent-Transfer-Encoding: binary";
    assert_xml(multipart(&[part(fields, gzip(xml().as_bytes()))]), "1/r.xml.gz", &[]);
    assert_xml(single(fields, gzip(xml().as_bytes())), "1/r.xml.gz", &[]);
}

#[test]
fn reads_base64_text_without_transfer_encoding() {
    let body = base64(&gzip(xml().as_bytes()));
    assert_xml(multipart(&[part("Content-Type: application/gzip; name=r.xml.gz", &body)]), "1/r.xml.gz", &[]);
    assert_xml(single("Content-Type: text/plain", &body), "1", &[]);
    assert_xml(format!("{HEAD}\r\n{body}"), "1", &[]);
}

#[test]
fn m03_reads_a_message_that_is_nothing_but_a_gzip() {
    let fields = "Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64";
    assert_xml(single(fields, base64(&gzip(xml().as_bytes()))), "1", &[]);
}

// ---- other things beside the report

#[test]
fn reads_the_report_behind_a_document_of_an_office_suite() {
    let document =
        zip(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w/>"), ("empty.xml", b"")]);
    let media = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    let message = multipart(&[
        attachment(media, "letter.docx", document),
        attachment("application/gzip", "r.xml.gz", gzip(xml().as_bytes())),
    ]);
    assert_xml(message, "2/r.xml.gz", &[]);
}

#[test]
fn reads_the_report_behind_a_picture() {
    let message = multipart(&[
        part("Content-Type: text/plain", "This is an aggregate report."),
        attachment("image/svg+xml", "logo.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
        attachment("image/png", "logo.png", b"\x89PNG\r\n\x1a\n\0\0"),
        attachment("application/gzip", "r.xml.gz", gzip(xml().as_bytes())),
    ]);
    assert_xml(message, "4/r.xml.gz", &[]);
}

fn report_mail() -> Vec<u8> {
    multipart(&[attachment("application/gzip", "r.xml.gz", gzip(xml().as_bytes()))])
}

#[test]
fn reads_a_report_mail_attached_as_a_file() {
    let outer = multipart(&[attachment("application/octet-stream", "fwd.eml", report_mail())]);
    assert_xml(outer, "1/fwd.eml/1/r.xml.gz", &[]);
    assert_xml(zip(&[("fwd.eml", &report_mail())]), "fwd.eml/1/r.xml.gz", &[]);
}

#[test]
fn m02_reads_a_forwarded_report_mail() {
    let embedded = |mail: Vec<u8>| part("Content-Type: message/rfc822", mail);
    let outer = multipart(&[part("Content-Type: text/plain", "See below."), embedded(report_mail())]);
    assert_xml(&outer, "2.1/r.xml.gz", &[]);
    assert_xml(multipart(&[embedded(outer)]), "1.2.1/r.xml.gz", &[]);
}

// ---- the date of the mail

/// What is known of a message with these fields, whose report is read whole.
fn info(fields: &str) -> MessageInfo {
    let message = [fields.as_bytes(), &report_mail()].concat();
    assert_xml(&message, "1/r.xml.gz", &[]);
    read(&message, &Limits::default()).message.unwrap()
}

#[test]
fn reads_a_mail_without_date() {
    let info = info("");
    assert_eq!((info.date, info.from_domain.as_deref()), (None, Some("receiver.example")));
    assert_eq!(info.message_id.as_deref(), Some("1@receiver.example"));
}

#[test]
fn reads_a_mail_with_an_unreadable_date() {
    let info = info("Date: yesterday, about noon\r\n");
    assert_eq!((info.date, info.from_domain.as_deref()), (None, Some("receiver.example")));
}

#[test]
fn reads_a_mail_with_two_dates_and_uses_the_first() {
    let info = info("Date: Mon, 01 Jan 2024 00:00:00 +0000\r\nDate: Tue, 02 Jan 2024 00:00:00 +0000\r\n");
    assert_eq!((info.date, info.from_domain.as_deref()), (Some(1_704_067_200), Some("receiver.example")));
}
