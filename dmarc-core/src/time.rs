//! Times as text: RFC 3339, UTC.

/// Writes seconds since the Unix epoch as RFC 3339, UTC; a number that no calendar holds stays a number.
pub fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}
