//! Every ceiling in one place. Reaching one is an error, never a truncation.

/// Ceilings for what one message may cost, whatever its bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct Limits {
    /// Size of a message or file as received, in bytes. RFC 7489, Section 8 asks for at least 10 MB.
    /// Default: 50 MiB.
    pub message_bytes: u64,
    /// Size of one text after decompression and decoding, in bytes; XML is read in pieces, so this costs time and not
    /// memory. Default: 4 GiB.
    pub payload_bytes: u64,
    /// Size of everything that is decompressed from one message, in bytes, containers inside containers counted too.
    /// Default: 8 GiB.
    pub total_bytes: u64,
    /// What is held at once of the containers and texts of one message, as far as they cannot be read in pieces (all but
    /// XML), in bytes after decompression. Default: 8 MiB.
    pub held_bytes: u64,
    /// What [`read`](crate::read()) may return for one message, in bytes of memory; [`stream`](crate::stream()) holds no
    /// records and needs no such ceiling. Default: 22 MiB.
    pub reading_bytes: u64,
    /// Decompressed bytes for each compressed byte, looked at once a payload has more than 1 MiB; likewise for all
    /// containers of a message together and each of its bytes. Real reports reach 103. Default: 180.
    pub ratio: u64,
    /// Containers inside containers (gzip, zip), counted from the MIME part or the file. Default: 3.
    pub nesting: u32,
    /// Entries of one zip archive. Default: 64.
    pub entries: u64,
    /// MIME parts of one message, those of included messages counted. Default: 256.
    pub parts: u64,
    /// Depth of XML elements, JSON values or MIME parts. Default: 32.
    pub depth: u32,
    /// XML elements in one message; a record has about 20. A comment, reference, CDATA section or extension counts as two, a
    /// deviation that is noted as four. Default: 40,000,000.
    pub elements: u64,
    /// XML elements in one message, so counted, for each byte of the message, looked at once there are more than
    /// 1,000,000; the error names it `elements`. A large report has about 2. Default: 6.
    pub elements_ratio: u64,
    /// Attributes and namespace declarations of one XML element, and declarations of all elements that are open.
    /// Default: 64.
    pub attributes: u64,
    /// One text, in bytes. Default: 64 KiB.
    pub text_bytes: u64,
    /// The name of an XML element, a prefix or a namespace, in bytes. Default: 256.
    pub name_bytes: u64,
    /// Reports in one payload. Default: 1,000.
    pub reports: u64,
    /// Records of one report (TLS reports: policies and failure details). Default: 2,000,000.
    pub records: u64,
    /// XML of one record, or of one other child of `feedback`, in bytes. Default: 4 MiB.
    pub record_bytes: u64,
    /// Everything that is kept of the reports of one payload besides their counted records: its XML and the memory it
    /// takes beside that, in bytes. Default: 16 MiB.
    pub head_bytes: u64,
    /// Records of one report that cannot be counted. Default: 10,000.
    pub rejected_records: u64,
    /// DKIM results, SPF results and override reasons of one record, each. Default: 1,000.
    pub results: u64,
    /// Extension elements of one record, or of all that stands outside of records; unknown elements likewise.
    /// Default: 10,000.
    pub extensions: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 50 << 20,
            payload_bytes: 4 << 30,
            total_bytes: 8 << 30,
            held_bytes: 8 << 20,
            reading_bytes: 22 << 20,
            ratio: 180,
            nesting: 3,
            entries: 64,
            parts: 256,
            depth: 32,
            elements: 40_000_000,
            elements_ratio: 6,
            attributes: 64,
            text_bytes: 64 << 10,
            name_bytes: 256,
            reports: 1_000,
            records: 2_000_000,
            record_bytes: 4 << 20,
            head_bytes: 16 << 20,
            rejected_records: 10_000,
            results: 1_000,
            extensions: 10_000,
        }
    }
}

impl Limits {
    /// Elements below which the ratio is not looked at.
    const ELEMENTS_RATIO_FROM: u64 = 1_000_000;

    /// The same for a message of `bytes`: it may have only so many elements.
    pub(crate) fn for_message(&self, bytes: usize) -> Self {
        let by_ratio = self.elements_ratio.saturating_mul(bytes as u64).max(Self::ELEMENTS_RATIO_FROM);
        Self { elements: self.elements.min(by_ratio), ..self.clone() }
    }

