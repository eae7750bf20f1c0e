//! Writing: what is written reads back equal, is valid by the schema, and what cannot be written is named.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::process::Command;

use dmarc_core::model::aggregate::{PolicyOverride, SpfScope};
use dmarc_core::{AggregateReport, ErrorKind, Limits, TlsReport, parse, write};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

const SCHEMA: &str = "../../shared/spec/rfc9990/dmarc-2.0.xsd";

/// Text with markup, quotes, line ends and any other character that XML can hold, nothing that reading trims.
fn text() -> impl Strategy<Value = String> {
    let nasty =
        select(vec!["]]>", "&amp;", "<b>", "\"'", "a\r\nb", "\u{85}x", "ü€😀", "<!--", "&#0;", "\t1", "e"]);
    let any = any::<String>().prop_map(|text| text.replace(|c: char| c.is_control() || c > '\u{fffd}', "?"));
    (vec(prop_oneof![nasty.prop_map(str::to_owned), any], 0..4))
        .prop_map(|parts| format!("a{}z", parts.concat()))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn element(name: &'static str) -> impl Strategy<Value = String> {
    text().prop_map(move |text| format!("<{name}>{}</{name}>", escape(&text)))
}

fn lang_element(name: &'static str) -> impl Strategy<Value = String> {
    (text(), option::of("[a-z]{2}(-[A-Z0-9]{1,8})?")).prop_map(move |(text, lang)| {
        let lang = lang.map(|lang| format!(" lang=\"{lang}\"")).unwrap_or_default();
        format!("<{name}{lang}>{}</{name}>", escape(&text))
    })
}

fn word(name: &'static str, words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words).prop_map(move |word| format!("<{name}>{word}</{name}>"))
}

fn domain(name: &'static str) -> impl Strategy<Value = String> {
    "[a-zü]([a-z0-9-]{0,9}[a-z])?\\.(example|test)".prop_map(move |text| format!("<{name}>{text}</{name}>"))
}

fn maybe(element: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    option::of(element).prop_map(Option::unwrap_or_default)
}

const ACTIONS: &[&str] = &["none", "quarantine", "reject"];
const RESULTS: &[&str] = &["none", "pass", "fail", "policy", "neutral", "temperror", "permerror"];
const REASONS: &[&str] = &["local_policy", "mailing_list", "other", "policy_test_mode", "trusted_forwarder"];

fn extension() -> impl Strategy<Value = String> {
    select(vec!["<e:a b=\"1\"/>", "<e:x><c xmlns=\"urn:c\">&lt;1</c></e:x>", "<y xmlns=\"urn:y\"> <z/></y>"])
        .prop_map(str::to_owned)
}

fn evaluated() -> impl Strategy<Value = String> {
    let reason = (word("type", REASONS), maybe(lang_element("comment")))
        .prop_map(|(kind, comment)| format!("<reason>{kind}{comment}</reason>"));
    let disposition = word("disposition", &["none", "pass", "quarantine", "reject"]);
    (disposition, word("dkim", &["pass", "fail"]), word("spf", &["pass", "fail"]), vec(reason, 0..3))
        .prop_map(|(a, b, c, reasons)| {
            format!("<policy_evaluated>{a}{b}{c}{}</policy_evaluated>", reasons.concat())
        })
}

fn auth_results() -> impl Strategy<Value = String> {
    let human = || maybe(lang_element("human_result"));
    let dkim = (domain("domain"), element("selector"), word("result", RESULTS), human())
        .prop_map(|(a, b, c, d)| format!("<dkim>{a}{b}{c}{d}</dkim>"));
    let spf = (domain("domain"), maybe(word("scope", &["mfrom"])), word("result", RESULTS), human())
        .prop_map(|(a, b, c, d)| format!("<spf>{a}{b}{c}{d}</spf>"));
    (vec(dkim, 0..3), maybe(spf))
        .prop_map(|(dkim, spf)| format!("<auth_results>{}{spf}</auth_results>", dkim.concat()))
}

fn record() -> impl Strategy<Value = String> {
    let envelope_from = prop_oneof![domain("envelope_from"), Just("<envelope_from/>".to_owned())];
    let identifiers = (domain("header_from"), maybe(envelope_from), maybe(domain("envelope_to")));
    (
        any::<std::net::IpAddr>(),
        1..=1_u64 << 53,
        evaluated(),
        identifiers,
        auth_results(),
        vec(extension(), 0..2),
    )
        .prop_map(|(ip, count, evaluated, (a, b, c), auth, extensions)| {
            format!(
                "<record><row><source_ip>{ip}</source_ip><count>{count}</count>{evaluated}</row>\
                 <identifiers>{a}{b}{c}</identifiers>{auth}{}</record>",
                extensions.concat()
            )
        })
}

fn metadata() -> impl Strategy<Value = String> {
    let range = (0..4_000_000_000_i64, 0..4_000_000_000_i64)
        .prop_map(|(a, b)| format!("<date_range><begin>{a}</begin><end>{b}</end></date_range>"));
    let optional = (
        maybe(lang_element("extra_contact_info")),
        maybe(lang_element("error")),
        maybe(element("generator")),
    );
    (element("org_name"), element("email"), element("report_id"), range, optional).prop_map(
        |(a, b, c, d, (e, f, g))| format!("<report_metadata>{a}{b}{c}{d}{e}{f}{g}</report_metadata>"),
    )
}

fn policy() -> impl Strategy<Value = String> {
    let alignment = &["r", "s"];
    let first =
        (domain("domain"), word("p", ACTIONS), maybe(word("sp", ACTIONS)), maybe(word("np", ACTIONS)));
    let last = (
        maybe(word("adkim", alignment)),
        maybe(word("aspf", alignment)),
        maybe(word("discovery_method", &["psl", "treewalk"])),
        maybe(element("fo")),
        maybe(word("testing", &["n", "y"])),
    );
    (first, last).prop_map(|((a, b, c, d), (e, f, g, h, i))| {
        format!("<policy_published>{a}{b}{c}{d}{e}{f}{g}{h}{i}</policy_published>")
    })
}

fn aggregate() -> impl Strategy<Value = String> {
    let version = maybe(word("version", &["1.0", "1"]));
    (version, metadata(), policy(), vec(extension(), 0..3), vec(record(), 1..4)).prop_map(
        |(version, metadata, policy, extensions, records)| {
            format!(
                "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\" xmlns:e=\"urn:e\">{version}{metadata}{policy}\
                 <extension>{}</extension>{}</feedback>",
                extensions.concat(),
                records.concat()
            )
        },
    )
}

fn read(xml: &str) -> AggregateReport<'static> {
    parse::aggregate::parse(xml, &Limits::default()).remove(0).unwrap().report.into_owned()
}

