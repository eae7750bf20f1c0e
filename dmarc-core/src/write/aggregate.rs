//! [`AggregateReport`] → XML (RFC 9990, Appendix A), valid by its schema.
//!
//! What RFC 9990 has no place for is an error that names it. Only the namespace changes: it is always that of
//! RFC 9990. Characters that XML 1.0 forbids are an error too, never replaced.
//!
//! *Not supported:* white space around a text, which is written and which no reader keeps; an extension that uses a
//! prefix other than that of its outermost element without declaring it.

use std::collections::BTreeMap;

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;

use crate::error::{Error, ErrorKind, Result};
use crate::model::aggregate::{
    AggregateReport, AuthResults, DkimAuthResult, Extension, Identifiers, MAX_COUNT, NAMESPACE,
    PolicyEvaluated, PolicyOverride, PolicyPublished, Record, ReportMetadata, SpfAuthResult, SpfScope, Text,
};
use crate::model::{AggregateReport as Report, Word};

/// Writes a report as XML (RFC 9990, Appendix A).
///
/// # Errors
/// [`ErrorKind::Unwritable`] with the element that RFC 9990 has no place for (`pct`, the reasons `forwarded` and
/// `sampled_out`, the SPF scope `helo`, several SPF results or errors, words outside a vocabulary, rejected records,
/// unknown elements, extensions without a namespace), that it requires and the report lacks, or whose value XML cannot hold.
///
/// ```
/// use dmarc_core::{Limits, parse::aggregate, write};
///
/// # let xml = "<feedback><report_metadata><org_name>receiver.example</org_name><email>a@receiver.example</email>
/// #   <report_id>1</report_id><date_range><begin>1789171200</begin><end>1789257599</end></date_range></report_metadata>
/// #   <policy_published><domain>example.org</domain><p>none</p></policy_published>
/// #   <record><row><source_ip>192.0.2.1</source_ip><count>7</count>
/// #     <policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>
/// #     <identifiers><header_from>example.org</header_from></identifiers>
/// #     <auth_results><spf><domain>example.net</domain><result>pass</result></spf></auth_results></record></feedback>";
/// let report = aggregate::parse(xml, &Limits::default()).remove(0)?.report;
/// let written = write::aggregate::to_xml(&report)?;
/// let read = aggregate::parse(&written, &Limits::default()).remove(0)?.report;
/// assert_eq!(read.records, report.records);
/// # Ok::<(), dmarc_core::Error>(())
/// ```
pub fn to_xml(report: &AggregateReport<'_>) -> Result<String> {
    if !report.rejected_records.is_empty() {
        return Err(unwritable("rejected record"));
    }
    if report.records.is_empty() {
        return Err(unwritable("record"));
    }
    if !report.unknown.is_empty() || report.records.iter().any(|record| !record.unknown.is_empty()) {
        return Err(unwritable("unknown element"));
    }
    let mut writer = Writer(String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feedback xmlns=\""));
    writer.0.push_str(NAMESPACE);
    writer.0.push('"');
    for (prefix, uri) in prefixes(report)? {
        writer.push(&[" xmlns:", prefix, "=\""]);
        writer.escaped(uri, "extension")?;
        writer.0.push('"');
    }
    writer.0.push('>');
    writer.feedback(report)?;
    writer.0.push_str("</feedback>\n");
    Ok(writer.0)
}

fn unwritable(what: &'static str) -> Error {
    Error::new(ErrorKind::Unwritable(what))
}

struct Writer(String);

impl Writer {
    fn feedback(&mut self, report: &Report<'_>) -> Result<()> {
        if let Some(version) = &report.version {
            let is_decimal =
                version.bytes().all(|b| b.is_ascii_digit() || b == b'.') && version.parse::<f64>().is_ok();
            self.text("version", is_decimal.then_some(version))?;
        }
        self.inside("report_metadata", |w| w.report_metadata(&report.report_metadata))?;
        self.inside("policy_published", |w| w.policy_published(&report.policy_published))?;
        if !report.extension.is_empty() {
            self.inside("extension", |w| {
                w.extensions(&report.extension);
                Ok(())
            })?;
        }
        report.records.iter().try_for_each(|record| self.inside("record", |w| w.record(record)))
    }

    fn report_metadata(&mut self, metadata: &ReportMetadata<'_>) -> Result<()> {
        self.text("org_name", Some(&metadata.org_name))?;
        self.text("email", Some(&metadata.email))?;
        self.lang_text("extra_contact_info", metadata.extra_contact_info.as_ref())?;
        let id = metadata.report_id.as_ref();
        // A reader removes one pair.
        let bracketed = id.starts_with('<') && id.ends_with('>');
        self.text("report_id", Some(&if bracketed { format!("<{id}>") } else { id.to_owned() }))?;
        self.inside("date_range", |w| {
            w.text("begin", Some(&metadata.date_range.begin.to_string()))?;
            w.text("end", Some(&metadata.date_range.end.to_string()))
        })?;
        if metadata.errors.len() > 1 {
            return Err(unwritable("error"));
        }
        self.lang_text("error", metadata.errors.first())?;
        self.optional("generator", metadata.generator.as_deref())
    }

