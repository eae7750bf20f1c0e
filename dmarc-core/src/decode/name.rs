//! Names that come from a message or an archive, made fit for a label.

/// The longest name kept, in bytes.
const NAME_BYTES: usize = 200;

/// Drops control characters and what would reorder the text around the name, and cuts it at 200 bytes.
pub(super) fn clean(name: &str) -> String {
    let mut clean: String = name.trim().chars().filter(|c| !is_unfit(*c)).take(NAME_BYTES).collect();
    clean.truncate(clean.floor_char_boundary(NAME_BYTES));
    clean
}

/// Whether `c` is a control character or one that sets the direction of text.
fn is_unfit(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Puts `name` behind `part`.
pub(super) fn join(part: &str, name: &str) -> String {
    match (part.is_empty(), name.is_empty()) {
        (_, true) => part.to_owned(),
        (true, false) => name.to_owned(),
        (false, false) => format!("{part}/{name}"),
    }
}

/// Whether `path` is a directory or something that an operating system added.
pub(super) fn is_passed_over(path: &str) -> bool {
    let file = path.rsplit(['/', '\\']).next().unwrap_or_default();
    file.is_empty()
        || path.split(['/', '\\']).any(|folder| folder == "__MACOSX")
        || file.eq_ignore_ascii_case(".DS_Store")
        || file.eq_ignore_ascii_case("Thumbs.db")
        || file.eq_ignore_ascii_case("desktop.ini")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_control_characters_and_cuts_between_characters() {
        assert_eq!(clean(" a\r\n\x1b[31mb\u{202e}.xml\0 "), "a[31mb.xml");
        assert_eq!(clean(&"é".repeat(300)), "é".repeat(100));
    }
}
