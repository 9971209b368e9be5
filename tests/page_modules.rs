//! The rules by which `build.rs` joins the modules of the page into one script.

#[path = "../build/modules.rs"]
mod modules;

use modules::{Fault, join_modules};

fn join(sources: &[(&str, &str)]) -> Result<String, Fault> {
    let sources = sources.iter().map(|(file, source)| ((*file).to_owned(), (*source).to_owned())).collect();
    join_modules("app.js", &sources)
}

fn fault(sources: &[(&str, &str)]) -> String {
    join(sources).unwrap_err().to_string()
}

#[test]
fn modules_are_joined_in_the_order_in_which_they_need_each_other() {
    let joined = join(&[
        ("app.js", "// The first.\nimport { b } from \"./b.js\";\nimport { a, A } from \"./a.js\";\n\nb(a, A);\n"),
        ("a.js", "export const a = 1;\n/** A class. */\nexport class A {\n  x = `1`;\n}\n"),
        (
            "b.js",
            "import { a } from \"./a.js\";\n/**\n * Adds.\n */\nexport async function b(c, d) {\n  \
             return a + /** @type {A} */ (c) + d;\n}\n",
        ),
    ]);
    let script = "const a = 1;\nclass A {\nx = `1`;\n}\nasync function b(c, d) {\nreturn a + (c) + d;\n}\nb(a, A);\n";
    assert_eq!(joined.unwrap(), script);
}

#[test]
fn an_import_must_be_exported() {
    let b = ("b.js", "const b = 1;\nexport const c = b;\n");
    let importing = |name: &str| format!("import {{ {name} }} from \"./b.js\";\n");
    assert!(join(&[("app.js", &importing("c")), b]).is_ok());
    assert_eq!(fault(&[("app.js", &importing("b")), b]), "app.js:1: b.js does not export b");
    assert_eq!(fault(&[("app.js", &importing("b"))]), "app.js:1: there is no module b.js");
}

#[test]
fn a_name_is_declared_once() {
    let app = ("app.js", "import { b } from \"./b.js\";\n\nlet same = b;\n");
    assert_eq!(
        fault(&[app, ("b.js", "export const b = 1;\nfunction same() {}\n")]),
        "b.js:2: app.js declares same as well: rename one of them"
    );
    // In a function of its own, it is another name.
    assert!(join(&[app, ("b.js", "export function b() {\n  const same = 1;\n}\n")]).is_ok());
}

#[test]
fn modules_in_a_circle_and_modules_that_nothing_needs_are_errors() {
    let app = ("app.js", "import { b } from \"./b.js\";\n");
    let circle = fault(&[
        app,
        ("b.js", "import { c } from \"./c.js\";\nexport const b = 1;\n"),
        ("c.js", "// c\nimport { b } from \"./b.js\";\nexport const c = 1;\n"),
    ]);
    assert_eq!(circle, "c.js:2: b.js imports this module, too, directly or by others");
    let alone = fault(&[app, ("b.js", "export const b = 1;\n"), ("c.js", "")]);
    assert_eq!(alone, "c.js:1: app.js does not import this module, nor do its imports");
}

#[test]
fn what_cannot_be_joined_is_an_error_that_names_the_line() {
    let import = "an import must be one line like this: import { a, b } from \"./module.js\";";
    let export = "export must stand before a declaration with one name";
    for (line, reason) in [
        ("import a from \"./a.js\";", import),
        ("import * as a from \"./a.js\";", import),
        ("import { a as b } from \"./a.js\";", import),
        ("import {", import),
        ("import \"./a.js\";", import),
        ("export default 1;", export),
        ("export { a };", export),
        ("export const [a, b] = c;", export),
        ("const { a } = b;", "a declaration must have one name"),
        ("  export const a = 1;", "imports and exports must not be indented"),
        ("f(`", "a template literal must end on the line where it begins"),
        ("f(\"</SCRIPT>\");", "the text </script would end the script"),
        ("f(/** a", "a comment within a line must end there"),
        ("/** @type {A} */ let a = 1;", "code must not follow a comment"),
        ("/*\n*/ f();", "code must not follow the end of a comment of several lines"),
    ] {
        let at = if line.contains('\n') { 3 } else { 2 };
        assert_eq!(fault(&[("app.js", &format!("f();\n{line}\n"))]), format!("app.js:{at}: {reason}"), "{line}");
    }
    let long = "f();\n".repeat(201);
    assert_eq!(fault(&[("app.js", &long)]), "app.js:201: a module has at most 200 lines: split it by its ideas");
}
