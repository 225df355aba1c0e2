//! What operators ask of a running application, and tell it, over the port that is theirs.

use mainstay::{
    admin::LogFilter,
    app::RunningApp,
    policy::{BreakerOptions, ConcurrencyOptions, Rate},
    prelude::*,
    prometheus::Prometheus,
};
use mainstay_registry::{
    Change, Discover, DownCause, Hub, LeaseState, Lookup, MemoryConfig, MemoryRegistry, ServiceKey,
    config::{ConfigCenter, ConfigKey, Expected},
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::yield_now,
    time::timeout,
};

#[mainstay::service(package = "test.admin.v1")]
trait Desk {
    #[rpc(idempotent)]
    async fn who(&self) -> Result<String>;
}

struct Clerk;

impl Desk for Clerk {
    async fn who(&self) -> Result<String> {
        Ok("clerk".to_owned())
    }
}

const LONG: Duration = Duration::from_secs(30);

fn app(hub: &Hub) -> App {
    App::new("desk").with_hub(hub.clone()).serve(DeskServer::new(Clerk)).drain(Duration::ZERO, Duration::ZERO)
}

/// Asks; answers the status and the body.
async fn ask(at: SocketAddr, request: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).await.expect("the port is open");
    let host = if headers.contains("host:") { String::new() } else { format!("host: {at}\r\n") };
    let length = body.len();
    let request =
        format!("{request} HTTP/1.1\r\n{host}{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.expect("the request is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer comes");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status"), body.to_owned())
}

