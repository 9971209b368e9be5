//! The thread that writes. It takes every write that waits, commits them together, looks whether the files are still those that were
//! opened, and only then answers.
//!
//! Where the disk is full, writes that remove, or make room, are the only ones that are done: with the room of the [`Reserve`], and with
//! that of the log, which is copied into the file and cut off before each, and after the last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use outbound_events::keys;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use crate::measure::{Commits, Watch};
use crate::store::condition::Condition;
use crate::store::error::StoreError;
use crate::store::layout::{BUSY_TIMEOUT, STORE};
use crate::store::opened_files::Moved;
use crate::store::reserve::Reserve;

/// The most writes that wait for a commit; a further one waits for its place.
pub(crate) const MAX_WAITING: usize = 1024;

/// A write that waits to be on disk.
pub(crate) struct Write {
    pub change: Change,
    pub done: oneshot::Sender<Result<(), StoreError>>,
}

/// What is to be written.
pub(crate) enum Change {
    Set(String, Vec<u8>),
    Delete(String),
    /// Writes as much as an event does, and leaves nothing.
    Try,
    /// Nothing: the paths lead elsewhere, and what can be saved is to be saved.
    Look,
}

/// How long a checkpoint waits for who reads from the log.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(100);

/// How often it is tried at the end to save a log that somebody deleted, a second apart.
const SAVED_AT_THE_END: u32 = 20;

/// What a write takes besides its own bytes, and some more.
const SOME_PAGES: u64 = 64 << 10;

/// A store that nobody reads, and that is always empty.
const NOBODYS: &str = "outbound-events-host.try";

/// More than most events take, and what is written besides: ready is who can take the next ones too.
const TRIED_BYTES: i32 = 16 << 10;

impl Change {
    /// How many bytes it takes, besides some pages.
    fn bytes(&self) -> u64 {
        match self {
            Self::Set(key, value) => (key.len() + value.len()) as u64,
            Self::Try => TRIED_BYTES.unsigned_abs().into(),
            Self::Delete(_) | Self::Look => 0,
        }
    }

    /// Whether it removes something, or is written so that something can be removed.
    fn removes(&self) -> bool {
        match self {
            Self::Delete(_) | Self::Look => true,
            Self::Set(key, _) => keys::is_of_compaction(key),
            Self::Try => false,
        }
    }
}

/// Who writes.
pub(crate) struct Writer {
    pub connection: Connection,
    pub condition: Arc<Condition>,
    pub reserve: Arc<Mutex<Reserve>>,
    pub commits: Watch<Commits>,
    /// Whether the log was saved, after somebody deleted it.
    pub saved: bool,
}

impl Writer {
    /// Writes until nobody has anything more to write, then closes the file.
    pub fn run(mut self, mut waiting: mpsc::Receiver<Write>) {
        let mut batch = Vec::new();
        while waiting.blocking_recv_many(&mut batch, MAX_WAITING) > 0 {
            self.write(std::mem::take(&mut batch));
        }
        self.close();
    }

    fn write(&mut self, batch: Vec<Write>) {
        if let Err(moved) = self.condition.look_again() {
            self.leave_alone();
            return answer(batch, &Err(moved));
        }
        if !self.takes_events(&batch) {
            return self.write_on_full_disk(batch);
        }
        match self.commit(&batch) {
            Err(StoreError::Full) => self.write_on_full_disk(batch),
            result => answer(batch, &result),
        }
    }

    /// Whether the disk's room is for more than removal: the reserve is there, or the file has pages enough that are free. Then it does not
    /// grow, its log is copied into it again and again, and what the reserve took stays for removal.
    fn takes_events(&mut self, batch: &[Write]) -> bool {
        let mut reserve = self.reserve();
        if !reserve.is_given_up() || reserve.make().is_ok() {
            return true;
        }
        let left = reserve.bytes().unwrap_or(0) / 2;
        drop(reserve);
        let bytes: u64 = batch.iter().map(|write| write.change.bytes()).sum();
        // A pack from which something is removed needs a place beside itself.
        self.free_in_file().is_ok_and(|free| free >= 2 * bytes + left + SOME_PAGES)
    }

    /// Whether a write that removes can be done and copied from the log into the file: one that cannot would leave no room for any other. Of what
    /// the reserve took, the file grows by no more than half.
    fn fits(&self, change: &Change) -> bool {
        let (bytes, reserve) = (change.bytes(), self.reserve());
        let (Ok(free), Ok(left)) = (reserve.free(), reserve.bytes().map(|bytes| bytes / 2)) else { return true };
        let growth = (bytes + SOME_PAGES).saturating_sub(self.free_in_file().unwrap_or(0));
        let needed = if growth > 0 { bytes + growth + left } else { bytes };
        bytes == 0 || free >= needed + SOME_PAGES
    }

    /// How much is free in the file itself, in bytes.
    fn free_in_file(&self) -> rusqlite::Result<u64> {
        let number = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        Ok((number("freelist_count")? * number("page_size")?).unsigned_abs())
    }

