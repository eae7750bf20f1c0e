//! Questions over what is stored, one file a question. The only place that names polars.
//!
//! What needs rows is asked of [`Tables`]: the segments of one state of the ledger, as lazy frames. What does not is asked of the
//! ledger, which knows every report.
//!
//! - Text columns are strings here, not dictionaries, so that every function of SQL takes them.
//! - Numbers of messages are added by [`sum`]: a hostile report may say anything, and polars' own sum wraps around.
//! - Rows come in no order from polars: each question sorts its own.

mod cells;
pub(crate) mod gaps;
pub(crate) mod reports;
pub(crate) mod sql;
pub(crate) mod summary;
pub(crate) mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::DataType as ArrowType;
use dmarc_core::record::Selection;
use polars::io::HiveOptions;
use polars::lazy::dsl::{
    CastColumnsPolicy, DslBuilder, ExtraColumnsPolicy, MissingColumnsPolicy, ScanSources, UnifiedScanArgs,
};
use polars::prelude::{
    DataFrame, DataType, Engine, Expr, Field, IntoLazy as _, LazyFrame, ParquetOptions, PlRefPath,
    PolarsError, PolarsResult, Schema, TimeUnit, TimeZone, coalesce, col, lit, when,
};

use crate::commands::question::Subject;
use crate::error::{CommandError, Kind};

/// How often a state is asked again whose files were replaced while they were read.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// The kinds of rows, each a table.
pub(crate) const KINDS: [&str; 3] = ["aggregate", "failure", "tlsrpt"];
/// The column that tells one report from another.
const REPORT_KEY: &str = "report_key";

/// The rows of one state of a dataset.
#[derive(Debug)]
struct Tables<'a> {
    files: Vec<(String, PathBuf)>,
    selection: &'a Selection,
}

/// Asks a question of one state of the dataset, and again of a newer one if files were replaced meanwhile. `fault` says who is to
/// blame for an error that is none of the files.
fn ask<T>(
    subject: &Subject,
    fault: Kind,
    question: impl Fn(&Tables<'_>) -> PolarsResult<T>,
) -> Result<T, CommandError> {
    for _ in 1..TRIES {
        let tables = Tables { files: subject.reader.readable()?, selection: &subject.selection };
        match question(&tables) {
            Err(_) if !tables.files.iter().all(|(_, file)| file.exists()) => std::thread::sleep(PAUSE),
            done => return done.map_err(|error| failure(&error, fault)),
        }
    }
    Err(CommandError::new(Kind::Dataset, anyhow::anyhow!("files are replaced faster than they can be read")))
}

fn failure(error: &PolarsError, fault: Kind) -> CommandError {
    let kind = if matches!(error, PolarsError::IO { .. }) { Kind::Dataset } else { fault };
    // A plan of the query may follow.
    let text = error.to_string();
    let message = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    CommandError::new(kind, anyhow::Error::msg(message))
}

impl Tables<'_> {
    /// The rows of a kind that count.
    fn rows(&self, kind: &str) -> PolarsResult<LazyFrame> {
        let schema = schema(kind);
        let files: Vec<PlRefPath> = self
            .files
            .iter()
            .filter(|(of, _)| of == kind)
            .map(|(_, path)| PlRefPath::try_from_path(path))
            .collect::<PolarsResult<_>>()?;
        let rows = if files.is_empty() {
            DataFrame::empty_with_schema(&schema).lazy()
        } else {
            scan(ScanSources::Paths(files.into_iter().collect()), schema)?
        };
        Ok(self.filters(kind).into_iter().fold(rows, LazyFrame::filter))
    }

    /// What of the scope can be told from a row of this kind.
    fn filters(&self, kind: &str) -> Vec<Expr> {
        let Selection { domains, since, until, .. } = self.selection;
        let begin = if kind == "failure" {
            coalesce(&[col("arrived"), col("mail_received"), col("mail_date")])
        } else {
            col("begin")
        };
        let mut filters: Vec<Expr> = Vec::new();
        filters.extend(since.map(|since| begin.clone().gt_eq(time(since))));
        filters.extend(until.map(|until| begin.lt_eq(time(until))));
        filters.extend(domains.iter().map(|domain| is_at_or_below(domain_of(kind), domain)).reduce(Expr::or));
        filters
    }
}

