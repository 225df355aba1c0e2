//! A registry that is away for a while under load: nobody who calls notices, and everyone is there again soon. And the
//! shop, whose processes find each other there.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mainstay::{app::RunningApp, prelude::*};
use mainstay_registry::{Discover, Hub, Lookup, ServiceKey};
use testbed::{Nacos, seed, tree};
use tokio::{
    task::JoinHandle,
    time::{Instant, interval},
};

use crate::{
    bed::{hub, namespace, shared},
    support::{eventually, follow_until},
};

/// A call every so often: 200 a second.
const PACE: Duration = Duration::from_millis(5);
/// How long the registry is away, in a short suite and in a long one.
const AWAY: [Duration; 2] = [Duration::from_secs(8), Duration::from_secs(60)];
/// Within this time after the server is ready everyone is listed again.
const BACK: Duration = Duration::from_secs(20);

#[mainstay::service(package = "test.v1", version = "1.0.0")]
trait Desk {
    #[rpc(idempotent, timeout = "2s", retries = 2)]
    async fn who(&self) -> Result<String>;
}

struct Clerk(&'static str);

impl Desk for Clerk {
    async fn who(&self) -> Result<String> {
        Ok(self.0.to_owned())
    }
}

/// What goes on meanwhile.
struct Load {
    calls: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Load {
    fn start(client: DeskClient) -> Self {
        let (calls, failed) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (counted, broken) = (calls.clone(), failed.clone());
        let task = tokio::spawn(async move {
            let mut pace = interval(PACE);
            loop {
                pace.tick().await;
                let (client, counted, broken) = (client.clone(), counted.clone(), broken.clone());
                tokio::spawn(async move {
                    if let Err(why) = client.who().await {
                        println!("failed: {why}");
                        broken.fetch_add(1, Ordering::Relaxed);
                    }
                    counted.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self { calls, failed, task }
    }

    /// Waits until it made as many more calls as it makes in this time.
    async fn more(&self, time: Duration) {
        let until = self.count().0 + u64::try_from(time.as_millis() / PACE.as_millis()).unwrap();
        let mut look = interval(PACE);
        while self.count().0 < until {
            look.tick().await;
        }
    }

    fn count(&self) -> (u64, u64) {
        (self.calls.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn provider(name: &'static str, hub: Hub) -> RunningApp {
    App::new("desk").with_hub(hub).serve(DeskServer::new(Clerk(name))).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_do_not_notice_that_the_registry_was_away_and_came_back_empty() {
    let mut nacos = Nacos::start("nacos");
    let namespace = namespace();
    let address = nacos.address();
    let client = || hub(address, &namespace);
    let (one, two) = (provider("one", client()).await, provider("two", client()).await);
    let consumer = client();
    let lookup = Lookup::new("test.v1.Desk:1.0.0".parse::<ServiceKey>().unwrap());
    follow_until(&mut consumer.subscribe(lookup.clone()), &mut vec![], "both are up", |known| known.len() == 2).await;
    let load = Load::start(DeskClient::connect("desk").registry(&consumer).build().unwrap());
    eventually("calls go on", async || load.count().0 > 200).await;

    nacos.process().kill().unwrap();
    let since = Instant::now();
    eventually("it is noticed", async || consumer.survey("test.v1.Desk").unwell.is_some()).await;
    let away = AWAY[usize::from(std::env::var(seed::LONG).is_ok())];
    load.more(away).await;
    let hold = consumer.survey("test.v1.Desk").hold;
    assert!(hold.is_some_and(|hold| hold.count == 2), "the reason is shown meanwhile: {hold:?}");
    let at_most = load.count().0;
    nacos.afresh();
    let ready = Instant::now();
    // A stranger sees what the server has, and nothing else.
    let stranger = client();
    follow_until(&mut stranger.subscribe(lookup), &mut vec![], "both are back", |known| known.len() == 2).await;
    let back = ready.elapsed();
    eventually("it is well", async || consumer.survey("test.v1.Desk").unwell.is_none()).await;
    eventually("calls go on", async || load.count().0 > at_most + 200).await;
    let (calls, failed) = load.count();
    println!(
        "away {:?}: both are back {back:?} after the server was ready; {calls} calls, {failed} failed",
        ready - since
    );
    assert_eq!(failed, 0);
    assert!(back < BACK, "{back:?}");
    drop(load);
    for app in [one, two] {
        app.drain().await;
    }
}

/// The shop's own check over a registry on a server: pages are asked for while processes are killed, drained and added.
#[test]
fn the_shop_survives_its_check_over_nacos() {
    let nacos = shared();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(tree::root()).args(["run", "--quiet", "--package", "mainstay-examples", "--features", "nacos"]);
    cargo.args(["--bin", "shop", "--", "demo", "--check", "--registry"]);
    let url = format!("nacos://{}/{}", nacos.address(), namespace());
    let output = cargo.arg(url).output().unwrap();
    let (text, problems) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{problems}");
    let found: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((found["calls"].as_u64(), found["failed"].as_u64()), (Some(2000), Some(0)), "{text}");
    println!("{found}");
}
