//! What a route changes on the way, and its canaries.

use super::bed::{Gateway, Mirror, Stock};
use std::collections::BTreeMap;

#[test]
fn paths_headers_and_origins_are_what_the_route_makes_of_them() {
    let mirror = Mirror::start();
    let gateway = Gateway::start(&format!(
        "upstreams: {{m: {{endpoints: ['{}']}}}}
routes:
  - name: all
    match: {{path: '/old/{{kind}}/{{rest=**}}', methods: [GET, PUT]}}
    http: {{upstream: m}}
    rewrite: /new/{{rest}}/{{kind}}
    request_headers: {{set: {{x-set: '1'}}, add: {{x-kept: '2'}}, remove: [x-gone]}}
    response_headers: {{set: {{x-answer: '3'}}}}
    cors: {{allow_origins: ['https://shop.example'], allow_methods: [PUT], expose_headers: [x-answer]}}
",
        mirror.address
    ));
    let answer = gateway.ask("GET /old/a/b/c?q=1\nx-gone: 1\nx-kept: 1\norigin: https://shop.example", "");
    assert!(answer.body.starts_with("GET /new/b/c/a?q=1 HTTP/1.1\r\n"), "{answer:?}");
    assert!(answer.body.contains("x-set: 1\r\n") && answer.body.contains("x-kept: 2\r\n"), "{answer:?}");
    assert!(!answer.body.contains("x-gone"), "{answer:?}");
    assert_eq!(answer.header("x-answer"), Some("3"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    let preflight = |origin: &str| {
        gateway.ask(&format!("OPTIONS /old/a/b\norigin: {origin}\naccess-control-request-method: PUT"), "")
    };
    let allowed = preflight("https://shop.example");
    assert_eq!((allowed.code, allowed.header("access-control-allow-methods")), (204, Some("PUT")), "{allowed:?}");
    assert_eq!(preflight("https://evil.example").header("access-control-allow-methods"), None);
}

#[test]
fn a_canary_gets_who_asks_for_it_and_its_share_and_its_colour_goes_on() {
    let (stock, old, new) = (Stock::start(), Mirror::start(), Mirror::start());
    let gateway = Gateway::start(&format!(
        "upstreams: {{old: {{endpoints: ['{}']}}, new: {{endpoints: ['{}']}}, stock: {{endpoints: ['{}']}}}}
routes:
  - name: json
    match: {{path: /shop.stock.v1.StockApi/*}}
    json: {{upstream: stock, services: [shop.stock.v1.StockApi], auto_mapping: true}}
    canaries: [{{name: gray, weight: 50, tag: gray}}]
  - name: all
    match: {{}}
    http: {{upstream: old}}
    canaries:
      - {{name: asked, cookies: {{lane: new}}, upstream: new, tag: blue}}
      - {{name: drawn, weight: 20, upstream: new}}
access_log: {{format: text}}
",
        old.address, new.address, stock.address
    ));
    let asked = gateway.ask("GET /a\ncookie: lane=new\ndubbo.tag: mine", "");
    assert!(asked.body.contains("dubbo.tag: blue\r\n") && !asked.body.contains("mine"), "{asked:?}");
    let mut lanes: BTreeMap<bool, usize> = BTreeMap::new();
    let count = || new.seen.lock().unwrap().len();
    for _ in 0..200 {
        let before = count();
        assert_eq!(gateway.ask("GET /b", "").code, 200);
        *lanes.entry(count() > before).or_default() += 1;
    }
    // 40 are expected; less than 12 or more than 80 come once in a million runs.
    assert!((12..=80).contains(&lanes[&true]), "{lanes:?}");
    // A colour of which nobody is finds who has none.
    for _ in 0..8 {
        assert_eq!(gateway.post("/shop.stock.v1.StockApi/Level", "{\"sku\":\"a-1\"}").code, 200);
    }
    let log = || gateway.process.stdout();
    testbed::eventually(super::bed::SOON, "the lane in the log", || {
        log().contains("lane=asked") && log().contains("lane=drawn")
    });
}
