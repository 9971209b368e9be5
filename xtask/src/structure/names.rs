//! Names of types: a reader who searches for one must find one definition.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::module::Crate;

/// Names that programs share by custom: clap's arguments and commands.
const CUSTOMARY: [&str; 2] = ["Arguments", "Command"];

/// The types and traits of all crates, and the files that define them. Tests are left out: each reads on its own.
#[derive(Default)]
pub struct TypeNames(BTreeMap<String, BTreeSet<PathBuf>>);

impl TypeNames {
    /// Adds the types of a crate, as far as they are in a folder `src`.
    pub fn add(&mut self, parsed: &Crate, root: &Path) {
        for module in &parsed.modules {
            let Some(file) = parsed.files.get(module.file) else { continue };
            let shown = file.strip_prefix(root).unwrap_or(file);
            let has = |name: &str| shown.iter().any(|part| part == name);
            if has("src") && !has("tests") {
                let names = module.types.iter().filter(|name| !CUSTOMARY.contains(&name.as_str()));
                names.for_each(|name| _ = self.0.entry(name.clone()).or_default().insert(file.clone()));
            }
        }
    }

    /// The names with several definitions.
    pub fn repeated(&self) -> impl Iterator<Item = (&String, &BTreeSet<PathBuf>)> {
        self.0.iter().filter(|(_, files)| files.len() > 1)
    }
}
