//! A route that makes several calls and answers with one JSON, as the file says it. Pure.

use super::{
    keys::{AGGREGATE, PART},
    scope::Scope,
};
use mainstay::yaml::Node;
use serde_json::{Map, Value};
use std::time::Duration;

/// Parts of one route, at most.
const MAX_PARTS: usize = 32;

/// One call, and where its answer stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PartConfig {
    pub(crate) name: String,
    pub(crate) upstream: String,
    pub(crate) service: String,
    pub(crate) method: String,
    /// The message as JSON. In its texts `{name}` stands for a variable of the path, `{query.name}` for a parameter.
    pub(crate) request: Value,
    /// What stands there when the call fails.
    pub(crate) fallback: Option<Value>,
    pub(crate) timeout: Option<Duration>,
}

/// Reads the parts.
pub(super) fn read(at: Scope<'_>) -> Option<Vec<PartConfig>> {
    let parts = at.fields(&AGGREGATE).must("parts", |at| Some(at.named(part)))?;
    if parts.is_empty() || parts.len() > MAX_PARTS {
        at.wrong(format!("it has from 1 to {MAX_PARTS} parts"));
    }
    Some(parts.into_iter().map(|(_, part)| part).collect())
}

fn part(name: &str, at: Scope<'_>) -> Option<PartConfig> {
    let fields = at.fields(&PART);
    let text = |key: &str| fields.must(key, |at| at.text().map(str::to_owned));
    let json = |key: &str| fields.get(key, |at| at.read(value));
    let (upstream, service, method) = (text("upstream"), text("service"), text("method"));
    Some(PartConfig {
        name: name.to_owned(),
        upstream: upstream?,
        service: service?,
        method: method?,
        request: json("request").unwrap_or_else(|| Value::Object(Map::new())),
        fallback: json("fallback"),
        timeout: fields.duration("timeout"),
    })
}

/// The value as JSON. Numbers stay texts, as messages take them too.
fn value(node: &Node) -> Result<Value, String> {
    if node.is_null() {
        return Ok(Value::Null);
    }
    if let Ok(truth) = node.boolean() {
        return Ok(truth.into());
    }
    if let Ok(text) = node.text() {
        return Ok(text.into());
    }
    if let Ok(list) = node.list() {
        return list.iter().map(value).collect::<Result<_, _>>().map(Value::Array);
    }
    let pairs = node.pairs().map_err(|error| error.why)?;
    pairs.map(|(name, _, node)| Ok((name.to_owned(), value(node)?))).collect::<Result<_, String>>().map(Value::Object)
}
