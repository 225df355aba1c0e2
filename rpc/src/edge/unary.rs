//! One bare message in, one out: JSON and protobuf without gRPC's frames.
//!
//! The message is turned into gRPC's form, goes through the same stack as any other call, and is turned back. What a
//! handler sends before its answer becomes headers; what it sends after it, headers called `trailer-…`, as dubbo-go
//! does.

use super::{
    Body,
    body_frames::only,
    errors::{APPLICATION_JSON, copy_metadata},
    grpc, json,
    ours::Inner,
    query,
    schemas::Messages,
    template::Binding,
};
use crate::{
    call::{Frame, Invocation, Kind, Payload, Peer, Reason, Reply, Status},
    server::Route,
    transport::{
        before,
        grpc::{GRPC_TIMEOUT, SERVICE_GROUP, SERVICE_VERSION, parse_timeout},
        gzip,
        head::lists_gzip,
    },
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Response,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY},
    request::Parts,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tonic::{Code, metadata::MetadataMap};

/// The timeouts of Dubbo, in milliseconds: dubbo-go's and dubbo-js'.
const TIMEOUTS: [HeaderName; 2] =
    [HeaderName::from_static("triple-timeout-ms"), HeaderName::from_static("tri-service-timeout")];

/// Answers a POST with the message as its body; `json`, else protobuf.
pub(crate) async fn post(ours: &Inner, parts: Parts, body: Body, json: bool) -> Result<Response<Body>, Status> {
    let call = Call::begin(ours, &parts.headers, parts.uri.path(), json)?;
    before(call.deadline, async {
        let body = body.collect(ours.max_message).await?;
        let body = match parts.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip") {
            true => gzip::decompress(&body, ours.max_message).map_err(|error| unpacked(&error))?.into(),
            false => body,
        };
        let frame = match call.messages {
            Some(messages) => json::read(&messages.input, &body)?,
            None => Frame::from_message(&body),
        };
        call.answer(ours, parts, frame).await
    })
    .await
}

/// Answers a GET: the message is in the path and the query, the answer is JSON.
pub(crate) async fn get(
    ours: &Inner,
    parts: Parts,
    method: &str,
    path: &[Binding<'_>],
) -> Result<Response<Body>, Status> {
    let call = Call::begin(ours, &parts.headers, method, true)?;
    let input = call.messages.map(|messages| &messages.input);
    let input = input.ok_or_else(|| Status::new(Code::Internal, "a GET without a description"))?;
    let frame = query::read(input, path, parts.uri.query().unwrap_or_default())?;
    before(call.deadline, call.answer(ours, parts, frame)).await
}

/// A content encoding that is understood.
pub(crate) fn is_known_encoding(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_none_or(|encoding| encoding == "gzip" || encoding == "identity")
}

struct Call<'a> {
    route: Arc<Route>,
    /// The descriptors of its messages, when they are JSON.
    messages: Option<&'a Messages>,
    deadline: Option<Instant>,
}

impl<'a> Call<'a> {
    fn begin(ours: &'a Inner, headers: &HeaderMap, path: &str, json: bool) -> Result<Self, Status> {
        let route = ours.dispatch.find(path, text(headers, SERVICE_VERSION), text(headers, SERVICE_GROUP))?.clone();
        let kind = route.method.kind();
        if kind != Kind::Unary {
            return Err(streams(&route));
        }
        // A deadline further away than the clock can say is none.
        let deadline = timeout(headers)?.and_then(|timeout| Instant::now().checked_add(timeout));
        let messages = if json { Some(ours.schemas.of(&route)?) } else { None };
        Ok(Self { route, messages, deadline })
    }

    async fn answer(&self, ours: &Inner, parts: Parts, frame: Frame) -> Result<Response<Body>, Status> {
        let gzip = ours.gzip && text(&parts.headers, ACCEPT_ENCODING).is_some_and(lists_gzip);
        let mut call = Invocation::new(self.route.method.clone(), Payload::One(frame));
        call.version = text(&parts.headers, SERVICE_VERSION).map(Arc::from);
        call.group = text(&parts.headers, SERVICE_GROUP).map(Arc::from);
        call.deadline = self.deadline;
        call.peer = parts.extensions.get::<Peer>().cloned();
        call.metadata = MetadataMap::from_headers(parts.headers);
        let reply = grpc::invoke(ours, call).await?;
        self.response(reply, gzip).await
    }

