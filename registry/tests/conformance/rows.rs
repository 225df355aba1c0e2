//! The rows of the suite: what every adapter does, and what one does that declares a capability.

use std::time::Duration;

use mainstay_registry::{
    Capabilities, Change, Discover, DownCause, Hub, Instance, InstanceId, LeaseState, Lookup, Outcome, Registry,
    ServiceKey,
};

use tokio::time::timeout;

use crate::support::{DEADLINE, eventually, follow_until, next, stock};

/// One registry under test.
pub(crate) trait Subject {
    /// What it declares.
    const DECLARED: Capabilities;
    /// What its description starts with.
    const SCHEME: &str;
    /// Whether it tells a goodbye from a death. What does not, says that an instance is not listed any more.
    const CAUSES: bool = true;
    /// How long a killed or stopped provider is listed, at most.
    const NOTICES: Duration = Duration::from_secs(1);

    /// A new client of the same registry, as another process would have one.
    fn client(&self) -> Hub;

    /// Removes all registrations behind their owners' backs.
    async fn tamper(&self) {
        panic!("it declares `register`: say how a registration can be lost");
    }

    /// Starts a provider of `key` in a process of its own and answers what kills it.
    fn killable(&self, _id: &str, _key: &str) -> impl FnOnce() {
        panic!("it declares `detect_kill`: say how a provider is started");
        #[expect(unreachable_code, reason = "gives the closure its type")]
        || {}
    }

    /// Starts a provider of `key` in a process of its own and answers what stops it (true) and lets it go on (false).
    fn stoppable(&self, _id: &str, _key: &str) -> impl FnMut(bool) {
        panic!("it declares `detect_stop`: say how a provider is started");
        #[expect(unreachable_code, reason = "gives the closure its type")]
        |_| {}
    }

    /// Ends one of its servers, the one that matters most; false when it is the only one.
    async fn lose_a_server(&self) -> bool {
        panic!("it declares `ensemble`: say how a server is lost");
    }

    /// Makes the registry lose everything and come back.
    async fn restart(&self) {
        panic!("it declares `server_restart`: say how it is restarted");
    }

    /// A key under which there are instances, where nothing can be registered.
    fn filled(&self) -> usize {
        0
    }
}

/// Runs every row that `subject` declares.
pub(crate) async fn conform<S: Subject>(subject: S) {
    let Capabilities { register, detect_kill, detect_stop, server_restart, ensemble, config, .. } = S::DECLARED;
    assert_eq!(subject.client().capabilities(), S::DECLARED);
    row("starts with a snapshot", starts_with_a_snapshot(&subject)).await;
    row("says what it is", says_what_it_is(&subject)).await;
    if register {
        row("register, see, leave", register_see_leave(&subject)).await;
        row("two keys on one instance", two_keys_on_one_instance(&subject)).await;
        row("an update keeps the identity", an_update_keeps_the_identity(&subject)).await;
        row("offline is kept until it is over", offline_is_kept_until_it_is_over(&subject)).await;
        row("lookups tell services apart", lookups_tell_services_apart(&subject)).await;
        row("a listing has who is registered", a_listing_has_who_is_registered(&subject)).await;
        row("an absence is explained", an_absence_is_explained(&subject)).await;
        row("a lost registration is repaired", a_lost_registration_is_repaired(&subject)).await;
    } else {
        row("takes no registrations and says so", takes_no_registrations(&subject)).await;
    }
    if detect_kill {
        row("detect kill", detects_a_kill(&subject)).await;
    }
    if server_restart {
        row("server restart", survives_a_restart(&subject)).await;
    }
    assert_eq!(subject.client().config_center().is_ok(), config, "it has a config centre where it says so");
    if detect_stop {
        row("detect stop", detects_a_stop(&subject)).await;
    }
    if ensemble {
        row("ensemble", survives_the_loss_of_a_server(&subject)).await;
    }
}

async fn row(name: &str, run: impl Future<Output = ()>) {
    run.await;
    println!("{name}: ok");
}

fn lookup(key: &str) -> Lookup {
    Lookup::new(key.parse::<ServiceKey>().unwrap())
}

async fn starts_with_a_snapshot(subject: &impl Subject) {
    let client = subject.client();
    for _ in 0..2 {
        let change = next(&mut client.subscribe(lookup("nobody.Knows"))).await;
        let Change::Snapshot(all) = &change else { panic!("{change:?}") };
        assert_eq!(all.len(), subject.filled());
    }
}

