//! A failure notice in prose, without an ARF part (Exim, Baruwa) → [`FailureReport`].
//!
//! Some servers tell of a failure in words only: lines such as `Sender Domain: example.org`, and behind a line of dashes
//! the header of the message. No text defines the form; it is known by two of its lines.
//!
//! *Not supported:* such notices in other languages.

use super::{Builder, check_text, original};
use crate::error::Result;
use crate::limits::Limits;
use crate::model::FailureReport;
use crate::model::failure::{AlignmentBasis, AuthFailureType};
use crate::parse::{Parsed, prose};
use crate::quirk::QuirkCode;

/// The lines of a notice, and the ARF field that each stands for.
const FIELDS: [(&str, &str); 3] = [
    ("Sender Domain", "Reported-Domain"),
    ("Sender IP Address", "Source-IP"),
    ("Received Date", "Arrival-Date"),
];

/// Whether `text` is a notice: it names DMARC, the domain and the address.
pub(super) fn is_notice(text: &str) -> bool {
    let (words, _) = split(text);
    words.contains("DMARC")
        && ["Sender Domain", "Sender IP Address"].iter().all(|label| prose::value(words, label).is_some())
}

/// Reads a notice. What it says of alignment is taken as it is; a line that is not understood is kept.
pub(super) fn parse<'a>(text: &'a str, limits: &Limits) -> Result<Parsed<FailureReport<'a>>> {
    let (words, header) = split(text);
    let mut builder = Builder::default();
    builder.report.feedback_type = "auth-failure".into();
    builder.report.auth_failure = Some(AuthFailureType::Dmarc);
    builder.quirks.note(QuirkCode::NoArf, "");
    let (mut dkim, mut spf) = (None, None);
    for (label, value) in prose::labelled(words) {
        check_text(value, limits)?;
        let field = FIELDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(label));
        match (label.to_ascii_lowercase().as_str(), field, yes_or_no(value)) {
            (_, Some((_, field)), _) => builder.field(field, value),
            ("spf alignment", _, Some(aligned)) => spf = Some(aligned),
            ("dkim alignment", _, Some(aligned)) => dkim = Some(aligned),
            _ => builder.report.other_fields.push((label.into(), value.into())),
        }
    }
    builder.report.original = original(header.as_bytes(), limits, &mut builder.quirks)?;
    let mut parsed = builder.complete();
    if dkim.is_some() || spf.is_some() {
        let report = &mut parsed.report;
        (report.dkim_aligned, report.spf_aligned) = (dkim, spf);
        report.alignment_basis = AlignmentBasis::Stated;
    }
    Ok(parsed)
}

/// The words of a notice, and the header behind the paragraph that begins with dashes and announces it.
fn split(text: &str) -> (&str, &str) {
    let Some(at) = memchr::memmem::find(text.as_bytes(), b"\n-----") else { return (text, "") };
    let (words, rest) = text.split_at_checked(at).unwrap_or((text, ""));
    let ends = ["\n\r\n", "\n\n"].iter().filter_map(|end| Some(rest.find(end)? + end.len()));
    (words, ends.min().and_then(|end| rest.get(end..)).unwrap_or_default())
}

fn yes_or_no(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{is_feedback, parse};
    use super::*;

    const NOTICE: &str = "Somebody failed the DMARC policy.\r\n\r\n  Sender Domain: marke.example\r\n  \
        Sender IP Address: 192.0.2.77\r\n  SPF Alignment: maybe\r\n  DKIM Alignment: yes\r\n";

    #[test]
    fn is_told_by_domain_address_and_the_word_dmarc() {
        assert!(is_feedback(NOTICE));
        for part in ["DMARC", "Sender Domain", "Sender IP Address"] {
            assert!(!is_feedback(&NOTICE.replace(part, "x")), "{part}");
        }
        assert!(!is_feedback(&NOTICE.replace("  S", "> S")));
    }

    #[test]
    fn claims_no_more_alignment_than_the_words_do() {
        let report = parse(NOTICE, None, &Limits::default()).unwrap().report;
        assert_eq!((report.dkim_aligned, report.spf_aligned), (Some(true), None));
        assert_eq!(report.other_fields, [("SPF Alignment".into(), "maybe".into())]);
        assert_eq!((report.original, report.arrived), (None, None));
    }

    #[test]
    fn refuses_a_value_one_byte_over_the_limit() {
        let limits = |text_bytes| Limits { text_bytes, ..Limits::default() };
        assert!(parse(NOTICE, None, &limits(13)).is_ok());
        assert!(parse(NOTICE, None, &limits(12)).is_err());
    }
}
