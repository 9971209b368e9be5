//! Secrets are not shown.

use std::time::Duration;

use appliance::receive::ReceiverAccess;
use serde_json::json;

use crate::desk::{ADMIN, READING, SECRET, TestDestination, api, setting, status_of};
use crate::support::recipient::{OPEN, Recipient, numbered};
use crate::support::wait_until;

#[test]
fn no_secret_is_in_the_log_an_answer_or_the_store() {
    let desk = TestDestination::open(&[]);
    let access = ReceiverAccess::oauth2("desk", "XYZZY-client", Duration::from_secs(3600));
    let tokens = TestDestination::open_with(&[], access);
    let with_tokens = |path: &str| format!("http://{}{path}", tokens.address);
    let url = format!("http://{}/services/XYZZY-path?key=XYZZY-query", desk.address);
    let header = json!({ "authorization": "Bearer XYZZY-header" });
    let destinations = json!([
        { "name": "desk", "url": url, "secret": SECRET, "headers": header },
        { "name": "gone", "url": "http://127.0.0.1:9/XYZZY-closed", "headers": header },
        { "name": "puller", "format": "pull", "secret": SECRET },
        { "name": "typed", "url": "http://127.0.0.1:9/in", "auth": { "basic": { "username": "a", "password": "XYZZY-password" } } },
        { "name": "bearer", "url": "http://127.0.0.1:9/in", "auth": { "bearer": "XYZZY-bearer" } },
        { "name": "tokens", "url": with_tokens("/in"), "auth": { "oauth2": {
            "token_url": with_tokens("/oauth2/token?key=XYZZY-query"), "client_id": "desk", "client_secret": "XYZZY-client",
        } } },
    ]);
    let recipient = Recipient::start_host(&[OPEN, READING, ADMIN, &setting(&destinations)], |mut command| {
        command.env("RUST_LOG", "trace");
        command
    });
    recipient.post("/events/hq", numbered(1));
    wait_until("it arrives", || desk.taken().len() == 1);
    assert_eq!(desk.taken()[0].headers["authorization"], "Bearer XYZZY-header");
    desk.behave(Some(400), Duration::ZERO);
    recipient.post("/events/hq", numbered(2));
    wait_until("it is refused", || status_of(&recipient, "desk")["refused"] == 1);
    wait_until("it has a token", || !tokens.taken().is_empty());
    wait_until("the other fails", || status_of(&recipient, "gone")["state"] == "failing");
    let mut shown = recipient.log();
    for path in ["/api/destinations", "/api/destinations/desk/refused", "/api/stats", "/health"] {
        shown += &api(&recipient, "GET", path).1.to_string();
    }
    let store = rusqlite::Connection::open(recipient.store_path()).unwrap();
    let mut statement = store.prepare("SELECT key || ' ' || CAST(value AS TEXT) FROM spin_key_value").unwrap();
    for row in statement.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        shown += &row.unwrap();
    }
    assert!(shown.contains("round.desk"));
    let issued = tokens.taken()[0].headers["authorization"].to_str().unwrap().replace("Bearer ", "");
    for secret in ["XYZZY", SECRET, "MDEyMzQ1Njc4OWFi", "YTpYWVpaWS1wYXNzd29yZA", &issued] {
        assert!(!shown.contains(secret), "{secret} is shown: {shown}");
    }
}
