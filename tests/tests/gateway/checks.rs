//! Endpoints that are asked whether they are well: who is not gets nothing, and when nobody is everybody does.

use super::{
    admin::ask,
    bed::{Gateway, SOON, Stock},
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};
use testbed::eventually;

/// A server that can say that it is not well.
struct Frail {
    address: String,
    is_well: Arc<AtomicBool>,
    /// Requests that were no questions for its health.
    served: Arc<AtomicUsize>,
}

impl Frail {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (is_well, served) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicUsize>::default());
        let frail = Self { address, is_well: is_well.clone(), served: served.clone() };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (is_well, served) = (is_well.clone(), served.clone());
                thread::spawn(move || serve(stream, &is_well, &served));
            }
        });
        frail
    }

    fn served(&self) -> usize {
        self.served.load(Relaxed)
    }
}

fn serve(stream: TcpStream, is_well: &AtomicBool, served: &AtomicUsize) {
    let mut to = stream.try_clone().unwrap();
    let mut from = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if from.read_line(&mut head).is_ok_and(|n| n == 0) {
                return;
            }
        }
        let asked = head.starts_with("GET /healthz ");
        if !asked {
            served.fetch_add(1, Relaxed);
        }
        let code = if asked && !is_well.load(Relaxed) { "503 Not Well" } else { "200 OK" };
        if write!(to, "HTTP/1.1 {code}\r\ncontent-length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

/// What the admin port says of the checks of an upstream: by address, whether it is well and why not.
fn checks(admin: &str, upstream: &str) -> Vec<(String, bool, Option<String>)> {
    let page = ask(admin, "/upstreams", "localhost").json();
    let checks = page[upstream]["checks"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let one = |check: &Value| Some((text(&check["address"])?, check["is_well"].as_bool()?, text(&check["why"])));
    checks.iter().filter_map(one).collect()
}

fn is_well(admin: &str, upstream: &str, address: &str) -> Option<bool> {
    checks(admin, upstream).into_iter().find(|(known, ..)| known == address).map(|(_, is_well, _)| is_well)
}

#[test]
fn who_says_that_it_is_not_well_gets_nothing_and_never_all_are_left_out() {
    let (one, two) = (Frail::start(), Frail::start());
    let mut gateway = Gateway::start(&format!(
        "admin: {{address: '127.0.0.1:0'}}
upstreams:
  pages:
    endpoints: ['{}', '{}']
    lb_policy: round_robin
    health_check: {{kind: http, path: /healthz, interval: 50ms, unhealthy_after: 2, healthy_after: 2}}
routes: [{{name: pages, match: {{}}, http: {{upstream: pages}}}}]
",
        one.address, two.address
    ));
    let admin = gateway.process.line(SOON, "admin ");
    let twenty = || (0..20).for_each(|_| assert_eq!(gateway.ask("GET /a", "").code, 200));
    twenty();
    assert!(one.served() >= 5 && two.served() >= 5, "{} and {}", one.served(), two.served());
    one.is_well.store(false, Relaxed);
    eventually(SOON, "it is left out", || is_well(&admin, "pages", &one.address) == Some(false));
    let why = checks(&admin, "pages").into_iter().find(|(address, ..)| *address == one.address).unwrap().2;
    assert_eq!(why.as_deref(), Some("it answered 503 Service Unavailable"));
    eventually(SOON, "nothing more goes there", || {
        let before = one.served();
        twenty();
        one.served() == before
    });
    // Nobody is well: everybody is asked.
    two.is_well.store(false, Relaxed);
    eventually(SOON, "the other is left out", || is_well(&admin, "pages", &two.address) == Some(false));
    eventually(SOON, "both are asked", || {
        let before = one.served();
        twenty();
        one.served() > before
    });
    one.is_well.store(true, Relaxed);
    eventually(SOON, "it is well again", || is_well(&admin, "pages", &one.address) == Some(true));
    eventually(SOON, "only that one is asked", || {
        let before = two.served();
        twenty();
        two.served() == before
    });
    // A reload without the check ends it.
    gateway.reload(
        &format!(
            "admin: {{address: '127.0.0.1:0'}}\nupstreams: {{pages: {{endpoints: ['{}']}}}}\nroutes: [{{name: pages, match: {{}}, http: {{upstream: pages}}}}]\n",
            one.address
        ),
        2,
    );
    assert!(checks(&admin, "pages").is_empty());
}

#[test]
fn services_of_grpc_are_asked_for_their_health_and_others_for_a_connection() {
    let (one, two) = (Stock::start(), Stock::start());
    let mut gateway = Gateway::start(&format!(
        "admin: {{address: '127.0.0.1:0'}}
upstreams:
  stock:
    endpoints: ['{0}', '{1}']
    health_check: {{kind: grpc, interval: 100ms, timeout: 1s, unhealthy_after: 2}}
  none: {{endpoints: ['{0}'], health_check: {{kind: grpc, service: no.Such, interval: 100ms}}}}
  plain: {{endpoints: ['{0}', '127.0.0.1:1'], health_check: {{kind: tcp, interval: 100ms}}}}
routes:
  - {{name: json, match: {{path: /shop.stock.v1.StockApi/*}}, json: {{upstream: stock, services: [shop.stock.v1.StockApi], auto_mapping: true}}}}
  - {{name: none, match: {{path: /none/**}}, http: {{upstream: none}}}}
  - {{name: plain, match: {{}}, http: {{upstream: plain}}}}
",
        one.address, two.address
    ));
    let admin = gateway.process.line(SOON, "admin ");
    let level = || gateway.post("/shop.stock.v1.StockApi/Level", "{\"sku\":\"a-1\"}").code;
    assert_eq!(level(), 200);
    eventually(SOON, "who offers no such service is not well", || is_well(&admin, "none", &one.address) == Some(false));
    eventually(SOON, "nobody listens at port 1", || is_well(&admin, "plain", "127.0.0.1:1") == Some(false));
    assert_eq!(is_well(&admin, "plain", &one.address), Some(true));
    let known = |address: &str| {
        let page = ask(&admin, "/upstreams", "localhost").json();
        let known = page["stock"]["grpc"]["*"]["instances"].as_array().cloned().unwrap_or_default();
        known.iter().any(|one| one["address"] == address)
    };
    assert!(known(&two.address));
    two.process.stop().unwrap();
    eventually(SOON, "who does not answer is left out", || is_well(&admin, "stock", &two.address) == Some(false));
    eventually(SOON, "the clients know it no more", || !known(&two.address));
    (0..5).for_each(|_| assert_eq!(level(), 200));
    two.process.cont().unwrap();
    eventually(SOON, "it is back", || is_well(&admin, "stock", &two.address) == Some(true));
    eventually(SOON, "and known", || known(&two.address));
}
