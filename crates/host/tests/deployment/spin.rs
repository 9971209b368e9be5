//! The runtime configurations of Spin.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::support::deploy;
use serde::Deserialize;

/// The fields that Spin 3 and 4 read, those of `RuntimeConfig` in `crates/key-value-*/src/lib.rs`.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[allow(dead_code, reason = "deserialised to check the fields")]
pub(super) enum Store {
    Redis {
        url: String,
    },
    AzureCosmos {
        account: String,
        database: String,
        container: String,
        key: Option<String>,
    },
    AwsDynamo {
        region: String,
        table: String,
        consistent_read: Option<bool>,
        access_key: Option<String>,
        secret_key: Option<String>,
        token: Option<String>,
    },
    Spin {
        path: Option<PathBuf>,
    },
}

/// The configuration has the store that the component uses, and only fields that Spin knows.
pub(super) fn assert_configuration(configuration: &toml::Table) {
    assert_eq!(configuration.keys().collect::<Vec<_>>(), ["key_value_store"]);
    let stores: BTreeMap<String, Store> = configuration["key_value_store"].clone().try_into().unwrap();
    assert_eq!(stores.keys().collect::<Vec<_>>(), ["default"]);
}

pub(super) fn the_runtime_configurations_have_only_fields_of_spin() {
    let files: Vec<_> = fs::read_dir(deploy("spin")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        assert_configuration(&fs::read_to_string(&file).unwrap().parse().unwrap());
    }
}
