//! Laws of reading: in pieces as in one, borrowed as owned, in any order of members. They hold for what is damaged too,
//! down to the place of the error.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unnecessary_to_owned,
    reason = "tests; the exemption of clippy.toml ends at `#[test]` functions"
)]

use std::io::{Cursor, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use dmarc_core::model::aggregate::{AggregateReport, Record};
use dmarc_core::parse::aggregate::{Stream, parse};
use dmarc_core::{ErrorKind, Found, Limits, MessageInfo, Parsed, Quirks, Report, Visitor, read, stream};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A report with its records and quirks, or why there is none and where.
type Result = std::result::Result<Parsed<AggregateReport<'static>>, (ErrorKind, Option<u64>)>;

/// Ceilings that small texts reach.
fn low() -> Limits {
    let mut limits = Limits::default();
    limits.record_bytes = 900;
    limits.head_bytes = 2_000;
    limits.text_bytes = 90;
    limits.records = 5;
    limits.extensions = 2;
    limits.elements = 120;
    limits
}

fn whole(text: &str, limits: &Limits) -> Vec<Result> {
    parse(text, limits)
        .into_iter()
        .map(|result| match result {
            Ok(parsed) => {
                let owned = parsed.clone().map(AggregateReport::into_owned);
                assert!(parsed == owned, "{text}");
                Ok(owned)
            }
            Err(error) => Err((error.kind(), error.offset())),
        })
        .collect()
}

fn streamed<R: Read>(mut stream: Stream<R>) -> Vec<Result> {
    let mut results = Vec::new();
    loop {
        let mut records = Vec::new();
        let next = stream.next_report(|_, record| records.push(std::mem::take(record).into_owned()));
        match next {
            None => break,
            Some(Ok(mut parsed)) => {
                assert!(parsed.report.records.is_empty());
                parsed.report.records = records;
                results.push(Ok(parsed));
            }
            Some(Err(error)) => results.push(Err((error.kind(), error.offset()))),
        }
    }
    assert!(stream.next_report(|_, _| panic!("a record behind the last report")).is_none());
    results
}

/// Gives bytes in pieces of the sizes that are named, over and over.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: Vec<usize>,
    at: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let size = self.sizes[self.at % self.sizes.len()].max(1).min(to.len());
        self.at += 1;
        self.bytes.read(&mut to[..size])
    }
}

/// Checks that a text gives the same in one and in pieces.
fn check_text(text: &str, sizes: &[usize], window: usize) {
    for limits in [Limits::default(), low()] {
        let expected = whole(text, &limits);
        let pieces = || Pieces { bytes: text.as_bytes(), sizes: sizes.to_vec(), at: 0 };
        assert_eq!(streamed(Stream::new(text.as_bytes(), &limits)), expected, "{text}");
        assert_eq!(streamed(Stream::new(pieces(), &limits)), expected, "{text}");
        assert_eq!(streamed(Stream::with_window(pieces(), &limits, window)), expected, "{window} {text}");
    }
}

