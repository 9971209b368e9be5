//! A durable key-value store in SQLite, in the layout of Spin's own: `spin up` and this host read each other's data.
//!
//! One thread writes. It takes every write that waits, commits them together, and answers them; the next commit starts
//! when the last ends, with no timer. So one sender waits for one fsync, and a hundred for not much more.
//!
//! Reads use other connections. In WAL mode with `synchronous=FULL` a commit becomes visible to them after its fsync, so
//! no read shows a write that a crash could still take back. Lists of all keys are made on a thread of their own, one after the other.

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
use crate::store::error::StoreError;
use crate::store::layout::STORE;
use crate::store::lists::{List, list_all};
use crate::store::opened_files::{self, OpenedFiles};
use crate::store::opening::{bound_log, open_reader, prepare_without_room, unusable};
use crate::store::permissions;
use crate::store::reserve::Reserve;
use crate::store::writer::{Change, MAX_WAITING, Write, Writer};

/// How long a write may take. With the read before it, less than a guest's time, so that the guest can still say that the
/// store is slow.
const WRITE_TIMEOUT: Duration = Duration::from_secs(8);

/// How often the files are compared with those that were opened, besides after each commit.
const COMPARED_EVERY: Duration = Duration::from_secs(1);

pub struct SqliteStore {
    path: PathBuf,
    /// Emptied by `drop`, which ends the threads: first the one that watches.
    watcher: Option<(Sender<()>, JoinHandle<()>)>,
    writes: Option<mpsc::Sender<Write>>,
    writer: Option<JoinHandle<()>>,
    lists: Option<mpsc::Sender<List>>,
    lister: Option<JoinHandle<()>>,
    readers: Mutex<Vec<Connection>>,
    condition: Arc<Condition>,
    reserve: Arc<Mutex<Reserve>>,
    commits: Watch<Commits>,
}

impl SqliteStore {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let store = Self::start(path).map_err(|error| unusable(path, &error))?;
        // What cannot be read is found out now, not at the first event.
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
        let mut reserve = Reserve::of(&path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        let connection = prepare_without_room(path, &mut reserve)?;
        bound_log(&connection, &reserve)?;
        let condition = Arc::new(Condition::of(path, OpenedFiles::of(path, before)?));
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

    /// Keeps room on the disk for removal from now on. An error if there is none to keep.
    pub fn keep_reserve(&self) -> std::io::Result<()> {
        let mut reserve = self.reserve.lock();
        // Then who asks whether the host is ready has it tried whether anything can be written.
        reserve.keep().inspect_err(|_| self.condition.committed(!reserve.is_given_up()))
    }

    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2")?;
            statement.query_row([STORE, key], |row| row.get(0)).optional()
        })
    }

    pub fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT 1 FROM spin_key_value WHERE store = ?1 AND key = ?2")?;
            statement.exists([STORE, key])
        })
        // A repeat is answered 200 without a commit.
        .and_then(|exists| if exists { self.condition.look().map(|()| true) } else { Ok(false) })
    }

    /// Waits for the lists that were asked for before, without a limit: who asks has one.
    pub async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        let (done, result) = oneshot::channel();
        let lists = self.lists.as_ref().ok_or(StoreError::Closed)?;
        lists.send(done).await.map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)?
    }

    pub async fn set(&self, key: String, value: Vec<u8>) -> Result<(), StoreError> {
        self.write(Change::Set(key, value)).await
    }

    pub async fn delete(&self, key: String) -> Result<(), StoreError> {
        self.write(Change::Delete(key)).await
    }

    /// An error if the files are not those that were opened, or are damaged, or nothing can be written now. That is tried only where the
    /// last commit failed: what is free on the disk does not tell, since the log has room of its own, and a disk fails in other ways than
    /// by being full.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.condition.check()?;
        if self.condition.commit_failed() { self.write(Change::Try).await } else { Ok(()) }
    }

    /// Where commits are measured.
    pub(crate) fn commits(&self) -> &Watch<Commits> {
        &self.commits
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keys from one on and before another, in their order.
    pub fn keys_between(&self, from: &str, before: &str) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key FROM spin_key_value WHERE store = ?1 AND key >= ?2 AND key < ?3 ORDER BY key",
            )?;
            statement.query_map([STORE, from, before], |row| row.get(0))?.collect()
        })
    }

    /// The last of them.
    pub fn last_key(&self, from: &str, before: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key FROM spin_key_value WHERE store = ?1 AND key >= ?2 AND key < ?3 ORDER BY key DESC LIMIT 1",
            )?;
            statement.query_row([STORE, from, before], |row| row.get(0)).optional()
        })
    }

    /// How many they are, or that they are at least `most`.
    pub fn count_between(&self, from: &str, before: &str, most: u64) -> Result<u64, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT count(*) FROM (
                     SELECT 1 FROM spin_key_value WHERE store = ?1 AND key >= ?2 AND key < ?3 LIMIT ?4
                 )",
            )?;
            let count: i64 = statement.query_row(params![STORE, from, before, most as i64], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
    }

    async fn write(&self, change: Change) -> Result<(), StoreError> {
        let (done, result) = oneshot::channel();
        let writes = self.writes.as_ref().ok_or(StoreError::Closed)?;
        let written = async {
            writes.send(Write { change, done }).await.map_err(|_| StoreError::Closed)?;
            result.await.map_err(|_| StoreError::Closed)?
        };
        tokio::time::timeout(WRITE_TIMEOUT, written).await.unwrap_or(Err(StoreError::Slow(WRITE_TIMEOUT.as_secs())))
    }

    /// Reads with a connection that no one else uses now. There are as many as were ever needed at once.
    ///
    /// Blocks, which for one key is a few pages from memory: handing it to another thread would take longer.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.condition.look_again()?;
        let idle = self.readers.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.path, &self.condition)?,
        };
        // One that failed is not used again: it may be what is broken.
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
        // Who closes last copies the log into the file, and syncs it. That is for the one who writes.
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

/// Compares the files now and then, also while nobody writes: what can be saved is to be saved soon. Ends when the sender is dropped.
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
                // Where the one who writes is busy, it compares by itself.
                let _ = writes.try_send(Write { change: Change::Look, done });
            }
        }
    };
    Ok((stop, thread("files", watch)?))
}

fn end(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        // One that panicked has nothing left to do.
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

    /// Two connections closed at once, neither was the last, and the log stayed beside the file.
    #[tokio::test]
    async fn a_store_that_is_closed_is_one_file_whatever_was_listed_last() {
        for _ in 0..100 {
            let folder = TempDir::new().unwrap();
            let store = store_of(&folder, 1).await;
            assert_eq!(store.get_keys().await.unwrap(), ["0"]);
            drop(store);
            assert!(!folder.path().join("store.db-wal").exists());
        }
    }

    /// On a slow disk a list goes on for a minute, others wait for it, and so does who stops the host.
    #[tokio::test]
    async fn a_list_that_nobody_waits_for_is_not_made_to_its_end() {
        let folder = TempDir::new().unwrap();
        let store = store_of(&folder, 3).await;
        let connection = open_reader(store.path(), &store.condition).unwrap();
        let (wanted, waits) = oneshot::channel();
        assert_eq!(list(&connection, &wanted).unwrap().len(), 3);
        drop(waits);
        assert_eq!(list(&connection, &wanted).unwrap().len(), 0);
    }
}
