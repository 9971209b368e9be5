//! The sessions that have started. An appliance keeps them for its reports, also while it is stopped.

use rusqlite::{Connection, Transaction, params};

use crate::occurrence::SessionOccurrence;

use super::error::QueueError;
use super::{Queues, StartedSession};

/// Files of earlier versions lack this table.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS started (
        id INTEGER PRIMARY KEY, seed INTEGER NOT NULL, session INTEGER NOT NULL, started INTEGER NOT NULL,
        first_due INTEGER NOT NULL, last_due INTEGER NOT NULL);
";

/// The most sessions that are kept: 200,000. The oldest go first.
const MOST_SESSIONS: i64 = 200_000;

/// Creates the table, and removes sessions beyond [`MOST_SESSIONS`].
pub(super) fn prepare(transaction: &Transaction) -> rusqlite::Result<()> {
    transaction.execute_batch(SCHEMA)?;
    transaction.execute("DELETE FROM started WHERE id <= (SELECT max(id) FROM started) - ?", [MOST_SESSIONS])?;
    Ok(())
}

/// Adds sessions.
pub(super) fn insert(connection: &Connection, seed: i64, sessions: &[StartedSession]) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT INTO started (seed, session, started, first_due, last_due) VALUES (?, ?, ?, ?, ?)")?;
    for session in sessions {
        let (number, started) = (session.number.cast_signed(), session.started.cast_signed());
        insert.execute(params![seed, number, started, session.due.first(), session.due.last()])?;
    }
    Ok(())
}

impl Queues {
    /// The sessions that have started, oldest first, also those of earlier runs.
    pub fn started(&self) -> Result<Vec<SessionOccurrence>, QueueError> {
        let connection = self.connection();
        let mut select =
            connection.prepare("SELECT seed, session, started, first_due, last_due FROM started ORDER BY id")?;
        let rows = select.query_map([], |row| {
            Ok(SessionOccurrence {
                seed: row.get::<_, i64>(0)?.cast_unsigned(),
                number: row.get::<_, i64>(1)?.cast_unsigned(),
                started: row.get::<_, i64>(2)?.cast_unsigned(),
                first_due: row.get(3)?,
                last_due: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl StartedSession {
    /// The session in time. `seed` is the seed that it was generated from.
    pub fn occurrence(&self, seed: u64) -> SessionOccurrence {
        let [first_due, last_due] = [self.due.first(), self.due.last()].map(|due| due.copied().unwrap_or_default());
        SessionOccurrence { seed, number: self.number, started: self.started, first_due, last_due }
    }
}
