//! gRPC over bodies of HTTP of any kind: all four kinds of call, for gRPC-Web and for servers that are not ours.

use super::{
    Body,
    body_frames::{ReadFrames, WriteFrames, only},
    ours::Inner,
};
use crate::{
    call::{FrameStream, Invocation, Payload, Peer, Reply, Status},
    server::takes_one,
    transport::{
        before,
        grpc::{APPLICATION_GRPC, GRPC_ENCODING},
        head::{Head, refusal},
        panicked,
    },
};
use futures_util::FutureExt;
use http::{HeaderValue, Response, header::CONTENT_TYPE, request::Parts};
use std::panic::AssertUnwindSafe;
use tokio::time::Instant;

/// Answers a call.
pub(crate) async fn answer(ours: &Inner, parts: Parts, body: Body) -> Response<Body> {
    let head = match Head::read(&ours.dispatch, ours.gzip, parts.uri.path(), parts.headers, Instant::now()) {
        Ok(head) => head,
        Err(refused) => return refused.map(|()| Body::empty()),
    };
    let (deadline, gzip) = (head.deadline, head.gzip_out);
    let peer = parts.extensions.get::<Peer>().cloned();
    let mut frames: FrameStream = Box::pin(ReadFrames::new(body, ours.max_message, head.gzip_in));
    let payload = match takes_one(head.route.method.kind()) {
        true => before(deadline, only(&mut frames)).await.map(Payload::One),
        false => Ok(Payload::Stream(frames)),
    };
    let replied = match payload {
        Ok(payload) => before(deadline, invoke(ours, head.invocation(peer, payload))).await,
        Err(status) => Err(status),
    };
    match replied {
        Ok(reply) => response(reply, gzip, deadline),
        Err(status) => refusal(status).map(|()| Body::empty()),
    }
}

/// Runs a call through the server stack. A panic is INTERNAL to that call alone.
pub(crate) async fn invoke(ours: &Inner, call: Invocation) -> Result<Reply, Status> {
    // Making the future may panic too: a handler's first lines run in it.
    let work = AssertUnwindSafe(async { ours.service.invoke(call).await });
    work.catch_unwind().await.unwrap_or_else(|_| Err(panicked()))
}

pub(super) fn response(reply: Reply, gzip: bool, deadline: Option<Instant>) -> Response<Body> {
    let frames = WriteFrames::new(reply.payload.into_stream(), reply.trailers.into_headers(), gzip, deadline);
    let mut response = Response::new(Body::new(frames));
    *response.headers_mut() = reply.metadata.into_headers();
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_GRPC);
    if gzip {
        response.headers_mut().insert(GRPC_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
