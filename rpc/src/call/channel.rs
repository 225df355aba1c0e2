//! Anything that turns an invocation into a reply, with its type put away.
//!
//! A stub should not carry the type of the stack below it. Every service of mainstay is always ready and cheap to
//! clone, so one shared pointer is enough: a call takes the service inside for the moment in which it begins, or a clone of
//! it when another call has it just then. So it waits for nobody, and mostly counts no references of the layers.

use super::{BoxFuture, Invocation, Reply, Status};
use crate::{cluster::EndpointState, layer::Named, policy::LimitState, route::RuleState};
use std::{
    fmt,
    sync::{Arc, Mutex},
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
    fn insight(&self) -> Option<&Arc<dyn Insight>>;
}

/// What a client's stack can say of itself.
pub(crate) trait Insight: Send + Sync {
    /// What is looked for, and where, in words without secrets.
    fn sought_where(&self) -> (String, String);
    /// Every instance that is known now.
    fn endpoints(&self) -> Vec<EndpointState>;
    /// Why there is none; `None` when there is one.
    fn why_nobody(&self) -> Option<String>;
    /// How it stands with the rules by which they are picked.
    fn rules(&self) -> Vec<RuleState>;
    /// How its limits do.
    fn limits(&self) -> Vec<LimitState>;
    /// Sends what waits to be sent again, for the last time.
    fn drain(&self) -> BoxFuture<'_, ()>;
}

/// A service, the names of the layers that it is made of, and what it can say of itself.
struct Stack<S> {
    service: S,
    /// A clone that calls take in turns.
    spare: Mutex<S>,
    layers: Vec<&'static str>,
    insight: Option<Arc<dyn Insight>>,
}

impl<S: CallService> Stack<S> {
    fn new(service: S, layers: Vec<&'static str>, insight: Option<Arc<dyn Insight>>) -> Self {
        Self { spare: Mutex::new(service.clone()), service, layers, insight }
    }
}

impl<S: CallService> Invoke for Stack<S> {
    fn invoke(&self, call: Invocation) -> BoxFuture<'static, Result<Reply, Status>> {
        match self.spare.try_lock() {
            Ok(mut service) => Box::pin(service.call(call)),
            Err(_) => Box::pin(self.service.clone().call(call)),
        }
    }

    fn layers(&self) -> &[&'static str] {
        &self.layers
    }

    fn insight(&self) -> Option<&Arc<dyn Insight>> {
        self.insight.as_ref()
    }
}

impl Channel {
    /// Puts the type of a service away. The service must be ready whenever it is called.
    pub fn new(service: impl CallService) -> Self {
        Self(Arc::new(Stack::new(service, Vec::new(), None)))
    }

    /// As [`new`](Self::new), for a stack that can say what it is made of.
    pub(crate) fn of_stack(service: impl CallService + Named) -> Self {
        Self::of_client(service, None)
    }

    /// As [`of_stack`](Self::of_stack), for a stack that calls others.
    pub(crate) fn of_client(service: impl CallService + Named, insight: Option<Arc<dyn Insight>>) -> Self {
        let mut layers = Vec::new();
        service.names(&mut layers);
        Self(Arc::new(Stack::new(service, layers, insight)))
    }

    /// Puts a layer around the channel. What is known of the endpoints below stays known.
    pub(crate) fn under(self, layer: impl Layer<Self, Service: CallService>) -> Self {
        let insight = self.0.insight().cloned();
        Self(Arc::new(Stack::new(layer.layer(self), Vec::new(), insight)))
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
        self.0.insight().map(|insight| insight.endpoints()).unwrap_or_default()
    }

    /// What is looked for, and in which registry, in words without secrets; `None` for a channel that looks nothing up.
    pub fn looks_for(&self) -> Option<(String, String)> {
        self.0.insight().map(|insight| insight.sought_where())
    }

    /// Why nobody is known, in one line for people; `None` when somebody is, or nobody is looked for.
    pub fn why_nobody(&self) -> Option<String> {
        self.0.insight().and_then(|insight| insight.why_nobody())
    }

    /// How the limits of a client do; empty where none is set.
    pub fn limits(&self) -> Vec<LimitState> {
        self.0.insight().map(|insight| insight.limits()).unwrap_or_default()
    }

    /// How it stands with the rules that its calls are routed by, key by key: which text is in force, and why another one is
    /// not. Empty before the first call, and where no rules are followed.
    pub fn rules(&self) -> Vec<RuleState> {
        self.0.insight().map(|insight| insight.rules()).unwrap_or_default()
    }

    /// Ends what a client does of its own: calls that wait to be sent again ([`Failback`](crate::client::FaultPolicy::Failback)) are
    /// sent at once, for the last time, and their end is waited for; none is kept for later from now on. Calls of others go on as
    /// before: they end with whoever made them. An [`App`](crate::App) does it for the clients of its
    /// [console](crate::App::console) when it drains. Cancel-safe: what was sent goes on.
    pub async fn drain(&self) {
        if let Some(insight) = self.0.insight() {
            insight.drain().await;
        }
    }

    /// Makes a call. Dropping the future cancels it.
    pub fn invoke(&self, call: Invocation) -> BoxFuture<'static, Result<Reply, Status>> {
        self.0.invoke(call)
    }
}

impl Named for Channel {
    fn names(&self, names: &mut Vec<&'static str>) {
        names.extend(self.layers());
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
