//! Findings as one page of HTML that needs nothing else: no script, no font, no picture from anywhere.
//!
//! It may be opened by a person who trusts none of what reports say: text goes through `markup` only, the page
//! forbids itself to load or run anything, and each of its links leads to another place of it. It says nothing that
//! is not in its input, no time of day either: the same input gives the same bytes.

mod chart;
mod findings;
mod markup;
mod senders;
mod series;
mod table;
mod words;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use dmarc_core::findings::{DomainSummary, Finding, Findings};
use dmarc_ingest::Inputs;

use findings::About;
use markup::Html;
use table::{Column, Kind, row, rows, table};
use words::{counted, day_of, number, percent};

/// Nothing may be loaded or run; the style sheet stands in the page.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";
const STYLE: &str = include_str!("style.css");
const TITLE: &str = "DMARC report";
/// Domains shown at most.
const SHOWN: usize = 200;

/// The page of all findings, those that ask for nothing too, and of what became of the inputs.
#[must_use]
pub fn page(findings: &Findings, inputs: &Inputs) -> String {
    let domains = domains(findings);
    Html::page(|html| {
        html.open("head").with(head);
        html.open("body").with(|html| {
            html.open("header").with(|html| header(html, findings, inputs));
            html.open("main").with(|html| {
                if domains.len() > 1 {
                    overview(html, &domains);
                }
                for (at, domain) in domains.iter().take(SHOWN).enumerate() {
                    domain.write(html, at);
                }
                section(html, "inputs", "What was read", |html| write_inputs(html, inputs));
            });
        });
    })
}

/// What there is about one domain.
struct Domain<'f> {
    name: &'f str,
    summary: Option<&'f DomainSummary>,
    /// The worst first.
    findings: Vec<&'f Finding>,
}

/// The domains, the one with the worst finding first.
fn domains(findings: &Findings) -> Vec<Domain<'_>> {
    let mut by_name: BTreeMap<&str, (Option<&DomainSummary>, Vec<&Finding>)> = BTreeMap::new();
    for summary in &findings.domains {
        by_name.entry(&summary.domain).or_default().0 = Some(summary);
    }
    for finding in &findings.findings {
        by_name.entry(&finding.domain).or_default().1.push(finding);
    }
    let domains = by_name.into_iter().map(|(name, (summary, findings))| Domain {
        name: if name.is_empty() { "(no policy domain)" } else { name },
        summary,
        findings,
    });
    let mut domains: Vec<Domain<'_>> = domains.collect();
    domains.sort_by_key(|domain| {
        Reverse(domain.findings.first().map(|worst| (worst.severity, worst.delivered)))
    });
    domains
}

fn head(html: &mut Html) {
    html.open("meta").attr("charset", "utf-8").void();
    html.open("meta").attr("http-equiv", "Content-Security-Policy").attr("content", POLICY).void();
    html.open("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1").void();
    html.open("meta").attr("name", "color-scheme").attr("content", "light dark").void();
    html.open("meta").attr("name", "referrer").attr("content", "no-referrer").void();
    html.open("title").text(TITLE);
    html.style(STYLE);
}

fn header(html: &mut Html, findings: &Findings, inputs: &Inputs) {
    html.open("h1").text(TITLE);
    html.open("p").with(|html| {
        if let Some((begin, end)) = findings.period {
            html.text(format_args!("{} to {}, UTC. ", day_of(begin), day_of(end)));
        }
        let (reports, mails) = (counted(inputs.reports, "report"), counted(inputs.mails, "mail"));
        html.text(format_args!("{reports} counted in {mails}. "));
        html.open("a").to("inputs").text("What was set aside");
    });
}

/// Writes a section with its heading.
fn section(html: &mut Html, id: &str, heading: &str, content: impl FnOnce(&mut Html)) {
    let heading_id = format!("{id}-heading");
    html.open("section").attr("id", id).attr("aria-labelledby", &heading_id).with(|html| {
        html.open("h2").attr("id", &heading_id).text(heading);
        content(html);
    });
}

