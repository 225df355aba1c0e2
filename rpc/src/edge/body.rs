//! A body of HTTP with its type put away, and what bounds one.

use crate::call::{Reason, Status};
use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use std::{
    error::Error,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};
use tonic::Code;

/// Any error of a body.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The body of a request or an answer. Dropping one that was not read to its end cancels it.
pub struct Body(UnsyncBoxBody<Bytes, BoxError>);

impl Body {
    /// Puts the type of a body away.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(body.map_err(Into::into).boxed_unsync())
    }

    /// A body of nothing.
    pub fn empty() -> Self {
        Self::new(Empty::new())
    }

    /// The same body, which fails when it makes no progress for `patience` while it is waited for.
    pub(crate) fn unless_stalled(self, patience: Duration) -> Self {
        Self::new(Watched { body: self, patience, timer: None })
    }

    /// The whole body, when it has at most `limit` bytes.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED above the limit; else what became of the body.
    pub(crate) async fn collect(mut self, limit: usize) -> Result<Bytes, Status> {
        // A length that is announced may lie, but then it is the peer who reads less than it asked for.
        if self.0.size_hint().lower() > limit as u64 {
            return Err(too_large(limit));
        }
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        while let Some(frame) = self.frame().await {
            let Ok(data) = frame.map_err(|error| status_of(&*error))?.into_data() else { continue };
            if first.len() + all.len() + data.len() > limit {
                return Err(too_large(limit));
            }
            if all.is_empty() && first.is_empty() {
                first = data;
                continue;
            }
            // Grows with what has really come, so a peer that announces much costs nothing.
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
        Ok(if all.is_empty() { first } else { all.freeze() })
    }
}

fn too_large(limit: usize) -> Status {
    let text = format!("the body is larger than the limit of {limit} bytes");
    Status::because(Reason::MessageTooLarge, Code::ResourceExhausted, text)
}

/// What the error of a body means for the call.
pub(crate) fn status_of(error: &(dyn Error + Send + Sync + 'static)) -> Status {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(status) = error.downcast_ref::<Status>() {
            return status.clone();
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return crate::transport::grpc::status_of_h2(error);
        }
        if error.is::<http_body_util::LengthLimitError>() {
            return Status::because(Reason::MessageTooLarge, Code::ResourceExhausted, "the body is too large");
        }
        // Chunks of HTTP/1.1 that are none.
        let garbled = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if let Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) = garbled {
            return Status::because(Reason::BadRequest, Code::InvalidArgument, format!("the body is garbled: {error}"));
        }
        cause = error.source();
    }
    Status::because(Reason::Cancelled, Code::Cancelled, format!("the body broke off: {error}"))
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::new(Full::new(bytes.into()))
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("size", &self.0.size_hint()).finish_non_exhaustive()
    }
}

/// A body whose panics are failures of the body alone. It is not boxed once more: connections write no other.
pub(crate) struct Caught {
    body: Body,
}

impl Caught {
    pub(crate) fn new(body: Body) -> Self {
        Self { body }
    }
}

impl HttpBody for Caught {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let body = &mut self.body;
        catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx)))
            .unwrap_or_else(|_| Poll::Ready(Some(Err(crate::transport::panicked().into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that someone waits for, but not for ever.
struct Watched {
    body: Body,
    patience: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            // Mostly all is there: then no timer is ever made.
            this.timer = None;
            return Poll::Ready(frame);
        }
        let patience = this.patience;
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(timer.as_mut().poll(cx));
        let text = format!("nothing more of the body came for {patience:?}");
        let status = Status::because(Reason::BadRequest, Code::DeadlineExceeded, text);
        timer.as_mut().reset(Instant::now() + patience);
        Poll::Ready(Some(Err(status.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::StreamBody;

    fn pieces(pieces: &[&'static str]) -> Body {
        let frames = pieces.iter().map(|piece| Ok::<_, BoxError>(Frame::data(Bytes::from_static(piece.as_bytes()))));
        Body::new(StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>())))
    }

    #[tokio::test]
    async fn a_body_is_gathered_up_to_the_limit() {
        assert_eq!(pieces(&[]).collect(0).await.unwrap(), "");
        assert_eq!(pieces(&["abc"]).collect(3).await.unwrap(), "abc");
        assert_eq!(pieces(&["ab", "", "cd", "e"]).collect(5).await.unwrap(), "abcde");
        for (body, limit) in [(pieces(&["ab", "cd"]), 3), (Body::from("abcd"), 3), (pieces(&["abcd"]), 3)] {
            assert_eq!(body.collect(limit).await.unwrap_err().code(), Code::ResourceExhausted);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_coming_fails() {
        let frames = futures_util::stream::once(async { Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"{"))) });
        let frames = futures_util::StreamExt::chain(frames, futures_util::stream::pending());
        let body = Body::new(StreamBody::new(frames)).unless_stalled(Duration::from_secs(3));
        let began = Instant::now();
        assert_eq!(body.collect(10).await.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }

    #[test]
    fn the_cause_of_a_body_s_error_is_looked_for() {
        #[derive(Debug, thiserror::Error)]
        #[error("wrapped")]
        struct Wrapped(#[source] Status);
        let inner = Status::new(Code::Aborted, "stop");
        assert_eq!(status_of(&Wrapped(inner)).code(), Code::Aborted);
        assert_eq!(status_of(&std::fmt::Error).code(), Code::Cancelled);
        for (kind, code) in
            [(io::ErrorKind::InvalidInput, Code::InvalidArgument), (io::ErrorKind::UnexpectedEof, Code::Cancelled)]
        {
            assert_eq!(status_of(&io::Error::from(kind)).code(), code);
        }
    }
}
