//! Domain names in one normal form, and their organizational domain.
//!
//! *Not supported:* the DNS tree walk of RFC 9989, Section 4.10, which needs the network; the Public Suffix List
//! compiled in gives the same result in nearly every case.

use std::borrow::Cow;
use std::fmt;

/// A domain name as a report gives it, in normal form.
///
/// Invariant: lower-case, without surrounding white space and trailing dots, U-labels as A-labels where IDNA can
/// convert them; a normal form is its own normal form. The text still comes from a report: it may be empty or no host name at all, see
/// [`is_host_name`](Self::is_host_name).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[must_use]
pub struct Domain<'a>(Cow<'a, str>);

impl<'a> Domain<'a> {
    /// Brings `text` into normal form; borrows where it is in that form already.
    pub fn new(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        if is_normal(&text) {
            return Self(text);
        }
        let bare = bare(&text);
        if bare.is_ascii() {
            return Self(Cow::Owned(bare.to_ascii_lowercase()));
        }
        Self(Cow::Owned(match idna::domain_to_ascii(bare) {
            // What was dropped or converted may have hidden a dot or a space at the end.
            Ok(name) => self::bare(&name).to_owned(),
            Err(_) => bare.to_ascii_lowercase(),
        }))
    }

    /// Takes `name` as it is if it is a short host name in normal form, as nearly all are; gives any other back.
    pub(crate) fn from_plain_name(name: Cow<'a, str>) -> Result<Self, Cow<'a, str>> {
        if is_plain_name(&name) { Ok(Self(name)) } else { Err(name) }
    }

    /// A name that was in normal form when it was stored.
    #[cfg(feature = "arrow")]
    pub(crate) fn from_normal_form(name: impl Into<Cow<'a, str>>) -> Self {
        Self(name.into())
    }

    /// The normal form as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing was given (for `envelope_from`: the null reverse-path).
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is a name that DNS could hold: labels of 1 to 63 letters, digits, `-` and `_`, 253 bytes in all.
    pub fn is_host_name(&self) -> bool {
        is_host_name(&self.0)
    }

    /// The organizational domain by the Public Suffix List: the public suffix and one label (RFC 7489, Section 3.2).
    /// A name that is itself a suffix stands for itself.
    pub fn organizational(&self) -> &str {
        organizational(&self.0)
    }

    /// Detaches the name from the payload that it borrows from.
    pub fn into_owned(self) -> Domain<'static> {
        Domain(Cow::Owned(self.0.into_owned()))
    }
}

impl fmt::Display for Domain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Domain<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Domain<'_> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer).map(Self::new)
    }
}

/// The organizational domain of a name in normal form, see [`Domain::organizational`].
pub fn organizational(name: &str) -> &str {
    psl::domain_str(name).unwrap_or(name)
}

/// What stands behind the last `@` of an address; the whole text where it has none.
pub fn domain_part(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain)
}

/// Whether two names in normal form have the same organizational domain (relaxed alignment).
pub(crate) fn same_organization(a: &str, b: &str) -> bool {
    !a.is_empty() && !b.is_empty() && (a == b || organizational(a) == organizational(b))
}

/// Whether `name` is `parent` or below it; both in normal form.
pub fn is_at_or_below(name: &str, parent: &str) -> bool {
    !parent.is_empty() && name.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether `name` is a name that DNS could hold, see [`Domain::is_host_name`].
pub(crate) fn is_host_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

/// Whether `name` is a host name and in normal form, and no longer than one label may be: told in one pass over it.
fn is_plain_name(name: &str) -> bool {
    let mut before = b'.';
    for byte in name.bytes() {
        let is_label = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if !is_label && (byte != b'.' || before == b'.') {
            return false;
        }
        before = byte;
    }
    before != b'.' && name.len() <= 63
}

/// `text` without white space around it and dots at its end.
fn bare(text: &str) -> &str {
    text.trim_start().trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

fn is_normal(text: &str) -> bool {
    !text.ends_with('.')
        && text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase() && !b.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn leaves_a_normal_form_as_it_is(text in "[a-zA-Z0-9._ \\u{b}\u{ad}\u{3002}ßΣİ℡-]{0,12}", any in ".{0,12}") {
            for text in [text, any] {
                let once = Domain::new(text);
                let twice = Domain::new(once.as_str());
                prop_assert_eq!(once.as_str(), twice.as_str());
            }
        }

        #[test]
        fn takes_as_it_is_what_has_nothing_to_be_changed(text in "[a-z0-9_.-]{0,12}|([a-z]{20,40}[.]?){1,3}|[a-zA-Z.]{0,5}|.{0,8}") {
            let is_plain = is_normal(&text) && is_host_name(&text) && text.len() <= 63;
            prop_assert_eq!(Domain::from_plain_name(Cow::Borrowed(&text)).is_ok(), is_plain);
        }
    }

    #[test]
    fn drops_every_dot_at_the_end() {
        for form in ["a.", "a..", "a. .", "a.\u{ad}.", "a\u{3002}"] {
            assert_eq!(Domain::new(form).as_str(), "a", "{form:?}");
        }
    }

    #[test]
    fn has_one_normal_form_for_case_dot_and_idn() {
        for form in ["müller.example", "MÜLLER.example.", " xn--mller-kva.example", "xn--mller-kva.example"]
        {
            assert_eq!(Domain::new(form).as_str(), "xn--mller-kva.example", "{form}");
        }
    }

    #[test]
    fn finds_the_organizational_domain_by_the_suffix_list() {
        assert_eq!(organizational("a.b.example.co.uk"), "example.co.uk");
        assert_eq!(organizational("co.uk"), "co.uk");
        assert_eq!(organizational("mail.example.org"), "example.org");
    }

    #[test]
    fn does_not_take_a_longer_label_for_a_subdomain() {
        assert!(is_at_or_below("a.example.org", "example.org"));
        assert!(is_at_or_below("example.org", "example.org"));
        assert!(!is_at_or_below("badexample.org", "example.org"));
    }
}
