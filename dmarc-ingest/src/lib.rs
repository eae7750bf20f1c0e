//! From mail to outcomes.
