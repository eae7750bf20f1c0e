//! What can be found out about a host. So far from a table only, so that a run needs no network and can be repeated.

mod hosts;

pub use hosts::{Host, Hosts, HostsError};
