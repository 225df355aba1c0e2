//! What operators see on the admin port.

use super::bed::{Answer, Gateway, Mirror, SOON, Stock};
use std::{
    io::{BufReader, Write},
    net::TcpStream,
};

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
