//! Signatures of mail, with keys that are made here.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dmarc_ingest::authenticate::{DkimVerdict, NotVerified, Trust, verify};
use dmarc_ingest::dns::Trouble;
use hickory_proto::rr::RecordType;
use mail_auth::common::crypto::{DkimKey, Ed25519Key, RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::generate::DkimKeyPair;
use mail_auth::dkim::{Canonicalization, DkimSigner};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer};

use crate::server::Dns;

/// Private and public key, both DER.
type Pair = (Vec<u8>, Vec<u8>);

static RSA: LazyLock<Pair> = LazyLock::new(|| DkimKeyPair::generate_rsa(1024).unwrap().into_inner());
static SHORT: LazyLock<Pair> = LazyLock::new(|| DkimKeyPair::generate_rsa(768).unwrap().into_inner());
static EDWARDS: LazyLock<Pair> = LazyLock::new(|| DkimKeyPair::generate_ed25519().unwrap().into_inner());

const BODY: &str = "--b\r\nContent-Type: text/plain\r\n\r\nhello  \r\n--b\r\nContent-Type: application/gzip\r\n\
                    Content-Transfer-Encoding: base64\r\n\r\nH4sIAAAA\r\n--b--\r\n";

/// How a mail is signed.
struct Signing {
    domain: &'static str,
    selector: &'static str,
    is_rsa: bool,
    key: &'static Pair,
    headers: &'static [&'static str],
    canonical: Canonicalization,
    has_length: bool,
}

impl Default for Signing {
    fn default() -> Self {
        Self {
            domain: "example.org",
            selector: "s1",
            is_rsa: true,
            key: &RSA,
            headers: &["From", "Subject", "Date", "Content-Type"],
            canonical: Canonicalization::Relaxed,
            has_length: false,
        }
    }
}

impl Signing {
    fn sign(&self, mail: &str) -> String {
        let key = if self.is_rsa {
            let der = PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(self.key.0.clone()));
            DkimKey::from(RsaKey::<Sha256>::from_key_der(der).unwrap())
        } else {
            DkimKey::from(Ed25519Key::from_pkcs8_der(&self.key.0).unwrap())
        };
        let signer = DkimSigner::from_key(key)
            .domain(self.domain)
            .selector(self.selector)
            .headers(self.headers.iter().copied())
            .body_length(self.has_length)
            .header_canonicalization(self.canonical)
            .body_canonicalization(self.canonical);
        format!("{}{mail}", signer.sign(mail.as_bytes()).unwrap().to_header())
    }

    /// Publishes the key.
    fn publish(&self, dns: &Dns) {
        let kind = if self.is_rsa { "rsa" } else { "ed25519" };
        let key = STANDARD.encode(&self.key.1);
        dns.txt(&self.name(), &format!("v=DKIM1; k={kind}; p={key}"));
    }

    fn name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }
}

fn mail_from(from: &str) -> String {
    format!(
        "Received: by mx.example; Tue, 24 Nov 2026 10:00:00 +0000\r\nFrom: {from}\r\nSubject: Report Domain: a\r\n\
         Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nContent-Type: multipart/mixed;\r\n\tboundary=b\r\n\r\n{BODY}"
    )
}

/// A mail of example.org that is signed like this, its key in DNS.
fn signed(dns: &Dns, signing: &Signing) -> String {
    signing.publish(dns);
    signing.sign(&mail_from("\"Reports\" <dmarc@Mail.Example.org>"))
}

fn check(dns: &Dns, mail: &str) -> DkimVerdict {
    let message = dmarc_core::read(mail.as_bytes(), &dmarc_core::Limits::default()).message.unwrap();
    verify(mail.as_bytes(), message.from_domain.as_deref().unwrap_or_default(), &dns.resolver())
}

fn reason(dns: &Dns, mail: &str) -> NotVerified {
    match check(dns, mail) {
        DkimVerdict::NotVerified(reason) => reason,
        DkimVerdict::Verified { .. } => panic!("verified: {mail}"),
    }
}

