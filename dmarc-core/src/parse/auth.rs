//! The `Authentication-Results` field (RFC 8601, Section 2.2), read tolerantly.
//!
//! Owns the grammar of the field's value and nothing of its meaning: whether the field may be believed depends on who
//! added it (RFC 8601, Section 5), which only the caller can know.
//!
//! Tolerated, because failure reports have it so: no authserv-id (the field then begins with `method=`), no `;`
//! between results, properties behind a `;`, properties without a type (`action=none`), `<>` around a value, and words
//! that belong to nothing.
//!
//! *Not supported:* the version of the field and of a method (dropped, RFC 8601 knows only 1), and what stands in
//! comments (dropped). More than 100 results, or 100 properties of one result, are passed over: that is far beyond
//! what any field needs, and the function has no way to fail.

use std::borrow::Cow;

use crate::model::auth::{AuthenticationResults, MethodResult};

/// The most results kept of one field.
const RESULTS: usize = 100;
/// The most properties kept of one result.
const PROPERTIES: usize = 100;

/// The methods that begin a new result even where the `;` before them is absent.
const METHODS: [&str; 13] = [
    "arc",
    "auth",
    "bimi",
    "compauth",
    "dkim",
    "dkim-adsp",
    "dkim-atps",
    "dmarc",
    "dnswl",
    "domainkeys",
    "iprev",
    "sender-id",
    "spf",
];

/// Reads the value of one `Authentication-Results` field (RFC 8601, Section 2.2), folded or not.
///
/// Never fails: what cannot be understood is passed over, so the list of results may be empty. Names of methods,
/// results and properties are in lower case, values as received without their quotes.
///
/// ```
/// let field = dmarc_core::parse::authentication_results(
///     "mx.example.net; dkim=fail (bad signature) header.d=example.org; spf=pass smtp.mailfrom=a@example.org",
/// );
/// assert_eq!(field.authserv_id, "mx.example.net");
/// assert_eq!(field.results[0].property("header.d"), Some("example.org"));
/// assert_eq!(field.results[1].result, "pass");
/// ```
pub fn authentication_results(value: &str) -> AuthenticationResults<'_> {
    complete_authentication_results(value).0
}

/// Like [`authentication_results`], and tells whether every result and property was kept.
pub(super) fn complete_authentication_results(value: &str) -> (AuthenticationResults<'_>, bool) {
    let mut builder = Builder::default();
    let mut scanner = Scanner { rest: value };
    let mut first_word = true;
    let mut segment_begins = true;
    loop {
        scanner.skip_cfws();
        if scanner.rest.is_empty() {
            break;
        }
        if scanner.skip_byte(b';') {
            segment_begins = true;
            first_word = false;
            continue;
        }
        let key = scanner.key();
        if scanner.skip_byte(b'=') {
            scanner.skip_cfws();
            builder.pair(key, scanner.value(), segment_begins);
            segment_begins = false;
        } else if first_word {
            builder.field.authserv_id = key;
        }
        first_word = false;
    }
    builder.finish()
}

#[derive(Default)]
struct Builder<'a> {
    field: AuthenticationResults<'a>,
    overflow: bool,
}

impl<'a> Builder<'a> {
    /// Takes `key=value`, which is a result, a reason or a property.
    fn pair(&mut self, key: Cow<'a, str>, value: Cow<'a, str>, segment_begins: bool) {
        let key = lower(key);
        let typed = key.contains('.');
        let begins_result =
            !typed && key != "reason" && (segment_begins || METHODS.contains(&method_of(&key)));
        if begins_result || self.field.results.is_empty() {
            if !typed && key != "reason" {
                self.result(key, value);
            }
        } else {
            self.property(key, value);
        }
    }

    fn result(&mut self, key: Cow<'a, str>, value: Cow<'a, str>) {
        if self.field.results.len() >= RESULTS {
            self.overflow = true;
            return;
        }
        let method = match key {
            Cow::Borrowed(key) => Cow::Borrowed(method_of(key)),
            Cow::Owned(key) => Cow::Owned(method_of(&key).to_owned()),
        };
        self.field.results.push(MethodResult { method, result: lower(value), ..MethodResult::default() });
    }

