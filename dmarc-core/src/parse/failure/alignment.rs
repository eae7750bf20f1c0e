//! What a failure report says of alignment, all its parts taken together.
//!
//! `Identity-Alignment` has two opposite meanings: RFC 7489, Section 7.3.1 lists what aligned, RFC 9991, Section 4 what
//! failed, and no version tells them apart. For a report about DMARC, `none` and both mechanisms have one possible
//! reading each. A single mechanism is read the way that the evidence allows: results of part two; results at the top
//! of the included header by the same authserv-id; `Original-Mail-From`. Where it allows both, nothing is claimed.
//!
//! *Not supported:* strict alignment, which a failure report does not tell of: relaxed is assumed, unless `dmarc=fail`
//! contradicts it.

use super::{domain_of, host};
use crate::domain::{Domain, domain_part, same_organization};
use crate::model::FailureReport;
use crate::model::auth::{AuthenticationResults, MethodResult};
use crate::model::failure::{AlignmentBasis, AuthFailureType};
use crate::parse::authentication_results;

#[derive(Clone, Copy, Default)]
pub(super) struct Alignment {
    pub(super) dkim: Option<bool>,
    pub(super) spf: Option<bool>,
    pub(super) basis: AlignmentBasis,
}

impl Alignment {
    fn from_evidence(dkim: Option<bool>, spf: Option<bool>) -> Self {
        let known = dkim.is_some() || spf.is_some();
        let basis = if known { AlignmentBasis::Evidence } else { AlignmentBasis::Unknown };
        Self { dkim, spf, basis }
    }

    fn neither(basis: AlignmentBasis) -> Self {
        Self { dkim: Some(false), spf: Some(false), basis }
    }
}

/// What aligned, as far as the report can tell; see the header of this module.
pub(super) fn alignment(report: &FailureReport<'_>) -> Alignment {
    let evidence = evidence(report);
    // Only a report about DMARC says by its type that a mechanism failed, on which the readings rest.
    if report.auth_failure != Some(AuthFailureType::Dmarc) {
        return evidence;
    }
    let listed = report.identity_alignment.as_deref().unwrap_or_default();
    let lists = |word: &str| listed.iter().any(|listed| listed == word);
    match (lists("none"), lists("dkim"), lists("spf")) {
        (true, false, false) => Alignment::neither(AlignmentBasis::ListsNone),
        (false, true, true) => Alignment::neither(AlignmentBasis::ListsBoth),
        (false, true, false) => {
            // Both readings have SPF failed: RFC 7489 by not listing it, RFC 9991 by giving the record that failed.
            let spf = evidence.spf.or_else(|| (!report.spf_dns.is_empty()).then_some(false));
            let (dkim, spf) = one_listed(evidence.dkim, spf);
            Alignment::from_evidence(dkim, spf)
        }
        (false, false, true) => {
            let (spf, dkim) = one_listed(evidence.spf, evidence.dkim);
            Alignment::from_evidence(dkim, spf)
        }
        _ => evidence,
    }
}

/// Completes the evidence for a listed mechanism and the other one by the reading that it does not contradict.
fn one_listed(listed: Option<bool>, other: Option<bool>) -> (Option<bool>, Option<bool>) {
    match (listed, other) {
        // Neither reading fits, nor does the type of the report.
        (Some(true), Some(true)) => (None, None),
        // The listed one aligned: RFC 7489, and the other did not align.
        (Some(true), _) => (Some(true), Some(false)),
        // The listed one failed, or the other did not: RFC 9991, where "not listed" claims nothing.
        (Some(false), other) => (Some(false), other),
        (None, Some(true)) => (Some(false), Some(true)),
        (None, other) => (None, other),
    }
}