async fn says_what_it_is<S: Subject>(subject: &S) {
    let client = subject.client();
    assert!(Registry::describe(&client).starts_with(S::SCHEME), "{}", Registry::describe(&client));
    assert_eq!(Registry::describe(&client), Discover::describe(&client));
}

/// How `S` tells of an instance that is gone for this reason.
fn gone<S: Subject>(cause: DownCause) -> DownCause {
    if S::CAUSES { cause } else { DownCause::Unlisted }
}

async fn register_see_leave<S: Subject>(subject: &S) {
    let (provider, consumer) = (subject.client(), subject.client());
    let mut changes = consumer.subscribe(lookup("a.B:1"));
    assert_eq!(next(&mut changes).await, Change::Snapshot(vec![]));
    let registration = stock("one", &["a.B:1"]);
    let mut lease = provider.register(registration.clone());
    lease.registered(DEADLINE).await.unwrap();
    assert_eq!(lease.state(), LeaseState::Registered);
    assert_eq!(next(&mut changes).await, Change::Up(registration.instance.clone().into()));
    let late = next(&mut consumer.subscribe(lookup("a.B:1"))).await;
    assert_eq!(late, Change::Snapshot(vec![registration.instance.into()]), "a late consumer sees it at once");
    lease.withdraw(DEADLINE).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Down(InstanceId::new("one"), gone::<S>(DownCause::Withdrawn)));
    // A lease that is dropped is a goodbye too.
    drop(provider.register(stock("two", &["a.B:1"])));
    let mut three = provider.register(stock("three", &["a.B:1"]));
    three.registered(DEADLINE).await.unwrap();
    let mut known = vec![];
    follow_until(
        &mut changes,
        &mut known,
        "only three is left",
        |known| matches!(known, [three] if three.id.as_str() == "three"),
    )
    .await;
    drop(three);
    follow_until(&mut changes, &mut known, "nobody is left", <[Instance]>::is_empty).await;
}

async fn two_keys_on_one_instance(subject: &impl Subject) {
    let (provider, consumer) = (subject.client(), subject.client());
    let mut lease = provider.register(stock("one", &["a.B:1", "blue/a.C"]));
    lease.registered(DEADLINE).await.unwrap();
    for key in ["a.B:1", "blue/a.C", "*/a.C:*"] {
        let mut known = vec![];
        follow_until(&mut consumer.subscribe(lookup(key)), &mut known, key, |known| known.len() == 1).await;
        assert_eq!(known[0].id.as_str(), "one");
    }
    lease.withdraw(DEADLINE).await.unwrap();
}

async fn an_update_keeps_the_identity(subject: &impl Subject) {
    let (provider, consumer) = (subject.client(), subject.client());
    let registration = stock("one", &["a.B:1"]);
    let mut lease = provider.register(registration.clone());
    lease.registered(DEADLINE).await.unwrap();
    let mut changes = consumer.subscribe(lookup("a.B:1"));
    let mut known = vec![];
    // Where a server is slow at first, the last good set may come before: one of the same name that has left.
    follow_until(&mut changes, &mut known, "it is up", |known| known == [registration.instance.clone()]).await;
    lease.update(|instance| {
        instance.weight = 7;
        instance.labels.insert("colour".to_owned(), "green".to_owned());
        instance.id = InstanceId::new("another");
    });
    let heard = follow_until(&mut changes, &mut known, "the new weight", |known| known[0].weight == 7).await;
    assert!(matches!(&heard[..], [Change::Up(up)] if up.id.as_str() == "one"), "{heard:?}");
    assert_eq!(known[0].labels["colour"], "green");
    lease.withdraw(DEADLINE).await.unwrap();
}

