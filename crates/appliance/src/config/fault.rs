//! A fault in the file of settings, and its line.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;

/// A fault in the file of settings: `appliance.toml:4: …`.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    pub(super) file: PathBuf,
    pub(super) line: Option<usize>,
    pub(super) what: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match self.line {
            Some(line) => write!(f, ":{line}: {}", self.what),
            None => write!(f, ": {}", self.what),
        }
    }
}

/// The line of a byte of `text`, from 1.
pub(super) fn line(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|b| *b == b'\n').count() + 1
}

/// A fault and its range of bytes in the file.
pub(super) struct ConfigFault {
    pub(super) at: Option<Range<usize>>,
    pub(super) what: String,
}

impl ConfigFault {
    pub(super) fn at_value<T>(value: &Spanned<T>, what: impl Into<String>) -> Self {
        Self { at: Some(value.span()), what: what.into() }
    }
}

/// An error if a name is empty or occurs twice.
pub(super) fn check_names<'a>(names: impl Iterator<Item = &'a Spanned<String>>) -> Result<(), ConfigFault> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.get_ref().is_empty() {
            return Err(ConfigFault::at_value(name, "the name is empty"));
        }
        if !seen.insert(name.get_ref()) {
            return Err(ConfigFault::at_value(
                name,
                format!("{:?} is the name of two recipients of one kind; rename one", name.get_ref()),
            ));
        }
    }
    Ok(())
}
