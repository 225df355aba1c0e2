//! That the searches would find what they look for: the product with one promise taken out of it, from outside.
//!
//! A tamper sits between the core and its driver. One loses the save that comes before a vote is spoken, one speaks
//! first and saves later, one forges what peers say about the master.

use mainstay_sentinel::core::action::Action;
use mainstay_sentinel::core::config::Settings;
use mainstay_sentinel::core::durable::{PeerKind, Vote};
use mainstay_sentinel::core::event::Event;
use mainstay_sentinel::core::ids::Epoch;
use mainstay_sentinel::sim::Setup;
use mainstay_sentinel::sim::explore::{Bounds, Found, search};
use mainstay_sentinel::sim::node::Tamper;
use mainstay_sentinel::sim::scenario::SCENARIOS;

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

/// How many states a search looks at; `MAINSTAY_STATES` sets another number.
fn states() -> usize {
    std::env::var("MAINSTAY_STATES").ok().and_then(|text| text.replace('_', "").parse().ok()).unwrap_or(2_000)
}

fn bounds(kind: PeerKind, time_steps: u8, crashes: u8) -> Bounds {
    let mut settings = Settings::new(2);
    (settings.down_after, settings.failover_timeout) = (1_000, 5_000);
    let (sentinels, replicas, all_ours, confirm) = (3, 1, true, None);
    let (drift_ppm, lossy, crash_at_save) = (0, 0, 0);
    let setup = Setup { sentinels, replicas, settings, all_ours, confirm, drift_ppm, lossy, crash_at_save };
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

/// The first violation of a scenario among some seeds.
fn finds(scenario: &str, tamper: Tamper, expected: &str) {
    let scenario = SCENARIOS.iter().find(|s| s.name == scenario).expect("a known scenario");
    let found = (0..1_000).filter_map(|seed| scenario.run(seed, tamper).violation).find(|v| v.contains(expected));
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
