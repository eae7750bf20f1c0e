//! Mails as large receivers send them: a header of the usual length, and one report in a part.

use std::io::{Cursor, Write as _};

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const NAME: &str = "receiver.example!example.org!1789171200!1789257599";
/// What mail has in front of the fields that say what it is.
const HEADER: &str = "Return-Path: <noreply-dmarc@receiver.example>\r\n\
    Delivered-To: dmarc@example.org\r\n\
    Received: from mx1.example.org ([192.0.2.10])\r\n\tby imap.example.org with LMTP id k1LmQ2x\r\n\
    \tfor <dmarc@example.org>; Sun, 13 Sep 2026 04:12:22 +0000\r\n\
    Received: from mail-dm6.receiver.example (mail-dm6.receiver.example [198.51.100.73])\r\n\
    \t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\
    \tby mx1.example.org (Postfix) with ESMTPS id 4Yc1Xq2Vz1z9\r\n\
    \tfor <dmarc@example.org>; Sun, 13 Sep 2026 04:12:21 +0000 (UTC)\r\n\
    Authentication-Results: mx1.example.org; dkim=pass (2048-bit key) header.d=receiver.example\r\n\
    \theader.i=@receiver.example header.a=rsa-sha256 header.s=20230601 header.b=fK3vYw1Q;\r\n\
    \tspf=pass smtp.mailfrom=noreply-dmarc@receiver.example; dmarc=pass header.from=receiver.example\r\n\
    DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=receiver.example; s=20230601;\r\n\
    \tt=1789271541; x=1789876341; darn=example.org;\r\n\
    \th=content-transfer-encoding:content-disposition:to:from:subject:message-id:date:mime-version;\r\n\
    \tbh=6vYH2mX0wC8b3iKk9G9mXnJq3oN6m8cT2uQvQ0xw1oM=;\r\n\
    \tb=fK3vYw1Q0bq2Nf3m9yW1xQeQ3kQ0o8b1uJm8mJ6b0l5xV6yGk2m0c3mZk1mQw2tq7h\r\n\
    \t JtQ1y9u8rM5o0z4p6w2x7n1d3c5v8b0m2k4j6h8g0f1d3s5a7q9w2e4r6t8y0u1i3o5p7\r\n\
    \t Zx8c6v4b2n0m9l7k5j3h1g8f6d4s2a0p9o7i5u3y1t8r6e4w2q0==\r\n\
    Date: Sat, 12 Sep 2026 23:59:59 +0000\r\n\
    Message-ID: <12345678901234567890@receiver.example>\r\n\
    Subject: Report domain: example.org Submitter: receiver.example Report-ID: 12345678901234567890\r\n\
    From: \"DMARC reports\" <noreply-dmarc@receiver.example>\r\n\
    To: dmarc@example.org\r\n\
    MIME-Version: 1.0\r\n";

/// A mail with a gzip file beside a text for people, as most reporters send them.
pub(super) fn gzip(payload: &[u8]) -> Result<Vec<u8>> {
    Ok(with_gzip(&gzip_member(payload)?))
}

/// The same, of a file that is there.
pub(super) fn with_gzip(file: &[u8]) -> Vec<u8> {
    let mut mail = format!(
        "{HEADER}Content-Type: multipart/mixed; boundary=\"_mpm_7f3a0c9e5d\"\r\n\r\n\
         This is a multi-part message in MIME format.\r\n\r\n--_mpm_7f3a0c9e5d\r\n\
         Content-Type: text/plain; charset=\"us-ascii\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
         This is a DMARC aggregate report of receiver.example for example.org.\r\n\r\n--_mpm_7f3a0c9e5d\r\n\
         Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"{NAME}.xml.gz\"\r\n\r\n"
    )
    .into_bytes();
    encode(file, &mut mail);
    mail.extend_from_slice(b"\r\n--_mpm_7f3a0c9e5d--\r\n");
    mail
}

/// A mail that is nothing but a zip file, as Google sends them.
pub(super) fn zip(payload: &[u8]) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file(format!("{NAME}.xml"), SimpleFileOptions::default())?;
    archive.write_all(payload)?;
    let file = archive.finish()?.into_inner();
    let mut mail = format!(
        "{HEADER}Content-Type: application/zip; \r\n\tname=\"{NAME}.zip\"\r\nContent-Disposition: attachment; \r\n\
         \tfilename=\"{NAME}.zip\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    .into_bytes();
    encode(&file, &mut mail);
    Ok(mail)
}

/// A mail that is the XML.
pub(super) fn plain(payload: &str) -> Vec<u8> {
    format!(
        "{HEADER}Content-Type: text/xml; charset=utf-8; name=\"{NAME}.xml\"\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{}",
        payload.replace('\n', "\r\n")
    )
    .into_bytes()
}

/// A failure report (RFC 9991) with the header of the message that failed.
pub(super) fn failure() -> Vec<u8> {
    format!(
        "{HEADER}Content-Type: multipart/report; report-type=feedback-report; boundary=\"----=_Part_1a2b3c\"\r\n\r\n\
         ------=_Part_1a2b3c\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
         This is an authentication failure report for an email message received from 192.0.2.77.\r\n\r\n\
         ------=_Part_1a2b3c\r\nContent-Type: message/feedback-report\r\n\r\n\
         Feedback-Type: auth-failure\r\nUser-Agent: Receiver-Reporter/3.1\r\nVersion: 1\r\nAuth-Failure: dmarc\r\n\
         Authentication-Results: mx.receiver.example; dmarc=fail header.from=example.org\r\n\
         Identity-Alignment: none\r\nDKIM-Domain: example.org\r\nDKIM-Identity: @example.org\r\nDKIM-Selector: k1\r\n\
         Original-Envelope-Id: 7F2A\r\nOriginal-Mail-From: <service=example.org@list.example>\r\n\
         Source-IP: 192.0.2.77\r\nSource-Port: 51234\r\nArrival-Date: Sat, 12 Sep 2026 10:20:29 +0000\r\n\
         Reporting-MTA: dns; mx.receiver.example\r\nDelivery-Result: reject\r\nReported-Domain: example.org\r\n\r\n\
         ------=_Part_1a2b3c\r\nContent-Type: text/rfc822-headers\r\n\r\n\
         Received: from list.example by mx.receiver.example; Sat, 12 Sep 2026 10:20:29 +0000\r\n\
         From: Service <service@example.org>\r\nTo: reader@list.example\r\nSubject: News\r\n\
         Date: Sat, 12 Sep 2026 10:19:00 +0000\r\nMessage-ID: <a1@example.org>\r\n\r\n\
         ------=_Part_1a2b3c--\r\n"
    )
    .into_bytes()
}

/// Compresses `payload` into one member of a gzip file.
pub(super) fn gzip_member(payload: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(payload)?;
    Ok(encoder.finish()?)
}

/// Base64 in lines of 76 characters.
fn encode(file: &[u8], to: &mut Vec<u8>) {
    for line in BASE64.encode(file).as_bytes().chunks(76) {
        to.extend_from_slice(line);
        to.extend_from_slice(b"\r\n");
    }
}
