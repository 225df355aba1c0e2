//! A registry does badly while providers are called by it: sessions end, leaders die, servers hang; nobody who calls notices.

use std::{ops::Range, time::Duration};

use mainstay::app::RunningApp;
use testbed::{Nacos, Proxy, Scenario, scenario::Check, seed, zookeeper};
use tokio::task::spawn_blocking;

use crate::{
    bed::{
        desk::{Consumer, provider, seen_by_a_stranger},
        server::Server,
    },
    support::eventually,
};

/// Providers, of which none may be lost.
const PROVIDERS: usize = 3;
/// How long calls go on before and after, and while a registry hangs: longer than sessions last, which are of two seconds.
const BEFORE: Duration = Duration::from_secs(1);
const HANGS: Duration = Duration::from_secs(5);

/// Providers that register by one URL, and a consumer that looks by another.
struct Site {
    scenario: Scenario,
    providers: Vec<RunningApp>,
    consumer: Consumer,
    /// What a stranger looks by.
    url: String,
}

/// Whether the kernel says of a process that it is stopped.
fn is_stopped(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}

/// What was done, how often it was met, and what that is counted in.
struct Done {
    what: &'static str,
    span: Range<Duration>,
    met: usize,
    unit: &'static str,
}

impl Site {
    async fn open(scenario: Scenario, providers_url: &str, url: &str) -> Self {
        let mut providers = Vec::new();
        for at in 0..PROVIDERS {
            providers.push(provider(&format!("n{at}"), providers_url).await);
        }
        seen_by_a_stranger(url, PROVIDERS).await;
        let consumer = Consumer::start(url);
        consumer.goes_on(BEFORE).await;
        Self { scenario, providers, consumer, url: url.to_owned() }
    }

