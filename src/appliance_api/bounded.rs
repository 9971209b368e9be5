//! Texts and lists that keep a limited amount of what they are given.

use crate::report::MAX_REPORT_TEXT_BYTES;

/// The most items of a list, and about the most bytes. A record has less than a record's 400,000 bytes of both.
const MAX_ITEMS: usize = 10_000;
const MAX_LIST_BYTES: usize = 512 * 1024;

/// What an item takes besides its texts.
const ITEM_BYTES: usize = 64;

/// A text that arrives in parts, and is cut at a character.
#[derive(Debug)]
pub(super) struct BoundedText {
    kept: String,
    most: usize,
    pub(super) is_cut: bool,
}

impl BoundedText {
    pub(super) fn new(most: usize) -> Self {
        Self { kept: String::new(), most, is_cut: false }
    }

    pub(super) fn push(&mut self, part: &str) {
        if self.is_cut {
            return;
        }
        let left = self.most.saturating_sub(self.kept.len());
        let end = part.floor_char_boundary(left);
        self.is_cut = end < part.len();
        self.kept.push_str(part.get(..end).unwrap_or_default());
    }

    /// The text without white space around it: elements are indented.
    pub(super) fn trimmed(&self) -> &str {
        self.kept.trim()
    }
}

impl Default for BoundedText {
    fn default() -> Self {
        Self::new(MAX_REPORT_TEXT_BYTES)
    }
}

/// A list with limits.
#[derive(Debug)]
pub(super) struct BoundedList<T> {
    pub(super) items: Vec<T>,
    bytes: usize,
}

impl<T> Default for BoundedList<T> {
    fn default() -> Self {
        Self { items: Vec::new(), bytes: 0 }
    }
}

impl<T> BoundedList<T> {
    /// Adds an item whose texts have this many bytes. False if the list is full.
    #[must_use]
    pub(super) fn push(&mut self, item: T, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes).saturating_add(ITEM_BYTES);
        let fits = self.items.len() < MAX_ITEMS && self.bytes <= MAX_LIST_BYTES;
        if fits {
            self.items.push(item);
        }
        fits
    }
}
