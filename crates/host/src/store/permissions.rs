//! Makes files that only their owner can read, since events contain people's names.

use std::path::Path;

/// Creates an empty file that only its owner can read, if it does not exist. Errors are ignored: opening the file
/// reports them.
///
/// SQLite gives its log and index the permissions of the file.
pub fn make(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    // Never opens an existing file: closing it would release SQLite's locks on it in this process.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    drop(options.open(path));
}

/// Warns if others can read a file. Does not change its permissions, which can be intended.
#[cfg(unix)]
pub fn warn_if_shared(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o044 != 0 {
        tracing::warn!(
            mode = format_args!("{mode:o}"),
            "other users of this machine can read the store; to prevent that: `chmod 600 {0}*`",
            path.display()
        );
    }
}

/// Other systems have no modes.
#[cfg(not(unix))]
pub fn warn_if_shared(_: &Path) {}