    fn policy_published(&mut self, policy: &PolicyPublished<'_>) -> Result<()> {
        if policy.pct.is_some() {
            return Err(unwritable("pct"));
        }
        self.text("domain", Some(policy.domain.as_str()).filter(|domain| !domain.is_empty()))?;
        self.required_word("p", policy.p.as_ref())?;
        self.word("sp", policy.sp.as_ref())?;
        self.word("np", policy.np.as_ref())?;
        self.word("adkim", policy.adkim.as_ref())?;
        self.word("aspf", policy.aspf.as_ref())?;
        self.word("discovery_method", policy.discovery_method.as_ref())?;
        self.optional("fo", policy.fo.as_deref())?;
        self.word("testing", policy.testing.as_ref())
    }

    fn record(&mut self, record: &Record<'_>) -> Result<()> {
        let row = &record.row;
        self.inside("row", |w| {
            w.text("source_ip", row.source_ip.map(|ip| ip.to_string()).as_deref())?;
            let is_count = (1..=MAX_COUNT).contains(&row.count);
            w.text("count", is_count.then(|| row.count.to_string()).as_deref())?;
            w.inside("policy_evaluated", |w| w.policy_evaluated(&row.policy_evaluated))
        })?;
        self.inside("identifiers", |w| w.identifiers(&record.identifiers))?;
        self.inside("auth_results", |w| w.auth_results(&record.auth_results))?;
        self.extensions(&record.extensions);
        Ok(())
    }

    fn policy_evaluated(&mut self, evaluated: &PolicyEvaluated<'_>) -> Result<()> {
        self.required_word("disposition", evaluated.disposition.as_ref())?;
        self.required_word("dkim", evaluated.dkim.as_ref())?;
        self.required_word("spf", evaluated.spf.as_ref())?;
        for reason in &evaluated.reasons {
            match reason.kind {
                PolicyOverride::Forwarded => return Err(unwritable("forwarded")),
                PolicyOverride::SampledOut => return Err(unwritable("sampled_out")),
                _ => {}
            }
            self.inside("reason", |w| {
                w.required_word("type", Some(&reason.kind))?;
                w.lang_text("comment", reason.comment.as_ref())
            })?;
        }
        Ok(())
    }

    fn identifiers(&mut self, identifiers: &Identifiers<'_>) -> Result<()> {
        self.text("header_from", Some(identifiers.header_from.as_str()))?;
        self.optional("envelope_from", identifiers.envelope_from.as_ref().map(crate::Domain::as_str))?;
        self.optional("envelope_to", identifiers.envelope_to.as_ref().map(crate::Domain::as_str))
    }

    fn auth_results(&mut self, results: &AuthResults<'_>) -> Result<()> {
        if results.spf.len() > 1 {
            return Err(unwritable("spf"));
        }
        results.dkim.iter().try_for_each(|dkim| self.inside("dkim", |w| w.dkim(dkim)))?;
        results.spf.iter().try_for_each(|spf| self.inside("spf", |w| w.spf(spf)))
    }

    fn dkim(&mut self, dkim: &DkimAuthResult<'_>) -> Result<()> {
        self.text("domain", Some(dkim.domain.as_str()))?;
        self.text("selector", dkim.selector.as_deref())?;
        self.required_word("result", Some(&dkim.result))?;
        self.lang_text("human_result", dkim.human_result.as_ref())
    }

    fn spf(&mut self, spf: &SpfAuthResult<'_>) -> Result<()> {
        self.text("domain", Some(spf.domain.as_str()))?;
        if spf.scope == Some(SpfScope::Helo) {
            return Err(unwritable("scope"));
        }
        self.word("scope", spf.scope.as_ref())?;
        self.required_word("result", Some(&spf.result))?;
        self.lang_text("human_result", spf.human_result.as_ref())
    }

    fn extensions(&mut self, extensions: &[Extension<'_>]) {
        for extension in extensions {
            self.0.push_str(&extension.xml);
        }
    }

    fn push(&mut self, parts: &[&str]) {
        self.0.extend(parts.iter().copied());
    }

    fn inside(&mut self, name: &str, content: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.push(&["<", name, ">"]);
        content(self)?;
        self.push(&["</", name, ">"]);
        Ok(())
    }

    /// Writes an element that the schema requires.
    fn text(&mut self, name: &'static str, text: Option<&str>) -> Result<()> {
        let text = text.ok_or_else(|| unwritable(name))?;
        self.inside(name, |w| w.escaped(text, name))
    }

    fn optional(&mut self, name: &'static str, text: Option<&str>) -> Result<()> {
        text.map_or(Ok(()), |text| self.text(name, Some(text)))
    }

    fn required_word<'a>(&mut self, name: &'static str, word: Option<&impl Word<'a>>) -> Result<()> {
        self.text(name, word.filter(|word| word.is_known()).map(Word::word))
    }

