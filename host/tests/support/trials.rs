//! Promises that are tried on every kind of recipient, each as a test of its own. One that cannot be tried here counts as ignored:
//! that is not known before the test runs, which the harness of the standard library has no word for.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::support::Kind;

/// A promise's name, and what holds a kind of recipient to it.
pub type Promise = (&'static str, fn(Kind));

/// Functions as promises, by their names.
macro_rules! promises {
    ($($promise:ident),* $(,)?) => { &[$((stringify!($promise), $promise)),*] };
}
pub(crate) use promises;

/// Holds every kind to every promise.
pub fn run(promises: &[Promise]) -> ExitCode {
    let trials = Kind::ALL.into_iter().flat_map(|kind| {
        let missing = kind.missing();
        promises.iter().map(move |&(name, promise)| trial(kind, missing.as_deref(), name, promise))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn trial(kind: Kind, missing: Option<&str>, name: &str, promise: fn(Kind)) -> Trial {
    let why = missing.map(|why| format!(" ({why})")).unwrap_or_default();
    let trial = Trial::test(format!("{name}{why}"), move || {
        promise(kind);
        Ok(())
    });
    trial.with_kind(kind.name()).with_ignored_flag(missing.is_some())
}
