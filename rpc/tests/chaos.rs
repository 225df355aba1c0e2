//! Faults on purpose, in one process: what callers of a provider in trouble see, and that the rest of the stack answers them.

use mainstay::{
    app::RunningApp,
    call::{CallOptions, Reason},
    chaos::{ChaosLayer, ChaosSwitch, Injection},
    prelude::*,
    registry::{Hub, MemoryRegistry},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

#[mainstay::service(package = "test.chaos.v1")]
trait Till {
    /// How much is in it.
    #[rpc(idempotent)]
    async fn look(&self) -> Result<u32>;
    /// Puts one in.
    async fn put(&self) -> Result<()>;
}

#[derive(Clone, Default)]
struct Drawer {
    looks: Arc<AtomicUsize>,
    puts: Arc<AtomicUsize>,
}

impl Till for Drawer {
    async fn look(&self) -> Result<u32> {
        self.looks.fetch_add(1, SeqCst);
        Ok(7)
    }

    async fn put(&self) -> Result<()> {
        self.puts.fetch_add(1, SeqCst);
        Ok(())
    }
}

const CALLS: usize = 200;
const LONG: Duration = Duration::from_secs(600);

/// A till whose provider has the layer, and a client of it.
async fn till(drawer: &Drawer, chaos: ChaosLayer) -> (RunningApp, TillClient) {
    let hub = Hub::new(MemoryRegistry::new());
    let app = App::new("till")
        .with_hub(hub.clone())
        .serve(TillServer::new(drawer.clone()))
        .layer(chaos)
        .drain(Duration::ZERO, LONG);
    let running = app.start().await.expect("it starts");
    running.readiness().registered().await;
    let client = TillClient::connect("till").registry(&hub).build().expect("a client");
    (running, client)
}

#[tokio::test]
async fn what_may_be_sent_again_survives_lost_answers_and_nothing_else_is_done_twice() {
    let (drawer, switch) = (Drawer::default(), ChaosSwitch::default());
    // Of a seed, so that no call loses its answer more often than it is sent again.
    let chaos = ChaosLayer::new(switch.clone()).seed(11).inject(Injection::of(10.0).reset());
    let (running, till) = till(&drawer, chaos).await;
    for _ in 0..CALLS {
        assert_eq!(till.look().await.expect("nothing is injected yet"), 7);
    }
    assert_eq!(drawer.looks.load(SeqCst), CALLS);

    switch.arm(LONG);
    for _ in 0..CALLS {
        assert_eq!(till.look().await.expect("it is sent again"), 7);
    }
    let again = drawer.looks.load(SeqCst) - 2 * CALLS;
    assert!((5..60).contains(&again), "{again} answers of {CALLS} were lost");

    let mut lost = 0;
    for _ in 0..CALLS {
        lost += usize::from(till.put().await.is_err());
    }
    assert_eq!(drawer.puts.load(SeqCst), CALLS, "each was done, and none twice");
    assert!((5..60).contains(&lost), "{lost} answers of {CALLS} were lost");

    switch.disarm();
    till.put().await.expect("nothing is injected any more");
    running.drain().await;
}

#[tokio::test]
async fn a_header_chooses_who_is_met_and_probes_are_spared() {
    let (drawer, switch) = (Drawer::default(), ChaosSwitch::default());
    switch.arm(LONG);
    let refused = Injection::of(100.0).method("Put").metadata("x-chaos", "full").abort(Code::ResourceExhausted);
    let (running, till) = till(&drawer, ChaosLayer::new(switch).inject(refused)).await;
    till.put().await.expect("it did not ask for it");
    let asked = CallOptions::new().metadata("x-chaos".parse().expect("a name"), "full".parse().expect("a value"));
    let asking = till.with(asked);
    let status = asking.put().await.expect_err("it asked for it").into_status();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.reason(), Reason::Remote, "for a caller it is what a provider says");
    assert_eq!(drawer.puts.load(SeqCst), 1, "who is refused does nothing");
    running.drain().await;
}
