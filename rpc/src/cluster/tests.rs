//! The default client stack against servers in memory, under a paused clock: who is called, and what happens when one
//! fails.

use super::{Cluster, Connectivity, Settings};
use crate::{
    call::{
        BoxFuture, CallError, CallOptions, Channel, Code, Cx, Kind, MethodDef, Reason, ServiceDef, Status, Streaming,
        timeout,
    },
    client::{Client, stack},
    layer::RetryOptions,
    schema::{MessageRef, Types},
    server::{Routes, Running, Serve, Server},
    transport::{BoxIo, Connect, Memory, Target, memory},
};
use mainstay_registry::{
    Changes, Discover, Feed, Instance, InstanceId, Lease, Lookup, MemoryRegistry, Registration, Registry, ServiceKey,
    Survey,
};
use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::{Instant, sleep};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);
const READ: usize = 0;
const WRITE: usize = 1;
const WATCH: usize = 2;
const LOAD: usize = 3;

fn opaque(_: &mut Types) -> MessageRef {
    unreachable!("nobody asks for descriptors here")
}

const fn method(name: &'static str, kind: Kind, idempotent: bool) -> MethodDef {
    let (aliases, timeout, retries, spawn, get, docs) = (&[], None, None, false, None, "");
    MethodDef { name, aliases, kind, idempotent, timeout, retries, spawn, get, docs, input: opaque, output: opaque }
}

static DEFINITION: ServiceDef = ServiceDef {
    package: "shop",
    name: "Stock",
    full_name: "shop.Stock",
    version: Some("1.0.0"),
    group: None,
    docs: "",
    methods: &[
        method("Read", Kind::Unary, true),
        method("Write", Kind::Unary, false),
        method("Watch", Kind::ServerStreaming, true),
        method("Load", Kind::ClientStreaming, false),
    ],
};

/// How a server of a test answers.
#[derive(Clone, Copy)]
enum Way {
    /// With its own number, after a time.
    After(Duration),
    Never,
    Unavailable,
}

/// A server's service: it counts what it sees.
#[derive(Clone)]
struct Stock {
    number: u32,
    way: Way,
    seen: Arc<Mutex<Vec<&'static str>>>,
}

impl Stock {
    async fn answer(self, name: &'static str) -> Result<u32, Status> {
        self.seen.lock().unwrap().push(name);
        match self.way {
            Way::After(Duration::ZERO) => Ok(self.number),
            Way::After(time) => {
                sleep(time).await;
                Ok(self.number)
            }
            Way::Never => std::future::pending().await,
            Way::Unavailable => Err(Status::new(Code::Unavailable, "not today")),
        }
    }
}

impl Serve for Stock {
    fn definition(&self) -> &'static ServiceDef {
        &DEFINITION
    }

    fn routes(&self, routes: &mut Routes) {
        let (read, write, watch, load) = (self.clone(), self.clone(), self.clone(), self.clone());
        routes.unary(READ, move |_: Cx, _: u32| read.clone().answer("read"));
        routes.unary(WRITE, move |_: Cx, _: u32| write.clone().answer("write"));
        routes.server_streaming(WATCH, move |_: Cx, _: u32| {
            let this = watch.clone();
            async move {
                let number = this.answer("watch").await?;
                let (sender, stream) = Streaming::channel(1);
                tokio::spawn(async move {
                    let _ = sender.send(number).await;
                    sender.closed().await;
                });
                Ok::<_, Status>(stream)
            }
        });
        routes.client_streaming(LOAD, move |_: Cx, rows: Streaming<u32>| {
            let this = load.clone();
            async move {
                rows.collect().await?;
                this.answer("load").await
            }
        });
    }
}

/// Which port leads where: to a server, or to nowhere; any other refuses.
#[derive(Clone, Debug, Default)]
struct Net(Arc<Mutex<Links>>);

#[derive(Debug, Default)]
struct Links {
    to: HashMap<u16, Option<Memory>>,
    dials: Vec<u16>,
}

impl Connect for Net {
    fn connect<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, io::Result<BoxIo>> {
        let to = {
            let mut links = self.0.lock().unwrap();
            links.dials.push(target.port);
            links.to.get(&target.port).cloned()
        };
        Box::pin(async move {
            match to {
                Some(Some(memory)) => memory.connect(target).await,
                Some(None) => std::future::pending().await,
                None => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        })
    }
}

/// A registry, a network, and the servers on it.
#[derive(Default)]
struct World {
    registry: MemoryRegistry,
    net: Net,
    servers: BTreeMap<u16, (Stock, Running)>,
    leases: BTreeMap<u16, Lease>,
}

impl World {
    fn serve(&mut self, port: u16, way: Way) -> &mut Self {
        let stock = Stock { number: port.into(), way, seen: Arc::default() };
        let (near, far) = memory();
        self.net.0.lock().unwrap().to.insert(port, Some(near));
        self.servers.insert(port, (stock.clone(), Server::new().serve(stock).start(far)));
        self.list(port)
    }

