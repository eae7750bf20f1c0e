//! XML → [`AggregateReport`].
use crate::error::Result;
use crate::limits::Limits;
use crate::model::AggregateReport;
use crate::parse::Parsed;

/// Reads every document of a payload.
pub fn parse<'a>(_payload: &'a str, _limits: &Limits) -> Vec<Result<Parsed<AggregateReport<'a>>>> {
    Vec::new()
}
