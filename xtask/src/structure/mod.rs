//! `cargo xtask structure`: the rules for the layout of the source, which neither the compiler nor clippy checks.
//!
//! | what | file |
//! |---|---|
//! | a crate's source -> its modules, with the names, imports and paths in each | `module.rs` |
//! | the syntax of one module -> names, imports and paths | `syntax.rs` |
//! | an import or a path -> the file that defines what it names | `resolve.rs` |
//! | files, and folders, that import each other in a circle | `circle.rs` |
//! | the crates and source files below a folder, files that are too long, misplaced packages | `folder.rs` |
//!
//! What counts as an import of another file:
//!
//! - A `use`, or a path in an expression, a type or a macro's arguments. It leads to the file that **defines** the item, through any number of
//!   re-exports, and to none if another crate defines it.
//! - Not a `mod` declaration, and not a re-export (`pub use`): both say where something is. A file that re-exports a name and also uses it imports
//!   it. The import of a module counts where a path goes through it, by the item at the path's end.
//! - Not the call of a method: which file defines it is known to the compiler alone. So the methods of a type may be spread over files.
//! - What only tests import counts as well. A reader of the file has to follow it, and a test that needs both files has a place under `tests/`.

mod circle;
mod folder;
mod module;
mod resolve;
mod syntax;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Result, bail};

use circle::Circle;
use folder::Folder;
use module::Crate;

/// The most lines of a file.
const MOST_LINES: usize = 400;

/// Checks the source below `root`, with `folders` also for circles of folders. Prints what breaks a rule, and what to do about it; then it is
/// an error.
pub fn structure(root: &Path, folders: bool) -> Result<()> {
    eprintln!("==> checking the layout of the source");
    let (report, problems) = check(root, folders)?;
    if problems == 0 {
        eprintln!("    no circles, no file of more than {MOST_LINES} lines, no package inside another's source");
        return Ok(());
    }
    eprint!("{report}");
    bail!("{problems} problems in the layout of the source");
}

/// What breaks a rule, as text, and how many problems there are.
fn check(root: &Path, folders: bool) -> Result<(String, usize)> {
    let folder = Folder::read(root)?;
    let mut circles: Vec<(Circle, &str)> = Vec::new();
    for crate_root in folder.crate_roots()? {
        let read = Crate::read(&crate_root)?;
        let of_files = read.circles().into_iter().map(|circle| (circle, "files"));
        let of_folders =
            folders.then(|| read.circles_of_folders()).into_iter().flatten().map(|circle| (circle, "folders"));
        for (circle, what) in of_files.chain(of_folders) {
            // A file may be part of several crates, as what tests share is.
            if !circles.iter().any(|(known, _)| known.steps == circle.steps) {
                circles.push((circle, what));
            }
        }
    }
    let (long, nested) = (folder.long_files(MOST_LINES)?, folder.nested_packages());
    let mut report = String::new();
    for (circle, what) in &circles {
        report.push_str(&circle.told(|path| shown(path, root), what));
    }
    if !circles.is_empty() {
        report.push_str(
            "Break each circle: move what both files need to a file of its own, or let the file that is used own a trait that its user implements.\n",
        );
    }
    for (path, lines) in &long {
        report.push_str(&format!("{}: {lines} lines\n", shown(path, root)));
    }
    if !long.is_empty() {
        report.push_str(&format!("Split each file by its ideas: at most {MOST_LINES} lines a file.\n"));
    }
    for (inner, outer) in &nested {
        report.push_str(&format!("{}: a package inside the source of {}\n", shown(inner, root), shown(outer, root)));
    }
    if !nested.is_empty() {
        report.push_str("Move each of these packages out of the other's `src`, for example to `crates/`.\n");
    }
    Ok((report, circles.len() + long.len() + nested.len()))
}

/// A path as messages show it.
fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
