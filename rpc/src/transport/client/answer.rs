//! What comes back of a call, and the request's messages that are still on their way meanwhile.

use super::refused::Refused;
use crate::{
    call::{Frame, FrameStream, Frames, Payload, Reason, Reply, Status},
    server::Counted,
    transport::{
        body::{Incoming, Outgoing, Side},
        grpc::{self, GRPC_ENCODING},
    },
};
use bytes::Bytes;
use h2::{RecvStream, client::ResponseFuture};
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE, response::Parts};
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tonic::{Code, metadata::MetadataMap};

/// The request's messages, on their way.
pub(super) enum Upload {
    /// All is handed over.
    Done,
    /// More is to come.
    Going(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl Upload {
    pub(super) fn of_bytes(mut out: Outgoing, bytes: Bytes) -> Self {
        match out.send_small(bytes, true) {
            // A stream that takes nothing more has an answer, or will say why not.
            Ok(None) | Err(_) => Self::Done,
            Ok(Some(large)) => Self::Going(Box::pin(async move { drop(out.send_large(large, true).await) })),
        }
    }

    pub(super) fn of_stream(mut out: Outgoing, mut frames: FrameStream) -> Self {
        Self::Going(Box::pin(async move {
            match out.send_all(&mut frames).await {
                Ok(Ok(())) => drop(out.close()),
                // The program's own stream failed: the server learns that no more comes.
                Ok(Err(_)) => out.reset(),
                Err(_) => {}
            }
        }))
    }

    /// Moves the upload on.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        if let Self::Going(future) = self
            && future.as_mut().poll(cx).is_ready()
        {
            *self = Self::Done;
        }
    }
}

/// The answer of one message to a call.
pub(super) struct Single {
    head: AwaitHead,
    /// What has come of it.
    begun: Option<(MetadataMap, Incoming)>,
    first: Option<Frame>,
}

impl Single {
    pub(super) fn new(response: ResponseFuture, max_message: usize) -> Self {
        Self { head: AwaitHead::new(response, max_message), begun: None, first: None }
    }

    /// Ready once; not to be polled after that.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reply, Status>> {
        if self.begun.is_none() {
            let (metadata, incoming) = ready!(self.head.poll(cx))?;
            self.begun = incoming.map(|incoming| (metadata, incoming));
        }
        let Some((metadata, incoming)) = &mut self.begun else {
            let text = "the answer has no message";
            return Poll::Ready(Err(Status::because(Reason::BadResponse, Code::Internal, text)));
        };
        let frame = ready!(incoming.poll_only(&mut self.first, cx))?;
        let (metadata, trailers) = (std::mem::take(metadata), incoming.take_trailers());
        Poll::Ready(Ok(Reply { metadata, payload: Payload::One(frame), trailers, came: None }))
    }

    /// Waits for the answer while the request is still on its way.
    pub(super) async fn beside(mut self, mut upload: Upload) -> Result<Reply, Status> {
        poll_fn(|cx| {
            upload.poll(cx);
            self.poll(cx)
        })
        .await
    }
}

/// Waits for the head of an answer that is a stream, while the request is still on its way.
pub(super) async fn stream(
    response: ResponseFuture,
    mut upload: Upload,
    max_message: usize,
    counted: Counted,
) -> Result<Reply, Status> {
    let mut head = AwaitHead::new(response, max_message);
    let (metadata, incoming) = poll_fn(|cx| {
        upload.poll(cx);
        head.poll(cx)
    })
    .await?;
    let stream = Answer { incoming, upload, _counted: counted };
    Ok(Reply { metadata, ..Reply::new(Payload::Stream(Box::pin(stream))) })
}

/// The head of an answer, and what follows it; trailers alone are an answer too.
type Begun = (MetadataMap, Option<Incoming>);

/// Waits for the head of an answer, and when that is no gRPC, for what it says instead.
struct AwaitHead {
    response: ResponseFuture,
    max_message: usize,
    refused: Option<Box<Refused>>,
}

impl AwaitHead {
    fn new(response: ResponseFuture, max_message: usize) -> Self {
        Self { response, max_message, refused: None }
    }

    /// Ready once; not to be polled after that.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Begun, Status>> {
        if let Some(refused) = &mut self.refused {
            return refused.poll(cx).map(Err);
        }
        let response = ready!(Pin::new(&mut self.response).poll(cx)).map_err(|error| grpc::status_of_h2(&error))?;
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK && !head.headers.contains_key(grpc::GRPC_STATUS) {
            let refused = self.refused.insert(Box::new(Refused::new(head, body)));
            return refused.poll(cx).map(Err);
        }
        Poll::Ready(read_head(head, body, self.max_message))
    }
}

fn read_head(head: Parts, body: RecvStream, max_message: usize) -> Result<Begun, Status> {
    // A status in the headers of any answer comes first: Dubbo's Java server sends one with HTTP 404 and 500.
    if head.headers.contains_key(grpc::GRPC_STATUS) {
        return match grpc::read_status(head.headers) {
            Some(Err(status)) if head.status == StatusCode::NOT_FOUND => Err(gone(status)),
            Some(status) => status.map(|metadata| (metadata, None)),
            None => Err(grpc::status_of_http(head.status)),
        };
    }
    if !is_grpc(&head.headers) {
        return Err(not_grpc(&head.headers));
    }
    let gzip = match head.headers.get(GRPC_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity" | b"") => false,
        Some(b"gzip") => true,
        Some(other) => {
            let text = format!("the answer's encoding {} is not supported", String::from_utf8_lossy(other));
            return Err(Status::because(Reason::UnknownEncoding, Code::Internal, text));
        }
    };
    let incoming = Incoming::new(body, Side::Client, max_message, gzip);
    Ok((MetadataMap::from_headers(head.headers), Some(incoming)))
}

/// Nobody is behind the path at this peer, so nothing ran. Dubbo's Java says so of what it has never served, and of what
/// it served until just now: it takes its services away before everybody has heard that it ends. Another may have it.
fn gone(status: Status) -> Status {
    if status.code() != Code::Unimplemented {
        return status;
    }
    let text = status.message().to_owned();
    Status::because(Reason::StreamRefused, status.code(), text).not_reached().not_retryable()
}

/// The content type is gRPC's, whatever it says of how the messages are made: that is the stub's affair.
fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    matches!(value.as_bytes().strip_prefix(b"application/grpc"), Some([] | [b'+' | b';', ..]))
}

fn not_grpc(headers: &HeaderMap) -> Status {
    let kind = headers.get(CONTENT_TYPE).map_or("none".into(), |value| String::from_utf8_lossy(value.as_bytes()));
    let text = format!("the peer does not speak gRPC: the content type of its answer is {kind}");
    Status::because(Reason::BadResponse, Code::Unknown, text)
}

/// The stream of an answer, which also moves the request's own stream on.
struct Answer {
    /// `None` for an answer of trailers only: an empty stream.
    incoming: Option<Incoming>,
    upload: Upload,
    _counted: Counted,
}

impl Frames for Answer {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
        let this = self.get_mut();
        this.upload.poll(cx);
        match &mut this.incoming {
            Some(incoming) => incoming.poll_message(cx),
            None => Poll::Ready(None),
        }
    }

    fn take_trailers(self: Pin<&mut Self>) -> MetadataMap {
        self.get_mut().incoming.as_mut().map(Incoming::take_trailers).unwrap_or_default()
    }
}
