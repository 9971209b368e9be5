//! Import cycles of the files and folders of a crate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::module::{Crate, ModuleId, SourceFileId};
use super::resolve::PathTarget;
use super::syntax::Reference;

/// An import cycle: each file, or each folder, imports the next one, and the last one imports the first.
#[derive(Debug)]
pub struct Cycle {
    pub steps: Vec<ImportStep>,
}

/// One import of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportStep {
    /// The importing file.
    pub from: PathBuf,
    /// The line of the import or path.
    pub line: usize,
    /// The imported name as written.
    pub name: String,
    /// The defining file.
    pub to: PathBuf,
}

impl Cycle {
    /// The cycle as text, a line for each import.
    pub fn report(&self, shown: impl Fn(&Path) -> String, what: &str) -> String {
        let mut report = format!("{what} import each other in a cycle:\n");
        for ImportStep { from, line, name, to } in &self.steps {
            report.push_str(&format!("    {}:{line} imports {name} from {}\n", shown(from), shown(to)));
        }
        report
    }
}

/// For each file or folder, the files or folders that it imports, each with one import as an example.
type Imports<'c> = BTreeMap<usize, BTreeMap<usize, FileImport<'c>>>;

/// An import of one file by another.
#[derive(Clone, Copy)]
struct FileImport<'c> {
    from: SourceFileId,
    to: SourceFileId,
    reference: &'c Reference,
}

impl Crate {
    /// Cycles of files, the shortest first, without common imports. Empty if and only if the crate has no cycle.
    pub fn cycles(&self) -> Vec<Cycle> {
        self.cycles_of(self.imports())
    }

    /// Cycles of the modules that the crate's root declares, each with everything below it. Without cycles of single
    /// files.
    pub fn cycles_of_folders(&self) -> Vec<Cycle> {
        let mut folders = Imports::new();
        for import in self.imports().into_values().flat_map(BTreeMap::into_values) {
            if let (Some(from), Some(to)) = (self.folder(import.from), self.folder(import.to))
                && from != to
            {
                folders.entry(from).or_default().entry(to).or_insert(import);
            }
        }
        let cycles = self.cycles_of(folders).into_iter();
        let is_of_files = |cycle: &Cycle| {
            let next = cycle.steps.iter().cycle().skip(1);
            cycle.steps.iter().zip(next).all(|(one, next)| one.to == next.from)
        };
        cycles.filter(|cycle| !is_of_files(cycle)).collect()
    }

    fn cycles_of(&self, mut imports: Imports<'_>) -> Vec<Cycle> {
        let mut cycles = Vec::new();
        while let Some(members) = shortest(&imports) {
            let next = members.iter().cycle().skip(1);
            let removed = members.iter().zip(next).filter_map(|(from, to)| imports.get_mut(from)?.remove(to));
            cycles.push(Cycle { steps: removed.filter_map(|import| self.step(import)).collect() });
        }
        cycles
    }

    fn step(&self, FileImport { from, to, reference }: FileImport<'_>) -> Option<ImportStep> {
        let (from, to) = (self.files.get(from)?.clone(), self.files.get(to)?.clone());
        Some(ImportStep { from, line: reference.line, name: reference.segments.join("::"), to })
    }

    /// The module below the crate's root that contains a file. `None` for the root's own file.
    fn folder(&self, file: SourceFileId) -> Option<ModuleId> {
        let mut id = self.modules.iter().position(|module| module.file == file)?;
        loop {
            match self.modules.get(id)?.parent? {
                0 => return Some(id),
                parent => id = parent,
            }
        }
    }

    fn imports(&self) -> Imports<'_> {
        let mut all = Imports::new();
        for (id, module) in self.modules.iter().enumerate() {
            let from = module.file;
            let mut add = |reference, to| {
                if to != from {
                    all.entry(from).or_default().entry(to).or_insert(FileImport { from, to, reference });
                }
            };
            for import in module.imports.iter().filter(|import| !import.is_re_export) {
                match (self.resolve(id, &import.target), &import.name) {
                    (PathTarget::Item(file), _) => add(&import.target, file),
                    // A glob can import traits, whose methods are called without naming them.
                    (PathTarget::Module(inner), None) => {
                        self.modules.get(inner).into_iter().for_each(|inner| add(&import.target, inner.file));
                    }
                    _ => {}
                }
            }
            for path in &module.paths {
                if let PathTarget::Item(file) = self.resolve(id, path) {
                    add(path, file);
                }
            }
            for name in &module.macros {
                if let PathTarget::Item(file) = self.resolve_macro(id, name) {
                    add(name, file);
                }
            }
        }
        all
    }
}

fn shortest(imports: &Imports<'_>) -> Option<Vec<usize>> {
    imports.keys().filter_map(|member| shortest_through(imports, *member)).min_by_key(Vec::len)
}

/// The shortest cycle through a file or folder, starting there.
fn shortest_through(imports: &Imports<'_>, first: usize) -> Option<Vec<usize>> {
    let mut seen = BTreeSet::from([first]);
    let mut ways = VecDeque::from([vec![first]]);
    while let Some(way) = ways.pop_front() {
        for next in way.last().and_then(|last| imports.get(last)).into_iter().flat_map(BTreeMap::keys) {
            if *next == first {
                return Some(way);
            }
            if seen.insert(*next) {
                ways.push_back(way.iter().copied().chain([*next]).collect());
            }
        }
    }
    None
}