/// What a mail or container gave: part, and a report with its records or a word for something else.
type Given = (String, std::result::Result<Parsed<Report<'static>>, String>);

fn given(part: &str, found: Found) -> Given {
    let content = match found {
        Found::Report(parsed) => Ok(parsed),
        Found::Refused(error) => Err(format!("{:?} {:?}", error.kind(), error.offset())),
        Found::OtherFeedback(kind) => Err(kind),
        Found::ErrorReport(report) => Err(format!("{report:?}")),
        other => Err(format!("{other:?}")),
    };
    (part.to_owned(), content)
}

#[derive(Default)]
struct Collect {
    records: Vec<Vec<Record<'static>>>,
    given: Vec<Given>,
}

impl Visitor for Collect {
    fn record(&mut self, report: usize, _: &AggregateReport<'_>, record: &mut Record<'_>) -> ControlFlow<()> {
        self.records.resize_with(self.records.len().max(report + 1), Vec::new);
        self.records[report].push(std::mem::take(record).into_owned());
        ControlFlow::Continue(())
    }

    fn part(&mut self, part: &str, found: Vec<Found>) {
        let mut records = std::mem::take(&mut self.records).into_iter();
        for mut found in found {
            if let Found::Report(Parsed { report: Report::Aggregate(report), .. }) = &mut found {
                assert!(report.records.is_empty());
                report.records = records.next().unwrap_or_default();
            }
            self.given.push(given(part, found));
        }
    }
}

fn read_all(bytes: &[u8], limits: &Limits) -> (Option<MessageInfo>, Vec<Given>) {
    let reading = read(bytes, limits);
    (
        reading.message,
        reading.outcomes.into_iter().map(|outcome| given(&outcome.part, outcome.found)).collect(),
    )
}

/// Checks that a mail or container gives the same in one and record by record.
fn check_bytes(bytes: &[u8]) {
    for limits in [Limits::default(), low()] {
        let mut collect = Collect::default();
        let message = stream(bytes, &limits, &mut collect);
        assert!(collect.records.is_empty(), "records without a part");
        assert_eq!((message, collect.given), read_all(bytes, &limits));
    }
}

// ---- texts

/// What may stand in an element: `(`, `)` and `'` are spared for the attributes.
fn text() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "a",
        "b.example",
        "é",
        "&amp;",
        "&lt;",
        "&#65;",
        "&#x1F600;",
        "&nbsp;",
        "&#0;",
        "<![CDATA[x<y&]]>",
        "<![CDATA[]]>",
        "<!-- c -->",
        "<!-- > -- -->",
        "<?pi x?>",
        " ",
        "\n",
        "\t",
        "&",
        "< ",
        "<x@y.example>",
        "]]>",
        "\u{1}",
        "<odd/>",
        "<Odd a='1'>x</Odd>",
        ">",
        "\"",
        "123",
        "<",
        "AT&T",
        "&;",
    ]);
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// An element with what is usual in it, sometimes with something else, absent, empty, twice or in other case.
fn element(name: &'static str, inner: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    let tag = |name: &str, attributes: &str, inner: &str| {
        format!("<\u{a7}{name}{attributes}>{inner}</\u{a7}{name}>")
    };
    let attributes =
        select(vec!["", "", "", " ", " lang='de'", " x=\"1>2\" ", " xmlns:e='urn:e'", " xsi:a=\"\"", "\n"]);
    (inner, text(), attributes, 0..80_u8)
        .prop_map(move |(inner, odd, attributes, form)| match form {
            0 => String::new(),
            1 => format!("<\u{a7}{name}{attributes}/>"),
            2 => tag(name, attributes, &odd),
            3 => tag(&name.to_uppercase(), attributes, &inner),
            4 => tag(name, "", &inner).repeat(2),
            5 => format!("{odd}\n{}", tag(name, attributes, &inner)),
            6 => format!(" {}<e:x xmlns:e='urn:e'><e:Y/>{odd}</e:x>", tag(name, "", &inner)),
            _ => tag(name, attributes, &inner),
        })
        .boxed()
}

fn words(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words).prop_map(str::to_owned)
}

/// Several elements one after the other.
fn sequence(elements: Vec<BoxedStrategy<String>>) -> impl Strategy<Value = String> {
    elements.prop_map(|elements| elements.concat())
}

const RESULTS: &[&str] = &["pass", "fail", "none", "Pass", "hardfail", "softfail", "x", ""];
const DOMAINS: &[&str] =
    &["example.org", "EXAMPLE.org.", "a.example.org", "other.example", "müller.example", ""];

fn record() -> impl Strategy<Value = String> {
    let reason = element(
        "reason",
        sequence(vec![element("type", words(&["forwarded", "other", "arc"])), element("comment", text())]),
    );
    let evaluated = sequence(vec![
        element("disposition", words(&["none", "pass", "reject", "x"])),
        element("dkim", words(RESULTS)),
        element("spf", words(RESULTS)),
        reason,
    ]);
    let row = sequence(vec![
        element("source_ip", words(&["192.0.2.1", "2001:db8::1", "[192.0.2.2]", "x.x.x.x", "192.0.2", ""])),
        element("count", words(&["1", "7", "1.0", "0", "x", ""])),
        element("policy_evaluated", evaluated),
    ]);
    let identifiers =
        sequence(vec![element("header_from", words(DOMAINS)), element("envelope_from", words(DOMAINS))]);
    let result = || {
        sequence(vec![
            element("domain", words(DOMAINS)),
            element("selector", text()),
            element("result", words(RESULTS)),
            element("human_result", text()),
        ])
    };
    let auth = sequence(vec![element("dkim", result()), element("spf", result())]);
    element(
        "record",
        sequence(vec![
            element("row", row),
            element("identifiers", identifiers),
            element("auth_results", auth),
            element("extensions", text()),
        ]),
    )
}

