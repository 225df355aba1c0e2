//! Whole calls over memory: on bare connections, and through the full stack to ten instances.

use bytes::Bytes;
use mainstay::Message;
use mainstay::bench::bare;
use mainstay::call::{Channel, Status, timeout};
use mainstay::client::{Client, ConnectBuilder, connect};
use mainstay::policy::{ConcurrencyOptions, Rate};
use mainstay::registry::config::{ConfigCenter, ConfigKey, Expected};
use mainstay::registry::{FixedRegistry, Instance, MemoryConfig};
use mainstay::server::Server;
use mainstay::transport::memory;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testbed::stats::undisturbed;

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
/// Calls of one turn: few, so that many turns are over before the machine does something else.
const CALLS: u32 = 250;
/// Turns of a round.
const TURNS: usize = 16;

/// What a stack adds to a bare call, in nanoseconds.
pub(crate) struct Stacks {
    pub(crate) bare: f64,
    /// With everything switched on: a rule that routes, limits, and what a client has by default.
    pub(crate) full: f64,
    /// That without a rule.
    pub(crate) unruled: f64,
    /// As a client is by default.
    pub(crate) default: f64,
    /// That without what watches the health of instances.
    pub(crate) unwatched: f64,
    /// No stack, but the deadline that a stack tells the server: a header more, written, read and heeded.
    pub(crate) told: f64,
}

type Builder = ConnectBuilder<EchoClient>;

/// Measures all stacks in turns. A machine that others use disturbs many of them, and makes each of these slower, by more than
/// a stack costs: what counts is the time of those that it left alone.
pub(crate) async fn measure(rounds: usize) -> Stacks {
    let (near, far) = memory();
    let server = Server::new().serve(EchoServer::new(Service)).start(far);
    let typed = |channel: Channel| EchoClient::from(Client::new(EchoClient::definition(), channel));
    let bare = typed(bare(&near, INSTANCES.into()).await.expect("connections"));
    let client = async |set_up: &dyn Fn(Builder) -> Builder| {
        let instances = (0..INSTANCES).map(|n| Instance::new("bench", "bench", n + 1).with_label("env", "v1"));
        let builder = connect(EchoClient::definition(), "").registry(FixedRegistry::new(instances));
        let channel = set_up(builder.connector(near.clone()).connections(1..=1)).channel().expect("a client");
        let client = typed(channel.clone());
        // Until everyone is connected.
        while client.connectivity().iter().filter(|state| state.connections > 0).count() < usize::from(INSTANCES) {
            run(&client).await;
        }
        let rules = channel.rules();
        assert!(rules.is_empty() || rules.iter().any(|rule| rule.in_force.is_some()), "{rules:?}");
        client
    };
    let limits =
        |builder: Builder| builder.rate(Rate::per_second(u32::MAX)).concurrency(ConcurrencyOptions::fixed(1000));
    let center: Arc<dyn ConfigCenter> = Arc::new(ruled().await);
    let stacks = [
        client(&|b| limits(b).rules(center.clone())).await,
        client(&limits).await,
        client(&|b| b).await,
        client(&|b| b.breaker(None).outliers(None)).await,
        bare.with(timeout(Duration::from_secs(5))),
    ];
    let (mut alone, mut stacked) = (Vec::new(), [const { Vec::new() }; 5]);
    for _ in 0..rounds * TURNS {
        alone.push(run(&bare).await);
        for (client, times) in stacks.iter().zip(&mut stacked) {
            times.push(run(client).await);
        }
    }
    drop(server);
    let bare = undisturbed(alone.into_iter());
    let [full, unruled, default, unwatched, told] = stacked.map(|times| undisturbed(times.into_iter()) - bare);
    Stacks { bare, full, unruled, default, unwatched, told }
}

/// A config centre with a rule that looks at each call, and leaves all instances.
async fn ruled() -> MemoryConfig {
    let center = MemoryConfig::new();
    let key = ConfigKey::new("bench.v1.Echo::.condition-router").expect("a key");
    center.publish(&key, "conditions: [\"method=Echo => env=v1\"]\n", Expected::Any).await.expect("it is kept");
    center
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
