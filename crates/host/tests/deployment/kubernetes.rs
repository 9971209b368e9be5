//! The manifests, their secrets, and the collector.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::spin::assert_configuration;
use super::spinkube;
use super::tools::{KUBERNETES_VALIDATE, read, said};
use crate::support::{deploy, yaml};
use outbound_events::settings::{self, Settings};
use serde_json::Value;

/// Every file of Kubernetes' own.
fn manifests() -> Vec<PathBuf> {
    let files = fs::read_dir(deploy("kubernetes")).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

pub(super) fn kubernetes_takes_its_own_kinds() {
    for file in manifests() {
        let (valid, said) = said(Command::new(KUBERNETES_VALIDATE.program()).arg("--strict").arg(&file));
        assert!(valid, "{}: {said}", file.display());
        // Of what it knows nothing about it says so.
        let unknown: Vec<_> = said.lines().filter(|line| line.starts_with("WARN")).collect();
        assert!(unknown.iter().all(|line| line.contains("kind SpinApp")), "{unknown:?}");
    }
}

/// Everything that Kubernetes is given.
pub(super) fn resources() -> Vec<Value> {
    manifests().iter().flat_map(|file| yaml(file)).collect()
}

pub(super) fn spinkube_finds_what_its_definition_names_and_nothing_else() {
    let app = resources().into_iter().find(|resource| resource["kind"] == "SpinApp").unwrap();
    let app: spinkube::SpinApp = serde_json::from_value(app).unwrap();
    assert_eq!((app.api_version.as_str(), app.kind.as_str()), ("core.spinkube.dev/v1alpha1", "SpinApp"));
    for variable in &app.spec.variables {
        assert!(settings::NAMES.contains(&variable.name.as_str()), "{}", variable.name);
    }
    // What the operator makes of it is Spin's configuration.
    let [store] = app.spec.runtime_config.key_value_stores.as_slice() else { panic!("one store") };
    let options = store.options.iter().map(|option| (option.name.clone(), "redis://a".into()));
    let mut fields: toml::Table = options.collect();
    fields.insert("type".to_owned(), store.r#type.clone().into());
    let configuration = toml::Table::from_iter([(store.name.clone(), fields.into())]);
    assert_configuration(&toml::Table::from_iter([("key_value_store".to_owned(), configuration.into())]));
    // The operator makes a service of the app's name, which is what ticks go to.
    let ticks = read("kubernetes/tick.yaml");
    assert!(ticks.contains(&format!("\"http://{}/tick\"", app.metadata.name)), "{ticks}");
}

/// All of one name in a tree, with what is under it.
pub(super) fn all<'a>(name: &str, value: &'a Value) -> Vec<&'a Value> {
    let below = |values: Vec<&'a Value>| values.into_iter().flat_map(|value| all(name, value)).collect::<Vec<_>>();
    match value {
        Value::Array(values) => below(values.iter().collect()),
        Value::Object(fields) => fields.get(name).into_iter().chain(below(fields.values().collect())).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub(super) fn every_secret_that_is_asked_for_is_there_and_as_it_stands_lets_nobody_in() {
    let resources = resources();
    let secrets = resources.iter().filter(|resource| resource["kind"] == "Secret");
    let secrets: BTreeMap<_, _> =
        secrets.map(|secret| (text(&secret["metadata"]["name"]), &secret["stringData"])).collect();
    let asked: Vec<_> = resources.iter().flat_map(|resource| all("secretKeyRef", resource)).collect();
    assert!(asked.len() > 5, "{asked:?}");
    for reference in asked {
        let value = &secrets[text(&reference["name"])][text(&reference["key"])];
        let value = value.as_str().unwrap_or_else(|| panic!("{reference} is nowhere"));
        // Who changes nothing has a recipient that is shut, not one whose token everybody can read here.
        for name in ["ingest_tokens", "read_tokens", "admin_tokens", "tick_token"] {
            let read = Settings::read(|setting| Ok((setting == name).then(|| value.to_owned())));
            assert!(read.is_err(), "{value:?} would be taken for {name}");
        }
    }
}

/// Held to this alone: no collector is in a package index.
pub(super) fn the_collector_drops_what_holds_a_token_before_it_exports() {
    let [configuration] = &yaml(&deploy("otel/collector.yaml"))[..] else { panic!("one document") };
    for (name, pipeline) in configuration["service"]["pipelines"].as_object().unwrap() {
        let dropped: Vec<_> = pipeline["processors"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|processor| configuration["processors"][text(processor)]["actions"].as_array().unwrap())
            .map(|action| (text(&action["key"]), text(&action["action"])))
            .collect();
        assert_eq!(dropped, [("url.query", "delete"), ("url.full", "delete")], "{name}");
    }
}
