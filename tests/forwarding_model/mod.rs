//! A model of forwarding. Delivery runs to two destinations overlap, die at any call to the store, and read clocks
//! that step. Receivers fail, hang, accept events without an answer, refuse, and recover at any moment. One of them
//! can never accept some events, and some records are unreadable. Some destinations get batches, and refuse one for
//! each event that they can never accept. An administrator pauses, resumes, skips, retries
//! and replays. Time is simulated, so days of waiting pass quickly, and runs of two machines often begin in the same
//! microsecond. A seed defines a schedule. A failure names its seed, which is then kept in [`KEPT`].
//!
//! These must never happen:
//!
//! 1. A healthy event is refused because its receiver recovered between two attempts.
//! 2. An event is lost: it passes the filter, and is neither delivered nor refused nor pending nor skipped.
//! 3. An event is sent before an earlier pending one, except by the probe: once after each failure from the sixth on,
//!    and only if that failure was an answer that can be about this event. A batch is sent as one: the failures of a
//!    batch are those of each of its events, and it may have several pending ones in order.
//! 4. Two runs write the lease as the same owner. With quick calls and right clocks: a run sends while another has
//!    the lease.
//! 5. A run writes the state without having read it, or over a lease that it read as live.
//! 6. A run continues past its time, whatever the outcomes of its items; or sends for long without reading its lease.
//! 7. An unreadable record stops others, counts as pending, or is reported more than once.
//! 8. A destination is paused that has not failed for three days, has refused fewer than a hundred events, and did
//!    not answer 410.
//! 9. A run's last request failed, and its end lets the next run send at once.
//! 10. A batch is refused as a whole: an event is refused only by an answer to it alone.
//! 11. After the faults have ended, an event is not delivered, or a destination fails.
//!
//! Not in the model: compaction (`archive_model`), stores whose calls fail (`faults`) or whose lists lag, two
//! adjacent events that a receiver can never accept (an administrator skips them), and such events in a replay.
//!
//! | file | what it has |
//! |---|---|
//! | `given.rs` | the speed of the store, the errors of the clocks, the destinations and the events |
//! | `simulation.rs` | simulated time, and the scheduler of actors |
//! | `receiver.rs` | receivers and their moods |
//! | `history.rs` | the history, and the checks of rules 1 and 3 to 10 |
//! | `world.rs` | the store, the clocks and the receivers |
//! | `seen.rs` | the platform of a run or an administrator |
//! | `actors.rs` | the actors: they receive events, begin delivery runs, and administer |
//! | `schedule.rs` | one schedule, and the checks of rules 2, 7 and 11 at its end |

mod actors;
mod given;
mod history;
mod receiver;
mod schedule;
mod seen;
mod simulation;
mod world;

use given::{ADMINISTERED, ADMINISTERED_BATCHES, BATCHES, FILTERED, QUICK, SLOW, STEPPING_CLOCKS, Scenario};
use schedule::run;

/// Seeds that once failed, each with the fault.
const KEPT: [u64; 1] = [
    // A run whose time ended during a probe did not write down the failure, so the next run sent at once.
    19,
];

/// The number of schedules of each kind, or more if the environment says so (`cargo xtask soak`).
fn schedules() -> u64 {
    std::env::var("MODEL_SCHEDULES").map_or(200, |number| number.parse().unwrap())
}

fn all(scenario: Scenario) {
    (0..schedules()).for_each(|seed| run(seed, scenario));
}

#[test]
fn forwarding_schedules_that_once_failed_pass() {
    for seed in KEPT {
        for scenario in [QUICK, ADMINISTERED, STEPPING_CLOCKS, SLOW, FILTERED, BATCHES, ADMINISTERED_BATCHES] {
            run(seed, scenario);
        }
    }
}

#[test]
fn overlapping_and_dying_runs_keep_the_invariants() {
    all(QUICK);
}

#[test]
fn an_administrator_breaks_no_invariant() {
    all(ADMINISTERED);
}

#[test]
fn stepping_clocks_break_no_invariant() {
    all(STEPPING_CLOCKS);
}

#[test]
fn a_store_that_is_sometimes_slow_breaks_no_invariant() {
    all(SLOW);
}

#[test]
fn a_selective_filter_breaks_no_invariant() {
    all(FILTERED);
}

#[test]
fn batches_break_no_invariant() {
    all(BATCHES);
}

#[test]
fn batches_with_an_administrator_and_stepping_clocks_break_no_invariant() {
    all(ADMINISTERED_BATCHES);
}
