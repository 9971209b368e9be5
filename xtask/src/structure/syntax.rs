//! The syntax of one module: the names that it defines, its imports, and the paths in its code.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, ItemMod, ItemUse, Lit, Macro, Meta, UseTree, VisRestricted, Visibility};

/// A path as it is written, such as `crate::session::order`, and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its parts.
    pub segments: Vec<String>,
    /// Its line, the first being 1.
    pub line: usize,
}

/// One name that a `use` brings.
pub struct Import {
    /// The name. `None` for a glob, which brings all of a module.
    pub name: Option<String>,
    /// What it stands for.
    pub target: Reference,
    /// Whether others can import it from here.
    pub is_re_export: bool,
}

/// A `mod` declaration.
pub struct Declared {
    /// Its name.
    pub name: String,
    /// From `#[path = "…"]`.
    pub path: Option<String>,
    /// What is between its braces; `None` if it has a file.
    pub contents: Option<Contents>,
}

/// What a module consists of.
#[derive(Default)]
pub struct Contents {
    /// Names of the types and traits that it defines. Those inside functions are among them: they, too, are found in this file.
    pub types: BTreeSet<String>,
    /// Names of the functions and constants that it defines.
    pub values: BTreeSet<String>,
    /// Names of the macros that it defines.
    pub macro_rules: BTreeSet<String>,
    /// What it imports, also inside functions.
    pub imports: Vec<Import>,
    /// Paths in its code.
    pub paths: Vec<Reference>,
    /// Macros that it calls by their names alone.
    pub macros: Vec<Reference>,
    /// The modules that it declares.
    pub modules: Vec<Declared>,
}

impl Contents {
    /// Reads the items of a module.
    pub fn of(items: &[Item]) -> Self {
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
            contents: module.content.as_ref().map(|(_, items)| Self::of(items)),
        });
    }

    fn import(&mut self, item: &ItemUse) {
        // With a leading `::` it is another crate's.
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
            // `use a::{self}` brings `a`.
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

    /// Finds paths in the arguments of a macro, whose syntax only the macro knows: names joined by `::`.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Option<Reference> = None;
        let (mut colons, mut after_dot) = (0, false);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if colons == 2 && path.is_some() => {
                    path.iter_mut().for_each(|path| path.segments.push(text(&ident)));
                }
                // A field or a method, what belongs to a type in angle brackets, or another crate's.
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

impl<'s> Visit<'s> for Contents {
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
                // With fields in parentheses, or none, it is a function or a constant, too.
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

    // What `pub(in …)` and attributes name is not imported.
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

/// A name without the `r#` that some need.
fn text(ident: &Ident) -> String {
    ident.unraw().to_string()
}

fn line(span: Span) -> usize {
    span.start().line
}
