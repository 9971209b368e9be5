//! Promises that can be tried only where something is installed, on every kind of recipient or on our host. One that cannot be tried
//! here counts as ignored: that is not known before the tests run, which the harness of the standard library has no word for.
#![allow(dead_code, reason = "shared by tests that use a part")]

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::support::Kind;

/// A promise's name, and what holds a kind of recipient to it.
pub type Promise<T = fn(Kind)> = (&'static str, T);

/// Functions as promises, by their names.
#[allow(unused_macros, reason = "shared by tests that use a part")]
macro_rules! promises {
    ($($promise:ident),* $(,)?) => { &[$((stringify!($promise), $promise as _)),*] };
}
#[allow(unused_imports, reason = "shared by tests that use a part")]
pub(crate) use promises;

/// Holds every kind to every promise.
pub fn run(promises: &[Promise]) -> ExitCode {
    let trials = Kind::ALL.into_iter().flat_map(|kind| {
        let missing = kind.missing();
        promises.iter().map(move |&(name, promise)| trial(kind, missing.as_deref(), name, promise))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Holds what is here to promises, but for those that there is a reason not to try.
pub fn run_here(promises: impl IntoIterator<Item = (Promise<fn()>, Option<&'static str>)>) -> ExitCode {
    let trials = promises.into_iter().map(|((name, promise), missing)| skippable(name, missing, promise));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn trial(kind: Kind, missing: Option<&str>, name: &str, promise: fn(Kind)) -> Trial {
    skippable(name, missing, move || promise(kind)).with_kind(kind.name())
}

/// A trial that is ignored if there is a reason why it cannot be tried, which its name then tells.
pub fn skippable(name: &str, missing: Option<&str>, promise: impl FnOnce() + Send + 'static) -> Trial {
    let why = missing.map(|why| format!(" ({why})")).unwrap_or_default();
    let trial = Trial::test(format!("{name}{why}"), move || {
        promise();
        Ok(())
    });
    trial.with_ignored_flag(missing.is_some())
}
