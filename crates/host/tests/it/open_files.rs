//! Tests with a large number of connections run one at a time: together they need more open files than the limit
//! allows.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The turn of such a test. Raises the limit on open files.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    raise();
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Raises the limit on open files of this process and of the hosts that it starts, as far as possible. Returns the
/// limit. A host also raises its own limit, so tests of that set a lower one.
#[cfg(unix)]
pub fn raise() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(u64::MAX).min(8_192);
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }).unwrap();
    }
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| files as usize)
}

#[cfg(not(unix))]
pub fn raise() -> usize {
    usize::MAX
}
