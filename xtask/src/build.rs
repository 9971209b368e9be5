//! The core module, which Spin takes as it is, and the component that other hosts take.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result};
use wasi_preview1_component_adapter_provider as adapter;
use wit_component::ComponentEncoder;

use crate::command::{Command, root};
use crate::remap;
use crate::setup::{self, DEBIAN_CARGO, DEBIAN_RUSTC, TARGET, WASI_LIBC, WasmToolchain};

/// What is built for wasm.
#[derive(Clone, Copy)]
pub enum Package {
    /// The recipient, for Spin.
    Spin,
    /// The recipient, for hosts with `wasi:keyvalue`.
    Wasi,
    /// The recipient for Spin, with its functions' names, for who looks where its time goes.
    Named,
    /// What the benchmark holds it against: a component that only keeps the body.
    Bare,
}

impl Package {
    fn name(self) -> &'static str {
        match self {
            Self::Spin | Self::Wasi | Self::Named => "outbound-events",
            Self::Bare => "bare-recipient",
        }
    }

    /// Not `build`: cargo optimizes across crates only where nothing but the module is made. The target folder by name: spin.toml
    /// names it too, so no setting may move it.
    fn arguments(self) -> impl Iterator<Item = &'static str> {
        let arguments = ["rustc", "--profile", "component", "--lib", "--crate-type", "cdylib", "--target", TARGET];
        let further: &[_] = match self {
            Self::Wasi => &["--features", "wasi"],
            Self::Named => &["--config", "profile.component.strip='none'"],
            Self::Spin | Self::Bare => &[],
        };
        let place = ["--target-dir", self.target_folder(), "--package", self.name()];
        arguments.into_iter().chain(further.iter().copied()).chain(place)
    }

    /// A folder of its own for each recipient but the first: their modules have one name.
    fn target_folder(self) -> &'static str {
        match self {
            Self::Wasi => "target/wasi",
            Self::Named => "target/named",
            Self::Spin | Self::Bare => "target",
        }
    }

    /// Where cargo puts the core module, and spin.toml expects it.
    pub fn core_module(self) -> String {
        format!("{}/{TARGET}/component/{}.wasm", self.target_folder(), self.name().replace('-', "_"))
    }

    fn component(self) -> &'static str {
        match self {
            Self::Spin => "target/outbound-events.component.wasm",
            Self::Wasi => "target/outbound-events.wasi.component.wasm",
            Self::Named => "target/outbound-events.named.component.wasm",
            Self::Bare => "target/bare-recipient.component.wasm",
        }
    }
}

/// The most bytes that the core module for Spin may have, so that what is added is added on purpose. In another folder it has some hundred
/// bytes more or less.
const CEILING: u64 = 1_765_000;

/// An error if the core module is larger than it may be.
pub fn must_be_small() -> Result<()> {
    let module = Package::Spin.core_module();
    let bytes = fs::metadata(root().join(&module)).with_context(|| format!("{module} cannot be read"))?.len();
    anyhow::ensure!(bytes <= CEILING, "{module} has {bytes} bytes, and may have {CEILING} (xtask/src/build.rs)");
    Ok(())
}

/// Builds a core module and the component that it becomes, and gives the component's path.
pub fn build(package: Package) -> Result<PathBuf> {
    let toolchain = setup::wasm_toolchain()?;
    let (core_module, component) = (package.core_module(), package.component());
    compile(&toolchain, package)?;
    let core = fs::read(root().join(&core_module)).with_context(|| format!("{core_module} cannot be read"))?;
    let encoded = encode(&core).with_context(|| format!("{core_module} cannot be made a component"))?;
    let path = root().join(component);
    write(&path, &encoded)?;
    eprintln!("    {core_module}: {} bytes\n    {component}: {} bytes", core.len(), encoded.len());
    Ok(path)
}

fn compile(toolchain: &WasmToolchain, package: Package) -> Result<()> {
    let arguments = package.arguments();
    let cargo = match toolchain {
        WasmToolchain::Own => Command::cargo(arguments),
        WasmToolchain::Debian { linker } => Command::new(DEBIAN_CARGO)
            .args(arguments)
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC", DEBIAN_RUSTC)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_WASIP1_LINKER", linker)
            .env("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", format!("-L native={WASI_LIBC}"))
            // What the user's own cargo set for this process speaks of another compiler.
            .without("CARGO")
            .without("RUSTUP_TOOLCHAIN")
            .without("RUSTUP_HOME")
            .without(library_path()),
    };
    // Flags for the user's machine are none for wasm, and would hide those that are.
    let cargo = cargo.arg("--config").arg(remap::cargo_setting(TARGET)?);
    cargo.without("RUSTFLAGS").without("CARGO_ENCODED_RUSTFLAGS").run("building the core module")
}

fn library_path() -> &'static str {
    match env::consts::OS {
        "macos" => "DYLD_FALLBACK_LIBRARY_PATH",
        _ => "LD_LIBRARY_PATH",
    }
}

/// A module of wasip1 imports functions, a component interfaces: the adapter stands between them. The one for proxies
/// does without the filesystem, the environment and a terminal, and so asks least of a host.
fn encode(core: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .validate(true)
        .module(core)?
        .adapter(adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter::WASI_SNAPSHOT_PREVIEW1_PROXY_ADAPTER)?
        .encode()
}

/// Whole or not at all: a host may be starting from the file.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, bytes)
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(|| format!("{} cannot be written", path.display()))
}
