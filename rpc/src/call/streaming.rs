//! Typed streams of messages, as service traits name them.
//!
//! One type serves both directions. A stream that came from a peer decodes frames as it is read; one that goes to a
//! peer is whatever stream the program made. Flow control goes through: who does not read, slows the writer down.

use super::{
    Frame, FrameStream, Frames, Reason, Status,
    frame::{PREFIX, put},
};
use bytes::BytesMut;
use futures_core::Stream;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::sync::mpsc;
use tonic::{Code, metadata::MetadataMap};

/// A stream of messages that may fail.
///
/// Reading is cancel safe: a message is either returned or still to come. Dropping a stream that a peer sends cancels
/// the call.
pub struct Streaming<T> {
    source: Source<T>,
    trailers: MetadataMap,
}

enum Source<T> {
    Peer(FrameStream, fn(&Frame) -> Result<T, Status>),
    Own(Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>),
    Ended,
}

impl<T: Send + 'static> Streaming<T> {
    /// A stream of what `stream` yields. It ends at the first error.
    pub fn new(stream: impl Stream<Item = Result<T, Status>> + Send + 'static) -> Self {
        Self { source: Source::Own(Box::pin(stream)), trailers: MetadataMap::new() }
    }

    /// A stream of messages that are there already.
    pub fn of(items: impl IntoIterator<Item = T, IntoIter: Send + 'static>) -> Self {
        Self::new(Items(items.into_iter()))
    }

    /// A stream, and the end to feed it by. At most `capacity` messages wait in between; the sender then waits too.
    pub fn channel(capacity: usize) -> (Sender<T>, Self) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        (Sender(sender), Self::new(Received(receiver)))
    }

    /// The same stream with each message changed.
    pub fn map<U: Send + 'static>(self, change: impl FnMut(T) -> U + Send + 'static) -> Streaming<U> {
        Streaming::new(Mapped { stream: self, change })
    }

    /// The next message; `None` at the end.
    ///
    /// # Errors
    /// When the peer ended the stream with a status, or the connection was lost. Nothing comes after an error.
    pub async fn next(&mut self) -> Option<Result<T, Status>> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// The next message as `Ok(None)` at the end, to be used with `?`.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn message(&mut self) -> Result<Option<T>, Status> {
        self.next().await.transpose()
    }

    /// All messages that are left.
    ///
    /// # Errors
    /// The first one of the stream; what came before it is dropped.
    pub async fn collect(mut self) -> Result<Vec<T>, Status> {
        let mut all = Vec::new();
        while let Some(item) = self.message().await? {
            all.push(item);
        }
        Ok(all)
    }

    /// What the peer sent after its last message. Empty before that.
    pub fn trailers(&self) -> &MetadataMap {
        &self.trailers
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Status>>> {
        let item = match &mut self.source {
            Source::Ended => return Poll::Ready(None),
            Source::Own(stream) => ready!(stream.as_mut().poll_next(cx)),
            Source::Peer(frames, decode) => ready!(frames.as_mut().poll_frame(cx)).map(|frame| decode(&frame?)),
        };
        if !matches!(item, Some(Ok(_)))
            && let Source::Peer(mut frames, _) = std::mem::replace(&mut self.source, Source::Ended)
        {
            self.trailers = frames.as_mut().take_trailers();
        }
        Poll::Ready(item)
    }
}

impl<T: prost::Message + Default + 'static> Streaming<T> {
    /// Decodes what a peer sends.
    pub(crate) fn decode(frames: FrameStream) -> Self {
        Self { source: Source::Peer(frames, decode), trailers: MetadataMap::new() }
    }

    /// The stream as bytes. What came as bytes is passed on as it is.
    pub(crate) fn encode(self) -> FrameStream {
        match self.source {
            Source::Peer(frames, _) => frames,
            Source::Own(stream) => Box::pin(Encoded(stream)),
            Source::Ended => Box::pin(Encoded(Box::pin(Items(std::iter::empty::<T>())))),
        }
    }
}

