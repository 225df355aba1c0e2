//! Every process of the shop is replaced by a new one while it is asked 500 times a second, and nobody loses a call.
//!
//! Two members, two promotions and two sites, each a process; for each a new one starts, and when it is registered the old
//! one is told to end. Half of the calls put something aside, which must not happen twice: the members' own lines say how
//! often it did. Some watch streams, which a drain cuts when its grace is over: they must be told so, and not end as if all
//! had been said. And one knows nothing of registries: it keeps one HTTP/2 connection until that says goodbye.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "faults/load.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod load;
#[path = "rolling/outsider.rs"]
mod outsider;
#[path = "registries/server.rs"]
#[allow(dead_code, reason = "other tests kill it")]
mod server;
#[path = "rolling/shop.rs"]
mod shop;
#[path = "rolling/visitors.rs"]
mod visitors;

use std::collections::BTreeMap;

use load::{Load, RATE, p99};
use server::Server;
use testbed::Scratch;
use tokio::{sync::watch, task::spawn_blocking};
use visitors::Visitors;

use crate::{outsider::Outsider, shop::Shop};

async fn loses_nothing(what: &str, url: String) {
    let (sites, known) = watch::channel(Vec::new());
    let mut shop = spawn_blocking(move || Shop::open(url, sites)).await.unwrap();
    let visitors = Visitors::of(&shop.url, Outsider::new(known));
    visitors.come_in().await;
    let watchers = visitors.watch();
    let load = Load::start(RATE, {
        let visitors = visitors.clone();
        move |n| visitors.clone().call(n)
    });
    load.goes_on(shop::APART).await;
    let mut shop = spawn_blocking(move || {
        shop.rolls();
        shop
    })
    .await
    .unwrap();
    load.goes_on(shop::APART).await;
    let calls = load.end().await;
    let cuts = watchers.end().await;
    let held = spawn_blocking(move || shop.close()).await.unwrap();

    let failed: Vec<_> = calls.iter().filter_map(|call| call.came.as_ref().err()).collect();
    let retried: u64 = calls.iter().filter_map(|call| call.came.as_ref().ok()).sum();
    let twice: BTreeMap<_, _> = held.iter().filter(|(_, times)| **times > 1).collect();
    let (goodbyes, moved) = visitors.outsider.told();
    println!(
        "{what}: {} calls, {} failed, {retried} retried, p99 {:.1?}; {} held, {} of them twice; streams cut: {cuts:?}; \
         without a registry {goodbyes} goodbyes, {moved} calls moved",
        calls.len(),
        failed.len(),
        p99(calls.iter()),
        held.len(),
        twice.len(),
    );
    assert!(failed.is_empty(), "{} calls failed, as {:?}", failed.len(), &failed[..failed.len().min(3)]);
    assert!(twice.is_empty(), "{twice:?}");
    assert_eq!(held.len(), calls.len() / 2, "each was put aside");
    assert!(goodbyes >= 2, "the connection outside of the registry met both ends: {goodbyes}");
    visitors::are_told(&cuts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_the_shop_loses_nothing_over_files() {
    let registry = Scratch::new("rolling").unwrap();
    loses_nothing("files", format!("file://{}", registry.path().display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_the_shop_loses_nothing_over_zookeeper() {
    let server = Server::zookeeper();
    loses_nothing("ZooKeeper", server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_the_shop_loses_nothing_over_nacos() {
    let server = Server::nacos();
    loses_nothing("Nacos", server.url()).await;
}
