//! The request context: who calls, until when, and with what beside the message.
//!
//! A handler that asks for `&Cx` gets it as an argument. It is also the one task-local of mainstay, so that calls made
//! while a request is handled inherit its deadline and its trace without anyone passing them on: what has to be
//! remembered on each call is forgotten on one. It is lost in a bare `tokio::spawn`; [`Cx::spawn`] carries it along,
//! and [`detached`] leaves it behind on purpose.

use super::{Invocation, Method};
use crate::{
    auth::Caller,
    dubbo::{AttachmentError, Attachments},
};
use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{task::JoinHandle, time::Instant};
use tonic::metadata::{Ascii, Binary, MetadataKey, MetadataMap, MetadataValue};

tokio::task_local! {
    static CURRENT: Cx;
}

/// The context of the request that is being handled. A clone copies a pointer.
#[derive(Clone)]
pub struct Cx(Arc<Inner>);

struct Inner {
    method: Method,
    peer: Option<Peer>,
    caller: Option<Caller>,
    metadata: MetadataMap,
    deadline: Option<Instant>,
    /// Boxed: most handlers send nothing beside their answer.
    beside: Mutex<Option<Box<Beside>>>,
}

/// What goes back beside the answer.
#[derive(Default)]
struct Beside {
    headers: MetadataMap,
    trailers: MetadataMap,
}

impl Cx {
    /// Takes the context out of a call that came in.
    pub fn of(call: &mut Invocation) -> Self {
        Self(Arc::new(Inner {
            method: call.method.clone(),
            peer: call.peer.take(),
            caller: call.caller.take(),
            metadata: std::mem::take(&mut call.metadata),
            deadline: call.deadline,
            beside: Mutex::default(),
        }))
    }

    /// The context of the request that this task handles; `None` outside of one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// What is called.
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// Where the call comes from; `None` for one inside the process.
    pub fn peer(&self) -> Option<&Peer> {
        self.0.peer.as_ref()
    }

    /// Who calls, and how that is known: where the server finds it out ([`Server::auth`](crate::server::Server::auth)), and
    /// the caller showed anything.
    pub fn caller(&self) -> Option<&Caller> {
        self.0.caller.as_ref()
    }

    /// What came beside the message.
    pub fn metadata(&self) -> &MetadataMap {
        &self.0.metadata
    }

    /// The attachments that a Dubbo consumer sent, with the capitals of their names. Reads them anew each time.
    pub fn attachments(&self) -> Attachments {
        Attachments::of(&self.0.metadata)
    }

    /// The application that calls, as a Dubbo consumer says (`tri-consumer-appname`). Anybody can say anything: it is for
    /// logs and for routing, not for trust.
    pub fn consumer(&self) -> Option<&str> {
        self.0.metadata.get("tri-consumer-appname")?.to_str().ok()
    }

    /// When the caller stops waiting, on tokio's clock.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// How long the caller still waits; `None` when it waits for ever.
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.0.deadline?.saturating_duration_since(Instant::now()))
    }

    /// Sends metadata back before the answer, or before the first message of a stream: set it before returning that.
    /// A call that fails sends none of it.
    pub fn set_header(&self, key: MetadataKey<Ascii>, value: MetadataValue<Ascii>) {
        self.beside(|beside| beside.headers.append(key, value));
    }

    /// The same for binary metadata; the key ends in `-bin`.
    pub fn set_header_bin(&self, key: MetadataKey<Binary>, value: MetadataValue<Binary>) {
        self.beside(|beside| beside.headers.append_bin(key, value));
    }

    /// Sends metadata back after the answer, as trailers.
    pub fn set_trailer(&self, key: MetadataKey<Ascii>, value: MetadataValue<Ascii>) {
        self.beside(|beside| beside.trailers.append(key, value));
    }

    /// The same for binary metadata; the key ends in `-bin`.
    pub fn set_trailer_bin(&self, key: MetadataKey<Binary>, value: MetadataValue<Binary>) {
        self.beside(|beside| beside.trailers.append_bin(key, value));
    }

    /// Sends an attachment back, where Dubbo's consumers read it: after the answer. The name may have capitals.
    ///
    /// # Errors
    /// As [`Attachments::set`].
    pub fn set_attachment(&self, name: &str, value: impl Into<String>) -> Result<(), AttachmentError> {
        let mut one = Attachments::new();
        one.set(name, value)?;
        self.beside(|beside| one.write_to(&mut beside.trailers));
        Ok(())
    }

    /// What [`set_header`](Self::set_header) and [`set_trailer`](Self::set_trailer) collected.
    pub(crate) fn take_beside(&self) -> (MetadataMap, MetadataMap) {
        let beside = self.0.beside.lock().unwrap_or_else(PoisonError::into_inner).take();
        beside.map_or_else(Default::default, |beside| (beside.headers, beside.trailers))
    }

    fn beside<R>(&self, edit: impl FnOnce(&mut Beside) -> R) -> R {
        edit(self.0.beside.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
    }

    /// Runs a future inside this context.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    /// Spawns a task that keeps this context: its calls end with this request's deadline and belong to its trace.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(self.clone().scope(future))
    }
}

