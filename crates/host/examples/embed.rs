//! Embeds the component in another program: the program receives events on one port and reads the store itself.
//!
//! After `cargo xtask build`: `cargo run --release -p outbound-events-host --example embed`

use std::future::pending;
use std::time::Duration;

use outbound_events_host::guest::{Guest, Limits};
use outbound_events_host::server::{self, Options};
use outbound_events_host::store::KeyValueStore;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let store = KeyValueStore::sqlite("embedded.db")?;
    let component = std::fs::read("target/outbound-events.component.wasm")?;
    let settings = [("ingest_open".to_owned(), "true".to_owned())].into();
    let limits = Limits { instances: 16, ..Limits::default() };
    let guest = Guest::new(&component, store.clone(), settings, limits)?;

    // Clones share one store: this task reads while the guest writes.
    tokio::spawn(async move {
        loop {
            match store.get_keys().await {
                Ok(keys) => println!("{} events so far", keys.len()),
                Err(error) => eprintln!("the store cannot be read: {error}"),
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });

    let listener = TcpListener::bind("127.0.0.1:3001").await?;
    println!("Taking events at http://{}/events", listener.local_addr()?);
    server::serve(listener, guest, Options::default(), pending()).await
}
