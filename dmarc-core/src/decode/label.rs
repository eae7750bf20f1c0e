//! What a part is *said* to be. Never decides how it is read; only what is odd, and what an empty part should have been.

use super::fields::PartHeader;
use super::sniff::Kind;
use crate::error::{Error, ErrorKind};
use crate::quirk::{QuirkCode, Quirks};

/// The label of a part, file or archive entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Label {
    form: Option<Form>,
    /// What the label says of the payload inside a container.
    inner: Option<Form>,
    /// Whether it is that of a container's only content, which may not be empty.
    is_content: bool,
    charset: Option<String>,
    /// The media type, where this is the label of a MIME part.
    media: Option<String>,
    text: String,
}

/// The forms that a label can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Gzip,
    Zip,
    Xml,
    Json,
    /// Something that no report is.
    Other,
}

impl Label {
    /// The label that the header of a MIME part gives: its type, or else its file name.
    pub(super) fn of_part(header: &PartHeader) -> Self {
        let (by_name, inner) = by_name(&header.file_name);
        let by_type = by_type(&header.media);
        let (form, text) = match by_type {
            Some(form) => (Some(form), header.media.clone()),
            None => (by_name, header.file_name.clone()),
        };
        let inner = if header.media.starts_with("application/tlsrpt") { Some(Form::Json) } else { inner };
        let media = Some(header.media.clone());
        Self { form, inner, is_content: false, charset: header.charset.clone(), media, text }
    }

    /// The label of an archive entry.
    pub(super) fn of_entry(name: &str) -> Self {
        let (form, inner) = by_name(name);
        Self { form, inner, is_content: false, charset: None, media: None, text: name.to_owned() }
    }

    /// The label of what a single-file container holds.
    pub(super) fn inside(&self) -> Self {
        Self {
            form: self.inner,
            inner: None,
            is_content: true,
            charset: None,
            media: None,
            text: self.text.clone(),
        }
    }

    pub(super) fn charset(&self) -> Option<&str> {
        self.charset.as_deref()
    }

    /// Notes if the label names another form than `kind`.
    pub(super) fn compare(&self, kind: Kind, quirks: &mut Quirks) {
        let actual = match kind {
            Kind::Gzip => Form::Gzip,
            Kind::Zip => Form::Zip,
            Kind::Xml => Form::Xml,
            Kind::Json => Form::Json,
            // Fields may be a feedback report, which has a media type of its own (RFC 5965, Section 2).
            Kind::Fields => {
                if let Some(media) = &self.media {
                    let said = if media.is_empty() { "no media type" } else { media };
                    quirks.note(QuirkCode::FeedbackStructure, said);
                }
                return;
            }
            _ => return,
        };
        if self.form.is_some_and(|form| form != actual) {
            quirks.note(QuirkCode::Mislabelled, format!("{}: {actual:?}", self.text));
        }
    }

    /// Why an empty part with this label is no report; `None` if the label claims none.
    pub(super) fn empty(&self) -> Option<Error> {
        let kind = match self.form {
            Some(Form::Gzip) => ErrorKind::Decompress,
            Some(Form::Zip) => ErrorKind::Archive,
            Some(Form::Json) => ErrorKind::Json,
            Some(Form::Xml) => ErrorKind::Xml,
            _ if self.is_content => ErrorKind::Xml,
            _ => return None,
        };
        Some(Error::new(kind).with_source("nothing in it"))
    }
}

/// What a media type says; `None` for those that say nothing.
fn by_type(media: &str) -> Option<Form> {
    let (top, sub) = media.split_once('/')?;
    let sub = sub.strip_prefix("x-").unwrap_or(sub);
    match (top, sub) {
        (_, "gzip" | "gzip-compressed" | "gunzip" | "tlsrpt+gzip") => Some(Form::Gzip),
        (_, "zip" | "zip-compressed") => Some(Form::Zip),
        ("application" | "text", sub) if sub == "xml" || sub.ends_with("+xml") => Some(Form::Xml),
        (_, "json" | "tlsrpt+json") => Some(Form::Json),
        ("text", "html") | ("image" | "audio" | "video", _) | (_, "pdf") => Some(Form::Other),
        _ => None,
    }
}

/// What a file name says of the file, and of what is inside it if it is a container.
fn by_name(name: &str) -> (Option<Form>, Option<Form>) {
    let lower = name.to_ascii_lowercase();
    let Some((stem, extension)) = lower.rsplit_once('.') else { return (None, None) };
    let plain = |extension: &str| match extension {
        "xml" => Some(Form::Xml),
        "json" => Some(Form::Json),
        _ => None,
    };
    match extension {
        "gz" | "gzip" => (Some(Form::Gzip), stem.rsplit_once('.').and_then(|(_, inner)| plain(inner))),
        "tgz" => (Some(Form::Gzip), None),
        "zip" => (Some(Form::Zip), None),
        other => (plain(other), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(media: &str, file_name: &str) -> Label {
        Label::of_part(&PartHeader {
            media: media.into(),
            file_name: file_name.into(),
            ..PartHeader::default()
        })
    }

    fn is_odd(label: &Label, kind: Kind) -> bool {
        let mut quirks = Quirks::default();
        label.compare(kind, &mut quirks);
        quirks.contains(QuirkCode::Mislabelled)
    }

    #[test]
    fn finds_a_wrong_label_odd_and_a_vague_one_not() {
        assert!(is_odd(&part("application/gzip", "a.xml.gz"), Kind::Xml));
        assert!(is_odd(&part("application/octet-stream", "a.gz"), Kind::Zip));
        assert!(is_odd(&part("image/png", ""), Kind::Gzip));
        assert!(!is_odd(&part("application/octet-stream", ""), Kind::Gzip));
        assert!(!is_odd(&part("text/plain", "a.xml"), Kind::Xml));
        assert!(!is_odd(&part("application/tlsrpt+gzip", "a.gz"), Kind::Gzip));
        assert!(!is_odd(&part("application/tlsrpt+gzip", "a.gz").inside(), Kind::Json));
    }

    #[test]
    fn refuses_nothing_only_where_the_label_claims_something() {
        assert_eq!(part("text/plain", "a.xml").empty().unwrap().kind(), ErrorKind::Xml);
        assert_eq!(part("application/gzip", "").empty().unwrap().kind(), ErrorKind::Decompress);
        assert_eq!(part("application/octet-stream", "a.ZIP").empty().unwrap().kind(), ErrorKind::Archive);
        assert_eq!(Label::of_entry("a/b.json").empty().unwrap().kind(), ErrorKind::Json);
        assert!(part("text/plain", "").empty().is_none());
        assert!(part("image/png", "a.png").empty().is_none());
    }
}
