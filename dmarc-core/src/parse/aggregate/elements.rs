//! What stands below `feedback`: one function an element.

use std::borrow::Cow;

use super::documents::Spare;
use crate::domain::Domain;
use crate::error::{ErrorKind, Result};
use crate::limits::Limits;
use crate::model::aggregate::{
    AuthResults, DateRange, DkimAuthResult, Extension, Identifiers, PolicyEvaluated, PolicyOverride,
    PolicyOverrideReason, PolicyPublished, Record, ReportMetadata, Row, SpfAuthResult, Text,
};
use crate::model::auth::{DkimResultCode, SpfResultCode};
use crate::parse::value;
use crate::parse::xml::{Element, Node, Xml};
use crate::quirk::QuirkCode;

/// Signatures of one record beyond which RFC 9990, Section 3.1.3 has them left out.
const LISTED_SIGNATURES: usize = 100;

/// Reads what stands below `feedback`.
pub(super) struct Elements<'t, 's> {
    pub(super) xml: Xml<'t, 's>,
    /// Extension elements so far.
    pub(super) extensions: u64,
    /// Emptied lists to be filled again.
    pub(super) spare: Spare,
}

/// Keeps the first of several values of an element that occurs once.
macro_rules! once {
    ($elements:ident, $slot:expr, $value:expr) => {
        if $slot.is_some() {
            $elements.xml.skip_repeated()?;
        } else {
            $slot = $value;
        }
    };
}

