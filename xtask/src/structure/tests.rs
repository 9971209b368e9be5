//! Small invented trees of files.

use std::fs;
use std::path::Path;

use super::module::Crate;
use super::{MOST_LINES, check};

/// The files of a tree: paths and contents.
type Tree<'t> = &'t [(&'t str, &'t str)];

fn write(files: Tree<'_>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// The cycles of the crate with the root `lib.rs`, as `a.rs:1 -> b.rs` for each import.
fn cycles(files: Tree<'_>) -> Vec<String> {
    let folder = write(files);
    let name = |path: &Path| path.strip_prefix(folder.path()).unwrap().to_string_lossy().replace('\\', "/");
    let cycles = Crate::parse(&folder.path().join("lib.rs")).unwrap().cycles();
    let steps = cycles.iter().map(|cycle| {
        let steps = cycle.steps.iter().map(|step| format!("{}:{} -> {}", name(&step.from), step.line, name(&step.to)));
        steps.collect::<Vec<_>>().join(", ")
    });
    steps.collect()
}

#[test]
fn cycles_are_found_for_every_kind_of_import() {
    let two = "a.rs:1 -> b.rs, b.rs:1 -> a.rs";
    let lib = ("lib.rs", "mod a;\nmod b;");
    let a = ("a.rs", "use crate::b::B;\npub struct A(B);");
    let cases: &[(&str, Tree<'_>, &str)] = &[
        ("use", &[lib, a, ("b.rs", "use crate::a::A;\npub struct B(A);")], two),
        ("super", &[lib, a, ("b.rs", "use super::a::A;\npub struct B(A);")], two),
        (
            "self, in a group, by another name",
            &[lib, a, ("b.rs", "use super::{a::{self as c}, a::A as D}; pub struct B(D);")],
            two,
        ),
        ("a module that is imported", &[lib, a, ("b.rs", "pub fn b() { a::a() } pub struct B; use crate::a;")], two),
        ("a path in an expression", &[lib, a, ("b.rs", "pub fn b() { crate::a::A::new() } pub struct B;")], two),
        ("a path in a type", &[lib, a, ("b.rs", "pub struct B(Option<super::a::A>);")], two),
        ("a path in a macro", &[lib, a, ("b.rs", "pub fn b() { matches!(1, crate::a::A::C) } pub struct B;")], two),
        ("a glob", &[lib, a, ("b.rs", "use crate::a::*; pub struct B;")], two),
        ("a test inside a file", &[lib, a, ("b.rs", "#[cfg(test)] mod tests { use crate::a::A; } pub struct B;")], two),
        ("a function", &[lib, a, ("b.rs", "pub fn b() { use crate::a::A; } pub struct B;")], two),
        (
            "a re-export",
            &[("lib.rs", "mod a;\nmod b;\npub use a::A;"), a, ("b.rs", "use crate::A;\npub struct B(A);")],
            two,
        ),
        (
            "a re-export of everything",
            &[("lib.rs", "mod a;\nmod b;\npub use a::*;"), a, ("b.rs", "use crate::A;\npub struct B(A);")],
            two,
        ),
        (
            "a parent and its child",
            &[
                ("lib.rs", "mod a;"),
                ("a/mod.rs", "mod b;\nuse b::B;\npub struct A(B);"),
                ("a/b.rs", "use super::A;\npub struct B(A);"),
            ],
            "a/mod.rs:2 -> a/b.rs, a/b.rs:1 -> a/mod.rs",
        ),
        (
            "a file's child in a folder of its name, and a file with a path",
            &[
                ("lib.rs", "mod a;"),
                ("a.rs", "#[path = \"elsewhere/c.rs\"]\nmod b;\nuse b::B;\npub struct A(B);"),
                ("elsewhere/c.rs", "use super::A;\npub struct B(A);"),
            ],
            "a.rs:3 -> elsewhere/c.rs, elsewhere/c.rs:1 -> a.rs",
        ),
        (
            "three",
            &[
                ("lib.rs", "mod a; mod b; mod c;"),
                a,
                ("b.rs", "use crate::c::C;\npub struct B(C);"),
                ("c.rs", "use crate::a::A;\npub struct C(A);"),
            ],
            "a.rs:1 -> b.rs, b.rs:1 -> c.rs, c.rs:1 -> a.rs",
        ),
    ];
    for (what, files, expected) in cases {
        assert_eq!(cycles(files).join("; "), *expected, "{what}");
    }
}

#[test]
fn crates_without_cycles_pass() {
    let cases: &[(&str, Tree<'_>)] = &[
        (
            "one way",
            &[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B; pub struct A(B);"), ("b.rs", "pub struct B;")],
        ),
        (
            "a parent that only shows what its children define",
            &[
                ("lib.rs", "pub mod a;"),
                ("a/mod.rs", "mod b;\npub use b::B;\npub struct A;"),
                ("a/b.rs", "use super::A;\npub struct B(A);"),
            ],
        ),
        (
            "siblings that reach each other's neighbours through their parent",
            &[
                ("lib.rs", "pub mod a;"),
                ("a/mod.rs", "mod b;\nmod c;\npub use self::{b::B, c::C};"),
                ("a/b.rs", "use super::C;\npub struct B(C);"),
                ("a/c.rs", "pub struct C;"),
            ],
        ),
        (
            "another crate's module with the name of a file",
            &[
                ("lib.rs", "pub use other::event;\nmod a;"),
                ("a.rs", "use crate::event::Event;\nuse ::lib::x;\npub struct A(Event);"),
            ],
        ),
        (
            "a module inside a file, and what it takes from around it",
            &[("lib.rs", "mod a;"), ("a.rs", "pub struct A;\nmod tests { use super::*; use super::A; }")],
        ),
        (
            "a variable, a method, a field and a macro with the name of a function",
            &[
                ("lib.rs", "mod a;\nuse a::A;\nfn write() {}\nfn b(a: A) { a.c() }"),
                (
                    "a.rs",
                    "pub struct A;\nfn d(write: u8) { println!(\"{}\", write); write!(x, \"{}\", y.write); write; x.write() }",
                ),
            ],
        ),
        (
            "a function with the name of a crate",
            &[
                ("lib.rs", "mod a;\npub use a::other;\nuse other::D;\npub struct X;"),
                ("a.rs", "use crate::X;\npub fn other() -> X { X }"),
            ],
        ),
        (
            "visibility and attributes",
            &[
                ("lib.rs", "mod a;\nuse a::A;\npub struct B;"),
                ("a.rs", "#[doc(alias(crate::B))]\npub(in crate) struct A;\npub(in super) fn a() {}"),
            ],
        ),
    ];
    for (what, files) in cases {
        assert_eq!(cycles(files), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn violations_are_reported_with_what_to_do() {
    let manifest =
        |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n");
    let (outer, inner, long) = (manifest("outer"), manifest("inner"), "//\n".repeat(MOST_LINES + 1));
    let files: &[(&str, &str)] = &[
        ("Cargo.toml", &outer),
        ("src/lib.rs", "mod a;\nuse a::A;\npub struct B;"),
        (
            "src/a.rs",
            "use crate::B;\npub struct A(B);\nfn a() { static LAST: Option<Mutex<u8>> = None; }\nstatic FIXED: u8 = 1;",
        ),
        ("src/page.css", &long),
        ("src/short.js", "//"),
        ("src/inner/Cargo.toml", &inner),
        ("src/inner/src/main.rs", "struct A;\nfn main() {}"),
        ("tests/common/mod.rs", "pub fn common() {}"),
        ("tests/test.rs", "mod common;\nuse common::common;"),
        ("target/generated.rs", &long),
    ];
    let folder = write(files);
    let (report, problems) = check(&folder.path().canonicalize().unwrap(), false).unwrap();
    assert_eq!(problems, 5, "{report}");
    let expected = [
        "src/a.rs:1 imports crate::B from src/lib.rs",
        "src/lib.rs:2 imports a::A from src/a.rs",
        "Break each cycle: ",
        "src/page.css: 401 lines",
        "Split each file ",
        "src/inner: a package inside the source of ",
        "Move each of these packages ",
        "A: defined in src/a.rs and src/inner/src/main.rs",
        "Give each of these types ",
        "src/a.rs: LAST: a static of the component that can change",
        "Keep it in the request's own data",
    ];
    for part in expected {
        assert!(report.contains(part), "{part}\n{report}");
    }
}

#[test]
fn folders_that_import_each_other_by_different_files_are_a_cycle_of_folders() {
    let folder = write(&[
        ("lib.rs", "mod a;\nmod b;\npub struct R;"),
        ("a/mod.rs", "mod c;\nmod d;\npub use c::C;\npub use d::D;"),
        ("a/c.rs", "use crate::b::B;\npub struct C(B);"),
        ("a/d.rs", "use crate::R;\npub struct D;"),
        ("b.rs", "use crate::a::D;\npub struct B(D);"),
    ]);
    let parsed = Crate::parse(&folder.path().join("lib.rs")).unwrap();
    assert!(parsed.cycles().is_empty());
    let cycles = parsed.cycles_of_folders();
    let [cycle] = cycles.as_slice() else { panic!("{cycles:?}") };
    assert_eq!(cycle.steps.len(), 2, "{cycle:?}");
    assert!(cycle.steps[0].from.ends_with("a/c.rs") && cycle.steps[1].to.ends_with("a/d.rs"), "{cycle:?}");
}
