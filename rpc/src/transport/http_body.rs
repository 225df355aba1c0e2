//! HTTP/2 streams as bodies: what is not native gRPC is answered through `http`'s own types, in a task of its own.

use super::{
    body::{Outgoing, Stopped},
    budget::Charged,
    server::Link,
};
use crate::edge::{Body, BoxError, Caught};
use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{
    HeaderMap, Method, Request, Response,
    header::{CONNECTION, HeaderName, TRANSFER_ENCODING, UPGRADE},
};
use http_body::{Body as _, Frame, SizeHint};
use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Answers a request in a task of its own.
pub(crate) fn spawn(link: &Arc<Link>, request: Request<RecvStream>, respond: SendResponse<Charged>) {
    let (call, task) = (link.shared.calls.enter(), link.tasks.enter());
    let link = link.clone();
    tokio::spawn(async move {
        // A failure to write means that the caller is gone.
        let _ = answer(&link, request, respond).await;
        drop((call, task));
    });
}

async fn answer(link: &Link, request: Request<RecvStream>, mut respond: SendResponse<Charged>) -> Result<(), Stopped> {
    let headless = request.method() == Method::HEAD;
    let mut request = request.map(|recv| Body::new(Http2Body::new(recv)));
    request.extensions_mut().insert(link.peer.clone());
    let mut work = std::pin::pin!(link.shared.edge.answer(request));
    let response = poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(response) => Poll::Ready(Some(response)),
        // Whoever asked may be gone: then the handler is dropped.
        Poll::Pending => respond.poll_reset(cx).map(|_| None),
    });
    let Some(response) = response.await else { return Ok(()) };
    let (mut head, mut body) = response.into_parts();
    strip(&mut head.headers);
    let ended = headless || body.is_end_stream();
    let send = respond.send_response(Response::from_parts(head, ()), ended)?;
    if ended { Ok(()) } else { write(&mut body, Outgoing::new(send, link.budget.clone(), false)).await }
}

/// Writes a body as flow control lets it go.
async fn write(body: &mut Caught, mut out: Outgoing) -> Result<(), Stopped> {
    loop {
        let next = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(next) => Poll::Ready(Ok(next)),
            Poll::Pending => out.poll_reset(cx).map(|()| Err(Stopped)),
        });
        match next.await?.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(data))) => out.send_large(data, false).await?,
            Some(Ok(Err(frame))) => {
                if let Ok(trailers) = frame.into_trailers() {
                    return out.finish(trailers);
                }
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "an answer broke off");
                out.reset();
                return Err(Stopped);
            }
            None => return out.close(),
        }
        tokio::task::coop::consume_budget().await;
    }
}

/// Takes out what HTTP/1.1 says of its connection: HTTP/2 forbids it.
fn strip(headers: &mut HeaderMap) {
    const HOP_BY_HOP: [HeaderName; 5] = [
        CONNECTION,
        TRANSFER_ENCODING,
        UPGRADE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(name)));
}

/// The body of a request. What is not read stays at the peer, held back by flow control.
struct Http2Body {
    recv: RecvStream,
    /// The data has ended: only trailers may come.
    read: bool,
}

impl Http2Body {
    fn new(recv: RecvStream) -> Self {
        Self { recv, read: false }
    }
}

impl http_body::Body for Http2Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.read {
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(chunk)) => {
                    // It fails only when the stream has ended, which the next poll says.
                    let _ = self.recv.flow_control().release_capacity(chunk.len());
                    return Poll::Ready(Some(Ok(Frame::data(chunk))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => self.read = true,
            }
        }
        match ready!(self.recv.poll_trailers(cx)) {
            Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
            Err(error) => Poll::Ready(Some(Err(error.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.recv.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
