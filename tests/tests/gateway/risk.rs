//! Rules of risk: a run of stolen passwords that is counted, watched in shadow and then refused; sets that change while requests
//! come; and what those are told who are not let through.

use super::{
    bed::{Gateway, Mirror, SOON},
    lists::operate,
    teller::{Reply, Teller},
};
use mainstay_registry::{ConfigKey, config::Expected, connect};
use std::time::{Duration, Instant};
use testbed::{Scratch, eventually};

const TOKEN: &str = "0123456789abcdef-ann";
const PROXIED: &str = "trusted_proxies: [127.0.0.1]";

#[test]
fn a_run_of_stolen_passwords_is_watched_in_shadow_and_then_refused() {
    let (login, place) = (Teller::start(|_| Reply::of(401)), Scratch::new("stuffing").unwrap());
    let token = place.write("token", TOKEN).unwrap();
    let text = format!(
        "admin: {{address: '127.0.0.1:0', tokens: {{ann: 'file:{}'}}}}
upstreams: {{login: {{endpoints: ['{}']}}}}
routes:
  - {{name: login, match: {{path: /login}}, http: {{upstream: login}}}}
  - {{name: pages, match: {{}}, respond: {{body: ok}}}}
risk: {{decision_log: {{path: '{}'}}, lists: {{allow: [{{ip: 7.7.7.7}}]}}}}
risk_rules:
  inline:
    counters:
      failed: {{key: client.ip, on: response, when: response.status == 401, window: 1h, routes: [login]}}
    rules: [{{name: stuffing, when: velocity.failed >= 5, score: 90, reason: STUFFING, routes: [login]}}]
    bands: {{login: {{deny: 80}}}}
",
        token.display(),
        login.address,
        place.join("decisions.json").display()
    );
    let mut gateway = Gateway::listening(PROXIED, &text);
    let admin = gateway.process.line(SOON, "admin ");
    let try_one = |ip: &str| gateway.ask(&format!("POST /login\nx-forwarded-for: {ip}"), "{}");
    // In shadow: it is told of, and nothing comes of it.
    (0..8).for_each(|_| assert_eq!(try_one("6.6.6.6").code, 401));
    let rule = || operate(&admin, "GET /risk", TOKEN, "").json()["rules"][0].clone();
    assert_eq!((&rule()["mode"], &rule()["shadow_hits"], &rule()["hits"]), (&"shadow".into(), &3.into(), &0.into()));
    let lines = || std::fs::read_to_string(place.join("decisions.json")).unwrap_or_default();
    eventually(SOON, "the record", || lines().lines().count() == 3);
    let line: serde_json::Value = serde_json::from_str(lines().lines().next().unwrap()).unwrap();
    assert_eq!(
        (&line["action"], &line["shadow_action"], &line["shadow_score"]),
        (&"allow".into(), &"deny".into(), &90.into())
    );
    assert_eq!((&line["reasons"][0], &line["hits"][0]["enforced"]), (&"STUFFING".into(), &false.into()));
    assert!(!lines().contains("6.6.6.6") && line["ip"].as_str().is_some_and(|ip| ip.len() == 16), "{line}");
    // Enforced by an operator.
    assert_eq!(operate(&admin, "PUT /risk/rules/stuffing/mode", "", "{\"mode\":\"enforce\"}").code, 401);
    assert_eq!(operate(&admin, "PUT /risk/rules/stufing/mode", TOKEN, "{\"mode\":\"enforce\"}").code, 404);
    assert_eq!(operate(&admin, "PUT /risk/rules/stuffing/mode", TOKEN, "{\"mode\":\"enforce\"}").code, 200);
    let asked = login.asked();
    let refused = try_one("6.6.6.6");
    assert_eq!((refused.code, refused.header("x-mainstay-reason")), (403, Some("RISK_DENIED")), "{refused:?}");
    assert!(!refused.body.contains("stuffing"), "who tries is not told why");
    assert_eq!(login.asked(), asked, "no upstream was asked");
    let id = refused.header("x-mainstay-decision").unwrap().to_owned();
    eventually(SOON, "its line", || lines().contains(&format!("\"id\":\"{id}\"")));
    assert_eq!(try_one("6.6.6.7").code, 401, "others go on");
    assert_eq!(gateway.ask("GET /\nx-forwarded-for: 6.6.6.6", "").code, 200, "so do other routes");
    (0..8).for_each(|_| assert_eq!(try_one("7.7.7.7").code, 401, "it is not scored"));
    let metrics = operate(&admin, "GET /metrics", TOKEN, "").body;
    let line = "mainstay_gateway_risk_hits_total{mode=\"shadow\",rule=\"stuffing\"} 3";
    let other = "mainstay_gateway_risk_hits_total{rule=\"stuffing\",mode=\"shadow\"} 3";
    assert!(metrics.contains(line) || metrics.contains(other), "{metrics}");
    // What was chosen and counted outlives a reload that leaves the rule as it was.
    gateway.reload_listening(PROXIED, &text.replace("body: ok", "body: fine"), 2);
    assert_eq!(try_one("6.6.6.6").code, 403);
    assert_eq!(operate(&admin, "DELETE /risk/rules/stuffing/mode", TOKEN, "").code, 200);
    assert_eq!(try_one("6.6.6.6").code, 401);
    assert!(gateway.process.stderr().contains("an operator changes the mode of a rule"));
}