    fn property(&mut self, key: Cow<'a, str>, value: Cow<'a, str>) {
        // After an overflow the last result is not the one that these belong to.
        let Some(last) = self.field.results.last_mut().filter(|_| !self.overflow) else { return };
        if key == "reason" {
            last.reason.get_or_insert(value);
        } else if last.properties.len() < PROPERTIES {
            last.properties.push((key, value));
        } else {
            self.overflow = true;
        }
    }

    fn finish(mut self) -> (AuthenticationResults<'a>, bool) {
        // `Authentication-Results: none` has no authserv-id, though RFC 8601 requires one.
        if self.field.results.is_empty() && self.field.authserv_id.eq_ignore_ascii_case("none") {
            self.field.authserv_id = Cow::Borrowed("");
        }
        (self.field, !self.overflow)
    }
}

/// The method without its version (`dkim/1`).
fn method_of(key: &str) -> &str {
    key.split_once('/').map_or(key, |(method, _)| method)
}

fn lower(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) { Cow::Owned(text.to_ascii_lowercase()) } else { text }
}

/// Walks over the field. Every method advances or leaves the position; none recurses.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.rest.as_bytes().first().copied()
    }

    /// Takes `len` bytes; `len` must lie at the boundary of a character.
    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn skip_byte(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.take(1);
        }
        found
    }

    /// Skips white space and comments; an unclosed comment reaches to the end.
    fn skip_cfws(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if self.peek() != Some(b'(') {
                return;
            }
            self.take(comment_len(self.rest));
        }
    }

    /// Takes a name, or a word; the space that RFC 8601 allows around its `.` and before a `=` is dropped.
    fn key(&mut self) -> Cow<'a, str> {
        let mut key = self.word(b"=");
        loop {
            self.skip_cfws();
            if self.peek() == Some(b'.')
                || (key.ends_with('.') && !matches!(self.peek(), None | Some(b';' | b'=')))
            {
                let more = self.word(b"=");
                key.to_mut().push_str(&more);
            } else {
                return key;
            }
        }
    }

    fn value(&mut self) -> Cow<'a, str> {
        match self.word(b"") {
            Cow::Borrowed(value) => Cow::Borrowed(bare(value)),
            owned @ Cow::Owned(_) => owned,
        }
    }

    /// Takes everything up to white space, a comment, `;` or one of `stops`; quotes around the whole are removed.
    fn word(&mut self, stops: &[u8]) -> Cow<'a, str> {
        let mut len = 0;
        while let Some(byte) = self.rest.as_bytes().get(len) {
            match byte {
                b'"' => len += quoted_len(self.rest.get(len..).unwrap_or_default()),
                b';' | b'(' => break,
                byte if byte.is_ascii_whitespace() || stops.contains(byte) => break,
                _ => len += 1,
            }
        }
        let word = self.take(len);
        if word.starts_with('"') && quoted_len(word) == word.len() {
            unquote(word)
        } else {
            Cow::Borrowed(word)
        }
    }
}

/// The length of the comment at the beginning of `text`, which starts with `(`.
pub(super) fn comment_len(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// The length of the quoted string at the beginning of `text`, which starts with `"`.
pub(super) fn quoted_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The text of a quoted string: without quotes, escapes and line ends.
fn unquote(quoted: &str) -> Cow<'_, str> {
    let inner = quoted.strip_prefix('"').unwrap_or(quoted);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    if !inner.contains(['\\', '\r', '\n']) {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            '\r' | '\n' => escaped = false,
            _ => {
                text.push(c);
                escaped = false;
            }
        }
    }
    Cow::Owned(text)
}

