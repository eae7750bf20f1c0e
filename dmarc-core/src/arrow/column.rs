//! Columns that several kinds share: text, lists, times; how they are declared, written and read.
//!
//! The builders of `arrow-array` panic where 32-bit offsets end. [`Room`] says so before anything is written.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::{StringBuilder, StringDictionaryBuilder, TimestampMicrosecondBuilder};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, ListArray, PrimitiveArray, RecordBatch, StringArray, StructArray,
};
use arrow_buffer::{OffsetBufferBuilder, OverflowError};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, TimeUnit};

use crate::Domain;
use crate::record::Trust;

/// The bytes of text and items of lists that fit into one batch.
const MAX_ROOM: usize = i32::MAX as usize;

/// The longest address, in bytes.
pub(super) const MAX_IP: usize = 45;

const UTC: &str = "UTC";
const MICROS: i64 = 1_000_000;

/// A text column that is never null.
pub(super) fn text(name: &str) -> Field {
    Field::new_dictionary(name, DataType::Int32, DataType::Utf8, false)
}

/// A text column that may be null.
pub(super) fn optional(name: &str) -> Field {
    text(name).with_nullable(true)
}

/// A column of times that is never null.
pub(super) fn time(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())), false)
}

/// A column of times that may be null.
pub(super) fn optional_time(name: &str) -> Field {
    time(name).with_nullable(true)
}

/// A column of lists of structs.
pub(super) fn list(name: &str, fields: Fields) -> Field {
    Field::new_list(name, item(DataType::Struct(fields)), false)
}

/// A column of lists of text.
pub(super) fn text_list(name: &str) -> Field {
    Field::new_list(name, item(text("").data_type().clone()), false)
}

fn item(data_type: DataType) -> FieldRef {
    Arc::new(Field::new_list_field(data_type, false))
}

/// A builder of times.
pub(super) fn times() -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::new().with_timezone(UTC)
}

/// Writes a time given in seconds since the Unix epoch; what the type cannot hold becomes the last time that it can.
pub(super) fn push_time(column: &mut TimestampMicrosecondBuilder, seconds: Option<i64>) {
    column.append_option(seconds.map(|seconds| seconds.saturating_mul(MICROS)));
}

/// Writes an address in canonical form.
pub(super) fn push_ip(column: &mut StringBuilder, ip: Option<IpAddr>) {
    match ip.map(|ip| write!(column, "{ip}")) {
        Some(Ok(())) => column.append_value(""),
        _ => column.append_null(),
    }
}

/// How much of a batch is taken, in bytes of text and items of lists.
#[derive(Debug, Default)]
pub(super) struct Room(usize);

impl Room {
    /// Takes `size`, or refuses and takes nothing.
    pub(super) fn take(&mut self, size: usize) -> Result<(), ArrowError> {
        match self.0.checked_add(size) {
            Some(taken) if taken <= MAX_ROOM => {
                self.0 = taken;
                Ok(())
            }
            _ => Err(ArrowError::InvalidArgumentError(
                "a batch holds 2 GiB of text at most: finish it before this row".to_owned(),
            )),
        }
    }
}

/// How much room some texts take.
pub(super) fn size(texts: &[Option<&str>]) -> usize {
    texts.iter().flatten().fold(1, |sum, text| sum.saturating_add(text.len()))
}

/// Text columns that are written together.
pub(super) struct Texts<const N: usize>([StringDictionaryBuilder<Int32Type>; N]);

impl<const N: usize> fmt::Debug for Texts<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Texts").field("columns", &N).finish_non_exhaustive()
    }
}

