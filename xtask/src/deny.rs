//! What this project depends on: known holes, licences, bans, sources. `deny.toml` has the rules.

use anyhow::Result;

use crate::command::Command;
use crate::tool;

const VERSION: &str = "0.20.2";

/// Holds every dependency but the fuzzer's to the rules. The list of advisories is on GitHub, which not every machine reaches: the rest is
/// checked without it.
pub fn deny() -> Result<()> {
    let program = tool::tool("cargo-deny", VERSION)?;
    let cargo_deny = || Command::new(&program).args(["--workspace", "--locked"]);
    let mut checks = vec!["check", "bans", "licenses", "sources"];
    match cargo_deny().args(["fetch", "db"]).run("fetching the list of advisories") {
        Ok(()) => checks.push("advisories"),
        Err(error) => eprintln!(
            "warning: NO ADVISORY IS CHECKED: their list, https://github.com/RustSec/advisory-db, cannot be fetched: {error:#}"
        ),
    }
    cargo_deny().args(checks).run("checking the dependencies")
}
