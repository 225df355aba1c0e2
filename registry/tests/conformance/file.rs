//! The embedded registry among real processes: kill -9, stop, crowds, and a directory that is tampered with.

use std::{collections::BTreeSet, fs, time::Duration};

use mainstay_registry::{Change, Discover, DownCause, FileRegistry, Instance, Lookup, Registry, ServiceKey};
use rustix::process::Signal;
use tokio::time::Instant;

use crate::{
    child::{Provider, be_provider_if_asked},
    scratch::Scratch,
    support::{DEADLINE, apply, eventually, follow_until, next, stock},
};

const KEY: &str = "shop.stock.v1.StockApi:1.0.0";
/// The test that provider processes run as.
pub(crate) const ENTRY: &str = "file::a_provider_process_is_found_and_says_goodbye";

fn lookup() -> Lookup {
    Lookup::new(KEY.parse::<ServiceKey>().unwrap())
}

fn url(scratch: &Scratch) -> String {
    format!("file://{}", scratch.path().display())
}

fn ids(known: &[Instance]) -> BTreeSet<&str> {
    known.iter().map(|instance| instance.id.as_str()).collect()
}

#[test]
fn a_provider_process_is_found_and_says_goodbye() {
    be_provider_if_asked();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let scratch = Scratch::new();
        let registry = FileRegistry::open(scratch.path()).unwrap();
        let mut changes = registry.subscribe(lookup());
        assert_eq!(next(&mut changes).await, Change::Snapshot(vec![]));
        let provider = Provider::start(ENTRY, &url(&scratch), "one", KEY);
        assert!(matches!(next(&mut changes).await, Change::Up(up) if up.id.as_str() == "one"));
        provider.leave();
        assert!(matches!(next(&mut changes).await, Change::Down(id, DownCause::Withdrawn) if id.as_str() == "one"));
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing is left behind");
    });
}

