//! What goes wrong, and what callers may notice of it.

use crate::bed::{Bed, CLIENT, DRAIN, FAULTS, LEDGERS, Run, Setup, What, ms};
use mainstay::{
    sim::{Fault, REGISTRY, Rng},
    transport::Http2Limits,
};

/// Without a wish, so many that a developer does not wait.
const FEW: u64 = 5;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.replace('_', "").parse().ok())
}

fn seeds() -> std::ops::Range<u64> {
    match number("MAINSTAY_SEED") {
        Some(one) => one..one + 1,
        None => 0..number("MAINSTAY_SEEDS").unwrap_or(FEW),
    }
}

/// Runs a scenario with all seeds: nothing is wrong, each fault came, and `felt` says in how many it was felt.
fn sweep(name: &str, run: impl Fn(u64) -> Run, check: impl Fn(&Run), felt: impl Fn(&Run) -> bool) {
    let (mut runs, mut felt_in) = (0, 0);
    for seed in seeds() {
        let run = run(seed);
        if number("MAINSTAY_SEED").is_some() {
            println!("{}", run.story);
        }
        assert_eq!(run.wrong(), None, "{name}, seed {seed}");
        assert!(!run.story.fired().is_empty(), "{name}, seed {seed}: no fault came");
        let told = Told(name, seed);
        check(&run);
        drop(told);
        (runs, felt_in) = (runs + 1, felt_in + u64::from(felt(&run)));
    }
    println!("{name}: {runs} seeds, in {felt_in} of which the fault was felt");
    assert!(runs == 1 || felt_in > 0, "{name}: no fault was felt");
}

/// Prints the seed when a check fails.
struct Told<'a>(&'a str, u64);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: the seed was {}", self.0, self.1);
        }
    }
}

fn crash(seed: u64) -> Run {
    let faults = |rng: &mut Rng| vec![Fault::crash(LEDGERS[0]).drawn(rng, FAULTS, ms(100)..ms(1_500))];
    Bed::default().run(seed, faults)
}

#[test]
fn a_provider_that_crashes_and_comes_back_costs_no_idempotent_call() {
    let check = |run: &Run| {
        assert!(run.failed().is_empty(), "{:?}", run.failed());
        assert_eq!(run.lines("starts"), 4, "three, and one again");
    };
    sweep("crash", crash, check, Run::was_sent_again);
}

/// Where idempotent calls are given a second chance in time.
fn tries(client: Setup) -> Setup {
    client.per_try_timeout(ms(250))
}

fn one_way(seed: u64) -> Run {
    let faults = |rng: &mut Rng| {
        let (from, to) = if rng.once_in(2) { (LEDGERS[0], CLIENT) } else { (CLIENT, LEDGERS[0]) };
        vec![Fault::one_way(from, to).drawn(rng, FAULTS, ms(300)..ms(1_500))]
    };
    Bed { client: tries, ..Bed::default() }.run(seed, faults)
}

#[test]
fn what_is_lost_in_one_direction_costs_no_idempotent_call() {
    let check = |run: &Run| assert!(run.failed().is_empty(), "{:?}", run.failed());
    sweep("one way", one_way, check, |run| run.calls.iter().any(|call| call.took > ms(200)));
}

/// One of each sort, at any time.
fn all(rng: &mut Rng) -> Vec<Fault> {
    let lasts = ms(50)..ms(800);
    let mut faults = vec![
        Fault::crash(LEDGERS[0]),
        Fault::partition(CLIENT, LEDGERS[1]),
        Fault::one_way(LEDGERS[0], CLIENT),
        Fault::hold(CLIENT, LEDGERS[1]),
        Fault::slow(CLIENT, LEDGERS[0], ms(150)),
    ];
    faults.iter_mut().for_each(|fault| *fault = fault.clone().drawn(rng, FAULTS, lasts.clone()));
    faults
}

/// Writes, with everything that may go wrong; `client` may be tampered with.
pub(crate) fn twice(seed: u64, client: fn(Setup) -> Setup) -> Run {
    Bed { providers: 2, calls: &[What::Add], deadline: ms(500)..ms(501), client, ..Bed::default() }.run(seed, all)
}

#[test]
fn what_must_not_be_done_twice_is_not() {
    let check = |run: &Run| assert!(run.calls.iter().filter(|call| call.outcome.is_ok()).count() > 80);
    sweep("twice", |seed| twice(seed, |client| client), check, |run| !run.failed().is_empty());
}

