//! Numbers, days and classes as a reader sees them.

use dmarc_core::findings::Class;

use crate::render::figures;
pub(super) use crate::render::figures::{day as day_of, tenths};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// `48210` as `48 210`, with a space that breaks no line.
pub(super) fn number(n: u64) -> String {
    unbroken(&figures::grouped(n))
}

fn unbroken(figure: &str) -> String {
    figure.replace(' ', "\u{202f}")
}

/// A number of things: `1 report`, `2 reports`.
pub(super) fn counted(n: u64, thing: &str) -> String {
    figures::counted(n, thing).replace(&figures::grouped(n), &number(n))
}

/// A share as `97.4 %`.
pub(super) fn percent(part: u64, whole: u64) -> String {
    unbroken(&figures::share(part, whole, "–"))
}

/// A day that is counted in days since the Unix epoch.
pub(super) fn day(days: i64) -> String {
    day_of(days.saturating_mul(DAY))
}

/// What a class says, as a sentence.
pub(super) fn meaning(class: Class) -> &'static str {
    match class {
        Class::Authorized => "Passes DMARC as yours.",
        Class::ForwardedIntact => "Your mail, forwarded unchanged.",
        Class::ForwardedModified => "Your mail, changed on its way by a list, gateway or forwarder.",
        Class::LegitBroken => "Yours for sure, and failing.",
        Class::ThirdPartyUnaligned => "A known service that authenticates as itself, not as you.",
        Class::UnauthorizedSpoof => "Not yours: nothing of yours authenticates, and the evidence is strong.",
        Class::UnauthorizedUnknown => "Nothing of yours authenticates, but the evidence is weak.",
        Class::SuspectReplay => "Your valid signature, bursting from networks never seen before.",
        Class::ReportUntrusted => "Reports that did not come from whom they say.",
        Class::ReportConflict => "Reports that contradict another with the same identity.",
        Class::Insufficient => "Too little to say anything.",
        Class::TlsSts => "TLS sessions that failed an MTA-STS policy.",
        Class::TlsDane => "TLS sessions that failed DANE.",
        Class::TlsTransport => "TLS sessions that failed for a certificate or STARTTLS.",
        Class::TlsOther => "TLS sessions that failed otherwise.",
        _ => "See the evidence.",
    }
}

/// Whether a class is about TLS sessions, not about mail.
pub(super) fn is_tls(class: Class) -> bool {
    matches!(class, Class::TlsSts | Class::TlsDane | Class::TlsTransport | Class::TlsOther)
}

/// Whether a class is about reports, not about who sends.
pub(super) fn is_about_reports(class: Class) -> bool {
    matches!(class, Class::ReportUntrusted | Class::ReportConflict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_digits_by_three() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(number),
            ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
        assert_eq!([1, 2].map(|n| counted(n, "mail")), ["1 mail", "2 mails"]);
    }

    #[test]
    fn never_rounds_up_to_all() {
        let shares = [(9_999, 10_000), (1, 1), (u64::MAX, u64::MAX), (0, 0)];
        let shown = shares.map(|(part, whole)| percent(part, whole));
        assert_eq!(shown, ["99.9\u{202f}%", "100.0\u{202f}%", "100.0\u{202f}%", "–"]);
    }

    #[test]
    fn shows_days_of_any_century() {
        assert_eq!([0, 20_697, -719_529].map(day), ["1970-01-01", "2026-09-01", "-000001-12-31"]);
        assert_eq!(day(i64::MAX), i64::MAX.to_string());
    }
}
