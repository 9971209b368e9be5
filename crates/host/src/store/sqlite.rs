//! A durable key-value store in SQLite, in Spin's layout: `spin up` and this host read each other's data.
//!
//! One thread writes. It takes all waiting writes, commits them together and answers them; the next commit starts when
//! the last one ends, without a timer. So one client waits for one fsync, and a hundred wait little longer.
//!
//! Reads use other connections. In WAL mode with `synchronous=FULL`, a commit becomes visible to them after its fsync,
//! so no read shows a write that a crash could undo. Lists of all keys are made one at a time on another thread.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::{mpsc, oneshot};

use crate::measure::{Commits, Watch};
use crate::store::condition::Condition;
use crate::store::error::HostStoreError;
use crate::store::layout::STORE;
use crate::store::lists::{ListRequest, list_all};
use crate::store::opened_files::{self, OpenedFiles};
use crate::store::opening::{bound_log, open_reader, prepare_without_room, unusable};
use crate::store::permissions;
use crate::store::reserve::Reserve;
use crate::store::writer::{Change, MAX_WAITING, Write, Writer};

/// How long a write can take. With the read before it, this is less than the time limit of a guest, so that the guest
/// can report a slow store.
const WRITE_TIMEOUT: Duration = Duration::from_secs(8);

/// The interval between comparisons of the files with those that were opened, in addition to one after each commit.
const COMPARED_EVERY: Duration = Duration::from_secs(1);

pub struct SqliteStore {
    path: PathBuf,
    /// `drop` takes the fields up to `lister` to end the threads, this one first.
    watcher: Option<(Sender<()>, JoinHandle<()>)>,
    writes: Option<mpsc::Sender<Write>>,
    writer: Option<JoinHandle<()>>,
    lists: Option<mpsc::Sender<ListRequest>>,
    lister: Option<JoinHandle<()>>,
    readers: Mutex<Vec<Connection>>,
    condition: Arc<Condition>,
    reserve: Arc<Mutex<Reserve>>,
    commits: Watch<Commits>,
}

impl SqliteStore {
    pub fn open(path: &Path) -> Result<Self, HostStoreError> {
        let store = Self::start(path).map_err(|error| unusable(path, &error))?;
        // Finds an unreadable file now, not at the first event.
        store.exists("").map_err(|error| unusable(path, &error.into()))?;
        Ok(store)
    }

    fn start(path: &Path) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        permissions::make(path);
        permissions::warn_if_shared(path);
        opened_files::warn_if_mounted(path);
        let before = OpenedFiles::before(path);
        let mut reserve = Reserve::new(&path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        let connection = prepare_without_room(path, &mut reserve)?;
        bound_log(&connection, &reserve)?;
        let condition = Arc::new(Condition::new(path, OpenedFiles::record(path, before)?));
        let (reserve, commits) = (Arc::new(Mutex::new(reserve)), Watch::default());
        let (writes, waiting) = mpsc::channel(MAX_WAITING);
        let writer = Writer {
            connection,
            condition: Arc::clone(&condition),
            reserve: Arc::clone(&reserve),
            commits: commits.clone(),
            saved: false,
        };
        let writer = thread("store", move || writer.run(waiting))?;
        let (lists, asked) = mpsc::channel(1);
        let (listed, known) = (path.to_owned(), Arc::clone(&condition));
        let lister = thread("lists", move || list_all(&listed, &known, asked))?;
        let watcher = watch(Arc::clone(&condition), Arc::clone(&reserve), writes.clone())?;
        Ok(Self {
            path: path.to_owned(),
            watcher: Some(watcher),
            writes: Some(writes),
            writer: Some(writer),
            lists: Some(lists),
            lister: Some(lister),
            readers: Mutex::default(),
            condition,
            reserve,
            commits,
        })
    }

