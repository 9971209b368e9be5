//! Statics of the component that can change. A host can let an instance serve several requests (`--reuse-instances`), and
//! then a request could find there what an earlier one left.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use syn::visit::{self, Visit};
use syn::{ItemStatic, Macro, StaticMutability, TypePath};

use super::module::Crate;

/// The crates that the component consists of.
const COMPONENT: [&str; 2] = ["src/lib.rs", "crates/event/src/lib.rs"];

/// Types with a value that can change behind a shared reference. So can all whose name begins with `Atomic`.
const CHANGEABLE: [&str; 9] =
    ["Cell", "LazyCell", "LazyLock", "Mutex", "OnceCell", "OnceLock", "RefCell", "RwLock", "UnsafeCell"];

/// Files and statics that are set once, to a value that depends on no request.
const CONSTANT: [(&str, &str); 1] = [("src/folding.rs", "UNPACKED")];

/// The statics that can change, as `src/file.rs: NAME`.
pub fn changeable(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for crate_root in COMPONENT.map(|path| root.join(path)).iter().filter(|path| path.is_file()) {
        for file in &Crate::parse(crate_root)?.files {
            let shown = file.strip_prefix(root).unwrap_or(file).display().to_string();
            let text = fs::read_to_string(file).with_context(|| shown.clone())?;
            let mut statics = ChangeableStatics::default();
            statics.visit_file(&syn::parse_file(&text).with_context(|| shown.clone())?);
            let names = statics.0.into_iter().filter(|name| !CONSTANT.contains(&(shown.as_str(), name.as_str())));
            found.extend(names.map(|name| format!("{shown}: {name}")));
        }
    }
    Ok(found)
}

#[derive(Default)]
struct ChangeableStatics(Vec<String>);

impl<'s> Visit<'s> for ChangeableStatics {
    fn visit_item_static(&mut self, item: &'s ItemStatic) {
        let mut kind = IsChangeable(!matches!(item.mutability, StaticMutability::None));
        kind.visit_type(&item.ty);
        if kind.0 {
            self.0.push(item.ident.to_string());
        }
        visit::visit_item_static(self, item);
    }

    fn visit_macro(&mut self, called: &'s Macro) {
        if called.path.segments.last().is_some_and(|name| name.ident == "thread_local") {
            self.0.push("thread_local!".to_owned());
        }
    }
}

struct IsChangeable(bool);

impl<'s> Visit<'s> for IsChangeable {
    fn visit_type_path(&mut self, path: &'s TypePath) {
        let is_changeable = |name: &str| CHANGEABLE.contains(&name) || name.starts_with("Atomic");
        self.0 |= path.path.segments.iter().any(|segment| is_changeable(&segment.ident.to_string()));
        visit::visit_type_path(self, path);
    }
}
