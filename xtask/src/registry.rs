//! A registry for images, from which wasmCloud takes the component in a test.

use crate::command::{Command, is_on_path, root};
use crate::debian;

/// Where the package has it.
const UNPACKED: &str = "target/debian/usr/bin/docker-registry";

/// Takes it out of its package, unless it is there. To install it would start a service. Where it is not to be had, its test is
/// skipped.
pub fn registry() {
    let runs = || Command::new(root().join(UNPACKED)).arg("--version").output().is_some();
    if is_on_path("docker-registry") || runs() {
        return;
    }
    if !debian::is_here() {
        eprintln!("==> there is no docker-registry on PATH: its test is skipped");
        return;
    }
    match debian::unpack("docker-registry") {
        Ok(()) if runs() => {}
        Ok(()) => eprintln!("    it does not run: its test is skipped"),
        Err(error) => eprintln!("    {error:#}: its test is skipped"),
    }
}
