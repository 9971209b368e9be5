//! The sites that have figures of their own, and when each last sent.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use outbound_events::keys::{KeyParts, PackKey};

use crate::store::{KeyValueStore, StoreError};

/// How many there are at most. A site is whatever a sender with a token calls itself.
const MOST: usize = 256;

/// The name of all others. No site is called so.
const OTHERS: &str = "_other";

/// Seconds since 1970, by site.
#[derive(Debug, Default)]
pub(super) struct Sites(Mutex<HashMap<String, u64>>);

impl Sites {
    /// The sites that a store knows: of what was taken by an earlier process, the events' own times are known, and no others.
    pub(super) fn of(store: &KeyValueStore) -> Self {
        let known = last_times(store).unwrap_or_else(|error| {
            tracing::warn!("when each site last sent is not known until it sends again: {error}");
            Vec::new()
        });
        let (sites, now) = (Self::default(), now());
        for (site, time) in known {
            sites.note(&site, time.min(now));
        }
        sites
    }

    /// An event of a site was taken now. Gives the name that its figures have.
    pub(super) fn took(&self, site: &str) -> String {
        self.note(site, now())
    }

    /// When each last sent.
    pub(super) fn last(&self) -> Vec<(String, u64)> {
        self.lock().iter().map(|(site, time)| (site.clone(), *time)).collect()
    }

    fn note(&self, site: &str, time: u64) -> String {
        let mut sites = self.lock();
        let name = if sites.contains_key(site) || sites.len() < MOST { site } else { OTHERS };
        let last = sites.entry(name.to_owned()).or_insert(time);
        *last = time.max(*last);
        name.to_owned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The times of the newest events, by site. For each site one look at the loose ones, whose keys are sorted by time; the keys of
/// packs are few.
fn last_times(store: &KeyValueStore) -> Result<Vec<(String, u64)>, StoreError> {
    let mut times = Vec::new();
    let mut before = after("event.");
    while let Some(key) = store.last_key("event.", &before)? {
        let Some(parts) = KeyParts::of(&key) else {
            before = key;
            continue;
        };
        times.extend(parts.time().map(|time| (parts.site.to_owned(), time.seconds())));
        before = format!("event.{}.", parts.site);
    }
    for key in store.keys_between("pack.", &after("pack."))? {
        times.extend(key.parse::<PackKey>().map(|pack| (pack.site.as_str().to_owned(), pack.last.seconds())));
    }
    Ok(times)
}

/// What stands behind all keys of a kind.
pub(super) fn after(kind: &str) -> String {
    kind.replace('.', "/")
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
