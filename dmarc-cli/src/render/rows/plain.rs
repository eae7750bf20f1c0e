//! Text without dictionaries: an Arrow file has room for one dictionary of a column, and each batch brings its own.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int32Type;
use arrow_array::{Array as _, ArrayRef, ListArray, RecordBatch, StructArray};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema};

/// The schema with plain types.
pub(super) fn schema(schema: &Schema) -> Schema {
    let fields: Vec<FieldRef> = schema.fields().iter().map(field).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

/// The same rows with plain types.
pub(super) fn batch(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(array).collect::<Result<_, _>>()?;
    RecordBatch::try_new(Arc::new(schema(batch.schema_ref())), columns)
}

fn field(of: &FieldRef) -> FieldRef {
    Arc::new(Field::new(of.name(), data_type(of.data_type()), of.is_nullable()))
}

fn data_type(of: &DataType) -> DataType {
    match of {
        DataType::Dictionary(_, values) => data_type(values),
        DataType::List(item) => DataType::List(field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        other => other.clone(),
    }
}

fn array(of: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match of.data_type() {
        DataType::Dictionary(_, _) => match of.as_dictionary_opt::<Int32Type>() {
            Some(texts) => arrow_select::take::take(texts.values(), texts.keys(), None),
            None => Ok(Arc::clone(of)),
        },
        DataType::List(item) => {
            let list = of.as_list::<i32>();
            let values = array(list.values())?;
            let nulls = list.nulls().cloned();
            Ok(Arc::new(ListArray::try_new(field(item), list.offsets().clone(), values, nulls)?))
        }
        DataType::Struct(fields) => {
            let structs = of.as_struct();
            let columns = structs.columns().iter().map(array).collect::<Result<_, _>>()?;
            let fields = fields.iter().map(field).collect();
            Ok(Arc::new(StructArray::try_new(fields, columns, structs.nulls().cloned())?))
        }
        _ => Ok(Arc::clone(of)),
    }
}
