//! One deadline over every phase of a call: queueing, resolving, connecting, sending, receiving.
//!
//! On the client it is the earliest of three: what the call says (or, when it says nothing, the default), and what is
//! left to the request that is being handled right now, so that nobody works for a caller who has gone. The default is
//! 5 s for a method that answers with one message; one that answers with a stream has none, because a stream that is
//! watched for days is as usual as a short one. On the server it is what the caller sent.
//!
//! A call that is answered at the first poll needs no timer; others have one of those that are kept (`timers.rs`). For a stream the deadline goes on over its frames.

use super::{
    Named, Side,
    timers::{Timer, Timers},
};
use crate::call::{Cx, Empty, Frame, FrameStream, Frames, Invocation, Reason, Reply, Status};
use bytes::BytesMut;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::{Code, metadata::MetadataMap};
use tower_layer::Layer;
use tower_service::Service;

/// Makes [`Deadline`]s.
#[derive(Clone, Copy, Debug)]
pub struct DeadlineLayer {
    side: Side,
    default: Option<Duration>,
}

/// Ends a call at its deadline with DEADLINE_EXCEEDED, saying what it waited for.
#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
    layer: DeadlineLayer,
    timers: Arc<Timers>,
}

/// The time of a call when nobody says how long it may take.
const DEFAULT: Duration = Duration::from_secs(5);

impl DeadlineLayer {
    /// For callers. `default` bounds a call when neither the caller nor the method does, whatever it answers with;
    /// `None` stands for 5 s where one message comes back.
    pub fn client(default: Option<Duration>) -> Self {
        Self { side: Side::Client, default }
    }

    /// For providers.
    pub fn server() -> Self {
        Self { side: Side::Server, default: None }
    }

    fn deadline(&self, call: &Invocation) -> Option<Instant> {
        if self.side == Side::Server {
            return call.deadline;
        }
        let default = || {
            let timeout = call.method.timeout().or(self.default);
            let timeout = timeout.or((!call.method.kind().server_streams()).then_some(DEFAULT))?;
            call.began.checked_add(timeout)
        };
        let own = call.deadline.or_else(default);
        let inherited = Cx::current().and_then(|cx| cx.deadline());
        earliest(own, inherited)
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner, layer: *self, timers: Arc::default() }
    }
}

impl<S> Service<Invocation> for Deadline<S>
where
    S: Service<Invocation, Response = Reply, Error = Status>,
{
    type Response = Reply;
    type Error = Status;
    type Future = Bounded<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Invocation) -> Bounded<S::Future> {
        call.deadline = self.layer.deadline(&call);
        let side = self.layer.side;
        let deadline = call.deadline;
        if deadline.is_some_and(|deadline| deadline <= call.began) {
            return Bounded { call: None, deadline, timer: None, timers: self.timers.clone(), side };
        }
        Bounded { call: Some(self.inner.call(call)), deadline, timer: None, timers: self.timers.clone(), side }
    }
}

impl<S: Named> Named for Deadline<S> {
    fn names(&self, names: &mut Vec<&'static str>) {
        names.push("deadline");
        self.inner.names(names);
    }
}

pin_project! {
    /// A call that ends at its deadline.
    #[derive(Debug)]
    pub struct Bounded<F> {
        // `None`: it was too late before it began.
        #[pin]
        call: Option<F>,
        deadline: Option<Instant>,
        timer: Option<Timer>,
        timers: Arc<Timers>,
        side: Side,
    }
}

impl<F: Future<Output = Result<Reply, Status>>> Future for Bounded<F> {
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(call) = this.call.as_mut().as_pin_mut() else { return Poll::Ready(Err(before())) };
        let Some(deadline) = *this.deadline else { return call.poll(cx) };
        // Looked at in place: an answer is not moved by each layer that it passes.
        let mut answered = call.poll(cx);
        match &mut answered {
            Poll::Pending => {
                if this.timer.get_or_insert_with(|| this.timers.take(deadline)).poll(cx).is_ready() {
                    // Dropped here and now, not when its owner gets round to it: the server hears that it may stop.
                    this.call.set(None);
                    answered = Poll::Ready(Err(during(*this.side)));
                }
                return answered;
            }
            Poll::Ready(Ok(reply)) => {
                reply.payload.wrap(|stream| Box::pin(BoundedStream { stream, deadline, timer: None }));
            }
            Poll::Ready(Err(_)) => {}
        }
        if let Some(timer) = this.timer.take() {
            this.timers.keep(timer);
        }
        answered
    }
}

