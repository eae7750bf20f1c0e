//! Aggregate reports: dialects, deviations and refusals. A name that begins with a letter and two digits carries the id
//! of a conformance case.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

use std::borrow::Cow;

use dmarc_core::evaluate::evaluate;
use dmarc_core::model::aggregate::{
    ActionDisposition, AggregateReport, Disposition, DmarcResult, PolicyOverride, SpfScope, Testing,
};
use dmarc_core::model::auth::SpfResultCode;
use dmarc_core::{ErrorKind, Limits, Parsed, QuirkCode};
use proptest::prelude::*;

const META: &str = "<report_metadata><org_name>r.example</org_name><email>d@r.example</email><report_id>1</report_id>\
    <date_range><begin>1789171200</begin><end>1789257599</end></date_range></report_metadata>";
const POLICY: &str = "<policy_published><domain>example.com</domain><p>none</p></policy_published>";
const NS: &str = "urn:ietf:params:xml:ns:dmarc-2.0";

fn record(row: &str, identifiers: &str, auth: &str) -> String {
    format!(
        "<record><row>{row}</row><identifiers>{identifiers}</identifiers><auth_results>{auth}</auth_results></record>"
    )
}

fn row(ip: &str, count: &str) -> String {
    format!(
        "<source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated><disposition>none</disposition>\
         <dkim>pass</dkim><spf>fail</spf></policy_evaluated>"
    )
}

fn feedback(records: &str) -> String {
    format!("<feedback><version>1.0</version>{META}{POLICY}{records}</feedback>")
}

/// A report of one plain record, whose `auth_results` are `auth`.
fn with_auth(auth: &str) -> String {
    feedback(&record(&row("192.0.2.1", "1"), "<header_from>example.com</header_from>", auth))
}

fn with_row(ip: &str, count: &str) -> String {
    feedback(&record(&row(ip, count), "<header_from>example.com</header_from>", ""))
}

fn with_evaluated(evaluated: &str) -> String {
    let row = format!(
        "<source_ip>192.0.2.1</source_ip><count>1</count><policy_evaluated>{evaluated}</policy_evaluated>"
    );
    feedback(&record(&row, "<header_from>example.com</header_from>", ""))
}

fn parse_all(xml: &str) -> Vec<Result<Parsed<AggregateReport<'static>>, dmarc_core::Error>> {
    let limits = Limits::default();
    dmarc_core::parse::aggregate::parse(xml, &limits)
        .into_iter()
        .map(|report| report.map(|parsed| parsed.map(AggregateReport::into_owned)))
        .collect()
}

fn parse(xml: &str) -> Parsed<AggregateReport<'static>> {
    let mut reports = parse_all(xml);
    assert_eq!(reports.len(), 1, "{xml}");
    reports.remove(0).unwrap()
}

fn refuse(xml: &str) -> ErrorKind {
    parse_all(xml).pop().unwrap().unwrap_err().kind()
}

fn codes(parsed: &Parsed<AggregateReport<'_>>) -> Vec<&'static str> {
    parsed.quirks.as_slice().iter().map(|quirk| quirk.code.as_str()).collect()
}

/// The samples of a whole report.
macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../../testdata/aggregate/", $name))
    };
}

#[test]
fn a01_reads_a_report_of_rfc_9990() {
    let parsed = parse(sample!("rfc9990-pass.xml"));
    assert_eq!(codes(&parsed), Vec::<&str>::new());
    let report = &parsed.report;
    assert_eq!(report.namespace.as_deref(), Some(NS));
    assert_eq!(report.report_metadata.generator.as_deref(), Some("reporter 3.1"));
    assert_eq!(report.policy_published.np, Some(Disposition::None));
    let record = &report.records[0];
    let disposition = record.row.policy_evaluated.disposition.as_ref().unwrap();
    assert_eq!((disposition.as_str(), disposition.is_delivered()), ("pass", true));
    let evaluation = evaluate(record, &report.policy_published);
    assert!(evaluation.dkim_aligned && evaluation.derived_dkim && !evaluation.spf_aligned);
    assert!(evaluation.is_pass() && !evaluation.disagrees);
}

#[test]
fn a02_reads_every_element_of_rfc_9990_in_any_order() {
    let parsed = parse(sample!("rfc9990-every-element.xml"));
    assert_eq!(codes(&parsed), Vec::<&str>::new());
    let report = &parsed.report;
    assert_eq!(report.records.len(), 2);
    assert_eq!(report.policy_published.fo.as_deref(), Some("1:s"));
    assert_eq!(report.extension.len(), 2);
    assert_eq!(report.extension[1].xml, "<m:list><m:record>no record of ours</m:record></m:list>");
    let record = &report.records[0];
    assert_eq!(record.extensions[0].xml, "<m:arc>pass</m:arc>");
    assert_eq!((record.row.count, record.row.source_ip), (9, Some("2001:db8::9".parse().unwrap())));
    let kinds: Vec<_> =
        record.row.policy_evaluated.reasons.iter().map(|reason| reason.kind.clone()).collect();
    assert_eq!(kinds, [PolicyOverride::MailingList, PolicyOverride::PolicyTestMode]);
    let human = record.auth_results.dkim[1].human_result.as_ref().unwrap();
    assert_eq!((human.text.as_ref(), human.lang.as_deref()), ("verändert", Some("de")));
}

