//! One call as data, and what comes back.

use super::{Method, Payload, Peer};
use crate::{auth::Caller, layer::Trial};
use mainstay_registry::{InstanceId, ServiceKey};
use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;

/// One call: what a stub hands to the client stack, and what a server's transport hands to the server stack.
///
/// It is as wide as a pointer, since each layer hands it to the next; what it is made of is reached through it:
/// `call.method`, `call.metadata.insert(..)`.
#[derive(Debug)]
pub struct Invocation(Box<Parts>);

/// What an [`Invocation`] is made of.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts {
    /// What is called.
    pub method: Method,
    /// The version and the group that are asked for; the interface is the method's service.
    pub version: Option<Arc<str>>,
    /// See `version`.
    pub group: Option<Arc<str>>,
    /// What travels beside the message. Empty for most calls.
    pub metadata: MetadataMap,
    /// The request.
    pub payload: Payload,
    /// When the call was made, on tokio's clock: read once, and used by every layer that takes its time.
    pub began: Instant,
    /// When the call must have ended, on tokio's clock. It covers every phase.
    pub deadline: Option<Instant>,
    /// How many retries a failure may cost, at most: the caller's word over the method's.
    pub retries: Option<u32>,
    /// How long one try may take where another may follow, by the caller's word.
    pub per_try: Option<Duration>,
    /// This try, where its time is taken. Made by Retry, read by the endpoint.
    pub(crate) trial: Option<Arc<Trial>>,
    /// Instances that were tried and failed. Read by Cluster, written by Retry.
    pub tried: Vec<InstanceId>,
    /// What the call has in common with others that one instance should have, as a session: a hash, the same for the same session. It
    /// goes where others of the same affinity went, as long as that instance can be used, whatever the balance says, and waits up to
    /// 250 ms to be connected to it. Read by Cluster.
    pub affinity: Option<u64>,
    /// Where the call came from; on a server.
    pub peer: Option<Peer>,
    /// Who called, where a server finds that out.
    pub caller: Option<Caller>,
    /// The value of `grpc-accept-encoding` lists gzip: the reply may be compressed; on a client: compress the request.
    pub gzip: bool,
}

impl Invocation {
    /// A call of `method` that carries `payload` and nothing else.
    pub fn new(method: Method, payload: Payload) -> Self {
        Self(Box::new(Parts {
            method,
            version: None,
            group: None,
            metadata: MetadataMap::new(),
            payload,
            began: Instant::now(),
            deadline: None,
            retries: None,
            per_try: None,
            trial: None,
            tried: Vec::new(),
            affinity: None,
            peer: None,
            caller: None,
            gzip: false,
        }))
    }

    /// What it is made of, to be taken apart. It stays where it is: no part is copied but those that are taken.
    pub fn into_parts(self) -> Box<Parts> {
        self.0
    }

    /// The same call once more; `None` when its request is a stream.
    pub fn try_clone(&self) -> Option<Self> {
        let parts = &*self.0;
        Some(Self(Box::new(Parts {
            method: parts.method.clone(),
            version: parts.version.clone(),
            group: parts.group.clone(),
            // Mostly there is none, and a copy of an empty table is not free.
            metadata: if parts.metadata.is_empty() { MetadataMap::new() } else { parts.metadata.clone() },
            payload: parts.payload.try_clone()?,
            began: parts.began,
            deadline: parts.deadline,
            retries: parts.retries,
            per_try: parts.per_try,
            trial: None,
            tried: parts.tried.clone(),
            affinity: parts.affinity,
            peer: parts.peer.clone(),
            caller: parts.caller.clone(),
            gzip: parts.gzip,
        })))
    }

    /// The key under which the registry knows what is called.
    pub fn key(&self) -> ServiceKey {
        ServiceKey {
            interface: self.method.service().to_owned(),
            group: self.group.as_deref().map(str::to_owned),
            version: self.version.as_deref().map(str::to_owned),
        }
    }
}

impl Deref for Invocation {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl DerefMut for Invocation {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

/// The answer to a call that did not fail.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reply {
    /// What came before the message.
    pub metadata: MetadataMap,
    /// The response.
    pub payload: Payload,
    /// What came after a payload of one message; a stream brings its own.
    pub trailers: MetadataMap,
    /// When a payload of one message came, on tokio's clock, if that is known: read once, and used by every layer of the client
    /// that takes its time.
    pub came: Option<Instant>,
}

impl Reply {
    /// A reply without metadata.
    pub fn new(payload: Payload) -> Self {
        Self { metadata: MetadataMap::new(), payload, trailers: MetadataMap::new(), came: None }
    }
}
