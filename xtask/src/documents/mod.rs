//! Checks the documents. Every Markdown file of the project is parsed, and
//!
//! - each relative link leads to a file, and each anchor to a heading;
//! - each command of ours names a subcommand that its program has;
//! - no line has more than 120 columns, outside tables, code and link definitions.
//!
//! | file | what lives there |
//! |---|---|
//! | `page.rs` | [`Page`]: what the check needs of one Markdown file |
//! | `programs.rs` | [`Programs`]: the subcommands of our programs, read from their sources |
//! | `tests.rs` | the check of this project, and of small invented ones |

mod page;
mod programs;
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result};

use page::{MAX_COLUMNS, Page};
use programs::Programs;

/// Markdown files by their paths from the project's top folder.
type Pages = BTreeMap<PathBuf, Page>;

/// Every fault of the documents below `root`: a line each, with file and line number.
fn faults(root: &Path, programs: &Programs) -> Result<Vec<String>> {
    let mut pages = Pages::new();
    for path in markdown_files(root)? {
        let text = fs::read_to_string(root.join(&path)).with_context(|| path.display().to_string())?;
        pages.insert(path, Page::parse(&text));
    }
    let mut faults = Vec::new();
    for (path, page) in &pages {
        let mut report = |line: usize, fault: String| faults.push(format!("{}:{line}: {fault}", path.display()));
        for (line, target) in &page.links {
            if let Some(fault) = link_fault(root, path, target, &pages) {
                report(*line, fault);
            }
        }
        for (line, code) in &page.code {
            programs.faults(code).into_iter().for_each(|fault| report(*line, fault));
        }
        for (line, columns) in &page.long_lines {
            report(*line, format!("{columns} columns; at most {MAX_COLUMNS} outside tables and code"));
        }
    }
    Ok(faults)
}

/// Why a link of a page leads nowhere. `None` if it leads somewhere, or out of the project.
fn link_fault(root: &Path, page: &Path, target: &str, pages: &Pages) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let file = if path.is_empty() { Some(page.to_owned()) } else { joined(page.parent()?, path) };
    let Some(file) = file.filter(|file| root.join(file).exists()) else {
        return Some(format!("{target}: there is no such file"));
    };
    let anchor = anchor?;
    match pages.get(&file) {
        Some(page) if page.anchors.contains(anchor) => None,
        Some(_) => Some(format!("{target}: {} has no such heading", file.display())),
        None => Some(format!("{target}: {} is not a Markdown file, so it has no anchors", file.display())),
    }
}

/// A relative path from a folder of the project. `None` if it leads out of the project.
fn joined(folder: &Path, path: &str) -> Option<PathBuf> {
    let mut joined = PathBuf::new();
    for component in folder.join(path).components() {
        match component {
            Component::Normal(name) => joined.push(name),
            Component::CurDir => {}
            Component::ParentDir => joined.pop().then_some(())?,
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(joined)
}

/// The Markdown files below a folder, without what is built and what is hidden.
fn markdown_files(root: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if name.ends_with(".md") {
                files.push(path.strip_prefix(root)?.to_owned());
            }
        }
    }
    Ok(files)
}
