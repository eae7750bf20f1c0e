//! Builds hostile input: floods of one unit, bare and packed.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A text that repeats itself.
#[derive(Clone)]
pub(crate) struct Flood {
    pub(crate) before: String,
    pub(crate) unit: String,
    pub(crate) after: String,
}

impl Flood {
    pub(crate) fn new(before: &str, unit: &str, after: &str) -> Self {
        Self { before: before.to_owned(), unit: unit.to_owned(), after: after.to_owned() }
    }

    /// The text, of about `size` bytes.
    pub(crate) fn text(&self, size: usize) -> String {
        let room = size.saturating_sub(self.before.len() + self.after.len());
        [&self.before, self.unit.repeat(room / self.unit.len()).as_str(), &self.after].concat()
    }

    /// A gzip of about `size` bytes that inflates to just less than 180 times as much: members of one content, each
    /// behind a header that is as large as it need be.
    pub(crate) fn gzip(&self, size: usize) -> Vec<u8> {
        const SHARE: usize = 50_000;
        let unit = self.unit.repeat((SHARE * 178 / self.unit.len()).max(1));
        let member = padded_member(unit.as_bytes(), SHARE);
        let mut bytes = padded_member(self.before.as_bytes(), 0);
        while bytes.len() + member.len() < size {
            bytes.extend_from_slice(&member);
        }
        bytes.extend_from_slice(&padded_member(self.after.as_bytes(), 0));
        bytes
    }
}

/// A member of a gzip file of at least `size` bytes; what is missing stands in its header (RFC 1952, `FEXTRA`).
fn padded_member(content: &[u8], size: usize) -> Vec<u8> {
    let plain = gzip(content);
    let extra = size.saturating_sub(plain.len()).min(60_000);
    let mut member = plain[..10].to_vec();
    member[3] |= 4;
    member.extend_from_slice(&u16::try_from(extra).unwrap().to_le_bytes());
    member.resize(member.len() + extra, 0);
    member.extend_from_slice(&plain[10..]);
    member
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A zip whose entries all have the data of the first.
pub(crate) fn overlapping(content: &[u8], entries: usize) -> Vec<u8> {
    let mut list = vec![("0".to_owned(), content.to_vec())];
    list.extend((1..entries).map(|n| (n.to_string(), b"<".to_vec())));
    let mut archive = zip(&list);
    let directory: Vec<usize> = find(&archive, b"PK\x01\x02");
    for at in &directory[1..] {
        archive.copy_within(directory[0] + 10..directory[0] + 28, at + 10);
        archive[at + 42..at + 46].fill(0);
    }
    archive
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|at| bytes[*at..].starts_with(what)).collect()
}

/// A tar archive of `count` files with the same content.
pub(crate) fn tar(count: usize, content: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    header[..5].copy_from_slice(b"a.xml");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut file = [&header[..], content].concat();
    file.resize(file.len().next_multiple_of(512), 0);
    [file.repeat(count), vec![0; 1_024]].concat()
}

pub(crate) fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().enumerate().fold(0_u32, |bits, (n, b)| bits | u32::from(*b) << (16 - 8 * n));
        for n in 0..4 {
            let sextet = (bits >> (18 - 6 * n)) & 63;
            text.push(if n <= group.len() { ALPHABET[sextet as usize] } else { b'=' });
        }
        if text.len() % 78 == 76 {
            text.extend_from_slice(b"\r\n");
        }
    }
    text
}

/// The header of a mail without the empty line behind it.
pub(crate) const MAIL: &str = "From: reports@receiver.example\r\nTo: dmarc@example.org\r\nDate: Mon, 01 Jan 2024 01:00:00 +0100\r\n\
     MIME-Version: 1.0\r\n";

/// A mail whose parts have the given header fields and bodies.
pub(crate) fn mail(kind: &str, parts: &[(&str, &[u8])]) -> Vec<u8> {
    let boundary = format!("b{}", parts.len());
    let mut mail = format!("{MAIL}Content-Type: multipart/{kind}; boundary={boundary}\r\n\r\n").into_bytes();
    for (header, body) in parts {
        mail.extend_from_slice(format!("--{boundary}\r\n{header}\r\n\r\n").as_bytes());
        mail.extend_from_slice(body);
        mail.extend_from_slice(b"\r\n");
    }
    mail.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    mail
}

pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
