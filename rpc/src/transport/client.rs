//! One HTTP/2 connection of a client: many calls at once, one write per burst.
//!
//! A [`Connection`] is a handle; a task drives the bytes until the connection ends, and says so through the handle.
//! There is no queue in front of it: a call adds its frames from the caller's own task.

use super::{
    body::{Incoming, Outgoing, Side},
    budget::{Charged, SendBudget},
    coalesce::{Burst, Coalesce},
    grpc::{self, APPLICATION_GRPC, GRPC_ACCEPT_ENCODING, GRPC_ENCODING, GRPC_TIMEOUT, SERVICE_GROUP, SERVICE_VERSION},
    io::BoxIo,
    keepalive::Keepalive,
    limits::Http2Limits,
};
use crate::{
    call::{Frame, FrameStream, Frames, Invocation, Payload, Reason, Reply, Status},
    server::{Counted, Tally},
};
use h2::{
    Ping,
    client::{ResponseFuture, SendRequest},
};
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{CONTENT_TYPE, TE, USER_AGENT},
    uri::{Authority, Scheme},
};
use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};
use tokio::{sync::watch, time::Instant};
use tonic::{Code, metadata::MetadataMap};

/// A connection. A clone is the same connection; it closes when the last clone and the last call are gone.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    send: SendRequest<Charged>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    scheme: Scheme,
    authority: Authority,
    budget: SendBudget,
    calls: Tally,
    max_message: usize,
    closed: watch::Receiver<bool>,
}

impl Connection {
    /// Shakes hands, waits until the peer has answered, and spawns the task that drives the connection. Takes as long as
    /// the peer does: the caller bounds it.
    ///
    /// The kernel accepts connections for a process that is stopped or stuck, so only an answer to a PING says that
    /// somebody is there.
    ///
    /// # Errors
    /// When the peer does not speak HTTP/2.
    pub(crate) async fn open(
        io: BoxIo,
        scheme: Scheme,
        authority: Authority,
        limits: &Http2Limits,
    ) -> Result<Self, h2::Error> {
        let burst = Burst::default();
        let (send, mut h2) = h2::client::Builder::new()
            .initial_window_size(limits.stream_window)
            .initial_connection_window_size(limits.connection_window)
            .max_header_list_size(limits.max_headers)
            .max_send_buffer_size(limits.max_queued)
            .max_concurrent_reset_streams(limits.remembered_resets())
            .data_frame_budget(limits.frame_budget())
            .enable_push(false)
            .handshake(Coalesce::new(io, burst.clone()))
            .await?;
        let mut ping = h2.ping_pong();
        if let Some(ping) = &mut ping {
            ping.send_ping(Ping::opaque())?;
            poll_fn(|cx| {
                burst.begin();
                burst.hurry();
                let ended = Pin::new(&mut h2).poll(cx);
                let pong = ping.poll_pong(cx);
                match ended {
                    Poll::Ready(ended) => Poll::Ready(Err(ended.err().unwrap_or_else(|| h2::Reason::NO_ERROR.into()))),
                    Poll::Pending => pong.map_ok(drop),
                }
            })
            .await?;
        }
        let keepalive = ping.map(|ping| Keepalive::new(ping, limits.keepalive, limits.keepalive_timeout));
        let (closer, closed) = watch::channel(false);
        let calls = Tally::default();
        tokio::spawn(Driver { h2, keepalive, burst, calls: calls.clone(), closer });
        let budget = SendBudget::new(limits.max_queued);
        let max_message = limits.max_message;
        Ok(Self { send, shared: Arc::new(Shared { scheme, authority, budget, calls, max_message, closed }) })
    }