#[test]
fn a03_reads_a_full_report_of_rfc_7489() {
    let parsed = parse(sample!("rfc7489.xml"));
    let policy = &parsed.report.policy_published;
    assert_eq!((&parsed.report.namespace, parsed.report.version.as_deref()), (&None, Some("1.0")));
    assert!(policy.pct.is_some() && policy.sp.is_some() && policy.fo.is_some());
    assert_eq!((&policy.np, &policy.testing, &policy.discovery_method), (&None, &None, &None));
    assert!(parsed.report.records[0].auth_results.spf[0].scope.is_some());
}

#[test]
fn a05_reads_a_report_of_the_drafts() {
    let report = parse(sample!("draft.xml")).report;
    assert_eq!((&report.version, &report.policy_published.fo), (&None, &None));
    let record = &report.records[0];
    assert_eq!(record.identifiers.envelope_from, None);
    assert!(record.auth_results.dkim.iter().all(|dkim| dkim.selector.is_none()));
    assert!(record.auth_results.spf.iter().all(|spf| spf.scope.is_none()));
}

#[test]
fn a03_a05_keeps_absent_what_is_absent() {
    let report = parse(&with_auth("")).report;
    assert_eq!((&report.policy_published.np, &report.policy_published.testing), (&None, &None));
    assert_eq!(report.records[0].identifiers.envelope_from, None);
}

#[test]
fn a04_accepts_a_missing_version() {
    let parsed = parse(&with_auth("").replace("<version>1.0</version>", ""));
    assert_eq!(codes(&parsed), ["missing_version"]);
}

#[test]
fn a06_a07_a08_reads_the_same_records_in_every_namespace_form() {
    let plain = parse(&with_auth(
        "<dkim><domain>example.com</domain><selector>s</selector><result>pass</result></dkim>",
    ));
    let default =
        with_auth("<dkim><domain>example.com</domain><selector>s</selector><result>pass</result></dkim>");
    let in_default = default.replace("<feedback>", "<feedback xmlns=\"http://dmarc.org/dmarc-xml/0.1\">");
    let on_root = default
        .replace("<feedback>", "<d:feedback xmlns:d=\"http://dmarc.org/dmarc-xml/0.1\">")
        .replace("</feedback>", "</d:feedback>");
    let on_all = default
        .replace("</", "\u{1}")
        .replace('<', "<d:")
        .replace('\u{1}', "</d:")
        .replace("<d:feedback>", &format!("<d:feedback xmlns:d=\"{NS}\">"));
    for form in [in_default, on_root, on_all] {
        let parsed = parse(&form);
        assert_eq!(parsed.report.records, plain.report.records, "{form}");
        assert_eq!(codes(&parsed), Vec::<&str>::new(), "{form}");
    }
}

#[test]
fn a09_reads_an_unknown_namespace_and_says_so() {
    let parsed = parse(&with_auth("").replace("<feedback>", "<feedback xmlns=\"urn:x-unknown\">"));
    assert_eq!((parsed.report.records.len(), codes(&parsed)), (1, vec!["unknown_namespace"]));
}

#[test]
fn a10_does_not_mind_declarations_that_nobody_uses() {
    let xsi = "<feedback xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">";
    assert_eq!(codes(&parse(&with_auth("").replace("<feedback>", xsi))), Vec::<&str>::new());
}

#[test]
fn a11_keeps_values_of_drafts_in_the_namespace_of_rfc_9990() {
    let spf = "<spf><domain>a.example</domain><scope>helo</scope><result>fail</result></spf>";
    let reasons = "</spf><reason><type>forwarded</type></reason><reason><type>sampled_out</type></reason></policy_evaluated>";
    let xml = with_auth(&spf.repeat(2))
        .replace("<feedback>", &format!("<feedback xmlns=\"{NS}\">"))
        .replace("</spf></policy_evaluated>", reasons);
    let parsed = parse(&xml);
    let record = &parsed.report.records[0];
    let kinds: Vec<_> =
        record.row.policy_evaluated.reasons.iter().map(|reason| reason.kind.clone()).collect();
    assert_eq!(kinds, [PolicyOverride::Forwarded, PolicyOverride::SampledOut]);
    let scopes: Vec<_> = record.auth_results.spf.iter().map(|spf| spf.scope.clone()).collect();
    assert_eq!(scopes, [Some(SpfScope::Helo), Some(SpfScope::Helo)]);
    let details: Vec<_> = parsed.quirks.as_slice().iter().map(|q| (q.code, q.detail.as_str())).collect();
    let foreign = |word| (QuirkCode::ValueNotInDialect, word);
    let repeated = (QuirkCode::Repeated, "feedback/record/auth_results/spf");
    assert_eq!(details, [foreign("forwarded"), foreign("sampled_out"), repeated, foreign("scope helo")]);
}

#[test]
fn a12_reads_t_as_testing() {
    let parsed = parse(&with_auth("").replace("<p>none</p>", "<p>none</p><t>y</t><psd>n</psd>"));
    assert_eq!(parsed.report.policy_published.testing, Some(Testing::Yes));
    assert_eq!(parsed.report.unknown[0].xml, "<psd>n</psd>");
    assert_eq!(codes(&parsed), ["unknown_element", "hybrid_dialect"]);
}

