//! gRPC-Web: gRPC for browsers, which cannot read trailers. They are a last frame of the body instead.
//!
//! Everything else is gRPC, so a request is rewritten into one, and its answer back; the text form goes through base64
//! both times. A status that came without messages goes into the body as well: scripts from elsewhere may not see
//! headers.

use super::{
    Body, BoxError,
    dialect::Dialect,
    web_text::{self, TextDecoder},
};
use crate::{
    call::{Reason, Status},
    transport::grpc::{APPLICATION_GRPC, GRPC_STATUS},
};
use bytes::{BufMut, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
    request::Parts,
};
use http_body::{Body as HttpBody, Frame};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tonic::Code;

/// The flag of the frame that holds the trailers.
const TRAILERS: u8 = 0x80;

/// Answers a call as `native` answers one of gRPC; `text` says that the request is in base64.
pub(crate) async fn answer<F: Future<Output = Response<Body>>>(
    mut parts: Parts,
    body: Body,
    text: bool,
    native: impl FnOnce(Parts, Body) -> F,
) -> Response<Body> {
    let text_out = Dialect::web_answer(&parts.headers, text);
    parts.headers.insert(CONTENT_TYPE, APPLICATION_GRPC);
    parts.headers.remove(CONTENT_LENGTH);
    let body = if text { Body::new(FromText { body, decoder: TextDecoder::default(), ended: false }) } else { body };
    let (mut head, body) = native(parts, body).await.into_parts();
    let early = head.headers.contains_key(GRPC_STATUS).then(|| {
        head.headers.remove(CONTENT_TYPE);
        std::mem::take(&mut head.headers)
    });
    let kind = if text_out { "application/grpc-web-text+proto" } else { "application/grpc-web+proto" };
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Response::from_parts(head, Body::new(WithTrailers { body, early, text: text_out }))
}

/// The frame of some trailers.
fn trailers_frame(trailers: &HeaderMap) -> Bytes {
    let mut frame = BytesMut::with_capacity(64);
    frame.put_u8(TRAILERS);
    frame.put_u32(0);
    for (name, value) in trailers {
        frame.extend_from_slice(name.as_str().as_bytes());
        frame.extend_from_slice(b": ");
        frame.extend_from_slice(value.as_bytes());
        frame.extend_from_slice(b"\r\n");
    }
    let len = (frame.len() - 5) as u32;
    frame[1..5].copy_from_slice(&len.to_be_bytes());
    frame.freeze()
}

/// The body of an answer, its trailers in the last frame.
struct WithTrailers {
    body: Body,
    /// The trailers of an answer that has no messages.
    early: Option<HeaderMap>,
    text: bool,
}

impl HttpBody for WithTrailers {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let bytes = match self.early.take() {
            Some(trailers) => trailers_frame(&trailers),
            None => match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(frame) => trailers_frame(&frame.into_trailers().unwrap_or_default()),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            },
        };
        Poll::Ready(Some(Ok(Frame::data(if self.text { web_text::encode(&bytes) } else { bytes }))))
    }

    fn is_end_stream(&self) -> bool {
        self.early.is_none() && self.body.is_end_stream()
    }
}

/// The body of a request that is in base64.
struct FromText {
    body: Body,
    decoder: TextDecoder,
    ended: bool,
}

impl FromText {
    fn fail(&mut self, error: &web_text::BadText) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.ended = true;
        let status = Status::because(Reason::BadRequest, Code::InvalidArgument, error.to_string());
        Poll::Ready(Some(Err(status.into())))
    }
}

impl HttpBody for FromText {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        while !self.ended {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let Ok(chunk) = frame.into_data() else { continue };
                    match self.decoder.push(&chunk) {
                        Ok(data) if data.is_empty() => {}
                        Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                        Err(error) => return self.fail(&error),
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => match self.decoder.finish() {
                    Ok(()) => self.ended = true,
                    Err(error) => return self.fail(&error),
                },
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_a_frame_of_lines() {
        let trailers = [("grpc-status", "5"), ("grpc-message", "no")];
        let trailers = trailers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let frame = trailers_frame(&trailers.into_iter().collect());
        assert_eq!(frame.as_ref(), b"\x80\x00\x00\x00\x22grpc-status: 5\r\ngrpc-message: no\r\n".as_slice());
    }
}
