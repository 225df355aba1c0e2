//! One of three members is done something to, and who calls them hardly notices: what is measured of each such fault alike.
//!
//! Three processes serve, one client with everything at its defaults calls them 500 times a second, and after a while of
//! health something is done to the member that had the most calls. The 99th percentile of the calls that were due from
//! three seconds after the fault on is held against that of the healthy time; and of all calls since the fault only so many
//! may fail. Members that live have no more open afterwards than before.
//!
//! `cargo suite --long` lets each fault last for a minute, else it is six seconds.

use std::time::Duration;

use testbed::{Scenario, scenario::Check, seed};
use tokio::time::{interval, timeout};

use super::{
    load::{Called, Load, RATE, p99, within},
    members::{Member, Members, SOON},
};

/// How long all is well.
const HEALTHY: Duration = Duration::from_secs(2);
/// How long after the fault calls must be as fast as before.
const BACK: Duration = Duration::from_secs(3);
/// What a call may take longer than before.
const MORE: Duration = Duration::from_millis(20);
/// What is slower than this has met the fault: a healthy call takes a hundredth of it.
pub(crate) const HANGS: Duration = Duration::from_millis(150);
/// Of the calls of a minute one in a thousand may fail. Most fail in the first second, so that a shorter time allows as
/// many.
const MAY_FAIL: usize = RATE as usize * 60 / 1000;

/// How many connections a client opens to one member at most.
const CONNECTIONS: f64 = 4.0;

/// What is done to a member.
pub(crate) trait Fault {
    /// What it is, in a sentence without its end.
    fn told(&self) -> &'static str;

    /// Does it, until this is dropped.
    async fn happen(&self, members: &Members, member: &Member);

    /// How often it was met by these calls or on the wire, and what that is counted in.
    async fn met(&self, members: &Members, member: &Member, calls: &[&Called<String>]) -> (u64, &'static str);
}

/// Who had the most of these.
fn busiest<'a>(members: &'a Members, calls: &[Called<String>]) -> &'a Member {
    let count = |member: &&Member| calls.iter().filter(|call| call.came.as_ref() == Ok(&member.name())).count();
    members.all.iter().max_by_key(count).unwrap()
}

/// Plays it.
pub(crate) fn is_hardly_noticed(name: &str, fault: impl Fault + Sync, members: &Members) {
    let about = format!("Three members answer {RATE} calls a second; {}.", fault.told());
    let mut scenario = Scenario::new(name, &about);
    members.called(async || {
        let client = members.client().await;
        let load = Load::start(RATE, move |_| {
            let client = client.clone();
            async move { client.member("ada".to_owned()).await.map(|member| member.answer.by).map_err(|e| e.to_string()) }
        });
        load.goes_on(HEALTHY).await;
        let open: Vec<_> = members.all.iter().map(Member::open_files).collect();
        let (member, at) = (busiest(members, &load.so_far()), load.now());
        let began = load.began();
        let lasts = Duration::from_secs(seed::rounds(6, 60).into());
        tokio::select! {
            () = fault.happen(members, member) => {}
            () = load.goes_on(lasts) => {}
        }
        let end = load.now();
        // What is held back for good would hold up the end too.
        member.is_well();
        let calls = load.end().await;

        // Those that were under way met the fault too: while one of them hangs, the member may get no other.
        let since: Vec<_> = calls.iter().filter(|call| call.due + call.took >= at && call.due < end).collect();
        let (offset, (met, unit)) = (scenario.at(began), fault.met(members, member, &since).await);
        scenario.calls("calls of members", began, calls.iter().map(Called::sample));
        scenario.fault(fault.told(), at + offset..end + offset, met, unit);
        let (before, after) = (p99(within(&calls, Duration::ZERO..at)), p99(within(&calls, at + BACK..end)));
        let failed: Vec<_> = since.iter().filter_map(|call| call.came.as_ref().err()).collect();
        println!("{} of {} calls failed, as {:?}", failed.len(), since.len(), failed.first());
        scenario.check(Check::within("p99, three seconds after the fault", after, (before * 2).max(before + MORE)));
        scenario.check(Check::at_most("failed calls", failed.len() as f64, (MAY_FAIL - 1) as f64, ""));
        let more = || {
            let now = members.all.iter().map(Member::open_files);
            open.iter().zip(now).filter_map(|(before, now)| Some(now? as f64 - (*before)? as f64)).fold(0.0, f64::max)
        };
        // What was given up is closed soon, and connections that many calls at once asked for stay a while.
        let mut pause = interval(Duration::from_millis(50));
        let few = async {
            while more() > CONNECTIONS {
                pause.tick().await;
            }
        };
        let _ = timeout(SOON, few).await;
        scenario.check(Check::at_most("files that a member has open more than before", more(), CONNECTIONS, ""));
    });
    scenario.end();
}
