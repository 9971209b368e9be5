//! A durable key-value store in SQLite, in the layout of Spin's own: `spin up` and this host read each other's data.
//!
//! One thread writes. It takes every write that waits, commits them together, and answers them; the next commit starts
//! when the last ends, with no timer. So one sender waits for one fsync, and a hundred for not much more.
//!
//! Reads use other connections. In WAL mode with `synchronous=FULL` a commit becomes visible to them after its fsync, so
//! no read shows a write that a crash could still take back. Lists of all keys are made on a thread of their own, one after the other.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};
use tokio::sync::{mpsc, oneshot};

use crate::metrics::figures::{Commits, Watch};
use crate::store::condition::Condition;
use crate::store::error::{StoreError, explain};
use crate::store::layout::{BUSY_TIMEOUT, STORE};
use crate::store::opened_files::{self, OpenedFiles};
use crate::store::permissions;
use crate::store::reserve::Reserve;
use crate::store::writer::{Change, MAX_WAITING, Write, Writer};

/// How long a read waits. In WAL mode that is for the one who repairs the file after a crash, and nobody else.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a write may take. With the read before it, less than a guest's time, so that the guest can still say that the
/// store is slow.
const WRITE_TIMEOUT: Duration = Duration::from_secs(8);

/// How large a file is checked as a whole before it is used, in bytes. A larger one would delay the start by more than a moment
/// on a slow disk.
const MAX_CHECKED: u64 = 64 << 20;

/// How large the log may stay, in bytes, once it was copied into the file: about what it has between two copies.
const LOG_BYTES: i64 = 16 << 20;

/// After how many pages in the log it is copied into the file: SQLite's own default.
const LOG_PAGES: i64 = 1_000;

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

/// Who waits for a list of all keys.
type List = oneshot::Sender<Result<Vec<String>, StoreError>>;

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
        let mut reserve = self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
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
        match self.condition.commit_failed() {
            true => self.write(Change::Try).await,
            false => Ok(()),
        }
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
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.path, &self.condition)?,
        };
        // One that failed is not used again: it may be what is broken.
        let value = read(&connection).map_err(|error| self.condition.failed(error))?;
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(value)
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
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

/// The connection that writes, on a file that is a store by now.
fn prepare(path: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // SQLite opens what it may not write all the same, and says so at the first write.
    anyhow::ensure!(!connection.is_readonly(rusqlite::MAIN_DB)?, "it cannot be written");
    check(&connection, path)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    anyhow::ensure!(mode == "wal", "it stays in journal mode {mode}; WAL needs a local file system");
    connection.execute_batch(
        // `fullfsync` matters on macOS only, where a plain fsync leaves the data in the drive's cache.
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         CREATE TABLE IF NOT EXISTS spin_key_value (
             store TEXT NOT NULL,
             key   TEXT NOT NULL,
             value BLOB NOT NULL,
             PRIMARY KEY (store, key)
         );",
    )?;
    // A host that was killed between a write and its sync leaves a commit that is in the kernel's memory only. It would be
    // read, and its repeat be a duplicate, before it is on disk. A checkpoint syncs the log before it does anything else.
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    Ok(connection)
}

/// The same where the disk is full: SQLite needs some room to open a file, and says in several ways that there is none.
fn prepare_without_room(path: &Path, reserve: &mut Reserve) -> anyhow::Result<Connection> {
    match prepare(path) {
        Err(error) if is_for_want_of_room(&error) => {}
        prepared => return prepared,
    }
    if let Err(error) = copy_log(path) {
        tracing::debug!("the log was not copied into the file: {error}");
    }
    match prepare(path) {
        Err(error) if is_for_want_of_room(&error) && reserve.give_up() => prepare(path),
        prepared => prepared,
    }
}

/// Copies the log that a killed host left into the file, and removes it: without the index, which takes room that processes share.
fn copy_log(path: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// What is in the log must fit into the file with the room of the reserve: else, on a full disk, it could not be copied there. And it does
/// not keep what it once took.
fn bound_log(connection: &Connection, reserve: &Reserve) -> anyhow::Result<()> {
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = i64::try_from(reserve.bytes()? / 2)? / page;
    connection.pragma_update(None, "wal_autocheckpoint", pages.clamp(1, LOG_PAGES))?;
    Ok(())
}

/// Looks at every page of the file. SQLite itself would find damage only where it next reads, which may be much later.
fn check(connection: &Connection, path: &Path) -> anyhow::Result<()> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > MAX_CHECKED {
        tracing::info!(
            bytes,
            "the store's file is large and was not checked for damage; `sqlite3 {} 'PRAGMA quick_check'` does it",
            path.display()
        );
        return Ok(());
    }
    // A damaged file is left as it is, with its log: to close it would copy the log into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    check_pages(connection)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

/// An error if SQLite finds damage anywhere in the file.
pub fn check_pages(connection: &Connection) -> anyhow::Result<()> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(rusqlite::Error::SqliteFailure(corrupt, Some(found.replace('\n', " "))).into());
    }
    Ok(())
}

/// Why a file cannot be a store.
fn unusable(path: &Path, error: &anyhow::Error) -> StoreError {
    StoreError::Open { path: path.display().to_string(), reason: explain(path, error) }
}

fn is_for_want_of_room(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    matches!(code, Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen))
}

fn open_reader(path: &Path, condition: &Condition) -> Result<Connection, StoreError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // The log is for the one who writes to remove, who knows whether it is still this file's.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(READ_TIMEOUT)?;
    connection.execute_batch("PRAGMA query_only = ON")?;
    // The log is opened by its path with the first read, so it is looked after that.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    condition.look()?;
    Ok(connection)
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
            reserve.lock().unwrap_or_else(PoisonError::into_inner).notice();
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

/// Makes the lists that are asked for, one after the other.
///
/// On a thread of their own: an allocator has some part of its memory for each thread that allocates, others do not use what is free of it,
/// and keys are small and may be half a million. Made on many threads, lists that were gone long ago took more memory than all else.
fn list_all(path: &Path, condition: &Condition, mut asked: mpsc::Receiver<List>) {
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
fn list(connection: &Connection, wanted: &List) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT key FROM spin_key_value WHERE store = ?1")?;
    let keys = statement.query_map([STORE], |row| row.get(0))?;
    keys.take_while(|_| !wanted.is_closed()).collect()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tokio::sync::oneshot;

    use super::{SqliteStore, list, open_reader};

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
