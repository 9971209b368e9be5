//! The host on a machine whose clock is wrong, or is set while the host runs: nothing that was answered 200 is lost, hidden or deleted.
//!
//! libfaketime gives the host a wall clock of its own: the machine's plus an offset. It reads the offset from a file at each reading of the
//! clock, so a test sets the clock by writing the file. The monotonic clock stays the machine's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
#[path = "support/trials.rs"]
mod trials;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use support::{Connection, OPEN, Recipient, Response, TOKEN, numbered, stored};
use tempfile::TempDir;
use trials::{Promise, promises};

const READING: &str = "read_tokens=a-token-of-24-characters";
const ADMIN: &str = "admin_tokens=a-token-of-24-characters";

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

const WITH_A_WRONG_CLOCK: &[Promise<fn()>] = promises![
    one_pass_on_a_clock_that_is_400_days_ahead_deletes_nothing,
    an_event_of_2001_that_arrives_now_is_kept_for_as_long_as_one_of_today,
    a_session_that_was_recorded_while_the_clock_was_ahead_is_erased,
    a_session_that_was_recorded_before_the_clock_stepped_back_is_erased,
    a_session_that_was_erased_while_the_clock_was_ahead_takes_new_events,
    a_destination_that_failed_while_the_clock_was_ahead_is_sent_to_once_it_is_right,
    packing_goes_on_after_a_pass_while_the_clock_was_ahead,
    a_destination_that_failed_while_the_clock_was_behind_is_not_paused_for_that,
];

/// These need no libfaketime: the clock of the appliance is wrong, not the host's.
const WITH_A_RIGHT_CLOCK: &[Promise<fn()>] =
    promises![an_event_from_the_future_makes_no_site_look_alive_and_is_told_of];

fn main() -> ExitCode {
    let missing = LIBFAKETIME.is_none().then_some("libfaketime is not installed");
    let wrong = WITH_A_WRONG_CLOCK.iter().map(|promise| (*promise, missing));
    trials::run_here(wrong.chain(WITH_A_RIGHT_CLOCK.iter().map(|promise| (*promise, None))))
}

/// The library, if it works here, in the variant for programs with many threads. `cargo xtask test` looks in the same folders, and unpacks
/// the library into the last of them.
static LIBFAKETIME: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let unpacked = support::root().join("target/debian/usr/lib");
    let folders = ["/usr/lib".into(), "/usr/lib64".into(), "/usr/local/lib".into(), unpacked];
    // Debian has a folder for each architecture.
    let below = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = folders.into_iter().flat_map(|folder| below(&folder).chain(std::iter::once(folder)));
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| works(library))
});

/// Whether the library changes a program's clock. The loader ignores a library that it cannot load, and runs the program without it.
fn works(library: &Path) -> bool {
    let date =
        || Command::new("date").arg("+%Y").env("LD_PRELOAD", library).env("FAKETIME", "2001-02-03 04:05:06").output();
    library.is_file() && date().is_ok_and(|output| output.stdout == b"2001\n")
}

/// A host whose wall clock a test can set.
struct Machine {
    recipient: Recipient,
    _left: Left,
    folder: TempDir,
}

