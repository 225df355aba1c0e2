//! Every process of the shop is replaced by a new one while it is asked 500 times a second, and nobody loses a call.
//!
//! Two members, two promotions and two sites, each a process; for each a new one starts, and when it is registered the old
//! one is told to end. Half of the calls put something aside, which must not happen twice: the members' own lines say how
//! often it did. Some watch streams, which a drain cuts when its grace is over: they must be told so, and not end as if all
//! had been said. And one knows nothing of registries: it keeps one HTTP/2 connection until that says goodbye.

use testbed::{Scenario, Scratch, scenario::Check};
use tokio::{sync::watch, task::spawn_blocking};

use crate::bed::{
    load::{Called, Load, RATE},
    outsider::Outsider,
    server::Server,
    shop::{APART, Shop},
    visitors::{self, Visitors},
};

/// Plays one in which `happens` is done to the shop, which is asked so often a second; what it answers is kept until the
/// end.
pub(crate) async fn loses_nothing<K: Send + 'static>(
    mut scenario: Scenario,
    url: String,
    rate: u32,
    happens: impl FnOnce(&mut Shop, &mut Scenario) -> K + Send + 'static,
) {
    let (sites, known) = watch::channel(Vec::new());
    let mut shop = spawn_blocking(move || Shop::open(url, sites)).await.unwrap();
    let visitors = Visitors::of(&shop.url, Outsider::new(known));
    visitors.come_in().await;
    let watchers = visitors.watch();
    let load = Load::start(rate, {
        let visitors = visitors.clone();
        move |n| visitors.clone().call(n)
    });
    load.goes_on(APART).await;
    let (mut shop, mut scenario, _kept) = spawn_blocking(move || {
        let kept = happens(&mut shop, &mut scenario);
        (shop, scenario, kept)
    })
    .await
    .unwrap();
    load.goes_on(APART).await;
    let began = load.began();
    let calls = load.end().await;
    let cuts = watchers.end().await;
    let held = spawn_blocking(move || shop.close()).await.unwrap();

    let failed: Vec<_> = calls.iter().filter_map(|call| call.came.as_ref().err()).collect();
    let retried: u64 = calls.iter().filter_map(|call| call.came.as_ref().ok()).sum();
    let (goodbyes, moved) = visitors.outsider.told();
    println!("{retried} retried; streams cut: {cuts:?}; without a registry {moved} calls moved; {:?}", failed.first());
    scenario.calls("pages, and things put aside", began, calls.iter().map(Called::sample));
    scenario.check(Check::none("failed calls", failed.len()));
    scenario.check(Check::none("put aside twice", held.values().filter(|times| **times > 1).count()));
    scenario.check(Check::all("put aside", held.len(), calls.len() / 2));
    scenario.check(Check::at_least("goodbyes to who has no registry", goodbyes as f64, 2.0, ""));
    visitors::are_told(&cuts);
    scenario.end();
}

/// Replaces each process.
pub(crate) fn rolls(shop: &mut Shop, scenario: &mut Scenario) {
    let from = scenario.now();
    let replaced = shop.rolls();
    scenario.fault("each process is replaced", from..scenario.now(), replaced, "processes");
}

async fn rolls_over(name: &str, what: &str, url: String) {
    let about = format!("All processes of the shop, which find each other by {what}, are replaced one by one.");
    loses_nothing(Scenario::new(name, &about), url, RATE, rolls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_the_shop_loses_nothing_over_files() {
    let registry = Scratch::new("rolling").unwrap();
    let url = format!("file://{}", registry.path().display());
    rolls_over("a_rolling_restart_of_the_shop_loses_nothing_over_files", "files", url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_the_shop_loses_nothing_over_zookeeper() {
    let server = Server::zookeeper();
    rolls_over("a_rolling_restart_of_the_shop_loses_nothing_over_zookeeper", "ZooKeeper", server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_the_shop_loses_nothing_over_nacos() {
    let server = Server::nacos();
    rolls_over("a_rolling_restart_of_the_shop_loses_nothing_over_nacos", "Nacos", server.url()).await;
}
