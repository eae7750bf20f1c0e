//! For tests: the samples, which the package does not hold. They are read when a test runs.

use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(name)
}

/// A file of `testdata`.
pub(crate) fn sample(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a folder of `testdata`.
pub(crate) fn samples(folder: &str) -> Vec<String> {
    let entries = path(folder).read_dir().unwrap_or_else(|error| panic!("{folder}: {error}"));
    entries.flatten().map(|entry| sample(&format!("{folder}/{}", entry.file_name().display()))).collect()
}
