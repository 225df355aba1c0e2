//! That the searches would find what they look for: the product with one promise taken out of it, from outside.
//!
//! A tamper sits between the core and its driver. One loses the save that comes before a vote is spoken, one speaks
//! first and saves later, one forges what peers say about the master; two break what a switchover rests on.

use mainstay_sentinel_core::action::Action;
use mainstay_sentinel_core::config::Settings;
use mainstay_sentinel_core::durable::{PeerKind, Vote};
use mainstay_sentinel_core::event::{Done, Event, Failure};
use mainstay_sentinel_core::ids::{Epoch, Millis};
use mainstay_sentinel_core::sim::Setup;
use mainstay_sentinel_core::sim::explore::{Bounds, Found, search};
use mainstay_sentinel_core::sim::node::Tamper;
use mainstay_sentinel_core::sim::scenario::SCENARIOS;

fn none() -> Tamper {
    Tamper::default()
}

/// What is saved lacks the vote and its epoch.
fn unsaved() -> Tamper {
    let forget = |list: &mut Vec<Action>| {
        for action in list {
            if let Action::Persist(durable) = action {
                durable.current_epoch = Epoch::default();
                durable.masters.values_mut().for_each(|m| m.vote = Vote::default());
            }
        }
    };
    Tamper { actions: forget, ..none() }
}

/// Votes are spoken first and saved later.
fn spoken_first() -> Tamper {
    let last = |list: &mut Vec<Action>| list.sort_by_key(|a| matches!(a, Action::Persist(_)));
    Tamper { actions: last, ..none() }
}

/// Every peer seems to hold the master for down: the quorum is always there.
fn no_quorum() -> Tamper {
    let forge = |event: &mut Event| {
        if let Event::Answer { answer, .. } = event {
            answer.down = true;
        }
    };
    Tamper { event: forge, ..none() }
}

/// Nobody hears that somebody else was there first: no hello is sent, a report of any age counts as one of now, and a
/// server that is told to step down does not answer that it is no master.
fn unheard() -> Tamper {
    let mute = |list: &mut Vec<Action>| list.retain(|a| !matches!(a, Action::PublishHello(..)));
    let forge = |event: &mut Event| match event {
        Event::Report { asked, .. } => *asked = Millis(u64::MAX / 2),
        Event::Done(_, result @ Err(Failure::NotMaster)) => *result = Ok(Done::Rested { offset: 0 }),
        _ => {}
    };
    Tamper { actions: mute, event: forge }
}

/// What is not known counts as refused: it is undone although it may have been done.
fn overconfident() -> Tamper {
    let forge = |event: &mut Event| {
        if let Event::Done(_, Err(failure @ Failure::Unknown)) = event {
            *failure = Failure::Refused;
        }
    };
    Tamper { event: forge, ..none() }
}

/// How many states a search looks at; `MAINSTAY_STATES` sets another number.
fn states() -> usize {
    std::env::var("MAINSTAY_STATES").ok().and_then(|text| text.replace('_', "").parse().ok()).unwrap_or(2_000)
}

fn bounds(kind: PeerKind, time_steps: u8, crashes: u8) -> Bounds {
    let mut settings = Settings::new(2);
    (settings.down_after, settings.failover_timeout) = (1_000, 5_000);
    let (sentinels, replicas, all_ours, confirm) = (3, 1, true, None);
    let (drift_ppm, lossy, crash_at_save, one_master) = (0, 0, 0, false);
    let setup = Setup { sentinels, replicas, settings, all_ours, confirm, drift_ppm, lossy, crash_at_save, one_master };
    Bounds { setup, kind, time_steps, crashes, states: states() }
}

fn explored(kind: PeerKind, time_steps: u8, crashes: u8) -> Found {
    let found = search(&bounds(kind, time_steps, crashes), none());
    assert_eq!(found.violation, None);
    assert!(found.elections > 0, "somebody is elected somewhere: {found:?}");
    println!(
        "{kind:?}, {time_steps} steps of time, {crashes} crashes: {} states, all: {}",
        found.states, found.complete
    );
    found
}

#[test]
fn every_order_of_events_among_our_own_kind() {
    assert!(explored(PeerKind::Ours, 1, 0).complete, "within these bounds nothing is left out");
    explored(PeerKind::Ours, 1, 1);
    explored(PeerKind::Ours, 2, 1);
}

#[test]
fn every_order_of_events_by_redis_rules() {
    assert!(explored(PeerKind::Redis, 1, 0).complete, "within these bounds nothing is left out");
    explored(PeerKind::Redis, 1, 1);
    explored(PeerKind::Redis, 2, 1);
}

#[test]
fn the_exhaustive_search_finds_votes_that_are_not_saved() {
    for tamper in [unsaved(), spoken_first()] {
        let found = search(&Bounds { states: 100_000, ..bounds(PeerKind::Redis, 1, 1) }, tamper);
        println!("found after {} states", found.states);
        assert!(
            found.violation.is_some_and(|v| v.contains("voted twice") || v.contains("both lead")),
            "{:?}",
            found.states
        );
    }
}

/// Two masters.
const BESIDE: &str = "became a master beside";

/// The first violation of a scenario among some seeds.
fn finds(scenario: &str, tamper: Tamper, expected: &str) {
    let scenario = SCENARIOS.iter().find(|s| s.name == scenario).expect("a known scenario");
    let found = (0..5_000).filter_map(|seed| scenario.run(seed, tamper).violation).find(|v| v.contains(expected));
    assert!(found.is_some(), "{} finds no `{expected}`", scenario.name);
}

#[test]
fn the_simulation_finds_votes_that_are_not_saved() {
    finds("mixed", unsaved(), "voted for");
}

#[test]
fn the_simulation_finds_votes_spoken_before_they_are_saved() {
    finds("mixed", spoken_first(), "voted for");
}

#[test]
fn the_simulation_finds_a_missing_quorum() {
    finds("mixed", no_quorum(), "hold the master for down");
}

#[test]
fn the_simulation_finds_a_leader_that_takes_over_from_a_replica() {
    finds("successive", unheard(), BESIDE);
}

#[test]
fn the_simulation_finds_a_leader_that_undoes_what_it_does_not_know() {
    finds("interrupted", overconfident(), BESIDE);
}