fn before() -> Status {
    late("the deadline had passed before the call began").not_reached()
}

fn during(side: Side) -> Status {
    late(match side {
        Side::Client => "the deadline passed while waiting for the answer",
        Side::Server => "the deadline passed while the handler was at work",
    })
}

fn late(text: &'static str) -> Status {
    Status::because(Reason::DeadlineExceeded, Code::DeadlineExceeded, text)
}

/// A stream that ends at the deadline of its call.
struct BoundedStream {
    stream: FrameStream,
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl BoundedStream {
    fn bound<T>(
        &mut self,
        cx: &mut Context<'_>,
        item: Poll<Option<Result<T, Status>>>,
    ) -> Poll<Option<Result<T, Status>>> {
        if item.is_ready() {
            return item;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(self.deadline)));
        ready!(timer.as_mut().poll(cx));
        self.stream = Box::pin(Empty);
        Poll::Ready(Some(Err(late("the deadline passed while the stream went on"))))
    }
}

impl Frames for BoundedStream {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
        let item = self.stream.as_mut().poll_frame(cx);
        self.bound(cx, item)
    }

    fn poll_encode(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
    ) -> Poll<Option<Result<(), Status>>> {
        let item = self.stream.as_mut().poll_encode(cx, buf);
        self.bound(cx, item)
    }

    fn take_trailers(mut self: Pin<&mut Self>) -> MetadataMap {
        self.stream.as_mut().take_trailers()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::call::{Kind, Payload, Streaming};

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn the_earliest_bound_wins() {
        let now = Instant::now();
        for (said, inherited, default, kind, expected) in [
            (None, None, None, Kind::Unary, Some(DEFAULT)),
            (None, None, None, Kind::ServerStreaming, None),
            (None, None, Some(S), Kind::ServerStreaming, Some(S)),
            (Some(9 * S), None, Some(S), Kind::Unary, Some(9 * S)),
            (Some(9 * S), Some(2 * S), None, Kind::Unary, Some(2 * S)),
            (Some(S), Some(2 * S), None, Kind::Unary, Some(S)),
            (None, Some(2 * S), None, Kind::BidiStreaming, Some(2 * S)),
        ] {
            let mut call = call(kind, false);
            call.began = now;
            call.deadline = said.map(|after| now + after);
            let layer = DeadlineLayer::client(default);
            let seen = match inherited {
                None => layer.deadline(&call),
                Some(after) => {
                    let mut outer = super::super::testing::call(Kind::Unary, false);
                    outer.deadline = Some(now + after);
                    let cx = Cx::of(&mut outer);
                    futures_util::FutureExt::now_or_never(cx.scope(async { layer.deadline(&call) })).unwrap()
                }
            };
            assert_eq!(seen, expected.map(|after| now + after), "{said:?} {inherited:?} {default:?} {kind:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_ends_in_time_and_is_dropped() {
        let (service, gate) = gated();
        let mut service = DeadlineLayer::client(Some(S)).layer(service);
        let began = Instant::now();
        let status = service.call(call(Kind::Unary, false)).await.unwrap_err();
        assert_eq!((began.elapsed().as_secs(), status.code()), (1, Code::DeadlineExceeded));
        assert!(status.reached_server() && status.message().contains("waiting for the answer"));
        assert_eq!(gate.running(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_late_already_is_not_made() {
        let (service, gate) = gated();
        let mut service = DeadlineLayer::server().layer(service);
        let mut call = call(Kind::Unary, false);
        call.deadline = Some(call.began);
        let status = service.call(call).await.unwrap_err();
        assert!(!status.reached_server() && gate.made() == 0, "{status}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_bounded_to_its_last_frame() {
        let (sender, stream) = Streaming::<u32>::channel(1);
        sender.send(7).await.unwrap();
        let mut stream = Some(stream.encode());
        let service = answering(move |_| Ok(Reply::new(Payload::Stream(stream.take().unwrap()))));
        let reply =
            DeadlineLayer::client(Some(S)).layer(service).call(call(Kind::ServerStreaming, false)).await.unwrap();
        let mut stream = Streaming::<u32>::decode(reply.payload.into_stream());
        assert_eq!(stream.message().await.unwrap(), Some(7));
        let status = stream.message().await.unwrap_err();
        assert_eq!(status.reason(), Reason::DeadlineExceeded);
        sender.closed().await;
    }
}
