//! The root of an answer: what was asked for, or an error. Errors come with the status 200.

use super::bounded::BoundedText;
use super::xml::{XmlAttributes, XmlSink};

/// An answer: its root, and what the root has inside.
pub(super) struct Document<C> {
    /// The names that the root may have.
    expected: &'static [&'static str],
    root: Root,
    depth: usize,
    said: BoundedText,
    /// Receives what is inside the root.
    pub(super) content: C,
}

enum Root {
    Missing,
    Expected,
    Error,
    Another(String),
}

/// An answer without content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoContent {
    /// An error, with its text.
    Said(String),
    /// A document of another kind, with the name of its root.
    Another(String),
}

/// The most bytes of an error's text.
const MAX_ERROR_BYTES: usize = 1_024;

impl<C: XmlSink> Document<C> {
    pub(super) fn new(expected: &'static [&'static str], content: C) -> Self {
        Self { expected, root: Root::Missing, depth: 0, said: BoundedText::new(MAX_ERROR_BYTES), content }
    }

    /// The content of a document that was read to its end.
    pub(super) fn into_content(self) -> Result<C, NoContent> {
        match self.root {
            Root::Expected => Ok(self.content),
            Root::Error => Err(NoContent::Said(self.said.trimmed().to_owned())),
            Root::Another(name) => Err(NoContent::Another(name)),
            Root::Missing => Err(NoContent::Another(String::new())),
        }
    }
}

impl<C: XmlSink> XmlSink for Document<C> {
    fn open(&mut self, name: &str, attributes: &XmlAttributes<'_>) {
        if self.depth == 0 {
            self.root = match name {
                "error" => Root::Error,
                _ if self.expected.contains(&name) => Root::Expected,
                _ => Root::Another(name.to_owned()),
            };
        } else if let Root::Expected = self.root {
            self.content.open(name, attributes);
        }
        self.depth = self.depth.saturating_add(1);
    }

    fn text(&mut self, part: &str) {
        match self.root {
            Root::Error => self.said.push(part),
            Root::Expected if self.depth > 1 => self.content.text(part),
            _ => {}
        }
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        if self.depth > 0 && matches!(self.root, Root::Expected) {
            self.content.close();
        }
    }
}
