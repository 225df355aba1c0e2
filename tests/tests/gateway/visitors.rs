//! What a route says to visitors and of them: sessions that stay where they were, headers with variables, answers made smaller.

use super::{
    bed::{Answer, Gateway, Mirror, SOON},
    grpc::RUNTIME,
};
use mainstay::{
    call::Status,
    server::{Running, Server},
    transport::TcpAccept,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use testbed::eventually;

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

/// Who answers.
#[mainstay::service(package = "tests.v1")]
pub(crate) trait Teller {
    #[rpc(idempotent)]
    async fn who(&self) -> Result<u32, Status>;
}

struct Number(u32);

impl Teller for Number {
    async fn who(&self) -> Result<u32, Status> {
        Ok(self.0)
    }
}

fn teller(number: u32) -> Running {
    RUNTIME.block_on(async {
        Server::new().serve(TellerServer::new(Number(number))).start(TcpAccept::bind("127.0.0.1:0").await.unwrap())
    })
}

#[test]
fn whoever_comes_again_gets_the_same_instance_by_grpc_and_by_json() {
    let mut all: Vec<_> = (1..=3).map(teller).collect();
    let addresses: Vec<_> = all.iter().map(|one| format!("'{}'", one.address().unwrap())).collect();
    let gateway = Gateway::start(&format!(
        "upstreams: {{t: {{endpoints: [{}]}}}}
routes:
  - name: calls
    match: {{path: /tests.v1.Teller/*, headers: {{content-type: {{prefix: application/grpc}}}}}}
    grpc: {{upstream: t, services: [tests.v1.Teller]}}
    sticky: {{header: x-user}}
  - name: json
    match: {{path: /tests.v1.Teller/*}}
    json: {{upstream: t, services: [tests.v1.Teller], auto_mapping: true}}
    sticky: {{cookie: visitor}}
",
        addresses.join(", ")
    ));
    let call = |user: &str| {
        let head = format!("POST /tests.v1.Teller/Who\ncontent-type: application/grpc-web+proto\nx-user: {user}");
        let answer = gateway.ask(&head, "\0\0\0\0\0");
        // A frame of one field: its number.
        assert!(answer.body.starts_with("\0\0\0\0\u{2}\u{8}"), "{answer:?}");
        u32::from(answer.body.as_bytes()[6])
    };
    let json = |shown: &str| {
        let answer = gateway.ask(&format!("POST /tests.v1.Teller/Who\ncookie: {shown}"), "");
        (answer.json()["value"].as_u64().unwrap_or_else(|| panic!("{answer:?}")) as u32, answer)
    };
    let users: Vec<_> = (0..60).map(|n| format!("user-{n}")).collect();
    // A first call waits for the connection to its instance, but not for ever.
    eventually(SOON, "everyone is connected", || users.iter().all(|user| call(user) == call(user)));
    let homes: BTreeMap<_, _> = users.iter().map(|user| (user, call(user))).collect();
    assert!(users.iter().all(|user| (0..2).all(|_| call(user) == homes[user])));
    assert_eq!(homes.values().copied().collect::<BTreeSet<_>>(), [1, 2, 3].into());
    let mut visitors = BTreeMap::new();
    for _ in 0..30 {
        let (home, first): (u32, Answer) = json("other=1");
        let shown = cookie(first.header("set-cookie"));
        assert!((0..2).all(|_| json(&shown).0 == home));
        visitors.insert(shown, home);
    }
    assert_eq!(visitors.values().copied().collect::<BTreeSet<_>>(), [1, 2, 3].into());
    // One goes: only those who were with it move.
    RUNTIME.block_on(all.remove(1).drain(Duration::ZERO));
    eventually(SOON, "the gateway has noticed", || homes.iter().all(|(user, home)| *home != 2 || call(user) != 2));
    for (user, home) in &homes {
        assert!(if *home == 2 { call(user) != 2 } else { call(user) == *home }, "{user} was with {home}");
    }
    assert!(visitors.iter().all(|(shown, home)| (json(shown).0 == *home) == (*home != 2)), "{visitors:?}");
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
