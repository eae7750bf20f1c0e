//! Bulk loading: what it leaves is a dataset like any other.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use std::net::IpAddr;

use dmarc_core::arrow::Mail;
use dmarc_core::identity::identify;
use dmarc_core::model::Report;
use dmarc_core::record::{FlatRecord, Selection, Trust, flatten};
use dmarc_core::{Limits, parse::aggregate};
use dmarc_ingest::Host;
use dmarc_ingest::store::{Dataset, DatasetError, LoadedReport, RowBuilder, Rows, report_key};

/// 2026-11-01.
const BEGIN: i64 = 1_793_491_200;

/// A report of two records, as it is loaded, and its rows.
fn report(id: &str) -> (LoadedReport, Vec<FlatRecord>) {
    let record = |ip| {
        format!(
            "<record><row><source_ip>{ip}</source_ip><count>7</count><policy_evaluated><disposition>none</disposition>\
             <dkim>fail</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>example.org</header_from>\
             </identifiers><auth_results><spf><domain>example.org</domain><result>fail</result></spf></auth_results></record>"
        )
    };
    let xml = format!(
        "<feedback><report_metadata><org_name>receiver.example</org_name><report_id>{id}</report_id><date_range>\
         <begin>{BEGIN}</begin><end>{}</end></date_range></report_metadata><policy_published><domain>example.org</domain>\
         <p>none</p></policy_published>{}{}</feedback>",
        BEGIN + 86_399,
        record("192.0.2.1"),
        record("192.0.2.2")
    );
    let report = aggregate::parse(&xml, &Limits::default()).remove(0).unwrap().report.into_owned();
    let number = id.bytes().next().unwrap_or_default();
    let (identity, content) = identify(&Report::Aggregate(Box::new(report.clone())), "");
    let loaded = LoadedReport {
        identity,
        content,
        trust: Trust::Unverified,
        rows: 2,
        messages: 14,
        mail_hash: [number; 32],
        mail_bytes: 1_000,
        source: format!("new/{id}"),
        part: "2 report.xml.gz".to_owned(),
        from_domain: "receiver.example".to_owned(),
        message_id: format!("{id}@receiver.example"),
        date: BEGIN + 90_000,
    };
    (loaded, flatten(report, format!("new/{id} 2 report.xml.gz"), Trust::Unverified))
}

/// Reports, and their rows by source and report.
fn reports() -> (Vec<LoadedReport>, Vec<Rows>) {
    let mut rows = Vec::new();
    let mut reports = Vec::new();
    for id in ["a", "b", "c"] {
        let (loaded, records) = report(id);
        let key = report_key(&loaded.identity, &loaded.content);
        rows.extend(records.into_iter().map(|record| (record.source_ip, key.clone(), record)));
        reports.push(loaded);
    }
    rows.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let mut builder = RowBuilder::default();
    let mut built = Vec::new();
    for (_, key, record) in &rows {
        built.extend(builder.push(record, &Mail::default(), key).unwrap());
    }
    built.extend(builder.finish().unwrap());
    (reports, built)
}

#[test]
fn leaves_a_dataset_in_which_everything_agrees() {
    let root = tempfile::tempdir().unwrap();
    let mut dataset = Dataset::open(root.path()).unwrap();
    let (reports, rows) = reports();
    let ip: IpAddr = "192.0.2.1".parse().unwrap();
    let mut host = Host::default();
    host.name = "mx.example.org".to_owned();
    let mut load = dataset.load(BEGIN).unwrap();
    load.rows(rows).unwrap();
    let totals = load.finish(reports, [(ip, host.clone())]).unwrap();
    assert_eq!((totals.segments, totals.rows, totals.messages), (1, 6, 42));
    // Nothing is left to merge.
    assert!(!dataset.compact_some(2).unwrap());
    let reader = dataset.reader().unwrap();
    let verified = reader.verify().unwrap();
    assert_eq!((verified.mails, verified.reports, verified.rows), (3, 3, 6));
    assert_eq!(verified.problems, []);
    assert_eq!(
        reader.facts(&Selection::default()).unwrap().with(|facts| facts.host(ip)).unwrap(),
        Some(host.clone())
    );
    let mut selection = Selection::default();
    selection.domains.push("example.org".to_owned());
    assert_eq!(reader.facts(&selection).unwrap().with(|facts| facts.host(ip)).unwrap(), Some(host));
    let collected = reader.collected().unwrap();
    let ours: Vec<FlatRecord> = ["a", "b", "c"].into_iter().flat_map(|id| report(id).1).collect();
    assert_eq!(collected.records.len(), ours.len());
    assert!(ours.iter().all(|record| collected.records.contains(record)));
}

#[test]
fn takes_nothing_in_if_the_reports_have_other_rows_than_were_written() {
    let root = tempfile::tempdir().unwrap();
    let mut dataset = Dataset::open(root.path()).unwrap();
    let (mut reports, rows) = reports();
    reports.pop();
    let mut load = dataset.load(BEGIN).unwrap();
    load.rows(rows).unwrap();
    let refused = load.finish(reports, []);
    assert!(matches!(refused, Err(DatasetError::Damaged { .. })), "{refused:?}");
    assert_eq!(dataset.totals().unwrap().rows, 0);
    // What was staged is cleared away, and the same can be loaded as it should be.
    let (reports, rows) = self::reports();
    let mut load = dataset.load(BEGIN).unwrap();
    load.rows(rows).unwrap();
    load.finish(reports, []).unwrap();
    let verified = dataset.reader().unwrap().verify().unwrap();
    assert_eq!((verified.rows, verified.problems), (6, Vec::new()));
}
