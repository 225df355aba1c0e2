//! What stands around a service only where it is set. A call pays for what its stack has, so layers that nobody asked for
//! are not there, instead of being there and letting everything pass.

use super::Named;
use crate::call::{CallService, Invocation, Reply, Status};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tower_service::Service;

/// A service alone, or with what was set around it.
///
/// The futures of both are as large as the larger one. Where what may be set makes large ones, its type is put away into a
/// channel, which costs those calls a box and spares the others.
#[derive(Clone, Debug)]
pub(crate) enum Gates<S, G> {
    /// Nothing is set.
    Open(S),
    /// Something is.
    Set(G),
}

impl<S: CallService, G: CallService> Gates<S, G> {
    /// `inner`, and `around` it what is set, if anything is.
    pub(crate) fn new(inner: S, set: bool, around: impl FnOnce(S) -> G) -> Self {
        match set {
            true => Self::Set(around(inner)),
            false => Self::Open(inner),
        }
    }
}

impl<S: CallService, G: CallService> Service<Invocation> for Gates<S, G> {
    type Response = Reply;
    type Error = Status;
    type Future = Passing<S::Future, G::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Invocation) -> Self::Future {
        match self {
            Self::Open(inner) => Passing::Open { call: inner.call(call) },
            Self::Set(around) => Passing::Set { call: around.call(call) },
        }
    }
}

impl<S: Named, G: Named> Named for Gates<S, G> {
    fn names(&self, names: &mut Vec<&'static str>) {
        match self {
            Self::Open(inner) => inner.names(names),
            Self::Set(around) => around.names(names),
        }
    }
}

pin_project! {
    /// A call on its way through, or past.
    #[project = PassingProjection]
    pub(crate) enum Passing<F, G> {
        Open { #[pin] call: F },
        Set { #[pin] call: G },
    }
}

impl<F, G> Future for Passing<F, G>
where
    F: Future<Output = Result<Reply, Status>>,
    G: Future<Output = Result<Reply, Status>>,
{
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            PassingProjection::Open { call } => call.poll(cx),
            PassingProjection::Set { call } => call.poll(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::{
        call::{Frame, Kind, Payload},
        layer::{MetricsLayer, Side},
    };
    use tower_layer::Layer;

    #[tokio::test]
    async fn what_is_not_set_is_not_in_the_stack() {
        for (set, expected) in [(false, &["answer"][..]), (true, &["metrics", "answer"])] {
            let inner = answering(|_| Ok(Reply::new(Payload::One(Frame::encode(&1u32)))));
            let mut gates = Gates::new(inner, set, |inner| MetricsLayer::new(Side::Client).layer(inner));
            let mut names = Vec::new();
            gates.names(&mut names);
            assert_eq!(names, expected);
            assert!(gates.call(call(Kind::Unary, false)).await.is_ok());
        }
    }
}
