//! The subcommands of our programs, and whether a command in a document names one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use syn::{Attribute, Item};

/// Each program with the file that has its subcommands.
const PROGRAMS: [(&str, &str); 4] = [
    ("xtask", "xtask/src/main.rs"),
    ("outbound-events-host", "crates/host/src/main.rs"),
    ("appliance", "crates/appliance/src/main.rs"),
    ("bench", "crates/bench/src/main.rs"),
];

/// The subcommand that has subcommands of its own, and their file.
const NESTED: (&str, &str) = ("store", "crates/host/src/commands/store.rs");

/// The subcommands of each program.
#[derive(Debug)]
pub struct Programs {
    subcommands: BTreeMap<&'static str, BTreeSet<String>>,
    /// Those of [`NESTED`].
    nested: BTreeSet<String>,
}

impl Programs {
    /// Reads them from the sources of the project.
    pub fn read(root: &Path) -> Result<Self> {
        let programs = PROGRAMS.into_iter().map(|(name, file)| Ok((name, subcommands(&root.join(file))?)));
        Ok(Self { subcommands: programs.collect::<Result<_>>()?, nested: subcommands(&root.join(NESTED.1))? })
    }

    /// The subcommands in a piece of code that do not exist.
    pub fn faults(&self, code: &str) -> Vec<String> {
        let words: Vec<_> = code.split_whitespace().collect();
        let at = (0..words.len()).filter_map(|start| invocation(words.get(start..)?, start == 0));
        at.filter_map(|(program, arguments)| self.fault(program, arguments)).collect()
    }

    fn fault(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let known = self.subcommands.get(program)?;
        let subcommand = arguments.first().and_then(|word| subcommand_word(word))?;
        if !known.contains(subcommand) {
            return Some(format!("{program} has no subcommand {subcommand}"));
        }
        let nested = arguments.get(1).filter(|_| subcommand == NESTED.0).and_then(|word| subcommand_word(word))?;
        let is_known = self.nested.contains(nested);
        (!is_known).then(|| format!("{program} {subcommand} has no subcommand {nested}"))
    }
}

/// The program that these words start, and its arguments. A program without cargo counts only at the start of the code.
fn invocation<'w>(words: &'w [&'w str], is_first: bool) -> Option<(&'w str, &'w [&'w str])> {
    match words {
        ["cargo", "xtask", arguments @ ..] => Some(("xtask", arguments)),
        ["cargo", "run", options @ ..] => {
            let end = options.iter().position(|word| *word == "--")?;
            let (options, arguments) = (options.get(..end)?, options.get(end + 1..)?);
            let package = options.iter().position(|word| matches!(*word, "-p" | "--package"))?;
            Some((options.get(package + 1)?, arguments))
        }
        ["sudo", program, arguments @ ..] => Some((file_name(program), arguments)),
        [program, arguments @ ..] if is_first => Some((file_name(program), arguments)),
        _ => None,
    }
}

fn file_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// A word that can be a subcommand. Options, placeholders such as `COMMAND` and `…` cannot.
fn subcommand_word(word: &str) -> Option<&str> {
    let word = word.trim_end_matches([',', ';', '.', ')']);
    let is_lower = !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    (is_lower && !word.starts_with('-')).then_some(word)
}

/// The subcommands in a source file: the variants of its enums that derive `Subcommand`.
fn subcommands(file: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let parsed = syn::parse_file(&text).with_context(|| file.display().to_string())?;
    let mut names = BTreeSet::new();
    for item in parsed.items {
        if let Item::Enum(item) = item
            && item.attrs.iter().any(derives_subcommand)
        {
            names.extend(item.variants.iter().map(|variant| kebab_case(&variant.ident.to_string())));
        }
    }
    ensure!(!names.is_empty(), "{} has no enum that derives Subcommand", file.display());
    Ok(names)
}

fn derives_subcommand(attribute: &Attribute) -> bool {
    let mut found = false;
    if attribute.path().is_ident("derive") {
        // An attribute that cannot be parsed derives something else.
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.segments.last().is_some_and(|last| last.ident == "Subcommand");
            Ok(())
        });
    }
    found
}

/// `CheckTemplate` -> `check-template`, as clap does.
fn kebab_case(name: &str) -> String {
    let mut kebab = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(c.to_ascii_lowercase());
    }
    kebab
}
