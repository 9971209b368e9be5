//! Whether memory of this process can be swapped out, which decides how the memory of an instance is cleared.
//!
//! If the kernel reports which pages were written, the host clears only those: this is most of what makes an instance
//! cheap. But wasmtime up to 48 asks for pages that are *present*, and a swapped page is not. The next instance, table
//! or stack would see data of the last one, including dangling pointers. So the host asks the kernel only if nothing
//! can be swapped out. When in doubt, it assumes that memory can be swapped out.

use std::time::Duration;

use tokio::time::sleep;

/// The interval between two checks for swap that was added later.
const CHECK_EVERY: Duration = Duration::from_secs(60);

/// Whether memory can be swapped out, and the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swap {
    /// True if memory can be swapped out, or if that is unknown.
    pub possible: bool,
    /// The evidence, for log and metrics.
    pub reason: &'static str,
}

impl Swap {
    const fn possible(reason: &'static str) -> Self {
        Self { possible: true, reason }
    }

    const fn impossible(reason: &'static str) -> Self {
        Self { possible: false, reason }
    }

    /// Swap is assumed, whatever the system reports.
    pub const ASSUMED: Self = Self::possible("assumed");

    /// Asks the system for its swap space, then for the swap limits of this process's control groups. Unlike
    /// `/proc/swaps`, the system call works in every sandbox.
    #[cfg(target_os = "linux")]
    pub fn look() -> Self {
        if rustix::system::sysinfo().totalswap == 0 {
            Self::impossible("this machine has no swap")
        } else if control_groups::may_not_swap() {
            Self::impossible("memory.swap.max of a control group is 0")
        } else {
            Self::possible("this machine has swap")
        }
    }

    /// Other systems have no such query, and wasmtime does not ask for pages there.
    #[cfg(not(target_os = "linux"))]
    pub fn look() -> Self {
        Self::possible("this system does not tell")
    }

    /// Logs an error, once, if swap was impossible at the start and has become possible: then an instance could see
    /// data of another one.
    pub(crate) async fn watch(self) {
        while !self.possible && !Self::look().possible {
            sleep(CHECK_EVERY).await;
        }
        if !self.possible {
            tracing::error!(
                "swap was added while the host runs, so instance memory is not cleared reliably: restart the host now"
            );
        }
    }
}

/// The swap limits of control groups (version 2).
#[cfg(target_os = "linux")]
mod control_groups {
    use std::fs::read_to_string;
    use std::path::Path;

    /// Whether the control group of this process, or a parent of it, forbids swap.
    pub fn may_not_swap() -> bool {
        read_to_string("/proc/self/cgroup").is_ok_and(|groups| allow_none(Path::new("/sys/fs/cgroup"), &groups))
    }

    /// `groups` is the content of `/proc/self/cgroup`, `root` is where control groups are mounted.
    fn allow_none(root: &Path, groups: &str) -> bool {
        let Some(own) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else { return false };
        let forbids = |group: &Path| {
            let most = read_to_string(root.join(group).join("memory.swap.max"));
            most.is_ok_and(|most| most.trim() == "0")
        };
        // The path of a group outside this namespace begins with "..": it cannot be read here.
        !own.starts_with("..") && Path::new(own).ancestors().any(forbids)
    }

    #[cfg(test)]
    mod tests {
        use std::fs;

        use tempfile::TempDir;

        use super::allow_none;

        #[test]
        fn a_group_or_its_parent_can_forbid_swap_and_an_unreadable_limit_forbids_nothing() {
            let root = TempDir::new().unwrap();
            for (group, most) in [("a", "max"), ("a/b", "0"), ("a/b/c", "max"), ("d", "4096"), ("e", "")] {
                fs::create_dir_all(root.path().join(group)).unwrap();
                fs::write(root.path().join(group).join("memory.swap.max"), format!("{most}\n")).unwrap();
            }
            let cases = [
                ("0::/a/b\n", true),
                ("0::/a/b/c\n", true),
                ("1:memory:/x\n0::/a/b/c\n", true),
                ("0::/a\n", false),
                ("0::/d\n", false),
                ("0::/e\n", false),
                ("0::/not/there\n", false),
                ("0::/\n", false),
                ("0::/../a/b\n", false),
                ("4:memory:/a/b\n", false),
                ("", false),
            ];
            for (groups, expected) in cases {
                assert_eq!(allow_none(root.path(), groups), expected, "{groups:?}");
            }
            fs::write(root.path().join("memory.swap.max"), "0").unwrap();
            assert!(allow_none(root.path(), "0::/\n"), "a container sees its own group as the root");
        }
    }
}