fn read_tls(json: &str) -> TlsReport<'static> {
    parse::tlsrpt::parse(json, &Limits::default()).remove(0).unwrap().report.into_owned()
}

fn tls() -> impl Strategy<Value = String> {
    let failure = (text(), option::of(text()), any::<u64>()).prop_map(|(kind, more, count)| {
        serde_json::json!({ "result-type": kind, "sending-mta-ip": more, "receiving-mx-hostname": more,
            "receiving-mx-helo": more, "receiving-ip": more, "failed-session-count": count,
            "additional-information": more, "failure-reason-code": more })
    });
    let kind = select(vec!["tlsa", "sts", "no-policy-found", "future"]);
    let policy = (kind, vec(text(), 0..3), any::<(u64, u64)>(), vec(failure, 0..3)).prop_map(
        |(kind, lines, (good, bad), failures)| {
            serde_json::json!({
                "policy": { "policy-type": kind, "policy-string": lines, "policy-domain": "a.example", "mx-host": lines },
                "summary": { "total-successful-session-count": good, "total-failure-session-count": bad },
                "failure-details": failures })
        },
    );
    (text(), option::of(text()), text(), vec(policy, 0..3)).prop_map(|(name, contact, id, policies)| {
        serde_json::json!({
            "organization-name": name, "contact-info": contact, "report-id": id, "policies": policies,
            "date-range": { "start-datetime": "2025-03-04T00:00:00Z", "end-datetime": "2025-03-04T23:59:59" } })
        .to_string()
    })
}