impl<'t> Elements<'t, '_> {
    pub(super) fn report_metadata(&mut self) -> Result<ReportMetadata<'t>> {
        let mut metadata = ReportMetadata::default();
        let (mut org_name, mut email, mut report_id, mut date_range) = (None, None, None, None);
        while let Some(element) = self.xml.next_child()? {
            match element.name {
                "org_name" => once!(self, org_name, Some(self.xml.text()?)),
                "email" => once!(self, email, Some(self.xml.text()?)),
                "extra_contact_info" => {
                    once!(self, metadata.extra_contact_info, Some(self.lang_text(&element)?));
                }
                "report_id" => once!(self, report_id, Some(self.xml.text()?)),
                "date_range" => once!(self, date_range, Some(self.date_range()?)),
                "error" => {
                    let error = self.lang_text(&element)?;
                    self.push(&mut metadata.errors, error)?;
                }
                "generator" => once!(self, metadata.generator, Some(self.xml.text()?)),
                _ => self.xml.skip_unknown()?,
            }
        }
        metadata.org_name = self.required(org_name, "report_metadata/org_name");
        metadata.email = self.required(email, "report_metadata/email");
        metadata.report_id = strip_brackets(self.required(report_id, "report_metadata/report_id"));
        metadata.date_range = date_range.ok_or_else(|| self.missing("date_range"))?;
        Ok(metadata)
    }

    fn date_range(&mut self) -> Result<DateRange> {
        let (mut begin, mut end) = (None, None);
        while let Some(element) = self.xml.next_child()? {
            match element.name {
                "begin" => once!(self, begin, Some(self.seconds("begin")?)),
                "end" => once!(self, end, Some(self.seconds("end")?)),
                _ => self.xml.skip_unknown()?,
            }
        }
        let begin = begin.ok_or_else(|| self.missing("begin"))?;
        let end = end.ok_or_else(|| self.missing("end"))?;
        let range = DateRange::new(begin, end);
        if !range.is_plausible() {
            self.xml.state.quirks.note(QuirkCode::ImplausiblePeriod, format!("{begin} to {end}"));
        }
        Ok(range)
    }

    fn seconds(&mut self, name: &'static str) -> Result<i64> {
        let raw = self.xml.text()?;
        if raw.is_empty() {
            return Err(self.missing(name));
        }
        let date = value::seconds(&raw).ok_or_else(|| self.xml.error(ErrorKind::BadValue(name)))?;
        if date.is_odd {
            self.xml.state.quirks.note(QuirkCode::NormalizedDate, raw);
        }
        Ok(date.value)
    }

    pub(super) fn policy_published(&mut self) -> Result<PolicyPublished<'t>> {
        let mut policy = PolicyPublished::default();
        let mut domain = None;
        while let Some(element) = self.xml.next_child()? {
            match element.name {
                "domain" => once!(self, domain, Some(self.domain()?)),
                "discovery_method" => once!(self, policy.discovery_method, self.xml.word()?),
                "p" => once!(self, policy.p, self.xml.word()?),
                "sp" => once!(self, policy.sp, self.xml.word()?),
                "np" => once!(self, policy.np, self.xml.word()?),
                "adkim" => once!(self, policy.adkim, self.xml.word()?),
                "aspf" => once!(self, policy.aspf, self.xml.word()?),
                "pct" => once!(self, policy.pct, Some(self.xml.text()?)),
                "fo" => once!(self, policy.fo, Some(self.xml.text()?)),
                "testing" | "t" => once!(self, policy.testing, self.xml.word()?),
                _ => self.xml.skip_unknown()?,
            }
        }
        policy.domain = domain.filter(|domain| !domain.is_empty()).ok_or_else(|| self.missing("domain"))?;
        if policy.p.is_none() {
            self.xml.state.quirks.note(QuirkCode::MissingElement, "feedback/policy_published/p");
        }
        Ok(policy)
    }

    /// Reads a record, and says why it cannot be counted if so.
    pub(super) fn record(&mut self) -> Result<(Record<'t>, Option<String>)> {
        let mut extensions = Vec::new();
        let (mut row, mut identifiers, mut auth_results) = (None, None, None);
        while let Some(element) = self.xml.next_child()? {
            match (element.is_ours, element.name) {
                (true, "row") => once!(self, row, Some(self.row()?)),
                (true, "identifiers" | "identities") => once!(self, identifiers, Some(self.identifiers()?)),
                (true, "auth_results") => once!(self, auth_results, Some(self.auth_results()?)),
                (true, "extensions" | "extension") => self.extensions(&mut extensions)?,
                (true, _) => self.xml.skip_unknown()?,
                (false, _) => self.extension(&element, &mut extensions)?,
            }
        }
        let (row, fault) = row.unwrap_or_else(|| (Row::default(), Some("row is absent".to_owned())));
        let identifiers = identifiers.unwrap_or_else(|| self.absent("record/identifiers"));
        let auth_results = auth_results.unwrap_or_else(|| self.absent("record/auth_results"));
        let unknown = std::mem::take(&mut self.xml.unknown);
        Ok((Record { row, identifiers, auth_results, extensions, unknown }, fault))
    }

    /// Reads a row, and says why it cannot be counted if so.
    fn row(&mut self) -> Result<(Row<'t>, Option<String>)> {
        let (mut source_ip, mut count, mut evaluated) = (None, None, None);
        while let Some(element) = self.xml.next_child()? {
            match element.name {
                "source_ip" => once!(self, source_ip, Some(self.xml.text()?)),
                "count" => once!(self, count, Some(self.xml.text()?)),
                "policy_evaluated" => once!(self, evaluated, Some(self.policy_evaluated()?)),
                _ => self.xml.skip_unknown()?,
            }
        }
        let count = self.count(count.as_deref());
        let source_ip = self.source_ip(source_ip.as_deref());
        let policy_evaluated = evaluated.unwrap_or_else(|| self.absent("row/policy_evaluated"));
        let row = Row {
            source_ip: source_ip.as_ref().ok().copied().flatten(),
            count: *count.as_ref().unwrap_or(&0),
            policy_evaluated,
        };
        Ok((row, count.err().or_else(|| source_ip.err())))
    }

    fn count(&mut self, raw: Option<&str>) -> Result<u64, String> {
        let raw = raw.ok_or_else(|| "count is absent".to_owned())?;
        let count = value::count(raw).ok_or_else(|| format!("count is {raw:?}"))?;
        if count.is_odd {
            self.xml.state.quirks.note(QuirkCode::NormalizedCount, raw);
        }
        Ok(count.value)
    }

    fn source_ip(&mut self, raw: Option<&str>) -> Result<Option<std::net::IpAddr>, String> {
        let raw = raw.unwrap_or_default();
        if value::is_masked(raw) {
            self.xml.state.quirks.note(QuirkCode::MaskedIp, raw);
            return Ok(None);
        }
        let ip = value::ip(raw).ok_or_else(|| format!("source_ip is {raw:?}"))?;
        if ip.is_odd {
            self.xml.state.quirks.note(QuirkCode::NormalizedIp, raw);
        }
        Ok(Some(ip.value))
    }

    fn policy_evaluated(&mut self) -> Result<PolicyEvaluated<'t>> {
        let reasons = std::mem::take(&mut self.spare.reasons);
        let mut evaluated = PolicyEvaluated { reasons, ..PolicyEvaluated::default() };
        while let Some(element) = self.xml.next_child()? {
            match element.name {
                "disposition" => once!(self, evaluated.disposition, self.xml.word()?),
                "dkim" => once!(self, evaluated.dkim, self.xml.word()?),
                "spf" => once!(self, evaluated.spf, self.xml.word()?),
                "reason" => {
                    if let Some(reason) = self.reason()? {
                        self.push(&mut evaluated.reasons, reason)?;
                    }
                }
                _ => self.xml.skip_unknown()?,
            }
        }
        if evaluated.dkim.is_none() || evaluated.spf.is_none() || evaluated.disposition.is_none() {
            self.xml
                .state
                .quirks
                .note(QuirkCode::MissingElement, "policy_evaluated/disposition, dkim or spf");
        }
        Ok(evaluated)
    }

    /// Reads a reason; `None` if the element is empty. Its type may stand there as bare text (rspamd 1.8).
    fn reason(&mut self) -> Result<Option<PolicyOverrideReason<'t>>> {
        let (mut kind, mut comment, mut bare, mut is_empty) = (None, None, None::<String>, true);
        loop {
            match self.xml.next_node()? {
                Node::End => break,
                Node::Text(text) => bare.get_or_insert_with(String::new).push_str(&text),
                Node::Child(element) => {
                    is_empty = false;
                    match element.name {
                        "type" => once!(self, kind, self.xml.word()?),
                        "comment" => once!(self, comment, Some(self.lang_text(&element)?)),
                        _ => self.xml.skip_unknown()?,
                    }
                }
            }
        }
        if let (None, Some(text)) = (&kind, bare) {
            self.xml.state.quirks.note(QuirkCode::StrayText, "policy_evaluated/reason");
            kind = Some(PolicyOverride::new(text));
        } else if kind.is_none() {
            self.xml.state.quirks.note(QuirkCode::MissingElement, "policy_evaluated/reason/type");
            if is_empty {
                return Ok(None);
            }
        }
        let kind = kind.unwrap_or(PolicyOverride::Other(Cow::Borrowed("")));
        Ok(Some(PolicyOverrideReason { kind, comment: comment.filter(|comment| !comment.text.is_empty()) }))
    }

    fn identifiers(&mut self) -> Result<Identifiers<'t>> {
        let mut identifiers = Identifiers::default();
        let mut header_from = None;
        while let Some(element) = self.xml.next_child()? {
            match element.name {
                "header_from" => once!(self, header_from, Some(self.domain()?)),
                "envelope_from" => once!(self, identifiers.envelope_from, Some(self.domain()?)),
                "envelope_to" => once!(self, identifiers.envelope_to, Some(self.domain()?)),
                _ => self.xml.skip_unknown()?,
            }
        }
        if header_from.as_ref().is_none_or(Domain::is_empty) {
            self.xml.state.quirks.note(QuirkCode::MissingElement, "identifiers/header_from");
        }
        identifiers.header_from = header_from.unwrap_or_default();
        Ok(identifiers)
    }

    fn auth_results(&mut self) -> Result<AuthResults<'t>> {
        let Spare { dkim, spf, .. } = &mut self.spare;
        let mut results = AuthResults { dkim: std::mem::take(dkim), spf: std::mem::take(spf) };
        while let Some(element) = self.xml.next_child()? {
            match element.name {
                "dkim" => {
                    if let Some(dkim) = self.dkim()? {
                        self.push(&mut results.dkim, dkim)?;
                    }
                }
                "spf" => {
                    if let Some(spf) = self.spf()? {
                        self.push(&mut results.spf, spf)?;
                    }
                }
                _ => self.xml.skip_unknown()?,
            }
        }
        if results.dkim.len() > LISTED_SIGNATURES {
            self.xml.state.quirks.note(QuirkCode::ManySignatures, results.dkim.len().to_string());
        }
        Ok(results)
    }

    fn dkim(&mut self) -> Result<Option<DkimAuthResult<'t>>> {
        let (mut domain, mut selector, mut result, mut human_result) = (None, None, None, None);
        while let Some(element) = self.xml.next_child()? {
            match element.name {
                "domain" => once!(self, domain, Some(self.domain()?)),
                "selector" => once!(self, selector, Some(self.xml.text()?)),
                "result" => once!(self, result, self.xml.word()?),
                "human_result" => once!(self, human_result, Some(self.lang_text(&element)?)),
                _ => self.xml.skip_unknown()?,
            }
        }
        if domain.is_none() && result.is_none() {
            self.xml.state.quirks.note(QuirkCode::MissingElement, "auth_results/dkim/domain");
            return Ok(None);
        }
        let result =
            result.unwrap_or_else(|| self.no_result("auth_results/dkim/result", DkimResultCode::Other));
        Ok(Some(DkimAuthResult { domain: domain.unwrap_or_default(), selector, result, human_result }))
    }

    fn spf(&mut self) -> Result<Option<SpfAuthResult<'t>>> {
        let (mut domain, mut scope, mut result, mut human_result) = (None, None, None, None);
        while let Some(element) = self.xml.next_child()? {
            match element.name {
                "domain" => once!(self, domain, Some(self.domain()?)),
                "scope" => once!(self, scope, self.xml.word()?),
                "result" => once!(self, result, self.xml.word()?),
                "human_result" => once!(self, human_result, Some(self.lang_text(&element)?)),
                _ => self.xml.skip_unknown()?,
            }
        }
        if domain.is_none() && result.is_none() {
            self.xml.state.quirks.note(QuirkCode::MissingElement, "auth_results/spf/domain");
            return Ok(None);
        }
        let result =
            result.unwrap_or_else(|| self.no_result("auth_results/spf/result", SpfResultCode::Other));
        Ok(Some(SpfAuthResult { domain: domain.unwrap_or_default(), scope, result, human_result }))
    }

    fn no_result<R>(&mut self, path: &str, other: impl FnOnce(Cow<'t, str>) -> R) -> R {
        self.xml.state.quirks.note(QuirkCode::MissingElement, path);
        other(Cow::Borrowed(""))
    }

    /// Reads the children of `extension` as they stand.
    pub(super) fn extensions(&mut self, list: &mut Vec<Extension<'t>>) -> Result<()> {
        while let Some(element) = self.xml.next_child()? {
            self.extension(&element, list)?;
        }
        Ok(())
    }

    pub(super) fn extension(&mut self, element: &Element<'t>, list: &mut Vec<Extension<'t>>) -> Result<()> {
        self.extensions += 1;
        Limits::check("extensions", self.extensions, self.xml.state.limits.extensions)?;
        self.xml.state.count_copy();
        let namespace = self.xml.namespace(element).map(Cow::Owned);
        let xml = Cow::Borrowed(self.xml.raw_element()?);
        list.push(Extension { name: Cow::Borrowed(element.name), namespace, xml });
        Ok(())
    }

    fn lang_text(&mut self, element: &Element<'t>) -> Result<Text<'t>> {
        Ok(Text { text: self.xml.text()?, lang: element.lang.map(Cow::Borrowed) })
    }

    fn domain(&mut self) -> Result<Domain<'t>> {
        let raw = match Domain::from_plain_name(self.xml.text()?) {
            Ok(domain) => return Ok(domain),
            Err(raw) => raw,
        };
        let domain = Domain::new(raw.clone());
        if !domain.is_empty() && (!domain.is_host_name() || !domain.as_str().eq_ignore_ascii_case(&raw)) {
            self.xml.state.quirks.note(QuirkCode::OddDomain, raw);
        }
        Ok(domain)
    }

    fn push<T>(&self, list: &mut Vec<T>, item: T) -> Result<()> {
        Limits::check("results", list.len() as u64 + 1, self.xml.state.limits.results)?;
        if list.capacity() == 0 {
            // Nearly all lists have one item, and items are large.
            list.reserve_exact(1);
        }
        list.push(item);
        Ok(())
    }

    fn required(&mut self, text: Option<Cow<'t, str>>, path: &str) -> Cow<'t, str> {
        let text = text.unwrap_or_default();
        if text.is_empty() {
            self.xml.state.quirks.note(QuirkCode::MissingElement, format!("feedback/{path}"));
        }
        text
    }

    fn absent<T: Default>(&mut self, path: &str) -> T {
        self.xml.state.quirks.note(QuirkCode::MissingElement, path);
        T::default()
    }

    fn missing(&self, name: &'static str) -> crate::Error {
        self.xml.error(ErrorKind::MissingElement(name))
    }
}

/// Removes one surrounding pair of `<>` from a report identifier (RFC 9990, Section 3.5.1).
fn strip_brackets(id: Cow<'_, str>) -> Cow<'_, str> {
    match id.strip_prefix('<').and_then(|id| id.strip_suffix('>')) {
        None => id,
        Some(_) => match id {
            Cow::Borrowed(id) => Cow::Borrowed(id.get(1..id.len() - 1).unwrap_or(id)),
            Cow::Owned(id) => Cow::Owned(id.get(1..id.len() - 1).unwrap_or(&id).to_owned()),
        },
    }
}
