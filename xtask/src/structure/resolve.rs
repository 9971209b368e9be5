//! Finds the file that defines the item of a path.

use super::module::{Crate, ModuleId, SourceFileId};
use super::syntax::Reference;

/// The target of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathTarget {
    /// A module of this crate.
    Module(ModuleId),
    /// An item of this crate, by its defining file.
    Item(SourceFileId),
    /// An item of another crate, a local variable or a type parameter.
    Elsewhere,
}

/// The most imports that a path is followed through. Names can import each other without end.
const MOST_IMPORTS: usize = 16;

/// Which names are looked up: a function and a module can have the same name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NameKind {
    /// Modules and types: names before `::`.
    Scope,
    /// Everything, and a function rather than a module.
    Any,
}

impl Crate {
    /// The target of a path in a module.
    pub fn resolve(&self, from: ModuleId, reference: &Reference) -> PathTarget {
        let found = match reference.segments.as_slice() {
            // Most single names are local variables.
            [name] => self.look_up(from, name, NameKind::Any, MOST_IMPORTS),
            segments => {
                return self.follow(from, segments, NameKind::Any, MOST_IMPORTS).unwrap_or_else(|nearest| nearest);
            }
        };
        found.unwrap_or(PathTarget::Elsewhere)
    }

    /// The target of a macro's name. `macro_rules!` are visible in inner modules without an import.
    pub fn resolve_macro(&self, from: ModuleId, reference: &Reference) -> PathTarget {
        let mut around = self.modules.get(from);
        while let Some(module) = around {
            if reference.segments.iter().all(|name| module.macro_rules.contains(name)) {
                return PathTarget::Item(module.file);
            }
            around = module.parent.and_then(|parent| self.modules.get(parent));
        }
        PathTarget::Elsewhere
    }

    /// `Err` has the best known target of a path that cannot be followed to its end.
    fn follow(
        &self,
        from: ModuleId,
        segments: &[String],
        last: NameKind,
        imports: usize,
    ) -> Result<PathTarget, PathTarget> {
        let mut at = from;
        for (number, segment) in segments.iter().enumerate() {
            let Some(module) = self.modules.get(at) else { return Err(PathTarget::Elsewhere) };
            let kind = if number + 1 == segments.len() { last } else { NameKind::Scope };
            let next = match segment.as_str() {
                "crate" => Some(PathTarget::Module(0)),
                "self" => Some(PathTarget::Module(at)),
                "super" => module.parent.map(PathTarget::Module),
                name => self.look_up(at, name, kind, imports).or_else(|| self.look_into_globs(at, name, kind, imports)),
            };
            match next {
                Some(PathTarget::Module(next)) => at = next,
                // The rest is part of the item: a variant, an associated function.
                Some(found) => return Ok(found),
                // The name of another crate.
                None if number == 0 => return Ok(PathTarget::Elsewhere),
                // A macro can define it there.
                None => return Err(PathTarget::Item(module.file)),
            }
        }
        Ok(PathTarget::Module(at))
    }

    /// The target of a name that a module defines, declares or imports by name.
    fn look_up(&self, at: ModuleId, name: &str, kind: NameKind, imports: usize) -> Option<PathTarget> {
        let imports = imports.checked_sub(1)?;
        let module = self.modules.get(at)?;
        let is_item = module.types.contains(name) || (kind == NameKind::Any && module.values.contains(name));
        if is_item {
            return Some(PathTarget::Item(module.file));
        }
        if let Some(child) = module.children.get(name) {
            return Some(PathTarget::Module(*child));
        }
        let named = module.imports.iter().filter(|import| import.name.as_deref() == Some(name));
        let found: Vec<_> =
            named.filter_map(|import| self.follow(at, &import.target.segments, kind, imports).ok()).collect();
        // A name can be imported twice, as a module and as a function.
        let item = found.iter().find(|target| kind == NameKind::Any && matches!(target, PathTarget::Item(_)));
        item.or(found.first()).copied()
    }

    fn look_into_globs(&self, at: ModuleId, name: &str, kind: NameKind, imports: usize) -> Option<PathTarget> {
        let imports = imports.checked_sub(1)?;
        let globs = self.modules.get(at)?.imports.iter().filter(|import| import.name.is_none());
        let mut inner = globs.filter_map(|glob| self.follow(at, &glob.target.segments, NameKind::Any, imports).ok());
        inner.find_map(|target| match target {
            PathTarget::Module(inner) if inner != at => {
                self.look_up(inner, name, kind, imports).or_else(|| self.look_into_globs(inner, name, kind, imports))
            }
            _ => None,
        })
    }
}
