//! What happens to servers, wires and nodes.

use std::{path::PathBuf, process::Command, time::Duration};

use mainstay_registry::{Discover, Hub, LeaseState, Registry, connect};
use testbed::{Proxy, Scratch, ports, tree, zookeeper::Server};
use tokio::time::Instant;
use zookeeper_client::{Acl, Acls, AuthId, Client, CreateMode, Permission};

use crate::{
    ENTRY,
    bed::{KEY, LONG, SHORT, hub, lookup, never_down, shared, weighs},
    child::Provider,
    raw,
    support::{DEADLINE, eventually, follow_until, stock},
};

/// Kills the server, starts it again, and sees that nobody was lost meanwhile.
async fn restarted(with_data: bool) {
    let mut server = Server::start("zookeeper");
    let chroot = raw::chroot();
    let (provider, consumer) = (hub(server.address(), &chroot, SHORT), hub(server.address(), &chroot, SHORT));
    let mut lease = provider.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    server.process().kill().unwrap();
    // Long enough that the session ends, by whichever clock.
    eventually("the consumer knows", async || consumer.survey("a.B").unwell.is_some()).await;
    eventually("the provider knows", async || lease.trouble().is_some()).await;
    eventually("it is kept", async || consumer.survey("a.B").hold.is_some_and(|hold| hold.count == 1)).await;
    if !with_data {
        server.empty();
    }
    server.again();
    let ready = Instant::now();
    eventually("it is registered", async || lease.state() == LeaseState::Registered && lease.trouble().is_none()).await;
    let took = ready.elapsed();
    println!("registered {took:?} after the server was ready, with data: {with_data}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    lease.set_weight(7);
    never_down(&follow_until(&mut changes, &mut known, "the new weight", weighs(7)).await);
    let client = raw::client(&server.address().to_string()).await;
    eventually("one node is left", async || raw::providers(&client, &chroot, "a.B").await.len() == 1).await;
}

#[tokio::test]
async fn a_server_that_comes_back_with_its_data_costs_nothing() {
    restarted(true).await;
}

#[tokio::test]
async fn a_server_that_comes_back_empty_costs_nothing() {
    restarted(false).await;
}

/// Taken offline while the server is away: it is not there when that comes back, also with the data in which it was.
#[tokio::test]
async fn what_is_taken_offline_while_the_server_is_away_stays_offline() {
    let mut server = Server::start("zookeeper");
    let chroot = raw::chroot();
    let provider = hub(server.address(), &chroot, SHORT);
    let mut lease = provider.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    server.process().kill().unwrap();
    eventually("the provider knows", async || lease.trouble().is_some()).await;
    lease.set_offline(true);
    server.again();
    eventually("it is offline", async || lease.state() == LeaseState::Offline && lease.trouble().is_none()).await;
    let client = raw::client(&server.address().to_string()).await;
    eventually("no node is left", async || raw::providers(&client, &chroot, "a.B").await.is_empty()).await;
    lease.set_offline(false);
    lease.registered(DEADLINE).await.unwrap();
    assert_eq!(raw::providers(&client, &chroot, "a.B").await.len(), 1);
}

/// The wire of the provider is cut for longer than its session lasts: others do not see it any more, until it heals.
#[tokio::test]
async fn a_provider_that_is_cut_off_comes_back_by_itself() {
    let server = shared();
    let proxy = Proxy::start(server.address()).unwrap();
    let chroot = raw::chroot();
    let (provider, consumer) = (hub(proxy.addr(), &chroot, SHORT), hub(server.address(), &chroot, SHORT));
    let mut lease = provider.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    proxy.black_hole();
    follow_until(&mut changes, &mut known, "it is down", <[_]>::is_empty).await;
    eventually("it knows", async || lease.trouble().is_some()).await;
    proxy.heal();
    follow_until(&mut changes, &mut known, "it is up again", |known| known.len() == 1).await;
    assert!(proxy.counts().held > 0, "nothing was held back: {:?}", proxy.counts());
    eventually("it is registered", async || lease.state() == LeaseState::Registered && lease.trouble().is_none()).await;
}

/// The wire of the consumer is cut: it keeps what it knew, says so, and hears of what happened meanwhile.
#[tokio::test]
async fn a_consumer_that_is_cut_off_keeps_what_it_knew() {
    let server = shared();
    let proxy = Proxy::start(server.address()).unwrap();
    let chroot = raw::chroot();
    let (provider, consumer) = (hub(server.address(), &chroot, SHORT), hub(proxy.addr(), &chroot, SHORT));
    let mut lease = provider.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    proxy.black_hole();
    eventually("it knows", async || consumer.survey("a.B").unwell.is_some()).await;
    lease.set_weight(7);
    eventually("it is kept", async || consumer.survey("a.B").hold.is_some_and(|hold| hold.count == 1)).await;
    proxy.heal();
    never_down(&follow_until(&mut changes, &mut known, "the new weight", weighs(7)).await);
    assert!(proxy.counts().held > 0, "nothing was held back: {:?}", proxy.counts());
    eventually("it is well", async || consumer.survey("a.B").unwell.is_none()).await;
}

/// A connection that is reset while its session lives is no event for anybody.
#[tokio::test]
async fn a_reset_costs_nothing() {
    let server = shared();
    let proxy = Proxy::start(server.address()).unwrap();
    let chroot = raw::chroot();
    let hub = hub(proxy.addr(), &chroot, LONG);
    let mut lease = hub.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let (mut changes, mut known) = (hub.subscribe(lookup()), vec![]);
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    for weight in 1..=5 {
        assert!(proxy.reset() > 0, "there was no connection to reset");
        lease.set_weight(weight);
        never_down(&follow_until(&mut changes, &mut known, "the new weight", weighs(weight)).await);
    }
    assert!(proxy.counts().reset > 0);
    assert_eq!(lease.repairs(), 0, "its session lived on");
    assert_eq!(consumer_hold(&hub), None, "nothing was held back");
}

fn consumer_hold(hub: &Hub) -> Option<usize> {
    hub.survey("a.B").hold.map(|hold| hold.count)
}

#[tokio::test]
async fn a_registry_that_is_absent_at_the_start_is_found_when_it_comes() {
    let mut server = Server::prepare("zookeeper", ports::free().unwrap(), "", 0);
    let chroot = raw::chroot();
    let (provider, consumer) = (hub(server.address(), &chroot, SHORT), hub(server.address(), &chroot, SHORT));
    let since = Instant::now();
    let mut lease = provider.register(stock("one", &[KEY]));
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    eventually("why is said", async || lease.trouble().is_some_and(|why| why.contains("refused"))).await;
    eventually("why is said", async || consumer.survey("a.B").unwell.is_some_and(|why| why.contains("refused"))).await;
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(lease.state(), LeaseState::Pending);
    server.again();
    let ready = Instant::now();
    follow_until(&mut changes, &mut known, "they find each other", |known| known.len() == 1).await;
    println!("found {:?} after the server was ready: {}", ready.elapsed(), lease.state());
    lease.registered(DEADLINE).await.unwrap();
    assert!(ready.elapsed() < Duration::from_secs(10), "{:?}", ready.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_process_that_says_goodbye_is_gone_at_once() {
    let server = shared();
    let chroot = raw::chroot();
    let consumer = hub(server.address(), &chroot, LONG);
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    let url = format!("zookeeper://{}{chroot}?{LONG}", server.address());
    let provider = Provider::start(ENTRY, &url, "one", KEY);
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    let since = Instant::now();
    provider.leave();
    follow_until(&mut changes, &mut known, "it is down", <[_]>::is_empty).await;
    assert!(since.elapsed() < Duration::from_secs(1), "its session lasts longer: {:?}", since.elapsed());
}

/// A path that only one user may use.
async fn guard(server: &Server, chroot: &str, user: &str) -> Client {
    let connector = Client::connector().with_auth("digest", user.as_bytes());
    let client = connector.connect(&server.address().to_string()).await.unwrap();
    let users = client.list_auth_users().await.unwrap();
    assert!(users.iter().any(|user| user.scheme() == "digest"), "{users:?}");
    let all = [Acl::new(Permission::ALL, AuthId::new("auth", ""))];
    client.create(chroot, b"", &CreateMode::Persistent.with_acls(Acls::from(&all[..]))).await.unwrap();
    client
}

#[tokio::test]
async fn a_user_is_known_and_a_wrong_password_is_told_in_the_servers_words() {
    let server = shared();
    let (chroot, dir) = (raw::chroot(), Scratch::new("secrets").unwrap());
    let _guard = guard(&server, &chroot, "joe:sesame").await;
    let user = dir.write("user", "joe").unwrap();
    let as_joe = |password: PathBuf| {
        let (user, password) = (user.display(), password.display());
        format!("zookeeper://{}{chroot}?{SHORT}&user=file:{user}&password=file:{password}", server.address())
    };
    let good = connect(&as_joe(dir.write("good", "sesame\n").unwrap())).unwrap();
    let mut lease = good.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let mut known = vec![];
    follow_until(&mut good.subscribe(lookup()), &mut known, "it is up", |known| known.len() == 1).await;

    let bad = connect(&as_joe(dir.write("bad", "simsala").unwrap())).unwrap();
    let since = Instant::now();
    let refused = bad.register(stock("two", &[KEY]));
    let _changes = bad.subscribe(lookup());
    let denied = |text: Option<String>| text.is_some_and(|why| why.contains("NoAuth (-102): not authorized"));
    eventually("the server's answer", async || denied(refused.trouble())).await;
    eventually("the server's answer", async || denied(bad.survey("a.B").unwell)).await;
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    for text in [Registry::describe(&bad), format!("{bad:?}"), format!("{refused:?} {:?}", bad.survey("a.B"))] {
        assert!(!text.contains("simsala"), "{text}");
    }
}

#[tokio::test]
async fn a_node_that_is_deleted_by_hand_is_written_again() {
    let server = shared();
    let chroot = raw::chroot();
    let hub = hub(server.address(), &chroot, LONG);
    let mut lease = hub.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let client = raw::client(&server.address().to_string()).await;
    for round in 1..=3 {
        raw::delete_providers(&client, &chroot).await;
        let since = Instant::now();
        eventually("it is there", async || raw::providers(&client, &chroot, "a.B").await.len() == 1).await;
        println!("written again after {:?}", since.elapsed());
        eventually("it is counted", async || lease.repairs() == round).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_instances_come_stay_and_go() {
    const ALL: usize = 1000;
    let mut server = Server::start("zookeeper");
    let chroot = raw::chroot();
    // Many applications in one process: each has its own session.
    let hubs: Vec<Hub> = (0..20).map(|_| hub(server.address(), &chroot, SHORT)).collect();
    let consumer = hub(server.address(), &chroot, SHORT);
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    let since = Instant::now();
    let leases: Vec<_> = (0..ALL).map(|n| hubs[n % 20].register(stock(&n.to_string(), &[KEY]))).collect();
    follow_until(&mut changes, &mut known, "all are up", |known| known.len() == ALL).await;
    println!("{ALL} up after {:?}", since.elapsed());
    server.process().kill().unwrap();
    eventually("it is noticed", async || consumer.survey("a.B").unwell.is_some()).await;
    server.empty();
    server.again();
    let since = Instant::now();
    let client = raw::client(&server.address().to_string()).await;
    eventually("all are back", async || raw::providers(&client, &chroot, "a.B").await.len() == ALL).await;
    println!("{ALL} back in an empty server after {:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    drop(leases);
    eventually("all are gone", async || raw::providers(&client, &chroot, "a.B").await.is_empty()).await;
}

/// Servers accept any chroot: one that was mistyped is told, and one that others use is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_in_which_nobody_else_is_is_told() {
    let (server, chroot) = (shared(), raw::chroot());
    let said = || {
        let url = format!("zookeeper://{}{chroot}?{LONG}", server.address());
        let output =
            Command::new(tree::built("mainstay")).args(["ls", "--verbose", "--registry", &url]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let (warning, path) = ("WARN", format!("{chroot}/dubbo"));
    let warns = |said: &str| {
        let alone = |line: &&str| line.contains("nobody has registered anything there yet") && line.contains(&path);
        said.lines().find(alone).map(|line| line.contains(warning))
    };
    let first = said();
    assert_eq!(warns(&first), Some(true), "{first}");
    let mut lease = hub(server.address(), &chroot, LONG).register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let second = said();
    assert_eq!(warns(&second), None, "{second}");
}
