//! Tests that hold very many connections take turns: together they need more open files than a process may have.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The turn of a test that holds very many connections. The limit for open files is raised for it.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    raise();
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Raises the limit for open files of this process, and of the hosts that it starts, as far as it may be; gives the limit. A host raises its
/// own limit in the same way, so tests that look at that give it a lower one.
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
