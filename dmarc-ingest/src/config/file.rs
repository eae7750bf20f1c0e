//! The TOML file.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin, nearest};
use super::value::{Given, Value, folder_of};
use super::{Builder, keys};

/// What is known of the place that is read.
struct Place<'a> {
    /// The path of the table, with `*` for the name of a mailbox.
    table: &'a str,
    /// The name of the mailbox, in a table of one.
    mailbox: Option<&'a str>,
}

/// The text under reading, for errors that name a place in it.
pub(super) struct Document<'a> {
    pub(super) text: &'a str,
    pub(super) path: &'a Path,
}

impl Document<'_> {
    /// Gives every value to `builder`.
    pub(super) fn read(&self, builder: &mut Builder) -> Result<(), ConfigError> {
        let root = DeTable::parse(self.text).map_err(|error| ConfigError::Syntax {
            origin: self.origin(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        self.table(root.get_ref(), &Place { table: "", mailbox: None }, builder)
    }

    fn table(
        &self,
        table: &DeTable<'_>,
        place: &Place<'_>,
        builder: &mut Builder,
    ) -> Result<(), ConfigError> {
        let mut entries: Vec<_> = table.iter().collect();
        // As in the file, so that the first error is the first in it.
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let name = key.get_ref().as_ref();
            let origin = self.origin(key.span().start);
            if place.table == "mailbox" {
                builder.mailbox(name, &origin)?;
                let place = Place { table: "mailbox.*", mailbox: Some(name) };
                self.table(self.inner(value, &place)?, &place, builder)?;
                continue;
            }
            let path = place.join(name);
            // Only quotes can put these into a name, and no key of ours has them.
            let is_plain = !name.contains(['.', '*']);
            if is_plain && keys::find(&path).is_some() {
                builder.set(&path, place.mailbox, &self.given(value))?;
            } else if is_plain && !keys::names_in(&path).is_empty() {
                let place = Place { table: &path, mailbox: place.mailbox };
                self.table(self.inner(value, &place)?, &place, builder)?;
            } else {
                return Err(place.unknown(name, origin));
            }
        }
        Ok(())
    }

    fn inner<'v, 't>(
        &self,
        value: &'v Spanned<DeValue<'t>>,
        place: &Place<'_>,
    ) -> Result<&'v DeTable<'t>, ConfigError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(ConfigError::BadValue {
                origin: self.origin(value.span().start),
                key: place.shown(),
                expected: "a table",
                found: self.given(value).found(keys::is_secret(place.table)),
            }),
        }
    }

    fn given(&self, value: &Spanned<DeValue<'_>>) -> Given {
        let origin = self.origin(value.span().start);
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Boolean(on) => Value::Switch(*on),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Other("number beyond 64 bits"), Value::Number),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.given(item)).collect()),
            other => Value::Other(other.type_str()),
        };
        Given { value, origin, folder: folder_of(self.path) }
    }

    fn origin(&self, offset: usize) -> Origin {
        let line = 1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        Origin::File { file: self.path.to_string_lossy().into_owned(), line }
    }
}

impl Place<'_> {
    fn join(&self, name: &str) -> String {
        if self.table.is_empty() { name.to_owned() } else { format!("{}.{name}", self.table) }
    }

    fn shown(&self) -> String {
        self.mailbox.map_or_else(|| self.table.to_owned(), |mailbox| keys::named(self.table, mailbox))
    }

    fn unknown(&self, name: &str, origin: Origin) -> ConfigError {
        let (path, mailbox) = (self.join(name), self.mailbox.unwrap_or_default());
        if let Some((path, reason)) = keys::LITERAL_SECRETS.iter().find(|(secret, _)| *secret == path) {
            return ConfigError::Refused { origin, key: keys::named(path, mailbox), reason };
        }
        let known = keys::names_in(self.table);
        let shown = Place { table: &path, mailbox: self.mailbox }.shown();
        ConfigError::UnknownKey { origin, key: shown, nearest: nearest(name, &known), known }
    }
}
