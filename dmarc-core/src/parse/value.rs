//! Single values of reports: counts, addresses and dates, and how far each may be cleaned.

use std::net::IpAddr;

use crate::model::aggregate::MAX_COUNT;

/// A value, and whether it had to be cleaned.
pub(crate) struct Cleaned<T> {
    pub(crate) value: T,
    pub(crate) is_odd: bool,
}

/// Reads a count of messages or sessions: a whole number from 1 to 2⁵³, also as `1.0` and `1,000`.
pub(crate) fn count(raw: &str) -> Option<Cleaned<u64>> {
    let raw = raw.trim();
    let accept = |value: u64, is_odd| (1..=MAX_COUNT).contains(&value).then_some(Cleaned { value, is_odd });
    if raw.bytes().all(|b| b.is_ascii_digit()) {
        return accept(raw.parse().ok()?, false);
    }
    let (whole, fraction) = raw.split_once('.').unwrap_or((raw, ""));
    if !fraction.bytes().all(|b| b == b'0') {
        return None;
    }
    let whole = whole.strip_prefix('+').unwrap_or(whole);
    accept(without_separators(whole)?.parse().ok()?, true)
}

/// `1,000,000` without its separators; `None` if they do not stand before groups of three digits.
fn without_separators(whole: &str) -> Option<String> {
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let is_digits = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    let well_grouped = |group: &str| group.len() == 3 && is_digits(group);
    let plain = !whole.contains(',');
    (is_digits(first) && (plain || first.len() <= 3) && groups.all(well_grouped))
        .then(|| whole.replace(',', ""))
}

/// Whether a reporter hid the address or left it empty (`X.X.X.X`, `*`).
pub(crate) fn is_masked(raw: &str) -> bool {
    let raw = raw.trim();
    raw.chars().all(|c| matches!(c, 'x' | 'X' | '*' | '.' | ':' | '-'))
}

/// Reads an address: RFC 3986 forms, and such as `[192.0.2.9]`, `192.0.2.9:25`, `192.0.2.9/32`, `IPv6:2001:db8::1`.
/// An IPv4 address mapped into IPv6 is the IPv4 address.
pub(crate) fn ip(raw: &str) -> Option<Cleaned<IpAddr>> {
    let raw = raw.trim();
    if let Ok(ip) = raw.parse::<IpAddr>() {
        return Some(Cleaned { value: ip.to_canonical(), is_odd: false });
    }
    let value = cleaned_ip(raw)?.to_canonical();
    Some(Cleaned { value, is_odd: true })
}

fn cleaned_ip(raw: &str) -> Option<IpAddr> {
    if let Ok(socket) = raw.parse::<std::net::SocketAddr>() {
        return Some(socket.ip());
    }
    let bare = raw.strip_prefix('[').and_then(|raw| raw.strip_suffix(']')).unwrap_or(raw);
    let bare = match bare.get(..5) {
        Some(prefix) if prefix.eq_ignore_ascii_case("IPv6:") => bare.get(5..)?,
        _ => bare,
    };
    let (bare, length) = bare.split_once('/').map_or((bare, None), |(ip, length)| (ip, Some(length)));
    let bare = bare.split_once('%').map_or(bare, |(ip, _)| ip);
    let ip = bare.parse::<IpAddr>().ok()?;
    // A network is not a host: only the full length names one.
    let full = if ip.is_ipv4() { "32" } else { "128" };
    length.is_none_or(|length| length == full).then_some(ip)
}

/// Reads a time as seconds since the Unix epoch, UTC: whole seconds, with a fraction, in milliseconds, or RFC 3339.
pub(crate) fn seconds(raw: &str) -> Option<Cleaned<i64>> {
    let raw = raw.trim();
    if raw.len() <= 12
        && let Ok(value) = raw.parse()
    {
        return Some(Cleaned { value, is_odd: false });
    }
    let (whole, fraction) = raw.split_once('.').unwrap_or((raw, ""));
    if whole.len() <= 13
        && fraction.bytes().all(|b| b.is_ascii_digit())
        && let Ok(value) = whole.parse::<i64>()
    {
        let value = if whole.len() == 13 { value / 1_000 } else { value };
        return Some(Cleaned { value, is_odd: true });
    }
    instant(raw).map(|value| Cleaned { value, is_odd: true })
}

/// Reads an RFC 3339 time or a date, with or without offset, as seconds since the Unix epoch, UTC.
pub(crate) fn instant(raw: &str) -> Option<i64> {
    if let Ok(instant) = raw.parse::<jiff::Timestamp>() {
        return Some(instant.as_second());
    }
    let local = raw.parse::<jiff::civil::DateTime>().ok()?;
    jiff::tz::Offset::UTC.to_timestamp(local).ok().map(jiff::Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_odd_counts_that_are_whole_numbers() {
        for (raw, expected) in
            [("7", 7), ("+7", 7), ("1.0", 1), ("1,000", 1_000), (" 12,345,678.00 ", 12_345_678)]
        {
            assert_eq!(count(raw).map(|c| c.value), Some(expected), "{raw}");
        }
    }

    #[test]
    fn reads_no_count_that_it_would_have_to_guess() {
        for raw in [
            "",
            "0",
            "-3",
            "abc",
            "1.5",
            "1,00",
            "10,0000",
            "1e3",
            "18446744073709551616",
            "9007199254740993",
            ",",
        ] {
            assert!(count(raw).is_none(), "{raw}");
        }
    }

    #[test]
    fn cleans_addresses_that_name_one_host() {
        let forms = [
            ("192.0.2.9", "192.0.2.9", false),
            ("::ffff:192.0.2.9", "192.0.2.9", false),
            ("2001:DB8:0:0:0:0:0:25", "2001:db8::25", false),
            ("[192.0.2.9]", "192.0.2.9", true),
            ("192.0.2.9:25", "192.0.2.9", true),
            ("192.0.2.9/32", "192.0.2.9", true),
            ("IPv6:2001:db8::1", "2001:db8::1", true),
            ("[IPv6:2001:db8::1]", "2001:db8::1", true),
            ("fe80::1%eth0", "fe80::1", true),
        ];
        for (raw, expected, is_odd) in forms {
            let cleaned = ip(raw).unwrap();
            assert_eq!((cleaned.value.to_string(), cleaned.is_odd), (expected.to_owned(), is_odd), "{raw}");
        }
    }

    #[test]
    fn takes_no_network_name_or_wrong_number_for_an_address() {
        for raw in ["999.1.2.3", "192.0.2.0/24", "host.example", "1.2.3", "192.0.2.09"] {
            assert!(ip(raw).is_none() && !is_masked(raw), "{raw}");
        }
        assert!(is_masked("X.X.X.X") && is_masked(""));
    }

    #[test]
    fn reads_dates_in_the_forms_that_are_sent() {
        for raw in
            ["1709510400", "1709510400.0", "1709510400000", "2024-03-04T00:00:00Z", "2024-03-04 00:00:00"]
        {
            assert_eq!(seconds(raw).map(|date| date.value), Some(1_709_510_400), "{raw}");
        }
        for raw in ["", "yesterday", "99999999999999999999", "1709510400.x"] {
            assert!(seconds(raw).is_none(), "{raw}");
        }
    }
}
