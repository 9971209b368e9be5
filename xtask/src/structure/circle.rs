//! Files of a crate that import each other in a circle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::module::{Crate, FileId};
use super::resolve::Target;
use super::syntax::Reference;

/// A circle: each file imports the next one, the last one the first.
#[derive(Debug)]
pub struct Circle {
    /// The imports.
    pub steps: Vec<Step>,
}

/// One import of another file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The file that imports.
    pub from: PathBuf,
    /// The line of the import, or of the path in its code.
    pub line: usize,
    /// What it imports, as it is written there.
    pub name: String,
    /// The file that defines it.
    pub to: PathBuf,
}

impl Circle {
    /// The circle, a line for each import.
    pub fn told(&self, shown: impl Fn(&Path) -> String) -> String {
        let mut told = "files import each other in a circle:\n".to_owned();
        for Step { from, line, name, to } in &self.steps {
            told.push_str(&format!("    {}:{line} imports {name} from {}\n", shown(from), shown(to)));
        }
        told
    }
}

/// For each file, the files that it imports, with the first place where it does.
type Imports<'c> = BTreeMap<FileId, BTreeMap<FileId, &'c Reference>>;

impl Crate {
    /// Circles, the shortest first, no two of which have an import in common. None if and only if the crate has none.
    pub fn circles(&self) -> Vec<Circle> {
        let mut imports = self.imports();
        let mut circles = Vec::new();
        while let Some(files) = shortest(&imports) {
            let next = files.iter().cycle().skip(1);
            let steps = files.iter().zip(next).filter_map(|(from, to)| {
                let reference = imports.get_mut(from)?.remove(to)?;
                self.step(*from, *to, reference)
            });
            circles.push(Circle { steps: steps.collect() });
        }
        circles
    }

    fn step(&self, from: FileId, to: FileId, reference: &Reference) -> Option<Step> {
        let (from, to) = (self.files.get(from)?.clone(), self.files.get(to)?.clone());
        Some(Step { from, line: reference.line, name: reference.segments.join("::"), to })
    }

    fn imports(&self) -> Imports<'_> {
        let mut all = Imports::new();
        for (id, module) in self.modules.iter().enumerate() {
            let mut add = |reference, to| {
                if to != module.file {
                    all.entry(module.file).or_default().entry(to).or_insert(reference);
                }
            };
            for import in module.imports.iter().filter(|import| !import.is_re_export) {
                match (self.resolve(id, &import.target), &import.name) {
                    (Target::Item(file), _) => add(&import.target, file),
                    // A glob may bring traits, whose methods are called without a name.
                    (Target::Module(inner), None) => {
                        self.modules.get(inner).into_iter().for_each(|inner| add(&import.target, inner.file));
                    }
                    _ => {}
                }
            }
            for path in &module.paths {
                if let Target::Item(file) = self.resolve(id, path) {
                    add(path, file);
                }
            }
            for name in &module.macros {
                if let Target::Item(file) = self.resolve_macro(id, name) {
                    add(name, file);
                }
            }
        }
        all
    }
}

fn shortest(imports: &Imports<'_>) -> Option<Vec<FileId>> {
    imports.keys().filter_map(|file| shortest_through(imports, *file)).min_by_key(Vec::len)
}

/// The shortest circle through a file, beginning with it.
fn shortest_through(imports: &Imports<'_>, file: FileId) -> Option<Vec<FileId>> {
    let mut seen = BTreeSet::from([file]);
    let mut ways = VecDeque::from([vec![file]]);
    while let Some(way) = ways.pop_front() {
        for next in way.last().and_then(|last| imports.get(last)).into_iter().flat_map(BTreeMap::keys) {
            if *next == file {
                return Some(way);
            }
            if seen.insert(*next) {
                ways.push_back(way.iter().copied().chain([*next]).collect());
            }
        }
    }
    None
}
