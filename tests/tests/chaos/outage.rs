//! A registry that is away for a while under load and comes back empty: nobody who calls notices, whoever asks is told
//! why, and everyone is there again soon.

use std::time::Duration;

use mainstay_registry::Discover;
use testbed::{Scenario, scenario::Check, seed};
use tokio::{task::spawn_blocking, time::Instant};

use crate::{
    bed::{
        desk::{Consumer, DESK, KEY, provider, seen_by_a_stranger},
        programs::why,
        server::Server,
    },
    support::eventually,
};

/// Providers, of which none may be lost.
const PROVIDERS: usize = 3;

/// `mainstay why` says that so many are called, and how many of them are held back.
async fn explained(registry: &str, held: Option<usize>) {
    let url = registry.to_owned();
    let (fine, said) = spawn_blocking(move || why(KEY, &url)).await.unwrap();
    assert!(fine, "{said}");
    assert_eq!(said["taken"], PROVIDERS, "{said}");
    match held {
        None => assert!(said["hold"].is_null() && said["unwell"].is_null(), "{said}"),
        Some(count) => {
            assert_eq!((&said["hold"]["reason"], &said["hold"]["count"]), (&"silent".into(), &count.into()), "{said}");
            assert!(said["unwell"].as_str().is_some_and(|why| why.contains("refused")), "{said}");
            assert!(said["instances"].as_array().unwrap().iter().all(|one| one["code"] == "held"), "{said}");
        }
    }
}

async fn is_not_noticed(name: &str, mut server: Server) {
    let about =
        format!("{server} is killed while {PROVIDERS} providers are called by it, and comes back without its data.");
    let mut scenario = Scenario::new(name, &about);
    let away = Duration::from_secs(seed::rounds(8, 60).into());
    let url = server.url();
    let mut providers = Vec::new();
    for at in 0..PROVIDERS {
        providers.push(provider(&format!("n{at}"), &url).await);
    }
    seen_by_a_stranger(&url, PROVIDERS).await;
    let consumer = Consumer::start(&url);
    consumer.goes_on(Duration::from_secs(1)).await;
    explained(&url, None).await;

    server.kill();
    let from = scenario.now();
    let since = Instant::now();
    eventually("it is noticed", async || consumer.hub.survey(DESK).unwell.is_some()).await;
    eventually("who is kept is told", async || {
        consumer.hub.survey(DESK).hold.is_some_and(|hold| hold.count == PROVIDERS)
    })
    .await;
    explained(&url, Some(PROVIDERS)).await;
    consumer.goes_on(away.saturating_sub(since.elapsed())).await;
    server.afresh();
    let (ready, to) = (Instant::now(), scenario.now());
    seen_by_a_stranger(&url, PROVIDERS).await;
    let back = ready.elapsed();
    eventually("it is well", async || consumer.hub.survey(DESK).unwell.is_none()).await;
    consumer.goes_on(Duration::from_secs(2)).await;
    let tally = consumer.tally();
    println!("{server} away for {:?}; {:?}", ready - since, tally.failed.first());
    scenario.calls("calls", consumer.began(), tally.samples.iter().copied());
    scenario.fault(&format!("{server} is away"), from..to, PROVIDERS as u64, "providers that were held");
    scenario.check(Check::none("failed calls", tally.failed.len()));
    scenario.check(Check::within("all are listed again", back, server.back_within()));
    drop(consumer);
    for provider in providers {
        provider.drain().await;
    }
    scenario.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_do_not_notice_that_zookeeper_was_away_and_came_back_empty() {
    is_not_noticed("calls_do_not_notice_that_zookeeper_was_away_and_came_back_empty", Server::zookeeper()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_do_not_notice_that_nacos_was_away_and_came_back_empty() {
    is_not_noticed("calls_do_not_notice_that_nacos_was_away_and_came_back_empty", Server::nacos()).await;
}