    /// Calls under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.shared.calls.count()
    }

    /// The connection takes calls, as far as is known: the peer has not said that it goes away.
    pub(crate) fn takes_calls(&self) -> bool {
        let ready = self.send.clone().poll_ready(&mut Context::from_waker(Waker::noop()));
        !matches!(ready, Poll::Ready(Err(_)))
    }

    /// Waits until the connection has ended, without keeping it open. Cancel safe.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closed = self.shared.closed.clone();
        async move {
            // An error means that the driver is gone, which is the same.
            let _ = closed.wait_for(|closed| *closed).await;
        }
    }

    /// Makes a call. Dropping the future, or the stream of its reply, cancels the call at the server.
    pub(crate) async fn call(&self, call: Invocation) -> Result<Reply, Status> {
        let counted = self.shared.calls.enter();
        let server_streams = call.method.kind().server_streams();
        let gzip = call.gzip;
        let payload = call.payload;
        let head = self.shared.head(
            call.method.path(),
            call.metadata,
            call.deadline,
            gzip,
            call.version.as_deref(),
            call.group.as_deref(),
        )?;
        let mut send = self.send.clone();
        poll_fn(|cx| send.poll_ready(cx)).await.map_err(|error| refused(&error))?;
        let (response, stream) = send.send_request(head, false).map_err(|error| refused(&error))?;
        let out = Outgoing::new(stream, self.shared.budget.clone(), gzip);
        let upload = match payload {
            Payload::One(frame) => Upload::of_one(out, frame),
            Payload::Stream(frames) => Upload::of_stream(out, frames),
        };
        let answering = Answering { response, upload: Some(upload), max_message: self.shared.max_message };
        if server_streams { answering.stream(counted).await } else { answering.one().await }
    }
}

