//! A host that is killed again and again under load, and a ledger of what it answered 200.
//!
//! A sender does as an appliance: what was not answered 200 it sends again, after the host's next start. In the end each event
//! that was answered 200 must be in the store, once, and nothing else.

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

use crate::contender::{Contender, Kind, folder, store_path};
use crate::event;
use crate::load::{Answer, Connection};

/// How many senders there are.
const SENDERS: u64 = 16;

/// What the ledger and the store say in the end.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// How often the host was killed.
    pub kills: u64,
    /// Events that were answered 200.
    pub acknowledged: u64,
    /// Those whose first 200 a kill took away: they were stored, and duplicates when they were sent again.
    pub unanswered: u64,
    /// Events that were answered 200 and are not in the store.
    pub lost: u64,
    /// Records in the store, loose or packed, that are not of an event that was answered 200.
    pub doubled: u64,
}

/// Where the senders stand. Each sends the numbers that leave its own remainder.
#[derive(Debug)]
struct Senders {
    acknowledged: BTreeSet<u64>,
    /// How many of those were answered `duplicate`.
    duplicates: u64,
    /// The next number of each.
    next: Vec<u64>,
}

/// Kills the host `kills` times under load, each time after another number of answers. `killed` is told of each.
pub async fn kill(kills: u64, mut killed: impl FnMut()) -> Result<Ledger> {
    let senders =
        Arc::new(Mutex::new(Senders { acknowledged: BTreeSet::new(), duplicates: 0, next: (0..SENDERS).collect() }));
    let mut state = folder()?;
    for number in 0..kills {
        let host = Contender::start_in(state, Kind::Host, format!("host number {number}"))?;
        // From the very first answer to well within a load: no two lives are alike, and none ends by a clock.
        let (enough, answers) = (1 + number * 37 % 400, Arc::new(Semaphore::new(0)));
        let mut load = send_until_it_fails(&host, &senders, &answers);
        let _counted = tokio::select! {
            counted = answers.acquire_many(enough as u32) => counted?,
            Some(ended) = load.join_next() => {
                ended?;
                anyhow::bail!("a sender was given no answer before the kill; the host's log: {}", host.log_tail());
            }
        };
        // On another thread: the senders go on until the host is gone.
        state = spawn_blocking(|| host.kill()).await??;
        load.join_all().await;
        killed();
    }
    let host = Contender::start_in(state, Kind::Host, "the last host".to_owned())?;
    send_the_rest(&host, &senders).await?;
    let state = host.kill()?;
    let Senders { acknowledged, duplicates, .. } = &*senders.lock();
    let expected = acknowledged.iter().map(|number| Ok(event::stored(*number)?.0.to_string()));
    let expected: BTreeSet<_> = expected.collect::<Result<_>>()?;
    let stored = stored_keys(&Database::open(store_path(state.path()))?)?;
    Ok(Ledger {
        kills,
        acknowledged: acknowledged.len() as u64,
        unanswered: *duplicates,
        lost: expected.difference(&stored).count() as u64,
        doubled: stored.difference(&expected).count() as u64,
    })
}

/// Each sender ends at its first event without an answer, which stays its next. `answers` counts those that were answered.
fn send_until_it_fails(host: &Contender, senders: &Arc<Mutex<Senders>>, answers: &Arc<Semaphore>) -> JoinSet<()> {
    let mut load = JoinSet::new();
    for sender in 0..SENDERS as usize {
        let (address, senders, answers) = (host.address(), Arc::clone(senders), Arc::clone(answers));
        load.spawn(async move {
            let Ok(mut connection) = Connection::to(address).await else { return };
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
    let mut connection = Connection::to(host.address()).await?;
    let rest = senders.lock().next.clone();
    for (sender, number) in rest.into_iter().enumerate() {
        let answer = connection.post(event::form(number)).await?;
        ensure!(answer.status == StatusCode::OK, "an event was answered {} after the last kill", answer.status);
        senders.lock().acknowledge(sender, &answer);
    }
    Ok(())
}

impl Senders {
    fn acknowledge(&mut self, sender: usize, answer: &Answer) {
        self.duplicates += u64::from(answer.result.as_deref() == Some("duplicate"));
        if let Some(next) = self.next.get_mut(sender) {
            self.acknowledged.insert(*next);
            *next += SENDERS;
        }
    }
}

/// The keys of all events of a sound store, loose and packed, each with the record that belongs to it.
fn stored_keys(store: &Database) -> Result<BTreeSet<String>> {
    let check: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(check == "ok", "the file is not sound: {check}");
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
            let record: Record = serde_json::from_slice(&value).with_context(|| format!("no record is under {key}"))?;
            ensure!(key.ends_with(&record.id), "the record of {} is under {key}", record.id);
            keys.insert(key);
        }
    }
    Ok(keys)
}
