//! `dmarc-core`, by the functions that its documentation recommends and with its limits as they come.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use anyhow::{Result, bail};
use dmarc_core::model::aggregate::{DmarcResult, Record};
use dmarc_core::model::auth::{DkimResultCode, SpfResultCode};
use dmarc_core::parse::{aggregate, tlsrpt};
use dmarc_core::{AggregateReport, FailureReport, Found, Limits, Outcome, Report, TlsReport, Visitor};

use super::Pass;
use crate::items::{Input, Kind};
use crate::totals::Totals;

static LIMITS: LazyLock<Limits> = LazyLock::new(Limits::default);

/// The whole report, borrowed from the text; the text is validated here, as whoever has bytes must.
pub(super) fn xml(input: &Input, pass: Pass) -> Result<Totals> {
    let reports = aggregate::parse(std::str::from_utf8(&input.bytes)?, &LIMITS);
    let mut totals = Totals::default();
    for parsed in reports {
        totals += pass.of(&parsed?.report, |report, totals| {
            head(report, totals);
            report.records.iter().for_each(|found| record(found, totals));
        });
    }
    Ok(totals)
}

/// The same, one record after the other.
pub(super) fn xml_stream(input: &Input, pass: Pass) -> Result<Totals> {
    let mut totals = Totals::default();
    let mut stream = aggregate::Stream::new(input.bytes.as_slice(), &LIMITS);
    while let Some(parsed) =
        stream.next_report(|_, found| totals += pass.of(found, |found, totals| record(found, totals)))
    {
        totals += pass.of(&parsed?.report, head);
    }
    Ok(totals)
}

/// A whole mail.
pub(super) fn mail(input: &Input, pass: Pass) -> Result<Totals> {
    let reading = dmarc_core::read(&input.bytes, &LIMITS);
    if let Some(Found::Refused(error)) = reading.outcomes.first().map(|outcome| &outcome.found) {
        bail!("{error}");
    }
    Ok(pass
        .of(&reading.outcomes, |outcomes, totals| outcomes.iter().for_each(|found| outcome(found, totals))))
}

/// The same, one record after the other.
#[expect(clippy::unnecessary_wraps, reason = "every reader looks like this, and most can fail")]
pub(super) fn mail_stream(input: &Input, pass: Pass) -> Result<Totals> {
    let mut sum = Sum { pass, totals: Totals::default() };
    dmarc_core::stream(&input.bytes, &LIMITS, &mut sum);
    Ok(sum.totals)
}

/// A mail of any size, of which only the records are counted: for the memory that it takes.
pub(crate) fn stream_mail(mail: &[u8], limits: &Limits) -> Totals {
    let mut sum = Sum { pass: Pass::Check, totals: Totals::default() };
    dmarc_core::stream(mail, limits, &mut sum);
    sum.totals
}

/// JSON, validated here.
pub(super) fn json(input: &Input, pass: Pass) -> Result<Totals> {
    let reports = tlsrpt::parse(std::str::from_utf8(&input.bytes)?, &LIMITS);
    let mut totals = Totals::default();
    for parsed in reports {
        totals += pass.of(&parsed?.report, tls);
    }
    Ok(totals)
}

/// The kind of the only report of a mail.
pub(super) fn kind(mail: &[u8]) -> Option<Kind> {
    match dmarc_core::read(mail, &LIMITS).outcomes.as_slice() {
        [Outcome { found: Found::Report(parsed), .. }] => match parsed.report {
            Report::Aggregate(_) => Some(Kind::Aggregate),
            Report::Failure(_) => Some(Kind::Failure),
            Report::Tls(_) => Some(Kind::Tls),
            _ => None,
        },
        _ => None,
    }
}

/// Sums up records as they come.
struct Sum {
    pass: Pass,
    totals: Totals,
}

impl Visitor for Sum {
    fn record(&mut self, _: usize, _: &AggregateReport<'_>, found: &mut Record<'_>) -> ControlFlow<()> {
        self.totals += self.pass.of(found, |found, totals| record(found, totals));
        ControlFlow::Continue(())
    }

    fn part(&mut self, _: &str, all: Vec<Found>) {
        self.totals += self.pass.of(&all, |all, totals| all.iter().for_each(|one| found(one, totals)));
    }
}

fn outcome(outcome: &Outcome, totals: &mut Totals) {
    found(&outcome.found, totals);
}

fn found(found: &Found, totals: &mut Totals) {
    if let Found::Report(parsed) = found {
        match &parsed.report {
            Report::Aggregate(report) => {
                head(report, totals);
                report.records.iter().for_each(|found| record(found, totals));
            }
            Report::Tls(report) => tls(report, totals),
            Report::Failure(report) => failure(report, totals),
            _ => {}
        }
    }
}

fn head(report: &AggregateReport<'_>, totals: &mut Totals) {
    let metadata = &report.report_metadata;
    totals.reports += 1;
    totals.time += metadata.date_range.begin + metadata.date_range.end;
    totals.text(&metadata.org_name);
    totals.text(&metadata.report_id);
    totals.text(report.policy_published.domain.as_str());
}

fn record(record: &Record<'_>, totals: &mut Totals) {
    let row = &record.row;
    totals.records += 1;
    totals.messages += row.count;
    totals.address(row.source_ip);
    totals.dkim_aligned += u64::from(row.policy_evaluated.dkim == Some(DmarcResult::Pass));
    totals.spf_aligned += u64::from(row.policy_evaluated.spf == Some(DmarcResult::Pass));
    totals.text(record.identifiers.header_from.as_str());
    for dkim in &record.auth_results.dkim {
        totals.results += 1;
        totals.passed += u64::from(dkim.result == DkimResultCode::Pass);
        totals.text(dkim.domain.as_str());
        totals.text(dkim.selector.as_deref().unwrap_or_default());
    }
    for spf in &record.auth_results.spf {
        totals.results += 1;
        totals.passed += u64::from(spf.result == SpfResultCode::Pass);
        totals.text(spf.domain.as_str());
    }
}

fn tls(report: &TlsReport<'_>, totals: &mut Totals) {
    totals.reports += 1;
    totals.time += report.date_range.begin + report.date_range.end;
    totals.text(&report.organization_name);
    totals.text(&report.report_id);
    for result in &report.policies {
        totals.records += 1;
        totals.messages +=
            result.summary.total_successful_session_count + result.summary.total_failure_session_count;
        totals.text(result.policy.policy_domain.as_ref().map_or("", |domain| domain.as_str()));
        for failure in &result.failure_details {
            totals.results += 1;
            totals.passed += failure.failed_session_count;
            totals.text(failure.receiving_mx_hostname.as_deref().unwrap_or_default());
            totals.address(failure.sending_mta_ip.as_deref().and_then(|ip| ip.parse().ok()));
        }
    }
}

fn failure(report: &FailureReport<'_>, totals: &mut Totals) {
    totals.reports += 1;
    totals.messages += report.incidents;
    totals.address(report.source_ip);
    totals.results += report.authentication_results.len() as u64;
    report.reported_domain.iter().for_each(|domain| totals.text(domain.as_str()));
    totals.text(report.dkim_domain.as_ref().map_or("", |domain| domain.as_str()));
    totals.text(report.dkim_selector.as_deref().unwrap_or_default());
}