/// A scan of files that may have fewer columns than this version knows, or more.
fn scan(sources: ScanSources, schema: Arc<Schema>) -> PolarsResult<LazyFrame> {
    let cast_columns_policy = CastColumnsPolicy {
        categorical_to_string: true,
        missing_struct_fields: MissingColumnsPolicy::Insert,
        extra_struct_fields: ExtraColumnsPolicy::Ignore,
        ..CastColumnsPolicy::ERROR_ON_MISMATCH
    };
    let options = ParquetOptions { schema: Some(schema), ..ParquetOptions::default() };
    let arguments = UnifiedScanArgs {
        // A path is a file, whatever it looks like.
        glob: false,
        hive_options: HiveOptions { enabled: Some(false), ..HiveOptions::default() },
        cast_columns_policy,
        missing_columns_policy: MissingColumnsPolicy::Insert,
        extra_columns_policy: ExtraColumnsPolicy::Ignore,
        ..UnifiedScanArgs::default()
    };
    Ok(DslBuilder::scan_parquet(sources, options, arguments)?.build().into())
}

/// The columns of a kind, as polars names their types.
fn schema(kind: &str) -> Arc<Schema> {
    let arrow = dmarc_ingest::store::schema(kind);
    // Without its feature `dtype-u16` polars reads no such column: `source_port` of failure reports.
    let fields = arrow.fields().iter().filter(|field| *field.data_type() != ArrowType::UInt16);
    let fields = fields.map(|field| (field.name().as_str().into(), data_type(field.data_type())));
    Arc::new(fields.collect())
}

fn data_type(arrow: &ArrowType) -> DataType {
    match arrow {
        ArrowType::Boolean => DataType::Boolean,
        ArrowType::UInt32 => DataType::UInt32,
        ArrowType::UInt64 => DataType::UInt64,
        ArrowType::Timestamp(_, _) => times(),
        ArrowType::List(item) => DataType::List(Box::new(data_type(item.data_type()))),
        ArrowType::Struct(fields) => {
            let field = |field: &Arc<arrow_schema::Field>| {
                Field::new(field.name().as_str().into(), data_type(field.data_type()))
            };
            DataType::Struct(fields.iter().map(field).collect())
        }
        // Text, in a dictionary or not.
        _ => DataType::String,
    }
}

fn times() -> DataType {
    DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
}

/// A time in seconds since the Unix epoch, UTC.
fn time(seconds: i64) -> Expr {
    lit(seconds.saturating_mul(1_000_000)).cast(times())
}

/// The domain that a row is about; empty where it names none.
fn domain_of(kind: &str) -> Expr {
    let domain = col("policy_domain");
    let domain = if kind == "tlsrpt" {
        // With DANE a policy names its MX.
        let report = col("report_domain");
        when(col("policy_type").eq(lit("tlsa")))
            .then(coalesce(&[report.clone(), domain.clone()]))
            .otherwise(coalesce(&[domain, report]))
    } else {
        domain
    };
    domain.fill_null(lit(""))
}

fn is_at_or_below(name: Expr, domain: &str) -> Expr {
    name.clone().eq(lit(domain)).or(name.str().ends_with(lit(format!(".{domain}"))))
}

/// The sum of numbers of messages or sessions, in two columns that [`cells::Frame::sum`] puts together: the halves of each
/// number are added apart, so that no sum wraps around.
fn sum(name: &str, counts: Expr) -> [Expr; 2] {
    let half = lit(1_u64 << 32);
    let low = (counts.clone() % half.clone()).sum().alias(name);
    [low, counts.floor_div(half).sum().alias(high(name))]
}

/// The name of the column with the higher halves.
fn high(name: &str) -> String {
    format!("{name} / 2^32")
}

/// The rows, in no order.
fn collect(rows: LazyFrame) -> PolarsResult<DataFrame> {
    // There are several results only where a query names several sinks.
    Ok(rows.collect_with_engine(Engine::Streaming)?.unwrap_single())
}
