//! Compression and archives.

use dmarc_core::QuirkCode;

use crate::packing::{attachment, base64, gzip, multipart, tar, zip};
use crate::reading::{aggregate, assert_json, assert_xml, ids, json, xml, xml_with_id};

fn in_mail(name: &str, bytes: &[u8]) -> Vec<u8> {
    multipart(&[attachment("application/octet-stream", name, bytes)])
}

#[test]
fn reads_a_bare_file_a_gzip_and_a_zip() {
    assert_xml(xml(), "", &[]);
    assert_json(json(), "", &[]);
    assert_xml(gzip(xml().as_bytes()), "", &[]);
    assert_xml(zip(&[("a/report.xml", xml().as_bytes())]), "a/report.xml", &[]);
}

#[test]
fn reads_a_zip_that_begins_with_a_directory() {
    let archive = zip(&[("folder/", b""), ("folder/one.xml", xml().as_bytes())]);
    assert_xml(archive, "folder/one.xml", &[]);
}

#[test]
fn z06_reads_a_zip_that_begins_with_the_files_of_an_apple_finder() {
    let archive = zip(&[
        ("__MACOSX/", b""),
        ("__MACOSX/._one.xml", b"\0\x05\x16\x07"),
        (".DS_Store", b"\0\0\0\x01"),
        ("one.xml", xml().as_bytes()),
    ]);
    assert_xml(archive, "one.xml", &[]);
}

#[test]
fn reads_a_zip_that_begins_with_a_readme() {
    assert_xml(zip(&[("readme.txt", b"Thank you."), ("one.xml", xml().as_bytes())]), "one.xml", &[]);
}

#[test]
fn reads_a_zip_in_a_zip() {
    let inner = zip(&[("a/report.xml", xml().as_bytes())]);
    assert_xml(zip(&[("inner.zip", &inner)]), "inner.zip/a/report.xml", &[]);
}

#[test]
fn reads_a_gzip_in_a_zip() {
    assert_xml(zip(&[("report.xml.gz", &gzip(xml().as_bytes()))]), "report.xml.gz", &[]);
}

#[test]
fn reads_a_zip_in_a_gzip() {
    assert_xml(gzip(&zip(&[("report.xml", xml().as_bytes())])), "report.xml", &[]);
}

#[test]
fn reads_a_gzip_in_a_gzip() {
    assert_xml(gzip(&gzip(xml().as_bytes())), "", &[]);
}

#[test]
fn reads_a_tar_in_a_gzip() {
    let archive = tar(&[("._a.xml", b"\0"), ("a.xml", xml().as_bytes())]);
    assert_xml(gzip(&archive), "a.xml", &[]);
    assert_xml(in_mail("reports.tar.gz", &gzip(&archive)), "1/reports.tar.gz/a.xml", &[]);
}

#[test]
fn reads_a_file_of_base64_text() {
    assert_xml(base64(&gzip(xml().as_bytes())), "", &[]);
    assert_xml(base64(&zip(&[("a.xml", xml().as_bytes())])), "a.xml", &[]);
    assert_xml(base64(xml().as_bytes()), "", &[]);
    assert_json(base64(json().as_bytes()), "", &[]);
    assert_xml(in_mail("report.txt", base64(&gzip(xml().as_bytes())).as_bytes()), "1/report.txt", &[]);
}

#[test]
fn m01_reads_every_attachment_of_a_message() {
    let message = multipart(&[
        attachment("application/gzip", "one.xml.gz", gzip(xml_with_id("1").as_bytes())),
        attachment("application/zip", "two.zip", zip(&[("two.xml", xml_with_id("2").as_bytes())])),
        attachment("application/tlsrpt+json", "three.json", json()),
    ]);
    let expected = [
        ("1/one.xml.gz", "1"),
        ("2/two.zip/two.xml", "2"),
        ("3/three.json", "2025-03-04_empfang.example_17"),
    ];
    assert_eq!(ids(message), expected.map(|(part, id)| (part.to_owned(), id.to_owned())));
}

#[test]
fn z05_reads_every_file_of_a_zip() {
    let archive = zip(&[
        ("one.xml", xml_with_id("1").as_bytes()),
        ("two.xml", xml_with_id("2").as_bytes()),
        ("three.json", json().as_bytes()),
    ]);
    let expected = [("one.xml", "1"), ("two.xml", "2"), ("three.json", "2025-03-04_empfang.example_17")];
    assert_eq!(ids(archive), expected.map(|(part, id)| (part.to_owned(), id.to_owned())));
}

#[test]
fn z03_reads_every_member_of_a_gzip() {
    let members = [gzip(xml_with_id("1").as_bytes()), gzip(xml_with_id("2").as_bytes())].concat();
    assert_eq!(ids(&members).into_iter().map(|(_, id)| id).collect::<Vec<_>>(), ["1", "2"]);
    let halves = xml();
    let (first, second) = halves.split_at(halves.len() / 2);
    assert_xml([gzip(first.as_bytes()), gzip(second.as_bytes())].concat(), "", &[]);
}

#[test]
fn z02_notes_what_follows_a_gzip() {
    let got = aggregate([gzip(xml().as_bytes()), b"\r\n".to_vec()].concat());
    assert_eq!((got.report.records.len(), got.codes()), (2, vec![QuirkCode::TrailingBytes]));
}
