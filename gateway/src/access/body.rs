//! The body of an answer, which knows when the request has ended.

use super::{Line, Log};
use crate::trace::RequestSpan;
use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body as _, Frame, SizeHint};
use mainstay::{
    call::Status,
    edge::{Body, BoxError},
};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;

/// The body, and who is told when it has been taken, or is dropped.
pub(crate) struct Logged {
    body: Body,
    line: Line,
    began: Instant,
    told: Told,
}

/// Who is told how a request ended.
pub(crate) struct Told {
    pub(crate) log: Option<Log>,
    pub(crate) span: Option<RequestSpan>,
}

impl Logged {
    pub(crate) fn new(body: Body, line: Line, began: Instant, told: Told) -> Self {
        let whole = body.is_end_stream();
        Self { body, line: Line { whole, ..line }, began, told }
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        self.line.grpc_status = grpc_status(trailers).or(self.line.grpc_status.take());
    }
}

impl Line {
    /// Notes how a request ended, as far as the head of its answer says it.
    pub(crate) fn ended<B>(&mut self, response: &Response<B>) {
        let reason = || response.headers().get("x-mainstay-reason").and_then(|reason| reason.to_str().ok());
        let status = response.extensions().get::<Status>().map(|status| status.reason().as_str());
        self.status = response.status().as_u16();
        self.grpc_status = grpc_status(response.headers());
        self.reason = self.reason.take().or_else(|| status.or_else(reason).map(str::to_owned));
    }
}

/// What headers or trailers say of how a call of gRPC ended.
fn grpc_status(headers: &HeaderMap) -> Option<String> {
    headers.get("grpc-status").and_then(|value| value.to_str().ok()).map(str::to_owned)
}

impl http_body::Body for Logged {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                this.line.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                if let Some(trailers) = frame.trailers_ref() {
                    this.trailers(trailers);
                }
                this.line.whole = this.body.is_end_stream();
            }
            Some(Err(_)) => this.line.whole = false,
            None => this.line.whole = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        if let Some(log) = &self.told.log {
            let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            log.to.say(self.line.text(at, self.began.elapsed(), log.json));
        }
        if let Some(span) = self.told.span.take() {
            span.end(&self.line);
        }
    }
}
