//! The file that `dmarc init` writes: every key, its default and what it does.

use std::fmt::Write as _;
use std::path::Path;

use super::keys::{self, KEYS, Key, TABLES};

/// What was found out about this host.
#[derive(Clone, Copy, Debug, Default)]
pub struct Suggestions<'a> {
    /// A folder for the dataset; it is set.
    pub data: Option<&'a Path>,
    /// A domain that may be the owner's; it is suggested in a comment, for a wrong one would hide all others.
    pub domain: Option<&'a str>,
}

/// A configuration in which every key stands in a comment with what it does and its default, or, where it has none, with an
/// example. But for the folder of the dataset it means the same as an empty file.
pub fn template(suggestions: Suggestions<'_>) -> String {
    let mut text = String::from(HEAD);
    for key in KEYS.iter().filter(|key| !key.path.contains('.')) {
        write_key(&mut text, key, suggestions);
    }
    for (table, about) in TABLES {
        let path = keys::named(table, "rua");
        // A mailbox that is there must be complete, so the table itself is a comment too.
        let mark = if table.contains('*') { "#" } else { "" };
        push(&mut text, format_args!("\n\n# {about}.\n{mark}[{path}]\n"));
        for name in keys::names_in(table) {
            if let Some(key) = keys::find(&format!("{table}.{name}")) {
                write_key(&mut text, key, suggestions);
            }
        }
    }
    text
}

const HEAD: &str = "\
# The configuration of dmarc. A line that begins with # and no space is a setting: take the # away and change it.
# Every key has a twin in the environment, which wins: DMARC_DATA, DMARC_OWNER_DOMAINS, DMARC_MAILBOX_RUA_HOST.
# A relative path starts from the folder of this file. Passwords never stand in it.
";

fn write_key(text: &mut String, key: &Key, suggestions: Suggestions<'_>) {
    let name = key.path.rsplit('.').next().unwrap_or_default();
    let data = suggestions.data.and_then(Path::to_str);
    let (more, mark, value) = match (key.path, data, suggestions.domain, key.default) {
        ("data", Some(data), _, _) => ("", "", quoted(data)),
        ("owner.domains", _, Some(domain), _) => {
            (" By the name of this host perhaps:", "#", format!("[{}]", quoted(domain)))
        }
        (_, _, _, Some(default)) => ("", "#", default.to_owned()),
        (_, _, _, None) => (" For example:", "#", key.example.to_owned()),
    };
    push(text, format_args!("\n# {}.{more}\n{mark}{name} = {value}\n", key.doc));
}

/// As a TOML string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => push(&mut quoted, format_args!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    text.write_fmt(arguments).unwrap_or_default();
}
