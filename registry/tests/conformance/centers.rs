//! One conformance suite for config centres: what every adapter does, whatever stands behind it.

use std::{sync::Arc, time::Duration};

use mainstay_registry::config::{
    Config, ConfigCenter, ConfigError, ConfigKey, ConfigSight, ConfigWatch, Expected, MAX_CONFIG,
};
use tokio::time::{Instant, timeout};

use crate::support::{DEADLINE, eventually};

/// How long a centre that came back is not believed when it says that a key is gone, and some time more.
const SETTLED: Duration = Duration::from_secs(45);

/// One config centre under test.
pub(crate) trait Center {
    /// A new client of the same centre, as another process would have one.
    fn client(&self) -> Arc<dyn ConfigCenter>;

    /// Whether it can be away: a centre in the same process cannot.
    const CAN_BE_AWAY: bool;

    /// Makes the centre unreachable for the clients that there are.
    async fn away(&self) {
        panic!("it can be away: say how");
    }

    /// Makes it reachable again. Meanwhile, others have published what `changes` says (a content, or that it is gone).
    async fn back(&self, _changes: &[(ConfigKey, Option<&str>)]) {
        panic!("it can be away: say how it comes back");
    }
}

/// Runs every row.
pub(crate) async fn conform<C: Center>(center: C) {
    row("an absent key is absent", an_absent_key_is_absent(&center)).await;
    row("the first publish is told", the_first_publish_is_told(&center)).await;
    row("what is published is there", what_is_published_is_there(&center)).await;
    row("only what is expected is replaced", only_what_is_expected_is_replaced(&center)).await;
    row("writers do not lose each other's work", writers_do_not_lose_each_others_work(&center)).await;
    row("a deletion is told", a_deletion_is_told(&center)).await;
    row("keys do not disturb each other", keys_do_not_disturb_each_other(&center)).await;
    row("contents are bounded", contents_are_bounded(&center)).await;
    if C::CAN_BE_AWAY {
        row("what changed meanwhile is told", what_changed_meanwhile_is_told(&center)).await;
    }
}

async fn row(name: &str, run: impl Future<Output = ()>) {
    run.await;
    println!("config: {name}: ok");
}

pub(crate) fn key(name: &str) -> ConfigKey {
    ConfigKey::new(name).unwrap()
}

/// The next sight, or a panic when none comes.
pub(crate) async fn next(watch: &mut ConfigWatch) -> ConfigSight {
    timeout(DEADLINE, watch.next()).await.expect("a sight in time").expect("an open watch")
}

/// Follows until this content is told; `None` is that there is none.
pub(crate) async fn until(watch: &mut ConfigWatch, content: Option<&str>) {
    let follow = async {
        loop {
            match watch.next().await.expect("an open watch") {
                ConfigSight::Present(config) if Some(config.content.as_str()) == content => return,
                ConfigSight::Absent if content.is_none() => return,
                other => println!("  on the way to {content:?}: {other:?}"),
            }
        }
    };
    assert!(timeout(SETTLED, follow).await.is_ok(), "{content:?} was not told");
}

async fn an_absent_key_is_absent(center: &impl Center) {
    let (client, key) = (center.client(), key("absent"));
    assert_eq!(client.get(&key).await.unwrap(), None);
    assert_eq!(next(&mut client.watch(&key)).await, ConfigSight::Absent);
    client.delete(&key, Expected::Any).await.unwrap();
    client.delete(&key, Expected::Absent).await.unwrap();
}

async fn the_first_publish_is_told(center: &impl Center) {
    let (writer, reader, key) = (center.client(), center.client(), key("first"));
    let mut watch = reader.watch(&key);
    assert_eq!(next(&mut watch).await, ConfigSight::Absent);
    let version = writer.publish(&key, "a: 1\n", Expected::Absent).await.unwrap();
    assert_eq!(next(&mut watch).await, ConfigSight::Present(Config::new("a: 1\n", version)));
    writer.delete(&key, Expected::Any).await.unwrap();
}

async fn what_is_published_is_there(center: &impl Center) {
    let (writer, reader, key) = (center.client(), center.client(), key("shop.condition-router"));
    let mut before = Vec::new();
    for content in ["a", "rules:\n  - \"host=10.0.* => zone=ä\"\r\n\n", " a ", "a\u{1F600}b"] {
        let version = writer.publish(&key, content, Expected::Any).await.unwrap();
        let there = reader.get(&key).await.unwrap();
        assert_eq!(there, Some(Config::new(content, version.clone())), "byte for byte");
        assert_eq!(next(&mut reader.watch(&key)).await, ConfigSight::Present(there.unwrap()), "a late reader");
        assert!(!before.contains(&version), "another content has another version");
        before.push(version);
    }
    writer.delete(&key, Expected::Any).await.unwrap();
}

