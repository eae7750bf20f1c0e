//! Which reports are the same: reporters reuse identifiers (Google, Mimecast).

use std::collections::BTreeSet;

use dmarc_core::Report;
use dmarc_core::identity::{Identity, identify};

use crate::reading::{aggregate, json, tls, xml};

fn identity(xml: &str) -> Identity {
    identify(&Report::Aggregate(Box::new(aggregate(xml).report)), "").0
}

#[test]
fn takes_reports_of_one_id_about_other_domains_or_periods_for_others() {
    let xml = xml();
    let forms = [
        xml.clone(),
        xml.replace("<domain>example.org</domain><adkim>", "<domain>example.net</domain><adkim>"),
        xml.replace("<begin>1788220800", "<begin>1788224400"),
        xml.replace("<end>1788307199", "<end>1788310799"),
    ];
    let identities: BTreeSet<_> = forms.iter().map(|form| identity(form)).collect();
    assert_eq!(identities.len(), forms.len());
    assert!(identities.iter().all(|identity| identity.report_id == "example.org.1788220800"));
    assert!(identities.iter().all(|identity| identity.reporter == "receiver.example"));
}

#[test]
fn takes_a_report_for_the_same_whatever_the_form_it_came_in() {
    let spaced = xml().replace("><", ">\n<").replace("192.0.2.10<", " 192.0.2.10 <");
    assert_eq!(identity(&spaced), identity(&xml()));
}

#[test]
fn takes_tls_reports_of_one_id_about_other_domains_or_periods_for_others() {
    let json = json();
    let forms = [
        json.clone(),
        json.replace("\"policy-domain\": \"still.example\"", "\"policy-domain\": \"laut.example\""),
        json.replace("T00:00:00Z", "T01:00:00Z"),
    ];
    let identities: BTreeSet<_> =
        forms.iter().map(|form| identify(&Report::Tls(tls(form).report), "").0).collect();
    assert_eq!(identities.len(), forms.len());
}
