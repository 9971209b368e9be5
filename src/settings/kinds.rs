//! The kinds of settings: which texts each allows, and the value that it parses them to.

use std::ops::RangeInclusive;

use super::values::{Bucket, Tokens};
use crate::appliance_api::Appliance;
use crate::forward::destination::Destination;

/// One row of the table of settings, without its documentation.
pub(super) struct Setting<K> {
    pub(super) name: &'static str,
    pub(super) kind: K,
}

/// A kind of setting.
pub(super) trait SettingKind {
    /// The type of the parsed value.
    type Value;

    /// Whether its text must never be logged or shown.
    #[cfg(not(target_family = "wasm"))]
    const SECRET: bool = false;

    /// Parses a text; an empty one means that nothing is configured. The error completes a sentence that begins with
    /// the setting's name, and never repeats a secret.
    fn parse(&self, text: &str) -> Result<Self::Value, String>;

    /// The allowed texts, for the documentation.
    #[cfg(not(target_family = "wasm"))]
    fn allowed(&self) -> String;

    /// The text with the same meaning as an unset setting; empty if there is none.
    #[cfg(not(target_family = "wasm"))]
    fn default(&self) -> String {
        String::new()
    }
}

/// A comma-separated list of tokens, optional.
pub(super) struct TokenList;

impl SettingKind for TokenList {
    type Value = Option<Tokens>;

    #[cfg(not(target_family = "wasm"))]
    const SECRET: bool = true;

    fn parse(&self, text: &str) -> Result<Option<Tokens>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        Tokens::parse(text).map(Some).map_err(|(number, all)| {
            let allowed = Tokens::ALLOWED;
            format!("is not a comma-separated list of tokens: number {number} of {all} is not {allowed}")
        })
    }

    #[cfg(not(target_family = "wasm"))]
    fn allowed(&self) -> String {
        format!("one token, or several separated by commas; a token is {}", Tokens::ALLOWED)
    }
}

/// One of a few words, each with its value. The first is the default.
pub(super) struct Words<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy> SettingKind for Words<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Result<T, String> {
        let found = if text.is_empty() { self.0.first() } else { self.0.iter().find(|(word, _)| *word == text) };
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = self.0.iter().map(|(word, _)| *word).collect();
            format!("is not {}", words.join(" or "))
        })
    }

    #[cfg(not(target_family = "wasm"))]
    fn allowed(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|(word, _)| format!("`{word}`")).collect();
        words.join(" or ")
    }

    #[cfg(not(target_family = "wasm"))]
    fn default(&self) -> String {
        self.0.first().map(|(word, _)| (*word).to_owned()).unwrap_or_default()
    }
}

/// A number with a default.
pub(super) struct Number {
    pub(super) range: RangeInclusive<u32>,
    pub(super) default: u32,
}

impl SettingKind for Number {
    type Value = u32;

    fn parse(&self, text: &str) -> Result<u32, String> {
        if text.is_empty() { Ok(self.default) } else { number(text, &self.range) }
    }

    #[cfg(not(target_family = "wasm"))]
    fn allowed(&self) -> String {
        format!("a number from {} to {}", self.range.start(), self.range.end())
    }

    #[cfg(not(target_family = "wasm"))]
    fn default(&self) -> String {
        self.default.to_string()
    }
}

/// An optional number.
pub(super) struct NumberOrNone(pub(super) RangeInclusive<u32>);

impl SettingKind for NumberOrNone {
    type Value = Option<u32>;

    fn parse(&self, text: &str) -> Result<Option<u32>, String> {
        if text.is_empty() { Ok(None) } else { number(text, &self.0).map(Some) }
    }

    #[cfg(not(target_family = "wasm"))]
    fn allowed(&self) -> String {
        format!("a number from {} to {}", self.0.start(), self.0.end())
    }
}

fn number(text: &str, range: &RangeInclusive<u32>) -> Result<u32, String> {
    // `parse` would also accept a sign.
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && range.contains(number));
    number.ok_or_else(|| format!("is not a number from {} to {}", range.start(), range.end()))
}

pub(super) struct BucketName;

impl SettingKind for BucketName {
    type Value = Bucket;

    fn parse(&self, text: &str) -> Result<Bucket, String> {
        if text.is_empty() {
            return Ok(Bucket::default());
        }
        Bucket::parse(text).ok_or_else(|| format!("is not {}", Bucket::ALLOWED))
    }

    #[cfg(not(target_family = "wasm"))]
    fn allowed(&self) -> String {
        Bucket::ALLOWED.to_owned()
    }

    #[cfg(not(target_family = "wasm"))]
    fn default(&self) -> String {
        Bucket::default().to_string()
    }
}

/// Destinations as JSON: see [`crate::forward::destination`].
pub(super) struct DestinationList;

impl SettingKind for DestinationList {
    type Value = Vec<Destination>;

    #[cfg(not(target_family = "wasm"))]
    const SECRET: bool = true;

    fn parse(&self, text: &str) -> Result<Vec<Destination>, String> {
        Destination::read_all(text)
            .map_err(|faults| join_faults(faults.iter().map(|fault| (&*fault.place, &*fault.reason))))
    }

    #[cfg(not(target_family = "wasm"))]
    fn allowed(&self) -> String {
        "a JSON array of destinations".to_owned()
    }
}

/// Appliances as JSON: see [`crate::appliance_api`].
pub(super) struct ApplianceArray;

impl SettingKind for ApplianceArray {
    type Value = Vec<Appliance>;

    #[cfg(not(target_family = "wasm"))]
    const SECRET: bool = true;

    fn parse(&self, text: &str) -> Result<Vec<Appliance>, String> {
        Appliance::read_all(text)
            .map_err(|faults| join_faults(faults.iter().map(|fault| (&*fault.place, &*fault.reason))))
    }

    #[cfg(not(target_family = "wasm"))]
    fn allowed(&self) -> String {
        "a JSON array of appliances".to_owned()
    }
}

/// The faults of a setting with places, as one text.
fn join_faults<'f>(faults: impl Iterator<Item = (&'f str, &'f str)>) -> String {
    let faults: Vec<_> = faults.map(|(place, reason)| format!("{place} {reason}")).collect();
    faults.join("; ").trim_start().to_owned()
}
