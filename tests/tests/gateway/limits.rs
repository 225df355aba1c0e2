//! Sentinel's other rules: breakers, what the gateway bears, each client, who may. From files, which are followed.

use super::bed::{Answer, Gateway, SOON};
use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
};
use testbed::{Scratch, eventually};

/// A server that answers 500 where the path says `bad`, and 200 elsewhere.
fn moody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(thread::spawn(|| serve(stream)))));
    address
}

fn serve(mut to: TcpStream) {
    let mut from = BufReader::new(to.try_clone().unwrap());
    let mut head = String::new();
    while from.read_line(&mut head).is_ok_and(|n| n > 0) {
        if !head.ends_with("\r\n\r\n") {
            continue;
        }
        let code = if head.contains("bad") { "500 Internal Server Error" } else { "200 OK" };
        if write!(to, "HTTP/1.1 {code}\r\ncontent-length: 0\r\n\r\n").is_err() {
            return;
        }
        head.clear();
    }
}

/// A page of the admin port.
fn page(admin: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(admin).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    Answer::read(&mut BufReader::new(stream), false).unwrap()
}

fn reason(answer: &Answer) -> (u16, Option<&str>) {
    (answer.code, answer.header("x-mainstay-reason"))
}

#[test]
fn a_route_that_does_badly_is_given_up_for_a_while() {
    let (place, upstream) = (Scratch::new("limits").unwrap(), moody());
    let rule = r#"[{"resource":"all","grade":2,"count":0,"timeWindow":5,"minRequestAmount":1,"statIntervalMs":1000},{"resource":"x"}]"#;
    let file = place.write("degrade.json", rule).unwrap();
    let mut gateway = Gateway::start(&format!(
        "admin: {{address: '127.0.0.1:0'}}
upstreams: {{m: {{endpoints: ['{upstream}']}}}}
routes:
  - {{name: all, match: {{}}, http: {{upstream: m}}}}
  - {{name: other, match: {{path: /other/**}}, http: {{upstream: m}}}}
degrade_rules: {{file: '{}'}}
",
        file.display()
    ));
    let admin = gateway.process.line(SOON, "admin ");
    eventually(SOON, "the rules", || gateway.process.stderr().contains("degrade rules are in force"));
    assert!((0..3).all(|_| gateway.ask("GET /good", "").code == 200));
    assert_eq!(gateway.ask("GET /bad", "").code, 500);
    let refused = gateway.ask("GET /good", "");
    assert_eq!(reason(&refused), (503, Some("BREAKER_OPEN")));
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&after), "{after}");
    assert_eq!(gateway.ask("GET /other/good", "").code, 200);
    let limits = page(&admin, "/limits").json();
    assert_eq!(limits["resources"]["all"]["breakers"][0]["state"], "OPEN", "{limits}");
    let rules = &limits["rules"]["degrade_rules"];
    assert_eq!((&rules["in_force"], rules["left_out"].as_array().unwrap().len()), (&1.into(), 1), "{limits}");
    let metrics = page(&admin, "/metrics").body;
    for line in [
        "mainstay_gateway_breaker_opened_total{resource=\"all\"} 1",
        "mainstay_gateway_limited_total{resource=\"all\",reason=\"BREAKER_OPEN\"} 1",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line} is not in {metrics}");
    }
    // One tries it out, is answered well, and it is over.
    eventually(SOON, "the end of it", || gateway.ask("GET /good", "").code == 200);
    assert_eq!(page(&admin, "/limits").json()["resources"]["all"]["breakers"][0]["state"], "CLOSED");
}

#[test]
fn each_value_of_something_has_its_own_limit() {
    let place = Scratch::new("limits").unwrap();
    // So that no bucket is filled up while this runs.
    let item = r#"{"parseStrategy":2,"fieldName":"x-user","pattern":"a.*","matchStrategy":2}"#;
    let gateway_rules = place.write(
        "gateway.json",
        format!(r#"[{{"resource":"all","count":2,"intervalSec":600,"paramItem":{item}}},{{"resource":"papers","resourceMode":1,"count":1,"intervalSec":600}}]"#),
    );
    let groups = place.write(
        "groups.json",
        r#"[{"apiName":"papers","predicateItems":[{"pattern":"/papers/**","matchStrategy":1}]}]"#,
    );
    let params = r#"[{"resource":"article","paramIdx":0,"count":1,"durationInSec":600,"paramFlowItemList":[{"object":"tea","count":3,"classType":"String"}]}]"#;
    let params = place.write("params.json", params);
    let gateway = Gateway::start(&format!(
        "routes:
  - {{name: all, match: {{}}, respond: {{}}}}
  - {{name: article, match: {{path: '/article/{{sku}}'}}, respond: {{}}}}
  - {{name: papers-route, match: {{path: /papers/**}}, respond: {{}}}}
gateway_flow_rules: {{file: '{}'}}
gateway_api_groups: {{file: '{}'}}
param_flow_rules: {{file: '{}'}}
",
        gateway_rules.unwrap().display(),
        groups.unwrap().display(),
        params.unwrap().display()
    ));
    for rules in ["gateway rules", "groups of paths", "rules of hot parameters"] {
        eventually(SOON, rules, || gateway.process.stderr().contains(&format!("{rules} are in force")));
    }
    let pass = |head: &str| (0..5).filter(|_| gateway.ask(head, "").code == 200).count();
    // By header and pattern; a value that is not meant, and none at all, are not limited.
    assert_eq!(["ada", "abe", "bob"].map(|user| pass(&format!("GET /\nx-user: {user}"))), [2, 2, 5]);
    assert_eq!(pass("GET /"), 5);
    let refused = gateway.ask("GET /\nx-user: ada", "");
    assert_eq!(reason(&refused), (429, Some("GATEWAY_LIMITED")));
    assert_eq!((refused.header("x-ratelimit-limit"), refused.header("x-ratelimit-remaining")), (Some("2"), Some("0")));
    // By a variable of the path, of which one has a count of its own.
    assert_eq!(["cups", "tea", "spoons"].map(|sku| pass(&format!("GET /article/{sku}"))), [1, 3, 1]);
    assert_eq!(reason(&gateway.ask("GET /article/cups", "")), (429, Some("PARAM_LIMITED")));
    // A group of paths together.
    assert_eq!(pass("GET /papers/a") + pass("GET /papers/b/c"), 1);
}

#[test]
fn who_may_and_what_the_gateway_bears() {
    let place = Scratch::new("limits").unwrap();
    let authority =
        place.write("authority.json", r#"[{"resource":"all","limitApp":"till,web","strategy":0}]"#).unwrap();
    let system = place.write("system.json", "[]").unwrap();
    let gateway = Gateway::start(&format!(
        "routes: [{{name: all, match: {{}}, respond: {{}}}}, {{name: free, match: {{path: /free}}, respond: {{}}}}]
origin_header: x-app
authority_rules: {{file: '{}'}}
system_rules: {{file: '{}'}}
",
        authority.display(),
        system.display()
    ));
    eventually(SOON, "the rules", || gateway.process.stderr().contains("authority rules are in force"));
    assert_eq!(gateway.ask("GET /\nx-app: web", "").code, 200);
    assert_eq!(reason(&gateway.ask("GET /\nx-app: evil", "")), (403, Some("ORIGIN_DENIED")));
    assert_eq!(gateway.ask("GET /free\nx-app: evil", "").code, 200);
    for (rules, why) in [
        (r#"[{"qps":0,"avgRt":-1}]"#, "SYSTEM_QPS"),
        (r#"[{"metricType":4,"triggerCount":0}]"#, "SYSTEM_CPU"),
        (r#"[{"metricType":0,"triggerCount":0}]"#, "SYSTEM_LOAD"),
    ] {
        place.write("system.json", rules).unwrap();
        // How busy the machine is is known after a look or two, and it is busy with this test at least.
        eventually(SOON, why, || reason(&gateway.ask("GET /free", "")) == (503, Some(why)));
    }
    assert_eq!(gateway.ask("GET /free", "").header("retry-after"), Some("1"));
    place.write("system.json", "[]").unwrap();
    eventually(SOON, "no bound", || gateway.ask("GET /free", "").code == 200);
}
