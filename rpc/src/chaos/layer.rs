//! The layer that holds calls up, refuses them and loses their answers.

use super::{
    ChaosSwitch, Injection,
    injection::{End, Fate, fate},
};
use crate::{
    call::{BoxFuture, CallService, Empty, Frame, FrameStream, Frames, Invocation, Reason, Reply, Status},
    cluster::Dice,
    layer::names::{FAULTS_INJECTED, POLICY},
};
use bytes::BytesMut;
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};
use tonic::{Code, metadata::MetadataMap};
use tower_layer::Layer;
use tower_service::Service;

/// How many calls are held up at once, when nobody says otherwise.
const HELD: usize = 1000;

/// Injects faults, while its switch is armed.
#[derive(Clone, Debug)]
pub struct ChaosLayer {
    injections: Vec<Injection>,
    switch: ChaosSwitch,
    dice: Arc<Dice>,
    held: Arc<AtomicUsize>,
    most: usize,
}

/// A service some of whose calls fail on purpose.
#[derive(Clone, Debug)]
pub struct Chaos<S> {
    inner: S,
    layer: Arc<ChaosLayer>,
}

impl ChaosLayer {
    /// A layer that injects nothing yet.
    pub fn new(switch: ChaosSwitch) -> Self {
        Self { injections: Vec::new(), switch, dice: Arc::default(), held: Arc::default(), most: HELD }
    }

    /// Injects this too.
    pub fn inject(mut self, injection: Injection) -> Self {
        self.injections.push(injection);
        self
    }

    /// Repeats the same throws each time.
    pub fn seed(mut self, seed: u64) -> Self {
        self.dice = Arc::new(Dice::new(seed));
        self
    }

    /// Holds no more calls up at once than this; 1000 when nothing is said. Others go their way.
    pub fn max_held(mut self, calls: usize) -> Self {
        self.most = calls;
        self
    }

    /// What becomes of a call now.
    fn fate(&self, call: &Invocation) -> Fate {
        if self.switch.armed().is_none() || call.method.service().starts_with("grpc.") {
            return Fate::default();
        }
        fate(&self.injections, call, || self.dice.throw())
    }

    /// Takes a place among those that are held up.
    fn hold(&self) -> Option<Held> {
        let taken = self.held.fetch_update(Relaxed, Relaxed, |held| (held < self.most).then_some(held + 1));
        taken.is_ok().then(|| Held(self.held.clone()))
    }
}

/// A place among the calls that are held up.
struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl<S> Layer<S> for ChaosLayer {
    type Service = Chaos<S>;

    fn layer(&self, inner: S) -> Chaos<S> {
        Chaos { inner, layer: Arc::new(self.clone()) }
    }
}

impl<S: CallService> Service<Invocation> for Chaos<S> {
    type Response = Reply;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Reply, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Invocation) -> Self::Future {
        let fate = self.layer.fate(&call);
        if fate == Fate::default() {
            return Box::pin(self.inner.call(call));
        }
        let (mut inner, layer) = (self.inner.clone(), self.layer.clone());
        Box::pin(async move {
            layer.late(fate.delay, call.deadline).await;
            match fate.end {
                None => inner.call(call).await,
                Some(End::Abort(code)) => {
                    count("abort");
                    let refused = Status::because(Reason::FaultInjected, code, "refused on purpose");
                    Err(refused.not_reached())
                }
                Some(End::Reset) => {
                    count("reset");
                    lose(inner.call(call).await?)
                }
            }
        })
    }
}

impl ChaosLayer {
    /// Waits as long as that, or until the deadline.
    async fn late(&self, delay: Duration, deadline: Option<Instant>) {
        if delay.is_zero() {
            return;
        }
        let Some(_held) = self.hold() else { return };
        count("delay");
        let until = Instant::now() + delay;
        sleep_until(deadline.map_or(until, |deadline| until.min(deadline))).await;
    }
}

fn count(what: &'static str) {
    metrics::counter!(FAULTS_INJECTED, POLICY => what).increment(1);
}

fn lost() -> Status {
    Status::because(Reason::FaultInjected, Code::Unavailable, "the answer was lost on purpose")
}

/// Loses an answer: a message whole, a stream after its first one.
fn lose(mut reply: Reply) -> Result<Reply, Status> {
    let mut stream = false;
    reply.payload.wrap(|frames| {
        stream = true;
        Box::pin(Cut { frames, left: 1 })
    });
    if stream { Ok(reply) } else { Err(lost()) }
}

/// A stream that breaks after some messages.
struct Cut {
    frames: FrameStream,
    left: u32,
}

impl Cut {
    /// What comes instead of more, once enough came: the stream itself is dropped, so that who sends it hears.
    fn broken<T>(&mut self) -> Option<Poll<Option<Result<T, Status>>>> {
        if self.left > 0 {
            return None;
        }
        self.frames = Box::pin(Empty);
        Some(Poll::Ready(Some(Err(lost()))))
    }

