//! The build outputs: the core module for Spin and the component for other hosts.

use std::path::Path;

use crate::support::{self, Kind, OPEN, Recipient, numbered};
use wasmtime::component::Component;
use wasmtime::{Cache, CacheConfig, Config, Engine, OptLevel};

/// Compiles a component as quickly as possible, and once for all tests. With what the host needs for speed, this took a
/// minute.
pub fn compiled(component: &Path) -> Component {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::None).cache(Some(Cache::new(CacheConfig::new()).unwrap()));
    Component::from_file(&Engine::new(&config).unwrap(), component).unwrap()
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
fn the_components_import_no_files_and_no_sockets() {
    let spins = ["fermyon:spin/key-value@2.0.0", "fermyon:spin/variables@2.0.0"];
    let wasis = ["wasi:config/store@0.2.0-rc.1", "wasi:keyvalue/store@0.2.0-draft"];
    for (component, own) in [(support::component(), spins), (support::wasi_component(), wasis)] {
        let imports = imports(&component);
        let common = [
            "wasi:http/types@",
            "wasi:http/outgoing-handler@",
            "wasi:io/",
            "wasi:cli/std",
            "wasi:clocks/",
            "wasi:random/",
        ];
        let others: Vec<_> =
            imports.iter().filter(|import| !common.iter().any(|prefix| import.starts_with(prefix))).collect();
        assert_eq!(others, own, "{}", component.display());
    }
}

#[test]
fn each_component_finds_what_the_other_stored() {
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    assert_eq!(recipient.post("/", numbered(1)).result(), "stored");
    let recipient = recipient.kill_and_restart_as(Kind::HostWasi, |command| command);
    assert_eq!(recipient.post("/", numbered(1)).result(), "duplicate");
    assert_eq!(recipient.post("/", numbered(2)).result(), "stored");
    let recipient = recipient.kill_and_restart_as(Kind::Host, |command| command);
    assert_eq!(recipient.post("/", numbered(2)).result(), "duplicate");
    assert_eq!(recipient.stored().len(), 2);
}

fn imports(component: &Path) -> Vec<String> {
    let component = compiled(component);
    let mut imports: Vec<_> =
        component.component_type().imports(component.engine()).map(|(name, _)| name.to_owned()).collect();
    imports.sort();
    imports
}
