//! Checks the signatures of a mail (DKIM, RFC 6376; Ed25519, RFC 8463) against keys in DNS.
//!
//! **A pass proves; nothing else does.** A valid signature of the organization of From says that this organization
//! sent this body. A signature that does not verify says nothing: keys are taken out of DNS after weeks, lists and
//! gateways change mail, DNS may be down. So there is no "failed", only [`NotVerified`] with the reason.
//!
//! What a [`Verified`](DkimVerdict::Verified) mail is covered for:
//!
//! | part | covered |
//! |---|---|
//! | the whole body, and with it each MIME part, its header fields, its encoding, the report | always: a signature that leaves out a part of the body (`l=`) does not count |
//! | `From` | always: it must be signed, and the mail must have exactly one |
//! | `Date`, `Subject`, `To`, `Message-ID`, `TLS-Report-Domain` | if the signer chose so |
//! | `Content-Type`, `Content-Transfer-Encoding` of the mail itself | if the signer chose so; large reporters do not. Who changes them can have the signed bytes read differently, but adds none |
//! | that the mail was meant for you, or is new | never: a genuine mail can be sent again |
//!
//! Alignment is relaxed: `d=` and From have the same organizational domain (RFC 9989, Section 4.4.1).
//!
//! *Stricter than RFC 6376:* RSA keys below 1024 bits and `rsa-sha1` (RFC 8301) do not count. Only the first
//! [`MAX_SIGNATURES`] aligned signatures are checked. Signatures that are not aligned are not looked at, and not seen by
//! a signature that signs them (RFC 6376, Section 5.4 advises against that).
//!
//! *Not supported:* ARC, ATPS (RFC 6541), `d=` in U-labels (RFC 8616), the service type of a key (`s=`; RFC 8460 asks
//! for `tlsrpt`), `l=` where canonicalization makes the body shorter. A key in testing mode (`t=y`) counts: the proof is
//! the same.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use dmarc_core::Domain;
use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::common::crypto::{Algorithm, CryptoError};
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::{DomainKey, VerifySignature};
use mail_auth::dkim::{DkimError, Signature};
use mail_auth::{
    AuthenticatedMessage, DkimResult, Error, MessageAuthenticator, Parameters, ResolverCache, Txt,
};

use super::header::{BadHeader, Mail, is, name_and_value, push_as_sent};
use crate::dns::{Answer, Resolver, Trouble};

/// How many signatures of one mail are checked.
pub const MAX_SIGNATURES: usize = 8;
/// How many signature fields are looked at to find these.
const MAX_FIELDS: usize = 64;
/// The longest signature field, in bytes.
const MAX_FIELD_BYTES: usize = 16 * 1024;
/// The most names in `h=` of a signature.
const MAX_SIGNED_FIELDS: usize = 256;
/// The shortest RSA key that proves something, in bits (RFC 8301, Section 3.2).
const MIN_KEY_BITS: usize = 1024;

/// What checking the signatures of a mail gave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum DkimVerdict {
    /// The organization of From sent this body.
    Verified {
        /// The domain that signed (`d=`), in normal form.
        domain: String,
    },
    /// Nothing is proved.
    NotVerified(NotVerified),
}

impl fmt::Display for DkimVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified { domain } => write!(f, "verified: {domain}"),
            Self::NotVerified(reason) => reason.fmt(f),
        }
    }
}

