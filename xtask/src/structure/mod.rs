//! `cargo xtask structure`: the rules for the layout of the source, which neither the compiler nor clippy checks.
//!
//! | what | file |
//! |---|---|
//! | a crate's source -> its modules, with their names, imports and paths | `module.rs` |
//! | the syntax of one module -> names, imports and paths | `syntax.rs` |
//! | an import or a path -> the file that defines the item | `resolve.rs` |
//! | import cycles of files and folders | `cycle.rs` |
//! | type names with several definitions | `names.rs` |
//! | statics of the component that can change | `statics.rs` |
//! | the crates and source files below a folder, long files, misplaced packages | `folder.rs` |
//!
//! What counts as an import of another file:
//!
//! - A `use`, or a path in an expression, a type or a macro's arguments. It counts for the file that **defines** the
//!   item, through any number of re-exports. It does not count if another crate defines the item.
//! - Not a `mod` declaration, and not a re-export (`pub use`). A file that re-exports a name and also uses it imports
//!   it. The import of a module counts where a path goes through it, by the item at the end of the path.
//! - Not the call of a method: only the compiler knows the file that defines it. So the methods of a type can be spread
//!   over files.
//! - Imports of unit tests count as well: a reader of the file has to follow them. A test that needs both files belongs
//!   under `tests/`.

mod cycle;
mod folder;
mod module;
mod names;
mod resolve;
mod statics;
mod syntax;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Result, bail};

use cycle::Cycle;
use folder::Folder;
use module::Crate;
use names::TypeNames;

/// The most lines of a file.
const MOST_LINES: usize = 400;

/// Checks the source below `root`; with `folders`, also for cycles of folders. Prints violations and what to do about
/// them. Returns an error if there are any.
pub fn structure(root: &Path, folders: bool) -> Result<()> {
    eprintln!("==> checking the layout of the source");
    let (report, problems) = check(root, folders)?;
    if problems == 0 {
        eprintln!(
            "    no import cycles, no file of more than {MOST_LINES} lines, no package inside another's source, \
             no type name with two definitions, no static of the component that can change"
        );
        return Ok(());
    }
    eprint!("{report}");
    bail!("{problems} problems in the layout of the source");
}

/// The violations as text, and their number.
fn check(root: &Path, folders: bool) -> Result<(String, usize)> {
    let folder = Folder::scan(root)?;
    let mut cycles: Vec<(Cycle, &str)> = Vec::new();
    let mut names = TypeNames::default();
    for crate_root in folder.crate_roots()? {
        let parsed = Crate::parse(&crate_root)?;
        names.add(&parsed, root);
        let of_files = parsed.cycles().into_iter().map(|cycle| (cycle, "files"));
        let of_folders =
            folders.then(|| parsed.cycles_of_folders()).into_iter().flatten().map(|cycle| (cycle, "folders"));
        for (cycle, what) in of_files.chain(of_folders) {
            // A file can be part of several crates, such as shared support code of tests.
            if !cycles.iter().any(|(known, _)| known.steps == cycle.steps) {
                cycles.push((cycle, what));
            }
        }
    }
    let (long, nested) = (folder.long_files(MOST_LINES)?, folder.nested_packages());
    let mut report = String::new();
    for (cycle, what) in &cycles {
        report.push_str(&cycle.report(|path| shown(path, root), what));
    }
    if !cycles.is_empty() {
        report.push_str(
            "Break each cycle: move the shared code to a file of its own, or let the used file own a trait that its user implements.\n",
        );
    }
    for (path, lines) in &long {
        report.push_str(&format!("{}: {lines} lines\n", shown(path, root)));
    }
    if !long.is_empty() {
        report.push_str(&format!("Split each file by topic: at most {MOST_LINES} lines a file.\n"));
    }
    for (inner, outer) in &nested {
        report.push_str(&format!("{}: a package inside the source of {}\n", shown(inner, root), shown(outer, root)));
    }
    if !nested.is_empty() {
        report.push_str("Move each of these packages out of the other's `src`, for example to `crates/`.\n");
    }
    let repeated: Vec<_> = names.repeated().collect();
    for (name, files) in &repeated {
        let files: Vec<_> = files.iter().map(|file| shown(file, root)).collect();
        report.push_str(&format!("{name}: defined in {}\n", files.join(" and ")));
    }
    if !repeated.is_empty() {
        report.push_str("Give each of these types a name that a search finds once.\n");
    }
    let statics = statics::changeable(root)?;
    for name in &statics {
        report.push_str(&format!("{name}: a static of the component that can change\n"));
    }
    if !statics.is_empty() {
        report.push_str("Keep it in the request's own data: an instance can serve several requests.\n");
    }
    Ok((report, cycles.len() + long.len() + nested.len() + repeated.len() + statics.len()))
}

/// A path as messages show it.
fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
