//! What was read, in the form in which tests compare it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests; the exemption of clippy.toml ends at `#[test]` functions"
)]

use std::path::Path;

use dmarc_core::{AggregateReport, FailureReport, Found, Limits, Parsed, QuirkCode, Report, TlsReport, read};

/// A report, where it was, and what was odd about it.
pub(crate) struct Got<T> {
    pub(crate) part: String,
    pub(crate) report: T,
    pub(crate) quirks: Vec<(QuirkCode, String)>,
}

impl<T> Got<T> {
    /// Whether `code` was noted with a detail that contains `detail`.
    pub(crate) fn notes(&self, code: QuirkCode, detail: &str) -> bool {
        self.quirks.iter().any(|(known, text)| *known == code && text.contains(detail))
    }

    pub(crate) fn codes(&self) -> Vec<QuirkCode> {
        self.quirks.iter().map(|(code, _)| *code).collect()
    }
}

/// The text of a file of `testdata/`.
pub(crate) fn sample(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(name)).unwrap()
}

/// The aggregate report that the tests of containers pack.
pub(crate) fn xml() -> String {
    sample("aggregate/rfc7489.xml")
}

/// The TLS report that the tests of containers pack.
pub(crate) fn json() -> String {
    sample("tlsrpt/regular.json")
}

/// Every report of `input`; whatever else was found fails the test.
pub(crate) fn reports(input: &[u8]) -> Vec<Got<Report<'static>>> {
    let outcomes = read(input, &Limits::default()).outcomes.into_iter();
    let got = outcomes.map(|outcome| match outcome.found {
        Found::Report(Parsed { report, quirks, .. }) => {
            let quirks = quirks.as_slice().iter().map(|quirk| (quirk.code, quirk.detail.clone())).collect();
            Got { part: outcome.part, report, quirks }
        }
        other => panic!("{other:?} in {}", outcome.part),
    });
    got.collect()
}

/// The only report of `input`.
fn one(input: &[u8]) -> Got<Report<'static>> {
    let mut reports = reports(input);
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

pub(crate) fn aggregate(input: impl AsRef<[u8]>) -> Got<AggregateReport<'static>> {
    let Got { part, report, quirks } = one(input.as_ref());
    let Report::Aggregate(report) = report else { panic!("a report of kind {}", report.kind()) };
    Got { part, report: *report, quirks }
}

pub(crate) fn tls(input: impl AsRef<[u8]>) -> Got<TlsReport<'static>> {
    let Got { part, report, quirks } = one(input.as_ref());
    let Report::Tls(report) = report else { panic!("a report of kind {}", report.kind()) };
    Got { part, report, quirks }
}

pub(crate) fn failure(input: impl AsRef<[u8]>) -> Got<FailureReport<'static>> {
    let Got { part, report, quirks } = one(input.as_ref());
    let Report::Failure(report) = report else { panic!("a report of kind {}", report.kind()) };
    Got { part, report: *report, quirks }
}

/// Addresses and counts of the records that count, in their order.
pub(crate) fn counted(report: &AggregateReport<'_>) -> Vec<(String, u64)> {
    let ip = |ip: Option<std::net::IpAddr>| ip.map(|ip| ip.to_string()).unwrap_or_default();
    report.records.iter().map(|record| (ip(record.row.source_ip), record.row.count)).collect()
}

/// Asserts that `input` holds the aggregate report of [`xml`] at `part`, whole, and with these deviations only.
#[track_caller]
pub(crate) fn assert_xml(input: impl AsRef<[u8]>, part: &str, quirks: &[QuirkCode]) {
    let got = aggregate(input);
    let addresses = [("192.0.2.10".to_owned(), 12), ("2001:db8::25".to_owned(), 3)];
    assert_eq!(counted(&got.report), addresses);
    assert_eq!(got.report, aggregate(xml()).report);
    assert_eq!((got.part.as_str(), got.codes().as_slice()), (part, quirks), "{:?}", got.quirks);
}

/// Asserts that `input` holds the TLS report of [`json`] at `part`, whole, and with these deviations only.
#[track_caller]
pub(crate) fn assert_json(input: impl AsRef<[u8]>, part: &str, quirks: &[QuirkCode]) {
    let got = tls(input);
    let sessions: Vec<_> =
        got.report.policies.iter().map(|p| p.summary.total_successful_session_count).collect();
    assert_eq!(sessions, [4_120, 12]);
    assert_eq!(got.report, tls(json()).report);
    assert_eq!((got.part.as_str(), got.codes().as_slice()), (part, quirks), "{:?}", got.quirks);
}

/// Part and id of every report, in their order.
pub(crate) fn ids(input: impl AsRef<[u8]>) -> Vec<(String, String)> {
    let id = |report: Report<'static>| match report {
        Report::Aggregate(report) => report.report_metadata.report_id.into_owned(),
        Report::Tls(report) => report.report_id.into_owned(),
        other => panic!("a report of kind {}", other.kind()),
    };
    reports(input.as_ref()).into_iter().map(|got| (got.part, id(got.report))).collect()
}

/// The aggregate report of [`xml`] with another identifier.
pub(crate) fn xml_with_id(id: &str) -> String {
    xml().replace("<report_id>example.org.1788220800<", &format!("<report_id>{id}<"))
}
