//! When a check of a site is due: at intervals, and soon after a session has ended, when its report becomes ready.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::archive::Listing;
use crate::archive::account::Account;
use crate::event::EventName;
use crate::gather::gather;
use crate::identity::Site;
use crate::keys::KeyParts;

/// A check is due this many seconds after an `end` event whose session has no report yet: the report lags the event.
const AFTER_END: [i64; 4] = [15, 30, 60, 120];

/// The least time between the beginnings of two checks, in milliseconds: sessions that end one after the other share a
/// check.
const LEAST_INTERVAL: i64 = 5_000;

/// When the sessions of a site ended that have no report here, as far as loose keys show: Unix seconds by the
/// appliance's clock.
pub(super) fn ends_without_report(listing: &Listing, site: &Site) -> Vec<i64> {
    let parts = || {
        let parts = listing.loose.iter().filter_map(|key| KeyParts::split(key));
        parts.filter(|parts| parts.site == site.as_str())
    };
    let reports = parts().filter(|parts| parts.is_named(&EventName::Report)).map(|parts| parts.lsid);
    let reported: std::collections::BTreeSet<&str> = gather(reports);
    let ends = parts().filter(|parts| parts.is_named(&EventName::End) && !reported.contains(parts.lsid));
    ends.filter_map(|parts| i64::try_from(parts.time()?.seconds()).ok()).collect()
}

/// How long a check of a site can wait; zero if it is due. After a failure, no `end` event shortens the wait.
pub(super) fn due_in(account: Option<&Account>, ends: &[i64], now: DateTime<Utc>) -> Duration {
    let Some(account) = account else { return Duration::ZERO };
    let now_millis = now.timestamp_millis();
    if let Some(running) = account.running.filter(|running| running.holds(now)) {
        return until(running.end(), now_millis);
    }
    let Some(next) = account.next.filter(|next| next.holds(now)) else { return Duration::ZERO };
    let mut at = next.end();
    if account.failures == 0 {
        for end in ends {
            // By the recipient's clock.
            let end = end.saturating_mul(1_000).saturating_sub(account.ahead);
            let asks = AFTER_END.iter().map(|seconds| end.saturating_add(seconds * 1_000));
            let asked = asks.filter(|ask| *ask > account.checked).min();
            at = at.min(asked.map_or(at, |ask| ask.max(account.checked.saturating_add(LEAST_INTERVAL))));
        }
    }
    until(at, now_millis)
}

fn until(at: i64, now: i64) -> Duration {
    Duration::from_millis(u64::try_from(at.saturating_sub(now)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::Deadline;

    #[test]
    fn a_check_is_due_at_intervals_and_soon_after_ends() {
        let at = |seconds: i64| DateTime::from_timestamp(1_000_000 + seconds, 0).unwrap();
        let checked = |seconds: i64| Account {
            next: Some(Deadline::new(at(seconds), Duration::from_secs(300))),
            checked: at(seconds).timestamp_millis(),
            ..Account::unknown()
        };
        let failed = Account { failures: 1, ..checked(0) };
        let ahead = Account { ahead: 3_600_000, ..checked(0) };
        let running = Account { running: Some(Deadline::new(at(0), Duration::from_secs(90))), ..Account::unknown() };
        let ends = |seconds: &[i64]| seconds.iter().map(|seconds| 1_000_000 + seconds).collect::<Vec<_>>();
        let cases = [
            ("the first", None, vec![], 0, 0),
            ("nothing has ended", Some(&checked(0)), vec![], 10, 290),
            ("the interval is over", Some(&checked(0)), vec![], 300, 0),
            ("an end", Some(&checked(0)), ends(&[10]), 11, 14),
            ("an end, and 15 s are over", Some(&checked(0)), ends(&[10]), 25, 0),
            ("checked after 15 s: again after 30", Some(&checked(25)), ends(&[10]), 26, 14),
            ("an old end", Some(&checked(200)), ends(&[10]), 201, 299),
            ("two ends share a check", Some(&checked(25)), ends(&[10, 11]), 26, 4),
            ("a failure", Some(&failed), ends(&[10]), 100, 200),
            ("an appliance that is an hour ahead", Some(&ahead), ends(&[3_610]), 11, 14),
            ("a running check", Some(&running), ends(&[0]), 30, 60),
            ("a clock that stepped back", Some(&checked(1_000)), vec![], 0, 0),
        ];
        for (what, account, ends, now, wait) in cases {
            assert_eq!(due_in(account, &ends, at(now)), Duration::from_secs(wait), "{what}");
        }
    }
}
