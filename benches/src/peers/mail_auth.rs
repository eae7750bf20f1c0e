//! mail-auth 0.13.3, the last version with a report module.

use anyhow::{Result, anyhow};
use mail_auth::report::tlsrpt::TlsReport;
use mail_auth::report::{DkimResult, DmarcResult, Feedback, Report, SpfResult};

use super::Pass;
use crate::items::{Input, Kind};
use crate::totals::Totals;

/// What it may inflate, in bytes.
const MAX: usize = 1 << 30;

pub(super) fn xml(input: &Input, pass: Pass) -> Result<Totals> {
    let report = Report::parse_xml(&input.bytes).map_err(|error| anyhow!(error))?;
    Ok(pass.of(&report, aggregate))
}

pub(super) fn json(input: &Input, pass: Pass) -> Result<Totals> {
    let report = TlsReport::parse_json(&input.bytes).map_err(|error| anyhow!("{error:?}"))?;
    Ok(pass.of(&report, tls))
}

/// A whole mail, by the function for the kind of report that is in it.
pub(super) fn mail(input: &Input, pass: Pass) -> Result<Totals> {
    let refused = |error| anyhow!("{error:?}");
    Ok(match input.kind {
        Kind::Aggregate => pass.of(&Report::parse_rfc5322(&input.bytes, MAX).map_err(refused)?, aggregate),
        Kind::Tls => pass.of(&TlsReport::parse_rfc5322(&input.bytes, MAX).map_err(refused)?, tls),
        Kind::Failure => pass.of(&Feedback::parse_rfc5322(&input.bytes).map_err(refused)?, failure),
    })
}

fn aggregate(report: &Report, totals: &mut Totals) {
    totals.reports += 1;
    totals.time += seconds(report.date_range_begin()) + seconds(report.date_range_end());
    totals.text(report.org_name());
    totals.text(report.report_id());
    totals.text(report.domain());
    for record in &report.record {
        let row = &record.row;
        totals.records += 1;
        totals.messages += u64::from(row.count);
        totals.address(row.source_ip);
        totals.dkim_aligned += u64::from(row.policy_evaluated.dkim == DmarcResult::Pass);
        totals.spf_aligned += u64::from(row.policy_evaluated.spf == DmarcResult::Pass);
        totals.text(&record.identifiers.header_from);
        for dkim in &record.auth_results.dkim {
            totals.results += 1;
            totals.passed += u64::from(dkim.result == DkimResult::Pass);
            totals.text(&dkim.domain);
            totals.text(&dkim.selector);
        }
        for spf in &record.auth_results.spf {
            totals.results += 1;
            totals.passed += u64::from(spf.result == SpfResult::Pass);
            totals.text(&spf.domain);
        }
    }
}

fn tls(report: &TlsReport, totals: &mut Totals) {
    totals.reports += 1;
    totals.time +=
        report.date_range.start_datetime.to_timestamp() + report.date_range.end_datetime.to_timestamp();
    totals.text(report.organization_name.as_deref().unwrap_or_default());
    totals.text(&report.report_id);
    for policy in &report.policies {
        totals.records += 1;
        totals.messages += u64::from(policy.summary.total_success) + u64::from(policy.summary.total_failure);
        totals.text(&policy.policy.policy_domain);
        for failure in &policy.failure_details {
            totals.results += 1;
            totals.passed += u64::from(failure.failed_session_count);
            totals.text(failure.receiving_mx_hostname.as_deref().unwrap_or_default());
            totals.address(failure.sending_mta_ip);
        }
    }
}

fn failure(report: &Feedback<'_>, totals: &mut Totals) {
    totals.reports += 1;
    totals.messages += u64::from(report.incidents());
    totals.address(report.source_ip());
    totals.results += report.authentication_results().len() as u64;
    report.reported_domain().iter().for_each(|domain| totals.text(domain));
    totals.text(report.dkim_domain().unwrap_or_default());
    totals.text(report.dkim_selector().unwrap_or_default());
}

fn seconds(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}
