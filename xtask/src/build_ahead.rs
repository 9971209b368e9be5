//! Compiles the tests of later packages, and the fuzz targets, while the tests of earlier packages run. Many tests wait for
//! timeouts and processes, so processors are idle meanwhile.

use std::thread::{JoinHandle, spawn};
use std::time::Instant;

use crate::command::{Command, print_time};
use crate::fuzz::compile_targets;

/// A thread that compiles. Cargo's lock of the build folder makes the tests of a package wait until they are compiled.
pub struct BuildAhead(JoinHandle<()>);

impl BuildAhead {
    /// Starts to compile the tests of these packages in order, and then the fuzz targets.
    pub fn start(packages: &'static [&'static str]) -> Self {
        Self(spawn(move || {
            for package in packages {
                let arguments = ["test", "--release", "--quiet", "--no-run", "--package", package];
                let started = Instant::now();
                // Errors are reported by the command that runs the tests.
                Command::cargo(arguments).niced().output();
                print_time(&format!("compiling the tests of {package} ahead"), started);
            }
            let started = Instant::now();
            compile_targets();
            print_time("compiling the fuzz targets ahead", started);
        }))
    }

    /// Waits for the end of the thread.
    pub fn join(self) {
        // A panic has been printed, and what is missing is compiled again.
        let _ = self.0.join();
    }
}