#[test]
fn a13_keeps_np_in_a_report_without_namespace() {
    let parsed = parse(&with_auth("").replace("<p>none</p>", "<p>none</p><np>reject</np>"));
    assert_eq!(parsed.report.policy_published.np, Some(Disposition::Reject));
    assert_eq!(codes(&parsed), ["hybrid_dialect"]);
}

#[test]
fn a14_a15_compares_version_as_a_number() {
    for version in ["1", "1.00", "1.0"] {
        assert_eq!(
            codes(&parse(&with_auth("").replace(">1.0<", &format!(">{version}<")))),
            Vec::<&str>::new()
        );
    }
    let drafted = parse(&with_auth("").replace(">1.0<", ">2.0<").replace("<p>", "<np>none</np><p>"));
    assert_eq!(drafted.report.version.as_deref(), Some("2.0"));
    assert_eq!(codes(&drafted), ["unexpected_version", "hybrid_dialect"]);
}

#[test]
fn a16_keeps_the_extensions_of_drafts() {
    let extension =
        "<extensions><extension name=\"a\" definition=\"https://e.example/\"><b/></extension></extensions>";
    let xml = with_auth("")
        .replace("<record>", &format!("{extension}<record>"))
        .replace("</record>", &format!("{extension}</record>"));
    let report = parse(&xml).report;
    let plain = parse(&with_auth("")).report;
    assert_eq!((report.extension.len(), report.records[0].extensions.len()), (1, 1));
    assert_eq!(report.records.len(), 1);
    assert_eq!(
        (&report.records[0].row, &report.records[0].identifiers),
        (&plain.records[0].row, &plain.records[0].identifiers)
    );
}

#[test]
fn a17_keeps_unknown_elements_aside_with_one_quirk_a_path() {
    let mut xml = with_auth("<arc/><arc/>").replace("</row>", "<weight>9<record/></weight></row>");
    for section in ["report_metadata", "date_range", "policy_published", "policy_evaluated", "identifiers"] {
        xml = xml.replace(&format!("</{section}>"), &format!("<odd/></{section}>"));
    }
    let parsed = parse(&xml.replace("<record>", "<odd/><record>"));
    let mut record = parsed.report.records[0].clone();
    let unknown: Vec<_> = std::mem::take(&mut record.unknown)
        .into_iter()
        .map(|element| (element.path.into_owned(), element.xml.into_owned()))
        .collect();
    assert_eq!([record], *parse(&with_auth("")).report.records);
    assert_eq!(unknown.len(), 5);
    assert_eq!(
        unknown[1],
        ("feedback/record/row/weight".to_owned(), "<weight>9<record/></weight>".to_owned())
    );
    let outside: Vec<_> = parsed.report.unknown.iter().map(|element| element.path.as_ref()).collect();
    let metadata = "feedback/report_metadata";
    assert_eq!(
        outside,
        [
            &format!("{metadata}/date_range/odd"),
            &format!("{metadata}/odd"),
            "feedback/policy_published/odd",
            "feedback/odd"
        ]
    );
    let details: Vec<_> = parsed.quirks.as_slice().iter().map(|q| (q.detail.as_str(), q.count)).collect();
    let expected = [
        ("feedback/report_metadata/date_range/odd", 1),
        ("feedback/report_metadata/odd", 1),
        ("feedback/policy_published/odd", 1),
        ("feedback/odd", 1),
        ("feedback/record/row/policy_evaluated/odd", 1),
        ("feedback/record/row/weight", 1),
        ("feedback/record/identifiers/odd", 1),
        ("feedback/record/auth_results/arc", 2),
    ];
    assert_eq!(details, expected);
}

#[test]
fn a18_derives_what_applies_from_p_alone() {
    let policy = parse(&with_auth("").replace("<p>none</p>", "<p>reject</p>")).report.policy_published;
    assert_eq!(
        (&policy.sp, &policy.np, &policy.adkim, &policy.aspf, &policy.fo),
        (&None, &None, &None, &None, &None)
    );
    assert_eq!(policy.effective_sp(), Some(&Disposition::Reject));
    assert_eq!(policy.effective_np(), Some(&Disposition::Reject));
    assert!(!policy.is_dkim_strict() && !policy.is_spf_strict());
    assert_eq!(policy.effective_fo(), "0");
}

#[test]
fn a19_lets_np_follow_sp() {
    let xml = with_auth("").replace("<p>none</p>", "<p>reject</p><sp>quarantine</sp>");
    assert_eq!(parse(&xml).report.policy_published.effective_np(), Some(&Disposition::Quarantine));
}

#[test]
fn a21_does_not_take_no_action_for_a_failure() {
    let xml = with_auth("")
        .replace("<feedback>", &format!("<feedback xmlns=\"{NS}\">"))
        .replace("<p>none</p>", "<p>reject</p>");
    let report = parse(&xml).report;
    let record = &report.records[0];
    assert_eq!(record.row.policy_evaluated.disposition, Some(ActionDisposition::None));
    assert!(evaluate(record, &report.policy_published).is_pass());
}

