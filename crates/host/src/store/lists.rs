//! Lists all keys, one list at a time, on one thread.

use std::path::Path;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::store::condition::Condition;
use crate::store::error::HostStoreError;
use crate::store::layout::STORE;
use crate::store::opening::open_reader;

/// The receiver of a list of all keys.
pub(super) type ListRequest = oneshot::Sender<Result<Vec<String>, HostStoreError>>;

/// Makes the requested lists, one at a time.
///
/// They have their own thread because an allocator keeps free memory per thread, and a list can have half a million
/// small keys. Made on many threads, dropped lists still occupied more memory than everything else.
pub(super) fn list_all(path: &Path, condition: &Condition, mut asked: mpsc::Receiver<ListRequest>) {
    let mut idle = None;
    while let Some(done) = asked.blocking_recv() {
        let open = |idle: Option<Connection>| idle.map_or_else(|| open_reader(path, condition), Ok);
        let keys = condition.look_again().and_then(|()| open(idle.take())).and_then(|connection| {
            let keys = list(&connection, &done).map_err(|error| condition.failed(error))?;
            // A failed connection is not reused: it can be the cause.
            idle = Some(connection);
            Ok(keys)
        });
        let _ = done.send(keys);
    }
}

/// Stops early if the receiver is gone: other requests wait, or the host is stopping.
pub(super) fn list(connection: &Connection, wanted: &ListRequest) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT key FROM spin_key_value WHERE store = ?1")?;
    let keys = statement.query_map([STORE], |row| row.get(0))?;
    keys.take_while(|_| !wanted.is_closed()).collect()
}
