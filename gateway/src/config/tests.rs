//! Whole files: what they mean, and what is told of those that are refused.

use super::*;
use std::time::Duration;

const WHOLE: &str = "
listeners:
  - address: 127.0.0.1:8080
    trusted_proxies: [10.0.0.0/8, '::1']
    max_head: 16KiB
upstreams:
  pages:
    endpoints: ['127.0.0.1:9001', '[::1]:9002']
    lb_policy: round_robin
  stock:
    registry: memory://
    application: stock
routes:
  - name: pages
    match: {hosts: [Shop.Example], path: /pages/**, methods: [GET, HEAD]}
    http: {upstream: pages}
    timeout: 2s
  - name: stock
    match:
      path: /shop.stock.v1.StockApi/*
      headers: {X-Env: gray, x-b: {prefix: a}}
      cookies: {user: {present: true}}
    grpc: {upstream: stock, services: [shop.stock.v1.StockApi, shop.gift.*]}
  - name: json
    match: {path: '/v1/**'}
    json: {upstream: stock, services: [shop.stock.v1.StockApi], auto_mapping: true}
    max_body: 64KiB
  - name: health
    match: {path: /healthz}
    respond: {body: ok, headers: {x-a: b}}
access_log: {format: text}
";

#[test]
fn where_spans_go_is_one_collector_and_a_share() {
    let of = |tracing: &str| {
        let text = format!("listeners: [{{address: '127.0.0.1:0'}}]\ntracing: {tracing}\n");
        text.parse::<Config>().map(|config| config.tracing.unwrap()).map_err(|refused| refused.to_string())
    };
    let all = of("{otlp: 'http://collector:4317'}").unwrap();
    assert_eq!((all.service_name.as_str(), all.random_sampling), ("mainstay-gateway", 100.0));
    assert_eq!(of("{otlp: 'http://[::1]:4317', random_sampling: 0.5}").unwrap().random_sampling, 0.5);
    for (tracing, why) in [
        ("{}", "`otlp` is missing"),
        ("{otlp: 'https://collector:4317'}", "without TLS"),
        ("{otlp: 'collector:4317'}", "is no collector"),
        ("{otlp: 'http://collector'}", "is no collector"),
        ("{otlp: 'http://collector:4317/v1/traces'}", "is no collector"),
        ("{otlp: 'http://collector:4317', random_sampling: 101}", "from 0 to 100"),
        ("{otlp: 'http://collector:4317', random_sampling: many}", "from 0 to 100"),
        ("{otlp: 'http://collector:4317', random_sampling: NaN}", "from 0 to 100"),
        ("{otlp: 'http://collector:4317', random_samping: 1}", "did you mean `random_sampling`?"),
    ] {
        let refused = of(tracing).unwrap_err();
        assert!(refused.contains(why), "{why} is not in {refused}");
    }
}

#[test]
fn a_file_is_what_it_says() {
    let config: Config = WHOLE.parse().unwrap();
    assert_eq!(config.listeners[0].max_head, 16 * 1024);
    assert_eq!(config.upstreams["pages"].lb_policy, LbPolicy::RoundRobin);
    assert!(matches!(&config.upstreams["stock"].from, From::Registry { version, .. } if version == "*"));
    let [pages, stock, json, health] = &config.routes[..] else { panic!("four routes") };
    assert_eq!((pages.matcher.hosts[0].as_str(), pages.timeout), ("shop.example", Duration::from_secs(2)));
    assert_eq!(stock.matcher.conditions.len(), 3);
    let Kind::Grpc { services, .. } = &stock.kind else { panic!("gRPC") };
    let holds = |name: &str| services.iter().any(|one| one.holds(name));
    assert!(holds("shop.stock.v1.StockApi") && holds("shop.gift.v1.Gift"));
    assert!(!holds("shop.stock.v1.StockApiB") && !holds("shop.gifts.Gift"));
    assert_eq!(json.max_body, Some(64 * 1024));
    assert!(matches!(&health.kind, Kind::Respond(answer) if answer.body == "ok" && answer.headers.len() == 1));
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_its_place() {
    let text = "listeners:
  - adress: 127.0.0.1:8080
  - address: 8080
    trusted_proxies: [10.0.0.0/40]
upstreams:
  a: {endpoints: [here], lb_policy: round_robbin}
  b: {}
  c: {registry: 'what://x', endpoints: ['a:1']}
  d: {registry: 'memory://'}
routes:
  - name: one
    match: {path: v1, method: [GET]}
    http: {upstream: a}
  - name: two
    match: {path: /x}
    http: {upstream: aa}
    timeout: 3
  - name: two
    match: {path: /x, methods: [get]}
    http: {upstream: d}
    grpc: {upstream: d}
  - name: three
    match: {path: /y, headers: {a: {exact: b, prefix: c}}}
    json: {upstream: d, services: [shop.*, 'a b']}
  - match: {path: /x}
    respond: {status: 99}
";
    let refused = text.parse::<Config>().unwrap_err();
    let told = refused.to_string();
    for (line, what) in [
        (2, "listeners[0]: `adress` is not known here: did you mean `address`?"),
        (2, "`address` is missing"),
        (3, "is no address to listen on"),
        (4, "is no address and no range"),
        (6, "upstreams.a.endpoints[0]: `here` is no HOST:PORT"),
        (6, "did you mean `round_robin`?"),
        (7, "`endpoints` or `registry` is missing"),
        (8, "one says who there is"),
        (8, "upstreams.c.registry"),
        (12, "routes[0].match.path: a path begins with `/`"),
        (12, "did you mean `methods`?"),
        (14, "routes[1]: there is no upstream `aa`"),
        (17, "routes[1].timeout: it should be a time"),
        (18, "routes[2]: a route has one of http, grpc, json, aggregate and respond: http and grpc are"),
        (18, "`two` is the name of the route in line 14 too"),
        (19, "is no method"),
        (22, "shop.* cannot be looked up"),
        (23, "one test of a value is enough"),
        (24, "`a b` is no full name"),
        (25, "`name` is missing"),
        (26, "from 200 to 599"),
    ] {
        let found = refused.0.iter().any(|one| one.line == line && one.to_string().contains(what));
        assert!(found, "line {line}: {what} is not in\n{told}");
    }
    for text in ["", "listeners: 7", "a: [", "routes: []"] {
        assert!(text.parse::<Config>().is_err(), "{text}");
    }
}

#[test]
fn routes_that_are_never_reached_are_refused() {
    let text = |second: &str| {
        format!(
            "listeners: [{{address: '127.0.0.1:0'}}]
routes:
  - {{name: a, match: {{path: '/x/{{id}}'}}, respond: {{}}}}
  - {{name: b, match: {second}, respond: {{}}}}
"
        )
    };
    let refused = text("{path: /x/*}").parse::<Config>().unwrap_err().to_string();
    assert!(refused.contains("`a` in line 3 takes the same requests"), "{refused}");
    for other in ["{path: /x/y}", "{path: /x/*, methods: [GET]}", "{path: /x/*, hosts: [h]}"] {
        assert!(text(other).parse::<Config>().is_ok(), "{other}");
    }
}

#[test]
fn the_files_of_the_readme_can_be_read() {
    let readme = include_str!("../../README.md");
    let files: Vec<_> = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!files.is_empty());
    for file in files {
        file.parse::<Config>().unwrap_or_else(|refused| panic!("{refused}\n{file}"));
    }
}

#[test]
fn the_schema_has_every_key() {
    let schema = schema();
    assert_eq!(schema["properties"]["routes"]["items"]["properties"]["match"]["additionalProperties"], false);
    let text = schema.to_string();
    for key in ["trusted_proxies", "lb_policy", "auto_mapping", "num_retries", "cookies"] {
        assert!(text.contains(&format!("\"{key}\":{{")), "{key}");
    }
}

#[test]
fn what_the_edges_want_is_told_too() {
    let file = |listener: &str, upstream: &str, route: &str| {
        format!(
            "listeners: [{{address: '127.0.0.1:0', {listener}}}]
upstreams: {{a: {{endpoints: ['h:1'], {upstream}}}}}
routes: [{{name: r, match: {{}}, http: {{upstream: a}}, {route}}}]
"
        )
    };
    let cert = "tls: {certificates: [{cert: c, key: k}]}";
    let config: Config = file(
        "tls: {certificates: [{cert: c, key: k}, {cert: d, key: l}], client_ca: e, client_auth: optional}",
        "tls: {ca: f, server_name: n, cert: g, key: m}, health_check: {kind: http, path: /h, interval: 1s}",
        "gzip: true, sticky: {cookie: visitor}, request_headers: {set: {a: '{client.ip}', b: '{\"c\": 1}'}}",
    )
    .parse()
    .unwrap();
    let tls = config.listeners[0].tls.as_ref().unwrap();
    assert_eq!((tls.files().count(), tls.clients.as_ref().unwrap().1), (5, false));
    let check = config.upstreams["a"].check.as_ref().unwrap();
    assert_eq!((&check.ask, check.interval), (&Ask::Http("/h".into()), Duration::from_secs(1)));
    assert!(config.routes[0].gzip && config.routes[0].request_headers.asks());
    for (listener, upstream, route, why) in [
        ("tls: {certificates: []}", "", "", "there is no certificate"),
        ("tls: {certificates: [{cert: c}]}", "", "", "`key` is missing"),
        ("tls: {certificates: [{cert: c, key: k}], client_auth: optional}", "", "", "no `client_ca`"),
        (cert, "tls: {}", "", "`ca` is missing"),
        (cert, "tls: {ca: a, cert: b}", "", "come together"),
        (cert, "health_check: {kind: htp}", "", "did you mean `http`?"),
        (cert, "health_check: {path: /}", "", "`kind` is missing"),
        (cert, "health_check: {kind: tcp, path: /}", "", "of a check of kind http"),
        (cert, "health_check: {kind: http, path: x}", "", "`x` is no path"),
        (cert, "", "sticky: {cookie: 'a b'}", "no name of a cookie"),
        (cert, "", "sticky: {header: 'a b'}", "no name of a header"),
        (cert, "", "sticky: {header: a, max_age: 5s}", "`max_age` is of a cookie"),
        (cert, "", "sticky: {}", "or by a `header`"),
        (cert, "", "response_headers: {add: {a: '{client.pi}'}}", "did you mean `{client.ip}`?"),
    ] {
        let refused = file(listener, upstream, route).parse::<Config>().unwrap_err().to_string();
        assert!(refused.contains(why), "{why} is not in {refused}");
    }
}
