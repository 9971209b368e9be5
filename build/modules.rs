//! Joins ES modules into one script, without a JavaScript toolchain.
//!
//! Every module becomes a part of one scope. So a name means the same everywhere, and these rules are checked:
//!
//! - An import is one line: `import { a, b } from "./module.js";`. Each name is exported by that module.
//! - An export stands before a declaration. Nothing is renamed, and there are no default exports.
//! - A declaration that is not indented has one name, and no other module declares it.
//! - Modules do not import each other in a circle, and every module is reached from the first.
//! - Template literals end on the line where they begin. So the build can drop lines with comments, and blanks before
//!   code.
//! - `/** … */` within a line is a comment, which casts a type: it does not appear in a string.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Longer modules are split by their ideas.
const MOST_LINES: usize = 200;

/// What breaks a rule, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    file: String,
    line: usize,
    reason: String,
}

impl Fault {
    pub fn new(file: &str, line: usize, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, reason: reason.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// One module, by its lines.
#[derive(Default)]
struct Module {
    /// The line, the file and the names of each import.
    imports: Vec<(usize, String, Vec<String>)>,
    exports: BTreeSet<String>,
    /// The line and the name of each declaration at the top, exports included.
    names: Vec<(usize, String)>,
    /// The code without imports, comments and indentation.
    code: String,
}

/// Joins modules, by their file names, in the order in which they need each other. `first` needs all others.
pub fn join_modules(first: &str, sources: &BTreeMap<String, String>) -> Result<String, Fault> {
    let modules: Result<BTreeMap<&str, Module>, Fault> =
        sources.iter().map(|(file, source)| Ok((file.as_str(), parse_module(file, source)?))).collect();
    let modules = modules?;
    check_names(&modules)?;
    let mut joined = Joined::default();
    joined.add(&modules, first, (first, 1))?;
    match modules.keys().find(|file| !joined.done.contains(**file)) {
        Some(file) => Err(Fault::new(file, 1, format!("{first} does not import this module, nor do its imports"))),
        None => Ok(joined.code),
    }
}

#[derive(Default)]
struct Joined<'m> {
    done: BTreeSet<&'m str>,
    /// The modules that wait for their imports.
    waiting: Vec<&'m str>,
    code: String,
}

impl<'m> Joined<'m> {
    fn add(&mut self, modules: &BTreeMap<&'m str, Module>, file: &str, at: (&str, usize)) -> Result<(), Fault> {
        let Some((file, module)) = modules.get_key_value(file) else {
            return Err(Fault::new(at.0, at.1, format!("there is no module {file}")));
        };
        if self.waiting.contains(file) {
            return Err(Fault::new(at.0, at.1, format!("{file} imports this module, too, directly or by others")));
        }
        if self.done.contains(file) {
            return Ok(());
        }
        self.waiting.push(file);
        for (line, from, names) in &module.imports {
            self.add(modules, from, (file, *line))?;
            let exports = modules.get(from.as_str()).map(|module| &module.exports);
            if let Some(name) = names.iter().find(|name| !exports.is_some_and(|exports| exports.contains(*name))) {
                return Err(Fault::new(file, *line, format!("{from} does not export {name}")));
            }
        }
        self.waiting.pop();
        self.done.insert(file);
        self.code.push_str(&module.code);
        Ok(())
    }
}

fn check_names(modules: &BTreeMap<&str, Module>) -> Result<(), Fault> {
    let mut known = BTreeMap::new();
    for (file, module) in modules {
        for (line, name) in &module.names {
            if let Some(other) = known.insert(name, file) {
                return Err(Fault::new(file, *line, format!("{other} declares {name} as well: rename one of them")));
            }
        }
    }
    Ok(())
}

fn parse_module(file: &str, source: &str) -> Result<Module, Fault> {
    let mut module = Module::default();
    let mut in_comment = false;
    for (line, text) in (1..).zip(source.lines()) {
        let wrong = |reason: &str| Fault::new(file, line, reason);
        if line > MOST_LINES {
            return Err(wrong(&format!("a module has at most {MOST_LINES} lines: split it by its ideas")));
        }
        let is_code = !is_comment(text, &mut in_comment).map_err(wrong)?;
        if is_code {
            check_line(text).map_err(wrong)?;
            module.add(line, text).map_err(wrong)?;
        }
    }
    Ok(module)
}

/// Whether a line is a comment, a part of one, or empty. An error if code follows the comment.
fn is_comment(text: &str, in_comment: &mut bool) -> Result<bool, &'static str> {
    let code = text.trim();
    if *in_comment || code.starts_with("/*") && !code.contains("*/") {
        *in_comment = !code.ends_with("*/");
        if *in_comment && code.contains("*/") {
            return Err("code must not follow the end of a comment of several lines");
        }
        return Ok(true);
    }
    if text.starts_with("/*") && !code.ends_with("*/") {
        return Err("code must not follow a comment");
    }
    Ok(code.is_empty() || code.starts_with("//") || code.starts_with("/*") && code.ends_with("*/"))
}

