//! A call that is watched: whoever lets it in, counts it or writes it down hears once how it ended, of a stream at its last
//! frame.

use crate::call::{Frame, FrameStream, Frames, Payload, Reply, Status};
use bytes::BytesMut;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;

/// Hears how a call ended. One that is dropped unheard was cancelled.
pub trait Settle: Send + Unpin + 'static {
    /// The call has ended at this moment.
    fn settle(&mut self, outcome: Result<(), &Status>, at: Instant);
}

impl<W: Settle> Settle for Box<W> {
    fn settle(&mut self, outcome: Result<(), &Status>, at: Instant) {
        (**self).settle(outcome, at);
    }
}

/// Tells `watch` how a call ended, or has it told at the end of the stream that answers it.
pub(crate) fn hear<W: Settle>(result: &mut Result<Reply, Status>, mut watch: W) {
    match result {
        Ok(reply) => {
            if let Some(mut watch) = settle(&mut reply.payload, watch) {
                watch.settle(Ok(()), reply.came.unwrap_or_else(Instant::now));
            }
        }
        Err(status) => watch.settle(Err(status), Instant::now()),
    }
}

pin_project! {
    /// A call whose end is heard of, where anybody listens.
    #[derive(Debug)]
    pub struct Watched<F, W> {
        #[pin]
        call: F,
        watch: Option<W>,
    }
}

impl<F, W> Watched<F, W> {
    pub(crate) fn new(call: F, watch: Option<W>) -> Self {
        Self { call, watch }
    }
}

impl<F: Future<Output = Result<Reply, Status>>, W: Settle> Future for Watched<F, W> {
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Looked at in place: an answer is not moved by each layer that it passes.
        let mut answered = this.call.poll(cx);
        if let Poll::Ready(result) = &mut answered
            && let Some(watch) = this.watch.take()
        {
            hear(result, watch);
            if let Ok(reply) = result {
                // Whoever is above, and waits, or answers another with it, takes a time of its own.
                reply.came = None;
            }
        }
        answered
    }
}

/// Has `watch` told of the end of an answer that is a stream. With one message the answer is whole: then `watch` comes
/// back, for whoever has it to tell.
pub(crate) fn settle<W: Settle>(payload: &mut Payload, watch: W) -> Option<W> {
    let mut watch = Some(watch);
    payload.wrap(|stream| Box::pin(Settled { stream, watch: watch.take() }));
    watch
}

struct Settled<W> {
    stream: FrameStream,
    watch: Option<W>,
}

impl<W: Settle> Settled<W> {
    fn heard<T>(&mut self, item: &Poll<Option<Result<T, Status>>>) {
        let outcome = match item {
            Poll::Pending | Poll::Ready(Some(Ok(_))) => return,
            Poll::Ready(Some(Err(status))) => Err(status),
            Poll::Ready(None) => Ok(()),
        };
        if let Some(mut watch) = self.watch.take() {
            watch.settle(outcome, Instant::now());
        }
    }
}

impl<W: Settle> Frames for Settled<W> {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
        let item = self.stream.as_mut().poll_frame(cx);
        self.heard(&item);
        item
    }

    fn poll_encode(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
    ) -> Poll<Option<Result<(), Status>>> {
        let item = self.stream.as_mut().poll_encode(cx, buf);
        self.heard(&item);
        item
    }

    fn take_trailers(mut self: Pin<&mut Self>) -> MetadataMap {
        self.stream.as_mut().take_trailers()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Streaming;
    use std::sync::{Arc, Mutex};
    use tonic::Code;

    struct Log(Arc<Mutex<Vec<String>>>);

    impl Settle for Log {
        fn settle(&mut self, outcome: Result<(), &Status>, _: Instant) {
            self.0
                .lock()
                .unwrap()
                .push(outcome.map_or_else(|status| format!("{:?}", status.code()), |()| "end".into()));
        }
    }

    impl Drop for Log {
        fn drop(&mut self) {
            self.0.lock().unwrap().push("gone".into());
        }
    }

    async fn history(read: usize, fail: bool) -> Vec<String> {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (sender, stream) = Streaming::<u32>::channel(4);
        sender.send(1).await.unwrap();
        if fail {
            sender.fail(Status::new(Code::Aborted, "no")).await;
        } else {
            drop(sender);
        }
        let mut payload = Payload::Stream(stream.encode());
        assert!(settle(&mut payload, Log(log.clone())).is_none());
        let mut stream = payload.into_stream();
        for _ in 0..read {
            let _ = std::future::poll_fn(|cx| stream.as_mut().poll_frame(cx)).await;
        }
        drop(stream);
        Arc::into_inner(log).unwrap().into_inner().unwrap()
    }

    #[tokio::test]
    async fn the_end_is_heard_once_and_a_drop_before_it_is_no_end() {
        assert_eq!(history(2, false).await, ["end", "gone"]);
        assert_eq!(history(2, true).await, ["Aborted", "gone"]);
        assert_eq!(history(1, false).await, ["gone"]);
    }
}
