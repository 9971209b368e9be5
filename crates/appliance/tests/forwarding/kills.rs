//! A host that is killed or stopped loses no event.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use appliance::receive::{Framing, Misbehaviour};
use serde_json::json;

use crate::desk::{SECRET, TestDestination, events, expire_leases, expire_rests, start, status_of, stored_state};
use crate::support::recipient::{Connection, numbered};
use crate::support::{send, wait_until};

/// The receiver's behaviour in each life of the host: correct, with endless bodies, or closing connections at bad
/// moments.
fn behaviour_in(life: u64) -> Misbehaviour {
    let well = Misbehaviour::default();
    match life % 8 {
        1 => Misbehaviour { framing: Framing::HangingBody, ..well },
        2 => Misbehaviour { framing: Framing::ResetAfterHead, ..well },
        3 => Misbehaviour { close_when_asked: true, ..well },
        4 => Misbehaviour { framing: Framing::EndlessChunks, ..well },
        5 => Misbehaviour { close_idle_after: Some(Duration::from_millis(10)), ..well },
        6 => Misbehaviour { framing: Framing::EarlyHints, ..well },
        _ => well,
    }
}

/// To a destination that gets events one by one, and to one that gets batches.
#[test]
fn nothing_is_missing_after_fifty_kills_under_load() {
    let (desk, logs) = (TestDestination::open(&[SECRET]), TestDestination::open(&[SECRET]));
    let mut with_batches = logs.destination("logs");
    with_batches["batch"] = json!({ "max_events": 20, "max_wait_seconds": 0 });
    let mut recipient = start(&json!([desk.destination("desk"), with_batches]));
    let mut answered: BTreeSet<String> = BTreeSet::new();
    let (path, mut number) = (recipient.store_path(), 0);
    for life in 0..50_u64 {
        desk.receiver.behave(behaviour_in(life));
        logs.receiver.behave(behaviour_in(life + 3));
        let over = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let (from, over, address) = (number, Arc::clone(&over), recipient.address);
                number += 1_000_000;
                std::thread::spawn(move || {
                    let mut ids = Vec::new();
                    let Ok(stream) = TcpStream::connect(address) else { return ids };
                    drop(stream);
                    let mut connection = Connection::open(address);
                    for number in from.. {
                        // An event that a kill leaves unanswered does not count.
                        let Ok(response) = connection.try_post("/events/hq", numbered(number)) else { break };
                        assert_eq!(response.status, 200);
                        ids.push(response.header("event-id").to_owned());
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    ids
                })
            })
            .collect();
        // Lives have different lengths, so that kills hit different moments.
        std::thread::sleep(Duration::from_millis(40 + life * 97 % 260));
        recipient = recipient.kill_and_restart_by(|command| {
            expire_leases(&path);
            expire_rests(&path);
            command
        });
        over.store(true, Ordering::Relaxed);
        for sender in senders {
            answered.extend(sender.join().unwrap());
        }
    }
    desk.receiver.behave(Misbehaviour::default());
    logs.receiver.behave(Misbehaviour::default());
    // Counting pending events loads the host, so ask only twice a second.
    wait_until("nothing is pending", || {
        std::thread::sleep(Duration::from_millis(500));
        ["desk", "logs"].iter().all(|name| status_of(&recipient, name)["pending"] == 0)
    });
    for ids in [desk.ids(), logs.ids()] {
        let missing = answered.difference(&ids).count();
        assert_eq!(missing, 0, "of {} that were answered 200", answered.len());
    }
    let most = logs.taken().iter().map(|received| received.events.len()).max();
    assert!(most > Some(1), "no request had several events");
    let (taken, unique) = (desk.taken().len(), desk.ids().len());
    println!("{} answered 200, {unique} delivered, {} of them again", answered.len(), taken - unique);
    assert!(answered.len() > 1_000, "{}", answered.len());
    // A kill repeats at most the events whose receipts were not stored yet.
    assert!(taken - unique <= 50 * 70, "{} came again", taken - unique);
    // Four batches of twenty, and the one under way.
    let again = logs.taken().iter().map(|received| received.ids().count()).sum::<usize>() - logs.ids().len();
    assert!(again <= 50 * 110, "{again} came again in batches");
}

/// Without this, forwarding would rest after each start until the lease of the former process expired.
#[test]
fn a_host_that_is_stopped_during_a_delivery_gives_the_lease_back() {
    for (what, delay) in [("slow", Duration::from_millis(200)), ("hanging", Duration::from_secs(60))] {
        let desk = TestDestination::open(&[]);
        desk.behave(None, delay);
        let mut recipient = start(&json!([desk.destination("desk")]));
        assert_eq!(send(&events(&recipient), &["--sessions", "10"]).code, Some(0));
        wait_until("a run is under way", || stored_state(&recipient.store_path(), "desk")["lease"].is_object());
        let pid = recipient.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(recipient.child.wait().unwrap().success(), "{what}: {}", recipient.log());
        let state = stored_state(&recipient.store_path(), "desk");
        assert!(state.is_object() && state["lease"].is_null(), "{what}: {state}; {}", recipient.log());
    }
}
