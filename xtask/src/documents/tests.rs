//! The check of this project, and of small invented ones.

use std::fs;

use super::faults;
use super::page::Page;
use super::programs::Programs;
use crate::command::root;

/// The faults of invented documents: paths and contents.
fn faults_of(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    faults(folder.path(), &Programs::read(&root()).unwrap()).unwrap()
}

#[test]
fn every_document_of_this_project_is_sound() {
    let faults = faults(&root(), &Programs::read(&root()).unwrap()).unwrap();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn links_lead_to_files_and_headings() {
    let other = ("docs/b.md", "# A heading, `code` & more\n\n## Twice\n\n## Twice\n");
    let cases = [
        ("[x](docs/b.md)", None),
        ("[x](docs)", None),
        ("[x](docs/b.md#a-heading-code--more)", None),
        ("[x](docs/b.md#twice-1)", None),
        ("# Here\n\n[x](#here)", None),
        ("[x](https://nowhere.example/)", None),
        ("`[x](nowhere.md)`", None),
        ("[x](nowhere.md)", Some("a.md:1: nowhere.md: there is no such file")),
        ("one\n\n[x][y]\n\n[y]: docs/c.md", Some("a.md:3: docs/c.md: there is no such file")),
        ("![x](docs/x.png)", Some("a.md:1: docs/x.png: there is no such file")),
        ("[x](../a.md)", Some("a.md:1: ../a.md: there is no such file")),
        ("[x](docs/b.md#none)", Some("a.md:1: docs/b.md#none: docs/b.md has no such heading")),
        ("[x](docs/b.md#twice-2)", Some("a.md:1: docs/b.md#twice-2: docs/b.md has no such heading")),
        ("[x](docs#b)", Some("a.md:1: docs#b: docs is not a Markdown file, so it has no anchors")),
    ];
    for (text, fault) in cases {
        assert_eq!(faults_of(&[("a.md", text), other]), Vec::from_iter(fault), "{text}");
    }
    assert_eq!(faults_of(&[("docs/a.md", "[x](../README.md) [y](b.md)"), other, ("README.md", "")]), [""; 0]);
}

#[test]
fn commands_name_subcommands_that_exist() {
    let cases = [
        ("    cargo xtask run     # sets up\n", None),
        ("`cargo xtask store prune FILE` and `cargo xtask …`, `cargo xtask --help`", None),
        ("    cargo run --release -p appliance -- check-template --event x\n", None),
        ("    curl x | cargo run -p appliance -- replay - http://127.0.0.1:3000/events\n", None),
        ("`appliance send, replay`, `appliance COMMAND`, `outbound-events-host`", None),
        ("    cargo run --example embed\n", None),
        ("cargo xtask nothing", None),
        ("    cargo xtask rum\n", Some("a.md:1: xtask has no subcommand rum")),
        ("x\n\n```\ncargo xtask store \\\n    pick a.db\n```", Some("a.md:3: xtask store has no subcommand pick")),
        ("`cargo run -p bench -- fil --store s.db`", Some("a.md:1: bench has no subcommand fil")),
        ("`sudo ./outbound-events-host backup`", Some("a.md:1: outbound-events-host has no subcommand backup")),
        ("| a |\n|---|\n| `appliance sent` |", Some("a.md:3: appliance has no subcommand sent")),
    ];
    for (text, fault) in cases {
        assert_eq!(faults_of(&[("a.md", text)]), Vec::from_iter(fault), "{text}");
    }
}

#[test]
fn only_tables_code_and_link_definitions_have_long_lines() {
    let long = "word ".repeat(30);
    let columns = |text: &str| Page::parse(text).long_lines;
    assert_eq!(columns(&format!("{}\n\n{long}", "ä".repeat(120))), [(3, 150)]);
    assert_eq!(columns(&format!("- item\n  {long}")), [(2, 152)]);
    for text in [
        format!("| a |\n|---|\n| {long} |\n"),
        format!("text\n\n    {long}\n\ntext"),
        format!("```\n{long}\n```\n"),
        format!("1. item\n\n       {long}\n"),
        format!("[a]\n\n[a]: https://x.example/{}\n", "a".repeat(120)),
    ] {
        assert_eq!(columns(&text), [], "{text}");
    }
    assert_eq!(columns(&format!("| a |\n|---|\n| {long} |\n\n{long}")), [(5, 150)]);
}
