//! Maildir (<https://cr.yp.to/proto/maildir.html>) and its folders (Maildir++).

use super::files::{Item, Kind};

/// Whether a folder with these entries is a Maildir. One of `cur` and `new` is enough: tools that copy folders, git
/// among them, drop the empty one.
pub(super) fn is_maildir(entries: &[Item]) -> bool {
    entries.iter().any(is_store)
}

/// What of a Maildir is read: `cur`, `new`, then the folders in it, of which those that are no Maildir stay out.
pub(super) fn parts(entries: Vec<Item>) -> Vec<Item> {
    let (mut parts, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_store);
    for part in &mut parts {
        part.kind = Kind::Flat;
    }
    parts.extend(others.into_iter().filter(|entry| entry.kind == Kind::Folder && holds_maildir(entry)));
    parts
}

fn is_store(entry: &Item) -> bool {
    entry.kind == Kind::Folder && matches!(entry.name(), b"cur" | b"new")
}

fn holds_maildir(folder: &Item) -> bool {
    ["cur", "new"]
        .iter()
        .any(|name| folder.path.join(name).symlink_metadata().is_ok_and(|found| found.is_dir()))
}
