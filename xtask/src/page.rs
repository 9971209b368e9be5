//! Checks the web page's source (`src/page/`) with Node: the syntax of each module, the types (TypeScript reads them
//! from comments), and the tests of the functions that need no browser. Takes the pictures of the documentation.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::command::{Command, root};

const FOLDER: &str = "src/page";

/// Older versions know neither all options here nor all of the syntax.
const OLDEST_NODE: u32 = 20;

/// The version of TypeScript, which comes from npm's registry.
const TYPESCRIPT: &str = "5.9.3";

/// Where TypeScript is installed.
const PACKAGES: &str = "target/node";

/// Where the documentation has its pictures of the page.
const PICTURES: &str = "docs/page";

/// How the checks ended.
#[derive(Debug, Default)]
pub struct PageChecks {
    pub passed: u64,
    pub failed: u64,
    /// Why a check was skipped.
    pub skipped: Vec<String>,
}

/// Runs every check that this machine has the programs for.
pub fn check() -> Result<PageChecks> {
    let mut checked = PageChecks::default();
    if !node_is_here() {
        checked.skipped.push(format!("node {OLDEST_NODE} or newer is not on PATH"));
        return Ok(checked);
    }
    eprintln!("==> checking the syntax of the page's modules");
    for module in scripts(FOLDER)? {
        let node = || Command::new("node").arg("--check").arg(&module);
        // Where it finds something, it says so the second time.
        let checks = || node().output().map_or_else(|| node().run("checking once more"), |_| Ok(()));
        checked.count(checks());
    }
    match typescript() {
        Ok(compiler) => {
            let check = Command::new("node").arg(compiler).args(["--project", FOLDER]);
            checked.count(check.run("checking the types of the page"));
        }
        Err(error) => {
            eprintln!("    {error:#}");
            checked.skipped.push("typescript cannot be installed".to_owned());
        }
    }
    for file in scripts(&format!("{FOLDER}/tests"))? {
        let test = Command::new("node").args(["--test", "--test-reporter=spec"]).arg(&file);
        checked.count(test.run(&format!("running {}", file.display())));
    }
    Ok(checked)
}

/// Takes pictures of each view with a test that keeps none otherwise (`crates/appliance/tests/page/pictures.rs`).
pub fn pictures() -> Result<()> {
    let test = ["test", "--release", "--package", "appliance", "--test", "page", "--", "pictures::"];
    let command = Command::cargo(test).env("PICTURES", root().join(PICTURES));
    command.run(&format!("taking the pictures of {PICTURES}"))
}

impl PageChecks {
    fn count(&mut self, result: Result<()>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(error) => {
                eprintln!("    {error:#}");
                self.failed += 1;
            }
        }
    }
}

fn node_is_here() -> bool {
    let version = Command::new("node").arg("--version").output();
    let major = version.as_deref().and_then(|version| version.strip_prefix('v')?.split('.').next()?.parse().ok());
    major.is_some_and(|major: u32| major >= OLDEST_NODE)
}

/// The JavaScript files of a folder, in order.
fn scripts(folder: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(root().join(folder)).with_context(|| format!("{folder} cannot be read"))?;
    let names = entries.map(|entry| Ok(PathBuf::from(folder).join(entry?.file_name())));
    let mut files = names.collect::<std::io::Result<Vec<_>>>().with_context(|| format!("{folder} cannot be read"))?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "js"));
    files.sort();
    Ok(files)
}

/// The path of the compiler. Installs it, unless it is there in that version.
fn typescript() -> Result<PathBuf> {
    let compiler = root().join(PACKAGES).join("node_modules/typescript/bin/tsc");
    let version = Command::new("node").arg(&compiler).arg("--version").output();
    if version.is_none_or(|version| version != format!("Version {TYPESCRIPT}")) {
        let install = ["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", PACKAGES];
        let package = format!("typescript@{TYPESCRIPT}");
        fs::create_dir_all(root().join(PACKAGES)).with_context(|| format!("{PACKAGES} cannot be made"))?;
        Command::new("npm").args(install).arg(package).run("installing TypeScript, to check the types of the page")?;
    }
    Ok(compiler)
}
