//! Some callers ask for more than a provider can do; those that matter get what they ask for.

use std::{collections::BTreeMap, time::Duration};

use mainstay::{call::CallOptions, policy::ConcurrencyOptions, prelude::*};
use testbed::{Scenario, Scratch, scenario::Check};

use crate::bed::load::{Called, Load, within};

/// A call takes so long, and so many go on at once: 400 a second.
const TAKES: Duration = Duration::from_millis(40);
const AT_ONCE: usize = 16;
/// Calls a second of those that matter, and of the others.
const MATTER: u32 = 50;
const FLOOD: u32 = 1000;
/// How long calls go on before, in and after the flood.
const WHILE: Duration = Duration::from_secs(3);

/// Takes its time.
#[mainstay::service(package = "flood.v1")]
trait Desk {
    /// How it does.
    #[rpc(idempotent, timeout = "2s", retries = 0)]
    async fn ask(&self) -> Result<String>;
}

struct Clerk;

impl Desk for Clerk {
    async fn ask(&self) -> Result<String> {
        tokio::time::sleep(TAKES).await; // slow on purpose: that is how long a call takes
        Ok("well".to_owned())
    }
}

/// Calls of this priority.
fn load(client: &DeskClient, rate: u32, priority: &'static str) -> Load<String> {
    let options = CallOptions::new().metadata("x-mainstay-prio".parse().unwrap(), priority.parse().unwrap());
    let client = client.clone();
    Load::start(rate, move |_| {
        let (client, options) = (client.clone(), options.clone());
        async move { client.with(options).ask().await.map_err(|error| error.into_status().reason().to_string()) }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_calls_leaves_those_that_matter_their_place() {
    let mut scenario = Scenario::new(
        "a_flood_of_calls_leaves_those_that_matter_their_place",
        "A provider can do 400 calls a second; 1000 a second come that do not matter, beside 50 that do.",
    );
    let registry = Scratch::new("flood").unwrap();
    let url = format!("file://{}", registry.path().display());
    let app = App::new("desk").registry(&url).serve(DeskServer::new(Clerk));
    let limits = ConcurrencyOptions::fixed(AT_ONCE).line(64);
    let running = app.with_server(|server| server.concurrency(limits)).start().await.unwrap();
    running.readiness().registered().await;
    let [few, many] = [(); 2].map(|()| DeskClient::connect("desk").registry(&*url).build().unwrap());
    for client in [&few, &many] {
        client.ask().await.unwrap();
    }

    let matter = load(&few, MATTER, "0");
    matter.goes_on(WHILE).await;
    let (at, flood) = (matter.now(), load(&many, FLOOD, "2"));
    matter.goes_on(WHILE).await;
    let (until, rest) = (matter.now(), flood.end().await);
    matter.goes_on(WHILE).await;
    let began = matter.began();
    let calls = matter.end().await;

    let mut refused = BTreeMap::<&str, u64>::new();
    for reason in rest.iter().filter_map(|call| call.came.as_ref().err()) {
        *refused.entry(reason).or_default() += 1;
    }
    println!("{} calls of the flood, refused: {refused:?}", rest.len());
    let failed: Vec<_> = calls.iter().filter_map(|call| call.came.as_ref().err()).collect();
    println!("{} of those that matter failed, as {:?}", failed.len(), failed.first());
    let offset = scenario.at(began);
    scenario.calls("calls that matter", began, calls.iter().map(Called::sample));
    scenario.fault(
        "1000 calls a second that do not matter",
        at + offset..until + offset,
        refused.values().sum(),
        "refused calls",
    );
    scenario.check(Check::none("failed calls that matter", failed.len()));
    let slow = within(&calls, at..until).map(|call| call.took).max().unwrap_or_default();
    scenario.check(Check::within("the slowest of them in the flood", slow, 10 * TAKES));
    scenario.end();
    running.drain().await;
}
