//! A service, and calls of it that never stop.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use mainstay::{app::RunningApp, prelude::*};
use mainstay_registry::{Discover, Hub, Lookup, ServiceKey, connect};
use testbed::scenario::Sample;
use tokio::{
    task::JoinHandle,
    time::{Instant, interval},
};

use crate::support::{eventually, follow_until};

/// The interface, for lookups.
pub(crate) const DESK: &str = "test.v1.Desk";
/// It with its version.
pub(crate) const KEY: &str = "test.v1.Desk:1.0.0";
/// A call every so often: 200 a second.
const PACE: Duration = Duration::from_millis(5);

/// Says who answers.
#[mainstay::service(package = "test.v1", version = "1.0.0")]
trait Desk {
    /// The name of who answers.
    #[rpc(idempotent, timeout = "2s", retries = 2)]
    async fn who(&self) -> Result<String>;
}

struct Clerk(String);

impl Desk for Clerk {
    async fn who(&self) -> Result<String> {
        Ok(self.0.clone())
    }
}

/// A provider of this name, which is registered.
pub(crate) async fn provider(name: &str, registry: &str) -> RunningApp {
    let app = App::new("desk").registry(registry).serve(DeskServer::new(Clerk(name.to_owned())));
    let running = app.start().await.unwrap();
    running.readiness().registered().await;
    running
}

/// Waits until a client that nothing was told before is told of so many.
pub(crate) async fn seen_by_a_stranger(registry: &str, count: usize) {
    let lookup = Lookup::new(KEY.parse::<ServiceKey>().unwrap());
    let stranger = connect(registry).unwrap();
    let what = format!("{count} in {}", Discover::describe(&stranger));
    follow_until(&mut stranger.subscribe(lookup), &mut vec![], &what, |known| known.len() == count).await;
}

/// A consumer, which calls 200 times a second until it is dropped. A call is due whatever became of those before.
pub(crate) struct Consumer {
    pub(crate) hub: Hub,
    began: Instant,
    tally: Arc<Mutex<Tally>>,
    task: JoinHandle<()>,
}

/// What came of the calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: BTreeMap<String, u64>,
    pub(crate) failed: Vec<String>,
    pub(crate) samples: Vec<Sample>,
}

impl Tally {
    pub(crate) fn calls(&self) -> u64 {
        self.answered.values().sum::<u64>() + self.failed.len() as u64
    }
}

impl Consumer {
    pub(crate) fn start(registry: &str) -> Self {
        let hub = connect(registry).unwrap();
        let client = DeskClient::connect("desk").registry(&hub).build().unwrap();
        let tally = Arc::<Mutex<Tally>>::default();
        let began = Instant::now();
        let task = tokio::spawn(calls(client, began, tally.clone()));
        Self { hub, began, tally, task }
    }

    /// When it made its first call.
    pub(crate) fn began(&self) -> std::time::Instant {
        self.began.into_std()
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally.lock().unwrap().clone()
    }

    /// Waits until it has made as many more calls as it makes in this time.
    pub(crate) async fn goes_on(&self, time: Duration) {
        let until = self.tally().calls() + u64::try_from(time.as_millis() / PACE.as_millis()).unwrap();
        let mut look = interval(PACE);
        while self.tally().calls() < until {
            look.tick().await;
        }
    }

    /// Waits until this one has answered since.
    pub(crate) async fn hears_of(&self, name: &str) {
        let answered = || self.tally().answered.get(name).copied().unwrap_or(0);
        let before = answered();
        eventually(&format!("{name} answers"), async || answered() > before).await;
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn calls(client: DeskClient, began: Instant, tally: Arc<Mutex<Tally>>) {
    let mut pace = interval(PACE);
    loop {
        let due = pace.tick().await;
        let (client, tally) = (client.clone(), tally.clone());
        tokio::spawn(async move {
            let came = client.who().await;
            let mut tally = tally.lock().unwrap();
            tally.samples.push(Sample { due: due - began, took: due.elapsed(), fine: came.is_ok() });
            match came {
                Ok(name) => *tally.answered.entry(name).or_default() += 1,
                Err(why) => tally.failed.push(why.to_string()),
            }
        });
    }
}
