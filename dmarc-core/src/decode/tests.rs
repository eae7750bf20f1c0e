//! How each form is read that is tolerated stands in `tests/tolerated`; here is what is refused, and what the caller sees.

use std::io::{Cursor, Read, Write};

use ::zip::ZipWriter;
use ::zip::write::SimpleFileOptions;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;
use crate::quirk::QuirkCode;

const XML: &str = "<?xml version=\"1.0\"?><feedback><report_metadata/></feedback>";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        if name.ends_with('/') {
            writer.add_directory(*name, SimpleFileOptions::default()).unwrap();
        } else {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for (at, group) in bytes.chunks(3).enumerate() {
        if at > 0 && at % 19 == 0 {
            text.push_str("\r\n");
        }
        let bits = group.iter().enumerate().fold(0_u32, |bits, (n, b)| bits | u32::from(*b) << (16 - 8 * n));
        for n in 0..4 {
            let sextet = (bits >> (18 - 6 * n)) & 63;
            text.push(if n <= group.len() { char::from(ALPHABET[sextet as usize]) } else { '=' });
        }
    }
    text
}

/// A message whose parts have the given header fields and bodies.
fn mail(parts: &[(&str, &[u8])]) -> Vec<u8> {
    // Messages inside one another must differ in their boundaries.
    let boundary = "=".repeat(parts.iter().map(|(_, body)| body.len()).sum::<usize>() % 50 + 5);
    let boundary = format!("{boundary}{}", parts.len());
    let mut mail = format!(
        "From: reports@example.org\r\nTo: dmarc@example.net\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n"
    )
    .into_bytes();
    for (header, body) in parts {
        mail.extend_from_slice(format!("--{boundary}\r\n{header}\r\n\r\n").as_bytes());
        mail.extend_from_slice(body);
        mail.extend_from_slice(b"\r\n");
    }
    mail.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    mail
}

fn attachment(media: &str, name: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    let header = format!(
        "Content-Type: {media}; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"{name}\""
    );
    (header, base64(bytes).into_bytes())
}

fn mail_of(attachments: &[(String, Vec<u8>)]) -> Vec<u8> {
    let parts: Vec<_> = attachments.iter().map(|(header, body)| (header.as_str(), body.as_slice())).collect();
    mail(&parts)
}

type Found = (String, std::result::Result<String, ErrorKind>, Vec<QuirkCode>);

fn run_with(input: &[u8], limits: &Limits) -> Vec<Found> {
    let mut found = Vec::new();
    payloads(input, limits, &mut |piece, _| {
        let content = whole(piece.content);
        let quirks = piece.quirks.borrow().as_slice().iter().map(|quirk| quirk.code).collect();
        let quirks = if content.is_ok() { quirks } else { Vec::new() };
        found.push((piece.part.to_owned(), content.map_err(|error| error.kind()), quirks));
    });
    found
}

fn whole(text: Result<Text<'_>>) -> Result<String> {
    let mut read = String::new();
    match text? {
        Text::Whole(text) => read = text.into_owned(),
        Text::Xml { source, .. } => {
            source.take(100 << 20).read_to_string(&mut read).map_err(Error::of_read)?;
        }
    }
    Ok(read)
}

fn run(input: &[u8]) -> Vec<Found> {
    run_with(input, &Limits::default())
}

fn text(part: &str, text: &str) -> Found {
    (part.to_owned(), Ok(text.to_owned()), Vec::new())
}

fn refused(part: &str, kind: ErrorKind) -> Found {
    (part.to_owned(), Err(kind), Vec::new())
}

const fn limit(limit: &'static str, max: u64) -> ErrorKind {
    ErrorKind::LimitExceeded { limit, max }
}

// ---- containers

