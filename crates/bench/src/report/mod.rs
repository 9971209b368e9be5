//! The report of a run, in Markdown.
//!
//! | File | What is in it |
//! |---|---|
//! | `figures.rs` | everything that one run measured |
//! | `tables.rs` | tables of it |
//! | `targets.rs` | the targets beside what was measured |

mod figures;
mod tables;
mod targets;

use std::path::Path;

use anyhow::{Context as _, Result};

use tables::{backlog, rates};

pub use figures::{Figures, Packed, Sized};

impl Figures {
    /// All tables. `run` says how long the run was, and on what.
    pub fn markdown(&self, run: &str) -> String {
        [
            format!("{run}\n"),
            self.targets(),
            rates("One connection, kept alive", &self.serial),
            rates("A connection an event", &self.reconnecting),
            rates("32 connections", &self.together),
            rates("256 connections", &self.crowd),
            self.reading(),
            self.crowded(),
            rates("32 connections, the host with passes and without", &self.packing),
            rates("One connection, the host with passes and without", &self.packing_serial),
            rates("One connection, the host with a destination and without", &self.forwarding.serial),
            self.delivering(),
            rates("32 connections, the host, on a store that holds events already", &self.filled),
            backlog(&self.backlog),
            self.costs(),
        ]
        .join("\n")
    }
}

const BEGIN: &str = "<!-- begin: cargo xtask bench -->\n";
const END: &str = "<!-- end -->\n";

/// Puts the tables into a page, between its two marks.
pub fn record(page: &Path, tables: &str) -> Result<()> {
    let text = std::fs::read_to_string(page).with_context(|| format!("{} cannot be read", page.display()))?;
    let marked = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = marked.with_context(|| format!("{} has not the marks {BEGIN}and {END}", page.display()))?;
    std::fs::write(page, [before, BEGIN, "\n", tables, "\n", END, after].concat())
        .with_context(|| format!("{} cannot be written", page.display()))
}
