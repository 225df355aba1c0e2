//! Where spans of requests go, as the file says it. Pure.

use super::{keys::TRACING, scope::Scope};
use http::Uri;

/// Where spans of requests go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TracingConfig {
    /// The collector, by `http://host:port`.
    pub(crate) otlp: String,
    /// What the gateway is called there.
    pub(crate) service_name: String,
    /// Of a hundred traces that begin here, so many are kept.
    pub(crate) random_sampling: f64,
}

pub(super) fn read(at: Scope<'_>) -> Option<TracingConfig> {
    let fields = at.fields(&TRACING);
    let collector = |text: &str| {
        let uri =
            text.parse::<Uri>().ok().filter(|uri| uri.port().is_some() && uri.path() == "/" && uri.query().is_none());
        match uri.as_ref().and_then(Uri::scheme_str) {
            Some("http") => Ok(text.to_owned()),
            Some("https") => {
                Err("spans go to a collector without TLS: let one on this machine hand them on".to_owned())
            }
            _ => Err(format!("`{text}` is no collector such as http://127.0.0.1:4317")),
        }
    };
    let share = |text: &str| {
        let share = text.parse().ok().filter(|share| (0.0..=100.0).contains(share));
        share.ok_or_else(|| format!("`{text}` is no number from 0 to 100"))
    };
    let otlp = fields.must("otlp", |at| at.read(|node| collector(node.text().map_err(|error| error.why)?)));
    Some(TracingConfig {
        service_name: fields.text("service_name").unwrap_or_else(|| "mainstay-gateway".to_owned()),
        random_sampling: fields
            .get("random_sampling", |at| at.read(|node| share(node.text().map_err(|error| error.why)?)))
            .unwrap_or(100.0),
        otlp: otlp?,
    })
}
