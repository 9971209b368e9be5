//! The report of a run, in Markdown.
//!
//! | file | content |
//! |---|---|
//! | `figures.rs` | the results of one run |
//! | `tables.rs` | their tables |
//! | `targets.rs` | the targets and whether they are met |

mod figures;
mod tables;
mod targets;

use std::path::Path;

use anyhow::{Context as _, Result};

use tables::{backlog, rates};

pub use figures::{BenchFigures, PackedStore, SizedStore};

impl BenchFigures {
    /// All tables. `run` describes the run and the machine.
    pub fn markdown(&self, run: &str) -> String {
        [
            format!("{run}\n"),
            self.targets(),
            rates("One connection, kept alive", &self.serial),
            rates("A new connection for each event", &self.reconnecting),
            rates("32 connections", &self.together),
            rates("256 connections", &self.crowd),
            self.reading(),
            self.crowded(),
            rates("32 connections, the host with compaction and without", &self.packing),
            rates("One connection, the host with compaction and without", &self.packing_serial),
            rates("One connection, the host with a destination and without", &self.forwarding.serial),
            self.delivering(),
            rates("32 connections, the host, on filled stores", &self.filled),
            backlog(&self.backlog),
            self.costs(),
        ]
        .join("\n")
    }
}

const BEGIN: &str = "<!-- begin: cargo xtask bench -->\n";
const END: &str = "<!-- end -->\n";

/// Writes the tables into a page, between its two marks.
pub fn record(page: &Path, tables: &str) -> Result<()> {
    let text = std::fs::read_to_string(page).with_context(|| format!("{} cannot be read", page.display()))?;
    let marked = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = marked.with_context(|| format!("{} lacks the marks {BEGIN}and {END}", page.display()))?;
    std::fs::write(page, [before, BEGIN, "\n", tables, "\n", END, after].concat())
        .with_context(|| format!("{} cannot be written", page.display()))
}