#[test]
fn refuses_archives_that_hold_nothing_or_are_damaged() {
    assert_eq!(run(&zip(&[])), [refused("", ErrorKind::Archive)]);
    assert_eq!(run(&zip(&[("folder/", b"")])), [refused("", ErrorKind::Archive)]);
    assert_eq!(run(b"PK\x03\x04 and then something else"), [refused("", ErrorKind::Archive)]);
    let whole = zip(&[("report.xml", XML.as_bytes())]);
    assert_eq!(run(&whole[..whole.len() / 2]), [refused("", ErrorKind::Archive)]);
}

#[test]
fn refuses_a_damaged_entry_and_reads_the_others() {
    let mut archive = zip(&[("one.xml", XML.as_bytes()), ("two.xml", XML.as_bytes())]);
    archive[45] ^= 0xff;
    assert_eq!(run(&archive), [refused("one.xml", ErrorKind::Decompress), text("two.xml", XML)]);
}

#[test]
fn z07_refuses_an_encrypted_entry_and_reads_the_others() {
    let mut archive = zip(&[("one.xml", XML.as_bytes()), ("two.xml", XML.as_bytes())]);
    archive[6] |= 1;
    let directory = memchr::memmem::find(&archive, b"PK\x01\x02").unwrap();
    archive[directory + 8] |= 1;
    assert_eq!(run(&archive), [refused("one.xml", ErrorKind::Encrypted), text("two.xml", XML)]);
}

#[test]
fn does_not_lose_a_file_silently_that_shares_its_name() {
    let mut archive = zip(&[("one.xml", XML.as_bytes()), ("two.xml", XML.as_bytes())]);
    for at in memchr::memmem::find_iter(&archive.clone(), b"two.xml") {
        archive[at..at + 3].copy_from_slice(b"one");
    }
    assert_eq!(run(&archive), [text("one.xml", XML), refused("", ErrorKind::Archive)]);
}

// ---- messages

#[test]
fn hands_over_a_feedback_report_with_what_it_includes_and_does_not_search_that() {
    let sample = mail_of(&[attachment("application/gzip", "r.xml.gz", &gzip(XML.as_bytes()))]);
    let feedback = "Feedback-Type: auth-failure\r\nVersion: 1\r\n";
    let message = mail(&[
        ("Content-Type: text/plain", b"This is a failure report."),
        (
            "Content-Type: message/feedback-report\r\nContent-Transfer-Encoding: base64",
            base64(feedback.as_bytes()).as_bytes(),
        ),
        ("Content-Type: message/rfc822", &sample),
    ]);
    let mut found = Vec::new();
    payloads(&message, &Limits::default(), &mut |piece, _| {
        let included = piece.included.map(<[u8]>::to_vec);
        found.push((piece.part.to_owned(), whole(piece.content).unwrap(), included));
    });
    assert_eq!(found, [("2".to_owned(), feedback.to_owned(), Some(sample))]);
}

#[test]
fn refuses_an_empty_attachment_that_is_labelled_as_a_report() {
    let message = mail_of(&[
        attachment("text/plain", "note.txt", b""),
        attachment("application/xml", "a.xml", b" \r\n"),
        attachment("application/gzip", "b.xml.gz", b""),
        attachment("application/octet-stream", "c.zip", b""),
        attachment("application/tlsrpt+json", "d.json", b""),
        attachment("application/gzip", "e.gz", &gzip(b"\n")),
    ]);
    let expected = [
        refused("2/a.xml", ErrorKind::Xml),
        refused("3/b.xml.gz", ErrorKind::Decompress),
        refused("4/c.zip", ErrorKind::Archive),
        refused("5/d.json", ErrorKind::Json),
        refused("6/e.gz", ErrorKind::Xml),
    ];
    assert_eq!(run(&message), expected);
    assert_eq!(run(b""), []);
}

#[test]
fn x07_passes_over_what_is_no_report() {
    let message = mail_of(&[
        attachment("application/gzip", "r.xml.gz", &gzip(b"unused")),
        attachment("x/y", "z", b"\0\x01"),
    ]);
    assert_eq!(run(&message), []);
}

