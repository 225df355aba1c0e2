//! The body of an answer: the request is under way until it has been taken, or is dropped.

use super::Running;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use mainstay::edge::{Body, BoxError};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// The body, and the place that its request takes.
pub(crate) struct Held {
    body: Body,
    _running: Running,
}

impl Held {
    pub(crate) fn new(body: Body, running: Running) -> Self {
        Self { body, _running: running }
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
