//! What is wrong with a file, and on which line.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;

/// What is wrong with a configuration, and where.
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

/// The line that a byte of `text` is in, counted from 1.
pub(super) fn line(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|b| *b == b'\n').count() + 1
}

/// A fault at some bytes of the file.
pub(super) struct ConfigFault {
    pub(super) at: Option<Range<usize>>,
    pub(super) what: String,
}

impl ConfigFault {
    pub(super) fn at<T>(value: &Spanned<T>, what: impl Into<String>) -> Self {
        Self { at: Some(value.span()), what: what.into() }
    }
}

pub(super) fn unique<'a>(names: impl Iterator<Item = &'a Spanned<String>>) -> Result<(), ConfigFault> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.get_ref().is_empty() {
            return Err(ConfigFault::at(name, "the name is empty"));
        }
        if !seen.insert(name.get_ref()) {
            return Err(ConfigFault::at(
                name,
                format!("{:?} is the name of two recipients of one kind", name.get_ref()),
            ));
        }
    }
    Ok(())
}