async fn get(at: SocketAddr, path: &str) -> String {
    let (status, body) = ask(at, &format!("GET {path}"), "", "").await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

async fn json(at: SocketAddr, path: &str) -> serde_json::Value {
    serde_json::from_str(&get(at, path).await).expect("JSON")
}

async fn stands(app: &RunningApp, state: LeaseState) {
    let there = async {
        while app.readiness().registration() != state {
            yield_now().await;
        }
    };
    timeout(LONG, there).await.unwrap_or_else(|_| panic!("{:?} instead of {state}", app.readiness()));
}

#[tokio::test]
async fn operators_see_clients_breakers_limits_settings_and_metrics() {
    let (hub, metrics) = (Hub::new(MemoryRegistry::new()), Prometheus::new());
    // All runs on this thread.
    let _recorder = metrics::set_default_local_recorder(&metrics);
    let setup = app(&hub)
        .admin("0")
        .metrics(&metrics)
        .with_server(|server| server.concurrency(ConcurrencyOptions::fixed(7)).rate(Rate::per_second(1000)));
    let client = DeskClient::connect("desk").registry(&hub).console(&setup.console());
    let client =
        client.method_breaker("Who", BreakerOptions::new()).rate(Rate::per_second(9).burst(2)).build().unwrap();
    let app = setup.start().await.unwrap();
    let at = app.admin().expect("operators are answered");
    assert!(at.ip().is_loopback());
    app.readiness().registered().await;
    assert_eq!(client.who().await.unwrap(), "clerk");

    let seen = json(at, "/instances").await;
    let (one, address) = (&seen["clients"][0], app.address().to_string());
    assert_eq!(
        (one["service"].as_str(), one["nobody"].as_str()),
        (Some("test.admin.v1.Desk of application desk"), None)
    );
    let instance = &one["instances"][0];
    assert_eq!((instance["address"].as_str(), instance["picked"].as_bool()), (Some(&*address), Some(true)), "{seen}");
    let breakers = json(at, "/breakers").await["breakers"].clone();
    let states: Vec<_> =
        breakers.as_array().unwrap().iter().map(|row| (row["method"].as_str(), &row["state"])).collect();
    assert_eq!(states, [(None, &"CLOSED".into()), (Some("Who"), &"CLOSED".into())]);
    let limits = json(at, "/limits").await["limits"].clone();
    let rules: Vec<_> = limits.as_array().unwrap().iter().map(|row| row["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["fixed, line 7", "1000 in 1s", "9 in 1s, burst 2"], "{limits}");
    assert_eq!((limits[0]["limit"].as_u64(), limits[0]["under_way"].as_u64()), (Some(7), Some(0)));
    assert!(get(at, "/settings?text").await.contains("admin-token"));
    assert!(get(at, "/standing?text").await.contains("ready"));
    let scraped = get(at, "/metrics").await;
    let counted = "mainstay_server_calls_total{service=\"test.admin.v1.Desk\",method=\"Who\",code=\"OK\"} 1\n";
    assert!(scraped.contains(counted), "{scraped}");
    for (path, answer) in [("/livez", "live\n"), ("/readyz", "ready\n"), ("/startupz", "started\n")] {
        assert_eq!(get(at, path).await, answer);
        assert_eq!(get(app.address(), path).await, answer, "on the main port too");
    }
    drop(client);
    assert_eq!(json(at, "/instances").await["clients"], serde_json::json!([]), "a client that is gone is not shown");
    app.drain().await;
    assert!(TcpStream::connect(at).await.is_err(), "the port ends with the application");
}

#[tokio::test]
async fn operators_see_which_rules_are_in_force_and_why_one_is_not() {
    let (hub, config) = (Hub::new(MemoryRegistry::new()), MemoryConfig::new());
    let setup = app(&hub).admin("0").label("env", "v1");
    let rules: Arc<dyn ConfigCenter> = Arc::new(config.clone());
    let client = DeskClient::connect("desk").registry(&hub).rules(rules).console(&setup.console());
    let client = client.patience(Duration::from_millis(1)).build().unwrap();
    let app = setup.start().await.unwrap();
    let at = app.admin().unwrap();
    app.readiness().registered().await;
    let key = ConfigKey::new("desk.condition-router").unwrap();
    let good = "force: true\nconditions:\n  - \"=> env=v2\"\n";
    let version = config.publish(&key, good, Expected::Any).await.unwrap();
    assert_eq!(client.who().await.unwrap_err().into_status().reason().as_str(), "NO_ROUTE");

    let seen = async |wanted: fn(&serde_json::Value) -> bool| {
        let looked = async {
            loop {
                let seen = json(at, "/rules").await;
                let rules = seen["clients"][0]["rules"].as_array().unwrap();
                let found = rules.iter().find(|rule| rule["key"] == "dubbo/desk.condition-router");
                if let Some(rule) = found.filter(|rule| wanted(rule)) {
                    return rule.clone();
                }
                yield_now().await;
            }
        };
        timeout(LONG, looked).await.expect("the rule is shown so")
    };
    let rule = seen(|rule| !rule["in_force"].is_null()).await;
    assert_eq!((rule["in_force"].as_str(), rule["refused"].as_str()), (Some(&*version.to_string()), None));
    let instance = json(at, "/instances").await["clients"][0]["instances"][0].clone();
    assert_eq!((instance["picked"].as_bool(), instance["avoided"].as_str()), (Some(false), Some("ROUTED_AWAY")));
    assert_eq!(instance["rule"], "dubbo/desk.condition-router line 3", "{instance}");

    config.publish(&key, "conditions:\n  - \"=> env\"\n", Expected::Any).await.unwrap();
    let rule = seen(|rule| !rule["refused"].is_null()).await;
    assert_eq!(rule["in_force"].as_str(), Some(&*version.to_string()), "what is no rule changes nothing");
    assert!(rule["refused"].as_str().is_some_and(|why| why.starts_with("line 2: ")), "{rule}");
    assert!(get(at, "/rules?text").await.contains("desk.condition-router"));
    app.drain().await;
}

#[tokio::test]
async fn offline_stays_offline_whatever_the_registry_does() {
    let registry = MemoryRegistry::new();
    let hub = Hub::new(registry.clone());
    let app = app(&hub).admin("127.0.0.1:0").start().await.unwrap();
    let at = app.admin().unwrap();
    stands(&app, LeaseState::Registered).await;
    let mut changes = hub.subscribe(Lookup::new(ServiceKey::new("test.admin.v1.Desk")));
    assert!(matches!(changes.next().await, Some(Change::Snapshot(all)) if all.len() == 1));

    let (status, body) = ask(at, "POST /offline", "", "").await;
    assert!(status == 200 && body.contains("\"offline\": true"), "{body}");
    assert!(matches!(changes.next().await, Some(Change::Down(_, DownCause::Withdrawn))));
    stands(&app, LeaseState::Offline).await;
    registry.lose_all();
    app.readiness().set_offline(true);
    assert_eq!(app.readiness().check(), Err("offline: an operator took the registration back".to_owned()));
    let (status, body) = ask(at, "GET /readyz", "", "").await;
    assert_eq!((status, &*body), (503, "not ready: offline: an operator took the registration back\n"));
    let direct = DeskClient::connect("desk").address(app.address().to_string()).build().unwrap();
    assert_eq!(direct.who().await.unwrap(), "clerk", "who comes all the same is served");

    assert_eq!(ask(at, "POST /online", "", "").await.0, 200);
    assert!(matches!(changes.next().await, Some(Change::Up(_))), "not before it was told to");
    stands(&app, LeaseState::Registered).await;
    assert_eq!(ask(at, "POST /offline", "", "").await.0, 200);
    app.drain().await;
}

#[tokio::test]
async fn who_shows_no_token_and_who_comes_by_another_name_is_refused() {
    let folder = std::env::temp_dir().join(format!("mainstay-admin-{}", std::process::id()));
    std::fs::write(&folder, "sesame\n").unwrap();
    let hub = Hub::new(MemoryRegistry::new());
    let app = app(&hub).admin("0").admin_token(format!("file:{}", folder.display())).start().await.unwrap();
    std::fs::remove_file(folder).unwrap();
    let at = app.admin().unwrap();
    let bearer = "authorization: Bearer sesame\r\n";
    assert_eq!(ask(at, "GET /settings", "", "").await.0, 401);
    assert_eq!(ask(at, "POST /offline", "authorization: Bearer open\r\n", "").await.0, 401);
    let (status, settings) = ask(at, "GET /settings", bearer, "").await;
    assert!(status == 200 && !settings.contains("sesame"), "{settings}");
    let there = "whoever may not ask may still probe";
    assert!(matches!(ask(at, "GET /readyz", "", "").await.0, 200 | 503), "{there}");
    app.drain().await;

    let app = self::app(&hub).admin("0").start().await.unwrap();
    let at = app.admin().unwrap();
    assert_eq!(ask(at, "GET /settings", "host: evil.example\r\n", "").await.0, 403);
    assert_eq!(ask(at, "POST /offline", "origin: https://evil.example\r\n", "").await.0, 403);
    assert!(!app.readiness().is_offline());
    let (status, body) = ask(at, "DELETE /settings", "", "").await;
    assert!(status == 405 && body.contains("/settings takes GET"), "{body}");
    assert_eq!(ask(at, "GET /nothing", "", "").await.0, 404);
    assert!(get(at, "/?text").await.contains("/instances"));
    app.drain().await;
}

#[tokio::test]
async fn what_is_logged_is_seen_and_changed() {
    let filter = Arc::new(Mutex::new("info".to_owned()));
    let (shown, changed) = (filter.clone(), filter.clone());
    let change = move |text: &str| {
        let fits = !text.is_empty();
        fits.then(|| *changed.lock().unwrap() = text.to_owned()).ok_or("it is empty".to_owned())
    };
    let log = LogFilter::new(move || shown.lock().unwrap().clone(), change);
    let hub = Hub::new(MemoryRegistry::new());
    let app = app(&hub).admin("0").log_filter(log).start().await.unwrap();
    let at = app.admin().unwrap();
    assert_eq!(json(at, "/log").await["filter"], "info");
    let (status, body) = ask(at, "PUT /log", "", "").await;
    assert!(status == 400 && body.contains("it is empty"), "{body}");
    assert_eq!(ask(at, "PUT /log", "", &"x".repeat(5000)).await.0, 400);
    assert_eq!(ask(at, "PUT /log", "", "debug\n").await.0, 200);
    assert_eq!(*filter.lock().unwrap(), "debug");
    app.drain().await;
}

#[tokio::test]
async fn a_port_that_others_reach_wants_a_token_before_anything_starts() {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let none = std::iter::empty::<(String, String)>;
    let error = App::from_sources("desk", words("--admin 0.0.0.0:0"), none()).unwrap_err().to_string();
    assert!(error.contains("--admin: `admin`: other machines reach 0.0.0.0"), "{error}");
    let said = App::new("desk").registry("memory://").serve(DeskServer::new(Clerk)).admin("[::]:0");
    let error = said.start().await.unwrap_err().to_string();
    assert!(error.contains("the program: `admin`: other machines reach ::"), "{error}");
    let error = App::from_sources("desk", words("--admin 0 --admin-token sesame"), none()).unwrap_err().to_string();
    assert!(error.contains("env:NAME") && !error.contains("sesame"), "{error}");
    let missing = App::new("desk").registry("memory://").serve(DeskServer::new(Clerk)).admin("0");
    let error = missing.admin_token("file:/nowhere/token").start().await.unwrap_err().to_string();
    assert!(error.contains("/nowhere/token") && error.contains("admin-token"), "{error}");
}
