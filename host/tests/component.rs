//! What is built: the core module that Spin takes, and the component that other hosts take.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use wasmtime::Engine;
use wasmtime::component::Component;

#[test]
fn the_core_module_stays_small() {
    let module = support::root().join("target/wasm32-wasip1/component/outbound_events.wasm");
    let bytes = std::fs::metadata(&module).expect("`cargo xtask build` makes it").len();
    assert!(bytes < 1_800_000, "{} has {bytes} bytes", module.display());
}

#[test]
fn spin_toml_names_the_core_module_where_it_is_built() {
    let manifest = std::fs::read_to_string(support::root().join("spin.toml")).unwrap();
    assert!(manifest.contains("source = \"target/wasm32-wasip1/component/outbound_events.wasm\""));
    for name in outbound_events::settings::NAMES {
        assert!(manifest.contains(&format!("{name} = \"{{{{ {name} }}}}\"")), "{name} is not handed to the component");
    }
}

#[test]
fn the_component_asks_for_no_files_and_no_sockets() {
    let engine = Engine::default();
    let component = Component::from_file(&engine, support::component()).unwrap();
    let imports: Vec<_> = component.component_type().imports(&engine).map(|(name, _)| name.to_owned()).collect();
    let offered = [
        "fermyon:spin/",
        "wasi:http/types@",
        "wasi:http/outgoing-handler@",
        "wasi:io/",
        "wasi:cli/std",
        "wasi:clocks/",
        "wasi:random/",
    ];
    for import in &imports {
        assert!(offered.iter().any(|prefix| import.starts_with(prefix)), "{import}");
    }
    assert!(imports.iter().any(|import| import == "fermyon:spin/key-value@2.0.0"), "{imports:?}");
}