impl<const N: usize> Texts<N> {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| StringDictionaryBuilder::new()))
    }

    pub(super) fn push(&mut self, values: [Option<&str>; N]) -> Result<(), ArrowError> {
        self.push_times(values, 1)
    }

    /// Writes the same `rows` times.
    pub(super) fn push_times(&mut self, values: [Option<&str>; N], rows: usize) -> Result<(), ArrowError> {
        for (column, value) in self.0.iter_mut().zip(values) {
            match value {
                Some(value) => {
                    column.append_n(value, rows)?;
                }
                None => column.append_nulls(rows),
            }
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> [ArrayRef; N] {
        self.0.each_mut().map(|column| Arc::new(column.finish()) as ArrayRef)
    }
}

/// Where each list of a column ends.
#[derive(Debug)]
pub(super) struct Lengths(OffsetBufferBuilder<i32>);

impl Lengths {
    pub(super) fn new() -> Self {
        Self(OffsetBufferBuilder::new(0))
    }

    pub(super) fn push(&mut self, length: usize) -> Result<(), ArrowError> {
        self.0.try_push_length(length).map_err(overflow)
    }

    /// Lists of structs whose columns are `columns`.
    pub(super) fn finish_structs(
        &mut self,
        fields: Fields,
        columns: Vec<ArrayRef>,
    ) -> Result<ArrayRef, ArrowError> {
        self.finish(Arc::new(StructArray::try_new(fields, columns, None)?))
    }

    /// Lists of `items`.
    pub(super) fn finish(&mut self, items: ArrayRef) -> Result<ArrayRef, ArrowError> {
        let offsets =
            std::mem::replace(&mut self.0, OffsetBufferBuilder::new(0)).try_finish().map_err(overflow)?;
        Ok(Arc::new(ListArray::try_new(item(items.data_type().clone()), offsets, items, None)?))
    }
}

fn overflow(error: OverflowError) -> ArrowError {
    ArrowError::InvalidArgumentError(error.to_string())
}

/// A column of lists of structs that hold text only.
#[derive(Debug)]
pub(super) struct TextStructs<const N: usize> {
    items: Texts<N>,
    lengths: Lengths,
}

impl<const N: usize> TextStructs<N> {
    pub(super) fn new() -> Self {
        Self { items: Texts::new(), lengths: Lengths::new() }
    }

    pub(super) fn push<'a>(
        &mut self,
        items: impl ExactSizeIterator<Item = [Option<&'a str>; N]>,
    ) -> Result<(), ArrowError> {
        self.lengths.push(items.len())?;
        for item in items {
            self.items.push(item)?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, fields: Fields) -> Result<ArrayRef, ArrowError> {
        self.lengths.finish_structs(fields, self.items.finish().into())
    }
}

/// A column of lists of text.
#[derive(Debug)]
pub(super) struct TextLists {
    items: Texts<1>,
    lengths: Lengths,
}

impl TextLists {
    pub(super) fn new() -> Self {
        Self { items: Texts::new(), lengths: Lengths::new() }
    }

    pub(super) fn push<'a>(
        &mut self,
        items: impl ExactSizeIterator<Item = &'a str>,
    ) -> Result<(), ArrowError> {
        self.lengths.push(items.len())?;
        for item in items {
            self.items.push([Some(item)])?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let [items] = self.items.finish();
        self.lengths.finish(items)
    }
}

/// Something with named columns: a batch or a struct.
pub(super) trait Named {
    fn column(&self, name: &str) -> Option<&ArrayRef>;
}

impl Named for RecordBatch {
    fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.column_by_name(name)
    }
}

impl Named for StructArray {
    fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.column_by_name(name)
    }
}

/// The column `name`, seen as what `cast` makes of it.
pub(super) fn column<'a, T>(
    source: &'a impl Named,
    name: &str,
    cast: impl FnOnce(&'a ArrayRef) -> Option<T>,
) -> Result<T, ArrowError> {
    let column = source.column(name).ok_or_else(|| schema_error(name, "is missing"))?;
    cast(column).ok_or_else(|| schema_error(name, &format!("has the type {}", column.data_type())))
}

/// An error about the column `name`.
pub(super) fn schema_error(name: &str, what: &str) -> ArrowError {
    ArrowError::SchemaError(format!("column {name} {what}"))
}