#[test]
fn a20_a26_keeps_dispositions_of_other_dialects() {
    let disposition = |word: &str| {
        parse(&with_evaluated(&format!("<disposition>{word}</disposition><dkim>fail</dkim><spf>fail</spf>")))
    };
    let pass = disposition("pass");
    assert_eq!(pass.report.records[0].row.policy_evaluated.disposition, Some(ActionDisposition::Pass));
    assert!(pass.report.records[0].row.policy_evaluated.disposition.as_ref().unwrap().is_delivered());
    assert_eq!(codes(&pass), ["value_not_in_dialect"]);
    let unknown = disposition("softfail");
    let kept = ActionDisposition::Other(Cow::Borrowed("softfail"));
    assert_eq!(unknown.report.records[0].row.policy_evaluated.disposition, Some(kept));
    assert_eq!(codes(&unknown), ["unknown_value"]);
}

#[test]
fn a22_reads_words_in_any_case_and_space() {
    let parsed = parse(&with_evaluated("<disposition> none </disposition><dkim>Pass</dkim><spf>fail</spf>"));
    assert_eq!(parsed.report.records[0].row.policy_evaluated.dkim, Some(DmarcResult::Pass));
    assert_eq!(codes(&parsed), ["normalized_value", "normalized_value"]);
    let parsed = parse(&with_evaluated("<disposition>Reject</disposition><dkim>fail</dkim><spf>fail</spf>"));
    let disposition = &parsed.report.records[0].row.policy_evaluated.disposition;
    assert_eq!((disposition, codes(&parsed)), (&Some(ActionDisposition::Reject), vec!["normalized_value"]));
}

#[test]
fn a25_knows_policy_as_a_result_of_rfc_9990_only() {
    let legacy = with_auth("<spf><domain>example.com</domain><result>policy</result></spf>");
    assert_eq!(codes(&parse(&legacy)), ["value_not_in_dialect"]);
    let parsed = parse(&legacy.replace("<feedback>", &format!("<feedback xmlns=\"{NS}\">")));
    assert_eq!(codes(&parsed), Vec::<&str>::new());
    assert!(!evaluate(&parsed.report.records[0], &parsed.report.policy_published).derived_spf);
}

#[test]
fn a23_a24_a25_takes_no_odd_spf_result_for_a_pass() {
    for (word, expected, code) in [
        ("hardfail", SpfResultCode::Fail, QuirkCode::NormalizedValue),
        ("unknown", SpfResultCode::Other(Cow::Borrowed("unknown")), QuirkCode::UnknownValue),
        ("error", SpfResultCode::Other(Cow::Borrowed("error")), QuirkCode::UnknownValue),
        ("policy", SpfResultCode::Policy, QuirkCode::ValueNotInDialect),
    ] {
        let parsed =
            parse(&with_auth(&format!("<spf><domain>example.com</domain><result>{word}</result></spf>")));
        let record = &parsed.report.records[0];
        assert_eq!(record.auth_results.spf[0].result, expected);
        assert!(!evaluate(record, &parsed.report.policy_published).derived_spf);
        let kept = parsed.quirks.as_slice().iter().any(|q| q.code == code && q.detail.contains(word));
        assert!(kept, "{word}: {:?}", parsed.quirks);
    }
}

#[test]
fn a27_a28_a29_keeps_every_reason_in_order() {
    let evaluated = "<disposition>none</disposition><dkim>fail</dkim><spf>fail</spf>\
        <reason>sampled_out</reason><reason><type/><comment/></reason><reason><type>mailing_list</type></reason><reason/>";
    let parsed = parse(&with_evaluated(evaluated));
    let kinds: Vec<_> =
        parsed.report.records[0].row.policy_evaluated.reasons.iter().map(|r| r.kind.clone()).collect();
    let empty = PolicyOverride::Other(Cow::Borrowed(""));
    assert_eq!(kinds, [PolicyOverride::SampledOut, empty, PolicyOverride::MailingList]);
    assert!(
        parsed.quirks.contains(QuirkCode::StrayText) && parsed.quirks.contains(QuirkCode::MissingElement)
    );
}

#[test]
fn a30_keeps_language() {
    let text = |name: &str| format!("<{name} lang=\"de\">kaputt</{name}>");
    let result = "<domain>a.example</domain><result>fail</result>";
    let xml = with_auth(&format!("<dkim>{result}{}</dkim>", text("human_result")))
        .replace("</email>", &format!("</email>{}{}", text("extra_contact_info"), text("error")))
        .replace(
            "</policy_evaluated>",
            &format!("<reason><type>other</type>{}</reason></policy_evaluated>", text("comment")),
        );
    let parsed = parse(&xml);
    let (metadata, record) = (&parsed.report.report_metadata, &parsed.report.records[0]);
    for text in [
        Some(&metadata.errors[0]),
        metadata.extra_contact_info.as_ref(),
        record.row.policy_evaluated.reasons[0].comment.as_ref(),
        record.auth_results.dkim[0].human_result.as_ref(),
    ] {
        let text = text.unwrap();
        assert_eq!((text.text.as_ref(), text.lang.as_deref()), ("kaputt", Some("de")));
    }
    assert_eq!(codes(&parsed), Vec::<&str>::new());
}