#[tokio::test]
async fn kill_9_is_seen_at_once() {
    let scratch = Scratch::new();
    let registry = FileRegistry::open(scratch.path()).unwrap();
    let mut changes = registry.subscribe(lookup());
    let mut known = Vec::new();
    let mut took = Vec::new();
    for round in 0..10 {
        let id = format!("round-{round}");
        let provider = Provider::start(ENTRY, &url(&scratch), &id, KEY);
        follow_until(&mut changes, &mut known, "it is up", |known| ids(known).contains(id.as_str())).await;
        let killed = Instant::now();
        provider.signal(Signal::KILL);
        let heard = follow_until(&mut changes, &mut known, "it is down", |known| known.is_empty()).await;
        took.push(killed.elapsed());
        assert!(matches!(&heard[..], [Change::Down(_, DownCause::Died)]), "{heard:?}");
    }
    took.sort();
    println!("kill -9 to Down: median {:?}, worst {:?}, all {took:?}", took[took.len() / 2], took[took.len() - 1]);
    assert!(took[took.len() - 1] < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_stopped_process_stays_listed_and_a_killed_stopped_one_does_not() {
    let scratch = Scratch::new();
    let registry = FileRegistry::open(scratch.path()).unwrap();
    let mut changes = registry.subscribe(lookup());
    let mut known = Vec::new();
    let stopped = Provider::start(ENTRY, &url(&scratch), "stopped", KEY);
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    stopped.signal(Signal::STOP);
    // Another one comes and goes: the directory was looked at meanwhile, by hint and by probe.
    let other = Provider::start(ENTRY, &url(&scratch), "other", KEY);
    follow_until(&mut changes, &mut known, "the other is up", |known| known.len() == 2).await;
    drop(other);
    follow_until(&mut changes, &mut known, "the other is down", |known| known.len() == 1).await;
    assert_eq!(ids(&known), ["stopped"].into());
    drop(stopped);
    follow_until(&mut changes, &mut known, "it is down", |known| known.is_empty()).await;
}

/// Twenty processes at a time, sixty in all, start and end in every way at once; a second consumer comes late.
#[tokio::test]
async fn a_crowd_leaves_no_ghost_and_nobody_is_missing() {
    let scratch = Scratch::new();
    let registry = FileRegistry::open(scratch.path()).unwrap();
    let mut changes = registry.subscribe(lookup());
    let mut known = Vec::new();
    let mut living = Vec::new();
    for wave in 0..3 {
        let mut started: Vec<_> =
            (0..20).map(|n| Provider::launch(ENTRY, &url(&scratch), &format!("{wave}-{n}"), KEY)).collect();
        // The previous wave ends while this one starts: killed, or by goodbye, alternately.
        for (n, provider) in living.drain(..).enumerate() {
            if n % 2 == 0 { drop::<Provider>(provider) } else { provider.leave() }
        }
        started.iter_mut().for_each(Provider::wait_until_registered);
        living = started;
        let expected: BTreeSet<String> = (0..20).map(|n| format!("{wave}-{n}")).collect();
        let complete = |known: &[Instance]| ids(known).into_iter().eq(expected.iter().map(String::as_str));
        let what = format!("exactly wave {wave} is there");
        follow_until(&mut changes, &mut known, &what, complete).await;
        let late = FileRegistry::open(scratch.path()).unwrap();
        let mut snapshot = Vec::new();
        apply(&mut snapshot, &next(&mut late.subscribe(lookup())).await);
        assert!(complete(&snapshot), "a late consumer sees the same at once: {snapshot:?}");
    }
    living.clear();
    follow_until(&mut changes, &mut known, "all are gone", |known| known.is_empty()).await;
    eventually("the files of the dead are swept", async || fs::read_dir(scratch.path()).unwrap().count() == 0).await;
}

#[tokio::test]
async fn a_directory_that_is_deleted_costs_no_instance() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("registry");
    let provider = FileRegistry::open(&dir).unwrap();
    let consumer = FileRegistry::open(&dir).unwrap();
    let mut lease = provider.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let mut changes = consumer.subscribe(lookup());
    assert!(matches!(next(&mut changes).await, Change::Snapshot(all) if all.len() == 1));
    let mut known = Vec::new();
    for round in 1..=3 {
        fs::remove_dir_all(&dir).unwrap();
        eventually("the record is back", async || lease.repairs() >= u64::from(round)).await;
        // Whatever the consumer noticed of it on the way, it was never that the instance is down.
        lease.set_weight(round);
        let heard =
            follow_until(&mut changes, &mut known, "the weight", |known| matches!(known, [one] if one.weight == round))
                .await;
        assert!(!heard.iter().any(|change| matches!(change, Change::Down(..))), "{heard:?}");
    }
    drop(lease);
    follow_until(&mut changes, &mut known, "the goodbye is still heard", |known| known.is_empty()).await;
}

#[tokio::test]
async fn replacing_a_record_never_looks_like_an_absence() {
    let scratch = Scratch::new();
    let provider = FileRegistry::open(scratch.path()).unwrap();
    let consumer = FileRegistry::open(scratch.path()).unwrap();
    let mut lease = provider.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let mut changes = consumer.subscribe(lookup());
    let mut known = Vec::new();
    for weight in 1..=200 {
        lease.set_weight(weight);
        let heard = follow_until(
            &mut changes,
            &mut known,
            "the weight",
            |known| matches!(known, [one] if one.weight == weight),
        )
        .await;
        assert!(!heard.iter().any(|change| matches!(change, Change::Down(..))), "{heard:?}");
    }
}

#[tokio::test]
async fn strangers_and_litter_do_no_harm() {
    let scratch = Scratch::new();
    let dir = scratch.path();
    fs::write(dir.join("README"), "not a record").unwrap();
    fs::write(dir.join("a.1.0123456789abcdef.1.json"), "not json, and nobody holds it").unwrap();
    fs::create_dir(dir.join("a.1.0123456789abcdef.2.json")).unwrap();
    let held = fs::File::create(dir.join("a.1.0123456789abcdef.3.json")).unwrap();
    held.try_lock().unwrap();
    fs::write(dir.join("a.1.0123456789abcdef.3.json"), [0xff; 9]).unwrap();
    let registry = FileRegistry::open(dir).unwrap();
    let mut changes = registry.subscribe(lookup());
    assert_eq!(next(&mut changes).await, Change::Snapshot(vec![]));
    let lease = registry.register(stock("one", &[KEY]));
    let mut known = Vec::new();
    follow_until(&mut changes, &mut known, "a real one is found", |known| known.len() == 1).await;
    assert!(!dir.join("a.1.0123456789abcdef.1.json").exists(), "what nobody holds is swept");
    assert!(dir.join("README").exists(), "what is not ours is left alone");
    drop(lease);
}

#[tokio::test]
async fn an_oversized_registration_is_refused_and_the_others_stay() {
    let scratch = Scratch::new();
    let registry = FileRegistry::open(scratch.path()).unwrap();
    let mut good = registry.register(stock("good", &[KEY]));
    good.registered(DEADLINE).await.unwrap();
    let mut large = stock("large", &[KEY]);
    large.instance.labels.insert("x".to_owned(), "y".repeat(mainstay_registry::file::MAX_RECORD));
    let mut refused = registry.register(large);
    let error = refused.registered(Duration::from_millis(300)).await.unwrap_err().to_string();
    assert!(error.contains("at most 262144 are taken"), "{error}");
    good.set_weight(7);
    let mut known = Vec::new();
    let mut changes = registry.subscribe(lookup());
    follow_until(
        &mut changes,
        &mut known,
        "the other one still works",
        |known| matches!(known, [one] if one.weight == 7),
    )
    .await;
}
