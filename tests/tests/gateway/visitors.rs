//! What a route says to visitors and of them: sessions that stay where they were, headers with variables, answers made smaller.

use super::bed::{Gateway, Mirror};
use std::collections::BTreeMap;

/// The cookie that an answer sets, as a browser sends it back.
fn cookie(said: Option<&str>) -> String {
    said.and_then(|said| said.split(';').next()).expect("a cookie").to_owned()
}

#[test]
fn who_comes_again_gets_the_same_lane_and_endpoint() {
    let all = [Mirror::start(), Mirror::start(), Mirror::start(), Mirror::start()];
    let addresses: Vec<_> = all.iter().map(|mirror| format!("'{}'", mirror.address)).collect();
    let file = |main: &[String]| {
        format!(
            "upstreams: {{main: {{endpoints: [{}]}}, next: {{endpoints: [{}]}}}}
routes:
  - name: pages
    match: {{}}
    http: {{upstream: main}}
    sticky: {{cookie: visitor, max_age: 1h}}
    canaries: [{{name: half, weight: 50, upstream: next}}]
",
            main.join(", "),
            addresses[3]
        )
    };
    let gateway = Gateway::start(&file(&addresses[..3]));
    let counts = || all.iter().map(|mirror| mirror.seen.lock().unwrap().len()).collect::<Vec<_>>();
    // Where each of many visitors goes, three times each.
    let visit = |shown: &str| {
        let before = counts();
        let answer = gateway.ask(&format!("GET /a\ncookie: other=1; {shown}"), "");
        assert_eq!((answer.code, answer.header("set-cookie")), (200, None), "the cookie was shown");
        let after = counts();
        (0..all.len()).find(|at| after[*at] > before[*at]).unwrap()
    };
    let mut homes = BTreeMap::new();
    for _ in 0..100 {
        let first = gateway.ask("GET /a", "");
        let said = first.header("set-cookie");
        assert!(said.is_some_and(|said| said.contains("HttpOnly")
            && said.contains("Max-Age=3600")
            && !said.contains("Secure")));
        let shown = cookie(said);
        let home = visit(&shown);
        assert!((0..3).all(|_| visit(&shown) == home));
        homes.insert(shown, home);
    }
    // By chance alone one of them would stay empty in one of some million runs.
    assert!((0..4).all(|at| at == 3 || homes.values().any(|home| *home == at)), "{homes:?}");
    assert!(homes.values().any(|home| *home == 3), "{homes:?}");
    // One endpoint goes: only its visitors move.
    gateway.reload(&file(&addresses[..2]), 2);
    for (shown, home) in &homes {
        let now = visit(shown);
        assert!(if *home == 2 { now < 2 } else { now == *home }, "{home} became {now}");
    }
}

#[test]
fn headers_say_what_a_request_is() {
    let mirror = Mirror::start();
    let gateway = Gateway::start(&format!(
        "upstreams: {{m: {{endpoints: ['{}']}}}}
routes:
  - name: pages
    match: {{path: '/pages/**'}}
    http: {{upstream: m}}
    request_headers: {{set: {{x-request-id: '{{request.id}}', x-seen: '{{client.ip}} {{request.method}} {{request.path}}'}}}}
    response_headers: {{set: {{x-request-id: '{{request.id}}', x-route: '{{route.name}}', x-json: '{{\"a\": 1}}'}}}}
",
        mirror.address
    ));
    let answer = gateway.ask("GET /pages/./a?q=1", "");
    let id = answer.header("x-request-id").unwrap();
    assert_eq!((id.len(), answer.header("x-route"), answer.header("x-json")), (32, Some("pages"), Some("{\"a\": 1}")));
    assert!(answer.body.contains(&format!("x-request-id: {id}\r\n")), "{answer:?}");
    assert!(answer.body.contains("x-seen: 127.0.0.1 GET /pages/a\r\n"), "{answer:?}");
    let kept = gateway.ask("GET /pages/a\nx-request-id: from-outside", "");
    assert_eq!(kept.header("x-request-id"), Some("from-outside"));
    assert_ne!(gateway.ask("GET /pages/a", "").header("x-request-id"), Some(id));
}

#[test]
fn answers_are_made_smaller_for_who_takes_them_so() {
    let gateway = Gateway::start(&format!(
        "routes:
  - {{name: large, match: {{path: /large}}, gzip: true, respond: {{body: '{}', headers: {{content-type: text/plain}}}}}}
  - {{name: small, match: {{path: /small}}, gzip: true, respond: {{body: small, headers: {{content-type: text/plain}}}}}}
  - {{name: plain, match: {{path: /plain}}, respond: {{body: '{}', headers: {{content-type: text/plain}}}}}}
",
        "all work and no play ".repeat(200),
        "x".repeat(5000)
    ));
    let asked = |path: &str| gateway.ask(&format!("GET {path}\naccept-encoding: br, gzip"), "");
    let large = asked("/large");
    assert_eq!((large.header("content-encoding"), large.header("vary")), (Some("gzip"), Some("accept-encoding")));
    assert!(large.body.len() < 1000, "{} bytes", large.body.len());
    let whole = gateway.ask("GET /large", "");
    assert_eq!(
        (whole.body.len(), whole.header("content-encoding"), whole.header("vary")),
        (4200, None, Some("accept-encoding"))
    );
    assert_eq!((asked("/small").body.as_str(), asked("/plain").body.len()), ("small", 5000));
}
