//! The fields of SpinKube's kind, copied from `api/v1alpha1/spinapp_types.go` of spin-operator as far as the manifest
//! uses them: no package has the definition.
#![allow(dead_code, reason = "deserialised to check the fields")]

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpinApp {
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    pub kind: String,
    pub metadata: Metadata,
    pub spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    pub name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spec {
    pub image: String,
    pub executor: String,
    pub replicas: u32,
    pub checks: BTreeMap<Check, Probe>,
    pub resources: BTreeMap<String, BTreeMap<String, String>>,
    pub runtime_config: RuntimeConfig,
    pub variables: Vec<Variable>,
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    Liveness,
    Readiness,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Probe {
    pub http_get: HttpGet,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpGet {
    pub path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RuntimeConfig {
    pub key_value_stores: Vec<Store>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    pub name: String,
    pub r#type: String,
    pub options: Vec<Variable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Variable {
    pub name: String,
    pub value_from: From,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct From {
    pub secret_key_ref: SecretKeyRef,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretKeyRef {
    pub name: String,
    pub key: String,
}
