//! Tests that run only if a program is installed. A test that cannot run here counts as ignored, which the standard
//! harness cannot decide at run time.
#![allow(dead_code, reason = "shared by tests that use a part")]

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// The name of a test, and the test.
pub type Promise<T> = (&'static str, T);

/// Functions as tests, with their names.
#[allow(unused_macros, reason = "shared by tests that use a part")]
macro_rules! promises {
    ($($promise:ident),* $(,)?) => { &[$((stringify!($promise), $promise as _)),*] };
}
#[allow(unused_imports, reason = "shared by tests that use a part")]
pub(crate) use promises;

/// A trial for each test of `T`; `missing` is why they cannot run here.
pub fn for_each_test<T: Copy + Send + 'static>(
    tried: T,
    kind: &'static str,
    missing: Option<String>,
    promises: &[Promise<fn(T)>],
) -> Vec<Trial> {
    let trial = |&(name, promise): &Promise<fn(T)>| skippable(name, missing.as_deref(), move || promise(tried));
    promises.iter().map(|promise| trial(promise).with_kind(kind)).collect()
}

/// Runs the trials by the command line.
pub fn run(trials: impl IntoIterator<Item = Trial>) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().collect()).exit_code()
}

/// Runs each test unless there is a reason not to.
pub fn run_here(promises: impl IntoIterator<Item = (Promise<fn()>, Option<&'static str>)>) -> ExitCode {
    run(promises.into_iter().map(|((name, promise), missing)| skippable(name, missing, promise)))
}

/// A trial that is ignored for a reason, which its name then contains.
pub fn skippable(name: &str, missing: Option<&str>, promise: impl FnOnce() + Send + 'static) -> Trial {
    let why = missing.map(|why| format!(" ({why})")).unwrap_or_default();
    let trial = Trial::test(format!("{name}{why}"), move || {
        promise();
        Ok(())
    });
    trial.with_ignored_flag(missing.is_some())
}