impl fmt::Debug for Cx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").field("method", &self.0.method).field("peer", &self.0.peer).finish_non_exhaustive()
    }
}

/// Runs a future as if no request were being handled: its calls have a deadline and a trace of their own.
pub async fn detached<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|task| {
        // A task-local cannot be unset: an empty scope would need an Option in each context. Leaving it is a swap with
        // a context that has neither deadline nor metadata.
        match CURRENT.try_with(|cx| Cx(Arc::new(Inner::bare(cx.0.method.clone())))) {
            Ok(bare) => CURRENT.sync_scope(bare, || future.as_mut().poll(task)),
            Err(_) => future.as_mut().poll(task),
        }
    })
    .await
}

impl Inner {
    fn bare(method: Method) -> Self {
        Self {
            method,
            peer: None,
            caller: None,
            metadata: MetadataMap::new(),
            deadline: None,
            beside: Mutex::default(),
        }
    }
}

/// Who is at the other end of a connection. A clone copies a pointer.
#[derive(Clone, Debug)]
pub struct Peer(Arc<PeerInner>);

#[derive(Debug)]
struct PeerInner {
    address: Option<SocketAddr>,
    certificates: Vec<Vec<u8>>,
}

impl Peer {
    /// A peer at `address` that showed `certificates` (DER, its own first) in mutual TLS.
    pub fn new(address: Option<SocketAddr>, certificates: Vec<Vec<u8>>) -> Self {
        Self(Arc::new(PeerInner { address, certificates }))
    }

    /// The address of the other end; `None` for a transport in memory.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.address
    }

    /// The certificates of mutual TLS, in DER, the peer's own first. Empty without it.
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.0.certificates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Frame, Kind, Payload};

    fn context(deadline: Option<Instant>) -> Cx {
        let method = Method::new("a.B", "C", Kind::Unary).unwrap();
        let mut call = Invocation::new(method, Payload::One(Frame::encode(&())));
        call.deadline = deadline;
        Cx::of(&mut call)
    }

    #[tokio::test(start_paused = true)]
    async fn a_spawned_task_keeps_it_and_a_detached_future_does_not() {
        let deadline = Some(Instant::now() + Duration::from_secs(1));
        let cx = context(deadline);
        let inside = cx.clone().scope(async move {
            let spawned = cx.spawn(async { Cx::current().and_then(|cx| cx.deadline()) }).await.unwrap();
            let left = detached(async { Cx::current().and_then(|cx| cx.deadline()) }).await;
            (spawned, left)
        });
        assert_eq!(inside.await, (deadline, None));
        assert!(Cx::current().is_none());
    }

    #[test]
    fn what_goes_back_beside_the_answer_is_taken_once() {
        let cx = context(None);
        cx.set_header("a".parse().unwrap(), "1".parse().unwrap());
        cx.set_header_bin("a-bin".parse().unwrap(), MetadataValue::from_bytes(b"\0"));
        cx.set_trailer_bin("b-bin".parse().unwrap(), MetadataValue::from_bytes(b"\xff"));
        let (headers, trailers) = cx.take_beside();
        assert_eq!((headers.len(), trailers.len()), (2, 1));
        assert_eq!(trailers.get_bin("b-bin").unwrap().to_bytes().unwrap().as_ref(), b"\xff");
        assert!(cx.take_beside().0.is_empty());
    }
}
