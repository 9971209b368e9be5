//! The Kubernetes manifests, their secrets, and the collector of OpenTelemetry.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::spin::assert_configuration;
use super::spinkube;
use super::tools::{KUBERNETES_VALIDATE, deploy_text, output_of};
use crate::support::{deploy, yaml};
use outbound_events::settings::{self, Settings};
use serde_json::Value;

/// Every manifest.
fn manifests() -> Vec<PathBuf> {
    let files = fs::read_dir(deploy("kubernetes")).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

pub(super) fn the_manifests_match_the_schema_of_kubernetes() {
    for file in manifests() {
        let (valid, said) = output_of(Command::new(KUBERNETES_VALIDATE.program()).arg("--strict").arg(&file));
        assert!(valid, "{}: {said}", file.display());
        // It warns of kinds that it does not know.
        let unknown: Vec<_> = said.lines().filter(|line| line.starts_with("WARN")).collect();
        assert!(unknown.iter().all(|line| line.contains("kind SpinApp")), "{unknown:?}");
    }
}

/// All resources of the manifests.
pub(super) fn resources() -> Vec<Value> {
    manifests().iter().flat_map(|file| yaml(file)).collect()
}

pub(super) fn the_spin_app_has_only_fields_of_spinkube() {
    let app = resources().into_iter().find(|resource| resource["kind"] == "SpinApp").unwrap();
    let app: spinkube::SpinApp = serde_json::from_value(app).unwrap();
    assert_eq!((app.api_version.as_str(), app.kind.as_str()), ("core.spinkube.dev/v1alpha1", "SpinApp"));
    for variable in &app.spec.variables {
        assert!(settings::NAMES.contains(&variable.name.as_str()), "{}", variable.name);
    }
    // The operator derives Spin's configuration from these.
    let [store] = app.spec.runtime_config.key_value_stores.as_slice() else { panic!("one store") };
    let options = store.options.iter().map(|option| (option.name.clone(), "redis://a".into()));
    let mut fields: toml::Table = options.collect();
    fields.insert("type".to_owned(), store.r#type.clone().into());
    let configuration = toml::Table::from_iter([(store.name.clone(), fields.into())]);
    assert_configuration(&toml::Table::from_iter([("key_value_store".to_owned(), configuration.into())]));
    // The operator makes a service with the app's name, which receives the ticks.
    let ticks = deploy_text("kubernetes/tick.yaml");
    assert!(ticks.contains(&format!("\"http://{}/tick\"", app.metadata.name)), "{ticks}");
}

/// All fields of a name in a tree.
pub(super) fn fields_named<'a>(name: &str, value: &'a Value) -> Vec<&'a Value> {
    let below =
        |values: Vec<&'a Value>| values.into_iter().flat_map(|value| fields_named(name, value)).collect::<Vec<_>>();
    match value {
        Value::Array(values) => below(values.iter().collect()),
        Value::Object(fields) => fields.get(name).into_iter().chain(below(fields.values().collect())).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub(super) fn every_referenced_secret_exists_with_an_unusable_value() {
    let resources = resources();
    let secrets = resources.iter().filter(|resource| resource["kind"] == "Secret");
    let secrets: BTreeMap<_, _> =
        secrets.map(|secret| (text(&secret["metadata"]["name"]), &secret["stringData"])).collect();
    let asked: Vec<_> = resources.iter().flat_map(|resource| fields_named("secretKeyRef", resource)).collect();
    assert!(asked.len() > 5, "{asked:?}");
    for reference in asked {
        let value = &secrets[text(&reference["name"])][text(&reference["key"])];
        let value = value.as_str().unwrap_or_else(|| panic!("{reference} does not exist"));
        // Without changes, the recipient takes no events, and nobody can use a token published here.
        for name in ["ingest_tokens", "read_tokens", "admin_tokens", "tick_token"] {
            let read = Settings::from_variables(|setting| Ok((setting == name).then(|| value.to_owned())));
            assert!(read.is_err(), "{value:?} would be accepted as {name}");
        }
    }
}

/// No package index has a collector that could check this file.
pub(super) fn the_collector_drops_attributes_with_tokens() {
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
