//! Ledgers on simulated hosts, a client that calls them at a steady pace whatever becomes of the calls, and the history of both.

use crate::ledger::{LedgerClient, LedgerServer, Pages};
use mainstay::{
    client::ConnectBuilder,
    prelude::*,
    server::Server,
    sim::{Ended, Fault, Host, Rng, Sim, Story},
};
use std::{
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{task::JoinSet, time::sleep};

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// When faults may begin; the client calls from before that to long after.
pub(crate) const FAULTS: Range<Duration> = ms(500)..ms(1_500);
/// When the client begins and ends to call, and how often it does.
const CALLS: Range<Duration> = ms(200)..ms(4_000);
const PACE: Duration = ms(20);

/// The names of the providers.
pub(crate) const LEDGERS: [&str; 3] = ["ledger-1", "ledger-2", "ledger-3"];
/// The name of the client.
pub(crate) const CLIENT: &str = "client";

/// What a handler did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) n: u64,
    pub(crate) writes: bool,
    /// The call said that it had been sent before.
    pub(crate) again: bool,
}

/// How a call ended for its caller.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) n: u64,
    pub(crate) what: What,
    pub(crate) began: Duration,
    pub(crate) took: Duration,
    pub(crate) deadline: Duration,
    pub(crate) outcome: Result<()>,
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Read,
    Add,
    Count,
}

/// All that was called and done.
#[derive(Clone, Debug, Default)]
pub(crate) struct History(Arc<Mutex<(Vec<Call>, Vec<Done>)>>);

impl History {
    pub(crate) fn done(&self, done: Done) {
        self.0.lock().unwrap().1.push(done);
    }

    fn ended(&self, call: Call) {
        self.0.lock().unwrap().0.push(call);
    }
}

/// A run, after it.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) story: Story,
    pub(crate) calls: Vec<Call>,
    pub(crate) done: Vec<Done>,
}

impl Run {
    /// What no run may show: a call that must not be done twice and was, one that was answered and not done, and one that took
    /// longer than its deadline.
    pub(crate) fn wrong(&self) -> Option<String> {
        let times = |n| self.done.iter().filter(|done| done.writes && done.n == n).count();
        self.calls.iter().find_map(|call| {
            let adds = call.what == What::Add;
            match call {
                Call { n, .. } if adds && times(*n) > 1 => Some(format!("{n} was added {} times", times(*n))),
                Call { n, outcome: Ok(()), .. } if adds && times(*n) == 0 => Some(format!("{n} was lost")),
                Call { took, deadline, .. } if *took > *deadline + ms(2) => Some(format!("late: {call:?}")),
                _ => None,
            }
        })
    }

    /// The calls that failed.
    pub(crate) fn failed(&self) -> Vec<&Call> {
        self.calls.iter().filter(|call| call.outcome.is_err()).collect()
    }

    pub(crate) fn was_sent_again(&self) -> bool {
        self.done.iter().any(|done| done.again)
    }

    pub(crate) fn lines(&self, what: &str) -> usize {
        self.story.lines().iter().filter(|line| line.what == what).count()
    }
}

/// A client while it is set up.
pub(crate) type Setup = ConnectBuilder<LedgerClient>;

/// How a world is set up.
pub(crate) struct Bed {
    pub(crate) providers: usize,
    pub(crate) latency: Range<Duration>,
    pub(crate) calls: &'static [What],
    /// How long calls may take: drawn for each.
    pub(crate) deadline: Range<Duration>,
    pub(crate) client: fn(Setup) -> Setup,
    /// When the first provider drains, for good.
    pub(crate) drains: Option<Duration>,
}

impl Default for Bed {
    fn default() -> Self {
        let (latency, deadline) = (ms(1)..ms(10), ms(1_000)..ms(1_000));
        Self { providers: 3, latency, calls: &[What::Read], deadline, client: |client| client, drains: None }
    }
}

impl Bed {
    /// Plays the faults that a seed draws.
    pub(crate) fn run(&self, seed: u64, faults: impl FnOnce(&mut Rng) -> Vec<Fault>) -> Run {
        let history = History::default();
        let mut sim = Sim::new(seed).latency(self.latency.clone());
        for (n, name) in LEDGERS.into_iter().take(self.providers).enumerate() {
            let (history, drains) = (history.clone(), self.drains.filter(|_| n == 0));
            sim = sim.host(name, move |host| serve(host, history.clone(), drains));
        }
        let (calls, deadline, setup, kept) = (self.calls, self.deadline.clone(), self.client, history.clone());
        sim = sim.client(CLIENT, move |host| call(host, kept, calls, deadline, setup));
        sim = faults(&mut Rng::new(seed)).into_iter().fold(sim, Sim::fault);
        let story = sim.run().unwrap_or_else(|failed| panic!("{failed}"));
        let (calls, done) = history.0.lock().unwrap().clone();
        Run { story, calls, done }
    }
}

/// The pause and the grace of a drain.
pub(crate) const DRAIN: (Duration, Duration) = (ms(200), ms(1_000));

async fn serve(host: Host, history: History, drains: Option<Duration>) -> Ended {
    let pages = Pages { host: host.clone(), history };
    let serving = host.serve("ledger", Server::new().serve(LedgerServer::new(pages))).await?;
    let Some(at) = drains else { return Ok(serving.ended().await?) };
    // When the test says, on the simulation's clock, slow on purpose.
    sleep(at.saturating_sub(host.now())).await;
    host.note("drains");
    serving.drain(DRAIN.0, DRAIN.1).await;
    host.note("has drained");
    Ok(())
}

/// Calls at a steady pace, whatever becomes of the calls before.
async fn call(
    host: Host,
    history: History,
    calls: &'static [What],
    deadline: Range<Duration>,
    setup: fn(Setup) -> Setup,
) -> Ended {
    let client = setup(host.connect(LedgerClient::connect("ledger"))).build()?;
    let (mut rng, mut all) = (host.rng(), JoinSet::new());
    // The pace of the load is the point, slow on purpose.
    sleep(CALLS.start).await;
    for n in 0.. {
        let (began, what) = (host.now(), calls[rng.below(calls.len() as u64) as usize]);
        if began >= CALLS.end {
            break;
        }
        let (client, host, history) = (client.clone(), host.clone(), history.clone());
        let deadline = rng.time(deadline.clone());
        all.spawn(async move {
            let outcome = one(client.with(timeout(deadline)), n, what).await;
            let took = host.now() - began;
            let end = outcome.as_ref().map_or_else(Status::to_string, |()| "fine".to_owned());
            host.note(format!("{what:?} {n} {end}"));
            history.ended(Call { n, what, began, took, deadline, outcome });
        });
        // On the simulation's clock, slow on purpose.
        sleep(PACE).await;
    }
    while let Some(ended) = all.join_next().await {
        ended?;
    }
    Ok(())
}

async fn one(client: LedgerClient, n: u64, what: What) -> Result<()> {
    match what {
        What::Read => client.read(n).await.map(|same| assert_eq!(same, n)).map_err(Status::from),
        What::Add => client.add(n).await.map(|same| assert_eq!(same, n)).map_err(Status::from),
        What::Count => {
            let all = client.count(5).await.map_err(Status::from)?.collect().await?;
            assert_eq!(all, [0, 1, 2, 3, 4]);
            Ok(())
        }
    }
}
