//! The queues of `appliance run`, on disk: the coming steps of started sessions, the items queued for each recipient,
//! and since when a recipient has been failing.
//!
//! Each change is one transaction, synced before it counts. So a kill at any moment leaves a change whole or undone.
//! Only an event whose 200 was not yet recorded is sent twice, as by a real appliance.
//!
//! | what | file |
//! |---|---|
//! | the queues | this one |
//! | the sessions that have started, for reports | `started.rs` |
//! | damaged files | `damage.rs` |
//! | errors | `error.rs` |

mod damage;
mod error;
mod started;

pub use crate::occurrence::Millis;
pub use error::QueueError;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Transaction, TransactionBehavior, params};

use crate::occurrence::SessionOccurrence;
use damage::{check_integrity, is_damage, rename_damaged};

/// SQLite's application id of these files: "obea".
const APPLICATION_ID: i64 = 0x6f62_6561;

/// The version of the schema below.
const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE session (seed INTEGER PRIMARY KEY, next INTEGER NOT NULL);
    CREATE TABLE coming (
        id INTEGER PRIMARY KEY, due INTEGER NOT NULL, seed INTEGER NOT NULL, session INTEGER NOT NULL,
        step INTEGER NOT NULL, started INTEGER NOT NULL);
    CREATE INDEX coming_due ON coming (due, id);
    CREATE TABLE queued (id INTEGER PRIMARY KEY AUTOINCREMENT, lane TEXT NOT NULL, item BLOB NOT NULL, failing_since INTEGER);
    CREATE INDEX queued_lane ON queued (lane, id);
    CREATE TABLE failing (lane TEXT PRIMARY KEY, since INTEGER NOT NULL, told INTEGER NOT NULL);
";

/// The name of a queue: the kind and the name of its recipient.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane(String);

impl Lane {
    /// The queue of an HTTP recipient.
    pub fn http(name: &str) -> Self {
        Self(format!("http/{name}"))
    }

    /// The queue of an email recipient.
    pub fn email(name: &str) -> Self {
        Self(format!("email/{name}"))
    }

    /// The queue of emails to the email contacts.
    pub fn alerts() -> Self {
        Self("alerts".to_owned())
    }

    /// Kind and name, separated by a slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A session that has started.
#[derive(Clone, Debug)]
pub struct StartedSession {
    /// Its number.
    pub number: u64,
    /// When it started, in Unix seconds.
    pub started: u64,
    /// The due time of each step.
    pub due: Vec<Millis>,
}

impl StartedSession {
    /// The session in time. `seed` is the seed that it was generated from.
    pub fn occurrence(&self, seed: u64) -> SessionOccurrence {
        let [first_due, last_due] = [self.due.first(), self.due.last()].map(|due| due.copied().unwrap_or_default());
        SessionOccurrence { seed, number: self.number, started: self.started, first_due, last_due }
    }
}

/// A step of a started session that is not due yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComingStep {
    id: i64,
    /// The seed of the session.
    pub seed: u64,
    /// The session's number.
    pub session: u64,
    /// The index of the step in the session.
    pub step: u32,
    /// When the session started, in Unix seconds.
    pub started: u64,
}

/// The first item of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedItem {
    /// The id of its row.
    pub id: i64,
    /// An event's form, or an email in JSON.
    pub bytes: Bytes,
    /// When its first attempt failed.
    pub failing_since: Option<Millis>,
}

/// A failing recipient whose contact has not been alerted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingRecipient {
    /// Its queue.
    pub lane: Lane,
    /// The time of the first failure.
    pub since: Millis,
}

/// All queues of one appliance.
pub struct Queues(Mutex<Connection>);

/// Opened queues.
pub struct OpenedQueues {
    /// The queues.
    pub queues: Queues,
    /// The new name of a damaged file that was replaced.
    pub renamed: Option<PathBuf>,
}

