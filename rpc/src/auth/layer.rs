//! The layer that finds out who calls, and lets it or not. Where nobody is to be asked it is a look at an `Option`.

use super::Auth;
use crate::{
    call::{Invocation, Reply, Status},
    layer::{
        Named,
        names::{POLICY, REASON, REFUSED},
    },
    wall::since_the_epoch,
};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// Makes [`Authenticates`].
#[derive(Clone, Debug)]
pub struct AuthLayer {
    auth: Option<Arc<Auth>>,
    spares: fn(&Invocation) -> bool,
}

/// Finds out who calls. See [`Auth`].
#[derive(Clone, Debug)]
pub struct Authenticates<S> {
    inner: S,
    layer: AuthLayer,
}

impl AuthLayer {
    /// A layer that asks `auth`.
    pub fn new(auth: Auth) -> Self {
        Self::maybe(Some(Arc::new(auth)))
    }

    /// A layer that lets every call pass when there is nobody to ask.
    pub(crate) fn maybe(auth: Option<Arc<Auth>>) -> Self {
        Self { auth, spares: |_| false }
    }

    /// Calls for which this is true pass, unless [`Auth::also_builtin`] was said.
    pub(crate) fn sparing(mut self, spares: fn(&Invocation) -> bool) -> Self {
        self.spares = spares;
        self
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Authenticates<S>;

    fn layer(&self, inner: S) -> Authenticates<S> {
        Authenticates { inner, layer: self.clone() }
    }
}

impl<S: Named> Named for Authenticates<S> {
    fn names(&self, names: &mut Vec<&'static str>) {
        names.extend(self.layer.auth.as_ref().map(|_| "auth"));
        self.inner.names(names);
    }
}

impl<S> Service<Invocation> for Authenticates<S>
where
    S: Service<Invocation, Response = Reply, Error = Status>,
{
    type Response = Reply;
    type Error = Status;
    type Future = Authenticated<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Invocation) -> Self::Future {
        let Some(auth) = &self.layer.auth else {
            return Authenticated { call: Some(self.inner.call(call)), refused: None };
        };
        if (self.layer.spares)(&call) && !auth.also_builtin {
            return Authenticated { call: Some(self.inner.call(call)), refused: None };
        }
        match auth.admit(&call, since_the_epoch()) {
            Ok(caller) => {
                call.caller = caller;
                Authenticated { call: Some(self.inner.call(call)), refused: None }
            }
            Err(status) => {
                metrics::counter!(REFUSED, POLICY => "auth", REASON => status.reason().as_str()).increment(1);
                Authenticated { call: None, refused: Some(status) }
            }
        }
    }
}

pin_project! {
    /// A call whose caller is known, or that is refused.
    #[derive(Debug)]
    pub struct Authenticated<F> {
        #[pin]
        call: Option<F>,
        refused: Option<Status>,
    }
}

impl<F: Future<Output = Result<Reply, Status>>> Future for Authenticated<F> {
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match (this.call.as_pin_mut(), this.refused.take()) {
            (Some(call), _) => call.poll(cx),
            (None, Some(status)) => Poll::Ready(Err(status)),
            // Polled after its end.
            (None, None) => Poll::Pending,
        }
    }
}
