//! Questions to a real DNS server on loopback: signatures, names of hosts, and servers that do not answer.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

mod dkim;
mod resolver;
mod reverse;
mod server;
