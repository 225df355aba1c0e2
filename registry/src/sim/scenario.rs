//! Scenarios: what goes wrong in a world, and what must hold at the end.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use super::{
    Line, SESSION, Sim, Told, What,
    provider::Wish,
    server::{Answer, Listed},
};
use crate::{protect::Protection, rng::Rng};

/// When faults begin and end, in milliseconds.
const FAULTS: Range<u64> = 8_000..24_000;
/// When the last one is over.
pub(super) const OVER: Duration = Duration::from_millis(FAULTS.end);
/// A fault that lasts so long is noticed: everybody has looked meanwhile.
const NOTICED: u64 = 6_000;
/// How long a world has to settle then: a back-off, an operation that hangs, what a consumer waits for a registry to fill.
const SETTLES: Duration = Duration::from_secs(50);

/// One fault, or the end of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Fault {
    Away,
    Back,
    /// It has lost all its data.
    Wiped,
    /// It lists only so many, and says that it is unwell.
    Lists(usize),
    ListsAll,
    CutOff(usize),
    Joins(usize),
    Crash(usize),
    Start(usize),
    /// Somebody deletes a record, or changes it.
    Deletes(usize),
    Changes(usize),
    /// The provider wants it to say something else.
    Updates(usize),
    Offline(usize),
    Online(usize),
    Withdraws(usize),
}

/// A scenario: everything in it is drawn from the seed.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    pub(super) providers: usize,
    /// Of so many that live, so many must stay known.
    pub(super) keeps: fn(usize) -> usize,
    faults: fn(&mut Rng) -> Vec<(u64, Fault)>,
}

/// What is taken out of the product, from outside, to see that it is missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tamper {
    /// Nothing.
    #[default]
    None,
    /// No answer counts as an answer of nobody.
    SilenceIsBelieved,
    /// A registry that came back is believed at once.
    NothingSettles,
    /// Whatever a record looks like, it is held to be there as wanted.
    ReadsNothingBack,
}

impl Tamper {
    pub(super) fn listed(self, listed: Option<Listed>) -> Option<Listed> {
        match self {
            Self::SilenceIsBelieved => Some(listed.unwrap_or(Listed { records: Vec::new(), well: true })),
            _ => listed,
        }
    }

    pub(super) fn protection(self) -> Protection {
        match self {
            Self::NothingSettles => Protection::default().with_settle(Duration::ZERO),
            _ => Protection::default(),
        }
    }

