//! Checks the files of `deploy/` with the programs that read them, or against the source of those programs.
//! `proxies.rs` runs Caddy and nginx with their files.
//!
//! | File | What is in it |
//! |---|---|
//! | `kubernetes.rs` | the manifests, their secrets, and the collector |
//! | `spin.rs` | the runtime configurations of Spin |
//! | `spinkube.rs` | the fields of SpinKube's kind |
//! | `systemd.rs` | the unit, its drop-in for TLS, and the system calls that it allows |
//! | `tools.rs` | the programs that check the files |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../../appliance/tests/support/authority.rs"]
mod authority;
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "shared with `it`, which uses all of it")]
#[path = "../it/tls/harness.rs"]
mod tls_harness;
#[path = "../support/trials.rs"]
mod trials;

mod kubernetes;
mod spin;
mod spinkube;
mod systemd;
mod tools;

use std::process::{Command, ExitCode};

use kubernetes::{
    every_referenced_secret_exists_with_an_unusable_value, the_collector_drops_attributes_with_tokens,
    the_manifests_match_the_schema_of_kubernetes, the_spin_app_has_only_fields_of_spinkube,
};
use libtest_mimic::Arguments;
use spin::the_runtime_configurations_have_only_fields_of_spin;
use support::deploy;
use systemd::{
    an_unprivileged_host_serves_port_443_and_reloads_a_renewed_certificate,
    systemd_accepts_the_unit_with_and_without_tls, the_tls_drop_in_changes_only_the_listener,
    the_unit_allows_every_system_call_of_the_host, the_unit_limits_the_exposure_of_the_service,
};
use tools::{ANALYZE, HADOLINT, KUBERNETES_VALIDATE, Needs, SETPRIV, STRACE, output_of};
use trials::{Promise, promises};

/// Tests with what they need.
type Tests = (&'static [Needs], &'static [Promise<fn()>]);

const PROMISES: [Tests; 6] = [
    (
        &[ANALYZE],
        promises![systemd_accepts_the_unit_with_and_without_tls, the_unit_limits_the_exposure_of_the_service,],
    ),
    (&[ANALYZE, STRACE], promises![the_unit_allows_every_system_call_of_the_host]),
    (&[SETPRIV, Needs::Root], promises![an_unprivileged_host_serves_port_443_and_reloads_a_renewed_certificate]),
    (
        &[KUBERNETES_VALIDATE],
        promises![
            the_manifests_match_the_schema_of_kubernetes,
            the_spin_app_has_only_fields_of_spinkube,
            every_referenced_secret_exists_with_an_unusable_value,
            the_collector_drops_attributes_with_tokens,
        ],
    ),
    (&[HADOLINT], promises![hadolint_finds_nothing_in_the_containerfile]),
    (&[], promises![the_runtime_configurations_have_only_fields_of_spin, the_tls_drop_in_changes_only_the_listener]),
];

fn main() -> ExitCode {
    let trials = PROMISES.into_iter().flat_map(|(needs, promises)| {
        let missing = needs.iter().find_map(|needs| needs.missing());
        promises.iter().map(move |&(name, promise)| trials::skippable(name, missing.as_deref(), promise))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn hadolint_finds_nothing_in_the_containerfile() {
    let lint = output_of(Command::new(HADOLINT.program()).arg("--no-color").arg(deploy("container/Containerfile")));
    assert_eq!(lint, (true, String::new()));
}