    /// No call failed, and all are listed again.
    async fn noticed_nothing(mut self, done: Done) {
        self.scenario.fault(done.what, done.span, done.met as u64, done.unit);
        seen_by_a_stranger(&self.url, self.providers.len()).await;
        self.consumer.goes_on(BEFORE).await;
        let tally = self.consumer.tally();
        println!("{} calls; {:?}", tally.calls(), tally.failed.first());
        self.scenario.calls("calls", self.consumer.began(), tally.samples.iter().copied());
        self.scenario.check(Check::none("failed calls", tally.failed.len()));
        drop(self.consumer);
        for provider in self.providers {
            provider.drain().await;
        }
        self.scenario.end();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_do_not_notice_that_a_session_has_expired() {
    let scenario = Scenario::new(
        "calls_do_not_notice_that_a_session_has_expired",
        "One provider does not reach ZooKeeper until its session is over and its node gone; then it does again.",
    );
    let server = zookeeper::Server::start("zookeeper");
    let proxy = Proxy::start(server.address()).unwrap();
    let by = |address| format!("zookeeper://{address}/expired?session=2000");
    let mut site = Site::open(scenario, &by(server.address()), &by(server.address())).await;
    let cut_off = provider("cut off", &by(proxy.addr())).await;
    seen_by_a_stranger(&site.url, PROVIDERS + 1).await;
    site.consumer.hears_of("cut off").await;
    let from = site.scenario.now();
    proxy.black_hole();
    seen_by_a_stranger(&site.url, PROVIDERS).await;
    site.consumer.goes_on(BEFORE).await;
    proxy.heal();
    let span = from..site.scenario.now();
    seen_by_a_stranger(&site.url, PROVIDERS + 1).await;
    site.consumer.hears_of("cut off").await;
    site.providers.push(cut_off);
    site.noticed_nothing(Done { what: "one does not reach ZooKeeper", span, met: 1, unit: "nodes that went" }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_do_not_notice_that_all_sessions_have_expired() {
    let scenario = Scenario::new(
        "calls_do_not_notice_that_all_sessions_have_expired",
        "No provider reaches ZooKeeper until all sessions are over and nobody is listed; callers reach both.",
    );
    let server = zookeeper::Server::start("zookeeper");
    let proxy = Proxy::start(server.address()).unwrap();
    let by = |address| format!("zookeeper://{address}/all?session=2000");
    let site = Site::open(scenario, &by(proxy.addr()), &by(server.address())).await;
    let from = site.scenario.now();
    proxy.black_hole();
    seen_by_a_stranger(&site.url, 0).await;
    // Longer than those that were listed a moment ago are remembered for.
    site.consumer.goes_on(seed::rounds(12, 60) * BEFORE).await;
    proxy.heal();
    let span = from..site.scenario.now();
    let done = Done { what: "providers do not reach ZooKeeper", span, met: PROVIDERS, unit: "nodes that went" };
    site.noticed_nothing(done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_do_not_notice_that_the_leader_of_an_ensemble_was_killed() {
    let scenario = Scenario::new(
        "calls_do_not_notice_that_the_leader_of_an_ensemble_was_killed",
        "Of three ZooKeeper servers the one that leads is killed, and starts again when another leads.",
    );
    let mut ensemble = zookeeper::Ensemble::start("ensemble");
    let url = format!("zookeeper://{}/leader?session=2000", ensemble.addresses());
    let site = Site::open(scenario, &url, &url).await;
    let from = site.scenario.now();
    let leader = ensemble.leader().unwrap();
    ensemble.server(leader).process().kill().unwrap();
    eventually("another leads", async || ensemble.leader().is_some_and(|now| now != leader)).await;
    let span = from..site.scenario.now();
    let _ensemble = spawn_blocking(move || {
        ensemble.server(leader).again();
        ensemble
    })
    .await
    .unwrap();
    site.noticed_nothing(Done { what: "the leader is killed", span, met: 1, unit: "leaders" }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_do_not_notice_that_an_ensemble_has_no_majority() {
    let scenario = Scenario::new(
        "calls_do_not_notice_that_an_ensemble_has_no_majority",
        "Of three ZooKeeper servers two are killed, so that the third serves nobody; then they start again.",
    );
    let mut ensemble = zookeeper::Ensemble::start("ensemble");
    let url = format!("zookeeper://{}/majority?session=2000", ensemble.addresses());
    let site = Site::open(scenario, &url, &url).await;
    let from = site.scenario.now();
    for at in 0..2 {
        ensemble.server(at).process().kill().unwrap();
    }
    eventually("nobody is served", async || ensemble.serving() == 0).await;
    site.consumer.goes_on(HANGS).await;
    let span = from..site.scenario.now();
    let _ensemble = spawn_blocking(move || {
        ensemble.server(2).process().kill().unwrap();
        ensemble.again();
        ensemble
    })
    .await
    .unwrap();
    site.noticed_nothing(Done { what: "there is no majority", span, met: 2, unit: "servers that were killed" }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_do_not_notice_that_zookeeper_hung() {
    let scenario = Scenario::new(
        "calls_do_not_notice_that_zookeeper_hung",
        "ZooKeeper is stopped for longer than its sessions last, and goes on.",
    );
    let mut server = zookeeper::Server::start("zookeeper");
    let url = format!("zookeeper://{}/hung?session=2000", server.address());
    let site = Site::open(scenario, &url, &url).await;
    let from = site.scenario.now();
    server.process().stop().unwrap();
    site.consumer.goes_on(HANGS).await;
    let silent = spawn_blocking(move || {
        let silent = server.mode().is_empty();
        server.process().cont().unwrap();
        (silent, server)
    });
    let (silent, _server) = silent.await.unwrap();
    let span = from..site.scenario.now();
    site.noticed_nothing(Done {
        what: "ZooKeeper is stopped",
        span,
        met: silent.into(),
        unit: "servers without an answer",
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_do_not_notice_that_nacos_hung() {
    let scenario = Scenario::new(
        "calls_do_not_notice_that_nacos_hung",
        "Nacos is stopped for seconds, and goes on with what it knew.",
    );
    let mut nacos = Nacos::start("nacos");
    let url = format!("nacos://{}/hung", nacos.address());
    let site = Site::open(scenario, &url, &url).await;
    let from = site.scenario.now();
    nacos.process().stop().unwrap();
    site.consumer.goes_on(HANGS).await;
    let stopped = is_stopped(nacos.process().id());
    nacos.process().cont().unwrap();
    let span = from..site.scenario.now();
    site.noticed_nothing(Done { what: "Nacos is stopped", span, met: stopped.into(), unit: "servers" }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_do_not_notice_that_connections_to_zookeeper_are_cut_again_and_again() {
    let mut scenario = Scenario::new(
        "calls_do_not_notice_that_connections_to_zookeeper_are_cut_again_and_again",
        "All connections to ZooKeeper, those of providers and of the consumer, are cut or reset ten times, by chance.",
    );
    let resets: Vec<bool> = (0..10).map(|_| scenario.seed().below(2) == 0).collect();
    let server = Server::zookeeper();
    let proxy = Proxy::start(server.address()).unwrap();
    let url = format!("zookeeper://{}/cut?session=2000", proxy.addr());
    let site = Site::open(scenario, &url, &url).await;
    let (from, mut met) = (site.scenario.now(), 0);
    for reset in resets {
        // Whoever was cut is back first: else there would be nothing to cut.
        eventually("connections", async || proxy.open() > 0).await;
        met += if reset { proxy.reset() } else { proxy.cut() };
        site.consumer.goes_on(Duration::from_millis(300)).await;
    }
    let span = from..site.scenario.now();
    site.noticed_nothing(Done { what: "connections to ZooKeeper are cut or reset", span, met, unit: "connections" })
        .await;
}