#[test]
fn a_set_in_a_file_is_followed_and_one_that_fails_its_own_test_is_refused() {
    let place = Scratch::new("risk-file").unwrap();
    let set = |score: u32, expected: &str| {
        format!(
            "rules: [{{name: robots, when: \"request.headers['user-agent'] == 'bot'\", score: {score}, mode: enforce}}]
bands: {{default: {{challenge: 40, deny: 80}}}}
replies: {{challenge: {{status: 401, headers: {{x-challenge: captcha, content-type: text/html}}, body: '<p>who?</p>'}}}}
tests: [{{name: a robot, request: {{headers: {{user-agent: bot}}}}, expect: {{action: {expected}}}}}]
"
        )
    };
    let file = place.write("risk.yaml", set(50, "challenge")).unwrap();
    let mut gateway = Gateway::start(&format!(
        "admin: {{address: '127.0.0.1:0'}}
routes: [{{name: all, match: {{}}, respond: {{body: ok}}}}]
risk_rules: {{file: '{}'}}
",
        file.display()
    ));
    let admin = gateway.process.line(SOON, "admin ");
    let robot = || gateway.ask("GET /\nuser-agent: bot", "");
    eventually(SOON, "the set", || robot().code == 401);
    let challenged = robot();
    assert_eq!((challenged.header("x-challenge"), challenged.body.as_str()), (Some("captcha"), "<p>who?</p>"));
    assert_eq!(challenged.headers.iter().filter(|(name, _)| name == "content-type").count(), 1);
    assert_eq!(challenged.header("x-mainstay-reason"), Some("RISK_CHALLENGED"));
    assert_eq!(gateway.ask("GET /\nuser-agent: curl", "").code, 200);
    for (text, why) in [
        (set(90, "challenge"), "the test `a robot` fails: the action is deny, and challenge is expected"),
        (set(90, "deny").replace("request.headers", "request.header"), "did you mean `request.headers`?"),
        ("rules: [".to_owned(), "line 1"),
    ] {
        place.write("risk.yaml", &text).unwrap();
        eventually(SOON, why, || gateway.process.stderr().contains(why));
        assert_eq!(robot().code, 401, "what was in force stays");
        let refused = operate(&admin, "GET /risk", "", "").json()["refused"].clone();
        assert!(refused.as_str().is_some_and(|told| told.contains(why)), "{refused}");
    }
    place.write("risk.yaml", set(90, "deny")).unwrap();
    eventually(SOON, "the new set", || robot().code == 403);
}

#[test]
fn a_set_in_the_config_centre_is_in_force_within_a_second_of_its_writing() {
    let (place, mirror) = (Scratch::new("risk-center").unwrap(), Mirror::start());
    let url = format!("file://{}", place.path().display());
    let gateway = Gateway::start(&format!(
        "upstreams: {{pages: {{endpoints: ['{}']}}}}
routes: [{{name: all, match: {{}}, http: {{upstream: pages}}}}]
risk: {{lists: {{gray: [{{ip: 127.0.0.1}}]}}}}
risk_rules: {{center: '{url}', name: shop-risk-rules}}
",
        mirror.address
    ));
    assert_eq!(gateway.ask("GET /", "").code, 200);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let text = "rules: [{name: gray, when: lists.gray, score: 50, mode: enforce}]\nbands: {default: {throttle: 50}}\n";
    let written = runtime.block_on(async {
        let center = connect(&url).unwrap().config_center().unwrap();
        let key = ConfigKey::in_group("MAINSTAY_GROUP", "shop-risk-rules").unwrap();
        center.publish(&key, text, Expected::Any).await.unwrap();
        Instant::now()
    });
    eventually(SOON, "the set in force", || gateway.ask("GET /", "").code == 429);
    assert!(written.elapsed() < Duration::from_secs(1), "{:?}", written.elapsed());
    let throttled = gateway.ask("GET /", "");
    assert_eq!(
        (throttled.header("retry-after"), throttled.header("x-mainstay-reason")),
        (Some("10"), Some("RISK_THROTTLED"))
    );
}
