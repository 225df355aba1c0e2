//! Calls of gRPC and gRPC-Web that are handed on: their messages are not decoded, nor need anybody know what is in them. A
//! gateway stands on it.

use super::{
    Body,
    body_frames::{ReadFrames, only},
    dialect::Dialect,
    grpc, web,
};
use crate::{
    call::{Channel, Frame, FrameStream, Frames, Invocation, Method, Payload, Peer, Reason, Status},
    transport::{
        grpc::{GRPC_ENCODING, GRPC_TIMEOUT, SERVICE_GROUP, SERVICE_VERSION, parse_timeout},
        head::refusal,
    },
};
use http::{
    HeaderMap, HeaderName, Request, Response, Version,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, USER_AGENT},
    request::Parts,
};
use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};
use tonic::{Code, metadata::MetadataMap};

/// How calls are handed on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pass {
    /// The largest message of a request, in bytes after decompression. Default 4 MiB.
    pub max_message: usize,
    /// How long a body may stop coming. Default 30 s.
    pub patience: Duration,
    /// How long a call may take at most; a shorter time that the caller says counts. Default: what the caller says.
    pub timeout: Option<Duration>,
    /// How often a failed call is sent again, at most. Default: what the channel does.
    pub retries: Option<u32>,
    /// The [affinity](crate::call::Parts::affinity) of the call. Default: none.
    pub affinity: Option<u64>,
}

impl Default for Pass {
    fn default() -> Self {
        Self {
            max_message: 4 * 1024 * 1024,
            patience: Duration::from_secs(30),
            timeout: None,
            retries: None,
            affinity: None,
        }
    }
}

/// What says how this connection, or this hop, is to be read.
const OF_THE_HOP: [HeaderName; 11] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    HOST,
    TE,
    USER_AGENT,
    ACCEPT,
    ACCEPT_ENCODING,
    GRPC_ENCODING,
    GRPC_TIMEOUT,
    SERVICE_VERSION,
    SERVICE_GROUP,
];

/// Hands a call of `method` to a channel, and its answer back, in the caller's own dialect: gRPC over HTTP/2, or gRPC-Web. What
/// fails is answered in it too, and the answer then has the [`Status`] among its extensions.
///
/// The request goes out as one message, which may be sent again, where the method takes one. Where it takes a stream, or nobody
/// knows (then say that both sides stream), it does so when it is all there at once, and else goes as a stream. Headers become metadata, but for those of the hop. Dropping the future, or the answer's body, cancels the call.
pub async fn pass(request: Request<Body>, method: Method, channel: &Channel, options: &Pass) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = body.unless_stalled(options.patience);
    let native = |parts: Parts, body: Body| answer(parts, body, method, channel, options);
    match Dialect::of(&parts.headers) {
        Some(Dialect::Grpc) if parts.version >= Version::HTTP_2 => native(parts, body).await,
        Some(Dialect::Web { text }) => web::answer(parts, body, text, native).await,
        Some(Dialect::Grpc) => refused("gRPC needs HTTP/2; over HTTP/1.1 send gRPC-Web"),
        _ => refused("the content type is neither application/grpc nor one of gRPC-Web"),
    }
}

/// What headers of a request are as metadata of the call that it becomes: all but those that are of the hop.
pub fn metadata(mut headers: HeaderMap) -> MetadataMap {
    OF_THE_HOP.iter().for_each(|name| drop(headers.remove(name)));
    MetadataMap::from_headers(headers)
}

/// Answers a call of gRPC or gRPC-Web, told by the headers of its request, with a failure. The answer has it among its extensions.
pub async fn refuse(headers: &HeaderMap, status: Status) -> Response<Body> {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.headers = headers.clone();
    match Dialect::of(headers) {
        Some(Dialect::Web { text }) => {
            web::answer(parts, Body::empty(), text, |_, _| std::future::ready(failed(status))).await
        }
        _ => failed(status),
    }
}

fn failed(status: Status) -> Response<Body> {
    let mut response = refusal(status.clone()).map(|()| Body::empty());
    response.extensions_mut().insert(status);
    response
}

