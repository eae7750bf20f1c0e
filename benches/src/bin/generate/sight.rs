//! What a reporter writes about the mail of a host: a record as XML, in its dialect, which our own parser reads, so that the
//! rows are those of a real report.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use dmarc_core::Limits;
use dmarc_core::domain::organizational;
use dmarc_core::identity::{Identity, identify};
use dmarc_core::model::Report;
use dmarc_core::record::{FlatRecord, ReportFacts, Trust, flatten};

use crate::world::{Dialect, Kind, Owner, Reporter};

/// What the receiver saw.
struct Sight<'a> {
    header_from: String,
    envelope_from: String,
    spf: &'static str,
    /// Domain, selector, result.
    dkim: Vec<(&'a str, String, &'static str)>,
    reason: Option<(&'static str, &'static str)>,
}

/// A record of a kind as a reporter writes it; `variant` is below 10, and most are alike.
pub(crate) fn record(
    owner: &Owner,
    reporter: &Reporter,
    kind: &Kind,
    variant: u8,
    day: u32,
) -> Result<FlatRecord> {
    let xml = xml(owner, reporter, &sight(owner, kind, variant, day));
    let parsed = dmarc_core::parse::aggregate::parse(&xml, &Limits::default()).remove(0)?;
    let report = parsed.report.into_owned();
    let trust = if reporter.is_trusted { Trust::TrustedAuthres } else { Trust::Unverified };
    flatten(report, String::new(), trust).pop().context("a report of one record")
}

/// What all records of the reports of a reporter about a domain have in common.
pub(crate) fn facts(owner: &Owner, reporter: &Reporter) -> Result<(Arc<ReportFacts>, Identity)> {
    let xml = xml(owner, reporter, &sight(owner, &Kind::Botnet, 0, 0));
    let parsed = dmarc_core::parse::aggregate::parse(&xml, &Limits::default()).remove(0)?;
    let (identity, _) = identify(&Report::Aggregate(Box::new(parsed.report)), "");
    Ok((record(owner, reporter, &Kind::Botnet, 0, 0)?.report, identity))
}

fn sight<'a>(owner: &'a Owner, kind: &'a Kind, variant: u8, day: u32) -> Sight<'a> {
    let domain = owner.domain.as_str();
    let mut sight = Sight {
        header_from: domain.to_owned(),
        envelope_from: domain.to_owned(),
        spf: "none",
        dkim: Vec::new(),
        reason: None,
    };
    let own = |result| (domain, "s2026".to_owned(), result);
    match kind {
        Kind::Own { selector } => {
            sight.spf = if variant == 1 { "temperror" } else { "pass" };
            let result = if variant == 2 { "neutral" } else { "pass" };
            sight.dkim = vec![(domain, format!("s2026{selector}"), result)];
            if variant == 3 && owner.adkim == "r" {
                sight.header_from = format!("www.{domain}");
            }
        }
        Kind::Aligned(service, selector) => {
            service.envelope.clone_into(&mut sight.envelope_from);
            sight.spf = "pass";
            let result = if variant == 1 { "temperror" } else { "pass" };
            sight.dkim =
                vec![(domain, format!("k{selector}"), result), (service.dkim, "s1".to_owned(), "pass")];
        }
        Kind::Unaligned(service) => {
            service.envelope.clone_into(&mut sight.envelope_from);
            sight.spf = "pass";
            sight.dkim = vec![(service.dkim, "s1".to_owned(), "pass")];
        }
        Kind::Broken { from_day } => {
            sight.spf = "softfail";
            sight.dkim = vec![(domain, "app".to_owned(), if day >= *from_day { "fail" } else { "pass" })];
        }
        Kind::Forwarder { via } => {
            if variant.is_multiple_of(2) {
                sight.envelope_from.clone_from(via);
            }
            sight.spf = if variant.is_multiple_of(2) {
                "pass"
            } else if variant < 5 {
                "fail"
            } else {
                "softfail"
            };
            sight.dkim = vec![own(if variant == 4 { "fail" } else { "pass" })];
            sight.reason = (variant == 4).then_some(("forwarded", ""));
        }
        Kind::MailingList { via } => {
            sight.envelope_from.clone_from(via);
            sight.spf = "pass";
            sight.dkim = vec![own("fail"), (via, "list".to_owned(), "pass")];
            sight.reason = match variant {
                0..4 => Some(("mailing_list", "")),
                4..7 => Some(("local_policy", "arc=pass")),
                _ => None,
            };
        }
        Kind::SpoofedSubdomain { label } => {
            sight.header_from = format!("{label}.{domain}");
            sight.envelope_from.clone_from(&sight.header_from);
        }
        Kind::Spoof => sight.spf = if variant < 6 { "fail" } else { "softfail" },
        Kind::SpoofWithOwnSpf { via } => {
            sight.envelope_from.clone_from(via);
            sight.spf = "pass";
            sight.dkim = vec![(via, "default".to_owned(), "pass")];
        }
        Kind::Botnet => sight.spf = "fail",
        Kind::Replay => {
            "mailer.example".clone_into(&mut sight.envelope_from);
            sight.dkim = vec![(domain, "s20260".to_owned(), "pass")];
        }
    }
    sight
}

