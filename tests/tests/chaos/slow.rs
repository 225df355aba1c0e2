//! Consumers that ask for streams and do not read them: what is kept for them is bounded, nobody else waits for them, and
//! nothing is left of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use mainstay::{call::Streaming, prelude::*};
use testbed::{Scenario, Scratch, scenario::Check};
use tokio::time::{interval, timeout};

use crate::bed::load::{Called, Load, within};

/// Who reads nothing.
const IDLERS: usize = 10;
/// Calls a second of somebody else.
const RATE: u32 = 200;
/// What a stream carries: so much a message.
const PAGE: usize = 64 << 10;
/// What is kept of a stream that nobody reads, at most: what is under way in both windows and buffers, with room to spare.
const KEPT: f64 = (8 << 20) as f64;
/// How long calls go on before, meanwhile and after.
const WHILE: Duration = Duration::from_secs(3);

#[derive(mainstay::Message, Clone, Debug)]
struct Page {
    text: Bytes,
}

/// Answers, and tells without an end.
#[mainstay::service(package = "slow.v1")]
trait Desk {
    /// How it does.
    #[rpc(idempotent, timeout = "2s")]
    async fn ask(&self) -> Result<String>;
    /// Pages without an end.
    async fn read(&self) -> Result<Streaming<Page>>;
}

/// Counts the pages that were taken from it.
#[derive(Clone, Default)]
struct Clerk(Arc<AtomicU64>);

impl Desk for Clerk {
    async fn ask(&self) -> Result<String> {
        Ok("well".to_owned())
    }

    async fn read(&self) -> Result<Streaming<Page>> {
        let (sender, pages) = Streaming::channel(1);
        let (taken, page) = (self.0.clone(), Page { text: vec![b'x'; PAGE].into() });
        tokio::spawn(async move {
            while sender.send(page.clone()).await.is_ok() {
                taken.fetch_add(1, Relaxed);
            }
        });
        Ok(pages)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_that_do_not_read_hold_nobody_up() {
    let mut scenario = Scenario::new(
        "consumers_that_do_not_read_hold_nobody_up",
        "Ten consumers ask for streams without an end and read nothing; another one calls as before.",
    );
    let registry = Scratch::new("slow").unwrap();
    let url = format!("file://{}", registry.path().display());
    let clerk = Clerk::default();
    let app = App::new("desk").registry(&url).serve(DeskServer::new(clerk.clone()));
    let running = app.start().await.unwrap();
    running.readiness().registered().await;
    let client = DeskClient::connect("desk").registry(&*url).build().unwrap();
    client.ask().await.unwrap();
    let load = Load::start(RATE, move |_| {
        let client = client.clone();
        async move { client.ask().await.map_err(|error| error.to_string()) }
    });
    load.goes_on(WHILE).await;

    let at = load.now();
    let mut idlers = Vec::new();
    for _ in 0..IDLERS {
        let idler = DeskClient::connect("desk").registry(&*url).build().unwrap();
        idlers.push((idler.read().await.unwrap(), idler));
    }
    load.goes_on(WHILE).await;
    let taken = clerk.0.load(Relaxed);
    load.goes_on(WHILE / 3).await;
    let waits = taken > 0 && clerk.0.load(Relaxed) == taken;
    drop(idlers);
    let until = load.now();
    load.goes_on(WHILE).await;
    let began = load.began();
    let calls = load.end().await;
    let mut pause = interval(Duration::from_millis(5));
    let none = async {
        while running.server().calls() > 0 {
            pause.tick().await;
        }
    };
    let _ = timeout(WHILE, none).await;

    let failed: Vec<_> = calls.iter().filter_map(|call| call.came.as_ref().err()).collect();
    println!("{taken} pages were taken; {} of {} calls failed, as {:?}", failed.len(), calls.len(), failed.first());
    let offset = scenario.at(began);
    let met = if waits { IDLERS as u64 } else { 0 };
    scenario.calls("calls of somebody else", began, calls.iter().map(Called::sample));
    scenario.fault("streams that nobody reads", at + offset..until + offset, met, "streams that wait");
    scenario.check(Check::none("failed calls", failed.len()));
    let slow = within(&calls, at..until).map(|call| call.took).max().unwrap_or_default();
    scenario.check(Check::within("the slowest of them meanwhile", slow, Duration::from_millis(500)));
    let kept = taken as f64 * PAGE as f64 / IDLERS as f64;
    scenario.check(Check::at_most("bytes that are kept of each stream", kept, KEPT, ""));
    scenario.check(Check::none("calls that are left", running.server().calls()));
    scenario.end();
    running.drain().await;
}