    /// Reserves room on the disk for removal. An error if the disk has no room.
    pub fn keep_reserve(&self) -> std::io::Result<()> {
        let mut reserve = self.reserve.lock();
        let kept = reserve.keep();
        // On a full disk, health checks must try a write: the reserve can be there although nothing else has room.
        let has_room = reserve.free()? >= reserve.bytes()?;
        self.condition.committed(!reserve.is_given_up() && has_room);
        kept
    }

    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, HostStoreError> {
        self.with_reader(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2")?;
            statement.query_row([STORE, key], |row| row.get(0)).optional()
        })
    }

    pub fn exists(&self, key: &str) -> Result<bool, HostStoreError> {
        self.with_reader(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT 1 FROM spin_key_value WHERE store = ?1 AND key = ?2")?;
            statement.exists([STORE, key])
        })
        // A repeat is answered 200 without a commit.
        .and_then(|exists| if exists { self.condition.look().map(|()| true) } else { Ok(false) })
    }

    /// Waits for earlier lists without a timeout: the caller has its own.
    pub async fn get_keys(&self) -> Result<Vec<String>, HostStoreError> {
        let (done, result) = oneshot::channel();
        let lists = self.lists.as_ref().ok_or(HostStoreError::Closed)?;
        lists.send(done).await.map_err(|_| HostStoreError::Closed)?;
        result.await.map_err(|_| HostStoreError::Closed)?
    }

    pub async fn set(&self, key: String, value: Vec<u8>) -> Result<(), HostStoreError> {
        self.write(Change::Set(key, value)).await
    }

    pub async fn delete(&self, key: String) -> Result<(), HostStoreError> {
        self.write(Change::Delete(key)).await
    }

    /// An error if the files are not those that were opened, or are damaged, or if writes fail. It tries a write only
    /// if the last commit failed. Free space would not tell: the log can have room within itself, and disks have other
    /// faults.
    pub async fn check(&self) -> Result<(), HostStoreError> {
        self.condition.check()?;
        if self.condition.commit_failed() { self.write(Change::Try).await } else { Ok(()) }
    }

    pub(crate) fn commits(&self) -> &Watch<Commits> {
        &self.commits
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keys from `from` (inclusive) to `before` (exclusive), sorted.
    pub fn keys_between(&self, from: &str, before: &str) -> Result<Vec<String>, HostStoreError> {
        self.with_reader(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key FROM spin_key_value WHERE store = ?1 AND key >= ?2 AND key < ?3 ORDER BY key",
            )?;
            statement.query_map([STORE, from, before], |row| row.get(0))?.collect()
        })
    }

    /// The last key from `from` (inclusive) to `before` (exclusive).
    pub fn last_key(&self, from: &str, before: &str) -> Result<Option<String>, HostStoreError> {
        self.with_reader(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key FROM spin_key_value WHERE store = ?1 AND key >= ?2 AND key < ?3 ORDER BY key DESC LIMIT 1",
            )?;
            statement.query_row([STORE, from, before], |row| row.get(0)).optional()
        })
    }

    /// The number of keys from `from` (inclusive) to `before` (exclusive), counted up to `most`.
    pub fn count_between(&self, from: &str, before: &str, most: u64) -> Result<u64, HostStoreError> {
        self.with_reader(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT count(*) FROM (
                     SELECT 1 FROM spin_key_value WHERE store = ?1 AND key >= ?2 AND key < ?3 LIMIT ?4
                 )",
            )?;
            let count: i64 = statement.query_row(params![STORE, from, before, most as i64], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
    }

    async fn write(&self, change: Change) -> Result<(), HostStoreError> {
        let (done, result) = oneshot::channel();
        let writes = self.writes.as_ref().ok_or(HostStoreError::Closed)?;
        let written = async {
            writes.send(Write { change, done }).await.map_err(|_| HostStoreError::Closed)?;
            result.await.map_err(|_| HostStoreError::Closed)?
        };
        tokio::time::timeout(WRITE_TIMEOUT, written).await.unwrap_or(Err(HostStoreError::Slow(WRITE_TIMEOUT.as_secs())))
    }

    /// Reads with an idle connection. The number of connections is the most that were ever needed at once.
    ///
    /// Blocks. For one key, this reads a few pages from memory; handing it to another thread would take longer.
    fn with_reader<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, HostStoreError> {
        self.condition.look_again()?;
        let idle = self.readers.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.path, &self.condition)?,
        };
        // A failed connection is not reused: it can be the cause.
        let value = read(&connection).map_err(|error| self.condition.failed(error))?;
        self.readers.lock().push(connection);
        Ok(value)
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.readers.lock().clear();
        if let Some((stop, watcher)) = self.watcher.take() {
            drop(stop);
            end(Some(watcher));
        }
        // The last connection to close copies the log into the file and syncs it. That must be the writer.
        self.lists = None;
        end(self.lister.take());
        self.writes = None;
        end(self.writer.take());
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Compares the files regularly, also without writes, so that a deleted log is saved soon. Ends when the sender is
/// dropped.
fn watch(
    condition: Arc<Condition>,
    reserve: Arc<Mutex<Reserve>>,
    writes: mpsc::Sender<Write>,
) -> std::io::Result<(Sender<()>, JoinHandle<()>)> {
    let (stop, stopped) = channel::<()>();
    let watch = move || {
        while stopped.recv_timeout(COMPARED_EVERY) == Err(RecvTimeoutError::Timeout) {
            reserve.lock().notice();
            if condition.compare().is_err() {
                let (done, _) = oneshot::channel();
                // If the queue is full, the writer is busy and compares after its commit.
                let _ = writes.try_send(Write { change: Change::Look, done });
            }
        }
    };
    Ok((stop, thread("files", watch)?))
}

fn end(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        // An error means that the thread panicked, so it has ended.
        let _ = thread.join();
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tokio::sync::oneshot;

    use super::SqliteStore;
    use crate::store::lists::list;
    use crate::store::opening::open_reader;

    async fn store_of(folder: &TempDir, keys: u8) -> SqliteStore {
        let store = SqliteStore::open(&folder.path().join("store.db")).unwrap();
        for key in 0..keys {
            store.set(key.to_string(), Vec::new()).await.unwrap();
        }
        store
    }

    /// If two connections close at the same time, neither is the last, and the log stays beside the file.
    #[tokio::test]
    async fn a_closed_store_is_one_file_even_after_a_list() {
        for _ in 0..100 {
            let folder = TempDir::new().unwrap();
            let store = store_of(&folder, 1).await;
            assert_eq!(store.get_keys().await.unwrap(), ["0"]);
            drop(store);
            assert!(!folder.path().join("store.db-wal").exists());
        }
    }

    /// On a slow disk, a list can take a minute, and other lists and a stop wait for it.
    #[tokio::test]
    async fn a_list_ends_early_when_its_receiver_is_gone() {
        let folder = TempDir::new().unwrap();
        let store = store_of(&folder, 3).await;
        let connection = open_reader(store.path(), &store.condition).unwrap();
        let (wanted, receiver) = oneshot::channel();
        assert_eq!(list(&connection, &wanted).unwrap().len(), 3);
        drop(receiver);
        assert_eq!(list(&connection, &wanted).unwrap().len(), 0);
    }
}
