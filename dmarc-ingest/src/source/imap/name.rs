//! Names of folders and other strings in commands (RFC 3501, Sections 5.1.3 and 9).

use base64::Engine as _;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

const BASE64: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::IMAP_MUTF7, NO_PAD);

/// The name of a folder as a quoted string in modified UTF-7.
pub(super) fn folder(name: &str) -> String {
    quoted(&modified_utf7(name))
}

/// `text` in quotes. It must be printable US-ASCII: see [`is_quotable`].
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether `text` can be sent in quotes.
pub(super) fn is_quotable(text: &str) -> bool {
    text.bytes().all(is_printable)
}

fn is_printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

fn modified_utf7(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    let mut foreign: Vec<u8> = Vec::new();
    let mut units = [0; 2];
    for c in name.chars() {
        if u8::try_from(c).is_ok_and(is_printable) {
            finish(&mut foreign, &mut encoded);
            encoded.push(c);
            if c == '&' {
                encoded.push('-');
            }
        } else {
            foreign.extend(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    finish(&mut foreign, &mut encoded);
    encoded
}

fn finish(foreign: &mut Vec<u8>, encoded: &mut String) {
    if !foreign.is_empty() {
        encoded.push('&');
        BASE64.encode_string(&foreign, encoded);
        encoded.push('-');
        foreign.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::folder;

    #[test]
    fn encodes_the_names_of_the_standard() {
        assert_eq!(folder("~peter/mail/台北/日本語"), "\"~peter/mail/&U,BTFw-/&ZeVnLIqe-\"");
        assert_eq!(folder("Berichte & Grüße"), "\"Berichte &- Gr&APwA3w-e\"");
        assert_eq!(folder("a\"\\b"), "\"a\\\"\\\\b\"");
        assert_eq!(folder("\u{1f4ec}"), "\"&2D3c7A-\"");
    }

    #[test]
    fn leaves_no_way_to_a_second_command() {
        assert_eq!(folder("a\r\nx LOGOUT"), "\"a&AA0ACg-x LOGOUT\"");
    }
}
