//! How things look: standard output is data, standard error is talk. Text of mails never reaches a terminal as it is.

pub mod json;
pub mod text;
pub mod trouble;
