//! Lists of all keys, one after the other, on one thread.

use std::path::Path;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::store::condition::Condition;
use crate::store::error::StoreError;
use crate::store::layout::STORE;
use crate::store::opening::open_reader;

/// Who waits for a list of all keys.
pub(super) type List = oneshot::Sender<Result<Vec<String>, StoreError>>;

/// Makes the lists that are asked for, one after the other.
///
/// On a thread of their own: an allocator has some part of its memory for each thread that allocates, others do not use what is free of it,
/// and keys are small and may be half a million. Made on many threads, lists that were gone long ago took more memory than all else.
pub(super) fn list_all(path: &Path, condition: &Condition, mut asked: mpsc::Receiver<List>) {
    let mut idle = None;
    while let Some(done) = asked.blocking_recv() {
        let open = |idle: Option<Connection>| idle.map_or_else(|| open_reader(path, condition), Ok);
        let keys = condition.look_again().and_then(|()| open(idle.take())).and_then(|connection| {
            let keys = list(&connection, &done).map_err(|error| condition.failed(error))?;
            // One that failed is not used again: it may be what is broken.
            idle = Some(connection);
            Ok(keys)
        });
        let _ = done.send(keys);
    }
}

/// A part of them if nobody waits any longer: others do, or the host is to stop.
pub(super) fn list(connection: &Connection, wanted: &List) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT key FROM spin_key_value WHERE store = ?1")?;
    let keys = statement.query_map([STORE], |row| row.get(0))?;
    keys.take_while(|_| !wanted.is_closed()).collect()
}