    async fn response(&self, reply: Reply, gzip: bool) -> Result<Response<Body>, Status> {
        let mut trailers = reply.trailers.into_headers();
        let frame = match reply.payload {
            Payload::One(frame) => frame,
            Payload::Stream(mut frames) => {
                let frame = only(&mut frames).await?;
                trailers.extend(frames.as_mut().take_trailers().into_headers());
                frame
            }
        };
        let (content_type, body) = match self.messages {
            Some(messages) => (APPLICATION_JSON, json::write(&messages.output, &frame)?.into()),
            None => (HeaderValue::from_static("application/proto"), frame.message()),
        };
        let packed = gzip && body.len() >= gzip::WORTH_IT;
        let body = if packed { gzip::compress(&Frame::from_message(&body)).split_off(5) } else { body };
        let mut response = Response::new(Body::from(body));
        let headers = response.headers_mut();
        copy_metadata(&reply.metadata.into_headers(), "", headers);
        copy_metadata(&trailers, "trailer-", headers);
        headers.insert(CONTENT_TYPE, content_type);
        if packed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            headers.append(VARY, HeaderValue::from_static("accept-encoding"));
        }
        Ok(response)
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// How long a caller waits, as the headers of its request say: the first of `triple-timeout-ms`, `tri-service-timeout` and
/// `grpc-timeout` that is there.
///
/// # Errors
/// INVALID_ARGUMENT for what is no time.
pub fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let bad = |text| Status::because(Reason::BadRequest, Code::InvalidArgument, text);
    for name in TIMEOUTS {
        let Some(value) = headers.get(&name).filter(|value| !value.is_empty()) else { continue };
        let millis = value.to_str().ok().filter(|text| text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit()));
        let millis = millis.and_then(|text| text.parse().ok());
        let wrong = || bad(format!("{name} must be up to ten digits of milliseconds, not {value:?}"));
        return Ok(Some(Duration::from_millis(millis.ok_or_else(wrong)?)));
    }
    let value = headers.get(GRPC_TIMEOUT).filter(|value| !value.is_empty());
    value.map(parse_timeout).transpose().map_err(bad)
}

fn streams(route: &Route) -> Status {
    let (service, name) = (route.definition.full_name, route.method.name());
    let how = match route.method.kind() {
        Kind::ServerStreaming => "gRPC or gRPC-Web",
        _ => "gRPC",
    };
    let text = format!("{service}/{name} streams, which one bare message cannot: call it by {how}");
    Status::because(Reason::UnknownEncoding, Code::Unimplemented, text)
}

fn unpacked(error: &crate::transport::deframe::DeframeError) -> Status {
    use crate::transport::deframe::DeframeError;
    match error {
        DeframeError::TooLarge { .. } => {
            Status::because(Reason::MessageTooLarge, Code::ResourceExhausted, error.to_string())
        }
        _ => Status::because(Reason::BadRequest, Code::InvalidArgument, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_of_every_dialect() {
        for (name, value, expected) in [
            ("triple-timeout-ms", "1500", Ok(Some(1500))),
            ("tri-service-timeout", "20", Ok(Some(20))),
            ("grpc-timeout", "3S", Ok(Some(3000))),
            ("tri-service-timeout", "", Ok(None)),
            ("timeout", "3s", Ok(None)),
            ("triple-timeout-ms", "-1", Err("triple-timeout-ms")),
            ("triple-timeout-ms", "12345678901", Err("ten digits")),
            ("tri-service-timeout", "3s", Err("tri-service-timeout")),
            ("grpc-timeout", "3", Err("grpc-timeout")),
        ] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            let found = timeout(&headers);
            match (&found, expected) {
                (Ok(found), Ok(millis)) => assert_eq!(*found, millis.map(Duration::from_millis), "{name}: {value}"),
                (Err(status), Err(part)) => assert!(status.message().contains(part), "{status}"),
                _ => panic!("{name}: {value} gave {found:?}"),
            }
        }
    }
}
