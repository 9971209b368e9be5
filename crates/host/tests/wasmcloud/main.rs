//! The recipient on wasmCloud: `wash` with a NATS that is killed, down, or traced, and the files of
//! `deploy/wasmcloud/`. `end_to_end.rs` has the tests for every host.
//!
//! | File | What is in it |
//! |---|---|
//! | `acknowledgements.rs` | the data that NATS has on disk when it acknowledges a write, by its system calls |
//! | `kills.rs` | events while NATS is killed or down |
//! | `manifest.rs` | `deploy/wasmcloud/workload.yaml`, and the request that the operator derives from it |
//! | `workload.rs` | a cluster's host that runs the workload |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../../../tests/support/forms.rs"]
mod forms;
#[path = "../support/mod.rs"]
mod support;

mod acknowledgements;
mod kills;
mod manifest;
mod workload;

use std::process::{Command, ExitCode};

use acknowledgements::{nats_acknowledges_what_is_not, nats_acknowledges_what_is_on_the_disk};
use kills::{all_is_answered_503, no_event_is_missing, seven_events_are_there};
use libtest_mimic::{Arguments, Trial};
use support::Kind;
use workload::{a_wasmcloud_host_takes_the_workload, registry};

/// Why a test cannot run here, besides wasmCloud.
type Needs = fn() -> Option<String>;

const PROMISES: [(&str, Needs, fn()); 6] = [
    ("seven_events_are_there_after_wash_and_nats_were_killed", nothing, seven_events_are_there),
    ("no_event_that_was_answered_200_is_missing_after_nats_was_killed", nothing, no_event_is_missing),
    ("while_nats_is_down_all_is_answered_503_and_no_log_has_the_token", nothing, all_is_answered_503),
    ("nats_acknowledges_what_is_on_the_disk", strace, nats_acknowledges_what_is_on_the_disk),
    ("without_the_setting_nats_acknowledges_what_is_not", strace, nats_acknowledges_what_is_not),
    ("a_wasmcloud_host_takes_the_workload", registry, a_wasmcloud_host_takes_the_workload),
];

fn main() -> ExitCode {
    let missing = Kind::Wash.missing();
    let trials = PROMISES.into_iter().map(|(name, needs, promise)| {
        let missing = missing.clone().or_else(needs);
        let why = missing.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let run = move || {
            promise();
            Ok(())
        };
        Trial::test(format!("{name}{why}"), run).with_ignored_flag(missing.is_some())
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn nothing() -> Option<String> {
    None
}

fn strace() -> Option<String> {
    let traces = Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success());
    (!traces).then(|| "strace is not to be had".to_owned())
}
