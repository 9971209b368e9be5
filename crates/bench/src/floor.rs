//! The cost of durable storage alone: append a record to a file and sync it.

use std::cell::Cell;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::event;
use crate::load::Slice;

/// A file for appended records.
#[derive(Debug)]
pub struct Floor {
    file: File,
    next: Cell<u64>,
}

impl Floor {
    /// Creates the file in `folder`.
    pub fn new(folder: &Path) -> Result<Self> {
        Ok(Self { file: File::create(folder.join("floor"))?, next: Cell::new(0) })
    }

    /// Appends bytes and syncs them.
    pub fn append(&self, bytes: &[u8]) -> Result<()> {
        (&self.file).write_all(bytes)?;
        Ok(self.file.sync_data()?)
    }

    /// Appends and syncs one record after the other for `time`. Does not measure building the record.
    pub fn slice(&self, time: Duration) -> Result<Slice> {
        let started = Instant::now();
        let mut took = Vec::new();
        while started.elapsed() < time {
            let (key, record) = event::stored(self.next.replace(self.next.get() + 1))?;
            let bytes = [key.to_string().as_bytes(), &record].concat();
            let begun = Instant::now();
            self.append(&bytes)?;
            took.push(begun.elapsed());
        }
        let elapsed = took.iter().sum();
        Ok(Slice { took, elapsed, busy: None, processor: None })
    }
}