/// Why nothing is proved. Of several signatures, that of one whose key DNS did not give for now, else of the first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotVerified {
    /// The mail has no signature.
    #[error("the mail is not signed")]
    NotSigned,
    /// The mail has no From, several, or one that readers may understand differently.
    #[error("the mail does not have exactly one author domain")]
    NoAuthor,
    /// The header section has lines that are no fields, or bare carriage returns.
    #[error("the header section of the mail is malformed")]
    MalformedHeader,
    /// The header section is too long to be looked at.
    #[error("the header section of the mail is too long")]
    HeaderTooLong,
    /// Others signed, the organization of From did not.
    #[error("no signature is of the organization of From")]
    NotAligned,
    /// The signature cannot be understood, or names a domain or key that cannot be in DNS.
    #[error("the signature is malformed")]
    MalformedSignature,
    /// The signature does not say that From is what it was.
    #[error("the signature does not cover From")]
    FromNotSigned,
    /// The signature covers a part of the body (`l=`).
    #[error("the signature covers only a part of the body")]
    PartOfBody,
    /// The signature uses SHA-1, or an algorithm that is not known.
    #[error("the algorithm of the signature proves nothing")]
    WeakAlgorithm,
    /// The signature was valid until a time that is past.
    #[error("the signature has expired")]
    Expired,
    /// DNS has no such key: rotated, or never there.
    #[error("the key of the signature is not in DNS")]
    NoKey,
    /// The key was taken back.
    #[error("the key of the signature was revoked")]
    KeyRevoked,
    /// What DNS has is no key, or one of another kind than the signature.
    #[error("the key of the signature cannot be used")]
    BadKey,
    /// The key is so short that others can sign with it.
    #[error("the key of the signature has only {bits} bits")]
    KeyTooShort {
        /// Its length.
        bits: usize,
    },
    /// DNS did not say whether there is a key.
    #[error("the key of the signature is not known: {0}")]
    Dns(Trouble),
    /// The body is not the one that was signed.
    #[error("the body changed after it was signed")]
    BodyChanged,
    /// A signed header field changed, or the key is another.
    #[error("the signature does not fit the header or the key")]
    Mismatch,
    /// Checking panicked: a bug of a library.
    #[error("checking the signature panicked")]
    Panicked,
}

impl NotVerified {
    /// Whether checking the same mail again later may give another result.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Dns(trouble) if !matches!(trouble, Trouble::NotAName))
    }
}

/// Checks the signatures of `mail`, a whole message as received, with CRLF or LF at the end of its lines.
///
/// `from_domain` is the author domain as the reader of the report sees it (`MessageInfo::from_domain`). Takes at most a
/// few times the time-out of `resolver`, whatever the mail says.
pub fn verify(mail: &[u8], from_domain: &str, resolver: &Resolver) -> DkimVerdict {
    // The libraries below read what strangers wrote; a panic there is one mail not verified.
    let verdict = catch_unwind(AssertUnwindSafe(|| check(mail, from_domain, resolver)));
    match verdict.unwrap_or(Err(NotVerified::Panicked)) {
        Ok(domain) => DkimVerdict::Verified { domain },
        Err(reason) => DkimVerdict::NotVerified(reason),
    }
}

/// A signature that may prove something, and its field.
struct Candidate<'m> {
    field: &'m [u8],
    signature: Signature,
}

fn check(mail: &[u8], from_domain: &str, resolver: &Resolver) -> Result<String, NotVerified> {
    let mail = Mail::new(mail).map_err(|bad| match bad {
        BadHeader::TooLong => NotVerified::HeaderTooLong,
        BadHeader::Malformed => NotVerified::MalformedHeader,
    })?;
    let author = Domain::new(from_domain);
    if !author.is_host_name() || mail.fields.iter().filter(|field| is(field, "from")).count() != 1 {
        return Err(NotVerified::NoAuthor);
    }
    let mut reasons = Vec::new();
    let mut candidates = candidates(&mail, &author, &mut reasons)?;
    let keys = keys(&candidates, resolver, &mut reasons);
    candidates.retain(|candidate| keys.0.contains_key(candidate.signature.domain_key().as_str()));
    if keys.0.is_empty() {
        return Err(most_telling(reasons));
    }
    let verdict = check_candidates(&mail, &candidates, &keys, &author);
    verdict.map_err(|more| {
        reasons.extend(more);
        most_telling(reasons)
    })
}

