//! The health service over the wire.

use super::*;
use crate::{
    call::{CallError, CallOptions},
    client::{Client, connect},
    server::{Running, Server},
    transport::{Memory, memory},
};
use std::time::Duration;

static SHOP: ServiceDef = ServiceDef {
    package: "shop",
    name: "Stock",
    full_name: "shop.Stock",
    version: Some("1.0.0"),
    group: Some("blue"),
    docs: "",
    methods: &[],
};

struct Stock;

impl Serve for Stock {
    fn definition(&self) -> &'static ServiceDef {
        &SHOP
    }

    fn routes(&self, _: &mut Routes) {}
}

fn client(network: Memory) -> Client {
    connect(&DEFINITION, "").address("memory:1").connector(network).build().unwrap()
}

fn start(server: Server) -> (Running, Client) {
    let (network, accept) = memory();
    (server.start(accept), client(network))
}

fn asking(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn check(client: &Client, service: &str) -> Result<ServingStatus, Code> {
    let answer: Result<HealthCheckResponse, CallError<Status>> = client.unary(0, asking(service)).await;
    answer.map(|answer| answer.status()).map_err(|error| error.into_status().code())
}

async fn watch(client: &Client, service: &str) -> Streaming<HealthCheckResponse> {
    let watching: Result<_, CallError<Status>> = client.server_streaming(1, asking(service)).await;
    watching.unwrap()
}

async fn next(watching: &mut Streaming<HealthCheckResponse>) -> ServingStatus {
    watching.message().await.unwrap().unwrap().status()
}

#[tokio::test(start_paused = true)]
async fn check_and_list_know_each_name_of_a_service() {
    let (running, client) = start(Server::new().serve(Stock));
    for name in ["", "shop.Stock", "blue/shop.Stock:1.0.0"] {
        assert_eq!(check(&client, name).await, Ok(ServingStatus::Serving), "{name}");
    }
    assert_eq!(check(&client, "shop.Stick").await, Err(Code::NotFound));
    running.health().set_service("shop.Stock", false);
    assert_eq!(check(&client, "blue/shop.Stock:1.0.0").await, Ok(ServingStatus::NotServing));
    assert_eq!(running.health().is_serving("shop.Stock"), Some(false));
    let list: Result<HealthListResponse, CallError<Status>> = client.unary(2, HealthListRequest {}).await;
    let mut list: Vec<_> = list.unwrap().statuses.into_iter().map(|(name, one)| (name, one.status())).collect();
    list.sort();
    let (up, down) = (ServingStatus::Serving, ServingStatus::NotServing);
    assert_eq!(
        list,
        [("".to_owned(), up), ("blue/shop.Stock:1.0.0".to_owned(), down), ("shop.Stock".to_owned(), down)]
    );
}

#[tokio::test(start_paused = true)]
async fn who_asks_under_the_version_of_a_service_is_answered() {
    let (network, accept) = memory();
    let _running = Server::new().serve(Stock).start(accept);
    let definition = Box::leak(Box::new(ServiceDef { version: SHOP.version, group: SHOP.group, ..DEFINITION }));
    let client: Client = connect(definition, "").address("memory:1").connector(network).build().unwrap();
    assert_eq!(check(&client, "blue/shop.Stock:1.0.0").await, Ok(ServingStatus::Serving));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_too_long_is_refused() {
    let (running, client) = start(Server::new());
    (0..MAX_LISTED).for_each(|i| running.health().set_service(&format!("part-{i}"), true));
    let list: Result<HealthListResponse, CallError<Status>> = client.unary(2, HealthListRequest {}).await;
    assert_eq!(list.unwrap_err().into_status().code(), Code::ResourceExhausted);
}

#[tokio::test(start_paused = true)]
async fn watch_tells_each_change_once_and_waits_for_what_is_unknown() {
    let (running, client) = start(Server::new().serve(Stock));
    let health = running.health();
    let (mut stock, mut queue) = (watch(&client, "shop.Stock").await, watch(&client, "queue").await);
    assert_eq!(next(&mut stock).await, ServingStatus::Serving);
    assert_eq!(next(&mut queue).await, ServingStatus::ServiceUnknown);
    health.set_service("queue", true);
    assert_eq!(next(&mut queue).await, ServingStatus::Serving);
    // Of what says nothing new nothing is said: the next message is that of the second change.
    health.set_service("shop.Stock", true);
    health.set_server(false);
    assert_eq!(next(&mut stock).await, ServingStatus::NotServing);
    assert_eq!(next(&mut queue).await, ServingStatus::NotServing);
}

#[tokio::test(start_paused = true)]
async fn a_drain_says_so_first_and_does_not_wait_for_who_watches() {
    let (running, client) = start(Server::new().serve(Stock));
    let mut watching = watch(&client, "blue/shop.Stock:1.0.0").await;
    assert_eq!(next(&mut watching).await, ServingStatus::Serving);
    let began = tokio::time::Instant::now();
    let drained = running.drain(Duration::from_secs(60));
    let ((), drained) = tokio::join!(
        async {
            assert_eq!(next(&mut watching).await, ServingStatus::NotServing);
            let end = watching.message().await.unwrap_err();
            assert_eq!(end.code(), Code::Unavailable);
        },
        drained
    );
    assert_eq!(drained.cut_calls, 0);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    running.health().set_server(true);
    assert_eq!(running.health().is_serving(""), Some(false));
}

#[tokio::test(start_paused = true)]
async fn who_stops_watching_leaves_nothing_behind() {
    let (running, client) = start(Server::new());
    let mut watching = watch(&client.with(CallOptions::new()), "").await;
    assert_eq!(next(&mut watching).await, ServingStatus::Serving);
    assert_eq!(running.calls(), 1);
    drop(watching);
    let bounded = tokio::time::timeout(Duration::from_secs(5), async {
        while running.calls() > 0 {
            tokio::task::yield_now().await;
        }
    });
    bounded.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_health_service_of_the_program_s_own_is_left_alone() {
    struct Own;
    impl Serve for Own {
        fn definition(&self) -> &'static ServiceDef {
            &DEFINITION
        }

        fn routes(&self, routes: &mut Routes) {
            routes.unary(0, |_, _: HealthCheckRequest| async { Ok::<_, Status>(response(ServingStatus::Unknown)) });
        }
    }
    let (_running, client) = start(Server::new().serve(Own));
    assert_eq!(check(&client, "").await, Ok(ServingStatus::Unknown));
}
