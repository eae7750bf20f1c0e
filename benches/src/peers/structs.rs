//! quick-xml with serde into structs of `String`s: what one writes who needs a reader in an afternoon.

use std::net::IpAddr;

use anyhow::Result;
use serde::Deserialize;

use super::Pass;
use crate::items::Input;
use crate::totals::Totals;

pub(super) fn xml(input: &Input, pass: Pass) -> Result<Totals> {
    let report: Feedback = quick_xml::de::from_str(std::str::from_utf8(&input.bytes)?)?;
    Ok(pass.of(&report, sum))
}

#[derive(Deserialize)]
struct Feedback {
    report_metadata: Metadata,
    policy_published: Policy,
    #[serde(default)]
    record: Vec<Record>,
}

#[derive(Deserialize)]
struct Metadata {
    org_name: String,
    report_id: String,
    date_range: DateRange,
}

#[derive(Deserialize)]
struct DateRange {
    begin: i64,
    end: i64,
}

#[derive(Deserialize)]
struct Policy {
    domain: String,
}

#[derive(Deserialize)]
struct Record {
    row: Row,
    identifiers: Identifiers,
    auth_results: AuthResults,
}

#[derive(Deserialize)]
struct Row {
    source_ip: IpAddr,
    count: u64,
    policy_evaluated: Evaluated,
}

#[derive(Deserialize)]
struct Evaluated {
    dkim: Outcome,
    spf: Outcome,
}

#[derive(Deserialize)]
struct Identifiers {
    header_from: String,
}

#[derive(Deserialize)]
struct AuthResults {
    #[serde(default)]
    dkim: Vec<Dkim>,
    #[serde(default)]
    spf: Vec<Spf>,
}

#[derive(Deserialize)]
struct Dkim {
    domain: String,
    #[serde(default)]
    selector: String,
    result: Outcome,
}

#[derive(Deserialize)]
struct Spf {
    domain: String,
    result: Outcome,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Pass,
    #[serde(other)]
    NoPass,
}

fn sum(report: &Feedback, totals: &mut Totals) {
    let metadata = &report.report_metadata;
    totals.reports += 1;
    totals.time += metadata.date_range.begin + metadata.date_range.end;
    totals.text(&metadata.org_name);
    totals.text(&metadata.report_id);
    totals.text(&report.policy_published.domain);
    for record in &report.record {
        totals.records += 1;
        totals.messages += record.row.count;
        totals.address(Some(record.row.source_ip));
        totals.dkim_aligned += u64::from(record.row.policy_evaluated.dkim == Outcome::Pass);
        totals.spf_aligned += u64::from(record.row.policy_evaluated.spf == Outcome::Pass);
        totals.text(&record.identifiers.header_from);
        for dkim in &record.auth_results.dkim {
            totals.results += 1;
            totals.passed += u64::from(dkim.result == Outcome::Pass);
            totals.text(&dkim.domain);
            totals.text(&dkim.selector);
        }
        for spf in &record.auth_results.spf {
            totals.results += 1;
            totals.passed += u64::from(spf.result == Outcome::Pass);
            totals.text(&spf.domain);
        }
    }
}
