//! Anything that turns an invocation into a reply, with its type put away.
//!
//! A stub should not carry the type of the stack below it. Every service of mainstay is always ready and cheap to
//! clone, so one shared pointer is enough: a call clones the service inside and nothing is locked.

use super::{BoxFuture, Invocation, Reply, Status};
use crate::{cluster::EndpointState, layer::Named};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// A service of calls: what client stacks, servers, mocks and every layer between them are.
///
/// There is nothing to implement: each `tower` service of this shape is one. It must be ready whenever it is called: waiting
/// belongs into the call.
pub trait CallService:
    Service<Invocation, Response = Reply, Error = Status, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

impl<S> CallService for S where
    S: Service<Invocation, Response = Reply, Error = Status, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

/// A cheap handle to a service of invocations: a client stack, a server in the same process, a mock.
#[derive(Clone)]
pub struct Channel(Arc<dyn Invoke>);

trait Invoke: Send + Sync {
    fn invoke(&self, call: Invocation) -> BoxFuture<'static, Result<Reply, Status>>;
    fn layers(&self) -> &[&'static str];
    fn endpoints(&self) -> Option<&Endpoints>;
}

/// Tells whom a client stack knows.
pub(crate) type Endpoints = Arc<dyn Fn() -> Vec<EndpointState> + Send + Sync>;

/// A service, the names of the layers that it is made of, and whom it calls.
struct Stack<S> {
    service: S,
    layers: Vec<&'static str>,
    endpoints: Option<Endpoints>,
}

impl<S: CallService> Invoke for Stack<S> {
    fn invoke(&self, call: Invocation) -> BoxFuture<'static, Result<Reply, Status>> {
        Box::pin(self.service.clone().call(call))
    }

    fn layers(&self) -> &[&'static str] {
        &self.layers
    }

    fn endpoints(&self) -> Option<&Endpoints> {
        self.endpoints.as_ref()
    }
}

impl Channel {
    /// Puts the type of a service away. The service must be ready whenever it is called.
    pub fn new(service: impl CallService) -> Self {
        Self(Arc::new(Stack { service, layers: Vec::new(), endpoints: None }))
    }

    /// As [`new`](Self::new), for a stack that can say what it is made of.
    pub(crate) fn of_stack(service: impl CallService + Named) -> Self {
        Self::of_client(service, None)
    }

    /// As [`of_stack`](Self::of_stack), for a stack that calls others.
    pub(crate) fn of_client(service: impl CallService + Named, endpoints: Option<Endpoints>) -> Self {
        let mut layers = Vec::new();
        service.names(&mut layers);
        Self(Arc::new(Stack { service, layers, endpoints }))
    }

    /// Puts a layer around the channel. What is known of the endpoints below stays known.
    pub(crate) fn under(self, layer: impl Layer<Self, Service: CallService>) -> Self {
        let endpoints = self.0.endpoints().cloned();
        Self(Arc::new(Stack { service: layer.layer(self), layers: Vec::new(), endpoints }))
    }

    /// The names of the layers that a call goes through, top to bottom; empty where they are not known, as below a
    /// layer of the user's own.
    pub fn layers(&self) -> &[&'static str] {
        self.0.layers()
    }

    /// Every instance that is known now, and how its connections do; in the order of their ids.
    ///
    /// Empty before the first call, since nothing is looked up before it, and for a channel that connects to nobody: a
    /// server in the same process, a mock, a stack of one's own.
    pub fn connectivity(&self) -> Vec<EndpointState> {
        self.0.endpoints().map(|endpoints| endpoints()).unwrap_or_default()
    }

    /// Makes a call. Dropping the future cancels it.
    pub fn invoke(&self, call: Invocation) -> BoxFuture<'static, Result<Reply, Status>> {
        self.0.invoke(call)
    }
}

impl Service<Invocation> for Channel {
    type Response = Reply;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Reply, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Invocation) -> Self::Future {
        self.invoke(call)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel")
    }
}
