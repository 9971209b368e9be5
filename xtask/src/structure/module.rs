//! The modules of a crate, parsed from its root file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::syntax::{Declared, Import, ModuleContents, Reference};

/// Index into [`Crate::modules`].
pub type ModuleId = usize;

/// Index into [`Crate::files`].
pub type SourceFileId = usize;

/// A crate. Its first module is the root.
#[derive(Default)]
pub struct Crate {
    /// Its source files.
    pub files: Vec<PathBuf>,
    /// Its modules, with and without a file of their own.
    pub modules: Vec<Module>,
}

/// A module.
pub struct Module {
    pub parent: Option<ModuleId>,
    pub file: SourceFileId,
    pub children: BTreeMap<String, ModuleId>,
    /// Names of types and traits.
    pub types: BTreeSet<String>,
    /// Names of functions and constants.
    pub values: BTreeSet<String>,
    pub macro_rules: BTreeSet<String>,
    /// `use` declarations, one for each name.
    pub imports: Vec<Import>,
    pub paths: Vec<Reference>,
    /// Macros that are called without a path.
    pub macros: Vec<Reference>,
}

/// The folders in which the files of a module's children are looked up.
struct ModuleFolders {
    /// The folder of the module's file: the base of `#[path]`.
    file: PathBuf,
    /// The folder of the children's files.
    children: PathBuf,
    /// An inline module: `children` is the base of `#[path]`.
    inline: bool,
}

impl Crate {
    /// Parses a crate, given its root file.
    pub fn parse(root: &Path) -> Result<Self> {
        let mut read = Self::default();
        read.read_file(root, None, true)?;
        Ok(read)
    }

    fn read_file(&mut self, path: &Path, parent: Option<ModuleId>, owns_its_folder: bool) -> Result<ModuleId> {
        if self.files.iter().any(|known| known == path) {
            bail!("{} is declared as two modules of one crate", path.display());
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let syntax = syn::parse_file(&text).with_context(|| format!("{} is not valid Rust", path.display()))?;
        let file = self.files.len();
        self.files.push(path.to_owned());
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let children = if owns_its_folder { folder.clone() } else { path.with_extension("") };
        self.add(
            ModuleContents::from_items(&syntax.items),
            file,
            parent,
            &ModuleFolders { file: folder, children, inline: false },
        )
    }

    fn add(
        &mut self,
        contents: ModuleContents,
        file: SourceFileId,
        parent: Option<ModuleId>,
        folders: &ModuleFolders,
    ) -> Result<ModuleId> {
        let id = self.modules.len();
        let ModuleContents { types, values, macro_rules, imports, paths, macros, modules } = contents;
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
                    let children = folders.children.join(&name);
                    let inner = ModuleFolders { file: folders.file.clone(), children, inline: true };
                    self.add(contents, file, Some(id), &inner)?
                }
                None => {
                    let (path, owns_its_folder) = folders.child(&name, path)?;
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

impl ModuleFolders {
    /// The file of a child, and whether the files of its own children are beside it.
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

/// The path without `..`.
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
