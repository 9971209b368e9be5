//! Runs the commands, and makes stores with events.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::host;
use outbound_events_host::store::KeyValueStore;

pub(super) fn store(arguments: &[&str], paths: &[&Path]) -> Output {
    host().arg("store").args(arguments).args(paths).output().unwrap()
}

/// The output of a command that succeeds.
pub(super) fn succeeds(arguments: &[&str], paths: &[&Path]) -> String {
    let output = store(arguments, paths);
    let (says, complains) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{arguments:?}: {complains}");
    says
}

/// The error output of a command that fails.
pub(super) fn fails(arguments: &[&str], paths: &[&Path]) -> String {
    let output = store(arguments, paths);
    let complains = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.status.code().is_some(), "{arguments:?}: {complains}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    complains
}

/// All files in a folder with their content.
pub(super) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Adds megabytes of other data to a store.
pub(super) fn weigh_down(path: &Path, megabytes: usize) {
    drop(KeyValueStore::sqlite(path).unwrap());
    let connection = rusqlite::Connection::open(path).unwrap();
    for n in 0..megabytes {
        let sql = "INSERT INTO spin_key_value VALUES ('another', ?, randomblob(1000000))";
        connection.execute(sql, [format!("weight {n}")]).unwrap();
    }
}

/// Stores loose events of the given ages in seconds.
pub(super) fn filled(path: &Path, seconds: impl Iterator<Item = u64>) -> usize {
    drop(KeyValueStore::sqlite(path).unwrap());
    let connection = rusqlite::Connection::open(path).unwrap();
    let now = chrono::Utc::now();
    let mut count = 0;
    for (n, ago) in seconds.enumerate() {
        let time = now.timestamp() as u64 - ago;
        let form = format!("event=support_conference_begin&version=1&timestamp={time}&lsid={n}");
        let event = outbound_events::parse::parse(form.as_bytes()).unwrap();
        let (key, record) = outbound_events::record::Record::new(event, Default::default(), now);
        let sql = "INSERT INTO spin_key_value VALUES ('default', ?1, ?2)";
        connection.execute(sql, rusqlite::params![key.to_string(), record.to_json().unwrap()]).unwrap();
        count += 1;
    }
    count
}

pub(super) fn keys(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT key FROM spin_key_value ORDER BY key").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}
