//! The keys of the file: what each section may hold, and what it means. Reading, `schema` and the nearest spelling of a key
//! that is not known all stand on these tables. Pure.

use super::{keys_auth::AUTH, keys_risk::RISK, keys_rules::RISK_RULES};
use serde_json::{Map, Value, json};

/// One part of the file.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) keys: &'static [Key],
}

/// One key: its name, what may stand there, and what it means.
#[derive(Debug)]
pub(super) struct Key(pub(super) &'static str, pub(super) Kind, pub(super) &'static str);

/// What may stand at a key.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    Bool,
    Number,
    /// From 0 to 100, as `0.5`.
    Percent,
    /// As `250ms`, `5s`, `2m`.
    Duration,
    /// As `90s`, `12h`, `30d`.
    Ttl,
    /// As `64KiB`, `1MiB`, or bytes.
    Size,
    Texts,
    /// Anything.
    Json,
    /// Names and texts.
    Pairs,
    /// Names, each with a text or with one test of it.
    Tests,
    Part(&'static Section),
    /// A list of such parts.
    List(&'static Section),
    /// Names, each with such a part.
    Named(&'static Section),
}

use Kind::{Bool, Duration, Json, List, Named, Number, Pairs, Part, Percent, Size, Tests, Text, Texts, Ttl, Word};

pub(super) const FILE: Section = Section {
    keys: &[
        Key("listeners", List(&LISTENER), "where requests come in"),
        Key("upstreams", Named(&UPSTREAM), "who answers them"),
        Key("routes", List(&ROUTE), "which request goes where; nothing is reachable that no route names"),
        Key("access_log", Part(&ACCESS_LOG), "a line for each request; none if this is left out"),
        Key(
            "tracing",
            Part(&TRACING),
            "a span for each request, for a collector of OpenTelemetry; none if this is left out",
        ),
        Key("admin", Part(&ADMIN), "the port of operators; none if this is left out"),
        Key("auth", Named(&AUTH), "how it is known who asks; routes name what they want"),
        Key("risk", Part(&RISK), "who is refused, and where a request says who asks"),
        Key("risk_rules", Part(&RISK_RULES), "rules in CEL, or where they are kept, and followed"),
        Key(
            "flow_rules",
            Part(&RULES),
            "where flow rules of Sentinel are kept, and followed; none if this is left out",
        ),
        Key("degrade_rules", Part(&RULES), "the same of degrade rules: when a route is given up for a while"),
        Key("system_rules", Part(&RULES), "the same of system rules: what the gateway as a whole bears"),
        Key("param_flow_rules", Part(&RULES), "the same of rules of hot parameters: so many for each value"),
        Key("authority_rules", Part(&RULES), "the same of authority rules: which callers a route is for"),
        Key("gateway_flow_rules", Part(&RULES), "the same of the rules of Sentinel's gateways"),
        Key("gateway_api_groups", Part(&RULES), "the same of groups of paths (ApiDefinition) that rules name"),
        Key("limit_store", Part(&LIMIT_STORE), "the Redis that several gateways keep limits in"),
        Key("shared_limits", List(&SHARED_LIMIT), "limits that they share"),
        Key(
            "origin_header",
            Text,
            "the header that says who calls, for rules by origin; it is believed as it comes. Default the account that was proved",
        ),
        Key("chaos", List(&CHAOS), "faults on purpose; none is injected until an operator arms them, for a while"),
    ],
};

pub(super) const LISTENER: Section = Section {
    keys: &[
        Key("address", Text, "IP address and port; port 0 is any free one"),
        Key("trusted_proxies", Texts, "addresses and ranges whose X-Forwarded-For is believed"),
        Key("max_connections", Number, "connections at once; further ones wait. Default 10000"),
        Key(
            "max_connections_per_ip",
            Number,
            "connections at once of one address, but of trusted proxies; further ones are closed. Default any number",
        ),
        Key("max_streams", Number, "requests at once on one connection of HTTP/2. Default 100"),
        Key("header_timeout", Duration, "how long the head of a request may take. Default 15s"),
        Key("stall_timeout", Duration, "how long a body may make no progress, either way. Default 30s"),
        Key("max_head", Size, "the head of a request. Default 32KiB"),
        Key("tls", Part(&LISTENER_TLS), "encrypts it: HTTP/2 and HTTP/1.1 by ALPN"),
    ],
};

pub(super) const LISTENER_TLS: Section = Section {
    keys: &[
        Key(
            "certificates",
            List(&CERTIFICATE),
            "each is for the names in it (SNI), the first also for all others; read again when a file changes",
        ),
        Key(
            "client_ca",
            Text,
            "a file of authorities that vouch for clients; clients are not asked if this is left out",
        ),
        Key(
            "client_auth",
            Word(&["required", "optional"]),
            "whether clients must show a certificate. Default required",
        ),
    ],
};

pub(super) const CERTIFICATE: Section = Section {
    keys: &[
        Key("cert", Text, "a file of PEM: the certificate, then its intermediates"),
        Key("key", Text, "a file of PEM: its private key"),
    ],
};

pub(super) const UPSTREAM_TLS: Section = Section {
    keys: &[
        Key("ca", Text, "a file of authorities that vouch for the endpoints; nobody else is trusted"),
        Key("server_name", Text, "the name in their certificates. Default the host that is connected to"),
        Key("cert", Text, "a file of PEM: what is shown to them"),
        Key("key", Text, "a file of PEM: its private key"),
    ],
};

pub(super) const HEALTH_CHECK: Section = Section {
    keys: &[
        Key("kind", Word(&["http", "grpc", "tcp"]), "what is asked: a path, grpc.health.v1, or only a connection"),
        Key("path", Text, "of kind http: what answers with 200 to 299. Default /"),
        Key("service", Text, "of kind grpc: whose health. Default that of the whole server"),
        Key("interval", Duration, "between two, a tenth more or less. Default 5s"),
        Key("timeout", Duration, "how long one may take. Default 2s"),
        Key("unhealthy_after", Number, "so many failures in a row. Default 3"),
        Key("healthy_after", Number, "so many successes in a row. Default 2"),
    ],
};

pub(super) const UPSTREAM: Section = Section {
    keys: &[
        Key("endpoints", Texts, "HOST:PORT of each; or else a registry"),
        Key(
            "registry",
            Text,
            "the URL of a registry, as file:///path, nacos://host:8848, zookeeper://host:2181, dns://host:port",
        ),
        Key("service", Text, "the interface that is looked up there, for routes of plain HTTP"),
        Key("application", Text, "only instances of this application"),
        Key("version", Text, "only this version of a service. Default any"),
        Key("group", Text, "only this group of a service. Default any"),
        Key("lb_policy", Word(&LB_POLICIES), "who is picked. Default least_request"),
        Key("connect_timeout", Duration, "bounds one attempt to connect. Default 3s"),
        Key("tls", Part(&UPSTREAM_TLS), "encrypts the connections"),
        Key(
            "health_check",
            Part(&HEALTH_CHECK),
            "asks endpoints whether they are well; nobody is asked if this is left out",
        ),
    ],
};

pub(super) const LB_POLICIES: [&str; 3] = ["least_request", "round_robin", "random"];

pub(super) const ROUTE: Section = Section {
    keys: &[
        Key("name", Text, "what logs and metrics call it"),
        Key("match", Part(&MATCH), "which requests it takes"),
        Key("http", Part(&HTTP), "hands requests on as they are"),
        Key("grpc", Part(&GRPC), "hands gRPC and gRPC-Web on; messages are not decoded"),
        Key("json", Part(&JSON), "turns JSON into calls of gRPC"),
        Key("aggregate", Part(&AGGREGATE), "makes several calls of gRPC at once, and answers with one JSON"),
        Key("respond", Part(&RESPOND), "answers itself"),
        Key("timeout", Duration, "how long an answer may take to begin, and for one of gRPC to end. Default 15s"),
        Key("num_retries", Number, "how often a request is sent again, at most, where that is safe. Default 2"),
        Key(
            "rewrite",
            Text,
            "the path that the upstream sees, with variables of the one that was matched, as /v2/{kind}",
        ),
        Key("request_headers", Part(&HEADERS), "what is made of the headers of requests"),
        Key("response_headers", Part(&HEADERS), "the same of answers"),
        Key("auth", Texts, "names of `auth`: the first that finds something shown decides; `anyone` asks for nothing"),
        Key("signature", Text, "the name of one of `auth` by which requests are signed besides"),
        Key("cors", Part(&CORS), "whether scripts of other origins may ask"),
        Key("canaries", List(&CANARY), "lanes beside the main one, by header, query, cookie or share"),
        Key("sticky", Part(&STICKY), "who comes again gets the same lane and the same endpoint"),
        Key("gzip", Bool, "makes answers of text smaller for clients that take it so. Default false"),
        Key("max_body", Size, "the body of a request. Default 1MiB; of gRPC: each message, default 4MiB"),
    ],
};

pub(super) const HEADERS: Section = Section {
    keys: &[
        Key("set", Pairs, "in the place of what is there; {client.ip} and the like stand for what a request is"),
        Key("add", Pairs, "beside what is there"),
        Key("remove", Texts, "names; done first"),
    ],
};

pub(super) const STICKY: Section = Section {
    keys: &[
        Key("cookie", Text, "the name of the cookie that says who comes again; it holds a random number"),
        Key("header", Text, "or else that of a header by which clients say who they are, as those of gRPC"),
        Key("max_age", Duration, "how long a browser remembers it. Default as long as it runs"),
    ],
};

pub(super) const CORS: Section = Section {
    keys: &[
        Key("allow_origins", Texts, "as https://shop.example; * for any"),
        Key("allow_methods", Texts, "Default GET, HEAD, POST"),
        Key("allow_headers", Texts, "that a script may send. Default content-type"),
        Key("expose_headers", Texts, "that a script may read"),
        Key("allow_credentials", Bool, "cookies may come along; not with *. Default false"),
        Key("max_age", Duration, "how long a browser may remember it. Default 2h"),
    ],
};

pub(super) const CANARY: Section = Section {
    keys: &[
        Key("name", Text, "what logs call it"),
        Key("weight", Number, "of a hundred requests, so many. Default 0"),
        Key("headers", Tests, "requests of which these hold take it, whatever its weight"),
        Key("query", Tests, "the same of parameters of the query"),
        Key("cookies", Tests, "the same of cookies"),
        Key("upstream", Text, "another upstream than the route's"),
        Key("tag", Text, "the colour that its requests carry on (dubbo.tag)"),
    ],
};

pub(super) const CHAOS: Section = Section {
    keys: &[
        Key("name", Text, "what operators call it"),
        Key("routes", Texts, "the names of the routes that it is for. Default all"),
        Key("headers", Tests, "only requests of which these hold"),
        Key("query", Tests, "the same of parameters of the query"),
        Key("cookies", Tests, "the same of cookies"),
        Key("percentage", Number, "of a hundred of those, so many"),
        Key("delay", Duration, "they are held up for so long"),
        Key("abort", Number, "they are refused with this status"),
        Key("reset", Bool, "they are answered, and the answer is lost. Default false"),
    ],
};

pub(super) const RULES: Section = Section {
    keys: &[
        Key("file", Text, "a file of JSON; or else a config centre"),
        Key("center", Text, "the URL of a config centre, as nacos://host:8848 or zookeeper://host:2181"),
        Key("group", Text, "the group there. Default SENTINEL_GROUP"),
        Key("name", Text, "the name there, as shop-flow-rules"),
    ],
};

pub(super) const LIMIT_STORE: Section = Section {
    keys: &[
        Key("redis", Text, "HOST:PORT of a Redis; or else sentinels"),
        Key("sentinels", Texts, "HOST:PORT of each sentinel"),
        Key("master", Text, "what they call the Redis"),
        Key("username", Text, "who the gateway is there"),
        Key("password_file", Text, "a file with the password, read at the start"),
        Key("sentinel_username", Text, "who it is at the sentinels"),
        Key("sentinel_password_file", Text, "the same of its password there"),
        Key("timeout", Duration, "how long an answer may take. Default 20ms"),
        Key(
            "gateways",
            Number,
            "how many share the limits: what is the share of each while the Redis is away. Default 1",
        ),
        Key("prefix", Text, "what keys begin with. Default mainstay:limit"),
    ],
};

pub(super) const SHARED_LIMIT: Section = Section {
    keys: &[
        Key("name", Text, "part of the keys in Redis"),
        Key("routes", Texts, "the names of the routes that it is for. Default all"),
        Key(
            "key",
            Text,
            "what has a limit each: client_ip, host, header.NAME, query.NAME, cookie.NAME, path.NAME. Default all together",
        ),
        Key("count", Number, "so many requests"),
        Key("per", Duration, "in such a time. Default 1s"),
        Key("burst", Number, "so many at once, at most. Default count"),
        Key(
            "on_store_failure",
            Word(&ON_STORE_FAILURE),
            "what becomes of requests while the Redis is away. Default local",
        ),
    ],
};

/// Everybody passes, nobody does, or each gateway keeps its share.
const ON_STORE_FAILURE: [&str; 3] = ["open", "closed", "local"];

pub(super) const MATCH: Section = Section {
    keys: &[
        Key("hosts", Texts, "names, or *.name; any if this is left out"),
        Key("path", Text, "a template, as /v1/{kind}/*, or /pages/** for all below. Default /**"),
        Key("methods", Texts, "any if this is left out"),
        Key("headers", Tests, "what headers must be: a text, or one of exact, prefix, suffix, contains, present"),
        Key("query", Tests, "the same of parameters of the query"),
        Key("cookies", Tests, "the same of cookies"),
    ],
};

/// The tests of a value.
pub(super) const TESTS: Section = Section {
    keys: &[
        Key("exact", Text, "it is this"),
        Key("prefix", Text, "it begins so"),
        Key("suffix", Text, "it ends so"),
        Key("contains", Text, "this is in it"),
        Key("present", Bool, "there is one, or there is none"),
    ],
};

const UPSTREAM_KEY: Key = Key("upstream", Text, "the name of an upstream");
const SERVICES: Key = Key("services", Texts, "full names of services, or with .* at the end all below a package");

pub(super) const HTTP: Section = Section { keys: &[UPSTREAM_KEY] };

pub(super) const GRPC: Section = Section { keys: &[UPSTREAM_KEY, SERVICES] };

pub(super) const JSON: Section = Section {
    keys: &[
        UPSTREAM_KEY,
        SERVICES,
        Key("auto_mapping", Bool, "also POST …/{interface}/{method}, for methods without an annotation. Default false"),
    ],
};

pub(super) const AGGREGATE: Section =
    Section { keys: &[Key("parts", Named(&PART), "the calls, by the names under which their answers stand")] };

pub(super) const PART: Section = Section {
    keys: &[
        UPSTREAM_KEY,
        Key("service", Text, "the full name of a service"),
        Key("method", Text, "the name of a method of one message each way"),
        Key(
            "request",
            Json,
            "its message; {name} in texts stands for a variable of the path, {query.name} for a parameter",
        ),
        Key("fallback", Json, "what stands there when the call fails; the whole fails if this is left out"),
        Key("timeout", Duration, "how long it may take. Default that of the route"),
    ],
};

pub(super) const RESPOND: Section = Section {
    keys: &[
        Key("status", Number, "from 200 to 599. Default 200"),
        Key("body", Text, "the text. Default empty"),
        Key("headers", Pairs, "headers of the answer"),
    ],
};

pub(super) const ACCESS_LOG: Section = Section {
    keys: &[
        Key("path", Text, "a file, which is appended to, or - for standard output. Default -"),
        Key("format", Word(&["json", "text"]), "Default json"),
    ],
};

pub(super) const TRACING: Section = Section {
    keys: &[
        Key("otlp", Text, "the collector, which takes OTLP by gRPC, as http://127.0.0.1:4317"),
        Key("service_name", Text, "what the gateway is called there. Default mainstay-gateway"),
        Key(
            "random_sampling",
            Percent,
            "of a hundred traces that begin here, so many are kept; of others, who began them decides. Default 100",
        ),
    ],
};

pub(super) const ADMIN: Section = Section {
    keys: &[
        Key("address", Text, "IP address and port; without tokens one of loopback"),
        Key(
            "tokens",
            Pairs,
            "who may change what can be changed there: names, and where the token of each is (env:, file:)",
        ),
    ],
};

impl Section {
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|Key(name, ..)| *name)
    }

    /// The section as JSON Schema (draft 2020-12).
    pub(super) fn schema(&self) -> Value {
        let properties: Map<_, _> = self.keys.iter().map(|key| (key.0.to_owned(), key.schema())).collect();
        json!({ "type": "object", "properties": properties, "additionalProperties": false })
    }
}

impl Key {
    fn schema(&self) -> Value {
        let Self(_, kind, about) = self;
        let mut schema = match kind {
            Text => json!({ "type": "string" }),
            Word(words) => json!({ "enum": words }),
            Bool => json!({ "type": "boolean" }),
            Number => json!({ "type": "integer", "minimum": 0 }),
            Percent => json!({ "type": "number", "minimum": 0, "maximum": 100 }),
            Duration => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" }),
            Ttl => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" }),
            Size => json!({ "type": ["string", "integer"], "pattern": "^[0-9]+(KiB|MiB)?$" }),
            Texts => json!({ "type": "array", "items": { "type": "string" } }),
            Json => json!({}),
            Pairs => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            Tests => {
                json!({ "type": "object", "additionalProperties": { "anyOf": [{ "type": "string" }, TESTS.schema()] } })
            }
            Part(section) => section.schema(),
            List(section) => json!({ "type": "array", "items": section.schema() }),
            Named(section) => json!({ "type": "object", "additionalProperties": section.schema() }),
        };
        schema["description"] = (*about).into();
        schema
    }
}

/// The whole file as JSON Schema, for editors.
pub fn schema() -> Value {
    let mut schema = FILE.schema();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "mainstay-gateway".into();
    schema
}
