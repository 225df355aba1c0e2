//! One call on a server's connection: from HEADERS to trailers.

use super::{
    body::{self, Incoming, Outgoing, Side, Stopped, panicked},
    budget::Charged,
    grpc::{self, APPLICATION_GRPC, GRPC_ENCODING},
    head::{Head, refusal},
    http_body,
    server::Link,
};
use crate::{
    call::{BoxFuture, FrameStream, Invocation, Payload, Reply, Status},
    server::{Counted, Phase, Route, Stopwatch, Tally, draining, takes_one},
};
use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
use std::{
    future::{poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
};
use tokio::time::{Instant, sleep_until};
use tonic::Code;

/// What became of a request at its head.
pub(crate) enum Started {
    /// To be polled inside the connection's task.
    Inline(Exchange),
    /// To be run in a task of its own.
    Task(Exchange),
    /// Refused, with the answer queued; or no native gRPC, and in the hands of a task of its own.
    Gone,
}

/// A call that is being answered.
pub(crate) struct Exchange {
    future: BoxFuture<'static, ()>,
    route: Arc<Route>,
    began: Instant,
    _call: Counted,
    task: Option<Counted>,
    tasks: Tally,
}

impl Exchange {
    /// Reads a request's head, and begins to answer.
    pub(crate) fn start(
        link: &Arc<Link>,
        request: Request<RecvStream>,
        mut respond: SendResponse<Charged>,
        now: Instant,
    ) -> Started {
        if !link.shared.edge.is_native(&request) {
            http_body::spawn(link, request, respond);
            return Started::Gone;
        }
        let (head, recv) = request.into_parts();
        let shared = &link.shared;
        let head = match Head::read(&shared.dispatch, shared.gzip, head.uri.path(), head.headers, now) {
            Ok(head) => head,
            Err(response) => {
                // A caller that is gone misses nothing.
                let _ = respond.send_response(*response, true);
                return Started::Gone;
            }
        };
        let route = head.route.clone();
        let inline = !route.method.spawn() && route.inline.admits(micros(link.shared.began, now));
        let exchange = Self {
            future: Box::pin(answer(link.clone(), head, recv, respond)),
            route,
            began: link.shared.began,
            _call: link.shared.calls.enter(),
            task: None,
            tasks: link.tasks.clone(),
        };
        if inline { Started::Inline(exchange) } else { Started::Task(exchange) }
    }

    /// Polls, and notes how long that took.
    pub(crate) fn poll_timed(&mut self, cx: &mut Context<'_>, watch: &mut Stopwatch) -> Poll<()> {
        let poll = self.future.as_mut().poll(cx);
        let took = watch.lap();
        self.route.inline.took(took, micros(self.began, watch.lapped()));
        poll
    }

    /// Goes on in a task of its own.
    pub(crate) fn spawn(mut self) {
        self.task = Some(self.tasks.enter());
        tokio::spawn(async move { poll_fn(|cx| self.poll_timed(cx, &mut Stopwatch::start())).await });
    }
}

fn micros(began: Instant, now: Instant) -> u64 {
    (now - began).as_micros() as u64
}

/// Answers a call. Nobody hears of a failure to write: it means that the caller is gone.
async fn answer(link: Arc<Link>, head: Head, recv: RecvStream, mut respond: SendResponse<Charged>) {
    let how = How { deadline: head.deadline, gzip: head.gzip_out, dubbo: head.dubbo };
    let one = takes_one(head.route.method.kind());
    let mut incoming = Incoming::new(recv, Side::Server, link.shared.limits.max_message, head.gzip_in);
    let payload = if one {
        match before(how.deadline, incoming.only()).await {
            Ok(frame) => Payload::One(frame),
            Err(status) => return drop(respond.send_response(refusal(status), true)),
        }
    } else {
        Payload::Stream(Box::pin(incoming))
    };
    let call = head.invocation(Some(link.peer.clone()), payload);
    match handle(&link, call, &mut respond).await {
        Ok(Some(reply)) => drop(write(&link, reply, how, respond).await),
        Ok(None) => {}
        Err(status) => drop(respond.send_response(refusal(how.read(status)), true)),
    }
}

/// How an answer is to be written.
#[derive(Clone, Copy)]
struct How {
    deadline: Option<Instant>,
    gzip: bool,
    dubbo: bool,
}

impl How {
    /// A status as whoever asked reads it.
    fn read(self, status: Status) -> Status {
        if self.dubbo { grpc::for_dubbo(status) } else { status }
    }
}

/// Lets the server stack answer a call, within its deadline; `None` when whoever asked is gone.
fn handle<'a>(
    link: &Link,
    call: Invocation,
    respond: &'a mut SendResponse<Charged>,
) -> impl Future<Output = Result<Option<Reply>, Status>> + use<'a> {
    let begun = catch_unwind(AssertUnwindSafe(|| link.shared.service.invoke(call)));
    let mut work = begun.unwrap_or_else(|_| Box::pin(ready(Err(panicked()))));
    poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(Poll::Ready(result)) => Poll::Ready(result.map(Some)),
        Ok(Poll::Pending) => respond.poll_reset(cx).map(|_| Ok(None)),
        Err(_) => Poll::Ready(Err(panicked())),
    })
}