fn refused(text: &'static str) -> Response<Body> {
    let mut response = failed(Status::because(Reason::BadRequest, Code::Unimplemented, text));
    *response.status_mut() = http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}

async fn answer(parts: Parts, body: Body, method: Method, channel: &Channel, options: &Pass) -> Response<Body> {
    match call(parts, body, method, channel, options).await {
        Ok(response) => response,
        Err(status) => failed(status),
    }
}

async fn call(
    parts: Parts,
    body: Body,
    method: Method,
    channel: &Channel,
    options: &Pass,
) -> Result<Response<Body>, Status> {
    let began = Instant::now();
    let bad = |text: String| Status::because(Reason::BadRequest, Code::InvalidArgument, text);
    let gzip = match parts.headers.get(GRPC_ENCODING).map(http::HeaderValue::as_bytes) {
        None | Some(b"identity" | b"") => false,
        Some(b"gzip") => true,
        Some(other) => {
            let text = format!("the encoding {} is not supported", String::from_utf8_lossy(other));
            return Err(Status::because(Reason::UnknownEncoding, Code::Unimplemented, text));
        }
    };
    let asked = parts.headers.get(GRPC_TIMEOUT).filter(|value| !value.is_empty());
    let asked = asked.map(|value| parse_timeout(value).map_err(bad)).transpose()?;
    let timeout = asked.into_iter().chain(options.timeout).min();
    let deadline = timeout.and_then(|timeout| began.checked_add(timeout));
    let frames: FrameStream = Box::pin(ReadFrames::new(body, options.max_message, gzip));
    let one = !method.kind().client_streams();
    let payload = match deadline {
        Some(at) => timeout_at(at, payload(frames, one)).await.unwrap_or_else(|_| Err(Status::deadline_exceeded()))?,
        None => payload(frames, one).await?,
    };
    let mut call = Invocation::new(method, payload);
    let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(Arc::<str>::from);
    (call.version, call.group) = (text(SERVICE_VERSION), text(SERVICE_GROUP));
    (call.began, call.deadline, call.retries) = (began, deadline, options.retries);
    call.affinity = options.affinity;
    call.peer = parts.extensions.get::<Peer>().cloned();
    call.metadata = metadata(parts.headers);
    let reply = channel.invoke(call).await?;
    Ok(grpc::response(reply, false, deadline))
}

/// The request's payload: its only message, when there is but `one` or its end has come with it, else a stream that begins with it.
async fn payload(mut frames: FrameStream, one: bool) -> Result<Payload, Status> {
    if one {
        return only(&mut frames).await.map(Payload::One);
    }
    let Some(first) = poll_fn(|cx| frames.as_mut().poll_frame(cx)).await else {
        return Ok(Payload::Stream(frames));
    };
    let first = first?;
    let second = poll_fn(|cx| Poll::Ready(frames.as_mut().poll_frame(cx))).await;
    Ok(match second {
        Poll::Ready(None) => Payload::One(first),
        Poll::Ready(second) => Payload::Stream(Box::pin(Begun { first: [Some(Ok(first)), second], rest: frames })),
        Poll::Pending => Payload::Stream(Box::pin(Begun { first: [Some(Ok(first)), None], rest: frames })),
    })
}

/// A stream whose beginning was read.
struct Begun {
    first: [Option<Result<Frame, Status>>; 2],
    rest: FrameStream,
}

impl Frames for Begun {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
        if let Some(next) = self.first.iter_mut().find_map(Option::take) {
            return Poll::Ready(Some(next));
        }
        self.rest.as_mut().poll_frame(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Kind, Reply};
    use http_body_util::{BodyExt, StreamBody};
    use tower_service::Service;

    /// Answers with what came, and says whether it came as one message.
    #[derive(Clone)]
    struct Echo;

