//! What a service serves: the typed end of the server.
//!
//! Generated code implements [`Serve`]: it hands each method's function to [`Routes`], which wraps it into a handler of
//! bytes. Types end here; above there are only invocations.

use crate::call::{
    BoxFuture, Cx, Frame, Method, Payload, Reason, Reply, ServiceDef, ServiceError, Status, Streaming, decode,
};
use std::{fmt, sync::Arc};
use tonic::Code;

/// A service that can be served. Generated for each trait.
pub trait Serve: Send + Sync + 'static {
    /// What it is.
    fn definition(&self) -> &'static ServiceDef;

    /// Adds each of its methods.
    fn routes(&self, routes: &mut Routes);
}

/// Answers the calls of one method.
pub(crate) trait Handler: Send + Sync {
    /// Starts to answer. The future is dropped when the caller goes away or the deadline passes.
    fn call(&self, cx: Cx, payload: Payload) -> BoxFuture<'static, Result<Reply, Status>>;
}

/// The methods of one service, collected.
pub struct Routes {
    pub(crate) definition: &'static ServiceDef,
    pub(crate) methods: Arc<[Method]>,
    pub(crate) handlers: Vec<(usize, Arc<dyn Handler>)>,
}

impl Routes {
    /// The routes of a service.
    pub(crate) fn of(serve: &dyn Serve) -> Self {
        let definition = serve.definition();
        let mut routes = Self { definition, methods: Method::all(definition), handlers: Vec::new() };
        serve.routes(&mut routes);
        routes
    }

    /// Adds a unary method; `index` is its place in the definition.
    pub fn unary<Req, Res, E, F, Fut>(&mut self, index: usize, function: F)
    where
        F: Fn(Cx, Req) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Res, E>> + Send + 'static,
        Req: prost::Message + Default + 'static,
        Res: prost::Message + 'static,
        E: ServiceError,
    {
        self.add(index, move |cx, payload| Ok(one(cx.clone(), function(cx, message(payload)?))));
    }

    /// Adds a method that answers with a stream.
    pub fn server_streaming<Req, Res, E, F, Fut>(&mut self, index: usize, function: F)
    where
        F: Fn(Cx, Req) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Streaming<Res>, E>> + Send + 'static,
        Req: prost::Message + Default + 'static,
        Res: prost::Message + Default + 'static,
        E: ServiceError,
    {
        self.add(index, move |cx, payload| Ok(stream(cx.clone(), function(cx, message(payload)?))));
    }

    /// Adds a method that takes a stream.
    pub fn client_streaming<Req, Res, E, F, Fut>(&mut self, index: usize, function: F)
    where
        F: Fn(Cx, Streaming<Req>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Res, E>> + Send + 'static,
        Req: prost::Message + Default + 'static,
        Res: prost::Message + 'static,
        E: ServiceError,
    {
        self.add(index, move |cx, payload| Ok(one(cx.clone(), function(cx, Streaming::decode(payload.into_stream())))));
    }

    /// Adds a method that takes a stream and answers with one.
    pub fn bidi_streaming<Req, Res, E, F, Fut>(&mut self, index: usize, function: F)
    where
        F: Fn(Cx, Streaming<Req>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Streaming<Res>, E>> + Send + 'static,
        Req: prost::Message + Default + 'static,
        Res: prost::Message + Default + 'static,
        E: ServiceError,
    {
        self.add(index, move |cx, payload| {
            Ok(stream(cx.clone(), function(cx, Streaming::decode(payload.into_stream()))))
        });
    }

    fn add<H>(&mut self, index: usize, start: H)
    where
        H: Fn(Cx, Payload) -> Result<BoxFuture<'static, Result<Reply, Status>>, Status> + Send + Sync + 'static,
    {
        self.handlers.push((index, Arc::new(Function(start))));
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("service", &self.definition.full_name).finish_non_exhaustive()
    }
}

struct Function<H>(H);

impl<H> Handler for Function<H>
where
    H: Fn(Cx, Payload) -> Result<BoxFuture<'static, Result<Reply, Status>>, Status> + Send + Sync,
{
    fn call(&self, cx: Cx, payload: Payload) -> BoxFuture<'static, Result<Reply, Status>> {
        (self.0)(cx, payload).unwrap_or_else(|status| Box::pin(std::future::ready(Err(status))))
    }
}

/// Runs a function that answers with one message, inside the request's context.
fn one<Res, E, Fut>(cx: Cx, function: Fut) -> BoxFuture<'static, Result<Reply, Status>>
where
    Fut: Future<Output = Result<Res, E>> + Send + 'static,
    Res: prost::Message + 'static,
    E: ServiceError,
{
    let own = cx.clone();
    Box::pin(cx.scope(async move {
        let response = function.await.map_err(|error| failed(error, &own))?;
        let mut reply = Reply::new(Payload::One(Frame::encode(&response)));
        (reply.metadata, reply.trailers) = own.take_beside();
        Ok(reply)
    }))
}

/// Runs a function that answers with a stream, inside the request's context.
fn stream<Res, E, Fut>(cx: Cx, function: Fut) -> BoxFuture<'static, Result<Reply, Status>>
where
    Fut: Future<Output = Result<Streaming<Res>, E>> + Send + 'static,
    Res: prost::Message + Default + 'static,
    E: ServiceError,
{
    let own = cx.clone();
    Box::pin(cx.scope(async move {
        let response = function.await.map_err(|error| failed(error, &own))?;
        let mut reply = Reply::new(Payload::Stream(response.encode()));
        (reply.metadata, reply.trailers) = own.take_beside();
        Ok(reply)
    }))
}

/// The status of a service's error, with what the handler sends beside it.
fn failed(error: impl ServiceError, cx: &Cx) -> Status {
    let mut status = error.into_status();
    let (_, trailers) = cx.take_beside();
    if !trailers.is_empty() {
        let mut headers = trailers.into_headers();
        headers.extend(std::mem::take(status.metadata_mut()).into_headers());
        *status.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers);
    }
    status
}

/// The one message of a request.
pub(super) fn message<Req: prost::Message + Default>(payload: Payload) -> Result<Req, Status> {
    match payload {
        Payload::One(frame) => decode(&frame),
        Payload::Stream(_) => Err(Status::because(
            Reason::BadRequest,
            Code::Internal,
            "a stream came for a method that takes one message",
        )),
    }
}

/// The kinds whose request is one message.
#[cfg(feature = "server")]
pub(crate) fn takes_one(kind: crate::call::Kind) -> bool {
    !kind.client_streams()
}