impl Queues {
    /// Opens the file, or creates it. Renames a damaged file and creates a new one.
    pub fn open(path: &Path) -> Result<OpenedQueues, QueueError> {
        match Self::open_existing(path) {
            Err(QueueError::Store(error)) if is_damage(&error) => {
                let renamed = rename_damaged(path)?;
                Ok(OpenedQueues { queues: Self::open_existing(path)?, renamed: Some(renamed) })
            }
            opened => Ok(OpenedQueues { queues: opened?, renamed: None }),
        }
    }

    fn open_existing(path: &Path) -> Result<Self, QueueError> {
        let in_use = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => QueueError::InUse(path.to_owned()),
            _ => QueueError::Store(error),
        };
        let mut connection = Connection::open(path)?;
        // A file that can be damaged must not be written, not even from its log.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.busy_timeout(Duration::from_millis(100))?;
        // Locked until the process ends: two appliances on one file would each send everything.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(in_use)?;
        let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if tables > 0 && (application, version) != (APPLICATION_ID, SCHEMA_VERSION) {
            return Err(QueueError::Foreign(path.to_owned()));
        }
        check_integrity(&connection)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(in_use)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive).map_err(in_use)?;
        if tables == 0 {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        started::prepare(&transaction)?;
        transaction.commit()?;
        Ok(Self(Mutex::new(connection)))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic in another thread has rolled back its transaction.
        self.0.lock()
    }

    fn in_transaction<T>(&self, change: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, QueueError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let result = change(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    /// The number of the next session of `seed`.
    pub fn next_session(&self, seed: u64) -> Result<u64, QueueError> {
        let next =
            self.connection()
                .query_row("SELECT next FROM session WHERE seed = ?", [seed.cast_signed()], |row| row.get::<_, i64>(0));
        Ok(next.optional()?.unwrap_or_default().cast_unsigned())
    }

    /// Records started sessions with consecutive numbers, and their coming steps.
    pub fn start(&self, seed: u64, sessions: &[StartedSession]) -> Result<(), QueueError> {
        let Some(next) = sessions.last().map(|last| (last.number + 1).cast_signed()) else { return Ok(()) };
        let seed = seed.cast_signed();
        self.in_transaction(|transaction| {
            transaction.execute("INSERT OR REPLACE INTO session VALUES (?, ?)", params![seed, next])?;
            for session in sessions {
                started::insert(transaction, &session.occurrence(seed.cast_unsigned()))?;
            }
            let mut insert = transaction
                .prepare_cached("INSERT INTO coming (due, seed, session, step, started) VALUES (?, ?, ?, ?, ?)")?;
            for session in sessions {
                let (number, started) = (session.number.cast_signed(), session.started.cast_signed());
                for (due, step) in session.due.iter().zip(0_i64..) {
                    insert.execute(params![due, seed, number, step, started])?;
                }
            }
            Ok(())
        })
    }

    /// The sessions that have started, oldest first, also those of earlier runs; at most 200,000 of these.
    pub fn started(&self) -> Result<Vec<SessionOccurrence>, QueueError> {
        Ok(started::all(&self.connection())?)
    }

    /// The steps that are due at `now`, ordered by due time; at most 500.
    pub fn due(&self, now: Millis) -> Result<Vec<ComingStep>, QueueError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT id, seed, session, step, started FROM coming WHERE due <= ? ORDER BY due, id LIMIT 500",
        )?;
        let rows = select.query_map([now], |row| {
            Ok(ComingStep {
                id: row.get(0)?,
                seed: row.get::<_, i64>(1)?.cast_unsigned(),
                session: row.get::<_, i64>(2)?.cast_unsigned(),
                step: row.get(3)?,
                started: row.get::<_, i64>(4)?.cast_unsigned(),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Removes steps that have happened, and queues their items.
    pub fn happened(&self, steps: &[ComingStep], items: &[(Lane, Vec<u8>)]) -> Result<(), QueueError> {
        self.in_transaction(|transaction| {
            for step in steps {
                transaction.prepare_cached("DELETE FROM coming WHERE id = ?")?.execute([step.id])?;
            }
            items.iter().try_for_each(|(lane, item)| enqueue(transaction, lane, item))
        })
    }

    /// The first item of a queue.
    pub fn first(&self, lane: &Lane) -> Result<Option<QueuedItem>, QueueError> {
        let connection = self.connection();
        let mut select = connection
            .prepare_cached("SELECT id, item, failing_since FROM queued WHERE lane = ? ORDER BY id LIMIT 1")?;
        let first = select.query_row([lane.as_str()], |row| {
            Ok(QueuedItem { id: row.get(0)?, bytes: row.get::<_, Vec<u8>>(1)?.into(), failing_since: row.get(2)? })
        });
        Ok(first.optional()?)
    }

    /// Records a failed attempt. Only the time of the first is kept.
    pub fn failed(&self, lane: &Lane, item: &QueuedItem, now: Millis) -> Result<(), QueueError> {
        self.in_transaction(|transaction| {
            transaction.execute(
                "UPDATE queued SET failing_since = ? WHERE id = ? AND failing_since IS NULL",
                params![now, item.id],
            )?;
            transaction.execute("INSERT OR IGNORE INTO failing VALUES (?, ?, 0)", params![lane.as_str(), now])?;
            Ok(())
        })
    }

    /// Removes an accepted item. Its recipient is no longer failing.
    pub fn accepted(&self, lane: &Lane, item: &QueuedItem) -> Result<(), QueueError> {
        self.in_transaction(|transaction| {
            transaction.prepare_cached("DELETE FROM queued WHERE id = ?")?.execute([item.id])?;
            transaction.prepare_cached("DELETE FROM failing WHERE lane = ?")?.execute([lane.as_str()])?;
            Ok(())
        })
    }

    /// Removes an item that has failed for too long. Its recipient is still failing.
    pub fn dropped(&self, item: &QueuedItem) -> Result<(), QueueError> {
        self.connection().execute("DELETE FROM queued WHERE id = ?", [item.id])?;
        Ok(())
    }

    /// The failing recipients whose contacts have not been alerted.
    pub fn failing(&self) -> Result<Vec<FailingRecipient>, QueueError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached("SELECT lane, since FROM failing WHERE told = 0")?;
        let rows = select.query_map([], |row| Ok(FailingRecipient { lane: Lane(row.get(0)?), since: row.get(1)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Deletes the failures of all other recipients: they have been disabled or removed since.
    pub fn forget_failing_except(&self, lanes: &[&Lane]) -> Result<(), QueueError> {
        self.in_transaction(|transaction| {
            let known: Vec<String> = transaction
                .prepare("SELECT lane FROM failing")?
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let others = known.into_iter().filter(|known| !lanes.iter().any(|lane| lane.as_str() == known));
            for lane in others {
                transaction.execute("DELETE FROM failing WHERE lane = ?", [lane])?;
            }
            Ok(())
        })
    }

    /// Queues the alert to a recipient's contact. Does nothing if the recipient has recovered.
    pub fn queue_alert(&self, lane: &Lane, email: &[u8]) -> Result<(), QueueError> {
        self.in_transaction(|transaction| {
            match transaction.execute("UPDATE failing SET told = 1 WHERE lane = ? AND told = 0", [lane.as_str()])? {
                0 => Ok(()),
                _ => enqueue(transaction, &Lane::alerts(), email),
            }
        })
    }

    /// The length of each queue that is not empty.
    pub fn lengths(&self) -> Result<BTreeMap<Lane, u64>, QueueError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached("SELECT lane, count(*) FROM queued GROUP BY lane")?;
        let rows = select.query_map([], |row| Ok((Lane(row.get(0)?), row.get::<_, i64>(1)?.unsigned_abs())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn enqueue(transaction: &Transaction, lane: &Lane, item: &[u8]) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached("INSERT INTO queued (lane, item) VALUES (?, ?)")?;
    insert.execute(params![lane.as_str(), item]).map(|_| ())
}