/// Whether `xml` is valid by the schema of RFC 9990; `None` where that cannot be told here.
fn validates(xml: &str) -> Option<bool> {
    use std::io::Write as _;
    if !std::path::Path::new(SCHEMA).exists() {
        return None;
    }
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--schema", SCHEMA, "-"]).stdin(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::null()).spawn().ok()?;
    child.stdin.take().unwrap().write_all(xml.as_bytes()).unwrap();
    Some(child.wait().unwrap().success())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_aggregate_report_reads_back_equal_and_is_valid(xml in aggregate()) {
        let report = read(&xml);
        let written = write::aggregate::to_xml(&report).unwrap();
        prop_assert_eq!(read(&written), report);
        prop_assert!(validates(&written) != Some(false), "{}", written);
    }

    #[test]
    fn a_tls_report_reads_back_equal(json in tls()) {
        let report = read_tls(&json);
        prop_assert_eq!(read_tls(&write::tlsrpt::to_json(&report)), report);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn what_serde_writes_reads_back_equal(xml in aggregate(), json in tls()) {
        let reports = [
            dmarc_core::Report::Aggregate(Box::new(read(&xml))),
            dmarc_core::Report::Tls(read_tls(&json)),
        ];
        for report in reports {
            let text = serde_json::to_string(&report).unwrap();
            prop_assert_eq!(serde_json::from_str::<dmarc_core::Report<'static>>(&text).unwrap(), report);
        }
    }
}

#[cfg(feature = "serde")]
#[test]
fn what_serde_writes_of_a_failure_report_reads_back_equal() {
    let fields = "Feedback-Type: auth-failure\r\nUser-Agent: x/1\r\nVersion: 1\r\nAuth-Failure: dmarc\r\n\
        Authentication-Results: r.example; dkim=fail (\u{fc}) header.d=a.example\r\nIdentity-Alignment: dkim, spf\r\n\
        Reported-Domain: a.example\r\nOriginal-Mail-From: <b@a.example>\r\nSource-IP: 192.0.2.1\r\n\
        Arrival-Date: Tue, 04 Mar 2025 00:00:00 +0000\r\nIncidents: 3\r\nDelivery-Result: odd\r\nX-More: \"1\"\r\n";
    let found = dmarc_core::read(fields.as_bytes(), &Limits::default()).outcomes.remove(0).found;
    let dmarc_core::Found::Report(parsed) = found else { panic!("{found:?}") };
    let text = serde_json::to_string(&parsed.report).unwrap();
    assert_eq!(parsed.report.kind(), "failure");
    assert_eq!(serde_json::from_str::<dmarc_core::Report<'static>>(&text).unwrap(), parsed.report);
}

#[test]
fn says_when_the_schema_was_not_tried() {
    let verdict = validates("<x/>");
    assert_ne!(verdict, Some(true));
    if verdict.is_none() {
        println!("skipped: validation against the schema of RFC 9990 (needs xmllint and {SCHEMA})");
    }
}

fn plain() -> AggregateReport<'static> {
    read(
        "<feedback><report_metadata><org_name>r</org_name><email>e</email><report_id>1</report_id><date_range>\
         <begin>1</begin><end>2</end></date_range></report_metadata><policy_published><domain>a.example</domain>\
         <p>none</p></policy_published><record><row><source_ip>192.0.2.1</source_ip><count>1</count>\
         <policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>fail</spf><reason><type>other</type>\
         </reason></policy_evaluated></row><identifiers><header_from>a.example</header_from></identifiers>\
         <auth_results><dkim><domain>a.example</domain><selector>s</selector><result>pass</result></dkim><spf>\
         <domain>a.example</domain><result>pass</result></spf></auth_results></record></feedback>",
    )
}

#[test]
fn names_what_the_format_has_no_place_for() {
    type Change = fn(&mut AggregateReport<'static>);
    let cases: [(&str, Change); 11] = [
        ("pct", |r| r.policy_published.pct = Some("100".into())),
        ("p", |r| r.policy_published.p = None),
        ("forwarded", |r| r.records[0].row.policy_evaluated.reasons[0].kind = PolicyOverride::Forwarded),
        ("sampled_out", |r| r.records[0].row.policy_evaluated.reasons[0].kind = PolicyOverride::SampledOut),
        ("type", |r| r.records[0].row.policy_evaluated.reasons[0].kind = PolicyOverride::Other("x".into())),
        ("scope", |r| r.records[0].auth_results.spf[0].scope = Some(SpfScope::Helo)),
        ("spf", |r| {
            r.records[0].auth_results.spf = [(); 2].map(|()| r.records[0].auth_results.spf[0].clone()).into();
        }),
        ("selector", |r| r.records[0].auth_results.dkim[0].selector = None),
        ("source_ip", |r| r.records[0].row.source_ip = None),
        ("record", |r| r.records.clear()),
        ("org_name", |r| r.report_metadata.org_name = "\u{1}".into()),
    ];
    assert!(write::aggregate::to_xml(&plain()).is_ok());
    for (name, change) in cases {
        let mut report = plain();
        change(&mut report);
        assert_eq!(write::aggregate::to_xml(&report).unwrap_err().kind(), ErrorKind::Unwritable(name));
    }
}

#[test]
fn does_not_drop_an_element_that_the_format_does_not_have() {
    let written = write::aggregate::to_xml(&plain()).unwrap();
    for end in ["</policy_published>", "</record>", "</row>"] {
        let report = read(&written.replacen(end, &format!("<psd>n</psd>{end}"), 1));
        let error = write::aggregate::to_xml(&report).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unwritable("unknown element"), "{end}");
    }
}

#[test]
fn writes_no_extension_that_would_break_the_document() {
    let with = |xml: &str| {
        let mut report = read(
            &write::aggregate::to_xml(&plain())
                .unwrap()
                .replace("</record>", "<e:a xmlns:e=\"urn:e\"/></record>"),
        );
        report.records[0].extensions[0].xml = xml.to_owned().into();
        write::aggregate::to_xml(&report).map_err(|error| error.kind())
    };
    assert!(with("<e:a/>").is_ok());
    for xml in
        ["", "<a/>", "<e:a>", "<e:a/></x><x>", "</x><x><e:a/>", "<e:a/><e:b/>", "<e:a f:b=\"1\"/>", "<e:a/>t"]
    {
        assert_eq!(with(xml).unwrap_err(), ErrorKind::Unwritable("extension"), "{xml}");
    }
}
