//! The host on a machine with a wrong clock, or a clock that is set while the host runs: no event answered 200 is lost,
//! hidden or deleted.
//!
//! libfaketime gives the host its own wall clock: the machine's plus an offset, which it reads from a file each time. A
//! test sets the clock by writing the file. The monotonic clock stays the machine's.
//!
//! | File | What is in it |
//! |---|---|
//! | `archive.rs` | events are kept, erased and packed, whatever the clock reads |
//! | `forwarding.rs` | events are forwarded, whatever the clock reads |
//! | `machine.rs` | a host whose wall clock can be set, and requests to it |
//! | `reports.rs` | events from the future are reported |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/trials.rs"]
mod trials;

mod archive;
mod forwarding;
mod machine;
mod reports;

use std::process::ExitCode;

use archive::{
    a_session_erased_while_the_clock_was_ahead_accepts_new_events,
    a_session_that_was_recorded_before_the_clock_stepped_back_is_erased,
    a_session_that_was_recorded_while_the_clock_was_ahead_is_erased,
    an_old_event_that_arrives_now_is_kept_as_long_as_a_new_one,
    one_pass_on_a_clock_that_is_400_days_ahead_deletes_nothing, packing_goes_on_after_a_pass_while_the_clock_was_ahead,
};
use forwarding::{
    a_destination_that_failed_while_the_clock_was_ahead_gets_events_once_it_is_right,
    a_destination_that_failed_while_the_clock_was_behind_is_not_paused_for_that,
};
use machine::LIBFAKETIME;
use reports::an_event_from_the_future_is_reported_and_makes_no_site_look_alive;
use trials::{Promise, promises};

const WITH_A_WRONG_CLOCK: &[Promise<fn()>] = promises![
    one_pass_on_a_clock_that_is_400_days_ahead_deletes_nothing,
    an_old_event_that_arrives_now_is_kept_as_long_as_a_new_one,
    a_session_that_was_recorded_while_the_clock_was_ahead_is_erased,
    a_session_that_was_recorded_before_the_clock_stepped_back_is_erased,
    a_session_erased_while_the_clock_was_ahead_accepts_new_events,
    a_destination_that_failed_while_the_clock_was_ahead_gets_events_once_it_is_right,
    packing_goes_on_after_a_pass_while_the_clock_was_ahead,
    a_destination_that_failed_while_the_clock_was_behind_is_not_paused_for_that,
];

/// These need no libfaketime: the appliance's clock is wrong, not the host's.
const WITH_A_RIGHT_CLOCK: &[Promise<fn()>] =
    promises![an_event_from_the_future_is_reported_and_makes_no_site_look_alive];

fn main() -> ExitCode {
    let missing = LIBFAKETIME.is_none().then_some("libfaketime is not installed");
    let wrong = WITH_A_WRONG_CLOCK.iter().map(|promise| (*promise, missing));
    trials::run_here(wrong.chain(WITH_A_RIGHT_CLOCK.iter().map(|promise| (*promise, None))))
}
