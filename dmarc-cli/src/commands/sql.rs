//! `dmarc sql`: SQL over the stored rows.

use crate::Output;
use crate::analytics::sql;
use crate::commands::question::Question;
use crate::error::CommandError;

/// `dmarc sql 'select …'`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Tables: aggregate (a row for each record), tlsrpt (for each policy of a report), failure (for each report); their columns are \
those of the files that `dmarc dataset files` lists. Where the query has no ORDER BY, rows are sorted by all columns.

  dmarc sql \"select header_from, sum(message_count) as n from aggregate where not (dkim_aligned or spf_aligned) \
group by header_from order by n desc\"")]
pub(crate) struct Options {
    /// One query, in the SQL of polars
    #[arg(value_name = "QUERY")]
    query: String,

    #[command(flatten)]
    question: Question,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        self.question.answer(output, |subject| sql::ask(subject, &self.query))
    }
}
