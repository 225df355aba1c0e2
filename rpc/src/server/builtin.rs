//! What every server brings along: health, reflection, and the text of what it serves.

use super::{Health, Place, Running, Serve, Server, Shutdown, health, reflection::Reflection};
use crate::{
    call::{Kind, MethodDef, Reason, ServiceDef, Status},
    dubbo::metadata::{self, MetadataServiceV2Server, Told},
    edge::Setup,
    schema::{MessageRef, Schema, SchemaError, Types},
};
use mainstay_registry::ServiceKey;
use std::{collections::HashSet, sync::Arc};
use tonic::Code;

/// What a server brings along, as it was set up.
#[derive(Debug)]
pub(super) struct Builtin {
    pub(super) health: Health,
    /// Health is served.
    tells_health: bool,
    reflection: bool,
    /// What the application tells Dubbo's consumers, and the key under which they ask for it.
    metadata: Option<(ServiceKey, Told)>,
}

impl Default for Builtin {
    fn default() -> Self {
        Self { health: Health::default(), tells_health: true, reflection: true, metadata: None }
    }
}

impl Builtin {
    /// Nothing but what the program serves.
    pub(super) fn none() -> Self {
        Self { tells_health: false, reflection: false, ..Self::default() }
    }

    /// `services` and what the server brings along. A service that the program serves or mounts itself is left to it.
    pub(super) fn beside(
        &self,
        services: &[Arc<dyn Serve>],
        place: &Place,
        edge: &Setup,
        shutdown: &Shutdown,
    ) -> Vec<Arc<dyn Serve>> {
        services.iter().for_each(|service| self.health.declare(&place.key(service.definition())));
        let mut all = services.to_vec();
        let served = |name: &str| {
            edge.mounts_service(name) || services.iter().any(|service| service.definition().full_name == name)
        };
        if self.tells_health && !served(health::DEFINITION.full_name) {
            all.push(Arc::new(health::HealthService { health: self.health.clone(), shutdown: shutdown.clone() }));
        }
        if self.reflection {
            let both = Reflection::of(all.iter().map(|service| service.definition()).collect(), shutdown);
            let missing = both.into_iter().filter(|one| !served(one.definition().full_name));
            all.extend(missing.map(|one| Arc::new(one) as Arc<dyn Serve>));
        }
        // After reflection, which does not tell of it: it is for registries, not for people.
        if let Some((key, told)) = &self.metadata
            && !served(metadata::NAME)
        {
            self.health.declare(key);
            all.push(Arc::new(MetadataServiceV2Server::new(told.clone())));
        }
        all
    }
}

impl Server {
    /// Whether clients may ask what is served (`grpcurl list`); they may unless this says `false`.
    #[must_use]
    pub fn reflection(mut self, reflection: bool) -> Self {
        self.builtin.reflection = reflection;
        self
    }

    /// Answers Dubbo's consumers of an application with what it will be told.
    pub(crate) fn telling(mut self, application: &str, told: &Told) -> Self {
        self.builtin.metadata = Some((metadata::key(application), told.clone()));
        self
    }

    /// What the health service of this server says. Handlers may keep it and say more.
    pub fn health(&self) -> &Health {
        &self.builtin.health
    }

    /// The `.proto` text of a service, with all of its package that is served; `None` when it is not served.
    ///
    /// # Errors
    /// When the types of the package do not make a schema: two of one name, as the error says.
    pub fn proto_text(&self, service: &str) -> Result<Option<String>, SchemaError> {
        proto_text(self.services.iter().map(|service| service.definition()), service)
    }
}

impl Running {
    /// What the health service says. [`drain`](Self::drain) says for good that nothing is served.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The `.proto` text of a service, with all of its package that is served; `None` when it is not served, and for
    /// health and reflection, whose text is that of gRPC.
    ///
    /// # Errors
    /// When the types of the package do not make a schema: two of one name, as the error says.
    pub fn proto_text(&self, service: &str) -> Result<Option<String>, SchemaError> {
        proto_text(self.listen.shared.dispatch.services().iter().copied(), service)
    }
}

fn proto_text(
    services: impl Iterator<Item = &'static ServiceDef> + Clone,
    name: &str,
) -> Result<Option<String>, SchemaError> {
    let Some(wanted) = services.clone().find(|service| service.full_name == name) else { return Ok(None) };
    let inside: Vec<_> = first_of_each(services).into_iter().filter(|one| one.package == wanted.package).collect();
    Ok(Schema::of(&inside)?.proto_text(wanted.package))
}

/// Each service once. Of several versions and groups the first is what a request that names none of them gets, so it is
/// the one described.
pub(super) fn first_of_each(services: impl Iterator<Item = &'static ServiceDef>) -> Vec<&'static ServiceDef> {
    let mut seen = HashSet::new();
    services.filter(|service| seen.insert(service.full_name)).collect()
}

/// A method of a service that every server brings along.
pub(super) const fn method(
    name: &'static str,
    kind: Kind,
    input: fn(&mut Types) -> MessageRef,
    output: fn(&mut Types) -> MessageRef,
) -> MethodDef {
    MethodDef { idempotent: matches!(kind, Kind::Unary), ..MethodDef::new(name, kind, input, output) }
}

/// How a stream without an end of its own ends when the server goes away.
pub(crate) fn draining() -> Status {
    Status::because(Reason::Draining, Code::Unavailable, "the server is shutting down")
}
