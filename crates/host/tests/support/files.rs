//! Paths in this repository.

use std::io::{BufRead as _, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// A file of `deploy/`.
pub fn deploy(file: &str) -> PathBuf {
    root().join("deploy").join(file)
}

/// A program of the Python environment that `cargo xtask test` makes.
pub fn python(program: &str) -> PathBuf {
    root().join("target/python/bin").join(program)
}

/// The documents of a YAML file.
pub fn yaml(file: &Path) -> Vec<Value> {
    let script = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)";
    let output = Command::new(python("python")).args(["-c", script]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The component for Spin, the host's default.
pub fn component() -> PathBuf {
    built("target/outbound-events.component.wasm")
}

/// The component for hosts with `wasi:keyvalue`.
pub fn wasi_component() -> PathBuf {
    built("target/outbound-events.wasi.component.wasm")
}

fn built(component: &str) -> PathBuf {
    let path = root().join(component);
    assert!(path.is_file(), "{} is not there; `cargo xtask build` makes it", path.display());
    path
}
