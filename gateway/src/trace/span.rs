//! The span of a request, and what it says: the names are those of OpenTelemetry's conventions for HTTP and RPC.

use crate::access::Line;
use opentelemetry::{
    KeyValue,
    trace::{Span as _, Status},
};
use opentelemetry_sdk::trace::Span;

/// The span of a request that is kept. It ends with the request; dropped before, it says no more than that.
#[derive(Debug)]
pub(crate) struct RequestSpan(pub(super) Box<Span>);

impl RequestSpan {
    /// Ends the span of a request that ended so.
    pub(crate) fn end(mut self, line: &Line) {
        let span = &mut *self.0;
        if let Some(route) = &line.route {
            span.update_name(format!("{} {route}", line.method));
        }
        span.set_attributes(attributes(line));
        if let Some(why) = failure(line) {
            span.set_attribute(KeyValue::new("error.type", why.clone()));
            span.set_status(Status::error(why));
        }
        span.end();
    }
}

fn attributes(line: &Line) -> Vec<KeyValue> {
    let text = |name: &'static str, value: &Option<String>| value.clone().map(|value| KeyValue::new(name, value));
    let status = line.grpc_status.as_ref().and_then(|status| status.parse::<i64>().ok());
    let always = [
        KeyValue::new("http.request.method", line.method.clone()),
        KeyValue::new("server.address", line.host.clone()),
        KeyValue::new("url.path", line.path.clone()),
        KeyValue::new("http.response.status_code", i64::from(line.status)),
        KeyValue::new("http.response.body.size", i64::try_from(line.bytes).unwrap_or(i64::MAX)),
    ];
    let where_known = [
        line.client.map(|client| KeyValue::new("client.address", client.to_string())),
        status.map(|status| KeyValue::new("rpc.grpc.status_code", status)),
        text("mainstay.route", &line.route),
        text("mainstay.lane", &line.lane),
        text("mainstay.reason", &line.reason),
    ];
    always.into_iter().chain(where_known.into_iter().flatten()).collect()
}

/// Codes of gRPC that are the server's fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
const FAULTS: [&str; 6] = ["2", "4", "12", "13", "14", "15"];

/// Why a request failed, where that is the fault of this side.
fn failure(line: &Line) -> Option<String> {
    let code = match &line.grpc_status {
        Some(code) if FAULTS.contains(&code.as_str()) => code.clone(),
        _ if line.status >= 500 => line.status.to_string(),
        _ if !line.whole => "cut".to_owned(),
        _ => return None,
    };
    Some(line.reason.clone().unwrap_or(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            method: "GET".into(),
            host: "shop".into(),
            path: "/a".into(),
            status: 200,
            whole: true,
            ..Line::default()
        }
    }

    #[test]
    fn a_failure_is_one_of_this_side() {
        let reason = |reason: &str| Some(reason.to_owned());
        for (line, why) in [
            (line(), None),
            (Line { status: 404, reason: reason("NO_ROUTE"), ..line() }, None),
            (Line { status: 503, reason: reason("NO_INSTANCE"), ..line() }, Some("NO_INSTANCE")),
            (Line { status: 502, ..line() }, Some("502")),
            (Line { grpc_status: Some("5".into()), ..line() }, None),
            (Line { grpc_status: Some("14".into()), ..line() }, Some("14")),
            (Line { whole: false, ..line() }, Some("cut")),
        ] {
            assert_eq!(failure(&line).as_deref(), why, "{line:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let names = |line: &Line| attributes(line).iter().map(|one| one.key.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&line()).len(), 5);
        let all = Line {
            client: Some([127, 0, 0, 1].into()),
            route: Some("pages".into()),
            lane: Some("new".into()),
            reason: Some("LATE".into()),
            grpc_status: Some("4".into()),
            ..line()
        };
        assert_eq!(names(&all).len(), 10);
    }
}