    fn word<'a>(&mut self, name: &'static str, word: Option<&impl Word<'a>>) -> Result<()> {
        word.map_or(Ok(()), |word| self.required_word(name, Some(word)))
    }

    fn lang_text(&mut self, name: &'static str, text: Option<&Text<'_>>) -> Result<()> {
        let Some(text) = text else { return Ok(()) };
        let Some(lang) = &text.lang else { return self.text(name, Some(&text.text)) };
        if !is_language(lang) {
            return Err(unwritable("lang"));
        }
        self.push(&["<", name, " lang=\"", lang, "\">"]);
        self.escaped(&text.text, name)?;
        self.push(&["</", name, ">"]);
        Ok(())
    }

    fn escaped(&mut self, text: &str, name: &'static str) -> Result<()> {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\r' => self.0.push_str("&#13;"),
                '\t' | '\n' => self.0.push(c),
                c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => return Err(unwritable(name)),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

/// Whether `lang` has the form of `xs:language`.
fn is_language(lang: &str) -> bool {
    lang.split('-').enumerate().all(|(index, part)| {
        (1..=8).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphabetic() || (index > 0 && b.is_ascii_digit()))
    })
}

/// The prefixes that extensions use and do not declare, which then the root declares.
fn prefixes<'r>(report: &'r Report<'_>) -> Result<BTreeMap<&'r str, &'r str>> {
    let mut prefixes = BTreeMap::new();
    let of_records = report.records.iter().flat_map(|record| &record.extensions);
    for extension in report.extension.iter().chain(of_records) {
        let uri = extension.namespace.as_deref().filter(|uri| !uri.is_empty() && *uri != NAMESPACE);
        let uri = uri.ok_or_else(|| unwritable("extension"))?;
        if let Some(prefix) = undeclared(extension, uri)?
            && *prefixes.entry(prefix).or_insert(uri) != uri
        {
            return Err(unwritable("extension"));
        }
    }
    Ok(prefixes)
}

/// The prefix of an extension, where the extension does not declare it itself.
fn undeclared<'r>(extension: &'r Extension<'_>, uri: &str) -> Result<Option<&'r str>> {
    if is_one_element(&extension.xml, uri, "") {
        return Ok(None);
    }
    let name = extension.xml.strip_prefix('<').unwrap_or_default();
    let prefix = name.split_once(':').map_or("", |(prefix, _)| prefix);
    let is_name = prefix.starts_with(|c: char| c.is_ascii_alphabetic())
        && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let declared = format!(" xmlns:{prefix}=\"{}\"", quick_xml::escape::escape(uri));
    let fits = is_name && is_one_element(&extension.xml, uri, &declared);
    fits.then_some(Some(prefix)).ok_or_else(|| unwritable("extension"))
}

/// Whether `xml` is one well-formed element in the namespace `uri`, all its prefixes declared.
fn is_one_element(xml: &str, uri: &str, declared: &str) -> bool {
    if xml.contains(|c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r')) {
        return false;
    }
    let whole = format!("<x xmlns=\"{NAMESPACE}\"{declared}>{xml}</x>");
    let mut reader = NsReader::from_str(&whole);
    reader.config_mut().expand_empty_elements = true;
    let (mut depth, mut roots, mut children) = (0_u32, 0_u32, 0_u32);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                roots += u32::from(depth == 0);
                children += u32::from(depth == 1);
                let is_outermost = depth == 1;
                if roots > 1 || !names_resolve(&reader, &tag, is_outermost.then_some(uri)) {
                    return false;
                }
                depth += 1;
            }
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Eof) => return depth == 0 && children == 1,
            Ok(
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) | Event::Comment(_) | Event::PI(_),
            ) if depth > 1 => {}
            _ => return false,
        }
    }
}

/// Whether every prefix of a start tag is declared, and the element is in the namespace `uri` if one is given.
fn names_resolve(reader: &NsReader<&[u8]>, tag: &BytesStart<'_>, uri: Option<&str>) -> bool {
    let resolver = reader.resolver();
    let in_place = match resolver.resolve_element(tag.name()).0 {
        ResolveResult::Bound(bound) => uri.is_none_or(|uri| bound.0 == uri.as_bytes()),
        ResolveResult::Unbound => uri.is_none(),
        ResolveResult::Unknown(_) => false,
    };
    let is_known = |key| !matches!(resolver.resolve_attribute(key).0, ResolveResult::Unknown(_));
    in_place && tag.attributes().all(|attribute| attribute.is_ok_and(|attribute| is_known(attribute.key)))
}