/// Aligned signatures that are worth asking DNS for; of the others, `reasons` says why not.
fn candidates<'m>(
    mail: &Mail<'m>,
    author: &Domain<'_>,
    reasons: &mut Vec<NotVerified>,
) -> Result<Vec<Candidate<'m>>, NotVerified> {
    let mut fields = mail.fields.iter().filter(|field| is(field, "dkim-signature")).peekable();
    if fields.peek().is_none() {
        return Err(NotVerified::NotSigned);
    }
    let mut candidates = Vec::new();
    for field in fields.take(MAX_FIELDS) {
        let value = name_and_value(field).1;
        let value = if field.len() <= MAX_FIELD_BYTES { value } else { b"" };
        let signature = match Signature::parse(value) {
            Ok(signature) => signature,
            Err(Error::Dkim(DkimError::UnsupportedAlgorithm)) => {
                reasons.push(NotVerified::WeakAlgorithm);
                continue;
            }
            _ => {
                reasons.push(NotVerified::MalformedSignature);
                continue;
            }
        };
        if !same_organization(&Domain::new(signature.d.as_str()), author) {
            continue;
        }
        match flaw(&signature, mail.body_bytes()) {
            Some(reason) => reasons.push(reason),
            None => candidates.push(Candidate { field, signature }),
        }
        if candidates.len() == MAX_SIGNATURES {
            break;
        }
    }
    Ok(candidates)
}

/// What keeps a signature from proving anything, whatever its key.
fn flaw(signature: &Signature, body_bytes: usize) -> Option<NotVerified> {
    let names = [Domain::new(signature.d.as_str()), Domain::new(signature.s.as_str())];
    let is_in_dns =
        names.iter().all(Domain::is_host_name) && signature.d.is_ascii() && signature.s.is_ascii();
    if !is_in_dns || signature.h.len() > MAX_SIGNED_FIELDS {
        Some(NotVerified::MalformedSignature)
    } else if matches!(signature.a, Algorithm::RsaSha1) {
        Some(NotVerified::WeakAlgorithm)
    } else if !signature.h.iter().any(|name| name.eq_ignore_ascii_case("from")) {
        Some(NotVerified::FromNotSigned)
    } else if signature.l != 0 && signature.l < body_bytes as u64 {
        Some(NotVerified::PartOfBody)
    } else {
        None
    }
}

