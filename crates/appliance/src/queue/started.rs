//! The sessions that have started. An appliance keeps them for its reports, also while it is stopped.

use rusqlite::{Connection, Transaction, params};

use crate::occurrence::SessionOccurrence;

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

/// Adds a session.
pub(super) fn insert(connection: &Connection, session: &SessionOccurrence) -> rusqlite::Result<()> {
    let SessionOccurrence { seed, number, started, first_due, last_due } = session;
    let mut insert = connection
        .prepare_cached("INSERT INTO started (seed, session, started, first_due, last_due) VALUES (?, ?, ?, ?, ?)")?;
    let [seed, number, started] = [seed, number, started].map(|number| number.cast_signed());
    insert.execute(params![seed, number, started, first_due, last_due]).map(|_| ())
}

/// All of them, oldest first.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<SessionOccurrence>> {
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
    rows.collect()
}
