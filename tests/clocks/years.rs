//! Simulated years of retention.

use super::recipient::{ClockedRecipient, days, month};
use crate::support::now;

/// Years of a store with one or more passes a day and clocks of all kinds. No event is deleted before 30 days, and each
/// is deleted in time.
#[test]
fn in_simulated_years_events_are_deleted_neither_too_early_nor_too_late() {
    struct Year {
        name: &'static str,
        /// Number of simulated days.
        days: i64,
        /// For each pass of a day, the number of days by which its clock is wrong.
        wrong_by: fn(i64) -> Vec<i64>,
        /// The own time of the event of a day, as a day. `None` if there is no event on that day.
        own: fn(i64) -> Option<i64>,
        /// The most days after which an event must be deleted. `None` if that is not promised.
        latest: Option<i64>,
    }
    let years = [
        Year { name: "busy", days: 400, wrong_by: |_| vec![0], own: Some, latest: Some(32) },
        Year { name: "busy, many passes", days: 100, wrong_by: |_| vec![0; 4], own: Some, latest: Some(32) },
        Year {
            name: "quiet after ten days",
            days: 400,
            wrong_by: |_| vec![0; 2],
            own: |day| (day < 10).then_some(day),
            latest: Some(33),
        },
        Year {
            name: "an event a month",
            days: 400,
            wrong_by: |_| vec![0; 2],
            own: |day| (day % 30 == 0).then_some(day),
            latest: Some(33),
        },
        Year {
            name: "a flapping clock",
            days: 200,
            wrong_by: |day| if day % 3 == 0 { vec![0, 400, 0, -400] } else { vec![0] },
            own: Some,
            latest: Some(33),
        },
        Year {
            name: "a quiet store, a flapping clock",
            days: 200,
            wrong_by: |day| if day % 7 == 0 { vec![0, 400, 0] } else { vec![0] },
            own: |day| (day < 10).then_some(day),
            latest: Some(80),
        },
        Year {
            name: "two machines, one a year ahead",
            days: 100,
            wrong_by: |_| vec![0, 365, 0, 365],
            own: Some,
            latest: Some(33),
        },
        Year {
            name: "at 1970 for ten days",
            days: 100,
            wrong_by: |day| if (20..30).contains(&day) { vec![-20_454] } else { vec![0] },
            own: Some,
            latest: Some(42),
        },
        Year {
            name: "an appliance without a clock beside others",
            days: 100,
            wrong_by: |_| vec![0; 2],
            own: |day| Some(if day % 2 == 0 { day } else { -9_000 + day }),
            latest: Some(33),
        },
        Year {
            name: "an appliance without a clock alone",
            days: 100,
            wrong_by: |_| vec![0; 2],
            own: |day| Some(-9_000 + day),
            latest: Some(33),
        },
        Year {
            name: "an appliance whose clock begins again each week",
            days: 100,
            wrong_by: |_| vec![0; 2],
            own: |day| Some(-20_000 + day % 7),
            latest: None,
        },
        Year {
            name: "an appliance ten days ahead",
            days: 100,
            wrong_by: |_| vec![0; 2],
            own: |day| Some(day + 10),
            latest: None,
        },
        Year {
            name: "an appliance in 2040",
            days: 100,
            wrong_by: |_| vec![0; 2],
            own: |day| Some(if day % 2 == 0 { day } else { 5_000 }),
            latest: Some(33),
        },
        Year {
            name: "no pass for 100 days",
            days: 200,
            wrong_by: |day| if (20..120).contains(&day) { vec![] } else { vec![0; 2] },
            own: |day| (day < 10).then_some(day),
            latest: Some(133),
        },
    ];
    for Year { name, days: length, wrong_by, own, latest } in years {
        let recipient = ClockedRecipient::new();
        let mut sent: Vec<(i64, String)> = Vec::new();
        for day in 0..length {
            let today = now() + days(day);
            let form = |own: i64| format!("event=x&version=1&timestamp={}&n={day}", (now() + days(own)).timestamp());
            if let Some(own) = own(day) {
                // A recipient whose clock is at 1970 also records events with it.
                let wrong = wrong_by(day).first().copied().filter(|wrong| *wrong < -1_000).unwrap_or(0);
                sent.push((
                    day,
                    recipient.set_clock(today + days(wrong)).send(&form(own)).header("event-id").to_owned(),
                ));
            }
            for wrong in wrong_by(day) {
                recipient.set_clock(today + days(wrong)).compact(&month(0));
            }
            if day % 5 == 0 || day > length - 3 {
                let here = recipient.set_clock(today).ids();
                for (taken, id) in &sent {
                    assert!(here.contains(id) || day - taken >= 30, "{name}: of day {taken}, gone on day {day}");
                    let late = latest.is_some_and(|latest| day - taken > latest);
                    assert!(!here.contains(id) || !late, "{name}: of day {taken}, still there on day {day}");
                }
            }
        }
    }
}