#[test]
fn a31_keeps_every_error() {
    let errors = "</email><error>1</error><error>2</error><error>3</error><error>4</error>";
    let legacy = with_auth("").replace("</email>", errors);
    assert_eq!(codes(&parse(&legacy)), Vec::<&str>::new());
    let parsed = parse(&legacy.replace("<feedback>", &format!("<feedback xmlns=\"{NS}\">")));
    let texts: Vec<_> =
        parsed.report.report_metadata.errors.iter().map(|error| error.text.as_ref()).collect();
    assert_eq!((texts, codes(&parsed)), (vec!["1", "2", "3", "4"], vec!["repeated"]));
}

#[test]
fn a32_tells_the_null_reverse_path_from_an_absent_one() {
    let xml = with_auth("").replace("<header_from>", "<envelope_from/><header_from>");
    assert!(parse(&xml).report.records[0].identifiers.envelope_from.as_ref().unwrap().is_empty());
}

#[test]
fn a33_a34_a35_invents_no_results() {
    let auth = parse(&with_auth("")).report.records[0].auth_results.clone();
    assert!(auth.dkim.is_empty() && auth.spf.is_empty());
    let xml = with_auth(
        "<dkim><domain>example.com</domain><result>pass</result></dkim><spf><domain/><result>none</result></spf>",
    );
    let auth = parse(&xml).report.records[0].auth_results.clone();
    assert_eq!((auth.dkim[0].selector.clone(), auth.spf[0].domain.is_empty()), (None, true));
    let report = parse(&xml.replace("<result>none", "<result>pass")).report;
    assert!(!evaluate(&report.records[0], &report.policy_published).derived_spf);
}

#[test]
fn a35_notes_a_missing_selector_in_rfc_9990_only() {
    let legacy = with_auth("<dkim><domain>example.com</domain><result>pass</result></dkim>");
    assert_eq!(codes(&parse(&legacy)), Vec::<&str>::new());
    let parsed = parse(&legacy.replace("<feedback>", &format!("<feedback xmlns=\"{NS}\">")));
    assert_eq!(parsed.report.records[0].auth_results.dkim[0].selector, None);
    assert_eq!(codes(&parsed), ["missing_element"]);
}

#[test]
fn a36_keeps_150_signatures() {
    let parsed = parse(&with_auth(
        &"<dkim><domain>a.example</domain><selector>s</selector><result>fail</result></dkim>".repeat(150),
    ));
    assert_eq!(parsed.report.records[0].auth_results.dkim.len(), 150);
    assert_eq!(codes(&parsed), ["many_signatures"]);
}

