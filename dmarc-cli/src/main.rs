//! The `dmarc` command.
fn main() {}