/// Decodes a message; one that cannot be read is the sender's fault.
pub(crate) fn decode<T: prost::Message + Default>(frame: &Frame) -> Result<T, Status> {
    frame.decode().map_err(|error| {
        let message = format!("the message is no {}: {error}", std::any::type_name::<T>());
        Status::because(Reason::BadRequest, Code::InvalidArgument, message)
    })
}

impl<T: Send + 'static> Stream for Streaming<T> {
    type Item = Result<T, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Source::Peer(..) => "Streaming(from a peer)",
            Source::Own(_) => "Streaming(own)",
            Source::Ended => "Streaming(ended)",
        })
    }
}

/// Feeds a stream. The stream ends when every sender is dropped.
#[derive(Debug)]
pub struct Sender<T>(mpsc::Sender<Result<T, Status>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Sender<T> {
    /// Sends a message, waiting while the stream is full.
    ///
    /// # Errors
    /// Gives the message back when nobody reads any more. Cancel safe: a message that was not sent is dropped.
    pub async fn send(&self, message: T) -> Result<(), T> {
        self.0.send(Ok(message)).await.map_err(|refused| match refused.0 {
            Ok(message) => message,
            Err(_) => unreachable!("a message was sent"),
        })
    }

    /// Ends the stream with an error.
    pub async fn fail(self, status: Status) {
        // Nobody reads any more: then nobody misses the error.
        let _ = self.0.send(Err(status)).await;
    }

    /// Waits until nobody reads any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

struct Items<I>(I);

impl<I: Iterator> Stream for Items<I>
where
    Self: Unpin,
{
    type Item = Result<I::Item, Status>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

impl<I> Unpin for Items<I> {}

struct Received<T>(mpsc::Receiver<Result<T, Status>>);

impl<T> Stream for Received<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

struct Mapped<T, F> {
    stream: Streaming<T>,
    change: F,
}

impl<T, F> Unpin for Mapped<T, F> {}

impl<T: Send + 'static, U, F: FnMut(T) -> U> Stream for Mapped<T, F> {
    type Item = Result<U, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.stream.poll(cx));
        Poll::Ready(item.map(|item| item.map(&mut self.change)))
    }
}

struct Encoded<T>(Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>);

impl<T: prost::Message> Frames for Encoded<T> {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
        let item = ready!(self.0.as_mut().poll_next(cx));
        Poll::Ready(item.map(|item| item.map(|message| Frame::encode(&message))))
    }

    fn poll_encode(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
    ) -> Poll<Option<Result<(), Status>>> {
        let item = ready!(self.0.as_mut().poll_next(cx));
        Poll::Ready(item.map(|item| {
            item.map(|message| {
                let len = message.encoded_len();
                buf.reserve(PREFIX + len);
                put(&message, len, buf);
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sent_is_read_until_the_senders_are_gone() {
        let (sender, stream) = Streaming::<u32>::channel(1);
        let feed = tokio::spawn(async move {
            for i in 0..3 {
                sender.send(i).await.unwrap();
            }
        });
        assert_eq!(Streaming::<u32>::decode(stream.encode()).collect().await.unwrap(), [0, 1, 2]);
        feed.await.unwrap();
    }

    #[tokio::test]
    async fn nothing_comes_after_an_error() {
        let (sender, mut stream) = Streaming::<u32>::channel(4);
        sender.send(1).await.unwrap();
        sender.clone().fail(Status::new(Code::Aborted, "no more")).await;
        sender.send(2).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), 1);
        assert_eq!(stream.next().await.unwrap().unwrap_err().code(), Code::Aborted);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_read_is_the_sender_s_fault() {
        let frames = Streaming::of([7u32]).encode();
        let status = Streaming::<String>::decode(frames).collect().await.unwrap_err();
        assert_eq!((status.code(), status.reason()), (Code::InvalidArgument, Reason::BadRequest));
    }
}