/// The keys of the candidates. Asked for all at once, so that eight names cost the time of one.
fn keys(candidates: &[Candidate<'_>], resolver: &Resolver, reasons: &mut Vec<NotVerified>) -> Keys {
    let mut names: Vec<_> = candidates.iter().map(|candidate| candidate.signature.domain_key()).collect();
    names.sort_unstable();
    names.dedup();
    let answers = resolver.txt_many(names.clone());
    let mut keys = Keys::default();
    for (name, answer) in names.into_iter().zip(answers) {
        match key(answer) {
            Ok(key) => drop(keys.0.insert(name.into_boxed_str(), Txt::DomainKey(Arc::new(key)))),
            Err(reason) => reasons.push(reason),
        }
    }
    keys
}

/// The first record that is a key (RFC 6376, Section 3.6.2.2 leaves several undefined).
fn key(answer: Answer<Vec<u8>>) -> Result<DomainKey, NotVerified> {
    let records = match answer {
        Answer::Found(records) => records,
        Answer::Absent => return Err(NotVerified::NoKey),
        Answer::Unknown(trouble) => return Err(NotVerified::Dns(trouble)),
    };
    let mut reason = NotVerified::BadKey;
    for record in records {
        match DomainKey::parse(&record) {
            Ok(key) if key.p.public_key_bits() < MIN_KEY_BITS => {
                reason = NotVerified::KeyTooShort { bits: key.p.public_key_bits() };
            }
            Ok(key) => return Ok(key),
            Err(Error::Dkim(DkimError::RevokedPublicKey)) => reason = NotVerified::KeyRevoked,
            Err(_) => {}
        }
    }
    Err(reason)
}

/// The domain of a valid signature, or why each is not.
fn check_candidates(
    mail: &Mail<'_>,
    candidates: &[Candidate<'_>],
    keys: &Keys,
    author: &Domain<'_>,
) -> Result<String, Vec<NotVerified>> {
    let header = header(mail, candidates);
    let message = AuthenticatedMessage::parse_with_opts(mail.rest, Some(&header), false);
    let (Some(message), Some(checker)) = (message, CHECKER.as_ref()) else {
        return Err(vec![NotVerified::MalformedHeader]);
    };
    let authors = message.froms().iter().map(|from| Domain::new(dmarc_core::domain::domain_part(from)));
    if message.froms().is_empty() || !authors.into_iter().all(|other| same_organization(&other, author)) {
        return Err(vec![NotVerified::NoAuthor]);
    }
    let parameters = Parameters::new(&message).with_txt_cache(keys);
    // All it asks for is there, so it never waits.
    let Poll::Ready(results) =
        pin!(checker.verify_dkim(parameters)).poll(&mut Context::from_waker(Waker::noop()))
    else {
        return Err(vec![NotVerified::Panicked]);
    };
    let mut reasons = Vec::new();
    for result in &results {
        match (result.result(), result.signature()) {
            (DkimResult::Pass, Some(signature)) => {
                // Once more: the library may have seen a signature where we saw none.
                let domain = Domain::new(signature.d.as_str());
                match flaw(signature, mail.body_bytes()) {
                    None if same_organization(&domain, author) => return Ok(domain.as_str().to_owned()),
                    flaw => reasons.push(flaw.unwrap_or(NotVerified::NotAligned)),
                }
            }
            (other, _) => reasons.extend(reason(other)),
        }
    }
    Err(reasons)
}

/// The header section as it was sent, without signatures that are not to be checked.
fn header(mail: &Mail<'_>, candidates: &[Candidate<'_>]) -> Vec<u8> {
    let mut header = Vec::new();
    for &field in &mail.fields {
        let is_candidate = || candidates.iter().any(|candidate| std::ptr::eq(candidate.field, field));
        if !is(field, "dkim-signature") || is_candidate() {
            push_as_sent(&mut header, field);
        }
    }
    header
}

/// `None` for a key that was not there: that was said before.
fn reason(result: &DkimResult) -> Option<NotVerified> {
    let (DkimResult::Neutral(error)
    | DkimResult::Fail(error)
    | DkimResult::PermError(error)
    | DkimResult::TempError(error)) = result
    else {
        return None;
    };
    match error {
        Error::Dns(_) => None,
        Error::Dkim(DkimError::SignatureExpired) => Some(NotVerified::Expired),
        Error::Dkim(DkimError::FailedBodyHashMatch) => Some(NotVerified::BodyChanged),
        Error::Dkim(_) | Error::Base64 | Error::MissingParameters => Some(NotVerified::MalformedSignature),
        Error::Crypto(CryptoError::IncompatibleAlgorithms) => Some(NotVerified::BadKey),
        _ => Some(NotVerified::Mismatch),
    }
}

/// That of a signature that may be valid another time, else the last found: the nearer to a pass.
fn most_telling(reasons: Vec<NotVerified>) -> NotVerified {
    let retryable = reasons.iter().find(|reason| reason.is_retryable()).cloned();
    retryable.or_else(|| reasons.into_iter().next_back()).unwrap_or(NotVerified::NotAligned)
}

fn same_organization(a: &Domain<'_>, b: &Domain<'_>) -> bool {
    !a.is_empty() && !b.is_empty() && a.organizational() == b.organizational()
}

/// Checks signatures. It knows no DNS server: everything it may ask for comes from [`Keys`].
static CHECKER: LazyLock<Option<MessageAuthenticator>> =
    LazyLock::new(|| MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default()).ok());

/// What DNS said, by name. Whatever else is asked for is not there.
#[derive(Default)]
struct Keys(HashMap<Box<str>, Txt>);

impl ResolverCache<Box<str>, Txt> for Keys {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let absent = || Txt::Error(Error::Dns(mail_auth::DnsError::InvalidRecordType));
        Some(self.0.get(name).cloned().unwrap_or_else(absent))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: std::time::Instant) {}
}