#[test]
fn x04_decodes_the_charset_of_a_part() {
    let header = "Content-Type: text/xml; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit";
    let found = run(&mail(&[(header, b"<a>M\xfcller</a>")]));
    assert_eq!(found, [("1".to_owned(), Ok("<a>Müller</a>".to_owned()), vec![QuirkCode::Charset])]);
    let utf16: Vec<u8> = "\u{feff}<a>é</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let found = run(&mail_of(&[attachment("text/xml; charset=utf-8", "a.xml", &utf16)]));
    assert_eq!(found, [("1/a.xml".to_owned(), Ok("<a>é</a>".to_owned()), vec![QuirkCode::Charset])]);
}

// ---- hostile input

#[test]
fn z01_stops_at_a_gzip_of_300_megabytes_of_spaces() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..300 {
        encoder.write_all(&spaces).unwrap();
    }
    assert_eq!(run(&encoder.finish().unwrap()), [refused("", limit("ratio", 180))]);
}

#[test]
fn stops_at_an_entry_larger_than_it_says() {
    let mut archive = zip(&[("bomb.xml", &vec![b' '; 20 << 20]), ("report.xml", XML.as_bytes())]);
    let directory = memchr::memmem::find(&archive, b"PK\x01\x02").unwrap();
    archive[directory + 24..directory + 28].copy_from_slice(&10_u32.to_le_bytes());
    archive[22..26].copy_from_slice(&10_u32.to_le_bytes());
    let found = run(&archive);
    assert_eq!(found.len(), 2);
    assert!(found[0].1.is_err());
    assert_eq!(found[1], text("report.xml", XML));
}

#[test]
fn counts_entries_that_overlap_as_often_as_they_are_read() {
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'a' + (state >> 29) as u8
    })
    .take(300_000)
    .collect();
    let archive = zip(&[("a.xml", &noise), ("b.xml", XML.as_bytes()), ("c.xml", XML.as_bytes())]);
    // Point every entry of the directory at the data of the first.
    let entries: Vec<usize> = memchr::memmem::find_iter(&archive, b"PK\x01\x02").collect();
    let mut overlapping = archive;
    for at in &entries[1..] {
        overlapping.copy_within(entries[0] + 10..entries[0] + 28, at + 10);
        overlapping[at + 42..at + 46].fill(0);
    }
    let limits = Limits { total_bytes: 500_000, ..Limits::default() };
    assert_eq!(run_with(&overlapping, &limits), [refused("b.xml", limit("total_bytes", 500_000))]);
}

#[test]
fn z07_stops_at_archives_nested_ten_deep() {
    let mut nested = zip(&[("report.xml", XML.as_bytes())]);
    for _ in 0..9 {
        nested = zip(&[("a.zip", &nested)]);
    }
    assert_eq!(run(&nested), [refused("a.zip/a.zip/a.zip", limit("nesting", 3))]);
    let mut gzipped = XML.as_bytes().to_vec();
    for _ in 0..4 {
        gzipped = gzip(&gzipped);
    }
    assert_eq!(run(&gzipped), [refused("", limit("nesting", 3))]);
}

#[test]
fn refuses_one_entry_more_than_the_limit_before_reading_any() {
    let names: Vec<String> = (0..65).map(|n| format!("{n}.xml")).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), XML.as_bytes())).collect();
    assert_eq!(run(&zip(&entries)), [refused("", limit("entries", 64))]);
    assert_eq!(run(&zip(&entries[..64])).len(), 64);
    let flood = [b"PK\x03\x04".to_vec(), b"PK\x01\x02".repeat(1_000_000)].concat();
    assert_eq!(run(&flood), [refused("", limit("entries", 64))]);
}

#[test]
fn refuses_a_message_one_byte_over_the_limit() {
    let limits = Limits { message_bytes: XML.len() as u64, ..Limits::default() };
    assert_eq!(run_with(XML.as_bytes(), &limits), [text("", XML)]);
    let longer = format!("{XML}\n");
    assert_eq!(run_with(longer.as_bytes(), &limits), [refused("", limit("message_bytes", XML.len() as u64))]);
}