/// The domains with their key figures, as a table of contents.
fn overview(html: &mut Html, domains: &[Domain<'_>]) {
    const COLUMNS: [Column; 6] = [
        ("Domain", Kind::Name),
        ("Worst finding", Kind::Text),
        ("To decide", Kind::Number),
        ("Messages", Kind::Number),
        ("Passed", Kind::Number),
        ("Delivered failing", Kind::Number),
    ];
    html.open("nav").attr("aria-label", "Domains").with(|html| {
        table(html, "cards", "Domains, the worst first", &COLUMNS, |html| {
            rows(html, |html| {
                for (at, domain) in domains.iter().take(SHOWN).enumerate() {
                    row(html, &COLUMNS, |row| {
                        row.cell(|html| html.open("a").to(domain_id(at)).text(domain.name));
                        row.cell(|html| domain.worst(html));
                        row.text(number(domain.asking().len() as u64));
                        let none = DomainSummary::default();
                        let summary = domain.summary.unwrap_or(&none);
                        row.text(number(summary.messages));
                        row.text(percent(summary.dmarc_pass, summary.messages));
                        row.text(number(summary.delivered_failing));
                    });
                }
            });
        });
        findings::more(html, domains.len().saturating_sub(SHOWN), "domain");
    });
}

fn domain_id(at: usize) -> String {
    format!("domain-{}", at + 1)
}

impl<'f> Domain<'f> {
    fn write(&self, html: &mut Html, at: usize) {
        let id = domain_id(at);
        section(html, &id, self.name, |html| {
            match self.summary {
                Some(summary) => {
                    key_figures(html, summary);
                    chart::chart(html, at, summary);
                }
                None => html.open("p").text("No aggregate report about it counts."),
            }
            self.write_findings(html);
            self.write_tls(html);
            self.write_senders(html);
        });
    }

    fn write_findings(&self, html: &mut Html) {
        let asking: Vec<&Finding> =
            self.asking().into_iter().filter(|finding| !words::is_tls(finding.class)).collect();
        html.open("h3").text("Findings");
        if asking.is_empty() {
            html.open("p").text("Nothing that needs a decision.");
        } else {
            let caption = format!("Findings of {}, worst first", self.name);
            findings::write(html, About::Mail, &caption, &asking);
        }
    }

    fn write_tls(&self, html: &mut Html) {
        let tls = self.all(|finding| words::is_tls(finding.class));
        if !tls.is_empty() {
            html.open("h3").text("TLS sessions that failed");
            let caption = format!("Failed TLS sessions of {}, worst first", self.name);
            findings::write(html, About::Tls, &caption, &tls);
        }
    }

    fn write_senders(&self, html: &mut Html) {
        let is_sender =
            |finding: &Finding| !words::is_tls(finding.class) && !words::is_about_reports(finding.class);
        let senders = self.all(is_sender);
        if !senders.is_empty() {
            html.open("h3").text("Senders");
            senders::write(html, self.name, &senders, self.summary.map_or(0, |summary| summary.messages));
        }
    }

    fn worst(&self, html: &mut Html) {
        match findings::worst(&self.findings) {
            Some((severity, class)) => {
                findings::badge(html, severity);
                html.text(format_args!(" {}", class.as_str()));
            }
            None => html.text("nothing"),
        }
    }

    fn asking(&self) -> Vec<&'f Finding> {
        self.all(findings::asks)
    }

    fn all(&self, is_wanted: impl Fn(&Finding) -> bool) -> Vec<&'f Finding> {
        self.findings.iter().copied().filter(|finding| is_wanted(finding)).collect()
    }
}

fn key_figures(html: &mut Html, summary: &DomainSummary) {
    let figures = [
        ("Messages", number(summary.messages)),
        ("Passed DMARC", percent(summary.dmarc_pass, summary.messages)),
        ("Failed", number(summary.dmarc_fail)),
        ("Failed and delivered", number(summary.delivered_failing)),
        ("Reports", number(summary.reports)),
        ("Reporters", number(summary.reporters)),
    ];
    html.open("dl").class("figures").with(|html| {
        for (name, figure) in figures {
            html.open("div").with(|html| {
                html.open("dt").text(name);
                html.open("dd").text(figure);
            });
        }
    });
}

fn write_inputs(html: &mut Html, inputs: &Inputs) {
    const COLUMNS: [Column; 3] = [("What", Kind::Name), ("How many", Kind::Number), ("Meaning", Kind::Text)];
    let kinds = [
        ("Mails and files", inputs.mails, "All that was read."),
        ("Reports", inputs.reports, "They count: every figure above is made of them."),
        ("Duplicates", inputs.duplicates, "Copies of a report that is there already."),
        (
            "Conflicts",
            inputs.conflicts,
            "Reports that contradict another with the same identity; they do not count.",
        ),
        (
            "Untrusted",
            inputs.untrusted,
            "Reports that did not come from whom they say, or are about domains of others; they do not count.",
        ),
        ("Refused", inputs.refused, "Parts that claim to be a report and gave none."),
        ("Records set aside", inputs.rejected_records, "Records of good reports that cannot be counted."),
        ("Not a report", inputs.not_reports, "Mails and files in which there was no report."),
    ];
    table(html, "cards inputs", "Mails and reports, and what became of them", &COLUMNS, |html| {
        rows(html, |html| {
            for (what, count, meaning) in kinds {
                row(html, &COLUMNS, |row| {
                    row.text(what);
                    row.text(number(count));
                    row.text(meaning);
                });
            }
        });
    });
}