/// What results and domains say, without `Identity-Alignment`.
fn evidence(report: &FailureReport<'_>) -> Alignment {
    let Some(author) = author(report) else { return Alignment::default() };
    let about_dmarc = report.auth_failure == Some(AuthFailureType::Dmarc);
    let trusted = trusted_results(report);
    let own = report.authentication_results.iter().flat_map(|field| &field.results);
    let results: Vec<&MethodResult<'_>> =
        trusted.iter().flat_map(|field| &field.results).chain(own.clone()).collect();
    let mut dkim = dkim_evidence(&author, &results);
    // A report about one signature gives its result alone (RFC 6591, Section 3.1): others may have passed.
    let partial =
        !about_dmarc && !trusted.iter().flat_map(|field| &field.results).any(|r| r.method == "dkim");
    if partial {
        dkim.aligned = dkim.aligned.filter(|aligned| *aligned);
    }
    let mut spf = spf_evidence(&author, &results, report.original_mail_from.as_deref());
    if results.iter().any(|r| r.method == "dmarc" && r.result == "fail") {
        dkim = dkim.given_dmarc_failed();
        spf = spf.given_dmarc_failed();
    }
    Alignment::from_evidence(dkim.aligned, spf.aligned)
}

/// The Author Domain: of the included message, else as a `dmarc` result names it, else, for DMARC, as reported.
fn author(report: &FailureReport<'_>) -> Option<Domain<'static>> {
    let original = report.original.as_ref().and_then(|original| original.header_from.clone());
    let by_result = || {
        let mut results = report.authentication_results.iter().flat_map(|field| &field.results);
        let from = results.find_map(|r| r.property("header.from").filter(|_| r.method == "dmarc"))?;
        host(domain_part(from))
    };
    let by_report = || match report.reported_domain.as_slice() {
        [domain] if report.auth_failure == Some(AuthFailureType::Dmarc) => host(domain.as_str()),
        _ => None,
    };
    original.map(Domain::into_owned).or_else(by_result).or_else(by_report)
}

/// The fields of the included header that the reporter added: same authserv-id, above the second `Received`.
///
/// Further down they are from hops before, or from whoever forged the message.
fn trusted_results<'r>(report: &'r FailureReport<'_>) -> Vec<AuthenticationResults<'r>> {
    let Some(original) = &report.original else { return Vec::new() };
    let mut received = 0;
    let own = |id: &str| {
        let mut ids = report.authentication_results.iter().map(|field| &field.authserv_id);
        !id.is_empty() && ids.any(|own| own.eq_ignore_ascii_case(id))
    };
    original
        .headers
        .iter()
        .take_while(|(name, _)| {
            received += u32::from(name.eq_ignore_ascii_case("Received"));
            received < 2
        })
        .filter(|(name, _)| name.eq_ignore_ascii_case("Authentication-Results"))
        .map(|(_, value)| authentication_results(value))
        .filter(|field| own(&field.authserv_id))
        .collect()
}

/// Whether a mechanism aligned, and whether with the very domain of the author.
#[derive(Clone, Copy, Default)]
struct Mechanism {
    aligned: Option<bool>,
    exact: bool,
}

impl Mechanism {
    /// With `dmarc=fail` nothing aligned: a relaxed match was then not enough, an exact one contradicts it.
    fn given_dmarc_failed(self) -> Self {
        let contradicted = self.aligned == Some(true) && self.exact;
        Self { aligned: (!contradicted).then_some(false), exact: false }
    }

    fn passed(author: &Domain<'_>, domain: &Domain<'_>) -> Self {
        Self { aligned: Some(same_organization(author.as_str(), domain.as_str())), exact: author == domain }
    }

    /// Of several results one that aligned decides, then one that cannot be told.
    fn best(of: impl Iterator<Item = Self>) -> Self {
        let rank = |m: &Self| (m.aligned == Some(true), m.aligned.is_none(), m.exact);
        of.max_by_key(rank).unwrap_or_default()
    }
}

fn dkim_evidence(author: &Domain<'_>, results: &[&MethodResult<'_>]) -> Mechanism {
    Mechanism::best(results.iter().filter(|r| r.method == "dkim").map(|r| {
        if r.result != "pass" {
            return Mechanism { aligned: Some(false), exact: false };
        }
        let domain = r.property("header.d").and_then(host).or_else(|| domain_of(r.property("header.i")?));
        domain.map_or_else(Mechanism::default, |domain| Mechanism::passed(author, &domain))
    }))
}