#[test]
fn bounds_what_all_containers_of_a_message_give_together() {
    let payload = gzip(format!("<a>{}</a>", "0123456789abcdef".repeat(4_000)).as_bytes());
    let message = mail_of(&vec![attachment("application/gzip", "r.xml.gz", &payload); 4]);
    let limits = Limits { total_bytes: 150_000, ..Limits::default() };
    let found = run_with(&message, &limits);
    assert_eq!(found.iter().filter(|(_, content, _)| content.is_ok()).count(), 2);
    assert_eq!(found[3].1, Err(limit("total_bytes", 150_000)));
}

#[test]
fn survives_floods_of_fields_boundaries_and_escapes() {
    let head = "From: a@example.org\nTo: b@example.org\n";
    let fields = format!("{head}{}\n{XML}", "X: y\n".repeat(500_000));
    assert_eq!(run(fields.as_bytes()), [text("1", XML)]);
    let results = format!("{head}{}\n{XML}", "Authentication-Results: x\n".repeat(100_000));
    assert_eq!(run(results.as_bytes()).len(), 1);
    let lines = format!("{head}Content-Type: multipart/mixed; boundary=-\n\n{}", "---x\n".repeat(500_000));
    run(lines.as_bytes());
    let quoted = format!("{head}Content-Transfer-Encoding: quoted-printable\n\n{}", "=".repeat(1 << 20));
    run(quoted.as_bytes());
    let garbage = format!("{head}Content-Transfer-Encoding: base64\n\n{}", "=A!".repeat(300_000));
    run(garbage.as_bytes());
    let padded = format!("{head}Content-Transfer-Encoding: base64\n\n{}", "YQ==".repeat(500_000));
    run(padded.as_bytes());
    let invalid = [b"<a>".as_slice(), &vec![0xff; 4 << 20]].concat();
    assert_eq!(run(&invalid)[0].2, [QuirkCode::BadEncoding]);
}

proptest! {
    #[test]
    fn never_panics_whatever_the_bytes(input in proptest::collection::vec(any::<u8>(), 0..2_000), magic in 0..4_usize) {
        let prefix: &[u8] = [&b""[..], b"\x1f\x8b\x08\x1f", b"PK\x03\x04", b"From: a@b\nContent-Type: multipart/x\n\n--abcde\n"][magic];
        run(&[prefix, &input].concat());
    }

    #[test]
    fn never_panics_on_damaged_containers(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let xml = XML.as_bytes();
        let feedback = ("Content-Type: message/feedback-report".to_owned(), b"Feedback-Type: x\r\n".to_vec());
        let mail = mail_of(&[feedback, attachment("application/zip", "r.zip", &zip(&[("a.xml", xml)]))]);
        let forward = mail_of(&[("Content-Type: message/rfc822".to_owned(), mail.clone())]);
        for mut input in [gzip(xml), zip(&[("a.xml", xml), ("b.gz", &gzip(xml))]), mail, forward] {
            let index = at.index(input.len());
            input[index] = byte;
            run(&input);
            run(&input[..cut.index(input.len())]);
        }
    }

    #[test]
    fn finds_what_was_packed_whatever_it_is(body in "[ -~é]{0,200}", packing in 0..5_usize) {
        let xml = format!("<feedback>{body}</feedback>");
        let bytes = xml.as_bytes();
        let input = match packing {
            0 => gzip(bytes),
            1 => zip(&[("r.xml", bytes)]),
            2 => base64(bytes).into_bytes(),
            3 => mail_of(&[attachment("text/xml; charset=us-ascii", "r.xml", bytes)]),
            _ => mail_of(&[attachment("application/octet-stream", "r", &gzip(&zip(&[("r.xml", bytes)])))]),
        };
        let found = run(&input);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].1.as_deref(), Ok(xml.as_str()));
    }
}
