//! What a route changes on the way, as the file says it. Pure.

use super::{
    keys::{CANARY, CORS, HEADERS, STICKY},
    route::conditions,
    scope::{Fields, Scope},
};
use crate::filter::{Canary, Cors, HeaderMutations, Pattern, Rewrite, Sticky, Value};
use http::{HeaderName, HeaderValue};
use std::time::Duration;

/// All that a route says of it.
pub(super) struct Filters {
    pub(super) rewrite: Option<Rewrite>,
    pub(super) request_headers: HeaderMutations,
    pub(super) response_headers: HeaderMutations,
    pub(super) cors: Option<Cors>,
    pub(super) canaries: Vec<Canary>,
    pub(super) sticky: Option<Sticky>,
    pub(super) gzip: bool,
}

/// Reads it.
pub(super) fn read(route: &Fields<'_>) -> Filters {
    let rewrite = |at: Scope<'_>| at.read(|node| Rewrite::parse(node.text().map_err(|error| error.why)?));
    let canaries = route.get("canaries", |at| Some(at.list(canary))).unwrap_or_default();
    if canaries.iter().map(|canary| canary.weight).sum::<u32>() > 100 {
        route.at().wrong("the weights of the canaries are more than 100 together");
    }
    Filters {
        rewrite: route.get("rewrite", rewrite),
        request_headers: route.get("request_headers", headers).unwrap_or_default(),
        response_headers: route.get("response_headers", headers).unwrap_or_default(),
        cors: route.get("cors", cors),
        canaries,
        sticky: route.get("sticky", sticky),
        gzip: route.boolean("gzip"),
    }
}

fn headers(at: Scope<'_>) -> Option<HeaderMutations> {
    let fields = at.fields(&HEADERS);
    let pairs = |name: &str| {
        let all = fields.get(name, |at| Some(at.named(value))).unwrap_or_default();
        all.into_iter().map(|(_, pair)| pair).collect()
    };
    let name =
        |text: &str| HeaderName::from_bytes(text.as_bytes()).map_err(|_| format!("`{text}` is no name of a header"));
    Some(HeaderMutations { set: pairs("set"), add: pairs("add"), remove: fields.each("remove", name) })
}

/// A header and its value, in which `{client.ip}` and the like stand for what a request is.
fn value(name: &str, at: Scope<'_>) -> Option<(HeaderName, Value)> {
    let text = at.text()?;
    let no_header = || format!("`{name}: {text}` is no header");
    at.read(|_| {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| no_header())?;
        let fixed = HeaderValue::from_str(text).map_err(|_| no_header())?;
        Ok((name, Pattern::parse(text)?.map_or(Value::Fixed(fixed), Value::Pattern)))
    })
}

fn sticky(at: Scope<'_>) -> Option<Sticky> {
    let fields = at.fields(&STICKY);
    let name = |at: Scope<'_>| {
        at.read(|node| {
            let text = node.text().map_err(|error| error.why)?;
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let fits = !text.is_empty() && text.bytes().all(plain);
            fits.then(|| text.to_owned()).ok_or_else(|| format!("`{text}` is no name of a cookie"))
        })
    };
    if fields.has("cookie") == fields.has("header") {
        at.wrong("it goes by a `cookie` that the gateway gives out, or by a `header` that clients send");
        return None;
    }
    if fields.has("header") {
        if fields.has("max_age") {
            at.wrong("`max_age` is of a cookie");
        }
        let header = |at: Scope<'_>| {
            at.read(|node| {
                let name = node.text().map_err(|error| error.why)?;
                name.parse().map_err(|_| format!("`{name}` is no name of a header"))
            })
        };
        return fields.get("header", header).map(Sticky::Header);
    }
    let max_age = fields.duration("max_age");
    fields.get("cookie", name).map(|name| Sticky::Cookie { name, max_age })
}

fn cors(at: Scope<'_>) -> Option<Cors> {
    let fields = at.fields(&CORS);
    let or = |texts: Vec<String>, default: &[&str]| match texts.is_empty() {
        true => default.iter().map(|text| (*text).to_owned()).collect(),
        false => texts,
    };
    let cors = Cors {
        allow_origins: fields.texts("allow_origins"),
        allow_methods: or(fields.texts("allow_methods"), &["GET", "HEAD", "POST"]),
        allow_headers: or(fields.texts("allow_headers"), &["content-type"]),
        expose_headers: fields.texts("expose_headers"),
        allow_credentials: fields.boolean("allow_credentials"),
        max_age: fields.duration("max_age").unwrap_or(Duration::from_secs(7200)).as_secs(),
    };
    if cors.allow_origins.is_empty() {
        at.wrong("`allow_origins` is missing");
    }
    if cors.allow_credentials && cors.allow_origins.iter().any(|one| one == "*") {
        at.wrong("`allow_credentials` with any origin lets every page act as whoever reads it: name the origins");
    }
    Some(cors)
}

fn canary(at: Scope<'_>) -> Option<Canary> {
    let fields = at.fields(&CANARY);
    let (conditions, weight) = (conditions(&fields), fields.number("weight", 0, 100).unwrap_or_default());
    if conditions.is_empty() && weight == 0 {
        at.wrong("nobody takes it: it has neither a weight nor headers, query or cookies");
    }
    let tag = |at: Scope<'_>| {
        at.read(|node| {
            let text = node.text().map_err(|error| error.why)?;
            let visible = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
            visible.then(|| text.to_owned()).ok_or_else(|| "a colour is visible ASCII".to_owned())
        })
    };
    let (upstream, tag) = (fields.text("upstream"), fields.get("tag", tag));
    if upstream.is_none() && tag.is_none() {
        at.wrong("it differs in nothing: it has neither an upstream nor a tag");
    }
    Some(Canary { name: fields.must("name", |at| at.text().map(str::to_owned))?, conditions, weight, upstream, tag })
}