/// The value of a row; `None` where it is null.
pub(super) fn primitive<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    column.is_valid(row).then(|| column.value(row))
}

/// A time in seconds since the Unix epoch.
pub(super) fn seconds(column: &PrimitiveArray<TimestampMicrosecondType>, row: usize) -> Option<i64> {
    primitive(column, row).map(|micros| micros.div_euclid(MICROS))
}

/// Text columns that are read together.
#[derive(Debug)]
pub(super) struct TextColumns<'a, const N: usize>(Vec<TextColumn<'a>>);

#[derive(Debug)]
struct TextColumn<'a> {
    keys: &'a PrimitiveArray<Int32Type>,
    values: &'a StringArray,
}

impl<'a, const N: usize> TextColumns<'a, N> {
    pub(super) fn new(source: &'a impl Named, names: [&str; N]) -> Result<Self, ArrowError> {
        let read = |name| column(source, name, TextColumn::new);
        names.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn row(&self, row: usize) -> [Option<&'a str>; N] {
        std::array::from_fn(|at| self.0.get(at).and_then(|column| column.text(row)))
    }

    /// The numbers of the words of a row, which mean something inside this column only; -1 where it is null.
    pub(super) fn keys(&self, row: usize) -> [i32; N] {
        std::array::from_fn(|at| self.0.get(at).and_then(|column| primitive(column.keys, row)).unwrap_or(-1))
    }

    /// The number of the word of a row in the first of the columns.
    pub(super) fn key(&self, row: usize) -> Option<usize> {
        self.0
            .first()
            .and_then(|column| primitive(column.keys, row))
            .and_then(|key| usize::try_from(key).ok())
    }

    /// How many words the first of the columns has.
    pub(super) fn values(&self) -> usize {
        self.0.first().map_or(0, |column| column.values.len())
    }

    /// Whether two rows hold the same.
    pub(super) fn is_same(&self, row: usize, other: usize) -> bool {
        self.0.iter().all(|column| column.is_same(row, other))
    }

    /// Whether two rows hold the same in the column at `at`.
    pub(super) fn is_same_in(&self, at: usize, row: usize, other: usize) -> bool {
        self.0.get(at).is_some_and(|column| column.is_same(row, other))
    }
}

impl<'a> TextColumn<'a> {
    fn new(column: &'a ArrayRef) -> Option<Self> {
        let column = column.as_dictionary_opt::<Int32Type>()?;
        Some(Self { keys: column.keys(), values: column.values().as_string_opt()? })
    }

    fn is_same(&self, row: usize, other: usize) -> bool {
        primitive(self.keys, row) == primitive(self.keys, other)
    }

    fn text(&self, row: usize) -> Option<&'a str> {
        let at = usize::try_from(primitive(self.keys, row)?).ok()?;
        (at < self.values.len() && self.values.is_valid(at)).then(|| self.values.value(at))
    }
}

/// A column of lists, read.
#[derive(Debug)]
pub(super) struct ListColumn<'a> {
    offsets: &'a [i32],
    items: &'a ArrayRef,
}

impl<'a> ListColumn<'a> {
    pub(super) fn new(source: &'a impl Named, name: &str) -> Result<Self, ArrowError> {
        column(source, name, |column| {
            let lists = column.as_list_opt::<i32>()?;
            Some(Self { offsets: lists.value_offsets(), items: lists.values() })
        })
    }

    /// The items of all rows as structs.
    pub(super) fn structs(&self, name: &str) -> Result<&'a StructArray, ArrowError> {
        self.items.as_struct_opt().ok_or_else(|| schema_error(name, "holds no structs"))
    }

    /// Where the items of a row are.
    pub(super) fn range(&self, row: usize) -> Range<usize> {
        let offset = |row: usize| {
            self.offsets.get(row).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or_default()
        };
        offset(row)..offset(row.saturating_add(1))
    }
}

/// A column of lists of structs that hold text only, read.
#[derive(Debug)]
pub(super) struct TextStructColumn<'a, const N: usize> {
    lists: ListColumn<'a>,
    items: TextColumns<'a, N>,
}