    fn write_on_full_disk(&mut self, batch: Vec<Write>) {
        let (removing, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(|write| write.change.removes());
        answer(others, &Err(StoreError::Full));
        if !removing.is_empty() {
            for write in removing {
                // Each takes long: those that nobody waits for any more are not done.
                let result = if write.done.is_closed() { Ok(()) } else { self.remove(&write) };
                answer([write], &result);
            }
            // What the log took is what a host needs that is started now.
            self.cut_log();
        }
        // Another process, which removes something too, may have given it up.
        let _ = self.reserve().keep();
        // Whether it takes events again, the next one shows, or who asks whether the host is ready.
        self.condition.committed(false);
    }

    /// Does one write that removes, with the reserve if need be.
    fn remove(&mut self, write: &Write) -> Result<(), StoreError> {
        for gives_up in [false, true] {
            if gives_up {
                self.reserve().give_up();
            }
            self.cut_log();
            if self.fits(&write.change) {
                match self.commit(std::slice::from_ref(write)) {
                    Err(StoreError::Full) => {}
                    result => return result,
                }
            }
        }
        Err(StoreError::Full)
    }

    fn reserve(&self) -> MutexGuard<'_, Reserve> {
        self.reserve.lock()
    }

    /// Copies the log into the file, and gives its room back to the disk. If somebody reads from it, it stays as it is.
    fn cut_log(&self) {
        match self.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)") {
            Ok(true) => {}
            Ok(false) => tracing::debug!("the log was not cut off: somebody reads from it"),
            Err(error) => tracing::debug!("the log was not cut off: {error}"),
        }
    }

    /// Whether all of the log was copied into the file. Who reads from it is not waited for: a backup takes minutes.
    fn checkpoint(&self, checkpoint: &str) -> rusqlite::Result<bool> {
        self.connection.busy_timeout(CHECKPOINT_TIMEOUT)?;
        let busy = self.connection.query_row(checkpoint, [], |row| row.get::<_, i64>(0));
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        busy.map(|busy| busy == 0)
    }

    fn commit(&mut self, batch: &[Write]) -> Result<(), StoreError> {
        let started = Instant::now();
        let committed = transact(&mut self.connection, batch).map_err(|error| self.condition.failed(error));
        let result = committed.and_then(|()| self.condition.look());
        if matches!(result, Err(StoreError::Moved(_))) {
            self.leave_alone();
        }
        self.condition.committed(result.is_ok());
        if let Some(commits) = self.commits.get() {
            commits.ended(batch.len(), started.elapsed(), result.is_err());
        }
        result
    }

    /// Who closes last copies the log into the file and removes it, which SQLite does by its path: what is there now may be another's.
    fn leave_alone(&mut self) {
        let moved = self.condition.compare().err();
        self.saved &= moved.is_some();
        let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, moved.is_some());
        if moved.as_ref().is_some_and(Moved::is_deleted_log) && !self.saved {
            self.saved = self.save_log();
        }
    }

    /// What was committed is in the log alone, which is open here and has no name any more: it is copied into the file.
    fn save_log(&self) -> bool {
        let saved = self.checkpoint("PRAGMA wal_checkpoint(FULL)");
        match &saved {
            Ok(true) => tracing::warn!("what was in the log is saved in the store's file; start the host again"),
            Ok(false) => tracing::error!(
                "what was in the log cannot all be saved in the store's file while another process reads from it, such as `store backup`: \
                 end that, and do not stop this host before it says that all is saved"
            ),
            Err(error) => tracing::error!("what was in the log could not be saved in the store's file: {error}"),
        }
        matches!(saved, Ok(true))
    }

    fn close(mut self) {
        for _ in 0..SAVED_AT_THE_END {
            self.leave_alone();
            if self.saved || !self.condition.compare().is_err_and(|moved| moved.is_deleted_log()) {
                break;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        if self.reserve().is_given_up() {
            let _ = self.reserve().make();
        }
    }
}

/// Answers those who wait. Who no longer waits will ask again, and find it.
fn answer(writes: impl IntoIterator<Item = Write>, result: &Result<(), StoreError>) {
    for write in writes {
        let _ = write.done.send(result.clone());
    }
}

/// All or none: what fails is rolled back, and every sender keeps its event.
fn transact(connection: &mut Connection, batch: &[Write]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for write in batch {
        match &write.change {
            Change::Set(key, value) => transaction
                .prepare_cached(
                    "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
                     ON CONFLICT (store, key) DO UPDATE SET value = excluded.value",
                )?
                .execute(params![STORE, key, value])?,
            Change::Delete(key) => transaction
                .prepare_cached("DELETE FROM spin_key_value WHERE store = ?1 AND key = ?2")?
                .execute([STORE, key])?,
            Change::Try => {
                let values = params![NOBODYS, TRIED_BYTES];
                transaction
                    .execute("INSERT INTO spin_key_value (store, key, value) VALUES (?1, '', zeroblob(?2))", values)?;
                transaction.execute("DELETE FROM spin_key_value WHERE store = ?1", [NOBODYS])?
            }
            Change::Look => 0,
        };
    }
    transaction.commit()
}