    /// Compares `value` with the ceiling `max` named `limit`.
    ///
    /// # Errors
    /// [`LimitExceeded`](crate::ErrorKind::LimitExceeded) if `value` is larger.
    pub(crate) fn check(limit: &'static str, value: u64, max: u64) -> crate::Result<()> {
        if value > max { Err(crate::Error::limit(limit, max)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::{ErrorKind, Found, read};

    const HEAD: &str = "<feedback><version>1.0</version><report_metadata><org_name>o</org_name><email>e</email>\
        <report_id>i</report_id><date_range><begin>1789171200</begin><end>1789257599</end></date_range></report_metadata>\
        <policy_published><domain>example.org</domain><p>none</p></policy_published>";

    fn record(row: &str, more: &str) -> String {
        format!("<record><row><source_ip>192.0.2.1</source_ip>{row}</row>{more}</record>")
    }

    fn report(inside: &str) -> String {
        format!("{HEAD}{}{inside}</feedback>", record("<count>7</count>", ""))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// An archive of empty entries.
    fn zip(entries: usize) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for n in 0..entries {
            writer.start_file(format!("{n}.txt"), zip::write::SimpleFileOptions::default()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn mail(parts: usize) -> Vec<u8> {
        let head =
            "From: a@example.org\r\nTo: b@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
        format!("{head}{}--b--\r\n", "--b\r\n\r\ntext\r\n".repeat(parts)).into_bytes()
    }

    /// Which ceiling reading reaches, if any.
    fn reached(input: &[u8], limits: &Limits) -> Option<(&'static str, u64)> {
        read(input, limits).outcomes.into_iter().find_map(|outcome| match outcome.found {
            Found::Refused(error) => match error.kind() {
                ErrorKind::LimitExceeded { limit, max } => Some((limit, max)),
                other => panic!("{other}"),
            },
            _ => None,
        })
    }

    /// Sets one ceiling.
    type Set = fn(&mut Limits, u64);

    /// An input for each ceiling, and how much of it the input needs, where that is plain.
    fn cases() -> Vec<(&'static str, Set, Vec<u8>, Option<u64>)> {
        // A ceiling without a case does not compile.
        let Limits {
            message_bytes: _,
            payload_bytes: _,
            total_bytes: _,
            held_bytes: _,
            reading_bytes: _,
            ratio: _,
            nesting: _,
            entries: _,
            parts: _,
            depth: _,
            elements: _,
            elements_ratio: _,
            attributes: _,
            text_bytes: _,
            name_bytes: _,
            reports: _,
            records: _,
            record_bytes: _,
            head_bytes: _,
            rejected_records: _,
            results: _,
            extensions: _,
        } = Limits::default();
        let plain = report("");
        let size = plain.len() as u64;
        let results = "<dkim><domain>d</domain><result>pass</result></dkim>".repeat(9);
        let results = record("<count>7</count>", &format!("<auth_results>{results}</auth_results>"));
        let unknown = record("<count>7</count>", &"<e:x xmlns:e='urn:e'/>".repeat(5));
        let json = format!("{}{{\"policies\":[]}}", " ".repeat(985));
        let sparse = report(&" ".repeat(3 << 20));
        let dense: String = (1..100_000).map(|n| record(&format!("<count>{n}</count>"), "")).collect();
        let dense = report(&dense);
        vec![
            ("message_bytes", |l, max| l.message_bytes = max, plain.clone().into(), Some(size)),
            ("payload_bytes", |l, max| l.payload_bytes = max, plain.clone().into(), Some(size)),
            ("total_bytes", |l, max| l.total_bytes = max, gzip(plain.as_bytes()), Some(size)),
            ("held_bytes", |l, max| l.held_bytes = max, gzip(json.replace('p', "q").as_bytes()), Some(1_000)),
            ("reading_bytes", |l, max| l.reading_bytes = max, plain.clone().into(), None),
            ("ratio", |l, max| l.ratio = max, gzip(sparse.as_bytes()), None),
            ("nesting", |l, max| l.nesting = max.try_into().unwrap(), gzip(&gzip(plain.as_bytes())), Some(2)),
            ("entries", |l, max| l.entries = max, zip(7), Some(7)),
            ("parts", |l, max| l.parts = max, mail(7), Some(7)),
            (
                "depth",
                |l, max| l.depth = max.try_into().unwrap(),
                report("<a><b><c><d/></c></b></a>").into(),
                Some(5),
            ),
            ("elements", |l, max| l.elements = max, plain.clone().into(), None),
            ("elements_ratio", |l, max| l.elements_ratio = max, gzip(dense.as_bytes()), None),
            ("attributes", |l, max| l.attributes = max, report("<a b='' c='' d=''/>").into(), Some(3)),
            (
                "text_bytes",
                |l, max| l.text_bytes = max,
                plain.replace(">o<", ">twelve bytes<").into(),
                Some(12),
            ),
            ("name_bytes", |l, max| l.name_bytes = max, report("<twenty_bytes_of_name/>").into(), Some(20)),
            ("reports", |l, max| l.reports = max, plain.repeat(3).into(), Some(3)),
            (
                "records",
                |l, max| l.records = max,
                report(&record("<count>7</count>", "").repeat(6)).into(),
                Some(7),
            ),
            ("record_bytes", |l, max| l.record_bytes = max, report(&unknown).into(), None),
            ("head_bytes", |l, max| l.head_bytes = max, report(&record("", "").repeat(9)).into(), None),
            (
                "rejected_records",
                |l, max| l.rejected_records = max,
                report(&record("", "").repeat(4)).into(),
                Some(4),
            ),
            ("results", |l, max| l.results = max, report(&results).into(), Some(9)),
            ("extensions", |l, max| l.extensions = max, report(&unknown).into(), Some(5)),
        ]
    }

    #[test]
    fn accepts_what_is_at_a_ceiling_and_refuses_what_is_one_past_it() {
        for (name, set, input, expected) in cases() {
            let reached = |max: u64| {
                let mut limits = Limits { reading_bytes: 1 << 30, ..Limits::default() };
                set(&mut limits, max);
                reached(&input, &limits)
            };
            // The least ceiling that lets the input through.
            let (mut refused, mut accepted) = (0, 100_000_000);
            while accepted - refused > 1 {
                let middle = u64::midpoint(refused, accepted);
                if reached(middle).is_some() { refused = middle } else { accepted = middle }
            }
            assert_eq!(reached(accepted), None, "{name}");
            let named = if name == "elements_ratio" { "elements" } else { name };
            assert_eq!(reached(accepted - 1).map(|(limit, _)| limit), Some(named));
            if let Some(expected) = expected {
                assert_eq!(accepted, expected, "{name}");
            }
        }
    }
}