    /// Registers an instance, whatever is at its port.
    fn list(&mut self, port: u16) -> &mut Self {
        let instance = Instance::new("stock", "h", port).with_id(InstanceId::new(port.to_string()));
        let key = ServiceKey::new("shop.Stock").with_version("1.0.0");
        self.leases.insert(port, self.registry.register(Registration::new(instance, [key])));
        self
    }

    fn black_hole(&mut self, port: u16) -> &mut Self {
        self.net.0.lock().unwrap().to.insert(port, None);
        self.list(port)
    }

    fn client(&self) -> (Client, Cluster) {
        over(Arc::new(self.registry.clone()), self.net.clone())
    }

    fn seen(&self, port: u16) -> Vec<&'static str> {
        self.servers[&port].0.seen.lock().unwrap().clone()
    }

    fn dials(&self, port: u16) -> usize {
        self.net.0.lock().unwrap().dials.iter().filter(|dialled| **dialled == port).count()
    }

    /// Cuts a server off in the middle of what it does.
    async fn kill(&self, port: u16) {
        self.net.0.lock().unwrap().to.remove(&port);
        self.servers[&port].1.drain(Duration::ZERO).await;
    }
}

fn over(discover: Arc<dyn Discover>, net: Net) -> (Client, Cluster) {
    let settings = Settings { connector: Arc::new(net), ..Settings::default() };
    let lookup = Lookup::new(ServiceKey::new("shop.Stock").with_version("1.0.0"));
    let cluster = Cluster::new(discover, lookup, settings);
    (Client::new(&DEFINITION, Channel::of_stack(stack(cluster.clone(), RetryOptions::default(), None))), cluster)
}

async fn unary(client: &Client, index: usize) -> Result<u32, Status> {
    client.unary::<u32, u32, Status>(index, 1).await.map_err(CallError::into_status)
}

/// Waits, in bounded steps of the paused clock, until something is so.
async fn until(what: &str, is: impl Fn() -> bool) {
    for _ in 0..1000 {
        if is() {
            return;
        }
        sleep(MS).await;
    }
    panic!("{what}: not within a second");
}

