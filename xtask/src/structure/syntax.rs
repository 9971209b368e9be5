//! The syntax of one module: defined names, imports, and paths.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, ItemMod, ItemUse, Lit, Macro, Meta, UseTree, VisRestricted, Visibility};

/// A path as written, such as `crate::session::order`, and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub segments: Vec<String>,
    /// From 1.
    pub line: usize,
}

/// One name of a `use`.
pub struct Import {
    /// `None` for a glob.
    pub name: Option<String>,
    pub target: Reference,
    /// Whether it is visible to other modules.
    pub is_re_export: bool,
}

/// A `mod` declaration.
pub struct Declared {
    pub name: String,
    /// The value of `#[path = "…"]`.
    pub path: Option<String>,
    /// The content of an inline module; `None` if the module has a file.
    pub contents: Option<ModuleContents>,
}

/// The content of a module.
#[derive(Default)]
pub struct ModuleContents {
    /// Names of types and traits, including those inside functions, which this file defines as well.
    pub types: BTreeSet<String>,
    /// Names of functions and constants.
    pub values: BTreeSet<String>,
    pub macro_rules: BTreeSet<String>,
    /// Imports, also inside functions.
    pub imports: Vec<Import>,
    pub paths: Vec<Reference>,
    /// Macros that are called without a path.
    pub macros: Vec<Reference>,
    pub modules: Vec<Declared>,
}

impl ModuleContents {
    /// Collects the content of a module from its items.
    pub fn from_items(items: &[Item]) -> Self {
        let mut contents = Self::default();
        for item in items {
            contents.visit_item(item);
        }
        contents
    }

    fn declare(&mut self, module: &ItemMod) {
        self.modules.push(Declared {
            name: text(&module.ident),
            path: module.attrs.iter().find_map(path_attribute),
            contents: module.content.as_ref().map(|(_, items)| Self::from_items(items)),
        });
    }

    fn import(&mut self, item: &ItemUse) {
        // A leading `::` names another crate.
        if item.leading_colon.is_none() {
            self.import_tree(&item.tree, &[], !matches!(item.vis, Visibility::Inherited));
        }
    }

    fn import_tree(&mut self, tree: &UseTree, before: &[String], is_re_export: bool) {
        let with = |ident: &Ident| before.iter().cloned().chain([text(ident)]).collect::<Vec<_>>();
        let (name, segments, span) = match tree {
            UseTree::Path(path) => return self.import_tree(&path.tree, &with(&path.ident), is_re_export),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.import_tree(tree, before, is_re_export));
            }
            // `use a::{self}` imports `a`.
            UseTree::Name(name) if name.ident == "self" => (before.last().cloned(), before.to_vec(), name.ident.span()),
            UseTree::Name(name) => (Some(text(&name.ident)), with(&name.ident), name.ident.span()),
            UseTree::Rename(rename) if rename.ident == "self" => {
                (Some(text(&rename.rename)), before.to_vec(), rename.ident.span())
            }
            UseTree::Rename(rename) => (Some(text(&rename.rename)), with(&rename.ident), rename.ident.span()),
            UseTree::Glob(glob) => (None, before.to_vec(), glob.star_token.spans[0]),
        };
        self.imports.push(Import { name, target: Reference { segments, line: line(span) }, is_re_export });
    }

    /// Finds paths, names joined by `::`, in the arguments of a macro, whose syntax only the macro knows.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Option<Reference> = None;
        let (mut colons, mut after_dot) = (0, false);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if colons == 2 && path.is_some() => {
                    path.iter_mut().for_each(|path| path.segments.push(text(&ident)));
                }
                // A field, a method, an item of `<Type>::`, or a name of another crate.
                TokenTree::Ident(_) if after_dot || colons == 2 => {}
                TokenTree::Ident(ident) => {
                    self.paths
                        .extend(path.replace(Reference { segments: vec![text(&ident)], line: line(ident.span()) }));
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    (colons, after_dot) = (colons + 1, false);
                    continue;
                }
                TokenTree::Punct(punct) => {
                    self.paths.extend(path.take());
                    (colons, after_dot) = (0, punct.as_char() == '.');
                    continue;
                }
                TokenTree::Group(group) => {
                    self.paths.extend(path.take());
                    self.scan(group.stream());
                }
                TokenTree::Literal(_) => self.paths.extend(path.take()),
            }
            (colons, after_dot) = (0, false);
        }
        self.paths.extend(path);
    }
}

impl<'s> Visit<'s> for ModuleContents {
    fn visit_item(&mut self, item: &'s Item) {
        match item {
            Item::Mod(module) => return self.declare(module),
            Item::Use(item) => return self.import(item),
            Item::Const(item) => _ = self.values.insert(text(&item.ident)),
            Item::Fn(item) => _ = self.values.insert(text(&item.sig.ident)),
            Item::Macro(item) => self.macro_rules.extend(item.ident.as_ref().map(text)),
            Item::Static(item) => _ = self.values.insert(text(&item.ident)),
            Item::Struct(item) => {
                self.types.insert(text(&item.ident));
                // A tuple struct is also a function, and a unit struct a constant.
                self.values.insert(text(&item.ident));
            }
            Item::Enum(item) => _ = self.types.insert(text(&item.ident)),
            Item::Trait(item) => _ = self.types.insert(text(&item.ident)),
            Item::TraitAlias(item) => _ = self.types.insert(text(&item.ident)),
            Item::Type(item) => _ = self.types.insert(text(&item.ident)),
            Item::Union(item) => _ = self.types.insert(text(&item.ident)),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_path(&mut self, path: &'s syn::Path) {
        if path.leading_colon.is_none() {
            let segments: Vec<_> = path.segments.iter().map(|segment| text(&segment.ident)).collect();
            let line = path.segments.first().map_or(0, |segment| line(segment.ident.span()));
            self.paths.push(Reference { segments, line });
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'s Macro) {
        match called.path.get_ident() {
            Some(name) => self.macros.push(Reference { segments: vec![text(name)], line: line(name.span()) }),
            None => self.visit_path(&called.path),
        }
        self.scan(called.tokens.clone());
    }

    // Paths in `pub(in …)` and attributes are not imports.
    fn visit_vis_restricted(&mut self, _: &'s VisRestricted) {}

    fn visit_attribute(&mut self, _: &'s Attribute) {}
}

fn path_attribute(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    match &pair.value {
        Expr::Lit(value) if pair.path.is_ident("path") => match &value.lit {
            Lit::Str(path) => Some(path.value()),
            _ => None,
        },
        _ => None,
    }
}

/// A name without `r#`.
fn text(ident: &Ident) -> String {
    ident.unraw().to_string()
}

fn line(span: Span) -> usize {
    span.start().line
}
