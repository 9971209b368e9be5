//! Promises that can be tried only where something is installed. One that cannot be tried
//! here counts as ignored: that is not known before the tests run, which the harness of the standard library has no word for.
#![allow(dead_code, reason = "shared by tests that use a part")]

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// A promise's name, and what holds something to it.
pub type Promise<T> = (&'static str, T);

/// Functions as promises, by their names.
#[allow(unused_macros, reason = "shared by tests that use a part")]
macro_rules! promises {
    ($($promise:ident),* $(,)?) => { &[$((stringify!($promise), $promise as _)),*] };
}
#[allow(unused_imports, reason = "shared by tests that use a part")]
pub(crate) use promises;

/// What becomes of `T` by these promises, each a trial of its own; `missing` is why it cannot be tried here.
pub fn of<T: Copy + Send + 'static>(
    tried: T,
    kind: &'static str,
    missing: Option<String>,
    promises: &[Promise<fn(T)>],
) -> Vec<Trial> {
    let trial = |&(name, promise): &Promise<fn(T)>| skippable(name, missing.as_deref(), move || promise(tried));
    promises.iter().map(|promise| trial(promise).with_kind(kind)).collect()
}

/// Runs them, as the command says.
pub fn run(trials: impl IntoIterator<Item = Trial>) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().collect()).exit_code()
}

/// Holds what is here to promises, but for those that there is a reason not to try.
pub fn run_here(promises: impl IntoIterator<Item = (Promise<fn()>, Option<&'static str>)>) -> ExitCode {
    run(promises.into_iter().map(|((name, promise), missing)| skippable(name, missing, promise)))
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