    pub(super) fn read_back(self, answer: Answer) -> Answer {
        match answer {
            Answer::Absent | Answer::Different if self == Self::ReadsNothingBack => Answer::Same,
            answer => answer,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The first broken promise.
    pub violation: Option<String>,
    /// A hash over all that happened.
    pub trace: u64,
    /// What happened, for people.
    pub story: Vec<Line>,
    /// Operations of providers that failed.
    pub failures: u64,
    /// Records that were written again because they were gone or changed.
    pub repairs: u64,
    /// How often the consumer held something back, by reason.
    pub holds: BTreeMap<&'static str, u64>,
}

/// All scenarios.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "away", providers: 3, keeps: |all| all, faults: away },
    Scenario { name: "wiped", providers: 4, keeps: |all| all.div_ceil(2), faults: wiped },
    Scenario { name: "flapping", providers: 3, keeps: |_| 1, faults: flapping },
    Scenario { name: "half", providers: 4, keeps: |all| all / 2, faults: half },
    Scenario { name: "cut", providers: 3, keeps: |_| 0, faults: cut },
    Scenario { name: "crashes", providers: 3, keeps: |_| 0, faults: crashes },
    Scenario { name: "meddling", providers: 3, keeps: |_| 0, faults: meddling },
    Scenario { name: "offline", providers: 3, keeps: |_| 0, faults: offline },
    Scenario { name: "withdrawn", providers: 3, keeps: |_| 0, faults: withdrawn },
    Scenario { name: "chaos", providers: 4, keeps: |_| 0, faults: chaos },
];

impl Scenario {
    /// Runs it with one seed.
    pub fn run(&self, seed: u64, tamper: Tamper) -> Outcome {
        let mut sim = Sim::new(self, seed, tamper);
        for (at, fault) in (self.faults)(&mut sim.rng) {
            sim.at(Duration::from_millis(at), What::Fault(fault));
        }
        sim.run_until(OVER + SETTLES);
        if sim.violation.is_none() {
            sim.settled();
        }
        let violation = sim.violation.take().map(|what| format!("{} with seed {seed}: {what}", self.name));
        Outcome {
            violation,
            trace: sim.trace(),
            failures: sim.providers.iter().map(|one| one.failures).sum(),
            repairs: sim.providers.iter().map(|one| one.all_repairs()).sum(),
            holds: sim.consumer.holds,
            story: sim.story,
        }
    }
}

impl Sim {
    pub(super) fn fault(&mut self, fault: Fault) {
        self.tell(Told::Fault(fault.clone()));
        match fault {
            Fault::Away => self.server.away = true,
            Fault::Back => self.server.away = false,
            Fault::Wiped => self.server.records.clear(),
            Fault::Lists(count) => self.server.lists = Some(count),
            Fault::ListsAll => self.server.lists = None,
            Fault::CutOff(provider) => {
                self.server.cut.insert(provider);
                let life = self.providers[provider].life;
                self.at(self.now + SESSION, What::Expires { provider, life });
            }
            Fault::Joins(provider) => drop(self.server.cut.remove(&provider)),
            Fault::Crash(provider) => self.crash(provider),
            Fault::Start(provider) => self.start(provider),
            Fault::Deletes(provider) => drop(self.server.records.remove(&provider)),
            Fault::Changes(provider) => {
                self.server.records.entry(provider).and_modify(|record| record.version = 0);
            }
            Fault::Updates(provider) => {
                let one = &self.providers[provider];
                self.wishes(provider, one.wish, one.version + 1);
            }
            Fault::Offline(provider) => self.wishes(provider, Wish::Offline, self.providers[provider].version),
            Fault::Online(provider) => self.wishes(provider, Wish::Present, self.providers[provider].version),
            Fault::Withdraws(provider) => self.wishes(provider, Wish::Gone, self.providers[provider].version),
        }
        if !self.server.away {
            self.changed();
        }
    }
}

/// A moment among the faults.
fn moment(rng: &mut Rng) -> u64 {
    FAULTS.start + rng.below(FAULTS.end - FAULTS.start)
}

/// A moment, and one that is so much later that nobody misses what lies between.
fn span(rng: &mut Rng) -> (u64, u64) {
    let from = FAULTS.start + rng.below(FAULTS.end - FAULTS.start - NOTICED);
    (from, from + NOTICED + rng.below(FAULTS.end - FAULTS.start - NOTICED).min(FAULTS.end - from - NOTICED))
}

fn provider(rng: &mut Rng, of: u64) -> usize {
    rng.below(of) as usize
}

fn away(rng: &mut Rng) -> Vec<(u64, Fault)> {
    let (from, to) = span(rng);
    vec![(from, Fault::Away), (to, Fault::Back)]
}

fn wiped(rng: &mut Rng) -> Vec<(u64, Fault)> {
    let (from, to) = span(rng);
    vec![(from, Fault::Away), (to, Fault::Wiped), (to, Fault::Back)]
}

fn flapping(rng: &mut Rng) -> Vec<(u64, Fault)> {
    let mut faults = vec![(FAULTS.end, Fault::Back)];
    for _ in 0..2 + rng.below(4) {
        let outage = if rng.once_in(2) { wiped } else { away };
        faults.extend(outage(rng));
    }
    faults
}

fn half(rng: &mut Rng) -> Vec<(u64, Fault)> {
    let (from, to) = span(rng);
    vec![(from, Fault::Lists(provider(rng, 2))), (to, Fault::ListsAll)]
}

fn cut(rng: &mut Rng) -> Vec<(u64, Fault)> {
    let ((from, to), who) = (span(rng), provider(rng, 3));
    vec![(from, Fault::CutOff(who)), (to, Fault::Joins(who))]
}

fn crashes(rng: &mut Rng) -> Vec<(u64, Fault)> {
    let mut faults = Vec::new();
    for who in 0..3 {
        let (from, to) = span(rng);
        faults.extend([(from, Fault::Crash(who)), (to, Fault::Start(who))]);
    }
    faults
}

fn meddling(rng: &mut Rng) -> Vec<(u64, Fault)> {
    let acts = [Fault::Deletes, Fault::Changes, Fault::Updates];
    let mut faults = vec![(moment(rng), Fault::Deletes(provider(rng, 3)))];
    for _ in 0..rng.below(6) {
        let act = acts[rng.below(3) as usize];
        faults.push((moment(rng), act(provider(rng, 3))));
    }
    faults
}

fn offline(rng: &mut Rng) -> Vec<(u64, Fault)> {
    let mut faults = flapping(rng);
    for who in 0..3 {
        let (from, to) = span(rng);
        faults.push((from, Fault::Offline(who)));
        if rng.once_in(2) {
            faults.push((to, Fault::Online(who)));
        }
    }
    faults.extend([(moment(rng), Fault::Updates(0)), (moment(rng), Fault::Updates(1))]);
    faults
}

fn withdrawn(rng: &mut Rng) -> Vec<(u64, Fault)> {
    let mut faults = flapping(rng);
    faults.extend((0..2).map(|who| (moment(rng), Fault::Withdraws(who))));
    faults
}

/// Some of everything, and an end to all of it.
fn chaos(rng: &mut Rng) -> Vec<(u64, Fault)> {
    let kinds = [away, wiped, half, cut, crashes, meddling, offline, withdrawn];
    let mut faults: Vec<_> = (0..2 + rng.below(4)).flat_map(|_| kinds[rng.below(8) as usize](rng)).collect();
    faults.extend([(FAULTS.end, Fault::Back), (FAULTS.end, Fault::ListsAll)]);
    faults.extend((0..4).flat_map(|who| [(FAULTS.end, Fault::Joins(who)), (FAULTS.end, Fault::Start(who))]));
    faults
}
