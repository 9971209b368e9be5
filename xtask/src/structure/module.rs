//! The modules of a crate, read from its root file on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::syntax::{Contents, Declared, Import, Reference};

/// Index into [`Crate::modules`].
pub type ModuleId = usize;

/// Index into [`Crate::files`].
pub type FileId = usize;

/// A crate. The first module is its root.
#[derive(Default)]
pub struct Crate {
    /// Its source files.
    pub files: Vec<PathBuf>,
    /// Its modules, those in a file of their own and those inside a file.
    pub modules: Vec<Module>,
}

/// A module.
pub struct Module {
    /// The module around it.
    pub parent: Option<ModuleId>,
    /// The file that it stands in.
    pub file: FileId,
    /// The modules inside it.
    pub children: BTreeMap<String, ModuleId>,
    /// Names of the types and traits that it defines.
    pub types: BTreeSet<String>,
    /// Names of the functions and constants that it defines.
    pub values: BTreeSet<String>,
    /// Names of the macros that it defines.
    pub macro_rules: BTreeSet<String>,
    /// Its `use` declarations, one for each name.
    pub imports: Vec<Import>,
    /// Paths in its code.
    pub paths: Vec<Reference>,
    /// Macros that it calls by their names alone.
    pub macros: Vec<Reference>,
}

/// Where the files of a module's children are.
struct Place {
    /// The folder of the file that the module stands in: `#[path]` starts there.
    file: PathBuf,
    /// The folder for the files of its children.
    children: PathBuf,
    /// Whether it stands inside a file: then `#[path]` starts from `children`.
    inline: bool,
}

impl Crate {
    /// Reads a crate, given the file that is its root.
    pub fn read(root: &Path) -> Result<Self> {
        let mut read = Self::default();
        read.read_file(root, None, true)?;
        Ok(read)
    }

    fn read_file(&mut self, path: &Path, parent: Option<ModuleId>, owns_its_folder: bool) -> Result<ModuleId> {
        if self.files.iter().any(|known| known == path) {
            bail!("{} is two modules of one crate", path.display());
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let syntax = syn::parse_file(&text).with_context(|| format!("{} is not valid Rust", path.display()))?;
        let file = self.files.len();
        self.files.push(path.to_owned());
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let children = if owns_its_folder { folder.clone() } else { path.with_extension("") };
        self.add(Contents::of(&syntax.items), file, parent, &Place { file: folder, children, inline: false })
    }

    fn add(&mut self, contents: Contents, file: FileId, parent: Option<ModuleId>, place: &Place) -> Result<ModuleId> {
        let id = self.modules.len();
        let Contents { types, values, macro_rules, imports, paths, macros, modules } = contents;
        self.modules.push(Module {
            parent,
            file,
            children: BTreeMap::new(),
            types,
            values,
            macro_rules,
            imports,
            paths,
            macros,
        });
        for Declared { name, path, contents } in modules {
            let child = match contents {
                Some(contents) => {
                    let children = place.children.join(&name);
                    let inner = Place { file: place.file.clone(), children, inline: true };
                    self.add(contents, file, Some(id), &inner)?
                }
                None => {
                    let (path, owns_its_folder) = place.child(&name, path)?;
                    self.read_file(&path, Some(id), owns_its_folder)?
                }
            };
            if let Some(module) = self.modules.get_mut(id) {
                module.children.insert(name, child);
            }
        }
        Ok(id)
    }
}

impl Place {
    /// The file of a child, and whether its own children are beside it.
    fn child(&self, name: &str, path: Option<String>) -> Result<(PathBuf, bool)> {
        if let Some(path) = path {
            let from = if self.inline { &self.children } else { &self.file };
            return Ok((plain(&from.join(path)), true));
        }
        let (flat, folder) = (self.children.join(format!("{name}.rs")), self.children.join(name).join("mod.rs"));
        if flat.is_file() {
            Ok((flat, false))
        } else if folder.is_file() {
            Ok((folder, true))
        } else {
            bail!("neither {} nor {} is a file", flat.display(), folder.display())
        }
    }
}

/// The same path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == std::path::Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}
