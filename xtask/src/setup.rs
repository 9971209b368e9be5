//! `setup`: a compiler for `wasm32-wasip1` (formerly `wasm32-wasi`), from the first source that works:
//!
//! 1. the user's toolchain has the target;
//! 2. `rustup target add` installs it;
//! 3. packages of Debian and Ubuntu have a compiler, the source of the standard library and a C library;
//! 4. otherwise an error that lists these sources.
//!
//! If an earlier setup has installed the packages of 3, they are used without trying rustup again.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::command::{Command, is_on_path};
use crate::debian;

/// The compilation target.
pub const TARGET: &str = "wasm32-wasip1";

/// Debian's packages.
const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "wasi-libc"];
/// Another package, if the user's toolchain has no linker for wasm.
const LINKER_PACKAGE: &str = "rust-web-llvm";

const WAYS: &str = "there is no compiler for wasm32-wasip1, and none could be installed. Install one in one of these ways:
  - with rustup:            rustup target add wasm32-wasip1
  - on Debian or Ubuntu:    apt-get install --no-install-recommends --no-remove rustc-web cargo-web rust-web-src wasi-libc rust-web-llvm
  - with another toolchain: install its standard library for wasm32-wasip1, so that `rustc --print target-libdir --target wasm32-wasip1` names a folder that exists";

/// The toolchain for wasm. Native code is always compiled by the user's own toolchain.
pub enum WasmToolchain {
    /// The user's own toolchain.
    Own,
    /// Debian's compiler, which builds the standard library from source.
    Debian {
        /// The path of a linker for wasm.
        linker: PathBuf,
    },
}

/// Finds a toolchain for wasm, or installs one.
pub fn wasm_toolchain() -> Result<WasmToolchain> {
    if own_has_target() {
        eprintln!("==> {TARGET}: the current toolchain has it");
        return Ok(WasmToolchain::Own);
    }
    if let Some(linker) = debian_is_complete() {
        eprintln!("==> {TARGET}: Debian's packages have it");
        return Ok(WasmToolchain::Debian { linker });
    }
    if rustup_adds_target() {
        return Ok(WasmToolchain::Own);
    }
    install_debian_packages()?;
    match debian_is_complete() {
        Some(linker) => Ok(WasmToolchain::Debian { linker }),
        None => bail!("Debian's packages are installed, but are not complete\n{WAYS}"),
    }
}

fn own_has_target() -> bool {
    let libdir = Command::new(own_rustc()).args(["--print", "target-libdir", "--target", TARGET]).output();
    libdir.is_some_and(|libdir| Path::new(&libdir).is_dir())
}

fn own_rustc() -> std::ffi::OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

fn rustup_adds_target() -> bool {
    if !is_on_path("rustup") {
        return false;
    }
    match Command::new("rustup").args(["target", "add", TARGET]).run("adding the target with rustup") {
        Ok(()) => own_has_target(),
        Err(error) => {
            eprintln!("    {error:#}; trying another way");
            false
        }
    }
}

/// The linker, if Debian's packages are complete.
fn debian_is_complete() -> Option<PathBuf> {
    let release = Command::new(DEBIAN_RUSTC).arg("--version").output()?;
    let release = release.split(' ').nth(1)?;
    let source = PathBuf::from(format!("/usr/src/rustc-{release}/library/std"));
    let complete = [source.as_path(), Path::new(DEBIAN_CARGO), Path::new(WASI_LIBC)].iter().all(|path| path.exists());
    complete.then(linker).flatten()
}

/// The compiler of `rustc-web`.
pub const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// The cargo of `cargo-web`.
pub const DEBIAN_CARGO: &str = "/usr/bin/cargo";
/// The C library of the target's standard library.
pub const WASI_LIBC: &str = "/usr/lib/wasm32-wasi";

fn linker() -> Option<PathBuf> {
    let of_package = PathBuf::from("/usr/bin/rust-lld");
    own_linker().into_iter().chain([of_package]).find(|linker| linker.is_file())
}

/// The linker of a rustup toolchain, which also links wasm.
fn own_linker() -> Option<PathBuf> {
    let sysroot = Command::new(own_rustc()).args(["--print", "sysroot"]).output()?;
    let host = Command::new(own_rustc()).args(["--print", "host-tuple"]).output()?;
    Some(Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/rust-lld"))
}

fn install_debian_packages() -> Result<()> {
    if !debian::has_apt() {
        bail!(WAYS);
    }
    let packages: Vec<_> = PACKAGES.into_iter().chain(linker().is_none().then_some(LINKER_PACKAGE)).collect();
    debian::install(&packages, "installing a compiler for wasm").context(WAYS)
}
