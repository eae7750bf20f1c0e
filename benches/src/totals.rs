//! What a reader found, in sums: two readers are compared by these before either is timed.

use std::net::IpAddr;
use std::ops::AddAssign;

/// Counts and sums over everything that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Reports, of any kind.
    pub reports: u64,
    /// Records of aggregate reports, policies of TLS reports.
    pub records: u64,
    /// Messages, sessions or incidents.
    pub messages: u64,
    /// Records of which DKIM was aligned.
    pub dkim_aligned: u64,
    /// Records of which SPF was aligned.
    pub spf_aligned: u64,
    /// Results of DKIM and SPF, or failures of TLS.
    pub results: u64,
    /// … of which so many passed.
    pub passed: u64,
    /// Domains, selectors, names of hosts and reporters, in bytes.
    pub text: u64,
    /// Beginning and end of all periods.
    pub time: i64,
    /// All addresses, mixed.
    pub addresses: u64,
}

impl Totals {
    /// Adds a text by its length.
    pub(crate) fn text(&mut self, text: &str) {
        self.text += text.len() as u64;
    }

    /// Adds an address.
    pub(crate) fn address(&mut self, address: Option<IpAddr>) {
        let bits = match address {
            None => return,
            Some(IpAddr::V4(v4)) => u128::from(u32::from(v4)),
            Some(IpAddr::V6(v6)) => u128::from(v6),
        };
        let low = u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
        let high = u64::try_from(bits >> 64).unwrap_or_default();
        self.addresses = self.addresses.wrapping_add(low.wrapping_mul(31)).wrapping_add(high);
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.reports += other.reports;
        self.records += other.records;
        self.messages += other.messages;
        self.dkim_aligned += other.dkim_aligned;
        self.spf_aligned += other.spf_aligned;
        self.results += other.results;
        self.passed += other.passed;
        self.text += other.text;
        self.time += other.time;
        self.addresses = self.addresses.wrapping_add(other.addresses);
    }
}
