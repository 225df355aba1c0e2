//! How the endpoints of an upstream are asked whether they are well, as the file says it. Pure.

use super::{keys::HEALTH_CHECK, scope::Scope};
use std::time::Duration;

/// What is asked, how often, and what is made of the answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckConfig {
    pub(crate) ask: Ask,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) unhealthy_after: u32,
    pub(crate) healthy_after: u32,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// That a connection can be made.
    Tcp,
    /// `GET` of this path, which answers with a status from 200 to 299.
    Http(String),
    /// `grpc.health.v1`, for this service or for all.
    Grpc(String),
}

/// Reads it.
pub(super) fn read(at: Scope<'_>) -> Option<CheckConfig> {
    let fields = at.fields(&HEALTH_CHECK);
    let kind = fields.must("kind", |_| fields.word("kind"))?;
    let wrong = |key: &str, of: &str| {
        if fields.has(key) {
            at.wrong(format!("`{key}` says something of a check of kind {of}"));
        }
    };
    let ask = match kind {
        "http" => Ask::Http(fields.text("path").unwrap_or_else(|| "/".to_owned())),
        "grpc" => Ask::Grpc(fields.text("service").unwrap_or_default()),
        _ => Ask::Tcp,
    };
    if !matches!(ask, Ask::Http(_)) {
        wrong("path", "http");
    }
    if !matches!(ask, Ask::Grpc(_)) {
        wrong("service", "grpc");
    }
    if let Ask::Http(path) = &ask
        && (!path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        at.wrong(format!("`{path}` is no path"));
    }
    Some(CheckConfig {
        ask,
        interval: fields.duration("interval").unwrap_or(Duration::from_secs(5)),
        timeout: fields.duration("timeout").unwrap_or(Duration::from_secs(2)),
        unhealthy_after: fields.number("unhealthy_after", 1, 100).unwrap_or(3),
        healthy_after: fields.number("healthy_after", 1, 100).unwrap_or(2),
    })
}
