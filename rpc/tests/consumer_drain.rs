//! What becomes of the calls of a consumer that ends: those of its handlers end with them, and what was left to be sent again
//! goes out last.

use mainstay::{
    client::{FailbackOptions, FaultPolicy},
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
use tokio::{
    sync::Notify,
    task::yield_now,
    time::{Instant, timeout},
};

#[mainstay::service(package = "test.consumer.v1")]
trait Ledger {
    /// Counts one.
    #[rpc(idempotent)]
    async fn note(&self) -> Result<()>;
    /// Answers once it is let.
    async fn slow(&self) -> Result<u32>;
}

#[mainstay::service(package = "test.consumer.v1")]
trait Desk {
    async fn sell(&self) -> Result<()>;
    async fn ask(&self) -> Result<u32>;
}

#[derive(Clone, Default)]
struct Book {
    notes: Arc<AtomicUsize>,
    asked: Arc<Notify>,
    release: Arc<Notify>,
}

impl Ledger for Book {
    async fn note(&self) -> Result<()> {
        self.notes.fetch_add(1, SeqCst);
        Ok(())
    }

    async fn slow(&self) -> Result<u32> {
        self.asked.notify_one();
        self.release.notified().await;
        Ok(7)
    }
}

struct Clerk(LedgerClient);

impl Desk for Clerk {
    async fn sell(&self) -> Result<()> {
        Ok(self.0.note().await?)
    }

    async fn ask(&self) -> Result<u32> {
        Ok(self.0.slow().await?)
    }
}

const LONG: Duration = Duration::from_secs(30);
/// Longer than any test: what is sent before is sent by the drain.
const LATER: Duration = Duration::from_secs(3600);
/// For nobody who is not there.
const NONE: Duration = Duration::from_millis(1);

fn ledger(hub: &Hub, book: &Book) -> App {
    App::new("ledger").with_hub(hub.clone()).serve(LedgerServer::new(book.clone())).drain(Duration::ZERO, LONG)
}

/// The consumer, which notes each sale, sooner or later.
fn desk(hub: &Hub, patience: Duration) -> App {
    let app = App::new("desk").with_hub(hub.clone()).drain(Duration::ZERO, LONG);
    let mut options = FailbackOptions::default();
    options.after = LATER;
    let client = LedgerClient::connect("ledger").registry(hub).console(&app.console());
    let client = client.patience(patience).method_fault_policy("Note", FaultPolicy::Failback(options));
    app.serve(DeskServer::new(Clerk(client.build().expect("a client of a registry in memory"))))
}

#[tokio::test]
async fn what_was_left_to_be_sent_again_goes_out_at_the_end() {
    let (hub, book) = (Hub::new(MemoryRegistry::new()), Book::default());
    let desk = desk(&hub, NONE).start().await.unwrap();
    desk.readiness().registered().await;
    let caller = DeskClient::connect("desk").registry(&hub).build().unwrap();
    for _ in 0..3 {
        caller.sell().await.expect("the note is written later");
    }
    let ledger = ledger(&hub, &book).start().await.unwrap();
    ledger.readiness().registered().await;
    assert_eq!(book.notes.load(SeqCst), 0, "its time has not come");
    let began = Instant::now();
    assert_eq!(desk.drain().await.cut_calls, 0);
    assert!(began.elapsed() < LONG);
    assert_eq!(book.notes.load(SeqCst), 3, "each once");
    ledger.drain().await;
}

#[tokio::test]
async fn the_end_does_not_wait_longer_than_its_grace() {
    let hub = Hub::new(MemoryRegistry::new());
    let app = desk(&hub, NONE).drain(Duration::ZERO, Duration::from_millis(50)).start().await.unwrap();
    app.readiness().registered().await;
    DeskClient::connect("desk").registry(&hub).build().unwrap().sell().await.expect("the note is written later");
    timeout(LONG, app.drain()).await.expect("nobody takes the note, and it ends all the same");
}

#[tokio::test]
async fn calls_of_its_handlers_end_with_them() {
    let (hub, book) = (Hub::new(MemoryRegistry::new()), Book::default());
    let (ledger, desk) = (ledger(&hub, &book).start().await.unwrap(), desk(&hub, LONG).start().await.unwrap());
    ledger.readiness().registered().await;
    desk.readiness().registered().await;
    let caller = DeskClient::connect("desk").registry(&hub).build().unwrap();
    let asking = tokio::spawn(async move { caller.ask().await });
    timeout(LONG, book.asked.notified()).await.expect("the call arrives");
    let stage = desk.readiness().clone();
    let draining = tokio::spawn(desk.drain());
    while stage.stage() < mainstay::app::Stage::GoAway {
        yield_now().await;
    }
    book.release.notify_one();
    assert_eq!(asking.await.unwrap().unwrap(), 7);
    assert_eq!(draining.await.unwrap().cut_calls, 0);
    ledger.drain().await;
}
