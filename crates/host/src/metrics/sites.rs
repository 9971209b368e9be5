//! The sites that have figures of their own, and when each last sent.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use outbound_events::archive::pack::{Pack, RecordEntry};
use outbound_events::keys::{KeyParts, PackKey};
use parking_lot::Mutex;

use crate::store::{KeyValueStore, StoreError};

/// How many there are at most. A site is whatever a sender with a token calls itself.
const MOST: usize = 256;

/// The name of all others. No site is called so.
const OTHERS: &str = "_other";

/// When an event of each site was last taken. How long that is ago is kept by the monotonic clock: a wall clock that was ahead for a moment
/// would make a site look alive for as long as it was ahead.
#[derive(Debug, Default)]
pub(super) struct Sites(Mutex<HashMap<String, Taken>>);

/// An event was taken so long before a moment of this process.
#[derive(Clone, Copy, Debug)]
struct Taken {
    before: Duration,
    moment: Instant,
}

impl Taken {
    fn age(self) -> Duration {
        self.before + self.moment.elapsed()
    }
}

impl Sites {
    /// The sites that a store knows: of what was taken by an earlier process, its records' times of recording tell.
    pub(super) fn of(store: &KeyValueStore) -> Self {
        let known = last_taken(store).unwrap_or_else(|error| {
            tracing::warn!("when each site last sent is not known until it sends again: {error}");
            Vec::new()
        });
        let (sites, now) = (Self::default(), now());
        for (site, time) in known {
            sites.note(&site, now.saturating_sub(Duration::from_millis(time)));
        }
        sites
    }

    /// An event of a site was taken now. Gives the name that its figures have.
    pub(super) fn took(&self, site: &str) -> String {
        self.note(site, Duration::ZERO)
    }

    /// When each last sent, in Unix seconds.
    pub(super) fn last(&self) -> Vec<(String, u64)> {
        let now = now();
        self.0.lock().iter().map(|(site, taken)| (site.clone(), now.saturating_sub(taken.age()).as_secs())).collect()
    }

    fn note(&self, site: &str, before: Duration) -> String {
        let mut sites = self.0.lock();
        let name = if sites.contains_key(site) || sites.len() < MOST { site } else { OTHERS };
        let taken = Taken { before, moment: Instant::now() };
        let last = sites.entry(name.to_owned()).or_insert(taken);
        if taken.age() < last.age() {
            *last = taken;
        }
        name.to_owned()
    }
}

/// Since 1970, by the wall clock.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// How many of a site's records are read, of all and of those not after now, to find the one that was taken last, as the library does
/// (`archive/stats.rs`), but without a list of all keys.
const LATEST: usize = 4;

/// The latest time of recording of each site that is not later than now, in Unix milliseconds, as the records with the latest times tell.
/// The appliance's clock may be ahead, or have been: those with the latest times that are not after now are asked too.
fn last_taken(store: &KeyValueStore) -> Result<Vec<(String, u64)>, StoreError> {
    let now = now();
    let mut packs: HashMap<String, PackKey> = HashMap::new();
    for key in store.keys_between("pack.", &after("pack."))?.iter().filter_map(|key| key.parse::<PackKey>().ok()) {
        let last = packs.entry(key.site.as_str().to_owned()).or_insert_with(|| key.clone());
        if last.last < key.last {
            *last = key;
        }
    }
    let mut sites: BTreeSet<String> = packs.keys().cloned().collect();
    sites.extend(sites_of_loose(store)?);
    let mut taken = Vec::new();
    for site in sites {
        let first = format!("event.{site}.");
        let mut times = recorded_before(store, &first, &after(&first))?;
        times.extend(recorded_before(store, &first, &format!("{first}{:012}", now.as_secs() + 1))?);
        if let Some(pack) = packs.get(&site).filter(|_| times.is_empty())
            && let Some(value) = store.get(&pack.to_string())?
        {
            times.extend(Pack::open(pack, &value).ok().and_then(|pack| pack.head.last_recorded()));
        }
        let last = times.into_iter().filter(|time| Duration::from_millis(*time) <= now).max();
        taken.extend(last.map(|last| (site, last)));
    }
    Ok(taken)
}

/// The sites of loose records. For each one look: their keys are sorted.
fn sites_of_loose(store: &KeyValueStore) -> Result<Vec<String>, StoreError> {
    let (mut sites, mut before) = (Vec::new(), after("event."));
    while let Some(key) = store.last_key("event.", &before)? {
        before = match KeyParts::of(&key) {
            Some(parts) => {
                sites.push(parts.site.to_owned());
                format!("event.{}.", parts.site)
            }
            None => key,
        };
    }
    Ok(sites)
}

/// When the last few of the records between two keys were recorded, in Unix milliseconds.
fn recorded_before(store: &KeyValueStore, first: &str, end: &str) -> Result<Vec<u64>, StoreError> {
    let (mut times, mut before) = (Vec::new(), end.to_owned());
    for _ in 0..LATEST {
        let Some(key) = store.last_key(first, &before)? else { break };
        let entry = store.get(&key)?.and_then(|value| RecordEntry::under(&key, value).ok());
        times.extend(entry.map(|entry| entry.recorded));
        before = key;
    }
    Ok(times)
}

/// What stands behind all keys of a kind.
pub(super) fn after(kind: &str) -> String {
    let mut after = kind.to_owned();
    // What comes after a dot.
    after.pop();
    after + "/"
}

#[cfg(test)]
mod tests {
    use super::{MOST, OTHERS, Sites};

    #[test]
    fn so_many_sites_have_names_and_whoever_comes_then_is_one_of_the_others() {
        let sites = Sites::default();
        for n in 0..2 * MOST {
            let expected = if n < MOST { format!("site-{n}") } else { OTHERS.to_owned() };
            assert_eq!(sites.took(&format!("site-{n}")), expected);
        }
        assert_eq!(sites.took("site-0"), "site-0", "who has a name keeps it");
        assert_eq!(sites.last().len(), MOST + 1);
    }
}
