//! Anything that answers requests of HTTP, with its type put away: ours, and what is mounted beside it.

use super::{Body, BoxError, errors};
use crate::call::{BoxFuture, Reason, Status};
use bytes::Bytes;
use http::{Request, Response};
use std::{
    convert::Infallible,
    fmt,
    future::{poll_fn, ready},
    sync::Arc,
    task::{Context, Poll, Waker},
};
use tonic::Code;
use tower_service::Service;

/// What answers requests of HTTP: an `axum::Router`, a service of tonic, a layer of tower-http around one of them.
///
/// There is nothing to implement: each `tower` service of this shape is one.
pub trait Mountable:
    Service<Request<Body>, Response = Response<Self::Body>, Error: Into<BoxError>, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of its answers.
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> Mountable for S
where
    S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Body = B;
}

/// A cheap handle to a service of HTTP requests.
///
/// [`Server::into_service`](crate::server::Server::into_service) makes one of a whole server, for use inside axum, hyper
/// or tonic: it answers gRPC of all four kinds (over HTTP/2), JSON and gRPC-Web. Each request may carry a
/// [`Peer`](crate::call::Peer) among its extensions, which handlers then see.
#[derive(Clone)]
pub struct HttpService(Arc<dyn Answer>);

/// Answers one request.
pub(crate) trait Answer: Send + Sync + 'static {
    fn answer(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>>;
}

impl HttpService {
    /// Puts the type of a service away. Its failures become INTERNAL; what they say goes into the log, not to the caller.
    pub fn new(service: impl Mountable) -> Self {
        Self::of(Tower(service))
    }

    pub(crate) fn of(answer: impl Answer) -> Self {
        Self(Arc::new(answer))
    }

    pub(crate) fn answer(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        self.0.answer(request)
    }
}

impl<B> Service<Request<B>> for HttpService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = self.answer(request.map(Body::new));
        Box::pin(async move { Ok(answer.await) })
    }
}

impl fmt::Debug for HttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpService")
    }
}

struct Tower<S>(S);

impl<S: Mountable> Answer for Tower<S> {
    fn answer(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let mut service = self.0.clone();
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            // Mostly it is: then the request moves into the service's own future, and into no other before.
            Poll::Ready(Ok(())) => {
                let answered = service.call(request);
                return Box::pin(async move { answer(answered.await.map_err(Into::into)) });
            }
            Poll::Ready(Err(error)) => return Box::pin(ready(failed(error.into()))),
            Poll::Pending => {}
        }
        Box::pin(async move {
            if let Err(error) = poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into) {
                return failed(error);
            }
            answer(service.call(request).await.map_err(Into::into))
        })
    }
}

fn answer<B>(answered: Result<Response<B>, BoxError>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    answered.map(|response| response.map(Body::new)).unwrap_or_else(failed)
}

fn failed(error: BoxError) -> Response<Body> {
    tracing::warn!(%error, "a service of HTTP failed");
    errors::response(&Status::because(Reason::Handler, Code::Internal, "the service failed"))
}
