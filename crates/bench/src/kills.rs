//! Kills a host repeatedly under load, and compares the store with a ledger of the events that were answered 200.
//!
//! Like an appliance, a sender repeats an event without a 200 after the host's next start. In the end the store must
//! contain each event that was answered 200 exactly once, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;
use outbound_events::archive::pack::Pack;
use outbound_events::keys::{LEASE, PackKey};
use outbound_events::record::Record;
use parking_lot::Mutex;
use rusqlite::Connection as Database;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};

use crate::contender::{Contender, ContenderKind, folder, store_path};
use crate::event;
use crate::load::{EventAnswer, LoadConnection};

/// The number of senders.
const SENDERS: u64 = 16;

/// The comparison of ledger and store.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KillLedger {
    /// The number of kills.
    pub kills: u64,
    /// Events that were answered 200.
    pub acknowledged: u64,
    /// Events that were stored, killed before their 200, and duplicates when repeated.
    pub unanswered: u64,
    /// Events that were answered 200 and are missing in the store.
    pub lost: u64,
    /// Records in the store, loose or packed, without an event that was answered 200.
    pub doubled: u64,
}

/// The progress of the senders. Sender `n` sends the numbers `n`, `n + SENDERS`, and so on.
#[derive(Debug)]
struct Senders {
    acknowledged: BTreeSet<u64>,
    /// Of the acknowledged events, those answered `duplicate`.
    duplicates: u64,
    /// The next number of each sender.
    next: Vec<u64>,
}

/// Kills the host `kills` times under load, each time after another number of answers. Calls `killed` after each.
pub async fn kill_repeatedly(kills: u64, mut killed: impl FnMut()) -> Result<KillLedger> {
    let senders =
        Arc::new(Mutex::new(Senders { acknowledged: BTreeSet::new(), duplicates: 0, next: (0..SENDERS).collect() }));
    let mut state = folder()?;
    for number in 0..kills {
        let host = Contender::start_in(state, ContenderKind::Host, format!("host number {number}"))?;
        // Kill after a number of answers, not after a time: from the first answer to the middle of the load.
        let (enough, answers) = (1 + number * 37 % 400, Arc::new(Semaphore::new(0)));
        let mut load = send_until_it_fails(&host, &senders, &answers);
        let _counted = tokio::select! {
            counted = answers.acquire_many(enough as u32) => counted?,
            Some(ended) = load.join_next() => {
                ended?;
                anyhow::bail!("a sender got no answer before the kill; the host's log: {}", host.log_tail());
            }
        };
        // On another thread, so that the senders go on until the host has ended.
        state = spawn_blocking(|| host.kill()).await??;
        load.join_all().await;
        killed();
    }
    let host = Contender::start_in(state, ContenderKind::Host, "the last host".to_owned())?;
    send_the_rest(&host, &senders).await?;
    let state = host.kill()?;
    let Senders { acknowledged, duplicates, .. } = &*senders.lock();
    let expected = acknowledged.iter().map(|number| Ok(event::stored(*number)?.0.to_string()));
    let expected: BTreeSet<_> = expected.collect::<Result<_>>()?;
    let stored = stored_keys(&Database::open(store_path(state.path()))?)?;
    Ok(KillLedger {
        kills,
        acknowledged: acknowledged.len() as u64,
        unanswered: *duplicates,
        lost: expected.difference(&stored).count() as u64,
        doubled: stored.difference(&expected).count() as u64,
    })
}

/// Each sender ends at its first event without a 200, which stays its next one. `answers` counts the answered events.
fn send_until_it_fails(host: &Contender, senders: &Arc<Mutex<Senders>>, answers: &Arc<Semaphore>) -> JoinSet<()> {
    let mut load = JoinSet::new();
    for sender in 0..SENDERS as usize {
        let (address, senders, answers) = (host.address(), Arc::clone(senders), Arc::clone(answers));
        load.spawn(async move {
            let Ok(mut connection) = LoadConnection::open(address).await else { return };
            loop {
                let Some(number) = senders.lock().next.get(sender).copied() else { return };
                let Ok(answer) = connection.post(event::form(number)).await else { return };
                if answer.status != StatusCode::OK {
                    return;
                }
                senders.lock().acknowledge(sender, &answer);
                answers.add_permits(1);
            }
        });
    }
    load
}

async fn send_the_rest(host: &Contender, senders: &Mutex<Senders>) -> Result<()> {
    let mut connection = LoadConnection::open(host.address()).await?;
    let rest = senders.lock().next.clone();
    for (sender, number) in rest.into_iter().enumerate() {
        let answer = connection.post(event::form(number)).await?;
        ensure!(answer.status == StatusCode::OK, "an event was answered {} after the last kill", answer.status);
        senders.lock().acknowledge(sender, &answer);
    }
    Ok(())
}

impl Senders {
    fn acknowledge(&mut self, sender: usize, answer: &EventAnswer) {
        self.duplicates += u64::from(answer.result.as_deref() == Some("duplicate"));
        if let Some(next) = self.next.get_mut(sender) {
            self.acknowledged.insert(*next);
            *next += SENDERS;
        }
    }
}

/// The keys of all events in a store, loose and packed. An error if the file or a record is damaged.
fn stored_keys(store: &Database) -> Result<BTreeSet<String>> {
    let check: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(check == "ok", "the file is damaged: {check}");
    let mut statement = store.prepare("SELECT key, value, store FROM spin_key_value")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, String>(2)?)))?;
    let mut keys = BTreeSet::new();
    for row in rows {
        let (key, value, store): (String, _, _) = row?;
        ensure!(store == "default", "{key} is in the store {store}");
        if let Ok(pack) = key.parse::<PackKey>() {
            let entries = Pack::open(&pack, &value).and_then(|pack| pack.all_records()).with_context(|| key.clone())?;
            keys.extend(entries.into_iter().map(|entry| entry.key.to_string()));
        } else if !key.starts_with("index.") && key != LEASE {
            let record: Record =
                serde_json::from_slice(&value).with_context(|| format!("the value of {key} is not a record"))?;
            ensure!(key.ends_with(&record.id), "{key} has the record of {}", record.id);
            keys.insert(key);
        }
    }
    Ok(keys)
}
