//! The content of a store, read without the recipient.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Read, Write};
use std::path::{Path, PathBuf};

use super::connection::Connection;
use outbound_events::archive::pack::Pack;
use outbound_events::keys::{ForwardKey, PackKey};

pub fn store_path(folder: &Path) -> PathBuf {
    folder.join("sqlite_key_value.db")
}

pub fn stored(path: &Path) -> Vec<(String, Vec<u8>)> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement =
        connection.prepare("SELECT key, value FROM spin_key_value WHERE store = 'default' ORDER BY key").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    unpacked(rows.map(Result::unwrap))
}

/// Packed records appear as if loose.
pub fn unpacked(rows: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let mut stored = BTreeMap::new();
    for (key, value) in rows {
        match key.parse::<PackKey>() {
            Ok(pack) => {
                let entries = Pack::open(&pack, &value).unwrap().all_records().unwrap();
                stored.extend(entries.into_iter().map(|entry| (entry.key.to_string(), entry.value)));
            }
            // Derived from packs, or state of forwarding.
            Err(_) if key.starts_with("index.") || key.starts_with("lease.") => {}
            Err(_) if key.parse::<ForwardKey>().is_ok() => {}
            Err(_) => _ = stored.insert(key, value),
        }
    }
    stored.into_iter().collect()
}
