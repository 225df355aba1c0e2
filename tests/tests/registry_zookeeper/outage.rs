//! The registry is away for a while and comes back empty, under load.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use mainstay::{app::RunningApp, prelude::*};
use mainstay_registry::Discover as _;
use testbed::{seed, zookeeper::Server};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    conform::SESSION,
    raw,
    support::{DEADLINE, eventually},
};

/// Greets.
#[mainstay::service(package = "outage.v1")]
trait Greeter {
    /// By name.
    #[rpc(idempotent, timeout = "2s")]
    async fn hello(&self, name: String) -> Result<String>;
}

struct Hi;

impl Greeter for Hi {
    async fn hello(&self, name: String) -> Result<String> {
        Ok(format!("hello {name}"))
    }
}

const PROVIDERS: usize = 3;

/// Calls 200 times a second until told to stop; answers how many calls there were and why some failed.
async fn load(client: GreeterClient, answered: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> (u64, Vec<String>) {
    let (mut calls, mut failed) = (0, Vec::new());
    let mut pace = interval(Duration::from_millis(5));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        calls += 1;
        match client.hello("you".to_owned()).await {
            Ok(_) => drop(answered.fetch_add(1, Ordering::Relaxed)),
            Err(error) => failed.push(error.to_string()),
        }
    }
    (calls, failed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_away_and_comes_back_empty_fails_no_call() {
    let outage = Duration::from_secs(seed::rounds(8, 60).into());
    let mut server = Server::start("zookeeper");
    let chroot = raw::chroot();
    let url = format!("zookeeper://{}{chroot}?{SESSION}", server.address());
    let mut providers: Vec<RunningApp> = Vec::new();
    for _ in 0..PROVIDERS {
        let running = App::new("greeter").registry(&url).serve(GreeterServer::new(Hi)).start().await.unwrap();
        running.readiness().registered().await;
        providers.push(running);
    }
    let hub = mainstay_registry::connect(&url).unwrap();
    let client = GreeterClient::connect("greeter").registry(hub.clone()).build().unwrap();
    let (answered, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
    let calls = tokio::spawn(load(client, answered.clone(), stop.clone()));
    let more = async |count: u64| {
        let until = answered.load(Ordering::Relaxed) + count;
        eventually("calls go on", async || answered.load(Ordering::Relaxed) >= until).await;
    };
    more(200).await;

    server.process().kill().unwrap();
    let away = Instant::now();
    server.empty();
    eventually("the reason is shown", async || {
        let survey = hub.survey("outage.v1.Greeter");
        survey.unwell.is_some() && survey.hold.is_some_and(|hold| hold.count == PROVIDERS)
    })
    .await;
    while away.elapsed() < outage {
        more(100).await;
    }
    server.again();
    let ready = Instant::now();
    let raw = raw::client(&server.address().to_string()).await;
    let listed = async || raw::providers(&raw, &chroot, "outage.v1.Greeter").await.len() == PROVIDERS;
    eventually("all are there again", listed).await;
    let took = ready.elapsed();
    more(400).await;
    stop.store(true, Ordering::Relaxed);
    let (calls, failed) = tokio::time::timeout(DEADLINE, calls).await.unwrap().unwrap();
    println!(
        "away for {outage:?}, {calls} calls, {} failed, all listed {took:?} after the server was ready",
        failed.len()
    );
    assert!(failed.is_empty(), "{:?}", &failed[..failed.len().min(5)]);
    assert!(took < Duration::from_secs(10), "{took:?}");
    for provider in providers {
        provider.drain().await;
    }
}