async fn offline_is_kept_until_it_is_over(subject: &impl Subject) {
    let (provider, consumer) = (subject.client(), subject.client());
    let mut lease = provider.register(stock("one", &["a.B:1"]));
    lease.registered(DEADLINE).await.unwrap();
    let mut changes = consumer.subscribe(lookup("a.B:1"));
    let mut known = vec![];
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    for weight in [7, 8] {
        lease.set_offline(true);
        follow_until(&mut changes, &mut known, "it is down", <[Instance]>::is_empty).await;
        eventually("it is offline", async || lease.state() == LeaseState::Offline).await;
        lease.set_weight(weight);
        lease.set_offline(false);
        lease.registered(DEADLINE).await.unwrap();
        follow_until(&mut changes, &mut known, "it is back", |known| known.len() == 1).await;
        assert_eq!((known[0].id.as_str(), known[0].weight), ("one", weight));
    }
    lease.set_offline(true);
    lease.withdraw(DEADLINE).await.unwrap();
    follow_until(&mut changes, &mut known, "it is gone", <[Instance]>::is_empty).await;
}

async fn lookups_tell_services_apart(subject: &impl Subject) {
    let (provider, consumer) = (subject.client(), subject.client());
    let mut leases: Vec<_> =
        ["a.B", "a.B:1", "blue/a.B:1", "a.BB:1"].map(|key| provider.register(stock(key, &[key]))).into_iter().collect();
    for lease in &mut leases {
        lease.registered(DEADLINE).await.unwrap();
    }
    let application = |name: &str| lookup("a.B:1").of_application(name);
    for (lookup, expected) in [
        (lookup("a.B"), vec!["a.B"]),
        (lookup("a.B:1"), vec!["a.B:1"]),
        (lookup("blue/a.B:1"), vec!["blue/a.B:1"]),
        (lookup("*/a.B:*"), vec!["a.B", "a.B:1", "blue/a.B:1"]),
        (lookup("blue/a.B"), vec![]),
        (application("stock"), vec!["a.B:1"]),
        (application("price"), vec![]),
    ] {
        let mut known = vec![];
        let what = format!("{lookup} finds {expected:?}");
        follow_until(&mut consumer.subscribe(lookup), &mut known, &what, |known| {
            let mut ids: Vec<_> = known.iter().map(|instance| instance.id.as_str()).collect();
            ids.sort_unstable();
            ids == expected
        })
        .await;
    }
}

async fn a_listing_has_who_is_registered(subject: &impl Subject) {
    let client = subject.client();
    let inspect = client.inspect().unwrap();
    let registration = stock("listed", &["a.B:1", "blue/a.C"]);
    let mut lease = client.register(registration.clone());
    lease.registered(DEADLINE).await.unwrap();
    // A registry takes its time to list, and to forget those of other rows.
    let found = async |interface| {
        let offers = inspect.list(interface).await.unwrap().offers.into_iter();
        let ours = offers.filter(|offer| offer.instance.id == registration.instance.id);
        ours.map(|offer| offer.key.to_string()).collect::<std::collections::BTreeSet<_>>()
    };
    for (interface, keys) in [(None, &["a.B:1", "blue/a.C"][..]), (Some("a.C"), &["blue/a.C"]), (Some("a.D"), &[])] {
        let keys: std::collections::BTreeSet<_> = keys.iter().map(|key| (*key).to_owned()).collect();
        eventually("it is listed", async || found(interface).await == keys).await;
    }
    let findings = inspect.examine().await;
    assert!(!findings.is_empty() && findings.iter().all(|one| one.outcome < Outcome::Bad), "{findings:?}");
    lease.withdraw(DEADLINE).await.unwrap();
    eventually("it is listed no more", async || found(None).await.is_empty()).await;
}

async fn an_absence_is_explained(subject: &impl Subject) {
    let (provider, consumer) = (subject.client(), subject.client());
    let mut old = provider.register(stock("old", &["a.D:0.9.0"]));
    old.registered(DEADLINE).await.unwrap();
    let wanted = lookup("a.D:1.0.0");
    let _changes = consumer.subscribe(wanted.clone());
    let place = Discover::describe(&consumer);
    let expected = format!("no instance of a.D 1.0.0 in {place}; found 1 of version 0.9.0; last change ");
    eventually("the other version is surveyed", async || {
        consumer.survey("a.D").explain(&wanted, &place).starts_with(&expected)
    })
    .await;
}

async fn a_lost_registration_is_repaired(subject: &impl Subject) {
    let (provider, consumer) = (subject.client(), subject.client());
    let mut lease = provider.register(stock("one", &["a.B:1"]));
    lease.registered(DEADLINE).await.unwrap();
    let mut changes = consumer.subscribe(lookup("a.B:1"));
    let mut known = vec![];
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    for repairs in 1..=2 {
        subject.tamper().await;
        eventually("it is repaired", async || lease.repairs() == repairs).await;
        follow_until(&mut changes, &mut known, "it is up again", |known| known.len() == 1).await;
    }
    assert_eq!(lease.state(), LeaseState::Registered);
    lease.withdraw(DEADLINE).await.unwrap();
}

