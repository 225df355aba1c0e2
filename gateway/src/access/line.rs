//! One line of the access log. Pure: the time is an argument.

use mainstay::access::rfc3339;
use serde_json::json;
use std::{fmt::Write, net::IpAddr, time::Duration};

/// What is known of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) client: Option<IpAddr>,
    pub(crate) method: String,
    pub(crate) host: String,
    /// In its normal form, without the query.
    pub(crate) path: String,
    pub(crate) route: Option<String>,
    /// The canary that it took.
    pub(crate) lane: Option<String>,
    pub(crate) status: u16,
    /// gRPC's code, of an answer of gRPC.
    pub(crate) grpc_status: Option<String>,
    /// Whoever asks, hashed.
    pub(crate) account: Option<String>,
    /// The list that whoever asks is on.
    pub(crate) listed: Option<&'static str>,
    /// Why the gateway answered itself, or the upstream failed.
    pub(crate) reason: Option<String>,
    /// The version of the file that was in force.
    pub(crate) version: u64,
    /// Bytes of the answer's body.
    pub(crate) bytes: u64,
    /// The answer was taken to its end.
    pub(crate) whole: bool,
}

impl Line {
    /// The line of a request that ended at `at` since the epoch, after `took`.
    pub(crate) fn text(&self, at: Duration, took: Duration, as_json: bool) -> String {
        let (at, took) = (rfc3339(at), took.as_micros() as f64 / 1000.0);
        if as_json {
            let line = json!({
                "at": at, "client": self.client, "method": self.method, "host": self.host, "path": self.path,
                "route": self.route, "lane": self.lane, "status": self.status, "grpc_status": self.grpc_status, "reason": self.reason,
                "account": self.account, "listed": self.listed,
                "version": self.version, "bytes": self.bytes, "whole": self.whole, "took_ms": took,
            });
            return format!("{line}\n");
        }
        let client = self.client.map_or_else(|| "-".to_owned(), |client| client.to_string());
        let mut line = format!("{at} {client} {} {}{} {}", self.method, self.host, self.path, self.status);
        let _ = write!(line, " {}B {took:.3}ms", self.bytes);
        let said =
            [("route", &self.route), ("lane", &self.lane), ("grpc", &self.grpc_status), ("reason", &self.reason)];
        for (name, value) in said.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            let _ = write!(line, " {name}={}", value.replace(|c: char| c.is_control() || c == ' ', "_"));
        }
        if !self.whole {
            line.push_str(" cut");
        }
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_programs_and_one_for_people() {
        let line = Line {
            client: Some("10.0.0.1".parse().unwrap()),
            method: "GET".into(),
            host: "shop".into(),
            path: "/a".into(),
            route: Some("pages and more".into()),
            status: 503,
            reason: Some("NO_INSTANCE".into()),
            version: 3,
            bytes: 7,
            ..Line::default()
        };
        let (at, took) = (Duration::from_secs(1_735_689_599), Duration::from_micros(1500));
        assert_eq!(
            line.text(at, took, false),
            "2024-12-31T23:59:59.000Z 10.0.0.1 GET shop/a 503 7B 1.500ms route=pages_and_more reason=NO_INSTANCE cut\n"
        );
        let read: serde_json::Value = serde_json::from_str(&line.text(at, took, true)).unwrap();
        assert_eq!((&read["client"], &read["version"], &read["took_ms"]), (&"10.0.0.1".into(), &3.into(), &1.5.into()));
    }
}
