//! `MetadataServiceV2`: what a provider tells Dubbo's consumers about the services that it registered as an application.
//!
//! A consumer that found an instance and not its services calls this on the provider's own port, under group = application and
//! version = 2.0.0. Ours answers whoever asks, under any group and version, and is listed nowhere: neither in the
//! registry nor by reflection. The messages are those of Dubbo's `metadata_service_v2.proto`.

mod fetch;
#[cfg(all(test, feature = "server"))]
mod tests;
#[cfg(feature = "server")]
mod told;

pub(crate) use fetch::links;
#[cfg(feature = "server")]
pub(crate) use told::{Told, key};

use crate::call::Status;
use mainstay_registry::{
    ServiceKey,
    dubbo::{MetadataInfo, ServiceInfo},
};
use std::collections::BTreeMap;

/// The version under which it is asked for.
pub(crate) const VERSION: &str = "2.0.0";
/// Its full name.
pub(crate) const NAME: &str = "org.apache.dubbo.metadata.MetadataServiceV2";

/// The services of an application on one instance.
#[derive(mainstay::Message, Clone, Debug, PartialEq)]
pub(crate) struct MetadataInfoV2 {
    /// The application.
    pub(crate) app: String,
    /// The revision: another text for other services.
    pub(crate) version: String,
    /// By `[group/]interface[:version]:protocol`.
    pub(crate) services: BTreeMap<String, ServiceInfoV2>,
}

/// One service.
#[derive(mainstay::Message, Clone, Debug, PartialEq)]
pub(crate) struct ServiceInfoV2 {
    /// The interface.
    pub(crate) name: String,
    /// Empty for none.
    pub(crate) group: String,
    /// Empty for none.
    pub(crate) version: String,
    /// As `tri`.
    pub(crate) protocol: String,
    /// 0 for that of the instance.
    pub(crate) port: i32,
    /// What stands in the path of a call.
    pub(crate) path: String,
    /// What stands behind the `?` in a provider's URL.
    pub(crate) params: BTreeMap<String, String>,
}

/// What Dubbo's consumers ask.
#[mainstay::service(package = "org.apache.dubbo.metadata", version = "2.0.0")]
pub(crate) trait MetadataServiceV2 {
    /// The services of this instance. The revision that is asked for does not matter: there is one.
    #[rpc(idempotent, timeout = "5s", retries = 0)]
    async fn get_metadata_info(&self, revision: String) -> Result<MetadataInfoV2, Status>;
}

impl From<MetadataInfo> for MetadataInfoV2 {
    fn from(info: MetadataInfo) -> Self {
        let services = info.services.into_iter().map(|(key, service)| (key, service.into()));
        Self { app: info.application, version: info.revision, services: services.collect() }
    }
}

impl From<ServiceInfo> for ServiceInfoV2 {
    fn from(info: ServiceInfo) -> Self {
        Self {
            name: info.name,
            group: info.group.unwrap_or_default(),
            version: info.version.unwrap_or_default(),
            protocol: info.protocol,
            port: info.port,
            path: info.path,
            params: info.params,
        }
    }
}

impl From<MetadataInfoV2> for MetadataInfo {
    fn from(info: MetadataInfoV2) -> Self {
        let services = info.services.into_iter().map(|(key, service)| (key, service.into()));
        Self::new(info.app, info.version, services.collect())
    }
}

impl From<ServiceInfoV2> for ServiceInfo {
    fn from(info: ServiceInfoV2) -> Self {
        let key = ServiceKey::new(info.name).with_group(info.group).with_version(info.version);
        let mut service = Self::new(&key, info.protocol, 0);
        (service.port, service.path, service.params) = (info.port, info.path, info.params);
        service
    }
}
