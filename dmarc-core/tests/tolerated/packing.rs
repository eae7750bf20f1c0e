//! Containers and mail around a text.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests; the exemption of clippy.toml ends at `#[test]` functions"
)]

use std::io::{Cursor, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The head of a message, without `Date` and without anything about its body.
pub(crate) const HEAD: &str = "From: Reports <noreply@receiver.example>\r\nTo: dmarc@example.org\r\nSubject: Report\r\n\
    Message-ID: <1@receiver.example>\r\nMIME-Version: 1.0\r\n";

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An archive of these files; a name that ends in `/` is a directory.
pub(crate) fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
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

/// A tar archive of these files (POSIX.1-1988, ustar).
pub(crate) fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    const BLOCK: usize = 512;
    let mut archive = Vec::new();
    for (name, bytes) in entries {
        let mut header = [0; BLOCK];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        header[156] = b'0';
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

pub(crate) fn base64(bytes: &[u8]) -> String {
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

/// Quoted-printable with soft line ends (RFC 2045, Section 6.7).
pub(crate) fn quoted_printable(text: &str) -> String {
    let mut encoded = String::new();
    let mut column = 0;
    for byte in text.bytes() {
        let piece = match byte {
            b'\n' => "\r\n".to_owned(),
            b' '..=b'<' | b'>'..=b'~' => char::from(byte).to_string(),
            _ => format!("={byte:02X}"),
        };
        if column + piece.len() > 75 {
            encoded.push_str("=\r\n");
            column = 0;
        }
        column = if byte == b'\n' { 0 } else { column + piece.len() };
        encoded.push_str(&piece);
    }
    encoded
}

/// A part or message body and the fields that describe it.
pub(crate) type Part = (String, Vec<u8>);

pub(crate) fn part(fields: &str, body: impl AsRef<[u8]>) -> Part {
    (fields.to_owned(), body.as_ref().to_owned())
}

/// A part in base64 with a file name.
pub(crate) fn attachment(media: &str, name: &str, bytes: impl AsRef<[u8]>) -> Part {
    let fields = format!(
        "Content-Type: {media}; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"{name}\""
    );
    part(&fields, base64(bytes.as_ref()))
}

/// A message that is nothing but one part.
pub(crate) fn single(fields: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    [HEAD.as_bytes(), fields.as_bytes(), b"\r\n\r\n", body.as_ref()].concat()
}

/// A message of several parts.
pub(crate) fn multipart(parts: &[Part]) -> Vec<u8> {
    multipart_of("multipart/mixed", parts)
}

pub(crate) fn multipart_of(media: &str, parts: &[Part]) -> Vec<u8> {
    // Messages inside one another must differ in their boundaries.
    let size: usize = parts.iter().map(|(_, body)| body.len()).sum();
    let boundary = format!("=_{size}_{}", parts.len());
    let mut body = Vec::new();
    for (fields, content) in parts {
        body.extend_from_slice(format!("--{boundary}\r\n{fields}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    single(&format!("Content-Type: {media}; boundary=\"{boundary}\""), body)
}
