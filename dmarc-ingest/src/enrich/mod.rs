//! What can be found out about a host: from a table, so that a run needs no network and can be repeated, or from DNS.

mod hosts;
pub mod reverse_dns;

pub use hosts::{Host, Hosts, HostsError};
