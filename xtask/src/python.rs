//! What the tests and the benchmark use from Python: packages in an environment of the project's own, `target/python`.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::command::{Command, is_on_path, root};
use crate::debian;

/// The packages, with their versions.
const REQUIREMENTS: &str = "xtask/requirements.txt";

/// Of these only a file is used, and nothing of what they require.
const ALONE: &str = "xtask/requirements-alone.txt";

/// Of these any may be missing.
const OPTIONAL: &str = "xtask/requirements-optional.txt";

/// The modules of those that are used as such.
const IMPORTS: &str = "aiosmtpd, flask, gunicorn, schemathesis";

const ENVIRONMENT: &str = "target/python";

/// What was installed: a copy of the requirements of that time.
const INSTALLED: &str = "target/python/requirements.txt";

/// Likewise of the optional ones.
const INSTALLED_OPTIONAL: &str = "target/python/requirements-optional.txt";

/// Makes the environment, unless it holds what is required.
pub fn environment() -> Result<()> {
    let required = [read(REQUIREMENTS)?, read(ALONE)?].concat();
    // An environment breaks when the Python that it was made with goes.
    let works = || python().args(["-c", &format!("import {IMPORTS}")]).output().is_some();
    if fs::read(root().join(INSTALLED)).is_ok_and(|installed| installed == required) && works() {
        return Ok(());
    }
    if let Err(error) = make() {
        if !debian::is_here() {
            bail!("{error:#}\nthe tests need Python 3 with its module venv; install them, then try again");
        }
        eprintln!("    {error:#}; trying another way");
        debian::install(&["python3", "python3-venv"], "installing Python")?;
        make()?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    python().args(pip).arg(REQUIREMENTS).run("installing what the tests need from Python")?;
    python().args(pip).args([ALONE, "--no-deps"]).run("installing axe-core, which comes in a package for Python")?;
    fs::write(root().join(INSTALLED), required).with_context(|| format!("{INSTALLED} cannot be written"))
}

/// Adds to the environment what can be had of the optional packages. The tests of what cannot are skipped.
pub fn optional() -> Result<()> {
    let wanted = read(OPTIONAL)?;
    if fs::read(root().join(INSTALLED_OPTIONAL)).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let wanted = String::from_utf8(wanted).with_context(|| format!("{OPTIONAL} is no text"))?;
    let mut complete = true;
    for package in wanted.lines().filter(|line| !line.starts_with('#')) {
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", package];
        if let Err(error) = python().args(pip).run(&format!("installing {package}, for some of the tests")) {
            eprintln!("    {error:#}: the tests that use it are skipped");
            complete = false;
        }
    }
    if complete {
        fs::write(root().join(INSTALLED_OPTIONAL), wanted)
            .with_context(|| format!("{INSTALLED_OPTIONAL} cannot be written"))?;
    }
    Ok(())
}

fn read(file: &str) -> Result<Vec<u8>> {
    fs::read(root().join(file)).with_context(|| format!("{file} cannot be read"))
}

fn python() -> Command {
    Command::new(root().join(ENVIRONMENT).join("bin/python"))
}

fn make() -> Result<()> {
    if !is_on_path("python3") {
        bail!("there is no python3 on PATH");
    }
    Command::new("python3").args(["-m", "venv", "--clear", ENVIRONMENT]).run("making an environment for Python")
}