#[test]
fn a37_keeps_two_records_of_one_host_apart() {
    let auth = |result: &str| format!("<dkim><domain>a.example</domain><result>{result}</result></dkim>");
    let from = "<header_from>example.com</header_from>";
    let records = record(&row("192.0.2.1", "3"), from, &auth("pass"))
        + &record(&row("192.0.2.1", "4"), from, &auth("fail"));
    let report = parse(&feedback(&records)).report;
    assert_eq!(report.records.iter().map(|record| record.row.count).collect::<Vec<_>>(), [3, 4]);
    let flat = dmarc_core::record::flatten(report, String::new(), dmarc_core::record::Trust::Unverified);
    assert_eq!(flat.iter().map(|record| record.message_count).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn a38_has_one_form_for_an_address() {
    for (raw, canonical, odd) in [
        ("2001:DB8:0:0:0:0:0:25", "2001:db8::25", false),
        ("::ffff:192.0.2.1", "192.0.2.1", false),
        ("[2001:db8::1]", "2001:db8::1", true),
        ("IPv6:2001:db8::1", "2001:db8::1", true),
    ] {
        let parsed = parse(&with_row(raw, "1"));
        assert_eq!(parsed.report.records[0].row.source_ip.unwrap().to_string(), canonical);
        assert_eq!(parsed.quirks.contains(QuirkCode::NormalizedIp), odd, "{raw}");
    }
}

#[test]
fn a39_counts_a_record_whose_address_is_hidden() {
    for ip in ["X.X.X.X", ""] {
        let parsed = parse(&with_row(ip, "5"));
        assert_eq!((parsed.report.records[0].row.source_ip, parsed.report.records[0].row.count), (None, 5));
        assert!(parsed.quirks.contains(QuirkCode::MaskedIp));
    }
}

#[test]
fn a40_sets_records_aside_that_cannot_be_counted() {
    for count in ["0", "-3", "abc", "18446744073709551616", ""] {
        let parsed = parse(&with_row("192.0.2.1", count));
        assert_eq!((parsed.report.records.len(), parsed.report.rejected_records.len()), (0, 1), "{count}");
        assert!(parsed.report.rejected_records[0].reason.contains(count));
    }
    let parsed = parse(&with_row("999.1.2.3", "5"));
    assert_eq!(parsed.report.rejected_records[0].reason, "source_ip is \"999.1.2.3\"");
}

#[test]
fn a41_a42_a43_reads_odd_periods_and_says_so() {
    let range = |begin: &str, end: &str| {
        let xml = with_auth("").replace("1789171200", begin).replace("1789257599", end);
        let parsed = parse(&xml);
        (parsed.report.report_metadata.date_range, codes(&parsed))
    };
    let (normal, _) = range("1709510400", "1709596799");
    assert_eq!(range("1709510400.0", "1709596799000"), (normal, vec!["normalized_date", "normalized_date"]));
    assert_eq!(range("1709596799", "1709510400").1, ["implausible_period"]);
    assert_eq!(range("1709510400", "1709510400").1, Vec::<&str>::new());
}

#[test]
fn a45_keeps_a_report_without_records() {
    assert_eq!(codes(&parse(&feedback(""))), ["no_records"]);
}

#[test]
fn a46_uses_the_first_of_two_policies() {
    let second = "<policy_published><domain>other.example</domain><p>reject</p></policy_published>";
    let parsed = parse(&with_auth("").replace("<record>", &format!("{second}<record>")));
    assert_eq!(parsed.report.policy_published.domain.as_str(), "example.com");
    assert_eq!(codes(&parsed), ["repeated"]);
}

#[test]
fn a47_flags_an_author_domain_outside_the_policy_domain() {
    let parsed = parse(&with_auth("").replace("<header_from>example.com", "<header_from>notexample.com"));
    assert_eq!(codes(&parsed), ["foreign_header_from"]);
}

#[test]
fn a48_has_one_form_for_a_domain() {
    let from = |domain: &str| {
        let xml = with_auth("").replace("<domain>example.com", "<domain>example");
        parse(&xml.replace("<header_from>example.com", &format!("<header_from>{domain}")))
    };
    let (unicode, ascii) = (from("Bücher.example"), from("xn--bcher-kva.example"));
    let domain =
        |parsed: &Parsed<AggregateReport<'static>>| parsed.report.records[0].identifiers.header_from.clone();
    assert_eq!(domain(&unicode), domain(&ascii));
    assert_eq!(domain(&ascii).as_str(), "xn--bcher-kva.example");
    let raw: Vec<_> = unicode.quirks.as_slice().iter().map(|q| (q.code, q.detail.as_str())).collect();
    assert_eq!((raw, codes(&ascii)), (vec![(QuirkCode::OddDomain, "Bücher.example")], vec![]));
}

#[test]
fn a49_passes_over_stray_text() {
    assert_eq!(codes(&parse(&with_auth("").replace("<p>none</p>", "<p>none</p>11"))), ["stray_text"]);
}

#[test]
fn a50_names_the_reporter_by_its_mail_domain_where_it_has_no_name() {
    let parsed = parse(&with_auth("").replace("<org_name>r.example</org_name>", "<org_name/>"));
    assert_eq!(parsed.report.report_metadata.reporter(), "r.example");
    assert_eq!(codes(&parsed), ["missing_element"]);
}

#[test]
fn keeps_extensions_as_they_are_and_takes_no_record_from_them() {
    let xml = with_auth("")
        .replace("<feedback>", "<feedback xmlns:e=\"https://e.example/1\">")
        .replace("<record>", "<extension><e:x><record>no</record></e:x></extension><record>")
        .replace("</record></feedback>", "<e:arc a=\"1\">pass</e:arc></record></feedback>");
    let parsed = parse(&xml);
    assert_eq!(parsed.report.extension[0].xml, "<e:x><record>no</record></e:x>");
    assert_eq!(parsed.report.extension[0].namespace.as_deref(), Some("https://e.example/1"));
    assert_eq!(parsed.report.records.len(), 1);
    assert_eq!(parsed.report.records[0].extensions[0].xml, "<e:arc a=\"1\">pass</e:arc>");
}

#[test]
fn keeps_a_complete_document_before_trailing_damage() {
    let xml = format!("{}</oops>", with_row("192.0.2.1", "1"));
    assert!(parse(&xml).quirks.contains(QuirkCode::TrailingContent));
}

#[test]
fn refuses_a_document_that_is_cut_short_as_a_whole() {
    let xml = with_row("192.0.2.1", "1");
    let cut = xml.strip_suffix("</feedback>").unwrap();
    assert_eq!(refuse(cut), ErrorKind::Truncated("feedback"));
}

#[test]
fn x01_x02_refuses_a_document_type_before_reading_it() {
    for doctype in
        ["<!DOCTYPE b [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>", "<!DOCTYPE f SYSTEM 'file:///etc/passwd'>"]
    {
        assert_eq!(
            refuse(&format!("<?xml version='1.0'?>{doctype}{}", with_auth(""))),
            ErrorKind::DoctypeForbidden
        );
    }
}

#[test]
fn x06_finds_the_report_in_an_unclosed_wrapper() {
    let parsed =
        parse(&format!("<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">{}", with_auth("")));
    assert!(parsed.quirks.contains(QuirkCode::Salvaged));
}

#[test]
fn x08_refuses_elements_one_deeper_than_the_limit() {
    let depth = Limits::default().depth as usize;
    let nested = |levels: usize| {
        format!("<feedback>{}{}{META}{POLICY}</feedback>", "<x>".repeat(levels), "</x>".repeat(levels))
    };
    assert!(parse_all(&nested(depth - 1))[0].is_ok());
    assert_eq!(refuse(&nested(depth)), ErrorKind::LimitExceeded { limit: "depth", max: depth as u64 });
    assert_eq!(
        refuse(&"<feedback>".repeat(200_000)),
        ErrorKind::LimitExceeded { limit: "depth", max: depth as u64 }
    );
}

#[test]
fn x09_refuses_a_text_one_byte_over_the_limit() {
    let max = Limits::default().text_bytes;
    let name = |bytes: u64| {
        with_auth("")
            .replace("r.example</org", &format!("{}</org", "x".repeat(usize::try_from(bytes).unwrap())))
    };
    assert!(parse_all(&name(max))[0].is_ok());
    assert_eq!(refuse(&name(max + 1)), ErrorKind::LimitExceeded { limit: "text_bytes", max });
}

#[test]
fn refuses_one_record_element_attribute_or_result_over_the_limit() {
    let one = record(
        &row("192.0.2.1", "1"),
        "<header_from>example.com</header_from>",
        "<dkim><domain>a.example</domain><result>fail</result></dkim>",
    );
    let mut limits = Limits::default();
    limits.records = 2;
    let kind = |xml: &str, limits: &Limits| {
        dmarc_core::parse::aggregate::parse(xml, limits).pop().unwrap().map(|_| ()).map_err(|e| e.kind())
    };
    assert_eq!(kind(&feedback(&one.repeat(2)), &limits), Ok(()));
    assert_eq!(
        kind(&feedback(&one.repeat(3)), &limits),
        Err(ErrorKind::LimitExceeded { limit: "records", max: 2 })
    );
    let mut limits = Limits::default();
    let max = feedback(&one).matches("</").count() as u64;
    limits.elements = max;
    assert_eq!(kind(&feedback(&one), &limits), Ok(()));
    limits.elements = max - 1;
    assert_eq!(
        kind(&feedback(&one), &limits),
        Err(ErrorKind::LimitExceeded { limit: "elements", max: max - 1 })
    );
    let mut limits = Limits::default();
    limits.attributes = 1;
    let xml = |attributes: &str| feedback("").replace("<feedback>", &format!("<feedback {attributes}>"));
    assert_eq!(kind(&xml("a='1'"), &limits), Ok(()));
    assert_eq!(
        kind(&xml("a='1' b='2'"), &limits),
        Err(ErrorKind::LimitExceeded { limit: "attributes", max: 1 })
    );
    let mut limits = Limits::default();
    limits.results = 1;
    assert_eq!(
        kind(&with_auth(&"<dkim><domain>a.example</domain><result>fail</result></dkim>".repeat(2)), &limits),
        Err(ErrorKind::LimitExceeded { limit: "results", max: 1 })
    );
}

#[test]
fn refuses_one_name_extension_rejected_record_or_document_over_the_limit() {
    let kind = |xml: &str, limits: &Limits| {
        dmarc_core::parse::aggregate::parse(xml, limits).pop().unwrap().map(|_| ()).map_err(|e| e.kind())
    };
    let over = |limit, max| Err(ErrorKind::LimitExceeded { limit, max });
    let max = Limits::default().name_bytes;
    let names = |bytes: u64| {
        let name = "n".repeat(usize::try_from(bytes).unwrap());
        [
            with_auth(&format!("<{name}/>")),
            with_auth("").replace("<feedback>", &format!("<feedback xmlns:e=\"{name}\">")),
        ]
    };
    for (at, one_over) in names(max).iter().zip(names(max + 1)) {
        assert_eq!(kind(at, &Limits::default()), Ok(()));
        assert_eq!(kind(&one_over, &Limits::default()), over("name_bytes", max));
    }
    let mut limits = Limits::default();
    (limits.extensions, limits.rejected_records, limits.reports) = (2, 2, 2);
    let extended =
        |n| with_auth("").replace("</record>", &format!("{}</record>", "<e:x xmlns:e=\"u\"/>".repeat(n)));
    assert_eq!(kind(&extended(2), &limits), Ok(()));
    assert_eq!(kind(&extended(3), &limits), over("extensions", 2));
    assert_eq!(kind(&feedback(&"<record/>".repeat(2)), &limits), Ok(()));
    assert_eq!(kind(&feedback(&"<record/>".repeat(3)), &limits), over("rejected_records", 2));
    assert_eq!(kind(&with_auth("").repeat(2), &limits), Ok(()));
    assert_eq!(kind(&with_auth("").repeat(3), &limits), over("reports", 2));
}

#[test]
fn joins_the_pieces_of_a_bare_reason() {
    let evaluated = "<disposition>none</disposition><dkim>fail</dkim><spf>fail</spf><reason>mailing<!-- -->_list</reason>";
    let parsed = parse(&with_evaluated(evaluated));
    let reasons = &parsed.report.records[0].row.policy_evaluated.reasons;
    assert_eq!(reasons[0].kind, PolicyOverride::MailingList);
}

#[test]
fn resolves_only_the_entities_of_xml() {
    let parsed = parse(&with_auth("").replace("r.example</org", "A &amp; B &#x26; C &nbsp;&#0;</org"));
    assert_eq!(parsed.report.report_metadata.org_name, "A & B & C &nbsp;\u{fffd}");
    assert!(parsed.quirks.contains(QuirkCode::UnknownEntity));
}

#[test]
fn refuses_a_report_without_period_or_policy_domain() {
    assert_eq!(
        refuse(&with_auth("").replace("<begin>1789171200</begin>", "")),
        ErrorKind::MissingElement("begin")
    );
    assert_eq!(
        refuse(&with_auth("").replace("<begin>1789171200", "<begin>soon")),
        ErrorKind::BadValue("begin")
    );
    assert_eq!(
        refuse(&with_auth("").replace("<domain>example.com</domain>", "")),
        ErrorKind::MissingElement("domain")
    );
}

#[test]
fn reads_helo_and_two_spf_results() {
    let one = "<spf><domain>a.example</domain><scope>helo</scope><result>pass</result></spf>";
    let spf = parse(&with_auth(&one.repeat(2))).report.records[0].auth_results.spf.clone();
    assert_eq!((spf.len(), spf[0].scope.clone()), (2, Some(SpfScope::Helo)));
}

proptest! {
    #[test]
    fn never_panics_on_any_text(text in ".{0,400}") {
        parse_all(&text);
    }

    #[test]
    fn never_panics_on_a_damaged_report(at in 0..900usize, junk in "[<>&;/a-z\"'= \u{0}\u{fe}]{0,12}") {
        let mut xml = with_auth("<dkim><domain>example.com</domain><result>pass</result></dkim>");
        let at = xml.floor_char_boundary(at.min(xml.len()));
        xml.insert_str(at, &junk);
        for report in parse_all(&xml).into_iter().flatten() {
            // Whatever was recovered: a count is never invented.
            prop_assert!(report.report.records.iter().all(|r| r.row.count >= 1));
        }
    }

    #[test]
    fn conserves_every_record_and_every_message(counts in proptest::collection::vec(1..1_000_000u64, 0..40)) {
        let records: String = counts.iter().map(|c| record(&row("192.0.2.1", &c.to_string()), "<header_from>example.com</header_from>", "")).collect();
        let report = parse(&feedback(&records)).report;
        let read: Vec<u64> = report.records.iter().map(|r| r.row.count).collect();
        prop_assert_eq!(read, counts);
    }
}

#[test]
fn x05_reads_text_that_is_not_escaped_and_says_so() {
    let whole = |tag: &str, text: &str| {
        let plain = feedback(&record(&row("192.0.2.1", "1"), "<header_from>example.com</header_from>", ""));
        let (before, rest) = plain.split_once(&format!("<{tag}>")).unwrap();
        let (_, behind) = rest.split_once(&format!("</{tag}>")).unwrap();
        format!("{before}<{tag}>{text}</{tag}>{behind}")
    };
    let cases = [
        ("email", "Foo <foo@example.com>", "salvaged"),
        ("email", "<dmarc@reporter.example>", "salvaged"),
        ("org_name", "a < b", "salvaged"),
        ("org_name", "AT&T", "salvaged"),
        ("org_name", "A&nbsp;B", "unknown_entity"),
    ];
    for (tag, text, code) in cases {
        let parsed = parse(&whole(tag, text));
        let metadata = &parsed.report.report_metadata;
        assert_eq!(if tag == "email" { &metadata.email } else { &metadata.org_name }, text);
        assert_eq!((parsed.report.records.len(), codes(&parsed)), (1, vec![code]), "{text}");
    }
    let damaged = whole("email", "<b>d</c>");
    let error = parse_all(&damaged).remove(0).unwrap_err();
    let behind = damaged.find("</c>").unwrap() + "</c>".len();
    assert_eq!((error.kind(), error.offset()), (ErrorKind::Xml, Some(behind as u64)));
}

#[test]
fn says_where_a_name_is_in_odd_letter_case() {
    let plain = with_auth("");
    let odd =
        plain.replace("feedback>", "FEEDBACK>").replace("record>", "Record>").replace("count>", "Count>");
    let parsed = parse(&odd);
    let details: Vec<_> =
        parsed.quirks.as_slice().iter().map(|quirk| (quirk.code.as_str(), quirk.detail.as_str())).collect();
    let paths = ["FEEDBACK", "FEEDBACK/Record", "FEEDBACK/Record/row/Count"];
    assert_eq!(details, paths.map(|path| ("letter_case", path)));
    assert_eq!(parsed.report, parse(&plain).report);
    // What is set aside has its own quirk, and the names of others are theirs.
    let parsed = parse(&plain.replace("<record>", "<Odd/><e:Odd xmlns:e='urn:e'><B/></e:Odd><record>"));
    assert_eq!(codes(&parsed), ["unknown_element"]);
}

#[test]
fn says_that_something_stands_before_the_xml_declaration() {
    let plain = with_auth("");
    for (before, expected) in [("", vec![]), ("\u{feff}", vec![]), ("\r\n", vec!["late_declaration"])] {
        let parsed = parse(&format!("{before}<?xml version=\"1.0\"?>\n{plain}"));
        assert_eq!(codes(&parsed), expected, "{before:?}");
    }
    assert_eq!(
        codes(&parse(&format!("junk<?xml version='1.0'?>{plain}"))),
        ["stray_text", "late_declaration"]
    );
}
