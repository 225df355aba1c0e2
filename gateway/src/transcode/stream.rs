//! A stream of messages as one body: lines, events, or an array that grows.
//!
//! A failure after the first message stands in the body, in the place of the next one, and then the body breaks off, so that
//! nobody takes a part for the whole.

use super::{binding::Binding, response, status};
use bytes::Bytes;
use http::{HeaderMap, header::ACCEPT};
use http_body::Frame;
use mainstay::{
    call::{FrameStream, Status},
    edge::BoxError,
};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// How messages follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `[{…},{…}]`.
    Array,
    /// A line each (`application/x-ndjson`).
    Lines,
    /// An event each (`text/event-stream`).
    Events,
}

impl Form {
    /// What a request asks for by its `Accept`.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match () {
            () if accept.contains("text/event-stream") => Self::Events,
            () if accept.contains("application/x-ndjson") => Self::Lines,
            () => Self::Array,
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Array => "application/json",
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
        }
    }

    /// A message in its place.
    fn put(self, message: &[u8], first: bool, failed: bool) -> Vec<u8> {
        let (before, after): (&[u8], &[u8]) = match (self, first) {
            (Self::Array, true) => (b"[", b""),
            (Self::Array, false) => (b",", b""),
            (Self::Lines, _) => (b"", b"\n"),
            (Self::Events, _) if failed => (b"event: error\ndata: ", b"\n\n"),
            (Self::Events, _) => (b"data: ", b"\n\n"),
        };
        [before, message, after].concat()
    }

    /// What follows the last message.
    fn end(self, empty: bool) -> Option<&'static [u8]> {
        match (self, empty) {
            (Self::Array, true) => Some(b"[]"),
            (Self::Array, false) => Some(b"]"),
            (Self::Lines | Self::Events, _) => None,
        }
    }
}

/// The body. Dropping it cancels the call.
pub(super) struct JsonFrames {
    frames: FrameStream,
    binding: Binding,
    form: Form,
    first: bool,
    state: State,
}

enum State {
    Going,
    /// The failure has been told; what is left is to break off.
    Failed(Status),
    Ended,
}

impl JsonFrames {
    pub(super) fn new(frames: FrameStream, binding: Binding, form: Form) -> Self {
        Self { frames, binding, form, first: true, state: State::Going }
    }
}

impl http_body::Body for JsonFrames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        match std::mem::replace(&mut this.state, State::Ended) {
            State::Ended => return Poll::Ready(None),
            State::Failed(status) => return Poll::Ready(Some(Err(status.into()))),
            State::Going => this.state = State::Going,
        }
        let next = ready!(this.frames.as_mut().poll_frame(cx));
        let next = next.map(|frame| frame.and_then(|frame| response::text(&this.binding, &frame)));
        let first = std::mem::replace(&mut this.first, false);
        let bytes = match next {
            Some(Ok(message)) => this.form.put(&message, first, false),
            Some(Err(error)) => {
                let text = status::body(&error).to_string();
                this.state = State::Failed(error);
                this.form.put(text.as_bytes(), first, true)
            }
            None => {
                this.state = State::Ended;
                match this.form.end(first) {
                    Some(end) => end.to_vec(),
                    None => return Poll::Ready(None),
                }
            }
        };
        Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
    }
}
