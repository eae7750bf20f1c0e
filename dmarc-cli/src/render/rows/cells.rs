//! Values of Arrow as cells.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int32Type, TimestampMicrosecondType, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use serde_json::{Map, Value};

use crate::render::answer::Cell;

/// The value of a row; the types are those of `dmarc_core::arrow`.
pub(super) fn cell(column: &dyn Array, row: usize) -> Cell {
    if column.is_null(row) {
        return Cell::Null;
    }
    match column.data_type() {
        DataType::Boolean => column.as_boolean_opt().map_or(Cell::Null, |flags| Cell::Flag(flags.value(row))),
        DataType::List(_) => {
            column.as_list_opt::<i32>().map_or(Cell::Null, |lists| Cell::Nested(list(&lists.value(row))))
        }
        DataType::Struct(_) => column.as_struct_opt().map_or(Cell::Null, |structs| {
            let names = structs.column_names().into_iter().map(str::to_owned);
            let values = structs.columns().iter().map(|column| cell(column, row).value());
            Cell::Nested(names.zip(values).collect::<Map<_, _>>().into())
        }),
        DataType::Timestamp(_, _) => {
            let times = column.as_primitive_opt::<TimestampMicrosecondType>();
            times.map_or(Cell::Null, |times| Cell::Time(times.value(row).div_euclid(1_000_000)))
        }
        _ => text(column, row)
            .map(|text| Cell::Text(text.to_owned()))
            .or_else(|| count(column, row).map(Cell::Count))
            .unwrap_or(Cell::Null),
    }
}

fn list(items: &ArrayRef) -> Value {
    (0..items.len()).map(|row| cell(items, row).value()).collect()
}

/// Text of a row, in a dictionary or not.
pub(crate) fn text(column: &dyn Array, row: usize) -> Option<&str> {
    if column.is_null(row) {
        return None;
    }
    if let Some(texts) = column.as_string_opt::<i32>() {
        return Some(texts.value(row));
    }
    let texts = column.as_dictionary_opt::<Int32Type>()?;
    let values = texts.values().as_any().downcast_ref::<StringArray>()?;
    texts.key(row).map(|key| values.value(key))
}

fn count(column: &dyn Array, row: usize) -> Option<u64> {
    let (small, medium) = (column.as_primitive_opt::<UInt16Type>(), column.as_primitive_opt::<UInt32Type>());
    let large = column.as_primitive_opt::<UInt64Type>();
    let small = small.map(|numbers| u64::from(numbers.value(row)));
    small
        .or_else(|| medium.map(|numbers| u64::from(numbers.value(row))))
        .or_else(|| large.map(|n| n.value(row)))
}
