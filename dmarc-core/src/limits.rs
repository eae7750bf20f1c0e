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
    /// containers of a message together and each of its bytes. Real reports reach 103. Default: 250.
    pub ratio: u64,
    /// Containers inside containers (gzip, zip), counted from the MIME part or the file. Default: 3.
    pub nesting: u32,
    /// Entries of one zip archive. Default: 64.
    pub entries: u64,
    /// MIME parts of one message, those of included messages counted. Default: 256.
    pub parts: u64,
    /// Depth of XML elements, JSON values or MIME parts. Default: 32.
    pub depth: u32,
    /// XML elements in one payload; a record has about 20. A comment, reference or CDATA section counts as two, a
    /// deviation that is noted as four. Default: 20,000,000.
    pub elements: u64,
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
            ratio: 250,
            nesting: 3,
            entries: 64,
            parts: 256,
            depth: 32,
            elements: 20_000_000,
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
    /// Compares `value` with the ceiling `max` named `limit`.
    ///
    /// # Errors
    /// [`LimitExceeded`](crate::ErrorKind::LimitExceeded) if `value` is larger.
    pub(crate) fn check(limit: &'static str, value: u64, max: u64) -> crate::Result<()> {
        if value > max { Err(crate::Error::limit(limit, max)) } else { Ok(()) }
    }
}