async fn only_what_is_expected_is_replaced(center: &impl Center) {
    let (client, key) = (center.client(), key("compared"));
    let first = client.publish(&key, "1", Expected::Absent).await.unwrap();
    let conflict = |result: Result<_, ConfigError>| match result {
        Err(ConfigError::Conflict { found, .. }) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(conflict(client.publish(&key, "2", Expected::Absent).await.map(drop)), Some(first.clone()));
    let second = client.publish(&key, "2", Expected::Version(first.clone())).await.unwrap();
    let stale = Expected::Version(first);
    assert_eq!(conflict(client.publish(&key, "3", stale.clone()).await.map(drop)), Some(second.clone()));
    assert_eq!(conflict(client.delete(&key, stale).await), Some(second.clone()));
    assert_eq!(client.get(&key).await.unwrap().unwrap().content, "2", "a conflict changes nothing");
    client.delete(&key, Expected::Version(second.clone())).await.unwrap();
    assert_eq!(conflict(client.publish(&key, "4", Expected::Version(second)).await.map(drop)), None);
    assert_eq!(client.get(&key).await.unwrap(), None);
}

/// Counts up by comparing and replacing, from several clients at once.
async fn writers_do_not_lose_each_others_work(center: &impl Center) {
    const WRITERS: usize = 4;
    const EACH: usize = 10;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let client = center.client();
        writers.spawn(async move { count(client.as_ref(), EACH).await });
    }
    while let Some(counted) = writers.join_next().await {
        counted.unwrap();
    }
    let (client, key) = (center.client(), key("counter"));
    assert_eq!(client.get(&key).await.unwrap().unwrap().content, (WRITERS * EACH).to_string());
    client.delete(&key, Expected::Any).await.unwrap();
}

async fn count(client: &dyn ConfigCenter, times: usize) {
    let (key, mut done) = (key("counter"), 0);
    while done < times {
        let there = client.get(&key).await.unwrap();
        let next = there.as_ref().map_or(0, |config| config.content.parse::<usize>().unwrap()) + 1;
        let expected = there.map_or(Expected::Absent, |config| Expected::Version(config.version));
        match client.publish(&key, &next.to_string(), expected).await {
            Ok(_) => done += 1,
            Err(ConfigError::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn a_deletion_is_told(center: &impl Center) {
    let (writer, reader, key) = (center.client(), center.client(), key("deleted"));
    writer.publish(&key, "1", Expected::Absent).await.unwrap();
    let mut watch = reader.watch(&key);
    until(&mut watch, Some("1")).await;
    writer.delete(&key, Expected::Any).await.unwrap();
    assert_eq!(next(&mut watch).await, ConfigSight::Absent);
    assert_eq!(reader.get(&key).await.unwrap(), None);
    writer.publish(&key, "1", Expected::Absent).await.unwrap();
    assert!(matches!(next(&mut watch).await, ConfigSight::Present(_)), "made again, it is told again");
    writer.delete(&key, Expected::Any).await.unwrap();
}

async fn keys_do_not_disturb_each_other(center: &impl Center) {
    let client = center.client();
    let keys = [key("one"), ConfigKey::in_group("two", "one").unwrap(), key("one:1.0:g.configurators")];
    for (at, key) in keys.iter().enumerate() {
        client.publish(key, &at.to_string(), Expected::Absent).await.unwrap();
    }
    let mut first = client.watch(&keys[0]);
    until(&mut first, Some("0")).await;
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(client.get(key).await.unwrap().unwrap().content, at.to_string());
        client.delete(key, Expected::Any).await.unwrap();
    }
    assert_eq!(next(&mut first).await, ConfigSight::Absent);
}

async fn contents_are_bounded(center: &impl Center) {
    let (client, key) = (center.client(), key("large"));
    for nothing in ["", " ", "\r\n\t"] {
        assert!(matches!(client.publish(&key, nothing, Expected::Any).await, Err(ConfigError::Empty { .. })));
    }
    let mut large = "x".repeat(MAX_CONFIG);
    client.publish(&key, &large, Expected::Any).await.unwrap();
    assert_eq!(client.get(&key).await.unwrap().unwrap().content.len(), MAX_CONFIG);
    large.push('x');
    assert!(matches!(client.publish(&key, &large, Expected::Any).await, Err(ConfigError::TooLarge { .. })));
    client.delete(&key, Expected::Any).await.unwrap();
}

async fn what_changed_meanwhile_is_told(center: &impl Center) {
    let [changed, deleted, made, same] = ["changed", "gone", "made", "same"].map(key);
    let (writer, reader) = (center.client(), center.client());
    for key in [&changed, &deleted, &same] {
        writer.publish(key, "before", Expected::Any).await.unwrap();
    }
    let mut watches = [&changed, &deleted, &made, &same].map(|key| reader.watch(key));
    for (watch, content) in watches.iter_mut().zip([Some("before"), Some("before"), None, Some("before")]) {
        until(watch, content).await;
    }
    center.away().await;
    eventually("it was noticed", async || watches.iter().all(|watch| watch.trouble().is_some())).await;
    center.back(&[(changed.clone(), Some("after")), (deleted.clone(), None), (made.clone(), Some("new"))]).await;
    let back = Instant::now();
    for (at, content) in [(0, Some("after")), (2, Some("new")), (1, None)] {
        until(&mut watches[at], content).await;
    }
    assert!(watches.iter().all(|watch| watch.trouble().is_none()));
    // That a key is gone after an outage is not believed at once.
    assert!(back.elapsed() > Duration::from_secs(20), "{:?}", back.elapsed());
    let heard = timeout(Duration::from_millis(10), watches[3].next()).await;
    assert!(heard.is_err(), "what did not change is not told: {heard:?}");
    for key in [&changed, &made, &same] {
        center.client().delete(key, Expected::Any).await.unwrap();
    }
}