impl<'a, const N: usize> TextStructColumn<'a, N> {
    pub(super) fn new(source: &'a impl Named, name: &str, fields: [&str; N]) -> Result<Self, ArrowError> {
        let lists = ListColumn::new(source, name)?;
        let items = TextColumns::new(lists.structs(name)?, fields)?;
        Ok(Self { lists, items })
    }

    pub(super) fn items(&self, row: usize) -> impl Iterator<Item = [Option<&'a str>; N]> {
        self.lists.range(row).map(|at| self.items.row(at))
    }
}

impl<const N: usize> TextStructColumn<'_, N> {
    /// Whether a row has no items.
    pub(super) fn is_empty(&self, row: usize) -> bool {
        self.lists.range(row).is_empty()
    }

    /// Whether two rows have the same items.
    pub(super) fn is_same(&self, row: usize, other: usize) -> bool {
        let (items, others) = (self.lists.range(row), self.lists.range(other));
        items.len() == others.len() && items.zip(others).all(|(item, other)| self.items.is_same(item, other))
    }

    /// How many items a row has and the numbers of their words, see [`TextColumns::keys`].
    pub(super) fn push_keys(&self, row: usize, keys: &mut Vec<i32>) {
        let items = self.lists.range(row);
        keys.push(i32::try_from(items.len()).unwrap_or(i32::MAX));
        keys.extend(items.flat_map(|at| self.items.keys(at)));
    }
}

/// A column of lists of text, read.
#[derive(Debug)]
pub(super) struct TextListColumn<'a> {
    lists: ListColumn<'a>,
    items: TextColumn<'a>,
}

impl<'a> TextListColumn<'a> {
    pub(super) fn new(source: &'a impl Named, name: &str) -> Result<Self, ArrowError> {
        let lists = ListColumn::new(source, name)?;
        let items = TextColumn::new(lists.items).ok_or_else(|| schema_error(name, "holds no text"))?;
        Ok(Self { lists, items })
    }

    pub(super) fn items(&self, row: usize) -> impl Iterator<Item = &'a str> {
        self.lists.range(row).filter_map(|at| self.items.text(at))
    }
}

/// A value that is never null.
pub(super) fn known<T>(value: Option<T>, name: &str) -> Result<T, ArrowError> {
    value.ok_or_else(|| schema_error(name, "is null where it must not be"))
}

/// A domain as it was stored.
pub(super) fn domain(name: &str) -> Domain<'static> {
    Domain::from_normal_form(name.to_owned())
}

/// A trust as it was stored.
pub(super) fn trust(word: &str) -> Result<Trust, ArrowError> {
    [Trust::Unverified, Trust::TrustedAuthres, Trust::Verified]
        .into_iter()
        .find(|trust| trust.as_str() == word)
        .ok_or_else(|| schema_error("trust", &format!("holds an unknown word: {word:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_text_that_offsets_cannot_reach_and_takes_nothing_of_it() {
        let mut room = Room::default();
        room.take(MAX_ROOM).unwrap();
        assert!(room.take(1).is_err() && room.take(usize::MAX).is_err());
        room.take(0).unwrap();
    }

    #[test]
    fn reads_every_word_of_trust_that_is_written_and_no_other() {
        for known in [Trust::Unverified, Trust::TrustedAuthres, Trust::Verified] {
            assert_eq!(trust(known.as_str()).unwrap(), known);
        }
        assert!(trust("Verified").is_err() && trust("").is_err());
    }

    #[test]
    fn keeps_the_last_time_that_the_type_can_hold() {
        let mut column = times();
        for seconds in [Some(-1), Some(i64::MAX), None] {
            push_time(&mut column, seconds);
        }
        let column = column.finish();
        let read = [0, 1, 2].map(|row| seconds(&column, row));
        assert_eq!(read, [Some(-1), Some(i64::MAX / MICROS), None]);
    }
}