    fn came<T>(&mut self, item: &Poll<Option<Result<T, Status>>>) {
        self.left -= u32::from(matches!(item, Poll::Ready(Some(Ok(_)))));
    }
}

impl Frames for Cut {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
        if let Some(broken) = self.broken() {
            return broken;
        }
        let item = self.frames.as_mut().poll_frame(cx);
        self.came(&item);
        item
    }

    fn poll_encode(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
    ) -> Poll<Option<Result<(), Status>>> {
        if let Some(broken) = self.broken() {
            return broken;
        }
        let item = self.frames.as_mut().poll_encode(cx, buf);
        self.came(&item);
        item
    }

    fn take_trailers(mut self: Pin<&mut Self>) -> MetadataMap {
        self.frames.as_mut().take_trailers()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        call::{Kind, Payload, Streaming},
        layer::testing::{answering, call, gated},
    };
    use std::sync::{Mutex, atomic::AtomicU32};
    use tokio::time::timeout;

    const LATE: Duration = Duration::from_millis(200);

    fn armed(injection: Injection) -> ChaosLayer {
        let switch = ChaosSwitch::default();
        switch.arm(ChaosSwitch::LONGEST);
        ChaosLayer::new(switch).inject(injection)
    }

    fn all() -> Injection {
        Injection::of(100.0)
    }

    /// A service that answers one message, and how often it was asked.
    fn counted() -> (impl CallService, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let count = asked.clone();
        let answer = move |_| {
            count.fetch_add(1, Relaxed);
            Ok(Reply::new(Payload::One(Frame::encode(&7u32))))
        };
        (answering(answer), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn each_fault_is_what_it_says() {
        let began = Instant::now();
        let (service, asked) = counted();
        let with = |injection| armed(injection).layer(service.clone());
        let one = || call(Kind::Unary, false);

        assert!(with(all().delay(LATE)).call(one()).await.is_ok());
        assert_eq!((began.elapsed(), asked.load(Relaxed)), (LATE, 1));

        let refused = with(all().abort(Code::ResourceExhausted)).call(one()).await.unwrap_err();
        assert_eq!((refused.code(), refused.reason()), (Code::ResourceExhausted, Reason::FaultInjected));
        assert!(!refused.reached_server());
        assert_eq!(asked.load(Relaxed), 1, "it was not asked");

        let lost = with(all().reset()).call(one()).await.unwrap_err();
        assert_eq!((lost.code(), lost.reason()), (Code::Unavailable, Reason::FaultInjected));
        assert!(lost.reached_server());
        assert_eq!(asked.load(Relaxed), 2, "it was asked");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_done_unless_armed_nor_to_probes() {
        let (service, _) = counted();
        let switch = ChaosSwitch::default();
        let mut chaos = ChaosLayer::new(switch.clone()).inject(all().reset()).layer(service);
        assert!(chaos.call(call(Kind::Unary, false)).await.is_ok());
        switch.arm(LATE);
        assert!(chaos.call(call(Kind::Unary, false)).await.is_err());
        let probe = crate::call::Method::new("grpc.health.v1.Health", "Check", Kind::Unary).unwrap();
        assert!(chaos.call(Invocation::new(probe, Payload::One(Frame::encode(&7u32)))).await.is_ok());
        tokio::time::advance(LATE).await;
        assert!(chaos.call(call(Kind::Unary, false)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_breaks_after_its_first_message_and_its_sender_hears() {
        let (sender, stream) = Streaming::<u32>::channel(2);
        sender.send(7).await.unwrap();
        sender.send(8).await.unwrap();
        let stream = Arc::new(Mutex::new(Some(stream.encode())));
        let service = answering(move |_| Ok(Reply::new(Payload::Stream(stream.lock().unwrap().take().unwrap()))));
        let reply = armed(all().reset()).layer(service).call(call(Kind::ServerStreaming, false)).await.unwrap();
        let mut read = Streaming::<u32>::decode(reply.payload.into_stream());
        assert_eq!(read.message().await.unwrap(), Some(7));
        assert_eq!(read.message().await.unwrap_err().reason(), Reason::FaultInjected);
        let heard = timeout(LATE, sender.send(9)).await.expect("nobody reads, and nobody holds it");
        assert!(heard.is_err(), "its sender hears");
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_ends_at_the_deadline_and_not_everybody_is_held_up() {
        let (service, gate) = gated();
        let mut chaos = armed(all().delay(10 * LATE)).max_held(1).layer(service);
        let began = Instant::now();
        let mut first = call(Kind::Unary, false);
        first.deadline = Some(began + LATE);
        let first = tokio::spawn(chaos.call(first));
        tokio::task::yield_now().await;
        let second = tokio::spawn(chaos.call(call(Kind::Unary, false)));
        tokio::task::yield_now().await;
        assert_eq!(
            (gate.running(), began.elapsed()),
            (1, Duration::ZERO),
            "the second found no place, and went its way"
        );
        tokio::time::sleep(LATE).await;
        tokio::task::yield_now().await;
        assert_eq!(gate.running(), 2, "the first went on at its deadline");
        first.abort();
        second.abort();
    }
}
