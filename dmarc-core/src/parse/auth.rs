//! The `Authentication-Results` field (RFC 8601, Section 2.2).
use crate::model::auth::AuthenticationResults;

/// Reads the value of one field.
pub fn authentication_results(_value: &str) -> AuthenticationResults<'_> {
    AuthenticationResults::default()
}
