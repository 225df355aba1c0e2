//! The body of an answer that is lost: its connection, or its stream, breaks.

use bytes::Bytes;
use http::{Response, header::CONTENT_LENGTH};
use http_body::Frame;
use mainstay::edge::{Body, BoxError};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

/// Breaks at once.
struct Broken;

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let lost = io::Error::new(io::ErrorKind::ConnectionReset, "the answer was lost on purpose");
        Poll::Ready(Some(Err(lost.into())))
    }
}

/// The answer as whoever asked sees it: it begins, and is never whole.
pub(crate) fn lost(mut response: Response<Body>) -> Response<Body> {
    // Without a length an answer without a body would be whole at its head.
    response.headers_mut().remove(CONTENT_LENGTH);
    response.map(|_| Body::new(Broken))
}
