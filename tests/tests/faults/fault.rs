//! The faults of one member, and what they may cost.

use std::time::Duration;

use testbed::seed;
use tokio::{task::spawn_blocking, time::interval};

use crate::{
    load::{Called, Load, RATE, p99, within},
    members::{Member, Members},
};

/// How long all is well.
const HEALTHY: Duration = Duration::from_secs(3);
/// How long after the fault calls must be as fast as before.
const BACK: Duration = Duration::from_secs(3);
/// What a call may take longer than before.
const MORE: Duration = Duration::from_millis(20);
/// What is slower than this has met the fault: a healthy call takes a hundredth of it.
const HANGS: Duration = Duration::from_millis(150);
/// Of the calls of a minute one in a thousand may fail. Most fail in the first second, so that a shorter time allows as
/// many.
const MAY_FAIL: usize = RATE as usize * 60 / 1000;

/// What is done to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Each answer takes 200 ms.
    Slow,
    /// Half of the answers are UNAVAILABLE.
    Erring,
    /// All packets between it and who calls are dropped.
    BlackHoled,
    /// SIGSTOP.
    Stopped,
    /// Stopped and not, a second each.
    Flapping,
}

impl Fault {
    /// Does it, until this is dropped.
    async fn happen(self, members: &Members, member: &Member) {
        match self {
            Self::Slow => drop(member.frail().ail(200, 0).await.unwrap()),
            Self::Erring => drop(member.frail().ail(0, 50).await.unwrap()),
            Self::BlackHoled => {
                let (hosts, host) = (members.hosts.clone().unwrap(), member.host);
                spawn_blocking(move || hosts.drop_between("caller", host)).await.unwrap().unwrap();
            }
            Self::Stopped => member.process.stop().unwrap(),
            Self::Flapping => {
                let mut second = interval(Duration::from_secs(1));
                loop {
                    second.tick().await;
                    member.process.stop().unwrap();
                    second.tick().await;
                    member.process.cont().unwrap();
                }
            }
        }
        std::future::pending().await
    }

    /// Whether calls met it.
    async fn fired(self, members: &Members, member: &Member, calls: &[&Called<String>]) -> bool {
        match self {
            Self::Slow => calls.iter().any(|call| call.came.as_ref() == Ok(&member.name()) && call.took > HANGS),
            Self::Erring => member.frail().seen().await.unwrap().failed > 0,
            Self::BlackHoled => {
                let hung = calls.iter().any(|call| call.took > HANGS);
                hung && members.hosts.as_ref().unwrap().dropped(member.host).unwrap() > 0
            }
            Self::Stopped | Self::Flapping => calls.iter().any(|call| call.took > HANGS),
        }
    }
}

/// Who had the most of these.
fn busiest<'a>(members: &'a Members, calls: &[Called<String>]) -> &'a Member {
    let count = |member: &&Member| calls.iter().filter(|call| call.came.as_ref() == Ok(&member.name())).count();
    members.all.iter().max_by_key(count).unwrap()
}

fn is_hardly_noticed(fault: Fault, members: &Members) {
    members.called(async || {
        let client = members.client().await;
        let load = Load::start(RATE, move |_| {
            let client = client.clone();
            async move { client.member("ada".to_owned()).await.map(|member| member.answer.by).map_err(|e| e.to_string()) }
        });
        load.goes_on(HEALTHY).await;
        let (member, at) = (busiest(members, &load.so_far()), load.now());
        let lasts = Duration::from_secs(seed::rounds(10, 60).into());
        tokio::select! {
            () = fault.happen(members, member) => {}
            () = load.goes_on(lasts) => {}
        }
        let end = load.now();
        let calls = load.end().await;
        // One that is stopped would not say what it saw.
        member.process.cont().unwrap();

        // Those that were under way met the fault too: while one of them hangs, the member may get no other.
        let since: Vec<_> = calls.iter().filter(|call| call.due + call.took >= at && call.due < end).collect();
        assert!(fault.fired(members, member, &since).await, "{fault:?} met no call: it proves nothing");
        let (before, after) = (p99(within(&calls, Duration::ZERO..at)), p99(within(&calls, at + BACK..end)));
        let failed: Vec<_> = since.iter().filter_map(|call| call.came.as_ref().err()).collect();
        println!(
            "{fault:?} for {lasts:?}: p99 {before:.1?}, {BACK:?} after it {after:.1?}; {} of {} calls failed",
            failed.len(),
            since.len()
        );
        assert!(after <= (before * 2).max(before + MORE), "p99 {before:?} before, {after:?} after");
        assert!(failed.len() < MAY_FAIL, "{} failed, as {:?}", failed.len(), failed[0]);
    });
}

#[test]
fn a_member_that_is_slow_is_hardly_noticed() {
    is_hardly_noticed(Fault::Slow, &Members::here());
}

#[test]
fn a_member_that_errs_is_hardly_noticed() {
    is_hardly_noticed(Fault::Erring, &Members::here());
}

#[test]
fn a_member_that_a_black_hole_swallowed_is_hardly_noticed() {
    is_hardly_noticed(Fault::BlackHoled, &Members::apart());
}

#[test]
fn a_member_that_is_stopped_is_hardly_noticed() {
    is_hardly_noticed(Fault::Stopped, &Members::here());
}

#[test]
fn a_member_that_flaps_is_hardly_noticed() {
    is_hardly_noticed(Fault::Flapping, &Members::here());
}
