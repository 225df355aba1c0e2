//! An answer as JSON.

use super::{
    binding::Binding,
    status,
    stream::{Form, JsonFrames},
};
use crate::handle::JSON;
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use mainstay::{
    call::{Code, Frame, Payload, Reply, Status},
    edge::{Body, json},
};

/// What a reply becomes.
pub(super) fn answer(binding: &Binding, reply: Reply, form: Form) -> Response<Body> {
    let (content_type, body) = match reply.payload {
        Payload::One(frame) => match text(binding, &frame) {
            Ok(text) => (JSON, Body::from(text)),
            Err(status) => return status::response(&status),
        },
        Payload::Stream(frames) => {
            let body = Body::new(JsonFrames::new(frames, binding.clone(), form));
            (HeaderValue::from_static(form.content_type()), body)
        }
    };
    let mut response = Response::new(body);
    copy(reply.metadata.into_headers(), response.headers_mut());
    copy(reply.trailers.into_headers(), response.headers_mut());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// A message as JSON: all of it, or the field that the binding names.
///
/// # Errors
/// INTERNAL, when it is none of that type.
pub(super) fn text(binding: &Binding, frame: &Frame) -> Result<Vec<u8>, Status> {
    let all = json::write(&binding.output, frame)?;
    let Some(name) = &binding.response_body else { return Ok(all) };
    let wrong = |error: serde_json::Error| Status::new(Code::Internal, error.to_string());
    let mut all: serde_json::Value = serde_json::from_slice(&all).map_err(wrong)?;
    serde_json::to_vec(&all.get_mut(name).map(serde_json::Value::take).unwrap_or_default()).map_err(wrong)
}

/// Adds metadata to the headers of an answer, but for what says how HTTP or gRPC is to be read.
pub(super) fn copy(metadata: HeaderMap, headers: &mut HeaderMap) {
    let mut last = None;
    for (name, value) in metadata {
        last = name.or(last);
        let Some(name) = &last else { continue };
        let text = name.as_str();
        let fixed = ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "date"];
        let is_ours = ["content-", "proxy-", "grpc-", "x-mainstay-"].iter().any(|one| text.starts_with(one));
        if !is_ours && !fixed.contains(&text) {
            headers.append(name.clone(), value);
        }
    }
}