fn spf_evidence(author: &Domain<'_>, results: &[&MethodResult<'_>], mail_from: Option<&str>) -> Mechanism {
    let sender = mail_from.and_then(|path| domain_of(path).or_else(|| host(path)));
    let foreign = sender.as_ref().is_some_and(|domain| !same_organization(author.as_str(), domain.as_str()));
    let by_results = Mechanism::best(results.iter().filter(|r| r.method == "spf").map(|r| {
        if r.result != "pass" {
            return Mechanism { aligned: Some(false), exact: false };
        }
        let identity = r.property("smtp.mailfrom").or(mail_from);
        let domain = match identity {
            // A null reverse-path stands for the HELO name (RFC 7208, Section 2.4).
            Some("") => r.property("smtp.helo").and_then(host),
            Some(identity) => domain_of(identity).or_else(|| host(identity)),
            None => None,
        };
        domain.map_or_else(Mechanism::default, |domain| Mechanism::passed(author, &domain))
    }));
    match (foreign, by_results.aligned) {
        (true, Some(true)) => Mechanism::default(),
        (true, _) => Mechanism { aligned: Some(false), exact: false },
        (false, _) => by_results,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::parse::failure::{Included, parse};

    type Told = (Option<bool>, Option<bool>, AlignmentBasis);

    const UNKNOWN: Told = (None, None, AlignmentBasis::Unknown);
    const FROM: &str = "From: a@marke.example\n";

    fn told_of(kind: &str, fields: &str, header: &str) -> Told {
        let text = format!("Feedback-Type: auth-failure\nAuth-Failure: {kind}\n{fields}");
        let report = parse(&text, Some(Included::new(header.as_bytes())), &Limits::default()).unwrap().report;
        (report.dkim_aligned, report.spf_aligned, report.alignment_basis)
    }

    fn told(fields: &str, header: &str) -> Told {
        told_of("dmarc", fields, header)
    }

    fn by_evidence(dkim: impl Into<Option<bool>>, spf: impl Into<Option<bool>>) -> Told {
        (dkim.into(), spf.into(), AlignmentBasis::Evidence)
    }

    #[test]
    fn reads_none_as_nothing_aligned() {
        let neither = (Some(false), Some(false), AlignmentBasis::ListsNone);
        assert_eq!(told("Identity-Alignment: NONE (at all)\n", FROM), neither);
    }

    #[test]
    fn reads_both_as_both_failed() {
        let neither = (Some(false), Some(false), AlignmentBasis::ListsBoth);
        assert_eq!(told("Identity-Alignment: spf,dkim\n", FROM), neither);
        assert_eq!(told("Identity-Alignment: DKIM , SPF\n", ""), neither);
    }

    #[test]
    fn claims_nothing_for_one_mechanism_without_evidence() {
        assert_eq!(told("Identity-Alignment: spf\n", FROM), UNKNOWN);
        assert_eq!(told("Identity-Alignment: dkim\n", FROM), UNKNOWN);
        assert_eq!(told("", FROM), UNKNOWN);
        // RFC 7489 asks for SPF-DNS in every report, RFC 9991 where SPF failed: it decides nothing here.
        assert_eq!(told("Identity-Alignment: spf\nSPF-DNS: txt : a.example : \"v=spf1\"\n", FROM), UNKNOWN);
    }

    #[test]
    fn chooses_the_reading_that_the_evidence_allows() {
        let listed = |list: &str, results: &str| {
            told(
                &format!("Identity-Alignment: {list}\nAuthentication-Results: mx.example; {results}\n"),
                FROM,
            )
        };
        let (dkim_pass, dkim_fail) = ("dkim=pass header.d=marke.example", "dkim=fail header.d=marke.example");
        assert_eq!(listed("dkim", dkim_pass), by_evidence(true, false));
        assert_eq!(listed("dkim", dkim_fail), by_evidence(false, None));
        assert_eq!(listed("spf", dkim_pass), by_evidence(true, false));
        assert_eq!(listed("spf", dkim_fail), by_evidence(false, None));
        assert_eq!(listed("spf", "spf=pass smtp.mailfrom=x@bounce.marke.example"), by_evidence(false, true));
        assert_eq!(listed("spf", "spf=softfail smtp.mailfrom=x@marke.example"), by_evidence(None, false));
    }

    #[test]
    fn has_spf_failed_in_both_readings_where_dkim_is_listed_beside_an_spf_record() {
        let fields = "Identity-Alignment: dkim\nSPF-DNS: txt : marke.example : \"v=spf1 -all\"\n";
        assert_eq!(told(fields, FROM), by_evidence(None, false));
    }

    #[test]
    fn has_spf_failed_where_the_sender_cannot_align() {
        let fields = "Identity-Alignment: dkim\nOriginal-Mail-From: <a=b.example@liste.example>\n";
        assert_eq!(told(fields, FROM), by_evidence(None, false));
        assert_eq!(told("Original-Mail-From: <a@bounce.marke.example>\n", FROM), UNKNOWN);
        assert_eq!(told("Original-Mail-From: <>\n", FROM), UNKNOWN);
    }

    #[test]
    fn believes_the_included_header_only_where_the_reporter_wrote_it() {
        let own = "Authentication-Results: mx.example; spf=pass smtp.mailfrom=liste.example\n";
        let pass = "Authentication-Results: mx.example; dkim=pass header.d=marke.example\n";
        let received = "Received: from a by b\n";
        let told = |header: &str| told(own, &format!("{header}{FROM}"));
        assert_eq!(told(pass), by_evidence(true, false));
        assert_eq!(told(&format!("{received}{pass}")), by_evidence(true, false));
        assert_eq!(told(&format!("{received}{received}{pass}")), by_evidence(None, false));
        assert_eq!(told(&pass.replace("mx.example", "evil.example")), by_evidence(None, false));
    }

    #[test]
    fn has_nothing_aligned_after_dmarc_failed() {
        let told = |results: &str| told(&format!("Authentication-Results: mx.example; {results}\n"), "");
        assert_eq!(told("dmarc=fail header.from=marke.example"), by_evidence(false, false));
        // A relaxed match was not enough: alignment was strict.
        let relaxed = "dmarc=fail header.from=marke.example; dkim=pass header.d=news.marke.example";
        assert_eq!(told(relaxed), by_evidence(false, false));
        let contradiction = "dmarc=fail header.from=marke.example; dkim=pass header.d=marke.example";
        assert_eq!(told(contradiction), by_evidence(None, false));
    }

    #[test]
    fn does_not_conclude_from_one_failed_signature_that_no_other_passed() {
        let fields = "Authentication-Results: mx.example; dkim=fail header.d=marke.example\n";
        assert_eq!(told_of("signature", fields, FROM), UNKNOWN);
        let header = format!("{fields}{FROM}");
        assert_eq!(told_of("signature", fields, &header), by_evidence(false, None));
    }

    #[test]
    fn takes_the_greeting_name_only_for_a_null_sender() {
        let fields = |sender: &str| {
            format!("Authentication-Results: mx.example; spf=pass smtp.helo=mail.marke.example{sender}\n")
        };
        assert_eq!(told(&fields(" smtp.mailfrom=<>"), FROM), by_evidence(None, true));
        assert_eq!(told(&fields(""), FROM), UNKNOWN);
    }
}