#[tokio::test(start_paused = true)]
async fn a_read_is_made_again_elsewhere_when_its_server_dies_and_a_write_is_not() {
    for (index, name) in [(READ, "read"), (WRITE, "write")] {
        let mut world = World::default();
        world.serve(1, Way::Never);
        let (client, _) = world.client();
        let call = tokio::spawn(async move { unary(&client, index).await });
        until("the call is at the server", || world.seen(1) == [name]).await;
        world.serve(2, Way::After(Duration::ZERO));
        world.kill(1).await;
        let result = call.await.unwrap();
        if index == READ {
            assert_eq!(result.unwrap(), 2);
        } else {
            let status = result.unwrap_err();
            assert_eq!((status.reason(), status.reached_server()), (Reason::ConnectionLost, true), "{status}");
            assert_eq!(status.instance(), Some(&InstanceId::new("1")));
            assert!(world.seen(2).is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_unavailable_is_left_for_another() {
    let mut world = World::default();
    world.serve(1, Way::Unavailable).serve(2, Way::After(Duration::ZERO));
    let (client, _) = world.client();
    for _ in 0..20 {
        assert_eq!(unary(&client, READ).await.unwrap(), 2);
    }
    assert!(world.seen(1).len() <= 3, "what fails is avoided: {:?}", world.seen(1));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_not_begun_again() {
    let mut world = World::default();
    world.serve(1, Way::Never);
    let (client, _) = world.client();
    let stream = tokio::spawn({
        let client = client.clone();
        async move { client.server_streaming::<u32, u32, Status>(WATCH, 1).await.map(drop) }
    });
    until("the call is at the server", || world.seen(1) == ["watch"]).await;
    world.serve(2, Way::After(Duration::ZERO));
    world.kill(1).await;
    assert!(stream.await.unwrap().is_err());
    assert!(world.seen(2).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_drains_is_left_without_a_failure() {
    let mut world = World::default();
    world.serve(1, Way::After(Duration::ZERO));
    let (client, _) = world.client();
    // A stream keeps the old connection open while its server goes away.
    let mut watch = client.server_streaming::<u32, u32, Status>(WATCH, 1).await.unwrap();
    assert_eq!(watch.message().await.unwrap(), Some(1));
    world.serve(2, Way::After(Duration::ZERO));
    world.net.0.lock().unwrap().to.remove(&1);
    let mut drain = Box::pin(world.servers[&1].1.drain(10 * S));
    assert!(futures_util::poll!(&mut drain).is_pending());
    let mut answers = Vec::new();
    for _ in 0..50 {
        // A write too, when nobody has seen it; and a stream, which could not be sent twice.
        answers.push(unary(&client, WRITE).await.unwrap());
        let load = client.client_streaming::<u32, u32, Status>(LOAD, Streaming::of([1u32, 2])).await;
        answers.push(load.unwrap());
    }
    let until = answers.iter().position(|answer| *answer == 2).unwrap();
    assert!(until < 5 && answers[until..].iter().all(|answer| *answer == 2), "{answers:?}");
    drop(watch);
    drain.await;
    assert_eq!(world.servers[&1].1.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_there_reads_like_this() {
    let mut world = World::default();
    let old = ServiceKey::new("shop.Stock").with_version("0.9.0");
    let lease = world.registry.register(Registration::new(Instance::new("stock", "h", 9), [old]));
    let (client, _) = world.client();
    let began = Instant::now();
    let status = unary(&client, READ).await.unwrap_err();
    assert_eq!(began.elapsed(), 2 * S, "the patience, once");
    assert_eq!(
        (status.code(), status.reason(), status.reached_server()),
        (Code::Unavailable, Reason::NoInstance, false)
    );
    assert_eq!(
        status.message(),
        "no instance of shop.Stock 1.0.0 in memory:// (this process only); found 1 of version 0.9.0; last change 2 s ago"
    );
    let status = unary(&client.with(timeout(300 * MS)), READ).await.unwrap_err();
    assert_eq!((status.code(), status.reached_server()), (Code::DeadlineExceeded, false));
    assert!(
        status.message().starts_with("the deadline passed while waiting for an instance: no instance of"),
        "{status}"
    );
    drop(lease);
    // One that comes while a call waits gets it.
    let waiting = tokio::spawn(async move { unary(&client, WRITE).await });
    sleep(500 * MS).await;
    world.serve(3, Way::After(Duration::ZERO));
    assert_eq!(waiting.await.unwrap().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_answers_no_connection_costs_no_call_anything() {
    let mut world = World::default();
    world.serve(1, Way::After(MS)).black_hole(2).list(3);
    let (client, cluster) = world.client();
    // The first call may wait for one step, until it would take any other.
    assert_eq!(unary(&client, READ).await.unwrap(), 1);
    for _ in 0..200 {
        let began = Instant::now();
        assert_eq!(unary(&client, READ).await.unwrap(), 1);
        assert!(began.elapsed() <= 2 * MS, "{:?}", began.elapsed());
    }
    let states: Vec<_> = endpoints(&cluster).iter().map(|e| e.live.pool.connectivity()).collect();
    assert_eq!(states, [Connectivity::Ready, Connectivity::Connecting, Connectivity::TransientFailure]);
    assert!(world.dials(3) < 8, "{}", world.dials(3));
}

fn endpoints(cluster: &Cluster) -> Vec<Arc<super::endpoint::Endpoint>> {
    cluster.0.directory.snapshot().endpoints.clone()
}

#[tokio::test(start_paused = true)]
async fn connecting_is_bounded_and_says_why_it_failed() {
    let mut world = World::default();
    world.list(1);
    let (client, _) = world.client();
    let status = unary(&client, READ).await.unwrap_err();
    assert_eq!((status.reason(), status.reached_server()), (Reason::ConnectFailed, false));
    assert_eq!(status.message(), "none of 1 instances is connected: h:1: connection refused");
    let mut world = World::default();
    world.black_hole(1);
    let (client, _) = world.client();
    let began = Instant::now();
    let status = unary(&client.with(timeout(700 * MS)), READ).await.unwrap_err();
    assert_eq!((began.elapsed(), status.code(), status.reached_server()), (700 * MS, Code::DeadlineExceeded, false));
    assert!(status.message().contains("no connection yet"), "{status}");
    // A server that comes back under the same name is found again by who waits.
    let waiting = tokio::spawn({
        let client = client.with(timeout(60 * S));
        async move { unary(&client.with(CallOptions::new()), READ).await }
    });
    sleep(MS).await;
    assert!(waiting.await.unwrap().is_err(), "the patience ends it");
}

#[tokio::test(start_paused = true)]
async fn connections_grow_with_the_calls_and_go_when_they_are_not_needed() {
    let mut world = World::default();
    world.serve(1, Way::After(S));
    let (client, cluster) = world.client();
    let many = |n: usize| {
        let calls: Vec<_> = (0..n)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { unary(&client, READ).await.unwrap() })
            })
            .collect();
        async move {
            for call in calls {
                call.await.unwrap();
            }
        }
    };
    many(60).await;
    assert_eq!(world.dials(1), 1);
    for _ in 0..5 {
        many(400).await;
    }
    assert_eq!((world.dials(1), world.servers[&1].1.connections()), (4, 4), "up to the bound");
    assert_eq!(endpoints(&cluster)[0].live.load.in_flight(), 0);
    sleep(100 * S).await;
    assert_eq!(world.servers[&1].1.connections(), 1);
    many(1).await;
    drop((client, cluster));
    until("nothing is left", || world.servers[&1].1.connections() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_is_not_counted_any_more() {
    let mut world = World::default();
    world.serve(1, Way::Never);
    let (client, cluster) = world.client();
    let call = tokio::spawn({
        let client = client.clone();
        async move { unary(&client, READ).await }
    });
    until("the call is at the server", || world.seen(1) == ["read"]).await;
    let in_flight = || endpoints(&cluster)[0].live.load.in_flight();
    assert_eq!(in_flight(), 1);
    call.abort();
    until("the load is released", || in_flight() == 0).await;
    until("the handler is dropped", || world.servers[&1].1.calls() == 0).await;
    let status = unary(&client.with(timeout(100 * MS)), READ).await.unwrap_err();
    assert!(status.reached_server() && status.message().contains("waiting for the answer"), "{status}");
    assert_eq!(in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_fast_one_gets_the_calls() {
    let mut world = World::default();
    world.serve(1, Way::After(200 * MS)).serve(2, Way::After(2 * MS)).serve(3, Way::After(2 * MS));
    let (client, _) = world.client();
    for _ in 0..300 {
        unary(&client, READ).await.unwrap();
    }
    let seen = [1, 2, 3].map(|port| world.seen(port).len());
    assert!(seen[0] <= 3 && seen[1] > 80 && seen[2] > 80, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_withdrawn_gets_no_call_and_ends_those_it_has() {
    let mut world = World::default();
    world.serve(1, Way::After(S));
    let (client, cluster) = world.client();
    let slow = tokio::spawn({
        let client = client.clone();
        async move { unary(&client, WRITE).await }
    });
    until("the call is at the server", || world.seen(1) == ["write"]).await;
    world.serve(2, Way::After(Duration::ZERO));
    world.leases.remove(&1);
    let left = || endpoints(&cluster).iter().map(|e| e.instance.port).collect::<Vec<_>>();
    until("the other one is left", || left() == [2]).await;
    for _ in 0..10 {
        assert_eq!(unary(&client, WRITE).await.unwrap(), 2);
    }
    assert_eq!(slow.await.unwrap().unwrap(), 1);
    until("its connection is closed", || world.servers[&1].1.connections() == 0).await;
}

/// A registry that tells once and then ends its stream, or calls itself unwell and tells of nobody.
#[derive(Debug)]
struct Failing {
    first: Mutex<Option<Feed>>,
    unwell: bool,
}

impl Discover for Failing {
    fn subscribe(&self, _: Lookup) -> Changes {
        let feed = Feed::new();
        let mut first = self.first.lock().unwrap();
        match first.take() {
            Some(told) => {
                let changes = told.subscribe();
                // The stream ends after what was told.
                drop(told);
                changes
            }
            None => {
                feed.publish(BTreeMap::new(), &BTreeMap::new());
                let changes = feed.subscribe();
                changes.keeping(Arc::new(feed))
            }
        }
    }

    fn survey(&self, _: &str) -> Survey {
        let mut survey = Survey::default();
        survey.unwell = self.unwell.then(|| "connection refused".to_owned());
        survey
    }

    fn describe(&self) -> String {
        "failing://".to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_known_is_kept_while_the_registry_is_unwell() {
    for unwell in [true, false] {
        let mut world = World::default();
        world.serve(1, Way::After(Duration::ZERO));
        let told = Feed::new();
        let one = Instance::new("stock", "h", 1).with_id(InstanceId::new("1"));
        told.publish([(one.id.clone(), Arc::new(one))].into(), &BTreeMap::new());
        let (client, cluster) = over(Arc::new(Failing { first: Mutex::new(Some(told)), unwell }), world.net.clone());
        assert_eq!(unary(&client, READ).await.unwrap(), 1);
        sleep(S).await;
        assert_eq!(endpoints(&cluster).len(), usize::from(unwell), "an empty answer counts when the registry is well");
    }
}
