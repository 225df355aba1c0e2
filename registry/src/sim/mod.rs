//! A world in one process: providers that keep their records in a registry, a consumer that follows it, and faults.
//!
//! What decides is the product's own ([`controller`](crate::Timing), [`protection`](crate::Protection)); what carries it out
//! is a model that is harsher than the adapters are: operations are refused, hang, lose their answers, or are done long
//! after they were given up. Everything that happens is an entry in one queue, ordered by virtual time; everything random
//! comes from one seed. So a run is a function of scenario and seed, and its trace (a hash over all that happened) repeats.
//!
//! | file | what |
//! |---|---|
//! | `digest` | the hash of a run |
//! | `server` | the registry: records, sessions, and what it loses |
//! | `provider` | a registration's controller, and its driver |
//! | `consumer` | what a consumer believes, and what it must not |
//! | [`scenario`] | faults, and what is expected at the end |

mod consumer;
mod digest;
mod provider;
pub mod scenario;
mod server;

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fmt,
    hash::{Hash, Hasher},
    time::Duration,
};

pub use digest::Digest;

use crate::{controller::Timing, lease::LeaseState, protect::Hold, rng::Rng};
use consumer::Consumer;
use provider::Provider;
use scenario::{Fault, Scenario, Tamper};
use server::{Answer, Listed, Operation, Server};

/// One millisecond.
const MS: Duration = Duration::from_millis(1);
/// How long a registry keeps the records of who does not reach it.
const SESSION: Duration = Duration::from_secs(4);

/// What a queue entry does when its time comes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum What {
    /// A provider's driver looks what is to be done. Only the newest of its wakes counts.
    Turn { provider: usize, wake: u32 },
    /// An operation arrives at the registry, which may be away.
    Arrives { provider: usize, operation: Operation },
    /// An operation has ended for its provider.
    Ends { provider: usize, operation: Operation, answer: Answer },
    /// The session of that life of a provider is over, if nothing has renewed it.
    Expires { provider: usize, life: u32 },
    /// The consumer asks for the list. Only the newest question counts.
    Asks { number: u32 },
    /// The consumer has its answer, of the newest question if it is higher than any before; `None` when there was none.
    Hears { number: u64, listed: Option<Listed> },
    /// Something goes wrong, or well again.
    Fault(Fault),
}

/// The world.
struct Sim {
    now: Duration,
    rng: Rng,
    tamper: Tamper,
    server: Server,
    providers: Vec<Provider>,
    consumer: Consumer,
    queue: BinaryHeap<Reverse<(Duration, u64, What)>>,
    number: u64,
    trace: Digest,
    story: Vec<Line>,
    violation: Option<String>,
}

impl Sim {
    fn new(scenario: &Scenario, seed: u64, tamper: Tamper) -> Self {
        let mut sim = Self {
            now: Duration::ZERO,
            rng: Rng::new(seed),
            tamper,
            server: Server::default(),
            providers: (0..scenario.providers).map(|_| Provider::new(Timing::default())).collect(),
            consumer: Consumer::new(tamper.protection(), scenario.keeps),
            queue: BinaryHeap::new(),
            number: 0,
            trace: Digest::default(),
            story: Vec::new(),
            violation: None,
        };
        for provider in 0..scenario.providers {
            let at = sim.rng.time(MS..1_000 * MS);
            sim.at(at, What::Fault(Fault::Start(provider)));
        }
        sim.at(MS, What::Asks { number: 0 });
        sim
    }

    /// Puts something into the queue.
    fn at(&mut self, at: Duration, what: What) {
        self.number += 1;
        self.queue.push(Reverse((at, self.number, what)));
    }

    /// Lets the world go on until `end`, or a violation.
    fn run_until(&mut self, end: Duration) {
        while self.violation.is_none()
            && let Some(Reverse((at, _, _))) = self.queue.peek()
            && *at <= end
            && let Some(Reverse((at, _, what))) = self.queue.pop()
        {
            self.now = at;
            (at, &what).hash(&mut self.trace);
            self.happens(what);
        }
        self.now = end;
    }

    fn happens(&mut self, what: What) {
        match what {
            What::Turn { provider, wake } if self.providers[provider].is_awaited(wake) => self.turn(provider),
            What::Turn { .. } => {}
            What::Arrives { provider, operation } => self.arrives(provider, operation),
            What::Ends { provider, operation, answer } => self.ends(provider, operation, answer),
            What::Expires { provider, life } => self.expires(provider, life),
            What::Asks { number } => self.asks(number),
            What::Hears { number, listed } => self.hears(number, listed),
            What::Fault(fault) => self.fault(fault),
        }
    }

    /// Answers are lost and late only until the last fault is over: then the world is to settle.
    fn is_troubled(&self) -> bool {
        self.now < scenario::OVER
    }

    /// How long something is under way: mostly not long, sometimes longer than anybody waits.
    fn latency(&mut self) -> Duration {
        let late = self.is_troubled() && self.rng.once_in(50);
        self.rng.time(MS..if late { 8_000 * MS } else { 20 * MS })
    }

    fn tell(&mut self, what: Told) {
        self.story.push(Line { at: self.now, what });
    }

    fn broken(&mut self, what: String) {
        let at = self.now.as_millis();
        self.violation.get_or_insert_with(|| format!("at {at} ms: {what}"));
    }

    fn trace(&self) -> u64 {
        self.trace.finish()
    }
}

/// What happened, and when, for people. It is put into words only when somebody reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    at: Duration,
    what: Told,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Fault(Fault),
    Stands(usize, LeaseState),
    Believes(usize, Option<Hold>),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7} ms ", self.at.as_millis())?;
        match &self.what {
            Told::Fault(fault) => write!(f, "{fault:?}"),
            Told::Stands(provider, state) => write!(f, "provider {provider}: {state}"),
            Told::Believes(count, None) => write!(f, "the consumer knows {count}"),
            Told::Believes(count, Some(hold)) => {
                write!(f, "the consumer knows {count}, {} of them held: {}", hold.count, hold.reason.as_str())
            }
        }
    }
}
