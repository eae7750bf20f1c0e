//! One finding, host, domain or report as text: what is concluded, what was observed, what is not known, what to do.

use std::collections::BTreeMap;
use std::io::{self, Write};

use dmarc_core::findings::{
    Class, DomainSummary, Evidence, EvidenceRow, Finding, HostFacts, HostName, ReportSummary,
};
use dmarc_core::time::rfc3339;
use dmarc_ingest::NamedReport;

use super::Screen;
use super::figures::{day, grouped, percent};
use super::text::Neutral;
use crate::commands::explain::{Explanation, FailureOfMessage, HostOfDomain};

/// Characters of a text of strangers at most.
const TEXT: usize = 200;
/// The column in which text begins.
const INDENT: usize = 12;
/// Hosts that are named.
const HOSTS: usize = 12;

/// Writes everything.
///
/// # Errors
/// Those of `out`.
pub(crate) fn write(out: &mut dyn Write, screen: Screen, explanation: &Explanation) -> io::Result<()> {
    let mut page = Page { out, width: screen.width.max(40) };
    for host in &explanation.hosts {
        page.host(host)?;
    }
    for report in &explanation.reports {
        page.report(report)?;
    }
    for report in &explanation.tls_reports {
        page.tls_report(report)?;
    }
    for failure in &explanation.failures {
        page.failure(failure)?;
    }
    for domain in &explanation.domains {
        page.domain(domain)?;
    }
    let is_list = !explanation.domains.is_empty();
    for finding in &explanation.findings {
        if is_list { page.line(finding)? } else { page.finding(finding)? }
    }
    Ok(())
}

struct Page<'a> {
    out: &'a mut dyn Write,
    width: usize,
}

impl Page<'_> {
    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        writeln!(
            self.out,
            "{}   {}   {}   confidence {}   {}",
            finding.id,
            finding.class.as_str(),
            finding.severity.as_str(),
            finding.confidence,
            finding.novelty.as_str()
        )?;
        writeln!(self.out, "{}   {}", neutral(&finding.domain), neutral(&finding.source.name))?;
        writeln!(
            self.out,
            "{} messages, {} passed, {} delivered though {}   {} … {}\n",
            grouped(finding.messages),
            grouped(finding.dmarc_pass),
            grouped(finding.delivered),
            if finding.class == Class::SuspectReplay { "replayed" } else { "failing" },
            day(finding.first_seen),
            day(finding.last_seen)
        )?;
        self.list("concluded", [finding.statement.clone()])?;
        if let Some(decided) = &finding.decision {
            let until = day(decided.expires.saturating_sub(1));
            let (status, owner, reason) = (decided.status.as_str(), &decided.owner, &decided.reason);
            self.list("decided", [format!("{status} by {owner}, until {until}: {reason}")])?;
        }
        self.list("observed", facts(&finding.evidence))?;
        self.list("score", score(finding))?;
        self.list("against", facts(&finding.against))?;
        self.list("caps", caps(&finding.against))?;
        self.list("unknown", finding.unknown.iter().cloned())?;
        self.list("hosts", hosts(finding))?;
        self.rows(&finding.evidence)?;
        self.list("what to do", [finding.remedy.clone()])?;
        self.list("resolved", [finding.resolved_when.clone()])?;
        writeln!(self.out)
    }

    /// The largest rows, under the report that has them, under the mail that it came in.
    fn rows(&mut self, evidence: &[Evidence]) -> io::Result<()> {
        let rows: Vec<&EvidenceRow> = evidence
            .iter()
            .filter_map(|one| if let Evidence::Row { row } = one { Some(row) } else { None })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        self.list(
            "rows",
            [format!("the largest {}; each under its report and the mail that brought it", rows.len())],
        )?;
        let mut reports: BTreeMap<(i64, &str, &str, &str), Vec<&EvidenceRow>> = BTreeMap::new();
        for row in rows {
            reports.entry((row.begin, &row.reporter, &row.report_id, &row.origin)).or_default().push(row);
        }
        for ((begin, reporter, id, origin), rows) in reports {
            let pad = " ".repeat(INDENT);
            writeln!(self.out, "{pad}{}  {}  report {}", day(begin), neutral(reporter), neutral(id))?;
            for line in wrapped(&format!("in {}", neutral(origin)), self.width.saturating_sub(INDENT + 2)) {
                writeln!(self.out, "{pad}  {line}")?;
            }
            for row in rows {
                let ip = row.source_ip.map_or_else(|| "(hidden)".to_owned(), |ip| ip.to_string());
                let result = if row.is_pass { "pass" } else { "fail" };
                let messages = grouped(row.messages);
                writeln!(
                    self.out,
                    "{pad}  {messages:>9}  {result}  {ip}  from {}",
                    neutral(&row.header_from)
                )?;
            }
        }
        Ok(())
    }

    fn host(&mut self, host: &HostOfDomain) -> io::Result<()> {
        let summary = &host.summary;
        let totals = &summary.totals;
        let all = totals.dmarc_pass.saturating_add(totals.dmarc_fail);
        writeln!(self.out, "{} as {}", summary.ip, neutral(&host.domain))?;
        self.list("host", [facts_of_host(&host.facts)])?;
        self.list(
            "messages",
            [format!(
                "{}, {} pass; {} failed and were delivered",
                grouped(all),
                percent(totals.dmarc_pass, all),
                grouped(totals.delivered_failing)
            )],
        )?;
        self.list("seen", [format!("{} … {}", day(summary.period.0), day(summary.period.1))])?;
        let reporters: Vec<&str> = summary.reporters.iter().map(String::as_str).collect();
        self.list("reporters", [reporters.join(", ")])?;
        writeln!(self.out)
    }

    fn domain(&mut self, domain: &DomainSummary) -> io::Result<()> {
        writeln!(self.out, "{}", neutral(&domain.domain))?;
        self.list("policy", [format!("p={}", if domain.policy.is_empty() { "?" } else { &domain.policy })])?;
        self.list(
            "messages",
            [format!(
                "{} in {} reports from {} reporters, {} pass; {} failed and were delivered",
                grouped(domain.messages),
                grouped(domain.reports),
                grouped(domain.reporters),
                percent(domain.dmarc_pass, domain.messages),
                grouped(domain.delivered_failing)
            )],
        )?;
        writeln!(self.out)
    }

    fn report(&mut self, report: &ReportSummary) -> io::Result<()> {
        writeln!(self.out, "report {}", neutral(&report.report_id))?;
        self.list("from", [format!("{} about {}", report.reporter, report.policy_domain)])?;
        self.list("period", [format!("{} … {}", rfc3339(report.period.0), rfc3339(report.period.1))])?;
        self.list("mail", [report.origin.clone(), format!("trust: {}", report.trust.as_str())])?;
        let totals = &report.totals;
        let all = totals.dmarc_pass.saturating_add(totals.dmarc_fail);
        self.list(
            "messages",
            [format!(
                "{} in {} records, {} pass",
                grouped(all),
                report.records,
                percent(totals.dmarc_pass, all)
            )],
        )?;
        writeln!(self.out)
    }

    fn tls_report(&mut self, report: &NamedReport) -> io::Result<()> {
        writeln!(self.out, "TLS report {}", neutral(&report.report_id))?;
        self.list("from", [format!("{} about {}", report.reporter, report.policy_domains)])?;
        self.list("period", [format!("{} … {}", rfc3339(report.period.0), rfc3339(report.period.1))])?;
        self.list("mail", [report.origin.clone(), format!("trust: {}", report.trust.as_str())])?;
        writeln!(self.out)
    }

    fn failure(&mut self, failure: &FailureOfMessage) -> io::Result<()> {
        writeln!(self.out, "failure report about message {}", neutral(&failure.message_id))?;
        self.list("domain", [failure.domain.clone()])?;
        self.list("host", [failure.source_ip.to_string()])?;
        self.list("arrived", failure.arrived.map(rfc3339))?;
        self.list("mail", [failure.origin.clone()])?;
        writeln!(self.out)
    }

    /// A finding in one line.
    fn line(&mut self, finding: &Finding) -> io::Result<()> {
        writeln!(
            self.out,
            "{}  {:<8}  {:<21}  {:>9}  {}",
            finding.id,
            finding.severity.as_str(),
            finding.class.as_str(),
            grouped(finding.messages),
            neutral(&finding.source.name)
        )
    }

    /// Lines under a word; nothing if there are none.
    fn list(&mut self, word: &str, lines: impl IntoIterator<Item = String>) -> io::Result<()> {
        let mut word = word;
        for line in lines {
            for part in wrapped(&neutral(&line), self.width.saturating_sub(INDENT)) {
                writeln!(self.out, "{word:<INDENT$}{part}")?;
                word = "";
            }
        }
        Ok(())
    }
}

