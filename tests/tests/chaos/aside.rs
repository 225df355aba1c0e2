//! What must not happen twice: gifts are put aside over wires that lose answers, where who asks cannot know whether they
//! were.

use std::{collections::BTreeMap, time::Duration};

use testbed::{Scenario, proxy::Way, scenario::Check};

use crate::bed::{
    load::{Called, Load, RATE},
    members::{Member, Members},
};

/// How long calls go on before, between and after.
const WHILE: Duration = Duration::from_secs(3);
/// A call fails after this time; so many are under way to one of three then, and some more find out that it is not well.
const UNKNOWN: usize = RATE as usize / 2;

/// What is done to the wire of one of three members, and how often it was met.
type Bend = fn(&Member);

fn is_not_done_twice(name: &str, what: &str, bend: Bend, met: fn(&Member) -> u64) {
    let about = format!("Three members put gifts aside, 500 a second, each of them once; {what}.");
    let mut scenario = Scenario::new(name, &about);
    let members = Members::wired();
    members.called(async || {
        let client = members.client().await;
        let load = Load::start(RATE, move |n| {
            let client = client.clone();
            async move {
                let held = client.hold("ada".to_owned(), format!("gift-{n}")).await;
                held.map(|held| held.gift).map_err(|error| error.to_string())
            }
        });
        load.goes_on(WHILE).await;
        let (member, at) = (&members.all[0], load.now());
        bend(member);
        load.goes_on(WHILE).await;
        let until = load.now();
        member.is_well();
        load.goes_on(WHILE).await;
        let began = load.began();
        let calls = load.end().await;

        let mut held = BTreeMap::new();
        for member in &members.all {
            for gift in member.frail().gifts().await.unwrap() {
                *held.entry(gift).or_insert(0) += 1;
            }
        }
        let confirmed: Vec<_> = calls.iter().filter_map(|call| call.came.as_ref().ok()).collect();
        let failed: Vec<_> = calls.iter().filter_map(|call| call.came.as_ref().err()).collect();
        println!("{} of {} failed, as {:?}; {} are held", failed.len(), calls.len(), failed.first(), held.len());
        let offset = scenario.at(began);
        scenario.calls("gifts that are put aside", began, calls.iter().map(Called::sample));
        scenario.fault(what, at + offset..until + offset, met(member), "pieces or connections");
        scenario.check(Check::none("put aside twice", held.values().filter(|times| **times > 1).count()));
        let there = confirmed.iter().filter(|gift| held.contains_key(gift.as_str())).count();
        scenario.check(Check::all("confirmed, and there", there, confirmed.len()));
        scenario.check(Check::at_most("failed calls", failed.len() as f64, UNKNOWN as f64, ""));
    });
    scenario.end();
}

#[test]
fn what_loses_its_answer_is_not_done_twice() {
    is_not_done_twice(
        "what_loses_its_answer_is_not_done_twice",
        "requests arrive at one, and its answers do not come back",
        |member| member.proxy().stall(Way::Down),
        |member| member.proxy().counts().held,
    );
}

#[test]
fn what_loses_its_connection_is_not_done_twice() {
    is_not_done_twice(
        "what_loses_its_connection_is_not_done_twice",
        "its connections are reset, and answers late so that some are under way",
        |member| {
            member.proxy().latency(Way::Down, Duration::from_millis(50));
            member.proxy().reset();
        },
        |member| member.proxy().counts().reset,
    );
}
