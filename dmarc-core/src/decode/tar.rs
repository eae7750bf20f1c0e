//! The files of a tar archive (POSIX.1-1988 ustar and its GNU kin), as some gateways repack attachments.
//!
//! *Not supported:* sparse files, and names beyond the 100 bytes of a header; they are cut.

use super::name;
use crate::error::{Error, ErrorKind, Result};

const BLOCK: usize = 512;
/// Where `ustar` stands in the first block.
const MAGIC_AT: usize = 257;

/// Whether `bytes` begin with the header of a file.
pub(super) fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(MAGIC_AT..).is_some_and(|rest| rest.starts_with(b"ustar")) && bytes.first() != Some(&0)
}

/// Lists name and content of every plain file.
///
/// # Errors
/// [`ErrorKind::Archive`] if a header is damaged or a file is cut short; what stands before it is not given either.
pub(super) fn files(mut bytes: &[u8], max: u64) -> Result<Vec<(String, &[u8])>> {
    let mut files = Vec::new();
    let mut entries = 0;
    while let Some((header, rest)) = bytes.split_at_checked(BLOCK) {
        if header.iter().all(|b| *b == 0) {
            break;
        }
        entries += 1;
        crate::Limits::check("entries", entries, max)?;
        let size = size(header).filter(|_| has_checksum(header)).ok_or_else(damaged)?;
        let content = rest.get(..size).ok_or_else(damaged)?;
        if matches!(header.get(156), Some(b'0' | 0 | b'7')) {
            files.push((file_name(header), content));
        }
        bytes = rest.get(size.next_multiple_of(BLOCK)..).unwrap_or_default();
    }
    if files.is_empty() { Err(damaged().with_source("archive has no files")) } else { Ok(files) }
}

fn file_name(header: &[u8]) -> String {
    let field = header.get(..100).unwrap_or_default();
    name::clean(&String::from_utf8_lossy(field.split(|b| *b == 0).next().unwrap_or_default()))
}

fn size(header: &[u8]) -> Option<usize> {
    octal(header.get(124..136)?).filter(|size| *size <= usize::MAX - BLOCK)
}

/// Whether the checksum of a header is right: the sum of its bytes with spaces in place of the sum itself.
fn has_checksum(header: &[u8]) -> bool {
    let sum: usize = header
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { usize::from(b' ') } else { usize::from(*byte) })
        .sum();
    header.get(148..156).and_then(octal) == Some(sum)
}

fn octal(field: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    usize::from_str_radix(text, 8).ok()
}

fn damaged() -> Error {
    Error::new(ErrorKind::Archive)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn tar(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, kind, bytes) in entries {
            let mut header = [0; BLOCK];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
            header[156] = *kind;
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

    #[test]
    fn lists_plain_files_and_refuses_damage() {
        let archive = tar(&[("d/", b'5', b""), ("d/a.xml", b'0', b"<a/>"), ("b.xml", b'0', &[b'x'; 600])]);
        assert!(is_tar(&archive));
        let names: Vec<_> = files(&archive, 3).unwrap().into_iter().map(|(n, b)| (n, b.len())).collect();
        assert_eq!(names, [("d/a.xml".to_owned(), 4), ("b.xml".to_owned(), 600)]);
        assert_eq!(
            files(&archive, 2).unwrap_err().kind(),
            ErrorKind::LimitExceeded { limit: "entries", max: 2 }
        );
        assert_eq!(files(&archive[..BLOCK * 4], 3).unwrap_err().kind(), ErrorKind::Archive);
        let mut damaged = archive;
        damaged[BLOCK + 130] = b'9';
        assert_eq!(files(&damaged, 3).unwrap_err().kind(), ErrorKind::Archive);
        assert_eq!(files(&tar(&[]), 3).unwrap_err().kind(), ErrorKind::Archive);
    }
}
