//! All members fail at once, and a site in between asks them for its visitors: what arrives at the members must not grow
//! by what is sent again, at either hop.

use std::{process::Command, time::Duration};

use mainstay_examples::SiteApiClient;
use testbed::{Process, Scenario, scenario::Check, seed, tree};
use tokio::time::{interval, timeout};

use crate::bed::{
    frail::Seen,
    load::{Called, Load, RATE},
    members::{Members, SOON},
};

/// Calls at the members for each that was offered, at most.
const AT_MOST: f64 = 1.25;

/// A process of the shop that finds the members.
fn of_the_shop(role: &str, members: &Members) -> Process {
    let mut command = Command::new(tree::built("shop"));
    command.args([role, "--registry", &members.registry()]);
    let mut process = Process::spawn(role, command).unwrap();
    process.line(SOON, "  registered");
    process
}

async fn seen(members: &Members) -> Seen {
    let mut all = Seen::default();
    for member in &members.all {
        let seen = member.frail().seen().await.unwrap();
        all = Seen { asked: all.asked + seen.asked, failed: all.failed + seen.failed };
    }
    all
}

/// All members let so many of a hundred calls fail.
fn is_not_made_worse(name: &str, fail_percent: u32) {
    let fault = format!("{fail_percent} % fail at all members");
    let mut scenario = Scenario::new(name, &format!("A site asks promotions, and both ask members; {fault}."));
    let members = Members::here();
    let _shop = ["promotion", "site"].map(|role| of_the_shop(role, &members));
    members.called(async || {
        let site = SiteApiClient::connect("site").registry(members.registry()).build().unwrap();
        let mut pause = interval(Duration::from_millis(20));
        let page = async {
            while site.page("ada".to_owned()).await.is_err() {
                pause.tick().await;
            }
        };
        timeout(SOON, page).await.expect("the site shows a page");

        for member in &members.all {
            member.frail().ail(0, fail_percent).await.unwrap();
        }
        let (before, began) = (seen(&members).await, scenario.now());
        let load = Load::start(RATE, move |_| {
            let site = site.clone();
            async move { site.page("ada".to_owned()).await.map(drop).map_err(|error| error.to_string()) }
        });
        load.goes_on(Duration::from_secs(seed::rounds(8, 60).into())).await;
        let since = load.began();
        let calls = load.end().await;
        let after = seen(&members).await;

        let (asked, failed) = (after.asked - before.asked, after.failed - before.failed);
        let times = asked as f64 / calls.len() as f64;
        let lost = calls.iter().filter(|call| call.came.is_err()).count();
        scenario.calls("pages", since, calls.iter().map(Called::sample));
        scenario.fault(&fault, began..scenario.now(), failed, "calls");
        scenario.check(Check::at_least("pages that failed", lost as f64, 1.0, ""));
        scenario.check(Check::at_most("calls at the members for each page", times, AT_MOST, ""));
    });
    scenario.end();
}

#[test]
fn in_a_total_outage_the_last_hop_sees_no_storm() {
    is_not_made_worse("in_a_total_outage_the_last_hop_sees_no_storm", 100);
}

#[test]
fn where_most_calls_fail_everywhere_the_last_hop_sees_no_storm() {
    is_not_made_worse("where_most_calls_fail_everywhere_the_last_hop_sees_no_storm", 80);
}
