//! JSON → [`TlsReport`].
use crate::error::Result;
use crate::limits::Limits;
use crate::model::TlsReport;
use crate::parse::Parsed;

/// Reads every report of a payload.
pub fn parse<'a>(_payload: &'a str, _limits: &Limits) -> Vec<Result<Parsed<TlsReport<'a>>>> {
    Vec::new()
}
