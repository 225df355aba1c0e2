//! The default client stack against servers in memory, under a paused clock. Here are the servers and the network.

mod balancing;
mod connecting;
mod failing;
mod health;
mod limits;
mod places;
mod registry;
mod rules;
mod spread;
mod tries;

use super::{Cluster, Connectivity, Settings};
use crate::{
    call::{
        BoxFuture, CallError, CallOptions, Channel, Code, Cx, Kind, MethodDef, Reason, ServiceDef, Status, Streaming,
        timeout,
    },
    client::{Above, Client, ConnectBuilder, connect, stack},
    layer::{Cares, FailureLayer, RetryOptions, Ruled, Side, TraceLayer},
    policy::Limits,
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
    MethodDef { idempotent, ..MethodDef::new(name, kind, opaque, opaque) }
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
    /// Every second call fails.
    Half(bool),
    Unavailable,
}

/// A server's service: it counts what it sees.
#[derive(Clone)]
struct Stock {
    number: u32,
    way: Arc<Mutex<Way>>,
    seen: Arc<Mutex<Vec<&'static str>>>,
}

impl Stock {
    async fn answer(self, name: &'static str) -> Result<u32, Status> {
        self.seen.lock().unwrap().push(name);
        let way = *self.way.lock().unwrap();
        match way {
            Way::After(Duration::ZERO) => Ok(self.number),
            Way::After(time) => {
                sleep(time).await; // slow on purpose
                Ok(self.number)
            }
            Way::Never => std::future::pending().await,
            Way::Half(next) => {
                *self.way.lock().unwrap() = Way::Half(!next);
                if next { Ok(self.number) } else { Err(Status::new(Code::Internal, "not this one")) }
            }
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

type Builder = ConnectBuilder<Client>;

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
        self.serve_as(port, way, |server| server)
    }

    fn serve_as(&mut self, port: u16, way: Way, set_up: impl FnOnce(Server) -> Server) -> &mut Self {
        let stock = Stock { number: port.into(), way: Arc::new(Mutex::new(way)), seen: Arc::default() };
        let (near, far) = memory();
        self.net.0.lock().unwrap().to.insert(port, Some(near));
        self.servers.insert(port, (stock.clone(), set_up(Server::new().serve(stock)).start(far)));
        self.list(port)
    }

    /// Registers an instance, whatever is at its port.
    fn list(&mut self, port: u16) -> &mut Self {
        self.list_as(port, |instance| instance)
    }

    /// Registers it again, otherwise.
    fn list_as(&mut self, port: u16, change: impl FnOnce(Instance) -> Instance) -> &mut Self {
        let instance = change(Instance::new("stock", "h", port).with_id(InstanceId::new(port.to_string())));
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

    /// A client with default settings but for what is set up here.
    fn client_with(&self, set_up: impl FnOnce(Builder) -> Builder) -> Client {
        let builder = connect::<Client>(&DEFINITION, "").registry(self.registry.clone()).connector(self.net.clone());
        set_up(builder.seed(7)).build().unwrap()
    }

    /// From now on, the server at `port` answers otherwise.
    fn turn(&self, port: u16, way: Way) {
        *self.servers[&port].0.way.lock().unwrap() = way;
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
    (
        Client::new(
            &DEFINITION,
            Channel::of_stack(stack(
                cluster.clone(),
                Above {
                    trace: TraceLayer::new(Side::Client),
                    failure: FailureLayer::new(Cares::default(), &DEFINITION).unwrap(),
                    ruled: Ruled::layer(None, None),
                },
                RetryOptions::default(),
                &Limits::default().layers(),
                None,
                None,
            )),
        ),
        cluster,
    )
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
        sleep(MS).await; // slow on purpose: the clock is paused, and this lets it go on
    }
    panic!("{what}: not within a second");
}

fn endpoints(cluster: &Cluster) -> Vec<Arc<super::endpoint::Endpoint>> {
    cluster.0.directory.snapshot().endpoints.clone()
}