fn document() -> impl Strategy<Value = String> {
    let range = sequence(vec![
        element("begin", words(&["1789171200"])),
        element("end", words(&["1789257599", "1789257599000", "2026-09-12T23:59:59Z"])),
    ]);
    let metadata = sequence(vec![
        element("org_name", text()),
        element("email", text()),
        element("report_id", text()),
        element("date_range", range),
        element("error", text()),
    ]);
    let policy = sequence(vec![
        element("domain", words(&["example.org", "EXAMPLE.org"])),
        element("p", words(&["none", "reject", "Quarantine"])),
        element("np", words(&["none"])),
        element("pct", words(&["100", ""])),
    ]);
    let children = vec![
        element("version", words(&["1.0", "2.0", "x"])),
        element("report_metadata", metadata),
        element("policy_published", policy),
        element("extension", text()),
        element("odd", text()),
    ];
    let records = prop::collection::vec(record(), 0..4);
    let children = (children, records).prop_map(|(mut children, records)| {
        children.extend(records);
        children
    });
    let children = children.boxed();
    let children = prop_oneof![3 => children.clone(), 1 => children.prop_shuffle()];
    let root = select(vec![
        ("", ""),
        ("", " xmlns='urn:ietf:params:xml:ns:dmarc-2.0'"),
        ("", " xmlns=\"http://dmarc.org/dmarc-xml/0.1\" xmlns:xsi='x'"),
        ("d:", " xmlns:d='urn:ietf:params:xml:ns:dmarc-2.0'"),
        ("ns0:", " xmlns:ns0='urn:other'"),
        ("q:", ""),
    ]);
    (children, root).prop_map(|(children, (prefix, namespace))| {
        format!(
            "<{prefix}feedback{namespace}>{}</{prefix}feedback>",
            children.concat().replace('\u{a7}', prefix)
        )
    })
}

fn payload() -> impl Strategy<Value = String> {
    let before = select(vec![
        "",
        "",
        "<?xml version='1.0'?>\n",
        "\r\n<?xml version='1.0'?>",
        "\u{feff}",
        "<!-- x -->",
        "junk",
        "<w>",
        "<w/>",
    ]);
    let behind = select(vec!["", "", "\n", "\0", "junk", "</w>", "<", "&", "<x", "</x>", "<!--"]);
    let part = (before, document(), behind)
        .prop_map(|(before, document, behind)| [before, &document, behind].concat());
    prop::collection::vec(part, 1..3).prop_map(|parts| parts.concat())
}

/// One change to a text.
#[derive(Clone, Debug)]
struct Damage {
    kind: u8,
    at: Index,
    len: usize,
    byte: u8,
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let one = (0..10_u8, any::<Index>(), 1..60_usize, any::<u8>()).prop_map(|(kind, at, len, byte)| Damage {
        kind,
        at,
        len,
        byte,
    });
    prop::collection::vec(one, 0..4)
}

fn damaged(bytes: &[u8], list: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for Damage { kind, at, len, byte } in list {
        let at = at.index(bytes.len() + 1);
        let end = (at + len).min(bytes.len());
        let insert: &[u8] = match kind {
            0 if at < bytes.len() => {
                bytes[at] = *byte;
                continue;
            }
            1 => {
                bytes.truncate(at);
                continue;
            }
            2 => {
                bytes.drain(at..end);
                continue;
            }
            3 => &bytes[at..end].to_vec(),
            4 => b"<",
            5 => b"&",
            6 => b"]]>",
            7 => b"-->",
            8 => b"\"",
            _ => b"</",
        };
        bytes.splice(at..at, insert.iter().copied());
    }
    bytes
}

