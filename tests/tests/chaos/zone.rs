//! A whole zone is lost: its members are killed at once, and those of the other zone answer in their place.

use std::time::Duration;

use rustix::process::Signal;
use testbed::{Scenario, scenario::Check};

use crate::bed::{
    load::{Called, Load, RATE, within},
    members::{Member, Members, ZONES},
};

/// How long calls go on before and after.
const WHILE: Duration = Duration::from_secs(4);

#[test]
fn a_zone_that_is_lost_is_hardly_noticed() {
    let mut scenario = Scenario::new(
        "a_zone_that_is_lost_is_hardly_noticed",
        "Two members of the caller's zone answer; both are killed at once, and the two of another zone answer.",
    );
    let members = Members::zoned();
    let (near, far) = members.all.split_at(2);
    members.called(async || {
        let client = members.client_in(ZONES[0]).await;
        let load = Load::start(RATE, move |_| {
            let client = client.clone();
            async move { client.member("ada".to_owned()).await.map(|member| member.answer.by).map_err(|e| e.to_string()) }
        });
        load.goes_on(WHILE).await;
        let at = load.now();
        near.iter().for_each(|member| member.process.signal(Signal::KILL).unwrap());
        load.goes_on(WHILE).await;
        let (began, end) = (load.began(), load.now());
        let calls = load.end().await;

        let by = |some: &[Member], time| {
            let names: Vec<String> = some.iter().map(Member::name).collect();
            within(&calls, time).filter(|call| call.came.as_ref().is_ok_and(|by| names.contains(by))).count()
        };
        let offset = scenario.at(began);
        scenario.calls("calls of members", began, calls.iter().map(Called::sample));
        scenario.fault("the zone's members are killed", at + offset..end + offset, near.len() as u64, "members");
        let failed: Vec<_> = calls.iter().filter_map(|call| call.came.as_ref().err()).collect();
        println!("{} failed, as {:?}", failed.len(), failed.first());
        // But for a few while connections are made, all calls before are of the own zone; all after a moment of the other.
        let few = (within(&calls, Duration::ZERO..at).count() / 100) as f64;
        scenario.check(Check::at_most("answers of the other zone before", by(far, Duration::ZERO..at) as f64, few, ""));
        let since = at + Duration::from_secs(1);
        scenario.check(Check::all("answers of the other zone after", by(far, since..end), within(&calls, since..end).count()));
        scenario.check(Check::at_most("failed calls", failed.len() as f64, (calls.len() / 1000) as f64, ""));
    });
    scenario.end();
}
