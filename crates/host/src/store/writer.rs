//! The thread that writes. It takes all waiting writes, commits them together, compares the files with those that were
//! opened, and only then answers.
//!
//! On a full disk, only removals are done, and writes of compaction that make removal possible. They use the room of
//! the [`Reserve`] and of the log, which is copied into the file and truncated before each of them and after the last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use outbound_events::keys;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use crate::measure::{Commits, Watch};
use crate::store::condition::Condition;
use crate::store::error::HostStoreError;
use crate::store::layout::{BUSY_TIMEOUT, STORE};
use crate::store::opened_files::Moved;
use crate::store::reserve::Reserve;

/// The most writes in the queue. Further writes wait until there is room.
pub(crate) const MAX_WAITING: usize = 1024;

/// A waiting write.
pub(crate) struct Write {
    pub change: Change,
    pub done: oneshot::Sender<Result<(), HostStoreError>>,
}

pub(crate) enum Change {
    Set(String, Vec<u8>),
    Delete(String),
    /// Writes as much as an event and removes it again.
    Try,
    /// Writes nothing: compares the files, and saves a deleted log.
    Look,
}

/// How long a checkpoint waits for readers of the log.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(100);

/// How many times saving a deleted log is tried at the end, one second apart.
const SAVE_ATTEMPTS: u32 = 20;

/// The most bytes that a write needs besides its own, rounded up.
const SOME_PAGES: u64 = 64 << 10;

/// The label of a store that is always empty and never read.
const TRIAL_STORE: &str = "outbound-events-host.try";

/// More than most events need with their overhead: a host that is ready can store the next events, too.
const TRIED_BYTES: i32 = 16 << 10;

impl Change {
    /// How many bytes it needs, besides [`SOME_PAGES`].
    fn bytes(&self) -> u64 {
        match self {
            Self::Set(key, value) => (key.len() + value.len()) as u64,
            Self::Try => TRIED_BYTES.unsigned_abs().into(),
            Self::Delete(_) | Self::Look => 0,
        }
    }

    /// Whether it removes something, or makes a removal possible.
    fn removes(&self) -> bool {
        match self {
            Self::Delete(_) | Self::Look => true,
            Self::Set(key, _) => keys::is_of_compaction(key),
            Self::Try => false,
        }
    }
}

pub(crate) struct Writer {
    pub connection: Connection,
    pub condition: Arc<Condition>,
    pub reserve: Arc<Mutex<Reserve>>,
    pub commits: Watch<Commits>,
    /// Whether a deleted log was saved.
    pub saved: bool,
}