async fn takes_no_registrations(subject: &impl Subject) {
    let mut lease = subject.client().register(stock("one", &["a.B:1"]));
    assert_eq!(lease.state(), LeaseState::Unsupported);
    assert!(lease.registered(DEADLINE).await.is_err());
    lease.withdraw(DEADLINE).await.unwrap();
}

async fn detects_a_kill<S: Subject>(subject: &S) {
    let consumer = subject.client();
    let mut changes = consumer.subscribe(lookup("a.B:1"));
    let kill = subject.killable("victim", "a.B:1");
    let mut known = vec![];
    follow_until(&mut changes, &mut known, "it is up", |known| matches!(known, [one] if one.id.as_str() == "victim"))
        .await;
    let killed = tokio::time::Instant::now();
    kill();
    let change = next(&mut changes).await;
    let took = killed.elapsed();
    assert_eq!(change, Change::Down(InstanceId::new("victim"), gone::<S>(DownCause::Died)));
    println!("  Down after {took:?}");
    assert!(took < S::NOTICES, "{took:?}");
}

async fn detects_a_stop<S: Subject>(subject: &S) {
    let consumer = subject.client();
    let mut changes = consumer.subscribe(lookup("a.B:1"));
    let mut stop = subject.stoppable("sleeper", "a.B:1");
    let mut known = vec![];
    follow_until(&mut changes, &mut known, "it is up", |known| matches!(known, [one] if one.id.as_str() == "sleeper"))
        .await;
    let stopped = tokio::time::Instant::now();
    stop(true);
    let change = timeout(S::NOTICES, changes.next()).await.expect("it is noticed").expect("an open stream");
    let took = stopped.elapsed();
    assert_eq!(change, Change::Down(InstanceId::new("sleeper"), gone::<S>(DownCause::Died)));
    stop(false);
    assert!(matches!(next(&mut changes).await, Change::Up(up) if up.id.as_str() == "sleeper"));
    println!("  Down after {took:?}, up again {:?} after the stop", stopped.elapsed());
    assert!(took < S::NOTICES, "{took:?}");
}

async fn survives_the_loss_of_a_server(subject: &impl Subject) {
    let (provider, consumer) = (subject.client(), subject.client());
    let mut lease = provider.register(stock("one", &["a.B:1"]));
    lease.registered(DEADLINE).await.unwrap();
    let mut changes = consumer.subscribe(lookup("a.B:1"));
    let mut known = vec![];
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    if !subject.lose_a_server().await {
        return println!("  one server: nothing to lose");
    }
    lease.set_weight(7);
    let heard = follow_until(&mut changes, &mut known, "the new weight", |known| known[0].weight == 7).await;
    assert!(matches!(&heard[..], [Change::Up(_)]), "{heard:?}");
    let mut other = provider.register(stock("two", &["a.B:1"]));
    other.registered(DEADLINE).await.unwrap();
    follow_until(&mut changes, &mut known, "another one", |known| known.len() == 2).await;
}

async fn survives_a_restart<S: Subject>(subject: &S) {
    let (provider, consumer) = (subject.client(), subject.client());
    let mut lease = provider.register(stock("one", &["a.B:1"]));
    let there = if S::DECLARED.register { 1 } else { subject.filled() };
    if S::DECLARED.register {
        lease.registered(DEADLINE).await.unwrap();
    }
    let mut changes = consumer.subscribe(lookup("a.B:1"));
    let mut known = vec![];
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == there).await;
    subject.restart().await;
    // What was heard on the way was never a Down: a second look finds all, and so does a new client.
    follow_until(&mut subject.client().subscribe(lookup("a.B:1")), &mut vec![], "a new client", |known| {
        known.len() == there
    })
    .await;
    let heard = tokio::time::timeout(Duration::from_millis(10), changes.next()).await;
    assert!(!matches!(heard, Ok(Some(Change::Down(..)))), "{heard:?}");
    // A lease that is dropped goes in its own time: on a busy machine its last node would be a provider of the next row.
    lease.withdraw(DEADLINE).await.unwrap();
}
