//! Files that nobody but their owner may read: what is in them are people's names.

use std::path::Path;

/// Makes an empty file that is its owner's alone, if nothing is there. If it cannot be made, that is for the one to say who opens it.
///
/// SQLite gives its log and what else stands beside a file the mode of the file.
pub fn make(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    // Never one that is there: to close it would let go of the locks that SQLite holds on it in this process.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    drop(options.open(path));
}

/// Warns if others may read a file. It was made by another, and its modes may be meant: they are left.
#[cfg(unix)]
pub fn warn_if_shared(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o044 != 0 {
        tracing::warn!(
            mode = format_args!("{mode:o}"),
            "others on this machine may read the store; `chmod 600 {0}*` keeps it to you",
            path.display()
        );
    }
}

/// Elsewhere there are no modes.
#[cfg(not(unix))]
pub fn warn_if_shared(_: &Path) {}
