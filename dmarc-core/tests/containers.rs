//! Mail and containers that are damaged or hold no report. Those that hold one stand in `tolerated/`.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::io::Write;

use dmarc_core::{Found, Limits, read};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

const AGGREGATE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<feedback>
  <version>1.0</version>
  <report_metadata>
    <org_name>Receiver</org_name><email>reports@receiver.example</email><report_id>ID</report_id>
    <date_range><begin>1704067200</begin><end>1704153599</end></date_range>
  </report_metadata>
  <policy_published><domain>sender.example</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct></policy_published>
  <record>
    <row><source_ip>192.0.2.1</source_ip><count>2</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
    <identifiers><header_from>sender.example</header_from></identifiers>
    <auth_results><dkim><domain>sender.example</domain><selector>s</selector><result>pass</result></dkim>
      <spf><domain>bounce.example</domain><result>fail</result></spf></auth_results>
  </record>
</feedback>
"#;

fn report_with_id(id: &str) -> String {
    AGGREGATE.replace("<report_id>ID<", &format!("<report_id>{id}<"))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn mail(parts: &[String]) -> String {
    let mut mail =
        "From: Reports <noreply@receiver.example>\r\nTo: dmarc@sender.example\r\nSubject: Report\r\n\
        Message-ID: <1@receiver.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            .to_owned();
    for part in parts {
        mail = mail + "--b\r\n" + part + "\r\n";
    }
    mail + "--b--\r\n"
}

#[test]
fn refuses_a_cut_gzip_file_and_gives_no_part_of_it() {
    let whole = gzip(&report_with_id("1"));
    let reading = read(&whole[..whole.len() / 2], &Limits::default());
    assert_eq!(reading.outcomes.len(), 1);
    assert!(
        matches!(&reading.outcomes[0].found, Found::Refused(error) if error.kind().code() == "decompress")
    );
}

#[test]
fn gives_nothing_for_a_message_without_report() {
    let reading = read(mail(&["\r\nHello.".to_owned()]).as_bytes(), &Limits::default());
    assert!(reading.outcomes.is_empty());
    assert!(reading.message.is_some());
}

proptest! {
    #[test]
    fn never_panics_whatever_is_damaged(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let message = mail(&[format!("Content-Type: text/xml\r\n\r\n{}", report_with_id("1"))]);
        for mut input in [message.into_bytes(), gzip(&report_with_id("1")), report_with_id("1").into_bytes()] {
            let index = at.index(input.len());
            input[index] = byte;
            read(&input, &Limits::default());
            read(&input[..cut.index(input.len())], &Limits::default());
        }
    }

    #[test]
    fn never_panics_whatever_the_bytes(input in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        read(&input, &Limits::default());
    }
}
