//! A simulated network plugs in where TCP does: partitions, repairs and crashes, the same for the same seed.

#![allow(clippy::unwrap_used, reason = "a test may")]

use mainstay::{
    call::{BoxFuture, Status, Streaming, timeout},
    server::Server,
    transport::{Accept, Accepted, BoxIo, Connect, Http2Limits, Target},
};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::{Instant, sleep};
use turmoil::net::{TcpListener, TcpStream};

#[mainstay::service(package = "simulated.v1")]
trait Counter {
    async fn next(&self, n: u64) -> Result<u64, Status>;

    /// A number each 20 ms.
    async fn count(&self, to: u64) -> Result<Streaming<u64>, Status>;
}

struct Counting;

impl Counter for Counting {
    async fn next(&self, n: u64) -> Result<u64, Status> {
        Ok(n + 1)
    }

    async fn count(&self, to: u64) -> Result<Streaming<u64>, Status> {
        let (sender, stream) = Streaming::channel(1);
        tokio::spawn(async move {
            for n in 0..to {
                // On the simulation's clock, slow on purpose.
                sleep(Duration::from_millis(20)).await;
                if sender.send(n).await.is_err() {
                    return;
                }
            }
        });
        Ok(stream)
    }
}

/// The simulated network, as both ends see it.
#[derive(Clone, Copy, Debug)]
struct Simulated;

impl Connect for Simulated {
    fn connect<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, io::Result<BoxIo>> {
        Box::pin(async move {
            let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
            Ok(Box::new(stream) as BoxIo)
        })
    }
}

struct SimulatedAccept(TcpListener);

impl std::fmt::Debug for SimulatedAccept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimulatedAccept")
    }
}

impl Accept for SimulatedAccept {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async move {
            let (stream, address) = self.0.accept().await?;
            Ok(Accepted { io: Box::new(stream), address: Some(address) })
        })
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }
}

/// How long a call may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// Milliseconds: when the last fault is over at the latest, and when the last call begins.
const HEALED: u64 = 2000;
const OVER: u64 = 4000;

/// A lost segment is never sent again in this network: keepalive is what finds the hole.
fn limits() -> Http2Limits {
    let mut limits = Http2Limits::default();
    (limits.keepalive, limits.keepalive_timeout) = (Duration::from_millis(50), Duration::from_millis(50));
    limits
}

/// What happened when: milliseconds, and how a call ended.
type Trace = Vec<(u128, String)>;

async fn call_until_the_end(seed: u64, trace: Arc<Mutex<Trace>>) -> turmoil::Result {
    let client = CounterClient::connect("counter").address("server:80").connector(Simulated).limits(limits());
    let client = client.connect_timeout(Duration::from_millis(200)).retries(0).seed(seed).build()?;
    let client = client.with(timeout(PATIENCE));
    let mut healthy = 0;
    for n in 0.. {
        let (began, at) = (Instant::now(), turmoil::elapsed());
        if at > Duration::from_millis(OVER) {
            break;
        }
        let outcome = if n % 3 == 2 {
            let count = async { client.count(5).await.map_err(Status::from)?.collect().await };
            count.await.map(|all| assert_eq!(all, [0, 1, 2, 3, 4]))
        } else {
            client.next(n).await.map(|next| assert_eq!(next, n + 1)).map_err(Status::from)
        };
        let took = began.elapsed();
        assert!(took <= PATIENCE + Duration::from_millis(5), "a call took {took:?}");
        // Once the network is whole and the hole was found, all is well again.
        if at > Duration::from_millis(HEALED) + 2 * PATIENCE {
            outcome.as_ref().map_err(|status| format!("at {at:?}: {status:?}"))?;
            healthy += 1;
        }
        let outcome = outcome.map_or_else(|status| status.to_string(), |()| "fine".to_owned());
        trace.lock().unwrap().push((turmoil::elapsed().as_millis(), outcome));
        // On the simulation's clock, slow on purpose.
        sleep(Duration::from_millis(20)).await;
    }
    assert!(healthy > 5);
    Ok(())
}

/// Prints the seed when a run fails, wherever that is.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed was {}", self.0);
        }
    }
}

fn run(seed: u64) -> Trace {
    let _seed = Seed(seed);
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(10))
        .simulation_duration(Duration::from_secs(10))
        .build();
    sim.host("server", || async {
        let accept = SimulatedAccept(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)).await?);
        Ok(Server::new().limits(limits()).serve(CounterServer::new(Counting)).start(accept).ended().await?)
    });
    let trace = Arc::new(Mutex::new(Trace::new()));
    sim.client("client", call_until_the_end(seed, trace.clone()));
    // The seed also says when: a partition of up to half a second, later a crash of as long.
    let within = |salt: u64, span: u64| (seed + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) % span;
    let (cut, crash) = (200 + within(1, 400), 1200 + within(2, 300));
    let (repair, bounce) = (cut + 50 + within(3, 450), crash + 50 + within(4, 450));
    assert!(bounce <= HEALED);
    let mut done = false;
    while !done {
        match sim.elapsed().as_millis() as u64 {
            now if now == cut => sim.partition("client", "server"),
            now if now == repair => sim.repair("client", "server"),
            now if now == crash => sim.crash("server"),
            now if now == bounce => sim.bounce("server"),
            _ => {}
        }
        done = sim.step().unwrap_or_else(|error| panic!("the simulation failed: {error}"));
    }
    let trace = trace.lock().unwrap();
    trace.clone()
}

#[test]
fn calls_end_in_time_whatever_the_network_does_and_the_same_for_the_same_seed() {
    let mut all = Vec::new();
    for seed in 1..=4 {
        let trace = run(seed);
        let failed = trace.iter().filter(|(_, outcome)| outcome != "fine").count();
        assert!(failed > 0, "seed {seed}: no fault was felt");
        assert_eq!(run(seed), trace, "seed {seed} went another way the second time");
        all.push(trace);
    }
    all.dedup();
    assert_eq!(all.len(), 4, "each seed is a story of its own");
}
