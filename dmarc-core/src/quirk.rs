//! Every deviation that is tolerated, named. A quirk says: understood, and this is what was odd.

use std::fmt;

/// The longest detail kept, in bytes.
pub(crate) const DETAIL_BYTES: usize = 120;
/// The most different quirks kept for one report; further ones are counted in [`QuirkCode::MoreQuirks`].
const DISTINCT: usize = 64;

/// One tolerated deviation, and how often it occurred in the report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Quirk {
    /// What was odd.
    pub code: QuirkCode,
    /// Where, or the value as received; at most 120 bytes, and as untrusted as all text of a report.
    pub detail: String,
    /// How often this code and detail occurred.
    pub count: u64,
}

/// The deviations of one report, in the order in which they were first met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Quirks(Vec<Quirk>);

impl Quirks {
    /// Records that `code` was met; a repeated pair of code and detail is counted, not kept again.
    pub(crate) fn note(&mut self, code: QuirkCode, detail: impl AsRef<str>) {
        self.place(code, detail.as_ref());
    }

    /// Like [`note`](Self::note), and tells the place in the list.
    fn place(&mut self, code: QuirkCode, detail: &str) -> usize {
        let detail = clip(detail);
        if let Some(at) = self.0.iter().position(|quirk| quirk.code == code && quirk.detail == detail) {
            self.count_again(at);
            return at;
        }
        if self.0.len() < DISTINCT {
            self.0.push(Quirk { code, detail: detail.to_owned(), count: 1 });
        } else {
            self.overflow();
        }
        self.0.len() - 1
    }

    fn count_again(&mut self, at: usize) {
        if let Some(known) = self.0.get_mut(at) {
            known.count += 1;
        }
    }

    /// Takes over the quirks of another stage, behind the own ones.
    pub(crate) fn extend(&mut self, other: Self) {
        for quirk in other.0 {
            if self.0.len() < DISTINCT { self.0.push(quirk) } else { self.overflow() }
        }
    }

    fn overflow(&mut self) {
        match self.0.last_mut() {
            Some(last) if last.code == QuirkCode::MoreQuirks => last.count += 1,
            _ => self.0.push(Quirk { code: QuirkCode::MoreQuirks, detail: String::new(), count: 1 }),
        }
    }

    /// About how much memory the list takes, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.0.iter().map(|quirk| (size_of::<Quirk>() + quirk.detail.len() + 16) as u64).sum()
    }

    /// Whether `code` was met.
    pub fn contains(&self, code: QuirkCode) -> bool {
        self.0.iter().any(|quirk| quirk.code == code)
    }

    /// The quirks as a slice.
    pub fn as_slice(&self) -> &[Quirk] {
        &self.0
    }
}

/// Quirks of which the last ones can be taken back.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) quirks: Quirks,
    /// The places in the list of what was noted since the mark.
    noted: Vec<u8>,
    /// How often anything was noted, of this document and those before it.
    total: u64,
}

impl Journal {
    /// Like [`Quirks::note`].
    pub(crate) fn note(&mut self, code: QuirkCode, detail: impl AsRef<str>) {
        let at = self.quirks.place(code, detail.as_ref());
        // The list is shorter than that.
        self.total += 1;
        self.noted.push(u8::try_from(at).unwrap_or(u8::MAX));
    }

    /// Keeps what was noted so far.
    pub(crate) fn mark(&mut self) {
        self.noted.clear();
    }

    /// Takes back what was noted since the mark.
    pub(crate) fn roll_back(&mut self) {
        self.total = self.total.saturating_sub(self.noted.len() as u64);
        for at in self.noted.drain(..) {
            if let Some(quirk) = self.quirks.0.get_mut(usize::from(at)) {
                quirk.count -= 1;
            }
        }
        while self.quirks.0.last().is_some_and(|quirk| quirk.count == 0) {
            self.quirks.0.pop();
        }
    }

