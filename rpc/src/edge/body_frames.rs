//! Messages of gRPC in a body of HTTP, read and written.

use super::{Body, BoxError, body::status_of};
use crate::{
    call::{Frame, FrameStream, Frames, Reason, Status},
    transport::{
        deframe::{DeframeError, Deframer},
        grpc, gzip, panicked,
    },
};
use bytes::Bytes;
use http::HeaderMap;
use http_body::Body as HttpBody;
use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Code;

/// Reads the messages of a request.
pub(crate) struct ReadFrames {
    body: Body,
    deframer: Deframer,
}

impl ReadFrames {
    pub(crate) fn new(body: Body, max_message: usize, gzip: bool) -> Self {
        Self { body, deframer: Deframer::new(max_message, gzip) }
    }
}

impl Frames for ReadFrames {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
        loop {
            match self.deframer.next() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(bad(&error)))),
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                // A request's trailers say nothing in gRPC.
                Some(Ok(frame)) => frame.into_data().into_iter().for_each(|data| self.deframer.push(data)),
                Some(Err(error)) => return Poll::Ready(Some(Err(status_of(&*error)))),
                None => return Poll::Ready(self.deframer.finish().err().map(|error| Err(bad(&error)))),
            }
        }
    }
}

fn bad(error: &DeframeError) -> Status {
    let (reason, code) = match error {
        DeframeError::TooLarge { .. } => (Reason::MessageTooLarge, Code::ResourceExhausted),
        DeframeError::NoEncoding => (Reason::UnknownEncoding, Code::Internal),
        _ => (Reason::BadRequest, Code::Internal),
    };
    Status::because(reason, code, error.to_string())
}

/// The only message of a stream.
///
/// # Errors
/// The stream's own, or INTERNAL when it holds none or several.
pub(crate) async fn only(frames: &mut FrameStream) -> Result<Frame, Status> {
    let wrong = |what| Status::because(Reason::BadRequest, Code::Internal, what);
    let first = poll_fn(|cx| frames.as_mut().poll_frame(cx)).await;
    let frame = first.ok_or_else(|| wrong("the stream ended without a message"))??;
    match poll_fn(|cx| frames.as_mut().poll_frame(cx)).await {
        None => Ok(frame),
        Some(Err(status)) => Err(status),
        Some(Ok(_)) => Err(wrong("more than one message came")),
    }
}

/// The body of an answer: messages, then trailers with the status. Dropping it drops the handler's stream.
pub(crate) struct WriteFrames {
    frames: FrameStream,
    /// What a payload of one message brings beside it. `None` once the trailers were given out.
    trailers: Option<HeaderMap>,
    gzip: bool,
    deadline: Option<Instant>,
    /// Made when something is waited for: mostly all is there.
    timer: Option<Pin<Box<Sleep>>>,
}

impl WriteFrames {
    pub(crate) fn new(frames: FrameStream, trailers: HeaderMap, gzip: bool, deadline: Option<Instant>) -> Self {
        Self { frames, trailers: Some(trailers), gzip, deadline, timer: None }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Poll::Ready(Some(Err(Status::deadline_exceeded())));
        }
        let frames = &mut self.frames;
        let next = catch_unwind(AssertUnwindSafe(|| frames.as_mut().poll_frame(cx)))
            .unwrap_or_else(|_| Poll::Ready(Some(Err(panicked()))));
        if let (Poll::Pending, Some(deadline)) = (&next, self.deadline) {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            return timer.as_mut().poll(cx).map(|()| Some(Err(Status::deadline_exceeded())));
        }
        next
    }

    fn wire(&self, frame: &Frame) -> Bytes {
        if self.gzip && frame.len() >= gzip::WORTH_IT { gzip::compress(frame) } else { frame.framed().clone() }
    }
}

impl HttpBody for WriteFrames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        if self.trailers.is_none() {
            return Poll::Ready(None);
        }
        let ended = match ready!(self.poll_next(cx)) {
            Some(Ok(frame)) => return Poll::Ready(Some(Ok(http_body::Frame::data(self.wire(&frame))))),
            Some(Err(status)) => grpc::status_headers(status),
            None => HeaderMap::from_iter([(grpc::GRPC_STATUS, grpc::code_value(Code::Ok))]),
        };
        let mut trailers = self.trailers.take().unwrap_or_default();
        trailers.extend(self.frames.as_mut().take_trailers().into_headers());
        trailers.extend(ended);
        Poll::Ready(Some(Ok(http_body::Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.trailers.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Streaming;
    use http_body_util::{BodyExt, StreamBody};

    fn body(pieces: Vec<Result<Bytes, BoxError>>) -> Body {
        let frames = pieces.into_iter().map(|piece| piece.map(http_body::Frame::data));
        Body::new(StreamBody::new(futures_util::stream::iter(frames)))
    }

    async fn read(pieces: Vec<Result<Bytes, BoxError>>) -> Result<Frame, Status> {
        only(&mut (Box::pin(ReadFrames::new(body(pieces), 100, false)) as FrameStream)).await
    }

    #[tokio::test]
    async fn one_message_is_read_and_what_is_wrong_is_said() {
        let frame = Frame::encode(&"abc".to_owned());
        let pieces = |from: &[u8]| from.chunks(4).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect::<Vec<_>>();
        assert_eq!(read(pieces(frame.framed())).await.unwrap().framed(), frame.framed());
        for (bytes, code) in [
            (&[][..], Code::Internal),
            (&[0, 0, 0, 0, 9, 1][..], Code::Internal),
            (&[7, 0, 0, 0, 0][..], Code::Internal),
            (&[0, 0, 0, 0, 200][..], Code::ResourceExhausted),
            (&[0; 10][..], Code::Internal),
        ] {
            assert_eq!(read(pieces(bytes)).await.unwrap_err().code(), code, "{bytes:?}");
        }
        let cut = vec![Ok(frame.framed().slice(..3)), Err(std::io::Error::other("gone").into())];
        assert_eq!(read(cut).await.unwrap_err().code(), Code::Cancelled);
    }

    #[tokio::test]
    async fn an_answer_ends_with_trailers() {
        let frames = Streaming::of([1u32, 2]).encode();
        let trailers = HeaderMap::from_iter([("x".parse().unwrap(), "y".parse().unwrap())]);
        let all = WriteFrames::new(frames, trailers, false, None).collect().await.unwrap();
        let trailers = all.trailers().unwrap();
        assert_eq!((&trailers["grpc-status"], &trailers["x"]), (&"0".parse().unwrap(), &"y".parse().unwrap()));
        assert_eq!(all.to_bytes().as_ref(), [0, 0, 0, 0, 2, 8, 1, 0, 0, 0, 0, 2, 8, 2]);
    }

    struct Panics;

    impl Frames for Panics {
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
            panic!("as asked")
        }
    }

    struct Silent;

    impl Frames for Silent {
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_and_a_deadline_end_it_with_a_status_too() {
        let deadline = Instant::now() + std::time::Duration::from_secs(1);
        let cases: [(FrameStream, &str); 2] = [(Box::pin(Panics), "13"), (Box::pin(Silent), "4")];
        for (frames, status) in cases {
            let all = WriteFrames::new(frames, HeaderMap::new(), false, Some(deadline)).collect().await.unwrap();
            assert_eq!(all.trailers().unwrap()["grpc-status"], status);
        }
    }
}
