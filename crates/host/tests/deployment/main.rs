//! The files of `deploy/` are what their readers take: each is held to the tool that reads it, where one can be had, and else to
//! what that tool's own source says. Caddy's and nginx's are run by `proxies.rs`.
//!
//! | File | What is in it |
//! |---|---|
//! | `kubernetes.rs` | the manifests, their secrets, and the collector |
//! | `spin.rs` | the configurations of Spin |
//! | `spinkube.rs` | the definition of SpinKube's kind |
//! | `systemd.rs` | the unit, and the system calls that it allows |
//! | `tools.rs` | the programs that the files are held to |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/trials.rs"]
mod trials;

mod kubernetes;
mod spin;
mod spinkube;
mod systemd;
mod tools;

use std::process::{Command, ExitCode};

use kubernetes::{
    every_secret_that_is_asked_for_is_there_and_as_it_stands_lets_nobody_in, kubernetes_takes_its_own_kinds,
    spinkube_finds_what_its_definition_names_and_nothing_else,
    the_collector_drops_what_holds_a_token_before_it_exports,
};
use libtest_mimic::Arguments;
use spin::spin_knows_every_store_and_every_field_of_its_configuration;
use support::deploy;
use systemd::{
    every_system_call_of_the_host_is_one_that_the_unit_allows, the_unit_is_one_that_systemd_takes_without_a_word,
    the_unit_leaves_the_service_little_to_do_harm_with,
};
use tools::{ANALYZE, HADOLINT, KUBERNETES_VALIDATE, Needs, STRACE, said};
use trials::{Promise, promises};

/// What is needed, and what can be held with it.
type Held = (&'static [Needs], &'static [Promise<fn()>]);

const PROMISES: [Held; 5] = [
    (
        &[ANALYZE],
        promises![
            the_unit_is_one_that_systemd_takes_without_a_word,
            the_unit_leaves_the_service_little_to_do_harm_with,
        ],
    ),
    (&[ANALYZE, STRACE], promises![every_system_call_of_the_host_is_one_that_the_unit_allows]),
    (
        &[KUBERNETES_VALIDATE],
        promises![
            kubernetes_takes_its_own_kinds,
            spinkube_finds_what_its_definition_names_and_nothing_else,
            every_secret_that_is_asked_for_is_there_and_as_it_stands_lets_nobody_in,
            the_collector_drops_what_holds_a_token_before_it_exports,
        ],
    ),
    (&[HADOLINT], promises![hadolint_finds_nothing_in_the_containerfile]),
    (&[], promises![spin_knows_every_store_and_every_field_of_its_configuration]),
];

fn main() -> ExitCode {
    let trials = PROMISES.into_iter().flat_map(|(needs, promises)| {
        let missing = needs.iter().find_map(|needs| needs.missing());
        promises.iter().map(move |&(name, promise)| trials::skippable(name, missing.as_deref(), promise))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn hadolint_finds_nothing_in_the_containerfile() {
    let lint = said(Command::new(HADOLINT.program()).arg("--no-color").arg(deploy("container/Containerfile")));
    assert_eq!(lint, (true, String::new()));
}
