//! Values of polars as cells of an answer.

use polars::prelude::{AnyValue, DataFrame, DataType, Series, TimeUnit};
use serde_json::{Map, Value};

use super::high;
use crate::render::answer::{Cell, ColumnKind};

/// The rows of a result.
#[derive(Debug)]
pub(super) struct Frame(pub(super) DataFrame);

impl Frame {
    pub(super) fn rows(&self) -> std::ops::Range<usize> {
        0..self.0.height()
    }

    /// Text; empty where there is none.
    pub(super) fn text(&self, row: usize, column: &str) -> String {
        self.value(row, column).get_str().unwrap_or_default().to_owned()
    }

    /// A number of things; 0 where there is none.
    pub(super) fn count(&self, row: usize, column: &str) -> u64 {
        self.value(row, column).extract().unwrap_or_default()
    }

    /// What [`super::sum`] added; the greatest number where it is greater.
    pub(super) fn sum(&self, row: usize, column: &str) -> u64 {
        let [low, high] = [column, &high(column)].map(|column| u128::from(self.count(row, column)));
        u64::try_from((high << 32) + low).unwrap_or(u64::MAX)
    }

    /// A time, in seconds since the Unix epoch, UTC.
    pub(super) fn time(&self, row: usize, column: &str) -> Option<i64> {
        match cell(&self.value(row, column)) {
            Cell::Time(time) => Some(time),
            _ => None,
        }
    }

    fn value(&self, row: usize, column: &str) -> AnyValue<'_> {
        let column = self.0.column(column).ok();
        column.and_then(|column| column.get(row).ok()).unwrap_or(AnyValue::Null)
    }
}

/// What a column of this type is shown as.
pub(super) fn kind(data_type: &DataType) -> ColumnKind {
    match data_type {
        DataType::Boolean => ColumnKind::Flag,
        DataType::Date | DataType::Datetime(..) => ColumnKind::Time,
        DataType::List(_) | DataType::Array(..) | DataType::Struct(_) => ColumnKind::List,
        data_type if data_type.is_numeric() => ColumnKind::Number,
        _ => ColumnKind::Text,
    }
}

/// Any value, as it is shown.
pub(super) fn cell(value: &AnyValue<'_>) -> Cell {
    if let Some(text) = value.get_str() {
        return Cell::Text(text.to_owned());
    }
    match value {
        AnyValue::Null => Cell::Null,
        AnyValue::Boolean(flag) => Cell::Flag(*flag),
        AnyValue::Float32(_) | AnyValue::Float64(_) | AnyValue::Decimal(..) => {
            value.extract().map_or(Cell::Null, Cell::Number)
        }
        AnyValue::Date(days) => Cell::Day(i64::from(*days) * 86_400),
        AnyValue::Datetime(time, unit, _) | AnyValue::DatetimeOwned(time, unit, _) => {
            Cell::Time(seconds(*time, *unit))
        }
        AnyValue::List(items) | AnyValue::Array(items, _) => Cell::Nested(list(items)),
        AnyValue::Struct(_, _, fields) => {
            let names = fields.iter().map(|field| field.name().to_string());
            Cell::Nested(object(names.zip(value._iter_struct_av())))
        }
        AnyValue::StructOwned(inner) => {
            let (values, fields) = inner.as_ref();
            let names = fields.iter().map(|field| field.name().to_string());
            Cell::Nested(object(names.zip(values.iter().cloned())))
        }
        AnyValue::Binary(bytes) => Cell::Text(String::from_utf8_lossy(bytes).into_owned()),
        other => other.extract::<i128>().map_or_else(|| Cell::Text(other.to_string()), Cell::Integer),
    }
}

fn seconds(time: i64, unit: TimeUnit) -> i64 {
    time.div_euclid(match unit {
        TimeUnit::Nanoseconds => 1_000_000_000,
        TimeUnit::Microseconds => 1_000_000,
        TimeUnit::Milliseconds => 1_000,
    })
}

fn list(items: &Series) -> Value {
    items.iter().map(|item| cell(&item).value()).collect()
}

fn object<'a>(fields: impl Iterator<Item = (String, AnyValue<'a>)>) -> Value {
    fields.map(|(name, value)| (name, cell(&value).value())).collect::<Map<_, _>>().into()
}
