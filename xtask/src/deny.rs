//! `deny`: checks the dependencies for advisories, licences, bans and sources, by the rules of `deny.toml`.

use anyhow::Result;

use crate::command::Command;
use crate::tool;

const VERSION: &str = "0.20.2";

/// Checks all dependencies except the fuzzer's. Where GitHub cannot be reached, there is no list of advisories, and
/// only the other rules are checked.
pub fn deny() -> Result<()> {
    let program = tool::tool("cargo-deny", VERSION)?;
    let cargo_deny = || Command::new(&program).args(["--workspace", "--locked"]);
    let mut checks = vec!["check", "bans", "licenses", "sources"];
    match cargo_deny().args(["fetch", "db"]).run("fetching the list of advisories") {
        Ok(()) => checks.push("advisories"),
        Err(error) => eprintln!(
            "warning: ADVISORIES ARE NOT CHECKED: https://github.com/RustSec/advisory-db cannot be fetched: {error:#}"
        ),
    }
    cargo_deny().args(checks).run("checking the dependencies")
}