fn drain(seed: u64) -> Run {
    let faults =
        |rng: &mut Rng| vec![Fault::partition(CLIENT, LEDGERS[0]).drawn(rng, ms(700)..ms(1_300), ms(300)..ms(2_000))];
    Bed { calls: &[What::Read, What::Add], client: tries, drains: Some(ms(1_000)), ..Bed::default() }.run(seed, faults)
}

#[test]
fn a_drain_ends_in_time_beside_a_partition() {
    let check = |run: &Run| {
        let at = |what| run.story.lines().iter().find(|line| line.what == what).map(|line| line.at);
        let took = at("has drained").unwrap() - at("drains").unwrap();
        assert!(took <= DRAIN.0 + DRAIN.1 + ms(100), "{took:?}");
        let reads = run.failed().into_iter().filter(|call| call.what == What::Read);
        assert_eq!(reads.count(), 0, "{:?}", run.failed());
        let late = run.failed().into_iter().filter(|call| call.began > ms(3_500));
        assert_eq!(late.count(), 0, "who has drained is forgotten");
    };
    sweep("drain", drain, check, |run| run.calls.iter().any(|call| call.took > ms(200)));
}

fn deadline(seed: u64) -> Run {
    let calls = &[What::Read, What::Add, What::Count];
    Bed { providers: 2, calls, deadline: ms(5)..ms(600), ..Bed::default() }.run(seed, all)
}

#[test]
fn calls_end_in_time_whatever_the_network_does_and_all_is_well_again_after_it() {
    let check = |run: &Run| {
        let patient = |call: &&crate::bed::Call| call.began > ms(3_500) && call.deadline > ms(200);
        let after: Vec<_> = run.calls.iter().filter(patient).collect();
        assert!(after.len() > 5 && after.iter().all(|call| call.outcome.is_ok()), "{after:?}");
    };
    sweep("deadline", deadline, check, |run| !run.failed().is_empty());
}

fn slow(seed: u64) -> Run {
    let faults = |rng: &mut Rng| vec![Fault::slow(CLIENT, LEDGERS[0], ms(500)).drawn(rng, FAULTS, ms(500)..ms(1_500))];
    let patient: fn(Setup) -> Setup = |client| client.limits(Http2Limits::default()).connect_timeout(ms(3_000));
    let (latency, deadline) = (ms(1)..ms(100), ms(5_000)..ms(5_001));
    Bed { latency, deadline, client: patient, calls: &[What::Read, What::Add], ..Bed::default() }.run(seed, faults)
}

#[test]
fn a_network_that_is_slow_fails_nothing() {
    let check = |run: &Run| assert!(run.failed().is_empty(), "{:?}", run.failed());
    sweep("slow", slow, check, |run| run.calls.iter().any(|call| call.took > ms(200)));
}

fn registry(seed: u64) -> Run {
    let faults = |rng: &mut Rng| {
        let (at, lasts) = (rng.time(FAULTS), rng.time(ms(200)..ms(1_000)));
        vec![
            Fault::crash(REGISTRY).at(at).lasting(lasts),
            Fault::registry_forgets().at(at + lasts / 2),
            Fault::partition(LEDGERS[1], REGISTRY).drawn(rng, FAULTS, ms(100)..ms(1_000)),
        ]
    };
    Bed::default().run(seed, faults)
}

#[test]
fn a_registry_that_goes_away_and_comes_back_empty_costs_no_call() {
    let check = |run: &Run| {
        assert!(run.failed().is_empty(), "{:?}", run.failed());
        assert_eq!(run.story.fired().len(), 3);
    };
    sweep("registry", registry, check, |_| true);
}

#[test]
fn a_seed_repeats_exactly() {
    let honest: fn(u64) -> Run = |seed| twice(seed, |client| client);
    for run in [crash, one_way, honest, drain, deadline, slow, registry] {
        let first = run(7);
        let again = run(7);
        assert_eq!((first.story.hash(), first.story.to_string()), (again.story.hash(), again.story.to_string()));
        assert_eq!(first.done, again.done);
        assert_ne!(first.story.hash(), run(8).story.hash());
    }
}

#[test]
fn a_run_without_faults_fails_nothing() {
    let run = Bed { calls: &[What::Read, What::Add, What::Count], ..Bed::default() }.run(1, |_| Vec::new());
    assert!(run.failed().is_empty() && run.wrong().is_none(), "{:?}", run.failed());
    assert!(run.calls.len() > 180 && run.calls.iter().all(|call| call.took < ms(300)));
}
