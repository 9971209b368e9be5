//! Files and folders of a crate that import each other in a circle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::module::{Crate, FileId, ModuleId};
use super::resolve::Target;
use super::syntax::Reference;

/// A circle: each file imports the next one, the last one the first. In a circle of folders, each folder the next one.
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
    pub fn told(&self, shown: impl Fn(&Path) -> String, what: &str) -> String {
        let mut told = format!("{what} import each other in a circle:\n");
        for Step { from, line, name, to } in &self.steps {
            told.push_str(&format!("    {}:{line} imports {name} from {}\n", shown(from), shown(to)));
        }
        told
    }
}

/// For each file or folder, those that it imports, with one place where it does.
type Imports<'c> = BTreeMap<usize, BTreeMap<usize, Place<'c>>>;

/// One import of a file by another.
#[derive(Clone, Copy)]
struct Place<'c> {
    from: FileId,
    to: FileId,
    reference: &'c Reference,
}

impl Crate {
    /// Circles of files, the shortest first, no two of which have an import in common. None if and only if the crate has none.
    pub fn circles(&self) -> Vec<Circle> {
        self.circles_of(self.imports())
    }

    /// The same for the modules that the crate's root declares, each with all that is below it. Those of single files are not repeated.
    pub fn circles_of_folders(&self) -> Vec<Circle> {
        let mut folders = Imports::new();
        for place in self.imports().into_values().flat_map(BTreeMap::into_values) {
            if let (Some(from), Some(to)) = (self.folder(place.from), self.folder(place.to))
                && from != to
            {
                folders.entry(from).or_default().entry(to).or_insert(place);
            }
        }
        let circles = self.circles_of(folders).into_iter();
        let is_of_files = |circle: &Circle| {
            let next = circle.steps.iter().cycle().skip(1);
            circle.steps.iter().zip(next).all(|(one, next)| one.to == next.from)
        };
        circles.filter(|circle| !is_of_files(circle)).collect()
    }

    fn circles_of(&self, mut imports: Imports<'_>) -> Vec<Circle> {
        let mut circles = Vec::new();
        while let Some(members) = shortest(&imports) {
            let next = members.iter().cycle().skip(1);
            let places = members.iter().zip(next).filter_map(|(from, to)| imports.get_mut(from)?.remove(to));
            circles.push(Circle { steps: places.filter_map(|place| self.step(place)).collect() });
        }
        circles
    }

    fn step(&self, Place { from, to, reference }: Place<'_>) -> Option<Step> {
        let (from, to) = (self.files.get(from)?.clone(), self.files.get(to)?.clone());
        Some(Step { from, line: reference.line, name: reference.segments.join("::"), to })
    }

    /// The module below the crate's root that a file belongs to. The root's own file belongs to none.
    fn folder(&self, file: FileId) -> Option<ModuleId> {
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
                    all.entry(from).or_default().entry(to).or_insert(Place { from, to, reference });
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

fn shortest(imports: &Imports<'_>) -> Option<Vec<usize>> {
    imports.keys().filter_map(|member| shortest_through(imports, *member)).min_by_key(Vec::len)
}

/// The shortest circle through a file or a folder, beginning with it.
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