impl Machine {
    /// Starts the host with the right time.
    fn start(variables: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path(), "+0");
        let variables = [&[OPEN, READING, ADMIN], variables].concat();
        let recipient = Recipient::start_host(&variables, |mut host| {
            host.env("LD_PRELOAD", LIBFAKETIME.as_ref().unwrap()).env("FAKETIME_TIMESTAMP_FILE", offset(folder.path()));
            // Earlier versions know the first by the second name. The last leaves the times of files as they are.
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
    fn set_clock(&self, by: &str) {
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

/// Removes what libfaketime leaves in shared memory when a process is killed: with it, a later process of the same number would not start.
struct Left(u32);

impl Drop for Left {
    fn drop(&mut self) {
        for name in ["faketime_shm_", "sem.faketime_sem_"] {
            let _ = fs::remove_file(format!("/dev/shm/{name}{}", self.0));
        }
    }
}

/// The right time.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Waits for what must happen. The limit is generous: it ends a test that would never end.
fn wait_until(what: &str, limit: Duration, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < limit, "this never happened: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

const A_MINUTE: Duration = Duration::from_secs(60);

/// The host does what is due at least each minute, and rests after a pass or a failure.
const THREE_MINUTES: Duration = Duration::from_secs(180);

fn ask(recipient: &Recipient, method: &str, path: &str) -> (u16, Value) {
    let mut connection = recipient.connect();
    connection.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n\r\n"
    ));
    let response = connection.receive();
    (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
}

/// Sends an event of the site `hq`, which must be stored, and gives its id.
fn take(recipient: &Recipient, time: u64, lsid: &str) -> String {
    taken(
        &recipient.post("/events/hq", format!("event=support_conference_begin&version=1&timestamp={time}&lsid={lsid}")),
    )
}

fn taken(response: &Response) -> String {
    assert_eq!((response.status, response.result()), (200, "stored"), "{response:?}");
    response.header("event-id").to_owned()
}

/// The ids of all events that readers see.
fn read(recipient: &Recipient) -> BTreeSet<String> {
    let (status, events) = ask(recipient, "GET", "/api/events?limit=500");
    assert_eq!(status, 200, "{events}");
    events.as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// Runs one pass, or more where the first runs out of time.
fn pass(recipient: &Recipient) {
    loop {
        let (status, report) = ask(recipient, "POST", "/api/pack");
        assert_eq!(status, 200, "{report}");
        if report["remaining"] == false {
            return;
        }
    }
}

/// Retention must not trust one wrong reading of the clock, whether or not earlier passes read the right time.
fn one_pass_on_a_clock_that_is_400_days_ahead_deletes_nothing() {
    for passes_before in [0, 2] {
        let machine = Machine::start(&["retention_days=30"]);
        let recipient = &machine.recipient;
        let mut ids: BTreeSet<_> = (0..20).map(|n| take(recipient, now(), &format!("{n:032x}"))).collect();
        (0..passes_before).for_each(|_| pass(recipient));
        machine.set_clock("+400d");
        pass(recipient);
        assert_eq!(read(recipient), ids, "while the clock is ahead, after {passes_before} passes before");
        machine.set_clock("+0");
        assert_eq!(read(recipient), ids, "after {passes_before} passes before");
        ids.insert(take(recipient, now(), "a-session"));
        assert_eq!(read(recipient), ids);
        pass(recipient);
        assert_eq!(read(recipient), ids);
    }
}

/// An appliance without a clock sends old times: the age of such an event counts from its arrival, and retention deletes it in the end.
fn an_event_of_2001_that_arrives_now_is_kept_for_as_long_as_one_of_today() {
    let machine = Machine::start(&["retention_days=30"]);
    let recipient = &machine.recipient;
    let mut ids = BTreeSet::from([take(recipient, now(), "first")]);
    (0..2).for_each(|_| pass(recipient));
    ids.insert(take(recipient, 1_000_000_000, "old"));
    assert_eq!(read(recipient), ids);
    for _ in 0..2 {
        pass(recipient);
        assert_eq!(read(recipient), ids);
    }
    machine.set_clock("+32d");
    let last = take(recipient, now() + 32 * DAY, "last");
    (0..3).for_each(|_| pass(recipient));
    assert_eq!(read(recipient), [last].into(), "32 days later, what is 30 days old is gone");
}

/// By the right clock, the records of the session come from the future.
fn a_session_that_was_recorded_while_the_clock_was_ahead_is_erased() {
    is_erased("+1h", "+0");
}

/// The same by a few seconds, as when a time daemon steps a clock back.
fn a_session_that_was_recorded_before_the_clock_stepped_back_is_erased() {
    is_erased("+0", "-10");
}

/// Records a session by one clock and erases it by another, once with loose records and once with packed ones.
fn is_erased(recorded: &str, erased: &str) {
    for packs in [false, true] {
        // The host itself does not pack so few events, so no pass of its own runs beside the removal.
        let machine = Machine::start(&[]);
        let recipient = &machine.recipient;
        machine.set_clock(recorded);
        let time = now();
        (0..5).for_each(|n| _ = take(recipient, time + n, "erased"));
        let other = take(recipient, time, "other");
        if packs {
            let mut pack = support::host();
            pack.args(["store", "pack", "--loose-events", "1"]).arg(recipient.store_path());
            assert!(support::succeeds(&mut pack));
            assert!(count(recipient, "pack.") > 0);
        }
        machine.set_clock(erased);
        let session = "/api/sessions/hq/erased";
        assert_eq!(ask(recipient, "GET", session).0, 200);
        let (status, removed) = ask(recipient, "DELETE", session);
        assert_eq!((status, &removed["events"], &removed["remaining"]), (200, &json!(5), &json!(false)), "{removed}");
        assert_eq!(ask(recipient, "GET", session).0, 404);
        assert_eq!(read(recipient), [other].into(), "and nothing else is gone");
        let left =
            recipient.stored().into_iter().filter(|(key, _)| key.starts_with("event.") && key.contains(".erased."));
        assert_eq!(left.count(), 0, "its bytes are gone too");
    }
}

/// The tombstone of a clock that was ahead must not cover events that arrive after it.
fn a_session_that_was_erased_while_the_clock_was_ahead_takes_new_events() {
    let machine = Machine::start(&[]);
    let recipient = &machine.recipient;
    machine.set_clock("+400d");
    let time = now();
    take(recipient, time, "session");
    let session = "/api/sessions/hq/session";
    let (status, removed) = ask(recipient, "DELETE", session);
    assert_eq!((status, &removed["remaining"]), (200, &json!(false)), "{removed}");
    assert_eq!(ask(recipient, "GET", session).0, 404);
    machine.set_clock("+0");
    // A new one, and the one that was erased, sent once more.
    let ids = [take(recipient, time + 1, "session"), take(recipient, time, "session")].into();
    let is_shown = || {
        assert_eq!(read(recipient), ids);
        let (status, shown) = ask(recipient, "GET", session);
        assert_eq!((status, shown["events"].as_array().map(Vec::len)), (200, Some(2)), "{shown}");
        let (status, all) = ask(recipient, "GET", "/api/sessions");
        assert_eq!((status, all["sessions"].as_array().map(Vec::len)), (200, Some(1)), "{all}");
    };
    is_shown();
    pass(recipient);
    is_shown();
}

/// A destination's receiver: answers each request with one status, which a test can change, and keeps the ids of what it took.
struct Desk {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    taken: Arc<Mutex<BTreeSet<String>>>,
}

impl Desk {
    fn open(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (status, taken) = (Arc::new(AtomicU16::new(status)), Arc::default());
        let desk = Self { address, status: Arc::clone(&status), taken: Arc::clone(&taken) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, status, taken) = (stream.unwrap(), Arc::clone(&status), Arc::clone(&taken));
                std::thread::spawn(move || answer(&stream, &status, &taken));
            }
        });
        desk
    }

    fn setting(&self) -> String {
        let destinations = json!([{ "name": "desk", "url": format!("http://{}/in", self.address) }]);
        format!("destinations={destinations}")
    }

    fn answer_from_now_on(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The ids of the events that it answered with 200.
    fn taken(&self) -> BTreeSet<String> {
        self.taken.lock().unwrap().clone()
    }
}

/// Answers the requests of a connection, up to its end.
fn answer(stream: &TcpStream, status: &AtomicU16, taken: &Mutex<BTreeSet<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut id, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
            let line = line.trim_end().to_lowercase();
            match line.split_once(": ") {
                Some(("webhook-id", value)) => id = value.to_owned(),
                Some(("content-length", value)) => length = value.parse().unwrap(),
                _ if line.is_empty() => break,
                _ => {}
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        let status = status.load(Ordering::SeqCst);
        if status == 200 {
            taken.lock().unwrap().insert(id);
        }
        let mut writer = stream;
        writer.write_all(format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n").as_bytes()).ok()?;
    }
}

/// `working`, `failing` or `paused`.
fn state(recipient: &Recipient) -> String {
    let (status, told) = ask(recipient, "GET", "/api/destinations");
    assert_eq!(status, 200, "{told}");
    told["destinations"][0]["state"].as_str().unwrap().to_owned()
}

/// How many failures of the destination the host has logged.
fn failures(recipient: &Recipient) -> usize {
    recipient.log().matches("; failure ").count()
}

/// The wait after the failure must not last until the year that the clock showed.
fn a_destination_that_failed_while_the_clock_was_ahead_is_sent_to_once_it_is_right() {
    let desk = Desk::open(503);
    let machine = Machine::start(&[&desk.setting()]);
    let recipient = &machine.recipient;
    machine.set_clock("+400d");
    let mut ids: BTreeSet<_> = (0..5).map(|n| take(recipient, now(), &format!("ahead-{n}"))).collect();
    wait_until("it fails", A_MINUTE, || failures(recipient) > 0);
    assert_eq!(state(recipient), "failing");
    desk.answer_from_now_on(200);
    machine.set_clock("+0");
    ids.extend((0..5).map(|n| take(recipient, now(), &format!("right-{n}"))));
    wait_until("all of it arrives", A_MINUTE, || desk.taken() == ids);
    wait_until("it is said to work", A_MINUTE, || state(recipient) == "working");
}

/// By the two readings of the clock, the destination has failed for ten days at its second failure, and three days pause it.
fn a_destination_that_failed_while_the_clock_was_behind_is_not_paused_for_that() {
    let desk = Desk::open(503);
    let machine = Machine::start(&[&desk.setting()]);
    let recipient = &machine.recipient;
    machine.set_clock("-10d");
    let id = take(recipient, now(), "session");
    wait_until("it fails", A_MINUTE, || failures(recipient) > 0);
    let before = failures(recipient);
    machine.set_clock("+0");
    wait_until("it fails by the right clock", A_MINUTE, || failures(recipient) > before);
    assert_eq!(state(recipient), "failing", "{}", recipient.log());
    desk.answer_from_now_on(200);
    // The wait after a second failure is half a minute, and after a third two minutes.
    wait_until("the event arrives", THREE_MINUTES, || desk.taken() == [id.clone()].into());
}

/// The value of a key, read from the file of the store.
fn value(recipient: &Recipient, key: &str) -> Value {
    let connection = rusqlite::Connection::open(recipient.store_path()).unwrap();
    let sql = "SELECT value FROM spin_key_value WHERE store = 'default' AND key = ?";
    let value = connection.query_row(sql, [key], |row| row.get::<_, Vec<u8>>(0));
    value.ok().and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default()
}

/// How many keys of the store begin with a prefix.
fn count(recipient: &Recipient, prefix: &str) -> usize {
    let connection = rusqlite::Connection::open(recipient.store_path()).unwrap();
    let sql = "SELECT count(*) FROM spin_key_value WHERE store = 'default' AND key GLOB ?";
    connection.query_row(sql, [format!("{prefix}*")], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
}

/// The lease of a pass must not keep other passes away until the day that the clock showed.
fn packing_goes_on_after_a_pass_while_the_clock_was_ahead() {
    let machine = Machine::start(&["loose_events=16"]);
    let recipient = &machine.recipient;
    let mut connection = recipient.connect();
    // A pass runs after those whose ids say so, and their ids are the same in each run.
    let mut send = |numbers: std::ops::Range<usize>| {
        numbers.for_each(|n| _ = taken(&connection.post("/events/hq", numbered(n))));
    };
    machine.set_clock("+400d");
    send(0..200);
    let is_ahead = || {
        let at = value(recipient, "lease.pass")["at"].as_u64().unwrap_or(0);
        at / 1_000 > now() + 399 * DAY
    };
    wait_until("a pass packs", THREE_MINUTES, || count(recipient, "pack.") > 0 && is_ahead());
    machine.set_clock("+0");
    send(200..600);
    // 16 may stay loose, and a pass is due when there are 8 more.
    wait_until("the others are packed", THREE_MINUTES, || count(recipient, "event.") < 16 + 8);
    let events = stored(&recipient.store_path()).into_iter().filter(|(key, _)| key.starts_with("event."));
    assert_eq!(events.count(), 600, "none is lost");
}

/// A page of the host's metrics.
fn metrics(recipient: &Recipient) -> String {
    let log = recipient.log();
    let address = log.rsplit("metrics are at http://").next().and_then(|said| said.split('/').next());
    let mut connection =
        Connection::to(address.and_then(|address| address.parse().ok()).expect("the log names no address"));
    connection.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    connection.receive().text()
}

/// When the last event of the site was taken according to the metrics, in seconds from now.
fn last_event(recipient: &Recipient) -> f64 {
    let page = metrics(recipient);
    let name = "outbound_events_last_event_timestamp_seconds{site=\"hq\"} ";
    let time: f64 = page.lines().find_map(|line| line.strip_prefix(name)).expect(&page).parse().unwrap();
    time - now() as f64
}

/// An appliance's clock is ten days ahead: if it falls silent, that must show at once and not in ten days.
fn an_event_from_the_future_makes_no_site_look_alive_and_is_told_of() {
    let with_metrics = |mut host: Command| {
        host.args(["--metrics", "127.0.0.1:0"]);
        host
    };
    let recipient = Recipient::start_host(&[OPEN, READING], with_metrics);
    let ids = [take(&recipient, now() + 10 * DAY, "ahead"), take(&recipient, now(), "right")].into();
    let is_told = |recipient: &Recipient| {
        assert!(last_event(recipient).abs() < 3600.0, "{}", metrics(recipient));
        let fault = "outbound_events_clock_fault{site=\"hq\",fault=\"event-ahead\"} 1";
        wait_until("the fault is told", THREE_MINUTES, || metrics(recipient).lines().any(|line| line == fault));
        let (status, health) = ask(recipient, "GET", "/health");
        assert_eq!((status, &health["ready"]), (200, &json!(true)), "{health}");
        assert!(health["detail"].as_str().is_some_and(|detail| detail.contains("clock")), "{health}");
        assert_eq!(read(recipient), ids);
    };
    is_told(&recipient);
    is_told(&recipient.kill_and_restart_by(with_metrics));
}