    /// How often anything was noted so far.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Gives everything that was noted, and starts anew.
    pub(crate) fn take(&mut self) -> Quirks {
        self.noted.clear();
        std::mem::take(&mut self.quirks)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Quirks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// The beginning of `text`, cut at a character boundary.
fn clip(text: &str) -> &str {
    let end = text.floor_char_boundary(DETAIL_BYTES.min(text.len()));
    text.get(..end).unwrap_or_default()
}

macro_rules! quirk_codes {
    ($($(#[$doc:meta])+ $name:ident => $code:literal,)+) => {
        /// The tolerated deviations; each says who sends it, as far as that is known.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum QuirkCode { $($(#[$doc])+ $name,)+ }

        impl QuirkCode {
            /// Names the quirk in one stable word, for machines.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }
        }
    };
}

quirk_codes! {
    // ---- containers and characters
    /// Bytes after the last gzip member (Mimecast: a line end).
    TrailingBytes => "trailing_bytes",
    /// A container or text in other than the labelled form (gzip under octet-stream is not one; XML under gzip is).
    Mislabelled => "mislabelled",
    /// A character set other than UTF-8 was decoded (Zimbra, old milters); the detail names it.
    Charset => "charset",
    /// Bytes that are not of the declared character set were replaced by U+FFFD.
    BadEncoding => "bad_encoding",
    /// A control character that XML 1.0 forbids was replaced by U+FFFD.
    ControlCharacter => "control_character",
    /// An entity that is neither one of the five of XML nor a character reference was kept as text.
    UnknownEntity => "unknown_entity",
    /// Empty lines or text stand before the XML declaration, which must come first.
    LateDeclaration => "late_declaration",
    /// A second document follows in the same payload; each is its own report.
    ConcatenatedDocuments => "concatenated_documents",
    /// Something follows the last document.
    TrailingContent => "trailing_content",
    /// The XML is not well-formed, and what was recovered is complete as far as can be told (IKEA: unclosed wrapper;
    /// addresses with `<>` that are not escaped). The detail is the path.
    Salvaged => "salvaged",
    /// The file name says another domain or another period than the report, which counts (RFC 9990, Section 3.5.2; RFC
    /// 8460, Section 5.1); the detail is the name.
    FileName => "file_name",
    // ---- aggregate reports
    /// `version` is absent (Google, Yahoo, Mail.Ru), though RFC 7489 requires it.
    MissingVersion => "missing_version",
    /// `version` is not 1.0 (drafts: 2.0; rspamd: 0.1).
    UnexpectedVersion => "unexpected_version",
    /// The namespace is none that a DMARC text defines.
    UnknownNamespace => "unknown_namespace",
    /// An element that no dialect has at this place; it is kept as it stands, see
    /// [`UnknownElement`](crate::model::aggregate::UnknownElement). The detail is its path.
    UnknownElement => "unknown_element",
    /// An attribute that no dialect has; the detail is path, name and value.
    UnknownAttribute => "unknown_attribute",
    /// An element was read in spite of the letter case of its name (`<FEEDBACK>`); the detail is its path.
    LetterCase => "letter_case",
    /// Records stand before `report_metadata` or `policy_published`: whoever reads record by record gets them without.
    LateMetadata => "late_metadata",
    /// Text between elements was passed over; the detail is the path.
    StrayText => "stray_text",
    /// An element that occurs once was repeated: the first is used; lists keep all. The detail is its path.
    Repeated => "repeated",
    /// A required element is absent or empty; the value is left out. The detail is its path.
    MissingElement => "missing_element",
    /// A value outside the vocabulary was kept as it is; the detail is path and value.
    UnknownValue => "unknown_value",
    /// A value was read in spite of its case, spaces or an old name (`Pass`, `hardfail`).
    NormalizedValue => "normalized_value",
    /// A value of another dialect (`forwarded` in RFC 9990, `pass` as disposition in RFC 7489).
    ValueNotInDialect => "value_not_in_dialect",
    /// RFC 9990 elements in a report without its namespace (Google: `np`).
    HybridDialect => "hybrid_dialect",
    /// A date with a fraction or in milliseconds; whole seconds are used.
    NormalizedDate => "normalized_date",
    /// The period ends before it begins, or lies outside 2005 to 2100.
    ImplausiblePeriod => "implausible_period",
    /// An IP address in brackets, with a port, prefix length or zone was cleaned.
    NormalizedIp => "normalized_ip",
    /// A masked or empty `source_ip` (GoDaddy: `X.X.X.X`); the record is counted without it.
    MaskedIp => "masked_ip",
    /// A count such as `1.0` or `1,000` was read as the whole number that it is.
    NormalizedCount => "normalized_count",
    /// A record cannot be trusted and was set aside; the detail is the reason.
    RejectedRecord => "rejected_record",
    /// A report without records (a heartbeat).
    NoRecords => "no_records",
    /// More signatures than the 100 that RFC 9990, Section 3.1.3 asks for.
    ManySignatures => "many_signatures",
    /// `header_from` is not at or below the policy domain.
    ForeignHeaderFrom => "foreign_header_from",
    /// A domain is no host name, or was not in its normal form beyond letter case; the detail is as received.
    OddDomain => "odd_domain",
    // ---- failure reports
    /// A required field is absent (LinkedIn: Identity-Alignment); the detail names it.
    MissingField => "missing_field",
    /// A field that occurs once was repeated; the first is used.
    RepeatedField => "repeated_field",
    /// The value of a field could not be read and is kept as text only; the detail is field and value.
    BadField => "bad_field",
    /// `Version` of an ARF part is not 1 (LinkedIn: 1.0).
    FeedbackVersion => "feedback_version",
    /// `Arrival-Date` is absent, or the historic `Received-Date` stands in its place (RFC 5965, Section 3.2). Where the
    /// detail is `date of the mail`, the arrival is no more than that: approximate.
    ArrivalDate => "arrival_date",
    /// The included message or its headers are absent (RFC 5965, Section 2 requires them).
    MissingOriginal => "missing_original",
    /// The structure is not that of RFC 5965, Section 2: not in `multipart/report`, fields under another
    /// media type or behind the included message, or text behind them.
    FeedbackStructure => "feedback_structure",
    /// There is no ARF part: the report was read from the words of a notice (Exim, Baruwa).
    NoArf => "no_arf",
    // ---- TLS reports
    /// A string where RFC 8460 asks for an array, or a JSON array inside a string (Microsoft); the detail is the key.
    JsonShape => "json_shape",
    /// A number as a string, or with a fraction of zero; the detail is the key.
    JsonNumber => "json_number",
    /// `null` for a key that should have a value or be absent (Egress: `contact-info`).
    JsonNull => "json_null",
    /// A key occurred twice in one object: the last counts (RFC 7493, Section 2.3 forbids it).
    JsonDuplicateKey => "json_duplicate_key",
    /// A key that RFC 8460 does not have; its value is passed over.
    JsonUnknownKey => "json_unknown_key",
    /// A required key is absent; the value is left out. The detail is the key.
    JsonMissingKey => "json_missing_key",
    /// A date without offset was read as UTC, or is not in the form of RFC 3339.
    JsonDate => "json_date",
    /// `additional-information` is no URI (free text, as RFC 8460, Appendix B has it too); it is kept as it is.
    BadUri => "bad_uri",
    /// A policy names no domain (Postfix) or, for DANE, its MX: the domain is taken from the mail or the file name. The
    /// detail says from which, and the domain.
    DerivedDomain => "derived_domain",
    // ---- this list
    /// More different quirks than are kept for one report.
    MoreQuirks => "more_quirks",
}

impl fmt::Display for QuirkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for QuirkCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_a_repeated_quirk_and_bounds_different_ones() {
        let mut quirks = Quirks::default();
        for n in 0..1_000 {
            quirks.note(QuirkCode::StrayText, "feedback");
            quirks.note(QuirkCode::UnknownElement, format!("feedback/x{n}"));
        }
        assert_eq!(quirks.as_slice().len(), DISTINCT + 1);
        assert_eq!(quirks.as_slice()[0].count, 1_000);
        assert_eq!(quirks.as_slice()[DISTINCT].code, QuirkCode::MoreQuirks);
        assert_eq!(quirks.as_slice()[DISTINCT].count, 1_000 - (DISTINCT as u64 - 1));
    }

    #[test]
    fn takes_back_what_was_noted_since_the_mark() {
        let mut journal = Journal::default();
        let note = |journal: &mut Journal, from: usize, to: usize| {
            for n in from..to {
                journal.note(QuirkCode::StrayText, format!("{}", n % 100));
            }
        };
        note(&mut journal, 0, 50);
        journal.mark();
        let kept = journal.quirks.clone();
        for (from, to) in [(0, 10), (40, 60), (40, 300), (0, 0)] {
            note(&mut journal, from, to);
            journal.roll_back();
            assert_eq!(journal.quirks, kept);
        }
    }

    #[test]
    fn cuts_a_detail_between_characters() {
        let mut quirks = Quirks::default();
        quirks.note(QuirkCode::StrayText, "é".repeat(200));
        assert_eq!(quirks.as_slice()[0].detail, "é".repeat(60));
    }
}
