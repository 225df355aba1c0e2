//! Messages to and from one HTTP/2 stream, with its flow control.

use super::{
    budget::{Charged, SendBudget},
    deframe::{DeframeError, Deframer},
    grpc, gzip,
};
use crate::call::{Frame, FrameStream, Frames, Reason, Status};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use h2::{RecvStream, SendStream};
use std::{
    future::poll_fn,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};
use tonic::{Code, metadata::MetadataMap};

/// Bodies up to this go out in one piece without asking for room; larger ones take what flow control gives.
pub(super) const SMALL: usize = 16 * 1024;

/// About what is sent of a stream at once: much less than HTTP/2's windows, so that many streams share them.
const PIECE: usize = 32 * 1024;

/// Which side reads: it decides whose fault a bad message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    #[cfg(feature = "server")]
    Server,
}

/// Reads messages from a stream.
pub(crate) struct Incoming {
    recv: RecvStream,
    deframer: Deframer,
    side: Side,
    ended: bool,
    trailers: MetadataMap,
}

impl Incoming {
    pub(crate) fn new(recv: RecvStream, side: Side, max_message: usize, gzip: bool) -> Self {
        Self { recv, deframer: Deframer::new(max_message, gzip), side, ended: false, trailers: MetadataMap::new() }
    }

    /// The next message; `None` after the last, and then on a client only if the status was good.
    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            match self.deframer.next() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) => {}
                Err(error) => return self.fail(self.bad(error)),
            }
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(chunk)) => {
                    // Room for as much again. It fails only when the stream has ended, which the next poll says.
                    let _ = self.recv.flow_control().release_capacity(chunk.len());
                    self.deframer.push(chunk);
                }
                Some(Err(error)) => return self.fail(grpc::status_of_h2(&error)),
                None => return self.poll_end(cx),
            }
        }
    }

    /// The only message of a stream.
    #[cfg(feature = "server")]
    pub(crate) async fn only(&mut self) -> Result<Frame, Status> {
        let mut first = None;
        poll_fn(|cx| self.poll_only(&mut first, cx)).await
    }

    /// The only message of a stream; `first` keeps it between polls until the stream has ended too.
    pub(crate) fn poll_only(&mut self, first: &mut Option<Frame>, cx: &mut Context<'_>) -> Poll<Result<Frame, Status>> {
        if first.is_none() {
            match ready!(self.poll_message(cx)) {
                Some(message) => *first = Some(message?),
                None => return Poll::Ready(Err(self.wrong("the stream ended without a message"))),
            }
        }
        match (ready!(self.poll_message(cx)), first.take()) {
            (None, Some(frame)) => Poll::Ready(Ok(frame)),
            (Some(Err(status)), _) => Poll::Ready(Err(status)),
            _ => Poll::Ready(Err(self.wrong("more than one message came"))),
        }
    }

    fn wrong(&self, what: &'static str) -> Status {
        let (reason, code) = match self.side {
            Side::Client => (Reason::BadResponse, Code::Internal),
            #[cfg(feature = "server")]
            Side::Server => (Reason::BadRequest, Code::Internal),
        };
        Status::because(reason, code, what)
    }

    /// What came after the last message.
    pub(crate) fn take_trailers(&mut self) -> MetadataMap {
        std::mem::take(&mut self.trailers)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
        if self.side == Side::Client {
            let trailers = match ready!(self.recv.poll_trailers(cx)) {
                Ok(trailers) => trailers.unwrap_or_default(),
                Err(error) => return self.fail(grpc::status_of_h2(&error)),
            };
            let nothing = trailers.is_empty();
            match grpc::read_status(trailers) {
                Some(Ok(trailers)) => self.trailers = trailers,
                // A server that gave up inside a message says why, which is more than that it did.
                Some(Err(status)) => return self.fail(status),
                None => {
                    // h2 keeps what fits into the limit, and does not say that there was more.
                    let what = match nothing {
                        true => "the peer sent no gRPC status",
                        false => {
                            "the peer sent trailers and no gRPC status among them; what exceeds the limit of headers is \
                             not kept (`Http2Limits::max_headers`)"
                        }
                    };
                    return self.fail(Status::because(Reason::BadResponse, Code::Unknown, what));
                }
            }
        }
        if let Err(error) = self.deframer.finish() {
            return self.fail(self.bad(error));
        }
        self.ended = true;
        Poll::Ready(None)
    }

    fn fail(&mut self, status: Status) -> Poll<Option<Result<Frame, Status>>> {
        self.ended = true;
        Poll::Ready(Some(Err(status)))
    }

    fn bad(&self, error: DeframeError) -> Status {
        let (reason, code) = match (&error, self.side) {
            (DeframeError::TooLarge { .. }, _) => (Reason::MessageTooLarge, Code::ResourceExhausted),
            #[cfg(feature = "server")]
            (DeframeError::NoEncoding, Side::Server) => (Reason::UnknownEncoding, Code::Internal),
            #[cfg(feature = "server")]
            (_, Side::Server) => (Reason::BadRequest, Code::Internal),
            (_, Side::Client) => (Reason::BadResponse, Code::Internal),
        };
        Status::because(reason, code, error.to_string())
    }
}

impl Frames for Incoming {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
        self.get_mut().poll_message(cx)
    }

    fn take_trailers(self: Pin<&mut Self>) -> MetadataMap {
        self.get_mut().take_trailers()
    }
}

/// Writes messages to a stream.
pub(crate) struct Outgoing {
    send: SendStream<Charged>,
    budget: SendBudget,
    gzip: bool,
}

/// Why nothing more can be written: the peer is gone or does not want more. Whoever reads knows the reason.
#[derive(Debug)]
pub(crate) struct Stopped;

impl From<h2::Error> for Stopped {
    fn from(_: h2::Error) -> Self {
        Self
    }
}

