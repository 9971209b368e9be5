//! Events are forwarded, whatever the clock reads.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use super::machine::{A_MINUTE, Machine, THREE_MINUTES, ask, now, take, wait_until};
use crate::support::Recipient;
use serde_json::json;

/// The server of a destination: answers each request with a status that a test can change, and records the ids of
/// stored events.
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

    /// The ids of the events answered 200.
    fn taken(&self) -> BTreeSet<String> {
        self.taken.lock().unwrap().clone()
    }
}

/// Answers the requests of a connection until it ends.
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
    let (status, answer) = ask(recipient, "GET", "/api/destinations");
    assert_eq!(status, 200, "{answer}");
    answer["destinations"][0]["state"].as_str().unwrap().to_owned()
}

/// The number of failures of the destination in the log.
fn failures(recipient: &Recipient) -> usize {
    recipient.log().matches("; failure ").count()
}

/// The wait after a failure must not last until the time that the clock showed.
pub(super) fn a_destination_that_failed_while_the_clock_was_ahead_gets_events_once_it_is_right() {
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

/// By the clock, the destination has failed for ten days at its second failure, and three days pause it.
pub(super) fn a_destination_that_failed_while_the_clock_was_behind_is_not_paused_for_that() {
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