fn neutral(text: &str) -> String {
    Neutral::new(text, TEXT).to_string()
}

fn facts(evidence: &[Evidence]) -> impl Iterator<Item = String> {
    evidence
        .iter()
        .filter_map(|one| if let Evidence::Fact { fact } = one { Some(fact.clone()) } else { None })
}

fn score(finding: &Finding) -> Vec<String> {
    let steps = finding.evidence.iter().chain(&finding.against);
    let mut sum = 0;
    let mut lines: Vec<String> = Vec::new();
    for step in steps {
        if let Evidence::Score { fact, points } = step {
            sum += points;
            lines.push(format!("{points:>+4}  {fact}"));
        }
    }
    if !lines.is_empty() {
        lines.push(format!("{sum:>4}  in all"));
    }
    lines
}

fn caps(evidence: &[Evidence]) -> impl Iterator<Item = String> {
    evidence.iter().filter_map(|one| {
        if let Evidence::Cap { fact, cap } = one { Some(format!("{cap:>4}  {fact}")) } else { None }
    })
}

fn hosts(finding: &Finding) -> Option<String> {
    let ips = &finding.source.ips;
    let named: Vec<String> = ips.iter().take(HOSTS).map(ToString::to_string).collect();
    let more = ips.len().saturating_sub(HOSTS);
    let rest = if more > 0 { format!(" and {} more", grouped(more as u64)) } else { String::new() };
    (!named.is_empty()).then(|| format!("{}{rest}", named.join(", ")))
}

fn facts_of_host(facts: &HostFacts) -> String {
    let own = if facts.is_own { "declared as our own; " } else { "" };
    let name = match &facts.name {
        HostName::Nameless => "it has no name in reverse DNS".to_owned(),
        HostName::Unconfirmed(name) => format!("claims the name {name}, which does not resolve back to it"),
        HostName::Confirmed(name) => format!("{name}, which resolves back to it"),
        _ => "nobody looked its name up".to_owned(),
    };
    format!("{own}{name}")
}

/// Text in lines of at most so many characters, broken at spaces where there are any; space before it stays.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let words = text.trim_start();
    let mut lines = vec![" ".repeat(text.len() - words.len())];
    let mut is_begun = false;
    for word in words.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if is_begun && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            line.push_str(if is_begun { " " } else { "" });
            line.push_str(word);
        }
        is_begun = true;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_lines_at_spaces_and_keeps_a_long_word_whole() {
        assert_eq!(wrapped("a bc defgh i", 4), ["a bc", "defgh", "i"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped("  +5  a", 9), ["  +5  a"]);
    }
}