fn damaged_text(text: &str, list: &[Damage]) -> String {
    String::from_utf8_lossy(&damaged(text.as_bytes(), list)).into_owned()
}

// ---- mails and containers

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn mail(bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut mail =
        b"From: a@r.example\r\nTo: b@example.org\r\nContent-Type: multipart/mixed; boundary=bbbbb\r\n\r\n"
            .to_vec();
    for body in bodies {
        mail.extend_from_slice(b"--bbbbb\r\nContent-Type: application/octet-stream\r\n\r\n");
        mail.extend_from_slice(body);
        mail.extend_from_slice(b"\r\n");
    }
    mail.extend_from_slice(b"--bbbbb--\r\n");
    mail
}

fn packed(form: usize, text: &str, other: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    match form {
        0 => bytes.to_vec(),
        1 => gzip(bytes),
        2 => zip(&[("a.xml".to_owned(), bytes.to_vec()), ("b.xml".to_owned(), other.into())]),
        3 => mail(&[gzip(bytes), other.into()]),
        4 => [gzip(bytes), gzip(other.as_bytes())].concat(),
        5 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        _ => mail(&[zip(&[("a.xml.gz".to_owned(), gzip(bytes))])]),
    }
}

// ---- the laws

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn gives_in_pieces_what_it_gives_in_one(
        text in payload(),
        list in damage(),
        sizes in prop::collection::vec(1..40_usize, 1..5),
        window in 1..300_usize,
    ) {
        check_text(&text, &sizes, window);
        check_text(&damaged_text(&text, &list), &sizes, window);
        check_text(&damaged_text(&text, &list), &[1], 1);
    }

    #[test]
    fn gives_record_by_record_what_it_gives_in_one(
        text in payload(),
        other in payload(),
        form in 0..7_usize,
        inner in damage(),
        outer in damage(),
    ) {
        let bytes = packed(form, &damaged_text(&text, &inner), &other);
        check_bytes(&bytes);
        check_bytes(&damaged(&bytes, &outer));
    }

    #[test]
    fn gives_the_same_for_any_order_of_archive_members(
        texts in prop::collection::vec((payload(), damage()), 1..4),
        turn in 0..4_usize,
    ) {
        let mut members: Vec<(String, Vec<u8>)> = texts
            .iter()
            .enumerate()
            .map(|(index, (text, list))| (format!("{index}.xml"), damaged(text.as_bytes(), list)))
            .collect();
        let sorted = |members: &[(String, Vec<u8>)]| {
            let mut given = read_all(&zip(members), &Limits::default()).1;
            given.sort_by_key(|given| given.0.clone());
            given
        };
        let before = sorted(&members);
        let len = members.len();
        members.rotate_left(turn % len);
        prop_assert_eq!(sorted(&members), before);
    }
}

/// Every file of `testdata`, and of the corpus that stands beside the repository where there is one.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    let corpus = root.join("../shared/corpus");
    if !corpus.exists() {
        println!("skipped: no corpus beside the repository");
    }
    let mut folders = vec![root.join("testdata"), corpus];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

#[test]
fn keeps_every_law_on_every_sample() {
    for path in files() {
        let bytes = std::fs::read(&path).unwrap();
        if bytes.len() > 1 << 20 {
            continue;
        }
        check_bytes(&bytes);
        if let Ok(text) = std::str::from_utf8(&bytes)
            && text.contains("<feedback")
        {
            check_text(text, &[7, 1, 4_000], 100);
        }
    }
}

#[test]
fn has_no_quirk_that_depends_on_the_window() {
    // More different quirks than are kept, met again and again while the window grows.
    let odd = (0..100).map(|n| format!("<odd{n}/>")).collect::<Vec<_>>().concat();
    let text = format!(
        "<feedback><report_metadata>{odd}<date_range><begin>1</begin><end>2</end></date_range></report_metadata>\
         <policy_published><domain>example.org</domain></policy_published>{odd}</feedback>"
    );
    check_text(&text, &[1], 1);
    let results = whole(&text, &Limits::default());
    let quirks: &Quirks = &results[0].as_ref().unwrap().quirks;
    assert!(!quirks.as_slice().is_empty());
}
