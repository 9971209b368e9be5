//! `deploy/wasmcloud/workload.yaml`, and the request that the operator derives from it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::support;
use crate::support::deploy;
use serde::Deserialize;
use serde_json::{Value, json};

/// The fields of wasmCloud's kind, copied from `api/runtime/v1alpha1/workload_types.go` of its operator as far as the
/// manifest uses them: no package has the definition.
#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Resource {
    Secret(Secret),
    Service(Value),
    WorkloadDeployment(WorkloadDeployment),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Secret {
    metadata: Named,
    pub(super) string_data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "read, and that is all")]
struct WorkloadDeployment {
    api_version: String,
    metadata: Named,
    spec: DeploymentSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "read, and that is all")]
struct DeploymentSpec {
    replicas: u32,
    template: Template,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    spec: WorkloadSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WorkloadSpec {
    pub(super) host_selector: BTreeMap<String, String>,
    kubernetes: BTreeMap<String, Named>,
    pub(super) host_interfaces: Vec<HostInterface>,
    components: Vec<WorkloadComponent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostInterface {
    pub(super) namespace: String,
    pub(super) package: String,
    pub(super) version: Option<String>,
    pub(super) interfaces: Vec<String>,
    #[serde(default)]
    pub(super) config: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WorkloadComponent {
    name: String,
    image: String,
    pub(super) local_resources: LocalResources,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LocalResources {
    pub(super) config: BTreeMap<String, String>,
    environment: Environment,
    allowed_hosts: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Environment {
    secret_from: Vec<Named>,
}

/// The resources of the file.
pub(super) struct Manifest {
    pub(super) secret: Secret,
    deployment: WorkloadDeployment,
}

impl Manifest {
    pub(super) fn load() -> Self {
        let resources = support::yaml(&deploy("wasmcloud/workload.yaml"));
        let mut resources = resources.into_iter().map(|resource| serde_json::from_value(resource).unwrap());
        let [
            Some(Resource::Secret(secret)),
            Some(Resource::Service(service)),
            Some(Resource::WorkloadDeployment(deployment)),
            None,
        ] = std::array::from_fn(|_| resources.next())
        else {
            panic!("other resources than these, or in another order")
        };
        assert_eq!(deployment.api_version, "runtime.wasmcloud.dev/v1alpha1");
        let spec = &deployment.spec.template.spec;
        assert_eq!(spec.kubernetes["service"].name, service["metadata"]["name"]);
        assert_eq!(spec.components[0].local_resources.environment.secret_from[0].name, secret.metadata.name);
        Self { secret, deployment }
    }

    pub(super) fn spec(&self) -> &WorkloadSpec {
        &self.deployment.spec.template.spec
    }

    pub(super) fn component(&self) -> &WorkloadComponent {
        let [component] = &self.spec().components[..] else { panic!("one component") };
        component
    }

    /// The image, with a registry in place of the placeholder.
    pub(super) fn image(&self, registry: SocketAddr) -> String {
        let image = self.component().image.strip_prefix("REGISTRY/").expect("no place is left for a registry");
        format!("{registry}/{image}")
    }

    /// The operator's request to a host, with the values of the secret: `reconcilePlacement` in
    /// `workload_controller.go`.
    pub(super) fn request(&self, image: &str, secret: &BTreeMap<String, String>) -> Value {
        let (spec, component) = (self.spec(), self.component());
        let interfaces: Vec<_> = spec
            .host_interfaces
            .iter()
            .map(|interface| {
                json!({
                    "namespace": interface.namespace,
                    "package": interface.package,
                    "version": interface.version.as_deref().unwrap_or_default(),
                    "interfaces": interface.interfaces,
                    "config": interface.config,
                })
            })
            .collect();
        let component = json!({
            "name": component.name,
            "image": image,
            "localResources": {
                "config": component.local_resources.config,
                "environment": secret,
                "allowedHosts": component.local_resources.allowed_hosts,
            },
        });
        json!({
            "workloadId": "tried",
            "workload": {
                "namespace": "default",
                "name": self.deployment.metadata.name,
                "witWorld": {"components": [component], "hostInterfaces": interfaces},
            },
        })
    }
}
