//! Several calls at once, their answers in one JSON.
//!
//! Each part has its own time within the route's, and what stands in its place when it fails. A part without such fails the whole:
//! half a page that looks like a whole one is worse than none.

use super::{Transcoder, binding::BodyRule, status, undescribed};
use crate::{
    config::PartConfig,
    deadline::Deadline,
    filter::Session,
    handle::{JSON, Matched},
    refusal::Refusal,
    route::parameters,
    snapshot::Route,
};
use futures_util::future::join_all;
use http::{HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE, request::Parts};
use mainstay::{
    call::{Code, Invocation, Kind, Payload, Peer, Reason, Status},
    edge::{self, Body, json},
};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

/// Which parts are what the file says, since their calls failed.
const FALLBACK: HeaderName = HeaderName::from_static("x-mainstay-fallback");

/// One call of a route, at work.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) config: PartConfig,
    pub(crate) transcoder: Transcoder,
}

/// What a request says that parts may ask for.
struct Said<'a> {
    /// Of the path, decoded.
    variables: &'a [(String, String)],
    query: &'a str,
}

/// Answers a request of a route with parts.
///
/// # Errors
/// That of the first part that failed and has no fallback.
pub(crate) async fn answer(
    route: &Route,
    (matched, query): (&Matched, &str),
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    // Its parts are made of the path and the query: a body says nothing here.
    let (head, _) = request.into_parts();
    let said = Said { variables: &matched.variables, query };
    let Deadline { began, at } = matched.deadline;
    let affinity = matched.session.map(Session::key);
    let calls = route.parts.iter().map(|part| {
        let own = part.config.timeout.map_or(at, |timeout| at.min(Instant::now() + timeout));
        let call = part.call(&said, &head, (began, own), (route.config.num_retries, affinity));
        async move { timeout_at(own, call).await.unwrap_or_else(|_| Err(Status::deadline_exceeded())) }
    });
    let (mut all, mut fallen) = (Map::new(), Vec::new());
    for (part, answered) in route.parts.iter().zip(join_all(calls).await) {
        let PartConfig { name, fallback, .. } = &part.config;
        let value = match (answered, fallback) {
            (Ok(value), _) => value,
            (Err(error), Some(fallback)) => {
                tracing::warn!(route = route.config.name, part = name, %error, "a part is what the file says");
                fallen.push(name.as_str());
                fallback.clone()
            }
            (Err(error), None) => {
                let refusal = status::refusal(&error);
                return Err(Refusal { message: format!("{name}: {}", refusal.message), ..refusal });
            }
        };
        all.insert(name.clone(), value);
    }
    let mut response = Response::new(Body::from(Value::Object(all).to_string()));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    if let Some(fallen) = HeaderValue::from_str(&fallen.join(", ")).ok().filter(|fallen| !fallen.is_empty()) {
        response.headers_mut().insert(FALLBACK, fallen);
    }
    Ok(response)
}

impl Part {
    async fn call(
        &self,
        said: &Said<'_>,
        head: &Parts,
        (began, deadline): (Instant, Instant),
        (retries, affinity): (u32, Option<u64>),
    ) -> Result<Value, Status> {
        let PartConfig { service, method, .. } = &self.config;
        let bindings = self.transcoder.catalog.of(service).await?;
        let binding = bindings.by_name.get(method).filter(|one| one.kind == Kind::Unary && one.body == BodyRule::Whole);
        let binding =
            binding.ok_or_else(|| undescribed(format!("{service} has no method {method} of one message each way")))?;
        let message = filled(&self.config.request, said);
        let frame = json::read_value(&binding.input, message)
            .map_err(|error| Status::because(Reason::BadRequest, Code::InvalidArgument, error.to_string()))?;
        let mut call = Invocation::new(binding.call.clone(), Payload::One(frame));
        (call.began, call.deadline, call.retries) = (began, Some(deadline), Some(retries));
        call.affinity = affinity;
        call.peer = head.extensions.get::<Peer>().cloned();
        call.metadata = edge::metadata(head.headers.clone());
        match self.transcoder.upstream.channel(service)?.invoke(call).await?.payload {
            Payload::One(frame) => {
                let text = json::write(&binding.output, &frame)?;
                serde_json::from_slice(&text).map_err(|error| Status::new(Code::Internal, error.to_string()))
            }
            Payload::Stream(_) => Err(Status::new(Code::Internal, "a stream answered a call for one message")),
        }
    }
}

/// The request of a part, with what stands for its variables. A text that is one variable that is not there is left out.
fn filled(template: &Value, said: &Said<'_>) -> Value {
    match template {
        Value::String(text) => said.fill(text).map_or(Value::Null, Value::String),
        Value::Array(all) => all.iter().map(|one| filled(one, said)).collect(),
        Value::Object(all) => all.iter().map(|(name, one)| (name.clone(), filled(one, said))).collect(),
        other => other.clone(),
    }
}

impl Said<'_> {
    fn fill(&self, text: &str) -> Option<String> {
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}')?;
            out.push_str(before);
            match self.value(name) {
                Some(value) => out.push_str(&value),
                None if before.is_empty() && after.is_empty() && out.is_empty() => return None,
                None => {}
            }
            rest = after;
        }
        out.push_str(rest);
        Some(out)
    }

    fn value(&self, name: &str) -> Option<String> {
        match name.strip_prefix("query.") {
            Some(name) => parameters(self.query).find(|(key, _)| key == name).map(|(_, value)| value),
            None => self.variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_stand_for_what_the_request_says() {
        let variables = [("sku".to_owned(), "a 1".to_owned())];
        let said = Said { variables: &variables, query: "id=b%20c&n=7" };
        let template = json!({"a": "{sku}", "b": ["x-{query.id}-{query.none}", "{query.none}"], "c": {"n": "{query.n}"}, "d": true});
        let expected = json!({"a": "a 1", "b": ["x-b c-", null], "c": {"n": "7"}, "d": true});
        assert_eq!(filled(&template, &said), expected);
    }
}
