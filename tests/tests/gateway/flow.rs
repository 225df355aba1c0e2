//! Sentinel's rules: from a file and from a config centre, in force while requests come.

use super::bed::{Gateway, SOON};
use mainstay_registry::{ConfigKey, config::Expected, connect};
use std::time::{Duration, Instant};
use testbed::{Scratch, eventually};

const ROUTES: &str =
    "routes: [{name: all, match: {}, respond: {body: ok}}, {name: free, match: {path: /free}, respond: {}}]\n";

#[test]
fn a_rule_in_a_file_limits_a_route_and_leaves_the_others_alone() {
    let place = Scratch::new("flow").unwrap();
    let file =
        place.write("flow.json", r#"[{"resource":"all","count":3,"limitApp":"default"},{"resource":"x"}]"#).unwrap();
    let gateway = Gateway::start(&format!("{ROUTES}flow_rules: {{file: '{}'}}\n", file.display()));
    eventually(SOON, "the rule that is wrong", || gateway.process.stderr().contains("rule 1: `count` is missing"));
    // Within any second, and over the edge of a half, at most twice the count.
    let answers: Vec<_> = (0..10).map(|_| gateway.ask("GET /", "")).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.code == 429).collect();
    assert!((4..=7).contains(&refused.len()), "{answers:?}");
    let first = refused[0];
    assert_eq!(
        (first.header("x-ratelimit-limit"), first.header("x-mainstay-reason")),
        (Some("3"), Some("RATE_LIMITED"))
    );
    assert_eq!((first.header("retry-after"), first.header("x-ratelimit-remaining")), (Some("1"), Some("0")));
    assert!((0..10).all(|_| gateway.ask("GET /free", "").code == 200));
    // Nonsense leaves it as it is; an empty list ends it.
    place.write("flow.json", "nonsense").unwrap();
    eventually(SOON, "the refusal", || gateway.process.stderr().contains("flow rules are refused"));
    assert!((0..10).any(|_| gateway.ask("GET /", "").code == 429));
    place.write("flow.json", "[]").unwrap();
    eventually(SOON, "no limit", || (0..10).all(|_| gateway.ask("GET /", "").code == 200));
}

#[test]
fn a_rule_that_queues_spreads_requests_out() {
    let place = Scratch::new("flow").unwrap();
    let rule = r#"[{"resource":"all","count":20,"controlBehavior":2,"maxQueueingTimeMs":5000}]"#;
    let file = place.write("flow.json", rule).unwrap();
    let gateway = Gateway::start(&format!("{ROUTES}flow_rules: {{file: '{}'}}\n", file.display()));
    eventually(SOON, "the rule", || gateway.process.stderr().contains("flow rules are in force"));
    let began = Instant::now();
    let codes: Vec<_> = std::thread::scope(|scope| {
        let asks: Vec<_> = (0..11).map(|_| scope.spawn(|| gateway.ask("GET /", "").code)).collect();
        asks.into_iter().map(|ask| ask.join().unwrap()).collect()
    });
    assert_eq!(codes, [200; 11]);
    // Ten gaps of 50 ms.
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
}

#[test]
fn a_rule_in_the_config_centre_is_in_force_within_a_second_of_its_writing() {
    let place = Scratch::new("flow-center").unwrap();
    let url = format!("file://{}", place.path().display());
    let gateway = Gateway::start(&format!("{ROUTES}flow_rules: {{center: '{url}', name: shop-flow-rules}}\n"));
    assert!((0..5).all(|_| gateway.ask("GET /", "").code == 200));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let written = runtime.block_on(async {
        let center = connect(&url).unwrap().config_center().unwrap();
        let key = ConfigKey::in_group("SENTINEL_GROUP", "shop-flow-rules").unwrap();
        center.publish(&key, r#"[{"resource":"all","count":0}]"#, Expected::Any).await.unwrap();
        Instant::now()
    });
    eventually(SOON, "the rule in force", || gateway.ask("GET /", "").code == 429);
    assert!(written.elapsed() < Duration::from_secs(1), "{:?}", written.elapsed());
}
