//! `build`: the core module for Spin, and the components for other hosts.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result};
use wasi_preview1_component_adapter_provider as adapter;
use wit_component::ComponentEncoder;

use crate::command::{Command, root};
use crate::remap;
use crate::setup::{self, DEBIAN_CARGO, DEBIAN_RUSTC, TARGET, WASI_LIBC, WasmToolchain};

/// A module that is built for wasm.
#[derive(Clone, Copy)]
pub enum Package {
    /// The recipient, for Spin.
    Spin,
    /// The recipient, for hosts with `wasi:keyvalue`.
    Wasi,
    /// The recipient for Spin with the names of its functions, for profiling.
    Named,
    /// A component that only stores the body, for comparison in the benchmark.
    Bare,
}

impl Package {
    fn name(self) -> &'static str {
        match self {
            Self::Spin | Self::Wasi | Self::Named => "outbound-events",
            Self::Bare => "bare-recipient",
        }
    }

    /// `cargo rustc` with one crate type: cargo does not use LTO if it also builds the rlib. The target folder is given
    /// because spin.toml names it, whatever CARGO_TARGET_DIR says.
    fn arguments(self) -> impl Iterator<Item = &'static str> {
        let arguments = ["rustc", "--profile", "component", "--lib", "--crate-type", "cdylib", "--target", TARGET];
        let further: &[_] = match self {
            Self::Wasi => &["--features", "wasi"],
            Self::Named => &["--config", "profile.component.strip='none'"],
            Self::Spin | Self::Bare => &[],
        };
        let target = ["--target-dir", self.target_folder(), "--package", self.name()];
        arguments.into_iter().chain(further.iter().copied()).chain(target)
    }

    /// The recipients have separate folders, since their modules have the same file name.
    fn target_folder(self) -> &'static str {
        match self {
            Self::Wasi => "target/wasi",
            Self::Named => "target/named",
            Self::Spin | Self::Bare => "target",
        }
    }

    /// The path at which cargo writes the core module and spin.toml expects it.
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

/// The most bytes of the core module for Spin, so that growth is deliberate. The size varies by some hundred bytes with
/// the path of the project's folder.
const CEILING: u64 = 2_226_688;

/// An error if the core module is larger than [`CEILING`].
pub fn check_size() -> Result<()> {
    let module = Package::Spin.core_module();
    let bytes = fs::metadata(root().join(&module)).with_context(|| format!("{module} cannot be read"))?.len();
    anyhow::ensure!(
        bytes <= CEILING,
        "{module} has {bytes} bytes, more than CEILING = {CEILING} (xtask/src/build.rs); make it smaller or raise CEILING"
    );
    Ok(())
}

/// Builds a core module, makes it a component, and returns the component's path.
pub fn build(package: Package) -> Result<PathBuf> {
    let toolchain = setup::wasm_toolchain()?;
    let (core_module, component) = (package.core_module(), package.component());
    compile(&toolchain, package)?;
    let core = fs::read(root().join(&core_module)).with_context(|| format!("{core_module} cannot be read"))?;
    let encoded = encode(&core).with_context(|| format!("{core_module} cannot be converted to a component"))?;
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
            // Variables that the user's own cargo has set belong to another compiler.
            .without("CARGO")
            .without("RUSTUP_TOOLCHAIN")
            .without("RUSTUP_HOME")
            .without(library_path()),
    };
    // Flags for the user's machine do not fit wasm, and would replace those of `.cargo/config.toml`.
    let cargo = cargo.arg("--config").arg(remap::cargo_setting(TARGET)?);
    cargo.without("RUSTFLAGS").without("CARGO_ENCODED_RUSTFLAGS").run("building the core module")
}

fn library_path() -> &'static str {
    match env::consts::OS {
        "macos" => "DYLD_FALLBACK_LIBRARY_PATH",
        _ => "LD_LIBRARY_PATH",
    }
}

/// Converts a module, which imports functions, to a component, which imports interfaces, by means of an adapter. The
/// adapter for proxies needs the least of a host: no filesystem, environment or terminal.
fn encode(core: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .validate(true)
        .module(core)?
        .adapter(adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter::WASI_SNAPSHOT_PREVIEW1_PROXY_ADAPTER)?
        .encode()
}

/// Replaces the file atomically: a host can be starting from it.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, bytes)
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(|| format!("{} cannot be written", path.display()))
}
