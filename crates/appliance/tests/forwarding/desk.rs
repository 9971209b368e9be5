//! A destination for tests, and recipients that forward to it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use appliance::receive::{EmulatedReceiver, Misbehaviour, Received, ReceiverAccess};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::support::recipient::{Kind, OPEN, Recipient, TOKEN};

pub const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u";
pub const READING: &str = "read_tokens=a-token-of-24-characters";
pub const ADMIN: &str = "admin_tokens=a-token-of-24-characters";

/// A receiver on threads of its own, with all requests that it has received.
pub struct TestDestination {
    pub address: SocketAddr,
    pub receiver: EmulatedReceiver,
    got: Arc<Mutex<Vec<Received>>>,
    _runtime: Runtime,
}

impl TestDestination {
    /// Starts a receiver for anyone that verifies with these secrets.
    pub fn open(secrets: &[&str]) -> Self {
        Self::open_with(secrets, ReceiverAccess::Open)
    }

    /// Starts a receiver for those who have access.
    pub fn open_with(secrets: &[&str], access: ReceiverAccess) -> Self {
        let runtime = Runtime::new().unwrap();
        let got: Arc<Mutex<Vec<Received>>> = Arc::default();
        let ledger = Arc::clone(&got);
        let secrets = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        let receiver = EmulatedReceiver::with_access(secrets, access, Misbehaviour::default(), move |received| {
            ledger.lock().unwrap().push(received)
        });
        let receiver = receiver.unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(receiver.clone().serve(listener));
        Self { address, receiver, got, _runtime: runtime }
    }

    pub fn behave(&self, status: Option<u16>, delay: Duration) {
        let status = status.map(|status| StatusCode::from_u16(status).unwrap());
        self.receiver.behave(Misbehaviour { status, delay, ..Misbehaviour::default() });
    }

    /// The configuration of this destination.
    pub fn destination(&self, name: &str) -> Value {
        json!({ "name": name, "url": format!("http://{}/in", self.address), "secret": SECRET })
    }

    /// All requests, in order.
    pub fn received(&self) -> Vec<Received> {
        self.got.lock().unwrap().clone()
    }

    /// The requests that were answered 2xx, in order.
    pub fn taken(&self) -> Vec<Received> {
        self.got.lock().unwrap().iter().filter(|received| received.status.is_success()).cloned().collect()
    }

    /// The ids of the accepted events.
    pub fn ids(&self) -> BTreeSet<String> {
        self.taken().iter().flat_map(|received| received.ids().map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}

pub fn setting(destinations: &Value) -> String {
    format!("destinations={destinations}")
}

pub fn start(destinations: &Value) -> Recipient {
    Recipient::start(Kind::Host, &[OPEN, READING, ADMIN, &setting(destinations)])
}

pub fn events(recipient: &Recipient) -> String {
    format!("http://{}/events/hq", recipient.address)
}

pub fn api(recipient: &Recipient, method: &str, path: &str) -> (u16, Value) {
    let mut connection = recipient.connect();
    connection.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n\r\n"
    ));
    let response = connection.receive();
    (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
}

/// The status of a destination from the API.
pub fn status_of(recipient: &Recipient, name: &str) -> Value {
    let all = api(recipient, "GET", "/api/destinations").1;
    let shown = all["destinations"].as_array().unwrap().iter().find(|shown| shown["name"] == name);
    shown.unwrap().clone()
}

/// The stored state of a destination: its lease, its failures and its next attempt.
pub fn stored_state(path: &Path, name: &str) -> Value {
    let store = rusqlite::Connection::open(path).unwrap();
    let state = "SELECT CAST(value AS TEXT) FROM spin_key_value WHERE key = ?1";
    let text: String = store.query_row(state, [format!("round.{name}")], |row| row.get(0)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Removes the waits for next attempts, as if time had passed.
pub fn expire_rests(path: &Path) {
    remove_from_states(path, "rest");
}

/// Removes the leases of delivery runs, as if time had passed.
pub fn expire_leases(path: &Path) {
    remove_from_states(path, "lease");
}

fn remove_from_states(path: &Path, what: &str) {
    let store = rusqlite::Connection::open(path).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    let remove = "UPDATE spin_key_value SET value = CAST(json_remove(CAST(value AS TEXT), ?1) AS BLOB)
        WHERE key LIKE 'round.%' AND json_extract(CAST(value AS TEXT), ?1) IS NOT NULL";
    store.execute(remove, [format!("$.{what}")]).unwrap();
}