impl Shared {
    fn head(
        &self,
        path: &http::uri::PathAndQuery,
        metadata: MetadataMap,
        deadline: Option<Instant>,
        gzip: bool,
        version: Option<&str>,
        group: Option<&str>,
    ) -> Result<Request<()>, Status> {
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(path.clone());
        let local = |text: String| Status::because(Reason::BadRequest, Code::Internal, text).not_reached();
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_parts(uri).map_err(|error| local(format!("no URI: {error}")))?;
        let mut headers = metadata.into_headers();
        headers.reserve(8);
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, APPLICATION_GRPC);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("mainstay/", env!("CARGO_PKG_VERSION"))));
        if let Some(deadline) = deadline {
            headers.insert(GRPC_TIMEOUT, grpc::format_timeout(deadline.saturating_duration_since(Instant::now())));
        }
        if gzip {
            headers.insert(GRPC_ENCODING, HeaderValue::from_static("gzip"));
            headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        for (name, value) in [(SERVICE_VERSION, version), (SERVICE_GROUP, group)] {
            let Some(value) = value else { continue };
            let value =
                HeaderValue::from_str(value).map_err(|_| local(format!("{name} {value:?} is no header value")))?;
            headers.insert(name, value);
        }
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Why a connection did not open, for people.
pub(crate) fn unopened(error: &h2::Error, scheme: &Scheme) -> String {
    if *scheme == Scheme::HTTPS {
        return error.to_string();
    }
    // A port of TLS takes the preface of HTTP/2 for a broken record: it answers with one of its own, or hangs up.
    format!("it does not speak HTTP/2 without TLS: {error}; does it want TLS at this port?")
}

/// An error before anything was sent.
fn refused(error: &h2::Error) -> Status {
    let text = format!("the connection takes no more calls: {error}");
    Status::because(Reason::StreamRefused, Code::Unavailable, text).not_reached()
}

/// The request's messages, on their way.
enum Upload {
    /// All is handed over.
    Done,
    /// More is to come.
    Going(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl Upload {
    fn of_one(mut out: Outgoing, frame: Frame) -> Self {
        match out.send_small(&frame, true) {
            // A stream that takes nothing more has an answer, or will say why not.
            Ok(None) | Err(_) => Self::Done,
            Ok(Some(large)) => Self::Going(Box::pin(async move { drop(out.send_large(large, true).await) })),
        }
    }

    fn of_stream(mut out: Outgoing, mut frames: FrameStream) -> Self {
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
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Self::Going(future) = self
            && future.as_mut().poll(cx).is_ready()
        {
            *self = Self::Done;
        }
    }
}

/// A call that waits for its answer.
struct Answering {
    response: ResponseFuture,
    upload: Option<Upload>,
    max_message: usize,
}

impl Answering {
    fn poll_upload(&mut self, cx: &mut Context<'_>) {
        if let Some(upload) = &mut self.upload {
            upload.poll(cx);
        }
    }

    /// Waits for the head of the answer; trailers alone are an answer too.
    async fn head(&mut self) -> Result<(MetadataMap, Option<Incoming>), Status> {
        let response = poll_fn(|cx| {
            self.poll_upload(cx);
            Pin::new(&mut self.response).poll(cx)
        });
        let response = response.await.map_err(|error| grpc::status_of_h2(&error))?;
        let (head, body) = response.into_parts();
        // A status in the headers of any answer comes first: Dubbo's Java server sends one with HTTP 404 and 500.
        if head.headers.contains_key(grpc::GRPC_STATUS) {
            match grpc::read_status(head.headers) {
                Some(Err(status)) => return Err(status),
                Some(Ok(metadata)) => return Ok((metadata, None)),
                None => return Err(grpc::status_of_http(head.status)),
            }
        }
        if head.status != StatusCode::OK || !is_grpc(&head.headers) {
            return Err(not_grpc(&head.headers, head.status));
        }
        let gzip = match head.headers.get(GRPC_ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"identity") => false,
            Some(b"gzip") => true,
            Some(other) => {
                let text = format!("the answer's encoding {} is not supported", String::from_utf8_lossy(other));
                return Err(Status::because(Reason::UnknownEncoding, Code::Internal, text));
            }
        };
        let incoming = Incoming::new(body, Side::Client, self.max_message, gzip);
        Ok((MetadataMap::from_headers(head.headers), Some(incoming)))
    }

    async fn one(mut self) -> Result<Reply, Status> {
        let (metadata, incoming) = self.head().await?;
        let Some(mut incoming) = incoming else {
            return Err(Status::because(Reason::BadResponse, Code::Internal, "the answer has no message"));
        };
        let frame = {
            let mut only = std::pin::pin!(incoming.only());
            poll_fn(|cx| {
                self.poll_upload(cx);
                only.as_mut().poll(cx)
            })
            .await?
        };
        Ok(Reply { metadata, payload: Payload::One(frame), trailers: incoming.take_trailers() })
    }

    async fn stream(mut self, counted: Counted) -> Result<Reply, Status> {
        let (metadata, incoming) = self.head().await?;
        let stream = Answer { incoming, upload: self.upload.take(), _counted: counted };
        Ok(Reply { metadata, payload: Payload::Stream(Box::pin(stream)), trailers: MetadataMap::new() })
    }
}

/// The content type is gRPC's, whatever it says of how the messages are made: that is the stub's affair.
fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    matches!(value.as_bytes().strip_prefix(b"application/grpc"), Some([] | [b'+' | b';', ..]))
}

fn not_grpc(headers: &HeaderMap, code: StatusCode) -> Status {
    if code != StatusCode::OK {
        return grpc::status_of_http(code);
    }
    let kind = headers.get(CONTENT_TYPE).map_or("none".into(), |value| String::from_utf8_lossy(value.as_bytes()));
    let text = format!("the peer does not speak gRPC: the content type of its answer is {kind}");
    Status::because(Reason::BadResponse, Code::Unknown, text)
}

/// The stream of an answer, which also moves the request's own stream on.
struct Answer {
    /// `None` for an answer of trailers only: an empty stream.
    incoming: Option<Incoming>,
    upload: Option<Upload>,
    _counted: Counted,
}

impl Frames for Answer {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
        let this = self.get_mut();
        if let Some(upload) = &mut this.upload {
            upload.poll(cx);
        }
        match &mut this.incoming {
            Some(incoming) => incoming.poll_message(cx),
            None => Poll::Ready(None),
        }
    }

    fn take_trailers(self: Pin<&mut Self>) -> MetadataMap {
        self.get_mut().incoming.as_mut().map(Incoming::take_trailers).unwrap_or_default()
    }
}

/// The task behind a connection.
struct Driver {
    h2: h2::client::Connection<Coalesce<BoxIo>, Charged>,
    keepalive: Option<Keepalive>,
    burst: Burst,
    calls: Tally,
    closer: watch::Sender<bool>,
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.burst.begin();
        let calls = this.calls.count();
        if calls <= 1 {
            // No other caller is about to add a request: write now.
            this.burst.hurry();
        }
        if Pin::new(&mut this.h2).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match &mut this.keepalive {
            Some(keepalive) => keepalive.poll_dead(cx, &this.burst, calls > 0),
            None => Poll::Pending,
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.closer.send_replace(true);
    }
}