/// The value without the `<>` that some put around an address.
fn bare(value: &str) -> &str {
    value.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words<'r>(field: &'r AuthenticationResults<'_>) -> Vec<(&'r str, &'r str)> {
        field.results.iter().map(|r| (r.method.as_ref(), r.result.as_ref())).collect()
    }

    #[test]
    fn reads_results_reasons_and_properties() {
        let field = authentication_results(
            " MX.Example.net 1;\r\n DKIM=Pass (2048-bit key) reason=\"good; \\\"key\\\"\" Header.D=example.org\r\n\
             \theader.b=AbC=; spf/1 = softfail smtp . mailfrom=\"a b\"@example.org (sender)",
        );
        assert_eq!(field.authserv_id, "MX.Example.net");
        assert_eq!(words(&field), [("dkim", "pass"), ("spf", "softfail")]);
        assert_eq!(field.results[0].reason.as_deref(), Some("good; \"key\""));
        assert_eq!(field.results[0].property("header.d"), Some("example.org"));
        assert_eq!(field.results[0].property("header.b"), Some("AbC="));
        assert_eq!(field.results[1].property("smtp.mailfrom"), Some("\"a b\"@example.org"));
    }

    #[test]
    fn does_without_an_authserv_id() {
        let field = authentication_results("dmarc=fail action=none header.from=example.org");
        assert_eq!(field.authserv_id, "");
        assert_eq!(words(&field), [("dmarc", "fail")]);
        assert_eq!(field.results[0].property("action"), Some("none"));
        assert_eq!(field.results[0].property("header.from"), Some("example.org"));
    }

    #[test]
    fn reads_none_as_no_results() {
        for value in ["mx.example.net; none", "mx.example.net 1 ; none (nothing; x=y)"] {
            let field = authentication_results(value);
            assert_eq!((field.authserv_id.as_ref(), field.results.len()), ("mx.example.net", 0), "{value}");
        }
        assert_eq!(authentication_results("none"), AuthenticationResults::default());
        assert_eq!(authentication_results(""), AuthenticationResults::default());
    }

    #[test]
    fn finds_results_where_the_semicolons_are_astray() {
        let field =
            authentication_results("mx.example.net dkim=fail; header.d=a.example spf=pass smtp.mailfrom=<>");
        assert_eq!(field.authserv_id, "mx.example.net");
        assert_eq!(words(&field), [("dkim", "fail"), ("spf", "pass")]);
        assert_eq!(field.results[0].property("header.d"), Some("a.example"));
        assert_eq!(field.results[1].property("smtp.mailfrom"), Some(""));
    }

    #[test]
    fn does_not_take_a_comment_or_quoted_text_for_a_result() {
        let field =
            authentication_results("mx.example.net; spf=fail (x; dkim=pass (\\) y)) reason=\"; dkim=pass\"");
        assert_eq!(words(&field), [("spf", "fail")]);
    }

    #[test]
    fn borrows_what_needs_no_change() {
        let field = authentication_results("mx.example.net; dkim=pass header.d=example.org reason=\"fine\"");
        assert!(matches!(field.results[0].method, Cow::Borrowed(_)));
        assert!(matches!(field.results[0].reason, Some(Cow::Borrowed("fine"))));
    }

    #[test]
    fn survives_an_unclosed_comment_and_an_unclosed_quote() {
        assert_eq!(words(&authentication_results("a; spf=pass (dkim=pass")), [("spf", "pass")]);
        let quote = authentication_results("a; spf=\"pass; dkim=pass");
        assert_eq!(words(&quote), [("spf", "pass; dkim=pass")]);
        assert_eq!(
            words(&authentication_results("a; spf=pass\0 \0=\0;;;=;==")).first(),
            Some(&("spf", "pass\0"))
        );
    }

    #[test]
    fn survives_a_hundred_thousand_comments_nested_or_not() {
        let nested = format!("{}x{}; spf=pass", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(words(&authentication_results(&nested)), [("spf", "pass")]);
        let flat = format!("a;{} spf=pass", "(x)".repeat(100_000));
        assert_eq!(words(&authentication_results(&flat)), [("spf", "pass")]);
        assert!(authentication_results(&"(".repeat(100_000)).results.is_empty());
    }

    #[test]
    fn stops_at_a_hundred_results_and_properties() {
        let (field, complete) = complete_authentication_results("a; spf=pass");
        assert!(complete && field.results.len() == 1);
        let many = format!("a{}", "; spf=pass".repeat(RESULTS + 1));
        let (field, complete) = complete_authentication_results(&many);
        assert!(!complete && field.results.len() == RESULTS);
        let many = format!("a; spf=pass{}", " smtp.helo=b".repeat(PROPERTIES + 1));
        let (field, complete) = complete_authentication_results(&many);
        assert!(!complete && field.results[0].properties.len() == PROPERTIES);
    }

    proptest! {
        #[test]
        fn reads_any_text_without_panic(text in any::<String>()) {
            authentication_results(&text);
        }

        #[test]
        fn reads_any_text_of_the_grammar_without_panic(text in "[a.=;()\"\\\\ \r\n<>é/]{0,80}") {
            authentication_results(&text);
        }
    }
}
