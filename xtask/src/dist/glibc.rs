//! The oldest glibc that a program for Linux runs with.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::command::Command;

/// The oldest glibc that a program needs. `None` for other systems and static programs.
pub fn needed(program: &Path) -> Result<Option<String>> {
    if !cfg!(target_os = "linux") {
        return Ok(None);
    }
    let versions = Command::new("readelf").args(["--wide", "--version-info"]).arg(program).output();
    Ok(newest(&versions.context("readelf, a part of binutils, cannot read the host")?))
}

/// `0x0010:   Name: GLIBC_2.34  Flags: none  Version: 5`
fn newest(versions: &str) -> Option<String> {
    let names = versions.split_whitespace().filter_map(|word| word.strip_prefix("GLIBC_"));
    let numbers = |name: &&str| name.split('.').map(|part| part.parse::<u32>().unwrap_or_default()).collect::<Vec<_>>();
    names.max_by_key(numbers).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{needed, newest};

    #[test]
    fn versions_are_compared_as_numbers() {
        let versions = "  0x0010:   Name: GLIBC_2.4  Flags: none  Version: 5
  0x0020:   Name: GLIBC_2.34  Flags: none  Version: 4
  0x0030:   Name: GLIBC_2.2.5  Flags: none  Version: 3
  0x0040:   Name: GCC_3.0  Flags: none  Version: 2";
        assert_eq!(newest(versions).as_deref(), Some("2.34"));
        assert_eq!(newest("No version information found in this file."), None);
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn this_program_needs_one() {
        let version = needed(&std::env::current_exe().unwrap()).unwrap().unwrap();
        assert!(version.starts_with("2."), "{version}");
    }
}
