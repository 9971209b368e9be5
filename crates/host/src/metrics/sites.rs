//! The sites with series of their own, and the time of each site's last event.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use outbound_events::archive::pack::{Pack, RecordEntry};
use outbound_events::keys::{KeyParts, PackKey};
use parking_lot::Mutex;

use crate::store::{HostStoreError, KeyValueStore};

/// The most sites with series of their own. An authenticated client can invent site names.
const MOST: usize = 256;

/// The label of all other sites. It is not a valid site name.
const OTHERS: &str = "_other";

/// The age of each site's last event, by the monotonic clock: a wall clock that was ahead for a moment would make a
/// site look alive for as long as it was ahead.
#[derive(Debug, Default)]
pub(super) struct Sites(Mutex<HashMap<String, LastTaken>>);

/// An event was received `before` a moment of this process.
#[derive(Clone, Copy, Debug)]
struct LastTaken {
    before: Duration,
    moment: Instant,
}

impl LastTaken {
    fn age(self) -> Duration {
        self.before + self.moment.elapsed()
    }
}

impl Sites {
    /// The sites in a store, with the recording times of the records that earlier processes wrote.
    pub(super) fn load(store: &KeyValueStore) -> Self {
        let known = last_taken(store).unwrap_or_else(|error| {
            tracing::warn!("the time of each site's last event is unknown until it sends again: {error}");
            Vec::new()
        });
        let (sites, now) = (Self::default(), now());
        for (site, time) in known {
            sites.note(&site, now.saturating_sub(Duration::from_millis(time)));
        }
        sites
    }

    /// Notes an event of a site, received now. Returns the label of the site.
    pub(super) fn took(&self, site: &str) -> String {
        self.note(site, Duration::ZERO)
    }

    /// The time of each site's last event, in Unix seconds.
    pub(super) fn last(&self) -> Vec<(String, u64)> {
        let now = now();
        self.0.lock().iter().map(|(site, taken)| (site.clone(), now.saturating_sub(taken.age()).as_secs())).collect()
    }

    fn note(&self, site: &str, before: Duration) -> String {
        let mut sites = self.0.lock();
        let name = if sites.contains_key(site) || sites.len() < MOST { site } else { OTHERS };
        let taken = LastTaken { before, moment: Instant::now() };
        let last = sites.entry(name.to_owned()).or_insert(taken);
        if taken.age() < last.age() {
            *last = taken;
        }
        name.to_owned()
    }
}

/// The time since 1970 by the wall clock.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// How many of a site's latest records are read to find the last one received, as the library does
/// (`archive/stats.rs`), but without a list of all keys.
const LATEST: usize = 4;

/// The latest recording time of each site that is not in the future, in Unix milliseconds. Reads the records with the
/// latest event times, and those with the latest event times up to now, since an appliance's clock can be ahead.
fn last_taken(store: &KeyValueStore) -> Result<Vec<(String, u64)>, HostStoreError> {
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

/// The sites of loose records, found with one lookup each, since keys are sorted.
fn sites_of_loose(store: &KeyValueStore) -> Result<Vec<String>, HostStoreError> {
    let (mut sites, mut before) = (Vec::new(), after("event."));
    while let Some(key) = store.last_key("event.", &before)? {
        before = match KeyParts::split(&key) {
            Some(parts) => {
                sites.push(parts.site.to_owned());
                format!("event.{}.", parts.site)
            }
            None => key,
        };
    }
    Ok(sites)
}

/// The recording times of the last few records between two keys, in Unix milliseconds.
fn recorded_before(store: &KeyValueStore, first: &str, end: &str) -> Result<Vec<u64>, HostStoreError> {
    let (mut times, mut before) = (Vec::new(), end.to_owned());
    for _ in 0..LATEST {
        let Some(key) = store.last_key(first, &before)? else { break };
        let entry = store.get(&key)?.and_then(|value| RecordEntry::under(&key, value).ok());
        times.extend(entry.map(|entry| entry.recorded));
        before = key;
    }
    Ok(times)
}

/// The first key after all keys with the prefix `kind`, which ends with a dot.
pub(super) fn after(kind: &str) -> String {
    let mut after = kind.to_owned();
    // The slash follows the dot in ASCII.
    after.pop();
    after + "/"
}

#[cfg(test)]
mod tests {
    use super::{MOST, OTHERS, Sites};

    #[test]
    fn sites_beyond_the_limit_share_one_label() {
        let sites = Sites::default();
        for n in 0..2 * MOST {
            let expected = if n < MOST { format!("site-{n}") } else { OTHERS.to_owned() };
            assert_eq!(sites.took(&format!("site-{n}")), expected);
        }
        assert_eq!(sites.took("site-0"), "site-0", "a known site keeps its label");
        assert_eq!(sites.last().len(), MOST + 1);
    }
}
