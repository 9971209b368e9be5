//! Finds the file that defines what a path names.

use super::module::{Crate, FileId, ModuleId};
use super::syntax::Reference;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A module of this crate.
    Module(ModuleId),
    /// An item of this crate, by the file that defines it.
    Item(FileId),
    /// Another crate's item, a local variable, a type parameter.
    Elsewhere,
}

/// How many imports a path may go through. Those of names that import each other would have no end.
const MOST_IMPORTS: usize = 16;

/// Which names are looked for: a function and a module may have the same one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Modules and types: what `::` may follow.
    Scope,
    /// Everything; a function rather than a module.
    Any,
}

impl Crate {
    /// What a path that stands in a module leads to.
    pub fn resolve(&self, from: ModuleId, reference: &Reference) -> Target {
        let found = match reference.segments.as_slice() {
            // Most such names are those of variables.
            [name] => self.look_up(from, name, Kind::Any, MOST_IMPORTS),
            segments => return self.follow(from, segments, Kind::Any, MOST_IMPORTS).unwrap_or_else(|nearest| nearest),
        };
        found.unwrap_or(Target::Elsewhere)
    }

    /// What the name of a macro leads to. `macro_rules!` are known to the modules around which they stand, without an import.
    pub fn resolve_macro(&self, from: ModuleId, reference: &Reference) -> Target {
        let mut around = self.modules.get(from);
        while let Some(module) = around {
            if reference.segments.iter().all(|name| module.macro_rules.contains(name)) {
                return Target::Item(module.file);
            }
            around = module.parent.and_then(|parent| self.modules.get(parent));
        }
        Target::Elsewhere
    }

    /// `Err` has what is known of a path whose end is not found.
    fn follow(&self, from: ModuleId, segments: &[String], last: Kind, imports: usize) -> Result<Target, Target> {
        let mut at = from;
        for (number, segment) in segments.iter().enumerate() {
            let Some(module) = self.modules.get(at) else { return Err(Target::Elsewhere) };
            let kind = if number + 1 == segments.len() { last } else { Kind::Scope };
            let next = match segment.as_str() {
                "crate" => Some(Target::Module(0)),
                "self" => Some(Target::Module(at)),
                "super" => module.parent.map(Target::Module),
                name => self.look_up(at, name, kind, imports).or_else(|| self.look_into_globs(at, name, kind, imports)),
            };
            match next {
                Some(Target::Module(next)) => at = next,
                // What follows is part of the item: a variant, an associated function.
                Some(found) => return Ok(found),
                // Another crate's name.
                None if number == 0 => return Ok(Target::Elsewhere),
                // A macro may make it there.
                None => return Err(Target::Item(module.file)),
            }
        }
        Ok(Target::Module(at))
    }

    /// What a name means in a module, as far as the module itself defines or names it.
    fn look_up(&self, at: ModuleId, name: &str, kind: Kind, imports: usize) -> Option<Target> {
        let imports = imports.checked_sub(1)?;
        let module = self.modules.get(at)?;
        let is_item = module.types.contains(name) || (kind == Kind::Any && module.values.contains(name));
        if is_item {
            return Some(Target::Item(module.file));
        }
        if let Some(child) = module.children.get(name) {
            return Some(Target::Module(*child));
        }
        let named = module.imports.iter().filter(|import| import.name.as_deref() == Some(name));
        let found: Vec<_> =
            named.filter_map(|import| self.follow(at, &import.target.segments, kind, imports).ok()).collect();
        // A name may be imported twice, as a module and as a function.
        let item = found.iter().find(|target| kind == Kind::Any && matches!(target, Target::Item(_)));
        item.or(found.first()).copied()
    }

    fn look_into_globs(&self, at: ModuleId, name: &str, kind: Kind, imports: usize) -> Option<Target> {
        let imports = imports.checked_sub(1)?;
        let globs = self.modules.get(at)?.imports.iter().filter(|import| import.name.is_none());
        let mut inner = globs.filter_map(|glob| self.follow(at, &glob.target.segments, Kind::Any, imports).ok());
        inner.find_map(|target| match target {
            Target::Module(inner) if inner != at => {
                self.look_up(inner, name, kind, imports).or_else(|| self.look_into_globs(inner, name, kind, imports))
            }
            _ => None,
        })
    }
}