/// Bounds the time that work may take.
pub(crate) async fn before<T>(
    deadline: Option<Instant>,
    work: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let mut work = std::pin::pin!(work);
    let mut timer = std::pin::pin!(None);
    poll_fn(|cx| {
        if let Poll::Ready(result) = work.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        // Mostly all is there at once: then no timer is made.
        if timer.is_none() {
            timer.set(Some(sleep_until(deadline)));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| Err(Status::deadline_exceeded())),
            None => Poll::Pending,
        }
    })
    .await
}

/// Writes a reply. What may have to wait is boxed: the future of a short call stays small, and is made and moved often.
async fn write(link: &Link, reply: Reply, how: How, mut respond: SendResponse<Charged>) -> Result<(), Stopped> {
    let mut response = Response::new(());
    *response.headers_mut() = reply.metadata.into_headers();
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_GRPC);
    if how.gzip {
        response.headers_mut().insert(GRPC_ENCODING, HeaderValue::from_static("gzip"));
    }
    let send = respond.send_response(response, false)?;
    let mut out = Outgoing::new(send, link.budget.clone(), how.gzip);
    let trailers = reply.trailers.into_headers();
    match reply.payload {
        Payload::One(frame) => match out.send_small(body::pack(&frame, how.gzip), false)? {
            None => finish(out, trailers, how, Ok(())),
            Some(large) => Box::pin(write_large(out, large, trailers, how)).await,
        },
        Payload::Stream(frames) => Box::pin(write_stream(link, out, frames, trailers, how)).await,
    }
}

async fn write_large(mut out: Outgoing, large: Bytes, trailers: HeaderMap, how: How) -> Result<(), Stopped> {
    let ended = in_time(how.deadline, async { out.send_large(large, false).await.map(Ok) }).await?;
    finish(out, trailers, how, ended)
}

/// A stream may have no end of its own: one that is cut by the end of the server says so, and does not look as if all had
/// been said.
async fn write_stream(
    link: &Link,
    mut out: Outgoing,
    mut frames: FrameStream,
    mut trailers: HeaderMap,
    how: How,
) -> Result<(), Stopped> {
    let sent = async {
        tokio::select! {
            biased;
            ended = out.send_all(&mut frames) => ended,
            () = link.shared.shutdown.reached(Phase::Parting) => {
                link.shared.parted.fetch_add(1, Relaxed);
                Ok(Err(draining()))
            }
        }
    };
    let ended = in_time(how.deadline, sent).await?;
    trailers.extend(frames.as_mut().take_trailers().into_headers());
    finish(out, trailers, how, ended)
}

fn finish(mut out: Outgoing, mut trailers: HeaderMap, how: How, ended: Result<(), Status>) -> Result<(), Stopped> {
    match ended {
        Ok(()) => {
            trailers.insert(grpc::GRPC_STATUS, grpc::code_value(Code::Ok));
        }
        Err(status) => trailers.extend(grpc::status_headers(how.read(status))),
    }
    out.finish(trailers)
}

/// Writes until the deadline; being late is how a stream ends then, perhaps inside a message.
async fn in_time(
    deadline: Option<Instant>,
    work: impl Future<Output = Result<Result<(), Status>, Stopped>>,
) -> Result<Result<(), Status>, Stopped> {
    before(deadline, async { Ok(work.await) }).await.unwrap_or_else(|late| Ok(Err(late)))
}