fn verified(domain: &str) -> DkimVerdict {
    DkimVerdict::Verified { domain: domain.to_owned() }
}

#[test]
fn verifies_rsa_and_ed25519_in_both_canonicalizations() {
    let dns = Dns::start();
    let edwards = || Signing { is_rsa: false, key: &EDWARDS, selector: "ed", ..Signing::default() };
    for canonical in [Canonicalization::Relaxed, Canonicalization::Simple] {
        for signing in [Signing::default(), edwards()] {
            let mail = signed(&dns, &Signing { canonical, ..signing });
            assert_eq!(check(&dns, &mail), verified("example.org"), "{mail}");
        }
    }
}

#[test]
fn verifies_a_mail_that_was_stored_with_bare_line_feeds() {
    let dns = Dns::start();
    for canonical in [Canonicalization::Relaxed, Canonicalization::Simple] {
        let mail = signed(&dns, &Signing { canonical, ..Signing::default() });
        assert_eq!(check(&dns, &mail.replace("\r\n", "\n")), verified("example.org"), "{mail}");
    }
}

#[test]
fn takes_a_signer_above_or_below_the_author_domain_but_no_other() {
    let dns = Dns::start();
    for domain in ["mail.example.org", "other.example.org"] {
        let mail = signed(&dns, &Signing { domain, ..Signing::default() });
        assert_eq!(check(&dns, &mail), verified(domain));
    }
    for domain in ["evil.example", "org", "notexample.org", "example.org.evil.example"] {
        let mail = signed(&dns, &Signing { domain, ..Signing::default() });
        let asked = dns.asked();
        assert_eq!(reason(&dns, &mail), NotVerified::NotAligned, "{domain}");
        assert_eq!(dns.asked(), asked, "keys of strangers are not asked for");
    }
}

#[test]
fn finds_the_signature_that_counts_among_those_of_others() {
    let dns = Dns::start();
    let ours = signed(&dns, &Signing::default());
    let stranger = Signing { domain: "list.example", selector: "l", ..Signing::default() };
    stranger.publish(&dns);
    let mail = stranger.sign(&ours);
    let mail = format!("DKIM-Signature: v=1; a=rsa-sha256; nonsense\r\nDKIM-Signature: \r\n{mail}");
    assert_eq!(check(&dns, &mail), verified("example.org"));
}

#[test]
fn proves_nothing_with_a_body_or_header_that_changed() {
    let dns = Dns::start();
    let mail = signed(&dns, &Signing::default());
    for (from, to, expected) in [
        ("H4sIAAAA", "H4sIAAAB", NotVerified::BodyChanged),
        ("--b--\r\n", "--b--\r\nfooter of a list\r\n", NotVerified::BodyChanged),
        ("Report Domain: a", "Report Domain: b", NotVerified::Mismatch),
        ("boundary=b", "boundary=c", NotVerified::Mismatch),
        ("dmarc@Mail", "fraud@Mail", NotVerified::Mismatch),
        ("s=s1", "s=s2", NotVerified::NoKey),
    ] {
        let changed = mail.replacen(from, to, 1);
        assert_ne!(changed, mail);
        assert_eq!(reason(&dns, &changed), expected, "{from} -> {to}");
    }
    assert_eq!(check(&dns, &format!("X-Spam: no\r\n{mail}")), verified("example.org"));
}

#[test]
fn does_not_call_a_rotated_or_revoked_key_a_failure() {
    let dns = Dns::start();
    let signing = Signing::default();
    let mail = signed(&dns, &signing);
    assert_eq!(check(&dns, &mail), verified("example.org"));
    dns.remove(&signing.name(), RecordType::TXT);
    assert_eq!(reason(&dns, &mail), NotVerified::NoKey);
    dns.txt(&signing.name(), "v=DKIM1; k=rsa; p=");
    assert_eq!(reason(&dns, &mail), NotVerified::KeyRevoked);
    dns.remove(&signing.name(), RecordType::TXT);
    Signing { key: &SHORT, ..Signing::default() }.publish(&dns);
    assert_eq!(reason(&dns, &mail), NotVerified::KeyTooShort { bits: 768 });
    dns.remove(&signing.name(), RecordType::TXT);
    dns.txt(&signing.name(), "v=spf1 -all");
    assert_eq!(reason(&dns, &mail), NotVerified::BadKey);
    // Another record beside it is no harm.
    signing.publish(&dns);
    assert_eq!(check(&dns, &mail), verified("example.org"));
}

