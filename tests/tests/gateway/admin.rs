//! What operators see on the admin port.

use super::{
    bed::{Answer, Gateway, Mirror, SOON, Stock},
    lists::operate,
};
use std::{
    io::{BufReader, Write},
    net::TcpStream,
};
use testbed::Scratch;

pub(crate) fn ask(address: &str, path: &str, host: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").unwrap();
    Answer::read(&mut BufReader::new(stream), false).unwrap()
}

#[test]
fn routes_upstreams_and_metrics_are_shown_to_this_machine_alone() {
    let (stock, mirror) = (Stock::start(), Mirror::start());
    let mut gateway = Gateway::start(&format!(
        "admin: {{address: '127.0.0.1:0'}}
upstreams: {{stock: {{endpoints: ['{}']}}, pages: {{endpoints: ['{}', '127.0.0.1:1'], lb_policy: round_robin}}}}
routes:
  - {{name: json, match: {{path: /shop.stock.v1.StockApi/*}}, json: {{upstream: stock, services: [shop.stock.v1.StockApi], auto_mapping: true}}}}
  - {{name: pages, match: {{}}, http: {{upstream: pages}}}}
",
        stock.address, mirror.address
    ));
    let admin = gateway.process.line(SOON, "admin ");
    assert_eq!(gateway.post("/shop.stock.v1.StockApi/Level", "{\"sku\":\"a-1\"}").code, 200);
    (0..4).for_each(|_| assert_eq!(gateway.ask("GET /a", "").code, 200));
    let routes = ask(&admin, "/routes", "localhost").json();
    assert_eq!((&routes[0]["name"], &routes[1]["kind"]), (&"json".into(), &"http".into()));
    assert_eq!(routes[0]["services"]["shop.stock.v1.StockApi"]["bindings"], 0);
    let upstreams = ask(&admin, "/upstreams", "127.0.0.1:1").json();
    let pages = upstreams["pages"]["http"].as_array().unwrap();
    let avoided: Vec<_> = pages.iter().map(|one| one["avoided"].as_str()).collect();
    assert_eq!(avoided, [None, Some("EJECTED")], "{upstreams}");
    assert_eq!(upstreams["stock"]["grpc"]["*"]["instances"][0]["address"], stock.address.as_str());
    let metrics = ask(&admin, "/metrics", "localhost").body;
    for line in [
        "mainstay_gateway_requests_total{route=\"pages\",status=\"200\"} 4",
        "mainstay_gateway_request_duration_seconds_count{route=\"json\"} 1",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line} is not in {metrics}");
    }
    assert_eq!(ask(&admin, "/version", "localhost").json()["version"], 1);
    assert_eq!((ask(&admin, "/readyz", "localhost").code, ask(&admin, "/none", "localhost").code), (200, 404));
    assert_eq!(ask(&admin, "/routes", "evil.example").code, 403);
}

#[test]
fn operators_put_an_earlier_version_into_force_and_end_the_gateway() {
    let (place, token) = (Scratch::new("operators").unwrap(), "0123456789abcdef-ann");
    let file = place.write("token", token).unwrap();
    let text = |body: &str| {
        format!(
            "admin: {{address: '127.0.0.1:0', tokens: {{ann: 'file:{}'}}}}
routes: [{{name: all, match: {{}}, respond: {{body: {body}}}}}]
",
            file.display()
        )
    };
    let mut gateway = Gateway::start(&text("first"));
    let admin = gateway.process.line(SOON, "admin ");
    gateway.reload(&text("second"), 2);
    assert_eq!(gateway.ask("GET /", "").body, "second");
    let put = |path: &str, token: &str, body: &str| operate(&admin, &format!("PUT {path}"), token, body).code;
    assert_eq!(put("/version", "", "{\"version\": 1}"), 401);
    assert_eq!(put("/version", token, "{\"version\": 7}"), 404);
    assert_eq!(put("/version", token, "1"), 400);
    assert_eq!(operate(&admin, "POST /drain", token, "").code, 405);
    assert_eq!(gateway.ask("GET /", "").body, "second", "none of that changed anything");
    assert_eq!(put("/version", token, "{\"version\": 1}"), 200);
    assert_eq!(
        (gateway.ask("GET /", "").body.as_str(), ask(&admin, "/version", "localhost").json()["version"].as_u64()),
        ("first", Some(3))
    );
    // The next change of the file counts again.
    gateway.reload(&text("third"), 4);
    assert_eq!(gateway.ask("GET /", "").body, "third");
    assert_eq!(put("/drain", "no token of anybody", ""), 401);
    assert_eq!(put("/drain", token, ""), 200);
    assert_eq!(gateway.process.wait(SOON).code(), Some(0), "it ends as on a signal");
}
