//! Python packages for tests and the benchmark, in the virtual environment `target/python`.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::command::{Command, is_on_path, root};
use crate::debian;

/// The required packages.
const REQUIREMENTS: &str = "xtask/requirements.txt";

/// Packages that are installed without their own requirements: only a file of each is used.
const ALONE: &str = "xtask/requirements-alone.txt";

/// Packages that can be missing.
const OPTIONAL: &str = "xtask/requirements-optional.txt";

/// Modules that must be importable.
const IMPORTS: &str = "aiosmtpd, authlib, flask, gunicorn, opentelemetry.proto, schemathesis";

const ENVIRONMENT: &str = "target/python";

/// A copy of the requirements that are installed.
const INSTALLED: &str = "target/python/requirements.txt";

/// The same for the optional packages.
const INSTALLED_OPTIONAL: &str = "target/python/requirements-optional.txt";

/// Creates the environment unless it has the required packages.
pub fn environment() -> Result<()> {
    let required = [read_file(REQUIREMENTS)?, read_file(ALONE)?].concat();
    // An environment breaks when its Python is removed or upgraded.
    let works = || python().args(["-c", &format!("import {IMPORTS}")]).output().is_some();
    if fs::read(root().join(INSTALLED)).is_ok_and(|installed| installed == required) && works() {
        return Ok(());
    }
    if let Err(error) = create() {
        if !debian::has_apt() {
            bail!("{error:#}\nthe tests need Python 3 with the module venv; install both, then try again");
        }
        eprintln!("    {error:#}; trying another way");
        debian::install(&["python3", "python3-venv"], "installing Python")?;
        create()?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    python().args(pip).arg(REQUIREMENTS).run("installing Python packages")?;
    python().args(pip).args([ALONE, "--no-deps"]).run("installing axe-core from a Python package")?;
    fs::write(root().join(INSTALLED), required).with_context(|| format!("{INSTALLED} cannot be written"))
}

/// Installs the optional packages that are available. Tests that need others are skipped.
pub fn optional() -> Result<()> {
    let wanted = read_file(OPTIONAL)?;
    if fs::read(root().join(INSTALLED_OPTIONAL)).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let wanted = String::from_utf8(wanted).with_context(|| format!("{OPTIONAL} is not text"))?;
    let mut complete = true;
    for package in wanted.lines().filter(|line| !line.starts_with('#')) {
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", package];
        if let Err(error) = python().args(pip).run(&format!("installing {package} for some of the tests")) {
            eprintln!("    {error:#}: the tests that need it are skipped");
            complete = false;
        }
    }
    if complete {
        fs::write(root().join(INSTALLED_OPTIONAL), wanted)
            .with_context(|| format!("{INSTALLED_OPTIONAL} cannot be written"))?;
    }
    Ok(())
}

fn read_file(file: &str) -> Result<Vec<u8>> {
    fs::read(root().join(file)).with_context(|| format!("{file} cannot be read"))
}

fn python() -> Command {
    Command::new(root().join(ENVIRONMENT).join("bin/python"))
}

fn create() -> Result<()> {
    if !is_on_path("python3") {
        bail!("python3 is not on PATH");
    }
    Command::new("python3").args(["-m", "venv", "--clear", ENVIRONMENT]).run("creating a Python environment")
}
