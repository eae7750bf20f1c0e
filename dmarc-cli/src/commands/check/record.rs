//! The text of a policy record: a DMARC record (RFC 9989, Section 4.7) or that of TLS reports (RFC 8460, Section 3).

/// A record as a list of tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record(Vec<(String, String)>);

impl Record {
    /// `text` if it is a record of this `version`; other text records stand at the same name and mean nothing.
    pub(super) fn parse(text: &[u8], version: &str) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let mut tags = text.split(';').map(|tag| {
            let (name, value) = tag.split_once('=')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        });
        // The version is the first tag, or it is none.
        let first = tags.next()?.filter(|(name, value)| name == "v" && value == version)?;
        Some(Self(std::iter::once(first).chain(tags.flatten()).collect()))
    }

    /// The value of a tag.
    pub(super) fn tag(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Where reports go by mail: the addresses of `rua`, without a size behind `!`.
    pub(super) fn addresses(&self) -> Vec<String> {
        let addresses = self.uris().filter_map(|uri| {
            let (scheme, address) = uri.split_once(':')?;
            let address = address.split(['!', '?']).next().unwrap_or_default();
            (scheme.eq_ignore_ascii_case("mailto") && address.contains('@')).then(|| address.to_owned())
        });
        addresses.collect()
    }

    /// Where reports go.
    pub(super) fn uris(&self) -> impl Iterator<Item = &str> {
        self.tag("rua").unwrap_or_default().split(',').map(str::trim).filter(|uri| !uri.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::Record;

    fn parse(text: &str) -> Option<Record> {
        Record::parse(text.as_bytes(), "DMARC1")
    }

    #[test]
    fn reads_tags_with_white_space_around_them() {
        let record =
            parse("v = DMARC1 ;p=reject; rua=mailto:a@b.example!10m , MAILTO:c@d.example,https://e.example;")
                .unwrap();
        assert_eq!(record.tag("p"), Some("reject"));
        assert_eq!(record.addresses(), ["a@b.example", "c@d.example"]);
        assert_eq!(record.uris().count(), 3);
    }

    #[test]
    fn passes_over_what_is_no_record_of_the_version() {
        for text in ["", "v=spf1 -all", "v=DMARC10; p=none", "v=dmarc1; p=none", "p=none; v=DMARC1"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(Record::parse(b"\xff;v=DMARC1", "DMARC1"), None);
    }

    #[test]
    fn has_no_address_where_there_is_none() {
        for text in ["v=DMARC1", "v=DMARC1; rua=", "v=DMARC1; rua=mailto:,a@b.example"] {
            assert_eq!(parse(text).unwrap().addresses(), [""; 0], "{text}");
        }
    }
}
