//! Whether memory of this process can be swapped out, which decides how what an instance leaves is cleared.
//!
//! Where the kernel tells which pages were written, only those are cleared, which is most of what makes an instance cheap. But wasmtime up to
//! 48 asks for pages that are *present*, and one that was swapped out is not: the next instance, table or stack would have what the last one
//! left, up to pointers into memory that is long freed. So the kernel is asked only where nothing can be swapped out. In doubt it can.

use std::time::Duration;

use tokio::time::sleep;

/// How often it is looked whether that is still so.
const LOOKED_EVERY: Duration = Duration::from_secs(60);

/// Whether memory can be swapped out, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swap {
    /// Whether it can.
    pub possible: bool,
    /// Why it is thought so.
    pub reason: &'static str,
}

impl Swap {
    const fn possible(reason: &'static str) -> Self {
        Self { possible: true, reason }
    }

    const fn impossible(reason: &'static str) -> Self {
        Self { possible: false, reason }
    }

    /// As if it could, whatever the system says.
    pub const ASSUMED: Self = Self::possible("assumed");

    /// Asks the system: for its swap, then for what the control groups of this process may use of it. Unlike `/proc/swaps`, the system call can
    /// be asked from everywhere.
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

    /// Elsewhere no page is asked for.
    #[cfg(not(target_os = "linux"))]
    pub fn look() -> Self {
        Self::possible("this system does not tell")
    }

    /// Logs it if what is `self` at the start is not so any more, once. Then an instance might have what another left.
    pub(crate) async fn watch(self) {
        while !self.possible && !Self::look().possible {
            sleep(LOOKED_EVERY).await;
        }
        if !self.possible {
            tracing::error!(
                "swap was added while the host runs, and what instances leave may not be cleared any more: restart the host now"
            );
        }
    }
}

/// What control groups allow (version 2).
#[cfg(target_os = "linux")]
mod control_groups {
    use std::fs::read_to_string;
    use std::path::Path;

    /// Whether this process's own, or one above it, allows no swap.
    pub fn may_not_swap() -> bool {
        read_to_string("/proc/self/cgroup").is_ok_and(|groups| allow_none(Path::new("/sys/fs/cgroup"), &groups))
    }

    /// `groups` is what `/proc/self/cgroup` says, and `root` is where groups are seen.
    fn allow_none(root: &Path, groups: &str) -> bool {
        let Some(own) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else { return false };
        let forbids = |group: &Path| {
            let most = read_to_string(root.join(group).join("memory.swap.max"));
            most.is_ok_and(|most| most.trim() == "0")
        };
        // A group outside of what is seen here begins with "..", and is not seen.
        !own.starts_with("..") && Path::new(own).ancestors().any(forbids)
    }

    #[cfg(test)]
    mod tests {
        use std::fs;

        use tempfile::TempDir;

        use super::allow_none;

        #[test]
        fn a_group_or_one_above_it_may_forbid_swap_and_what_cannot_be_read_forbids_nothing() {
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
            assert!(allow_none(root.path(), "0::/\n"), "of a container, which sees its own group as the root");
        }
    }
}
