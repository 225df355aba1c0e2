//! Server reflection, v1 and v1alpha, from the traits alone: `grpcurl list` works with no file.
//!
//! The two versions have the same messages under two names, so one implementation in the messages of v1 serves both.
//! The descriptors are made when someone first asks: most servers never are.

mod answer;
mod index;
#[cfg(test)]
mod tests;

use super::{Phase, Routes, Serve, Shutdown, builtin, builtin::method};
use crate::{
    call::{ErrorInfo, Kind, ServiceDef, Status, Streaming},
    message::Field as _,
    schema::{MessageRef, Schema, SchemaError, Types},
};
use answer::Catalog;
use index::Index;
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, LazyLock, OnceLock},
};
use tonic_reflection::pb::{
    v1,
    v1::{ServerReflectionRequest, ServerReflectionResponse},
    v1alpha,
};

/// Reflection in one of its versions.
pub(super) struct Reflection {
    definition: &'static ServiceDef,
    shared: Arc<Shared>,
}

struct Shared {
    services: Vec<&'static ServiceDef>,
    catalog: OnceLock<Catalog>,
    shutdown: Shutdown,
}

impl Reflection {
    /// Both versions, over what is served and themselves.
    pub(super) fn of(mut services: Vec<&'static ServiceDef>, shutdown: &Shutdown) -> [Self; 2] {
        for own in [&V1, &V1ALPHA] {
            if !services.iter().any(|served| served.full_name == own.full_name) {
                services.push(own);
            }
        }
        let shared = Arc::new(Shared { services, catalog: OnceLock::new(), shutdown: shutdown.clone() });
        [&V1, &V1ALPHA].map(|definition| Self { definition, shared: shared.clone() })
    }
}

impl Serve for Reflection {
    fn definition(&self) -> &'static ServiceDef {
        self.definition
    }

    fn routes(&self, routes: &mut Routes) {
        let shared = self.shared.clone();
        routes
            .bidi_streaming(0, move |_, requests| std::future::ready(Ok::<_, Status>(shared.clone().serve(requests))));
    }
}

impl Shared {
    /// Answers requests until the client has no more, or the server drains: a client that holds a stream open for its
    /// next question would keep the drain waiting.
    fn serve(self: Arc<Self>, requests: Streaming<ServerReflectionRequest>) -> Streaming<ServerReflectionResponse> {
        let state = (self, requests, HashSet::new());
        Streaming::new(futures_util::stream::unfold(state, async |(shared, mut requests, mut sent)| {
            let request = tokio::select! {
                biased;
                request = requests.next() => request?,
                () = shared.shutdown.reached(Phase::Draining) => Err(builtin::draining()),
            };
            let answer = request.map(|request| shared.catalog().answer(request, &mut sent));
            Some((answer, (shared, requests, sent)))
        }))
    }

    fn catalog(&self) -> &Catalog {
        self.catalog.get_or_init(|| catalog(&self.services))
    }
}

fn catalog(services: &[&'static ServiceDef]) -> Catalog {
    let first = builtin::first_of_each(services.iter().copied());
    let pool = described(&first);
    let errors = error_details();
    let index = Index::of(pool.file_descriptor_protos().chain(&errors));
    let mut services: Vec<_> = first.iter().map(|service| service.full_name).collect();
    services.sort_unstable();
    Catalog { services, index }
}

/// What errors carry as details. No method names it, but a client that wants to show an error asks for it.
fn error_details() -> Vec<FileDescriptorProto> {
    let mut types = Types::new("google.rpc");
    types.message::<ErrorInfo>(None, "ErrorInfo", "Why a call failed, for programs.", |message| {
        message.field("reason", 1, "Unique inside the domain, as `UNKNOWN_ARTICLE`.", String::field_type);
        message.field("domain", 2, "Whose reason it is.", String::field_type);
        message.field("metadata", 3, "The fields of the error.", BTreeMap::<String, String>::field_type);
    });
    let mut files = types.into_descriptors();
    files.iter_mut().for_each(|file| file.name = Some("google/rpc/error_details.proto".to_owned()));
    files
}

/// The descriptors of all services, or of all that get along with each other: one bad type must not hide the others.
fn described(services: &[&'static ServiceDef]) -> DescriptorPool {
    let pool = |services: &[&ServiceDef]| -> Result<DescriptorPool, SchemaError> { Schema::of(services)?.pool() };
    if let Ok(pool) = pool(services) {
        return pool;
    }
    let (mut good, mut best) = (Vec::new(), DescriptorPool::new());
    // What the server brings along itself comes last and is known to be fine.
    for service in services.iter().rev() {
        good.push(*service);
        match pool(&good) {
            Ok(pool) => best = pool,
            Err(error) => {
                good.pop();
                tracing::warn!(service = service.full_name, %error, "a service cannot be described to reflection");
            }
        }
    }
    best
}

static V1: ServiceDef = ServiceDef {
    package: "grpc.reflection.v1",
    name: "ServerReflection",
    full_name: "grpc.reflection.v1.ServerReflection",
    version: None,
    group: None,
    docs: "",
    methods: &[method(INFO, Kind::BidiStreaming, v1_request, v1_response)],
};

static V1ALPHA: ServiceDef = ServiceDef {
    package: "grpc.reflection.v1alpha",
    name: "ServerReflection",
    full_name: "grpc.reflection.v1alpha.ServerReflection",
    version: None,
    group: None,
    docs: "",
    methods: &[method(INFO, Kind::BidiStreaming, v1alpha_request, v1alpha_response)],
};

const INFO: &str = "ServerReflectionInfo";

fn v1_request(types: &mut Types) -> MessageRef {
    types.message_of_set(&V1_FILES, "grpc.reflection.v1.ServerReflectionRequest")
}

fn v1_response(types: &mut Types) -> MessageRef {
    types.message_of_set(&V1_FILES, "grpc.reflection.v1.ServerReflectionResponse")
}

fn v1alpha_request(types: &mut Types) -> MessageRef {
    types.message_of_set(&V1ALPHA_FILES, "grpc.reflection.v1alpha.ServerReflectionRequest")
}

fn v1alpha_response(types: &mut Types) -> MessageRef {
    types.message_of_set(&V1ALPHA_FILES, "grpc.reflection.v1alpha.ServerReflectionResponse")
}

static V1_FILES: LazyLock<Vec<u8>> =
    LazyLock::new(|| named("grpc/reflection/v1/reflection.proto", v1::FILE_DESCRIPTOR_SET));
static V1ALPHA_FILES: LazyLock<Vec<u8>> =
    LazyLock::new(|| named("grpc/reflection/v1alpha/reflection.proto", v1alpha::FILE_DESCRIPTOR_SET));

/// A set of one file, under the name by which the world imports it.
fn named(name: &str, set: &[u8]) -> Vec<u8> {
    let mut set = FileDescriptorSet::decode(set).unwrap_or_default();
    set.file.iter_mut().for_each(|file| file.name = Some(name.to_owned()));
    set.encode_to_vec()
}
