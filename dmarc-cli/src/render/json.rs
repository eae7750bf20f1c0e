//! JSON that is safe on a terminal: what [`is_unsafe`] names is written as `\uXXXX`. It stays the same JSON.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

use super::text::is_unsafe;

/// Writes `value` as one line.
///
/// # Errors
/// Whatever `writer` gives, with its kind kept.
pub fn to_line(writer: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *writer, Safe(CompactFormatter));
    value.serialize(&mut serializer)?;
    writer.write_all(b"\n")
}

/// Writes as the compact formatter does, and escapes more.
struct Safe(CompactFormatter);

impl Formatter for Safe {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return self.0.write_string_fragment(writer, fragment);
        }
        let mut rest = fragment;
        while let Some(at) = rest.find(is_unsafe) {
            let (safe, other) = rest.split_at(at);
            writer.write_all(safe.as_bytes())?;
            let mut chars = other.chars();
            for unit in chars.next().unwrap_or_default().encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: &impl Serialize) -> String {
        let mut bytes = Vec::new();
        to_line(&mut bytes, value).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn escapes_what_could_harm_a_terminal() {
        assert_eq!(line(&"a\u{9b}1m\u{202e}b\u{7f}"), "\"a\\u009b1m\\u202eb\\u007f\"\n");
        assert_eq!(line(&"\u{e0041}"), "\"\\udb40\\udc41\"\n");
        assert_eq!(line(&"é\"\\\n"), "\"é\\\"\\\\\\n\"\n");
    }

    #[test]
    fn stays_the_same_json() {
        let text = "x\0\u{1b}\u{7f}\u{85}\u{200b}\u{2028}\u{feff}\u{e007f}日本 \" \\ / \t";
        let value = serde_json::json!({ text: [text, 1, null] });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line(&value)).unwrap(), value);
    }

    #[test]
    fn keeps_the_kind_of_a_write_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(to_line(&mut Closed, &"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
