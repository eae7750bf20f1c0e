//! One value as it was given, in a file or in the environment, and what may be made of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::error::Origin;
use super::words::{duration, not_empty, size};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// The folder that relative paths start from: that of the file, or none for the working directory.
    pub(super) folder: PathBuf,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Switch(bool),
    List(Vec<Given>),
    /// A kind that no key takes.
    Other(&'static str),
}

/// Why a value is not accepted.
#[derive(Debug)]
pub(super) enum Bad {
    /// This is not what the key takes, or not what it says here.
    Value { given: Given, expected: Option<&'static str> },
    /// It would be, were it not for another key.
    Refused(&'static str),
}

impl Given {
    /// Text of the environment.
    pub(super) fn of_variable(name: &str, text: String) -> Self {
        Self { value: Value::Text(text), origin: Origin::Variable(name.to_owned()), folder: PathBuf::new() }
    }

    pub(super) fn is_variable(&self) -> bool {
        matches!(self.origin, Origin::Variable(_))
    }

    /// What was there, for an error.
    pub(super) fn found(&self, is_secret: bool) -> String {
        match &self.value {
            Value::Text(_) if is_secret => "a text".to_owned(),
            Value::Text(text) => format!("{text:?}"),
            Value::Number(_) => "an integer".to_owned(),
            Value::Switch(_) => "a boolean".to_owned(),
            Value::List(_) => "an array".to_owned(),
            Value::Other(kind) => format!("a {kind}"),
        }
    }

    pub(super) fn bad(&self) -> Bad {
        Bad::Value { given: self.clone(), expected: None }
    }

    /// A text that `read` understands.
    pub(super) fn text<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Bad> {
        match &self.value {
            Value::Text(text) => read(text).ok_or_else(|| self.bad()),
            _ => Err(self.bad()),
        }
    }

    /// A list of texts, each of which `read` understands. In the environment they are parted by commas, or the list is
    /// written as in the file: `["a, b", "c"]`.
    pub(super) fn list<T>(&self, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Bad> {
        self.items(|text| text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect())?
            .iter()
            .map(|item| item.text(&read))
            .collect()
    }

    /// A command and its arguments. In the environment they are parted by white space, or written as a list.
    pub(super) fn command(&self) -> Result<Vec<String>, Bad> {
        let words: Vec<_> = self
            .items(|text| text.split_whitespace().collect())?
            .iter()
            .map(|word| word.text(|word| Some(word.to_owned())))
            .collect::<Result<_, _>>()?;
        if words.first().is_some_and(|program| !program.is_empty()) { Ok(words) } else { Err(self.bad()) }
    }

    pub(super) fn switch(&self) -> Result<bool, Bad> {
        match &self.value {
            Value::Switch(on) => Ok(*on),
            Value::Text(text) if self.is_variable() => text.parse().map_err(|_| self.bad()),
            _ => Err(self.bad()),
        }
    }

    /// A number from `min` to `max`.
    pub(super) fn number<T: TryFrom<i64> + PartialOrd>(&self, min: T, max: T) -> Result<T, Bad> {
        let number = match &self.value {
            Value::Number(number) => Some(*number),
            Value::Text(text) if self.is_variable() => text.parse().ok(),
            _ => None,
        };
        let number = number.and_then(|number| T::try_from(number).ok());
        number.filter(|number| (min..=max).contains(number)).ok_or_else(|| self.bad())
    }

    /// A path; a relative one starts from the folder of the file.
    pub(super) fn path(&self) -> Result<PathBuf, Bad> {
        let path = self.text(not_empty)?;
        if path == "~" || path.starts_with("~/") {
            return Err(Bad::Refused("`~` stands for no folder here: expected a path from the root"));
        }
        Ok(self.folder.join(path))
    }

    pub(super) fn duration(&self, min: Duration, max: Duration) -> Result<Duration, Bad> {
        self.text(|text| duration(text).filter(|duration| (min..=max).contains(duration)))
    }

    pub(super) fn size(&self, min: u64, max: u64) -> Result<u64, Bad> {
        self.text(|text| size(text).filter(|size| (min..=max).contains(size)))
    }

    fn items(&self, part: impl Fn(&str) -> Vec<&str>) -> Result<Vec<Self>, Bad> {
        match &self.value {
            Value::List(items) => Ok(items.clone()),
            Value::Text(text) if self.is_variable() => Ok(match listed(text) {
                Some(items) => items.into_iter().map(|text| self.item(text)).collect(),
                None => part(text).into_iter().map(|text| self.item(text.to_owned())).collect(),
            }),
            _ => Err(Bad::Value { given: self.clone(), expected: Some("a list in brackets") }),
        }
    }

    fn item(&self, text: String) -> Self {
        Self { value: Value::Text(text), ..self.clone() }
    }
}

/// The texts of a TOML array; `None` if this is none (`[Gmail]/All Mail` is the name of a folder).
fn listed(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if !text.starts_with('[') || !text.ends_with(']') {
        return None;
    }
    let value = DeValue::parse(text).ok()?;
    let DeValue::Array(items) = value.get_ref() else { return None };
    let texts = items.iter().map(Spanned::get_ref).map(|item| match item {
        DeValue::String(text) => Some(text.clone().into_owned()),
        _ => None,
    });
    texts.collect()
}

/// The folder that a file is in.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    file.parent().map(Path::to_path_buf).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_list_of_the_environment_with_and_without_brackets() {
        let list = |text: &str| {
            let given = Given::of_variable("V", text.to_owned());
            given.list(|text| Some(text.to_owned())).unwrap()
        };
        assert_eq!(list("a, b,,c"), ["a", "b", "c"]);
        assert_eq!(list("[\"a, b\", 'c']"), ["a, b", "c"]);
        assert_eq!(list("[Gmail]/All Mail"), ["[Gmail]/All Mail"]);
        assert!(list("").is_empty());
    }
}
