//! A host whose wall clock can be set, and requests to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support;
use crate::support::{OPEN, Recipient, Response, TOKEN};
use serde_json::Value;
use tempfile::TempDir;

pub(super) const READING: &str = "read_tokens=a-token-of-24-characters";

const ADMIN: &str = "admin_tokens=a-token-of-24-characters";

/// The seconds of a day.
pub(super) const DAY: u64 = 24 * 60 * 60;

/// The multi-threaded variant of the library, if it works here. `cargo xtask test` searches the same folders and
/// unpacks the library into the last of them.
pub(super) static LIBFAKETIME: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let unpacked = support::root().join("target/debian/usr/lib");
    let folders = ["/usr/lib".into(), "/usr/lib64".into(), "/usr/local/lib".into(), unpacked];
    // Debian has a folder for each architecture.
    let below = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = folders.into_iter().flat_map(|folder| below(&folder).chain(std::iter::once(folder)));
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| works(library))
});

/// Whether the library changes the clock of a program. The loader ignores a library that it cannot load.
fn works(library: &Path) -> bool {
    let date =
        || Command::new("date").arg("+%Y").env("LD_PRELOAD", library).env("FAKETIME", "2001-02-03 04:05:06").output();
    library.is_file() && date().is_ok_and(|output| output.stdout == b"2001\n")
}

/// A host whose wall clock a test can set.
pub(super) struct Machine {
    pub(super) recipient: Recipient,
    _left: Left,
    pub(super) folder: TempDir,
}

impl Machine {
    /// Starts the host with the right time.
    pub(super) fn start(variables: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path(), "+0");
        let variables = [&[OPEN, READING, ADMIN], variables].concat();
        let recipient = Recipient::start_host(&variables, |mut host| {
            host.env("LD_PRELOAD", LIBFAKETIME.as_ref().unwrap()).env("FAKETIME_TIMESTAMP_FILE", offset(folder.path()));
            // Earlier versions use the second name for the first. The last one keeps the times of files unchanged.
            for set in ["FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC", "FAKETIME_NO_CACHE", "NO_FAKE_STAT"] {
                host.env(set, "1");
            }
            host.env_remove("FAKETIME").env_remove("FAKETIME_SHARED");
            host
        });
        let left = Left(recipient.child.id());
        Self { recipient, _left: left, folder }
    }

    /// Sets the clock to the right time plus an offset: `+0`, `+400d`, or `-10` for seconds.
    pub(super) fn set_clock(&self, by: &str) {
        set(self.folder.path(), by);
    }
}

fn offset(folder: &Path) -> PathBuf {
    folder.join("offset")
}

/// Replaces the file in one step, so that the host never reads half an offset.
fn set(folder: &Path, by: &str) {
    fs::write(folder.join("next"), by).unwrap();
    fs::rename(folder.join("next"), offset(folder)).unwrap();
}

/// Removes shared memory of libfaketime that a killed process left: a later process with the same id would not start.
struct Left(u32);

impl Drop for Left {
    fn drop(&mut self) {
        for name in ["faketime_shm_", "sem.faketime_sem_"] {
            let _ = fs::remove_file(format!("/dev/shm/{name}{}", self.0));
        }
    }
}

/// The right time.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Waits until something happens. The limit is generous: it only ends a failed test.
pub(super) fn wait_until(what: &str, limit: Duration, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < limit, "this never happened: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(super) const A_MINUTE: Duration = Duration::from_secs(60);

/// The host ticks at least each minute, and waits after compaction or a failure.
pub(super) const THREE_MINUTES: Duration = Duration::from_secs(180);

pub(super) fn ask(recipient: &Recipient, method: &str, path: &str) -> (u16, Value) {
    let mut connection = recipient.connect();
    connection.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n\r\n"
    ));
    let response = connection.receive();
    (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
}

/// Sends an event of the site `hq`, which must be stored. Returns its id.
pub(super) fn take(recipient: &Recipient, time: u64, lsid: &str) -> String {
    taken(
        &recipient.post("/events/hq", format!("event=support_conference_begin&version=1&timestamp={time}&lsid={lsid}")),
    )
}

pub(super) fn taken(response: &Response) -> String {
    assert_eq!((response.status, response.result()), (200, "stored"), "{response:?}");
    response.header("event-id").to_owned()
}

/// The ids of all events that readers see.
pub(super) fn event_ids(recipient: &Recipient) -> BTreeSet<String> {
    let (status, events) = ask(recipient, "GET", "/api/events?limit=500");
    assert_eq!(status, 200, "{events}");
    events.as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// Runs compaction, again if it runs out of time.
pub(super) fn pass(recipient: &Recipient) {
    loop {
        let (status, report) = ask(recipient, "POST", "/api/pack");
        assert_eq!(status, 200, "{report}");
        if report["remaining"] == false {
            return;
        }
    }
}

/// The value of a key, read from the file of the store.
pub(super) fn value(recipient: &Recipient, key: &str) -> Value {
    let connection = rusqlite::Connection::open(recipient.store_path()).unwrap();
    let sql = "SELECT value FROM spin_key_value WHERE store = 'default' AND key = ?";
    let value = connection.query_row(sql, [key], |row| row.get::<_, Vec<u8>>(0));
    value.ok().and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default()
}

/// The number of keys with a prefix.
pub(super) fn count(recipient: &Recipient, prefix: &str) -> usize {
    let connection = rusqlite::Connection::open(recipient.store_path()).unwrap();
    let sql = "SELECT count(*) FROM spin_key_value WHERE store = 'default' AND key GLOB ?";
    connection.query_row(sql, [format!("{prefix}*")], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
}
