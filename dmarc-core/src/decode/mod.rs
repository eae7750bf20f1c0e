//! Received bytes → payloads.
