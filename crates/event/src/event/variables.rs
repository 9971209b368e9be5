//! The variables outside the guide, such as custom fields.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Variables by their names.
pub type Variables = BTreeMap<String, VariableValue>;

/// What a form says of one variable. In JSON it is a text, or an array where the form gives several values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum VariableValue {
    /// One value.
    Single(String),
    /// Different values, in the order in which they were sent.
    Several(Vec<String>),
}

impl VariableValue {
    /// The values, in the order in which they were sent.
    pub fn values(&self) -> &[String] {
        match self {
            Self::Single(value) => std::slice::from_ref(value),
            Self::Several(values) => values,
        }
    }
}

impl From<String> for VariableValue {
    fn from(value: String) -> Self {
        Self::Single(value)
    }
}

/// Adds a value to a variable, which may have others. The caller drops repeats.
pub(crate) fn add_value(variables: &mut Variables, name: String, value: String) {
    match variables.entry(name) {
        Entry::Vacant(entry) => _ = entry.insert(VariableValue::Single(value)),
        Entry::Occupied(mut entry) => match entry.get_mut() {
            VariableValue::Single(first) => {
                let first = std::mem::take(first);
                entry.insert(VariableValue::Several(vec![first, value]));
            }
            VariableValue::Several(values) => values.push(value),
        },
    }
}

// Not derived: serde tries the variants of an untagged enum on a buffered copy of the JSON, which costs time and code.
impl<'de> Deserialize<'de> for VariableValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrArray)
    }
}

struct TextOrArray;

impl<'de> Visitor<'de> for TextOrArray {
    type Value = VariableValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string or an array of strings")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(VariableValue::Single(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(VariableValue::Single(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = array.next_element()? {
            values.push(value);
        }
        Ok(VariableValue::Several(values))
    }
}