fn xml(owner: &Owner, reporter: &Reporter, sight: &Sight<'_>) -> String {
    let mut xml = XmlText(String::from("<feedback>"));
    let modern = reporter.dialect == Dialect::Modern;
    if modern {
        "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">".clone_into(&mut xml.0);
    }
    xml.open("report_metadata");
    xml.tag("org_name", &reporter.org_name);
    xml.tag("email", &format!("noreply-dmarc@{}", reporter.name));
    xml.tag("report_id", "id");
    xml.open("date_range");
    xml.tag("begin", "1793491200");
    xml.tag("end", "1793577599");
    xml.close("date_range");
    xml.close("report_metadata");
    policy_published(&mut xml, owner, reporter.dialect);
    let dkim_aligned = sight
        .dkim
        .iter()
        .any(|(domain, _, result)| *result == "pass" && is_aligned(domain, &sight.header_from, owner.adkim));
    let spf_aligned = sight.spf == "pass" && is_aligned(&sight.envelope_from, &sight.header_from, owner.aspf);
    let passes = dkim_aligned || spf_aligned;
    xml.open("record");
    xml.open("row");
    xml.tag("source_ip", "192.0.2.1");
    xml.tag("count", "1");
    xml.open("policy_evaluated");
    let asked = if sight.header_from == owner.domain { None } else { owner.subdomain_policy };
    let asked = asked.unwrap_or(owner.policy);
    let overridden = !passes && asked != "none" && reporter.dialect == Dialect::Lenient;
    let disposition = match (passes, modern && owner.policy != "none") {
        (true, true) => "pass",
        (true, false) => "none",
        _ if overridden || sight.reason.is_some() => "none",
        _ => asked,
    };
    xml.tag("disposition", disposition);
    xml.tag("dkim", if dkim_aligned { "pass" } else { "fail" });
    xml.tag("spf", if spf_aligned { "pass" } else { "fail" });
    let reason = sight.reason.or_else(|| overridden.then_some(("local_policy", "judged by content")));
    if let Some((kind, comment)) = reason {
        xml.open("reason");
        xml.tag("type", kind);
        xml.tag("comment", comment);
        xml.close("reason");
    } else if reporter.dialect == Dialect::EmptyReason {
        xml.0.push_str("<reason/>");
    }
    xml.close("policy_evaluated");
    xml.close("row");
    xml.open("identifiers");
    if reporter.dialect == Dialect::Cloud {
        xml.tag("envelope_to", &reporter.name);
    }
    if reporter.dialect != Dialect::Big {
        xml.tag("envelope_from", &sight.envelope_from);
    }
    xml.tag("header_from", &sight.header_from);
    xml.close("identifiers");
    auth_results(&mut xml, sight, reporter.dialect);
    xml.close("record");
    xml.close("feedback");
    xml.0
}

fn policy_published(xml: &mut XmlText, owner: &Owner, dialect: Dialect) {
    xml.open("policy_published");
    xml.tag("domain", &owner.domain);
    if dialect == Dialect::Modern {
        xml.tag("discovery_method", "treewalk");
    }
    xml.tag("adkim", owner.adkim);
    xml.tag("aspf", owner.aspf);
    xml.tag("p", owner.policy);
    if let Some(policy) = owner.subdomain_policy {
        xml.tag("sp", policy);
    }
    match dialect {
        Dialect::Modern => {
            xml.tag("np", owner.policy);
            xml.tag("testing", "n");
        }
        Dialect::Old => xml.tag("pct", "100"),
        _ => {
            xml.tag("pct", "100");
            xml.tag("fo", "0");
        }
    }
    xml.close("policy_published");
}

fn auth_results(xml: &mut XmlText, sight: &Sight<'_>, dialect: Dialect) {
    xml.open("auth_results");
    for (domain, selector, result) in &sight.dkim {
        xml.open("dkim");
        xml.tag("domain", domain);
        if dialect != Dialect::Old {
            xml.tag("selector", selector);
        }
        xml.tag("result", result);
        xml.close("dkim");
    }
    xml.open("spf");
    xml.tag("domain", &sight.envelope_from);
    if dialect != Dialect::Old {
        xml.tag("scope", "mfrom");
    }
    xml.tag("result", sight.spf);
    xml.close("spf");
    xml.close("auth_results");
}

fn is_aligned(domain: &str, header_from: &str, mode: &str) -> bool {
    if mode == "s" { domain == header_from } else { organizational(domain) == organizational(header_from) }
}

/// XML that is written; all values are words without anything to escape.
struct XmlText(String);

impl XmlText {
    fn open(&mut self, name: &str) {
        self.write(format_args!("<{name}>"));
    }

    fn close(&mut self, name: &str) {
        self.write(format_args!("</{name}>"));
    }

    fn tag(&mut self, name: &str, value: &str) {
        self.write(format_args!("<{name}>{value}</{name}>"));
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        let written = self.0.write_fmt(text);
        debug_assert!(written.is_ok(), "a String takes any text");
    }
}
