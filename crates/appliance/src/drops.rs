//! Dropped events. An appliance drops an event that fails for longer than the retry duration; `--drop-events` drops a
//! share of them without trying. Either way this says which sessions were never announced completely.

use std::collections::BTreeMap;

use outbound_events::event::{EventName, Lsid};
use outbound_events::parse::parse;
use parking_lot::Mutex;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// The most sessions whose dropped events are remembered.
const MOST_SESSIONS: usize = 200_000;

/// So that drops do not use the random numbers of the sessions.
const SALT: u64 = 0x6472_6f70_7065_6421;

/// The most sessions that a summary lists.
const MOST_LISTED: usize = 100;

/// A share of the events to drop: the same ones in every run.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventDrops {
    /// From 0 to 1.
    share: f64,
}

impl EventDrops {
    /// Drops `share` of the events, from 0 to 1.
    pub fn new(share: f64) -> Self {
        Self { share: share.clamp(0.0, 1.0) }
    }

    /// Whether the step with this index of session `number` of a seed is dropped.
    pub fn drops(&self, seed: u64, number: u64, step: usize) -> bool {
        if self.share == 0.0 {
            return false;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ SALT);
        rng.set_stream(number);
        (0..=step).map(|_| rng.random::<f64>()).last().is_some_and(|drawn| drawn < self.share)
    }
}

/// The events that were dropped, by session; of at most 200,000 sessions.
#[derive(Default)]
pub struct UnannouncedEvents(Mutex<BTreeMap<String, Vec<String>>>);

impl UnannouncedEvents {
    /// Adds the event of this form. Does nothing if it has no session.
    pub fn add(&self, form: &[u8]) {
        let Ok(event) = parse(form) else { return };
        if let Some(lsid) = event.lsid().map(Lsid::as_str) {
            let name = event.kind().name().as_str().to_owned();
            let mut sessions = self.0.lock();
            if sessions.len() < MOST_SESSIONS || sessions.contains_key(lsid) {
                sessions.entry(lsid.to_owned()).or_default().push(name);
            }
        }
    }

    /// The sessions with dropped events: the lsid, and the names of these events.
    pub fn sessions(&self) -> BTreeMap<String, Vec<String>> {
        self.0.lock().clone()
    }

    /// A summary: a heading, and a line for each session, at most 100. `None` if no event was dropped.
    pub fn summary(&self) -> Option<String> {
        let sessions = self.0.lock();
        let events: usize = sessions.values().map(Vec::len).sum();
        if events == 0 {
            return None;
        }
        let end = EventName::End;
        let ends = sessions.values().filter(|names| names.iter().any(|name| name == end.as_str())).count();
        let mut summary = format!(
            "{events} events were dropped: {} sessions are not announced completely, {ends} of them without their end",
            sessions.len()
        );
        for (lsid, names) in sessions.iter().take(MOST_LISTED) {
            summary.push_str(&format!("\n  {lsid}: {}", names.join(", ")));
        }
        if let Some(more) = sessions.len().checked_sub(MOST_LISTED).filter(|more| *more > 0) {
            summary.push_str(&format!("\n  and {more} more"));
        }
        Some(summary)
    }
}

#[cfg(test)]
mod tests {
    use super::{EventDrops, UnannouncedEvents};

    #[test]
    fn a_seed_drops_the_same_share_of_the_events_each_time() {
        let dropped = |seed: u64, share: f64| {
            let drops = EventDrops::new(share);
            (0..1_000).flat_map(|number| (0..10).map(move |step| drops.drops(seed, number, step))).collect::<Vec<_>>()
        };
        let count = |seed, share| dropped(seed, share).into_iter().filter(|dropped| *dropped).count();
        assert_eq!(dropped(7, 0.05), dropped(7, 0.05));
        assert_ne!(dropped(7, 0.05), dropped(8, 0.05));
        assert!((400..600).contains(&count(7, 0.05)), "{}", count(7, 0.05));
        assert_eq!((count(7, 0.0), count(7, 1.0)), (0, 10_000));
    }

    #[test]
    fn a_summary_names_each_session_and_what_is_missing() {
        let events = UnannouncedEvents::default();
        assert_eq!(events.summary(), None);
        for (lsid, event) in [("b", "support_conference_end"), ("a", "x"), ("b", "support_conference_begin")] {
            events.add(format!("event={event}&version=1&timestamp=1&lsid={lsid}").as_bytes());
        }
        assert_eq!(
            events.summary().unwrap(),
            "3 events were dropped: 2 sessions are not announced completely, 1 of them without their end\n  \
             a: x\n  b: support_conference_end, support_conference_begin"
        );
    }
}
