//! Whole calls over memory: on bare connections, and through the full stack to ten instances.

use bytes::Bytes;
use mainstay::Message;
use mainstay::bench::bare;
use mainstay::call::{Channel, Status};
use mainstay::client::{Client, ConnectBuilder, connect};
use mainstay::policy::{ConcurrencyOptions, Rate};
use mainstay::registry::{FixedRegistry, Instance};
use mainstay::server::Server;
use mainstay::transport::memory;
use std::time::Instant;
use testbed::stats::median;

/// What comes back.
#[derive(Message, Clone, Debug)]
pub(crate) struct Body {
    /// The payload.
    pub body: Bytes,
}

/// What is called.
#[mainstay::service(package = "bench.v1")]
pub(crate) trait Echo {
    /// Gives the payload back.
    #[rpc(idempotent)]
    async fn echo(&self, body: Bytes) -> Result<Body, Status>;
}

struct Service;

impl Echo for Service {
    async fn echo(&self, body: Bytes) -> Result<Body, Status> {
        Ok(Body { body })
    }
}

const INSTANCES: u16 = 10;
/// Calls of one turn.
const CALLS: u32 = 4000;

/// What a stack adds to a bare call, in nanoseconds.
pub(crate) struct Stacks {
    pub(crate) bare: f64,
    /// With everything switched on.
    pub(crate) full: f64,
    /// As a client is by default.
    pub(crate) default: f64,
    /// That without what watches the health of instances.
    pub(crate) unwatched: f64,
}

type Builder = ConnectBuilder<EchoClient>;

/// Measures all stacks in turns: medians of the rounds.
pub(crate) async fn measure(rounds: usize) -> Stacks {
    let (near, far) = memory();
    let server = Server::new().serve(EchoServer::new(Service)).start(far);
    let typed = |channel: Channel| EchoClient::from(Client::new(EchoClient::definition(), channel));
    let bare = typed(bare(&near, INSTANCES.into()).await.expect("connections"));
    let client = async |set_up: fn(Builder) -> Builder| {
        let instances = (0..INSTANCES).map(|n| Instance::new("bench", "bench", n + 1));
        let builder = connect(EchoClient::definition(), "").registry(FixedRegistry::new(instances));
        let client = set_up(builder.connector(near.clone()).connections(1..=1)).build().expect("a client");
        // Until everyone is connected.
        while client.connectivity().iter().filter(|state| state.connections > 0).count() < usize::from(INSTANCES) {
            run(&client).await;
        }
        client
    };
    let limits =
        |builder: Builder| builder.rate(Rate::per_second(u32::MAX)).concurrency(ConcurrencyOptions::fixed(1000));
    let stacks = [client(limits).await, client(|b| b).await, client(|b| b.breaker(None).outliers(None)).await];
    let (mut alone, mut more) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
    let mut before = run(&bare).await;
    for _ in 0..rounds {
        for (client, more) in stacks.iter().zip(&mut more) {
            let (stacked, after) = (run(client).await, run(&bare).await);
            alone.push(after);
            more.push(stacked - (before + after) / 2.0);
            before = after;
        }
    }
    drop(server);
    let [full, default, unwatched] = more.map(|all| median(all.into_iter()));
    Stacks { bare: median(alone.into_iter()), full, default, unwatched }
}

/// The time of one call in nanoseconds.
async fn run(client: &EchoClient) -> f64 {
    let body = Bytes::from_static(&[7; 128]);
    let began = Instant::now();
    for _ in 0..CALLS {
        client.echo(body.clone()).await.expect("an answer");
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}