impl Outgoing {
    pub(crate) fn new(send: SendStream<Charged>, budget: SendBudget, gzip: bool) -> Self {
        Self { send, budget, gzip }
    }

    /// Writes a message that is small enough to go at once; gives a larger one back.
    pub(crate) fn send_small(&mut self, bytes: Bytes, end: bool) -> Result<Option<Bytes>, Stopped> {
        if bytes.len() > SMALL || self.budget.is_full() {
            return Ok(Some(bytes));
        }
        self.send.send_data(self.budget.charge(bytes), end)?;
        Ok(None)
    }

    /// Writes bytes as flow control lets them go.
    pub(crate) async fn send_large(&mut self, mut bytes: Bytes, end: bool) -> Result<(), Stopped> {
        while !bytes.is_empty() {
            self.room().await?;
            self.send.reserve_capacity(bytes.len());
            let room = match self.send.capacity() {
                0 => poll_fn(|cx| self.poll_room(cx)).await?,
                room => room,
            };
            let piece = bytes.split_to(room.min(bytes.len()));
            let last = end && bytes.is_empty();
            self.send.send_data(self.budget.charge(piece), last)?;
        }
        Ok(())
    }

    /// Writes the messages of a stream until it ends; says how it ended. A panic while one is made is such an end too.
    pub(crate) async fn send_all(&mut self, frames: &mut FrameStream) -> Result<Result<(), Status>, Stopped> {
        /// Pieces that may go before others get their turn: a stream that is always ready would hold the worker.
        const TURN: u32 = 8;
        let mut turn = 0;
        let mut batch = Batch::default();
        loop {
            self.room().await?;
            let next = poll_fn(|cx| match batch.poll_fill(frames, self.gzip, cx) {
                Poll::Ready(()) => Poll::Ready(Ok(())),
                Poll::Pending => self.send.poll_reset(cx).map(|_| Err(Stopped)),
            });
            match AssertUnwindSafe(next).catch_unwind().await {
                Ok(filled) => filled?,
                Err(_) => batch.panicked(),
            }
            self.send_large(batch.bytes.split().freeze(), false).await?;
            if let Some(ended) = batch.ended.take() {
                return Ok(ended);
            }
            turn += 1;
            if turn == TURN {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Ends the stream with trailers.
    #[cfg(feature = "server")]
    pub(crate) fn finish(&mut self, trailers: http::HeaderMap) -> Result<(), Stopped> {
        Ok(self.send.send_trailers(trailers)?)
    }

    /// Ends the stream without trailers.
    pub(crate) fn close(&mut self) -> Result<(), Stopped> {
        Ok(self.send.send_data(Charged::default(), true)?)
    }

    /// Ready when the peer wants no more.
    #[cfg(feature = "server")]
    pub(crate) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.send.poll_reset(cx).map(|_| ())
    }

    /// Ends the stream as cancelled.
    pub(crate) fn reset(&mut self) {
        self.send.send_reset(h2::Reason::CANCEL);
    }

    /// Waits while too much is queued for the peer: nothing is made for it that it does not take.
    async fn room(&mut self) -> Result<(), Stopped> {
        if !self.budget.is_full() {
            return Ok(());
        }
        let (budget, send) = (&self.budget, &mut self.send);
        let mut room = pin!(budget.room());
        poll_fn(|cx| match room.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => send.poll_reset(cx).map(|_| Err(Stopped)),
        })
        .await
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Stopped>> {
        loop {
            match ready!(self.send.poll_capacity(cx)) {
                Some(Ok(0)) => {}
                Some(Ok(room)) => return Poll::Ready(Ok(room)),
                Some(Err(_)) | None => return Poll::Ready(Err(Stopped)),
            }
        }
    }
}

/// The messages of a stream that are ready, as one piece: a frame and a system call for each would cost more than the
/// messages, and peers take a flood of tiny frames for an attack.
#[derive(Default)]
struct Batch {
    bytes: BytesMut,
    /// How much of `bytes` is whole messages.
    whole: usize,
    ended: Option<Result<(), Status>>,
}

impl Batch {
    /// Adds what is ready, up to a piece. Ready when there is something to send, or the stream has ended.
    fn poll_fill(&mut self, frames: &mut FrameStream, gzip: bool, cx: &mut Context<'_>) -> Poll<()> {
        while self.bytes.len() < PIECE {
            self.whole = self.bytes.len();
            let next = if gzip {
                frames.as_mut().poll_frame(cx).map_ok(|frame| self.bytes.extend_from_slice(&pack(&frame, gzip)))
            } else {
                frames.as_mut().poll_encode(cx, &mut self.bytes)
            };
            match next {
                Poll::Ready(Some(Ok(()))) => {}
                Poll::Ready(Some(Err(status))) => self.ended = Some(Err(status)),
                Poll::Ready(None) => self.ended = Some(Ok(())),
                Poll::Pending if self.bytes.is_empty() => return Poll::Pending,
                Poll::Pending => return Poll::Ready(()),
            }
            if self.ended.is_some() {
                break;
            }
        }
        Poll::Ready(())
    }

    /// The stream ends here, after the messages that were made before.
    fn panicked(&mut self) {
        self.bytes.truncate(self.whole);
        self.ended = Some(Err(panicked()));
    }
}

/// A message as it travels.
pub(super) fn pack(frame: &Frame, gzip: bool) -> Bytes {
    if gzip && frame.len() >= gzip::WORTH_IT { gzip::compress(frame) } else { frame.framed().clone() }
}

/// The status of a call whose handler panicked. What it said went to the panic hook, not to the caller.
pub(crate) fn panicked() -> Status {
    Status::because(Reason::HandlerPanic, Code::Internal, "the handler panicked")
}