#[test]
fn refuses_a_short_key_even_where_the_signature_fits() {
    let dns = Dns::start();
    let mail = signed(&dns, &Signing { key: &SHORT, ..Signing::default() });
    assert_eq!(reason(&dns, &mail), NotVerified::KeyTooShort { bits: 768 });
}

#[test]
fn asks_again_later_where_dns_does_not_tell() {
    let dns = Dns::start();
    let mail = mail_from("a@broken.example");
    let broken = Signing { domain: "broken.example", ..Signing::default() }.sign(&mail);
    assert_eq!(reason(&dns, &broken), NotVerified::Dns(Trouble::Server("Server Failure")));
    let silent =
        Signing { domain: "silent.example", ..Signing::default() }.sign(&mail_from("a@silent.example"));
    let start = Instant::now();
    let reason = reason(&dns, &silent);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(reason, NotVerified::Dns(Trouble::TimedOut));
    assert!(reason.is_retryable() && !NotVerified::NoKey.is_retryable());
}

#[test]
fn takes_no_signature_of_a_part_of_the_body() {
    let dns = Dns::start();
    let whole = signed(
        &dns,
        &Signing { has_length: true, canonical: Canonicalization::Simple, ..Signing::default() },
    );
    assert!(whole.contains(&format!(" l={};", BODY.len())), "{whole}");
    assert_eq!(check(&dns, &whole), verified("example.org"));
    assert_eq!(reason(&dns, &format!("{whole}--b\r\n\r\nforged\r\n--b--\r\n")), NotVerified::PartOfBody);
}

#[test]
fn takes_no_signature_that_leaves_out_from() {
    let dns = Dns::start();
    let mail = signed(&dns, &Signing { headers: &["Subject", "Date"], ..Signing::default() });
    assert_eq!(reason(&dns, &mail), NotVerified::FromNotSigned);
}

#[test]
fn lets_no_flawed_signature_pass_beside_one_that_is_worth_a_look() {
    let dns = Dns::start();
    let flawed = signed(&dns, &Signing { headers: &["Subject", "Date"], ..Signing::default() });
    let resolver = dns.resolver();
    let worth = "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s1; h=from; bh=AAAA; b=AAAA\r\n";
    assert_eq!(reason(&dns, &format!("{worth}{flawed}")), NotVerified::BodyChanged);
    for name in ["DKIM-Signature :", "DKIM-Signature\u{b}:", "dkim-signature\t:", "DKIM-SIGNATURE\u{c} :"] {
        let disguised = flawed.replacen("DKIM-Signature:", name, 1);
        assert_ne!(disguised, flawed);
        let verdict = verify(format!("{worth}{disguised}").as_bytes(), "example.org", &resolver);
        assert!(matches!(verdict, DkimVerdict::NotVerified(_)), "{name:?}");
    }
}

#[test]
fn takes_no_mail_whose_author_could_be_read_in_two_ways() {
    let dns = Dns::start();
    let mail = signed(&dns, &Signing::default());
    for forged in
        ["From: ceo@bank.example\r\n", "from : ceo@bank.example\r\n", "FROM:\r\n ceo@bank.example\r\n"]
    {
        assert_eq!(reason(&dns, &format!("{forged}{mail}")), NotVerified::NoAuthor, "{forged}");
    }
    assert_eq!(
        reason(&dns, &format!("X: a\rFrom: ceo@bank.example\r\n{mail}")),
        NotVerified::MalformedHeader
    );
    let resolver = dns.resolver();
    for other in ["bank.example", "", "two words"] {
        assert!(matches!(verify(mail.as_bytes(), other, &resolver), DkimVerdict::NotVerified(_)), "{other}");
    }
    // Whatever the reader of the report made of it.
    let twice = format!("From: ceo@example.org\r\n{mail}");
    let verdict = verify(twice.as_bytes(), "example.org", &resolver);
    assert_eq!(verdict, DkimVerdict::NotVerified(NotVerified::NoAuthor));
    // Two authors, one of them a stranger.
    let two = Signing::default().sign(&mail_from("a@example.org, b@bank.example"));
    assert_eq!(reason(&dns, &two), NotVerified::NoAuthor);
    let verdict = verify(two.as_bytes(), "example.org", &resolver);
    assert_eq!(verdict, DkimVerdict::NotVerified(NotVerified::NoAuthor));
}

