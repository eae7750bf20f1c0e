//! What is read: made here, but for the mailbox, which is that of the tests.

mod json;
mod mail;
mod xml;

use std::path::Path;

use anyhow::Result;
use dmarc_core::Limits;

pub(crate) use self::xml::Dialect;
use crate::peers::{self, Reader};

/// One thing to measure.
pub(crate) struct Item {
    /// What it is called in the table.
    pub name: String,
    /// The name of the ratio that it belongs to; several items share one, as their geometric mean.
    pub ratio: &'static str,
    /// Records, mails or the like.
    pub units: u64,
    /// What one of them is called, in the plural.
    pub unit: &'static str,
    /// What is read, one after the other.
    pub inputs: Vec<Input>,
    /// Who reads it; the first is ours, and the others are held to it.
    pub readers: Vec<Reader>,
    /// What is to be said of it.
    pub note: Option<String>,
}

/// A payload or a mail.
pub(crate) struct Input {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub kind: Kind,
}

impl Input {
    /// What a file of it is called behind the dot.
    pub(crate) fn extension(&self) -> &'static str {
        match self.bytes.first() {
            Some(b'<') => "xml",
            Some(b'{') => "json",
            _ => "eml",
        }
    }
}

/// What a payload or mail holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An aggregate report.
    Aggregate,
    /// A failure report.
    Failure,
    /// A TLS report.
    Tls,
}

/// How large the items are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// All of them.
    Whole,
    /// None with more than 10 records: to see that everything works.
    Tiny,
    /// The same without the mailbox, which takes longer to prepare than to read.
    Made,
}

/// Makes every item.
pub(crate) fn all(size: Size) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for (ratio, records) in [("xml_1", 1), ("xml_10", 10), ("xml_1000", 1_000), ("xml_100000", 100_000)] {
        if size == Size::Whole || records <= 10 {
            items.extend(Dialect::ALL.map(|dialect| xml_item(ratio, dialect, records)));
        }
    }
    let one = Dialect::Google.report(1);
    items.push(mail_item("mail_gz_1", mail::gzip(one.as_bytes())?, Kind::Aggregate));
    items.push(mail_item("mail_zip_1", mail::zip(one.as_bytes())?, Kind::Aggregate));
    items.push(mail_item("mail_plain_1", mail::plain(&one), Kind::Aggregate));
    if size != Size::Made {
        items.push(mailbox_item());
    }
    items.push(mail_item("failure", mail::failure(), Kind::Failure));
    items.push(tls_item("tlsrpt_small", 2, 1));
    if size == Size::Whole {
        items.push(tls_item("tlsrpt_large", 200, 20));
    }
    Ok(items)
}

/// A mail with a gzip file of `times` as many records as `records`, of members that are compressed once.
pub(crate) fn repeated_mail(records: u64, times: usize) -> Result<Vec<u8>> {
    let (head, body, tail) = Dialect::Google.parts(records);
    let body = mail::gzip_member(body.as_bytes())?;
    let mut file = mail::gzip_member(head.as_bytes())?;
    for _ in 0..times {
        file.extend_from_slice(&body);
    }
    file.extend(mail::gzip_member(tail.as_bytes())?);
    Ok(mail::with_gzip(&file))
}

fn xml_item(ratio: &'static str, dialect: Dialect, records: u64) -> Item {
    Item {
        name: format!("{ratio} {}", dialect.name()),
        ratio,
        units: records,
        unit: "records",
        inputs: vec![Input { bytes: dialect.report(records).into_bytes(), kind: Kind::Aggregate }],
        readers: peers::XML.to_vec(),
        note: None,
    }
}

fn mail_item(ratio: &'static str, bytes: Vec<u8>, kind: Kind) -> Item {
    Item {
        name: ratio.to_owned(),
        ratio,
        units: 1,
        unit: "mails",
        inputs: vec![Input { bytes, kind }],
        readers: peers::MAIL.to_vec(),
        note: None,
    }
}

fn tls_item(ratio: &'static str, policies: u64, failures: u64) -> Item {
    Item {
        name: ratio.to_owned(),
        ratio,
        units: policies,
        unit: "policies",
        inputs: vec![Input { bytes: json::report(policies, failures).into_bytes(), kind: Kind::Tls }],
        readers: peers::JSON.to_vec(),
        note: None,
    }
}

/// The mails of the simulated mailbox that both sides read, and find the same in.
fn mailbox_item() -> Item {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/mailbox");
    let mails = dmarc_ingest::Messages::new(&[folder], &Limits::default()).flatten().map(|input| input.bytes);
    let both = peers::Mailbox::of(mails.collect());
    let note = format!(
        "mailbox: {} mails are read by both; {} only by us, {} only by mail-auth, {} differently, {} by neither",
        both.inputs.len(),
        both.only_ours,
        both.only_theirs,
        both.differ,
        both.neither
    );
    Item {
        name: "mailbox".to_owned(),
        ratio: "mailbox",
        units: both.inputs.len() as u64,
        unit: "mails",
        inputs: both.inputs,
        readers: peers::MAIL.to_vec(),
        note: Some(note),
    }
}