fn check_line(text: &str) -> Result<(), &'static str> {
    let is_indented = text.starts_with(char::is_whitespace);
    let code = text.trim();
    if code.matches('`').count() % 2 == 1 {
        return Err("a template literal must end on the line where it begins");
    }
    if code.to_ascii_lowercase().contains("</script") {
        return Err("the text </script would end the script");
    }
    if is_indented && (code.starts_with("import ") || code.starts_with("export ")) {
        return Err("imports and exports must not be indented");
    }
    Ok(())
}

impl Module {
    /// Adds a line of code.
    fn add(&mut self, line: usize, text: &str) -> Result<(), &'static str> {
        if text.starts_with("import ") {
            let (from, names) = parse_import(text.trim_end())
                .ok_or("an import must be one line like this: import { a, b } from \"./module.js\";")?;
            self.imports.push((line, from, names));
            return Ok(());
        }
        let code = match text.strip_prefix("export ") {
            Some(declaration) => {
                let name = declared(declaration).ok_or("export must stand before a declaration with one name")?;
                self.exports.insert(name.to_owned());
                declaration
            }
            None => text,
        };
        if declares(code) {
            let name = declared(code).ok_or("a declaration must have one name")?;
            self.names.push((line, name.to_owned()));
        }
        self.code.push_str(&without_comments(code.trim()).ok_or("a comment within a line must end there")?);
        self.code.push('\n');
        Ok(())
    }
}

/// A line without its casts, or `None` if a comment goes on in the next line.
fn without_comments(line: &str) -> Option<String> {
    let mut code = String::new();
    let mut rest = line;
    while let Some((before, comment)) = rest.split_once("/**") {
        code.push_str(before);
        let (_, after) = comment.split_once("*/")?;
        rest = after.trim_start();
    }
    Some(code + rest)
}

/// The file and the names of `import { a, b } from "./file.js";`.
fn parse_import(code: &str) -> Option<(String, Vec<String>)> {
    let (names, file) = code.strip_prefix("import { ")?.strip_suffix("\";")?.split_once(" } from \"./")?;
    let names: Vec<_> = names.split(", ").map(str::to_owned).collect();
    names.iter().all(|name| is_name(name)).then(|| (file.to_owned(), names))
}

const DECLARATIONS: [&str; 6] = ["async function ", "function ", "class ", "const ", "let ", "var "];

fn declares(code: &str) -> bool {
    DECLARATIONS.iter().any(|word| code.starts_with(word))
}

/// The name that a declaration begins with, unless it takes values apart.
fn declared(code: &str) -> Option<&str> {
    let rest = DECLARATIONS.iter().find_map(|word| code.strip_prefix(word))?;
    let name = rest.split(|c: char| !is_name_character(c)).next()?;
    is_name(name).then_some(name)
}

fn is_name(text: &str) -> bool {
    text.chars().all(is_name_character) && text.starts_with(|c: char| !c.is_ascii_digit())
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$'
}
