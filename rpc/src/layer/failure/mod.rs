//! What a client does with calls that fail, other than trying again: empty answers, fixed values, a function of the program's,
//! or sending them again when the caller has long gone on.
//!
//! | file | what |
//! |---|---|
//! | `policy.rs` | what a program says, of all methods and of each |
//! | `degrade.rs` | what callers get instead of an answer |
//! | `queue.rs`, `again.rs` | what is sent again later, and the task that does so |
//!
//! Trying again in time is `Retry`'s; asking several is the cluster's (`cluster/spread.rs`). A client of which nothing is said has
//! no such layer but a look at an `Option`. The start of a stream can be spared a failure; what breaks off later is the
//! caller's to see.

mod again;
mod degrade;
mod policy;
mod queue;

pub use degrade::{Degrade, Fallen};
use policy::Care;
pub(crate) use policy::{Cares, Spread};
pub use policy::{FailbackOptions, FaultPolicy};

use super::{
    Named,
    names::{DEGRADED, POLICY, REASON},
};
use crate::call::{CallService, Empty, Frame, Invocation, Method, Payload, Reply, ServiceDef, Status};
use again::{Later, repeatable};
#[cfg(feature = "server")]
use degrade::Make;
use degrade::{request, spares};
use futures_util::future::{Either, join_all};
use pin_project_lite::pin_project;
use std::{
    future::{Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{self, Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// Makes [`Failure`]s.
#[derive(Clone, Debug)]
pub(crate) struct FailureLayer(Option<Arc<Shared>>);

/// Does what is said of calls that fail.
#[derive(Clone, Debug)]
pub(crate) struct Failure<S> {
    inner: S,
    shared: Option<Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    cares: Cares,
    /// Of all methods, and of those that have a word of their own, as in `cares`.
    later: Vec<Option<Later>>,
}

impl FailureLayer {
    /// Something is said.
    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Sends what waits to be sent again at once, and for the last time; waits until that has ended. From now on nothing is
    /// kept for later. Cancel-safe.
    pub(crate) async fn end(&self) {
        let later = self.0.iter().flat_map(|shared| shared.later.iter().flatten());
        join_all(later.map(Later::end)).await;
    }

    /// A layer for what is said of the methods of a service.
    ///
    /// # Errors
    /// What cannot be, and of which method: JSON that is not its message, a policy that its streams cannot keep to.
    pub(crate) fn new(mut cares: Cares, definition: &'static ServiceDef) -> Result<Self, String> {
        if cares.is_plain() {
            return Ok(Self(None));
        }
        check(&mut cares, definition)?;
        let later = |care: &Care| match &care.policy {
            FaultPolicy::Failback(options) => Some(Later::new(*options)),
            _ => None,
        };
        let all = std::iter::once(&cares.all).chain(cares.methods.iter().map(|(_, care)| care));
        let later = all.map(later).collect();
        Ok(Self(Some(Arc::new(Shared { cares, later }))))
    }
}

/// Looks at what is said of each method, and reads the JSON that stands for its message.
fn check(cares: &mut Cares, definition: &'static ServiceDef) -> Result<(), String> {
    let methods = Method::all(definition);
    if let Some((name, _)) = cares.methods.iter().find(|(name, _)| methods.iter().all(|one| *one.name() != **name)) {
        let known = methods.iter().map(Method::name).collect::<Vec<_>>().join(", ");
        return Err(format!("{} has no method `{name}`: it has {known}", definition.full_name));
    }
    for (name, care) in &mut cares.methods {
        let Some(method) = methods.iter().find(|method| *method.name() == **name) else { continue };
        if care.degrade.is_some() && method.kind().server_streams() {
            return Err(format!("`{name}` answers with a stream, and no one message can stand for it"));
        }
        #[cfg(feature = "server")]
        if let Some(Degrade { make, .. }) = &mut care.degrade
            && let Make::Json(text) = make
        {
            let read = crate::edge::message_of(definition, name, text);
            *make = Make::Frame(read.map_err(|status| status.message().to_owned())?);
        }
    }
    Ok(())
}

impl Shared {
    /// What is said of a method, and the calls of it that wait.
    fn of(&self, method: &Method) -> (&Care, Option<&Later>) {
        let own = self.cares.methods.iter().position(|(name, _)| **name == *method.name());
        let care = own.map_or(&self.cares.all, |place| &self.cares.methods[place].1);
        (care, self.later[own.map_or(0, |place| place + 1)].as_ref())
    }
}

impl<S> Layer<S> for FailureLayer {
    type Service = Failure<S>;

    fn layer(&self, inner: S) -> Failure<S> {
        Failure { inner, shared: self.0.clone() }
    }
}

impl<S: CallService> Service<Invocation> for Failure<S> {
    type Response = Reply;
    type Error = Status;
    type Future = Either<Ready<Result<Reply, Status>>, Cared<S, S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Invocation) -> Self::Future {
        let Some(shared) = &self.shared else {
            return Either::Right(Cared { call: self.inner.call(call), after: None });
        };
        let (care, later) = shared.of(&call.method);
        if care.policy != FaultPolicy::Failover {
            call.retries = Some(0);
        }
        if let Some(degrade) = care.degrade.as_ref().filter(|degrade| degrade.force) {
            count("degrade", "FORCED");
            return Either::Left(ready(degrade.answer(&call.method, request(&call).as_ref(), None)));
        }
        let copy = if later.is_some() { call.try_clone() } else { None };
        let after = After {
            method: call.method.clone(),
            request: care.degrade.as_ref().and_then(|_| request(&call)),
            copy,
            shared: shared.clone(),
            inner: self.inner.clone(),
        };
        Either::Right(Cared { call: self.inner.call(call), after: Some(Box::new(after)) })
    }
}

impl<S: Named> Named for Failure<S> {
    fn names(&self, names: &mut Vec<&'static str>) {
        names.extend(self.shared.as_ref().map(|_| "failure"));
        self.inner.names(names);
    }
}

/// What is needed when a call fails.
#[derive(Debug)]
struct After<S> {
    method: Method,
    request: Option<Frame>,
    /// To send it again later.
    copy: Option<Invocation>,
    shared: Arc<Shared>,
    inner: S,
}

impl<S: CallService> After<S> {
    /// What the caller gets instead.
    #[cold]
    fn instead(self, status: Status) -> Result<Reply, Status> {
        let (care, later) = self.shared.of(&self.method);
        if let Some(degrade) = &care.degrade {
            count("degrade", status.reason().as_str());
            return degrade.answer(&self.method, self.request.as_ref(), Some(&status));
        }
        match (&care.policy, later, self.copy) {
            (FaultPolicy::Failsafe, ..) => {
                tracing::warn!(method = ?self.method, %status, "a call failed that does not matter: its answer is empty");
                count("failsafe", status.reason().as_str());
                Ok(empty(&self.method))
            }
            (FaultPolicy::Failback(_), Some(later), Some(copy)) if repeatable(&copy, &status) => {
                tracing::warn!(method = ?self.method, %status, "a call failed that is sent again later");
                if !later.take(copy, &self.inner) {
                    return Err(status);
                }
                count("failback", status.reason().as_str());
                Ok(empty(&self.method))
            }
            _ => Err(status),
        }
    }
}

/// A caller was spared a failure.
fn count(policy: &'static str, reason: &'static str) {
    metrics::counter!(DEGRADED, POLICY => policy, REASON => reason).increment(1);
}

/// A message without fields, or a stream without messages.
fn empty(method: &Method) -> Reply {
    Reply::new(match method.kind().server_streams() {
        true => Payload::Stream(Box::pin(Empty)),
        false => Payload::One(Frame::encode(&())),
    })
}

pin_project! {
    /// A call of which something is said for the case that it fails.
    #[derive(Debug)]
    pub(crate) struct Cared<S, F> {
        #[pin]
        call: F,
        after: Option<Box<After<S>>>,
    }
}

impl<S: CallService, F: Future<Output = Result<Reply, Status>>> Future for Cared<S, F> {
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = task::ready!(this.call.poll(cx));
        Poll::Ready(match (result, this.after.take()) {
            (Err(status), Some(after)) if spares(&status) => after.instead(status),
            (result, _) => result,
        })
    }
}