#[test]
fn takes_no_sha1_and_no_expired_signature() {
    let dns = Dns::start();
    let mail = signed(&dns, &Signing::default());
    assert_eq!(reason(&dns, &mail.replacen("rsa-sha256", "rsa-sha1", 1)), NotVerified::WeakAlgorithm);
    assert_eq!(reason(&dns, &mail.replacen("rsa-sha256", "rot13", 1)), NotVerified::WeakAlgorithm);
    let expired = mail.replacen("v=1;", "v=1; x=1700000000;", 1);
    assert_eq!(reason(&dns, &expired), NotVerified::Expired);
}

#[test]
fn says_so_where_nobody_signed() {
    let dns = Dns::start();
    assert_eq!(reason(&dns, &mail_from("a@example.org")), NotVerified::NotSigned);
    assert_eq!(
        reason(&dns, "From: a@example.org\r\nDKIM-Signature: ;;;=\r\n\r\n"),
        NotVerified::MalformedSignature
    );
    assert_eq!(dns.asked(), 0);
}

#[test]
fn looks_at_a_bounded_number_of_signatures_however_large() {
    let dns = Dns::start();
    let mail = signed(&dns, &Signing::default());
    let flood = |n: usize| {
        format!(
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=n{n};\r\n h=from; l={}; bh=AAAA; b=AAAA\r\n",
            1_000_000 + n
        )
    };
    let many: String = (0..200).map(flood).collect();
    let start = Instant::now();
    assert_eq!(reason(&dns, &format!("{many}{mail}")), NotVerified::NoKey);
    assert_eq!(dns.asked(), 8, "no more than eight keys are asked for");
    let names = "from:".repeat(3_000);
    let wide =
        format!("DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s1; h={names}x; bh=AAAA; b=AAAA\r\n");
    assert_eq!(check(&dns, &format!("{wide}{mail}")), verified("example.org"));
    assert_eq!(
        reason(&dns, &format!("{wide}{}", mail_from("a@example.org"))),
        NotVerified::MalformedSignature
    );
    let huge = format!("X: {}\r\n", "x".repeat(300_000));
    assert_eq!(reason(&dns, &format!("{huge}{mail}")), NotVerified::HeaderTooLong);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn survives_whatever_is_cut_off_or_changed() {
    let dns = Dns::start();
    let mail = signed(&dns, &Signing::default());
    let resolver = dns.resolver();
    for end in (0..mail.len() - 2).step_by(7) {
        assert_ne!(
            verify(&mail.as_bytes()[..end], "example.org", &resolver),
            verified("example.org"),
            "{end}"
        );
    }
    let signed_end = mail.find("Received:").unwrap();
    for at in 0..signed_end {
        let mut changed = mail.clone().into_bytes();
        changed[at] ^= 0x81;
        assert_ne!(
            verify(&changed, "example.org", &resolver),
            DkimVerdict::NotVerified(NotVerified::Panicked),
            "byte {at}"
        );
    }
}

#[test]
fn puts_proof_above_what_a_server_says_and_nothing_below_it() {
    let proof = verified("example.org");
    let nothing = DkimVerdict::NotVerified(NotVerified::NotSigned);
    for judged in [Trust::Unverified, Trust::TrustedAuthres, Trust::Failed("x".to_owned())] {
        assert_eq!(judged.clone().with_signature(&proof), Trust::Verified);
        assert_eq!(judged.clone().with_signature(&nothing), judged);
    }
}
