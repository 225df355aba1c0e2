//! A stream that is watched: who let the call in hears once how it ended.

use crate::call::{Frame, FrameStream, Frames, Status};
use bytes::BytesMut;
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tonic::metadata::MetadataMap;

/// Hears how a stream ended. One that is dropped unheard was cancelled.
pub(crate) trait Settle: Send + Unpin + 'static {
    /// The stream has ended.
    fn settle(&mut self, outcome: Result<(), &Status>);
}

/// The same stream, with `watch` told of its end.
pub(crate) fn settle(stream: FrameStream, watch: impl Settle) -> FrameStream {
    Box::pin(Settled { stream, watch: Some(watch) })
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
            watch.settle(outcome);
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
    use crate::call::{Payload, Streaming};
    use std::sync::{Arc, Mutex};
    use tonic::Code;

    struct Log(Arc<Mutex<Vec<String>>>);

    impl Settle for Log {
        fn settle(&mut self, outcome: Result<(), &Status>) {
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
        let mut stream = settle(Payload::Stream(stream.encode()).into_stream(), Log(log.clone()));
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