impl Writer {
    /// Writes until all senders are dropped, then closes the file.
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
            Err(HostStoreError::Full) => self.write_on_full_disk(batch),
            result => answer(batch, &result),
        }
    }

    /// Whether there is room for more than removals: the reserve exists, or the file has enough free pages. In that
    /// case the file does not grow, and the room of the reserve stays for removals.
    fn takes_events(&mut self, batch: &[Write]) -> bool {
        let mut reserve = self.reserve();
        if !reserve.is_given_up() || reserve.make().is_ok() {
            return true;
        }
        let spare = reserve.bytes().unwrap_or(0) / 2;
        drop(reserve);
        let bytes: u64 = batch.iter().map(|write| write.change.bytes()).sum();
        // Removing from a pack needs room for a second copy of it.
        self.free_in_file().is_ok_and(|free| free >= 2 * bytes + spare + SOME_PAGES)
    }

    /// Whether a removal can be written to the log and copied from it into the file. A removal that stays in the log
    /// would leave no room for others. The file grows by at most half the size of the reserve.
    fn fits(&self, change: &Change) -> bool {
        let (bytes, reserve) = (change.bytes(), self.reserve());
        let (Ok(free), Ok(spare)) = (reserve.free(), reserve.bytes().map(|bytes| bytes / 2)) else { return true };
        let growth = (bytes + SOME_PAGES).saturating_sub(self.free_in_file().unwrap_or(0));
        let needed = if growth > 0 { bytes + growth + spare } else { bytes };
        bytes == 0 || free >= needed + SOME_PAGES
    }

    /// The free space in the file, in bytes.
    fn free_in_file(&self) -> rusqlite::Result<u64> {
        let number = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        Ok((number("freelist_count")? * number("page_size")?).unsigned_abs())
    }

    fn write_on_full_disk(&mut self, batch: Vec<Write>) {
        let (removing, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(|write| write.change.removes());
        answer(others, &Err(HostStoreError::Full));
        if !removing.is_empty() {
            for write in removing {
                // Each takes long, so removals without a waiting caller are skipped.
                let result = if write.done.is_closed() { Ok(()) } else { self.remove(&write) };
                answer([write], &result);
            }
            // A host that starts now needs the room of the log.
            self.cut_log();
        }
        // Another process that removes events can have given up the reserve.
        let _ = self.reserve().keep();
        // The next event or health check tries whether writes succeed again.
        self.condition.committed(false);
    }

    /// Does one removal, giving up the reserve if necessary.
    fn remove(&mut self, write: &Write) -> Result<(), HostStoreError> {
        for gives_up in [false, true] {
            if gives_up {
                self.reserve().give_up();
            }
            self.cut_log();
            if self.fits(&write.change) {
                match self.commit(std::slice::from_ref(write)) {
                    Err(HostStoreError::Full) => {}
                    result => return result,
                }
            }
        }
        Err(HostStoreError::Full)
    }

    fn reserve(&self) -> MutexGuard<'_, Reserve> {
        self.reserve.lock()
    }

    /// Copies the log into the file and truncates it. Does nothing while a reader uses the log.
    fn cut_log(&self) {
        match self.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)") {
            Ok(true) => {}
            Ok(false) => tracing::debug!("the log was not truncated: a reader uses it"),
            Err(error) => tracing::debug!("the log was not truncated: {error}"),
        }
    }

    /// Whether the whole log was copied into the file. Does not wait for long readers: a backup takes minutes.
    fn checkpoint(&self, checkpoint: &str) -> rusqlite::Result<bool> {
        self.connection.busy_timeout(CHECKPOINT_TIMEOUT)?;
        let busy = self.connection.query_row(checkpoint, [], |row| row.get::<_, i64>(0));
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        busy.map(|busy| busy == 0)
    }

    fn commit(&mut self, batch: &[Write]) -> Result<(), HostStoreError> {
        let started = Instant::now();
        let committed = transact(&mut self.connection, batch).map_err(|error| self.condition.failed(error));
        let result = committed.and_then(|()| self.condition.look());
        if matches!(result, Err(HostStoreError::Moved(_))) {
            self.leave_alone();
        }
        self.condition.committed(result.is_ok());
        if let Some(commits) = self.commits.get() {
            commits.ended(batch.len(), started.elapsed(), result.is_err());
        }
        result
    }

    /// Leaves moved files alone. The last connection to close would copy the log into the file and remove it by its
    /// path, which can now name the log of another file.
    fn leave_alone(&mut self) {
        let moved = self.condition.compare().err();
        self.saved &= moved.is_some();
        let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, moved.is_some());
        if moved.as_ref().is_some_and(Moved::is_deleted_log) && !self.saved {
            self.saved = self.save_log();
        }
    }

    /// Copies a deleted log, which is still open here, into the file: otherwise its commits would be lost.
    fn save_log(&self) -> bool {
        let saved = self.checkpoint("PRAGMA wal_checkpoint(FULL)");
        match &saved {
            Ok(true) => tracing::warn!("the deleted log was saved in the store's file; restart the host"),
            Ok(false) => tracing::error!(
                "the deleted log cannot be saved in the store's file while another process reads from it, such as \
                 `store backup`: end that process, and do not stop this host before it logs that the log was saved"
            ),
            Err(error) => tracing::error!("the deleted log could not be saved in the store's file: {error}"),
        }
        matches!(saved, Ok(true))
    }

    fn close(mut self) {
        for _ in 0..SAVE_ATTEMPTS {
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

/// Answers the waiting callers. A caller that is gone will repeat its request.
fn answer(writes: impl IntoIterator<Item = Write>, result: &Result<(), HostStoreError>) {
    for write in writes {
        let _ = write.done.send(result.clone());
    }
}

/// Commits all writes or none: after a failure, every sender still has its event.
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
                let values = params![TRIAL_STORE, TRIED_BYTES];
                transaction
                    .execute("INSERT INTO spin_key_value (store, key, value) VALUES (?1, '', zeroblob(?2))", values)?;
                transaction.execute("DELETE FROM spin_key_value WHERE store = ?1", [TRIAL_STORE])?
            }
            Change::Look => 0,
        };
    }
    transaction.commit()
}