    impl Service<Invocation> for Echo {
        type Response = Reply;
        type Error = Status;
        type Future = std::future::Ready<Result<Reply, Status>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, call: Invocation) -> Self::Future {
            if call.metadata.contains_key("fail") {
                return std::future::ready(Err(Status::new(Code::NotFound, "no such thing")));
            }
            let mut reply = Reply::new(Payload::One(Frame::from_message(b"?")));
            let one = matches!(call.payload, Payload::One(_));
            reply.metadata.insert("one", one.to_string().parse().unwrap());
            reply.metadata.insert("keys", call.metadata.keys().count().to_string().parse().unwrap());
            let left = call.deadline.map_or(0, |deadline| (deadline - call.began).as_millis());
            reply.metadata.insert("left", left.to_string().parse().unwrap());
            reply.payload = Payload::Stream(call.into_parts().payload.into_stream());
            std::future::ready(Ok(reply))
        }
    }

    fn request(content_type: &str, version: Version, body: Body) -> Request<Body> {
        let mut request = Request::post("/a.B/C").version(version).header(CONTENT_TYPE, content_type);
        for (name, value) in [("x-a", "1"), ("te", "trailers"), ("grpc-timeout", "2S"), ("user-agent", "t")] {
            request = request.header(name, value);
        }
        request.body(body).unwrap()
    }

    async fn passed(request: Request<Body>) -> (Response<()>, HeaderMap, Vec<u8>) {
        let method = Method::new("a.B", "C", Kind::BidiStreaming).unwrap();
        let options = Pass { timeout: Some(Duration::from_secs(5)), ..Pass::default() };
        let (head, body) = pass(request, method, &Channel::new(Echo), &options).await.into_parts();
        let body = BodyExt::collect(body).await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or_default();
        (Response::from_parts(head, ()), trailers, body.to_bytes().to_vec())
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_handed_on_as_they_came_and_headers_but_for_those_of_the_hop() {
        let framed = Frame::from_message(b"not even protobuf").framed().clone();
        let (head, trailers, body) =
            passed(request("application/grpc", Version::HTTP_2, Body::from(framed.clone()))).await;
        assert_eq!((body.as_slice(), &trailers["grpc-status"]), (framed.as_ref(), &"0".parse().unwrap()));
        let said = ["one", "keys", "left"].map(|name| head.headers()[name].to_str().unwrap().to_owned());
        assert_eq!(said, ["true", "1", "2000"]);
        let (head, _, body) =
            passed(request("application/grpc-web+proto", Version::HTTP_11, Body::from(framed.clone()))).await;
        assert!(body.starts_with(&framed) && body[framed.len()] == 0x80, "{body:?}");
        assert_eq!(head.headers()[CONTENT_TYPE], "application/grpc-web+proto");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_there_at_once_is_a_stream() {
        let framed = Frame::from_message(b"a").framed().clone();
        let pieces = [Ok::<_, super::super::BoxError>(http_body::Frame::data(framed.clone()))];
        let later = futures_util::stream::once(async move {
            tokio::task::yield_now().await;
            Ok(http_body::Frame::data(framed))
        });
        let frames = futures_util::StreamExt::chain(futures_util::stream::iter(pieces), later);
        let (head, _, body) =
            passed(request("application/grpc", Version::HTTP_2, Body::new(StreamBody::new(frames)))).await;
        assert_eq!((head.headers()["one"].to_str().unwrap(), body.len()), ("false", 12));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_told_in_the_callers_dialect() {
        let mut asked =
            request("application/grpc", Version::HTTP_2, Body::from(Frame::from_message(b"a").framed().clone()));
        asked.headers_mut().insert("fail", "1".parse().unwrap());
        let (head, ..) = passed(asked).await;
        assert_eq!(head.headers()["grpc-status"], "5");
        assert_eq!(head.extensions().get::<Status>().unwrap().code(), Code::NotFound);
        for (content_type, version) in [("application/grpc", Version::HTTP_11), ("application/json", Version::HTTP_2)] {
            let (head, ..) = passed(request(content_type, version, Body::empty())).await;
            assert_eq!((head.status().as_u16(), &head.headers()["grpc-status"]), (415, &"12".parse().unwrap()));
        }
        let web = HeaderMap::from_iter([(CONTENT_TYPE, "application/grpc-web".parse().unwrap())]);
        let body = refuse(&web, Status::new(Code::Unavailable, "no")).await.into_body();
        let body = BodyExt::collect(body).await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("grpc-status: 14"));
    }
}
