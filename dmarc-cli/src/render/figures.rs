//! Numbers, shares and days as people read them.

use dmarc_core::time::rfc3339;

/// Characters of a number at most.
const NUMBER: usize = 9;

/// `48210` as `48 210`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// As [`grouped`], and what is too long for its column in thousands, millions and so on, cut and not rounded.
pub(crate) fn short(n: u64) -> String {
    let units = ["", " k", " M", " G", " T", " P"].into_iter().zip((0..).step_by(3));
    let texts = units.map(|(unit, power)| format!("{}{unit}", grouped(n / 10_u64.pow(power))));
    let mut texts = texts.skip_while(|text| text.len() > NUMBER);
    texts.next().unwrap_or_default()
}

/// A number of things: `1 report`, `2 000 reports`.
pub(crate) fn counted(n: u64, thing: &str) -> String {
    format!("{} {}", grouped(n), of(n, thing))
}

/// The same with a number as programs read it: `2000 reports`.
pub(crate) fn plural(n: u64, thing: &str) -> String {
    format!("{n} {}", of(n, thing))
}

fn of(n: u64, thing: &str) -> String {
    format!("{thing}{}", if n == 1 { "" } else { "s" })
}

/// A share in tenths of a percent, cut and not rounded; `None` of nothing.
pub(crate) fn tenths(part: u64, whole: u64) -> Option<u64> {
    let tenths = (u128::from(part) * 1_000).checked_div(u128::from(whole))?;
    u64::try_from(tenths).ok()
}

/// A share with one decimal, cut and not rounded: 100.0 % is all of it. `none` is what is said of nothing.
pub(crate) fn share(part: u64, whole: u64, none: &str) -> String {
    tenths(part, whole).map_or_else(|| none.to_owned(), |tenths| format!("{}.{} %", tenths / 10, tenths % 10))
}

/// As [`share`], where nothing is left to say.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    share(part, whole, "nothing to")
}

/// The day of a time in seconds since the Unix epoch, UTC.
pub(crate) fn day(seconds: i64) -> String {
    rfc3339(seconds).chars().take_while(|c| *c != 'T').collect()
}

/// A text of at most `width` characters; a longer one ends in `…`.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_digits_by_three() {
        assert_eq!(
            [0, 999, 1_000, 48_210, 1_234_567].map(grouped),
            ["0", "999", "1 000", "48 210", "1 234 567"]
        );
    }

    #[test]
    fn shortens_numbers_that_do_not_fit_their_column() {
        let shown = [9_999_999, 12_345_678, 1 << 53, u64::MAX].map(short);
        assert_eq!(shown, ["9 999 999", "12 345 k", "9 007 T", "18 446 P"]);
    }

    #[test]
    fn never_rounds_up_to_all() {
        assert_eq!(percent(9_999, 10_000), "99.9 %");
        assert_eq!(percent(1, 1), "100.0 %");
        assert_eq!(percent(0, 0), "nothing to");
        assert_eq!(percent(u64::MAX, u64::MAX), "100.0 %");
    }
}
