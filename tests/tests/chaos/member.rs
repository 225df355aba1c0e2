//! One of three members does badly, as processes and networks really do.

use std::time::Duration;

use tokio::{task::spawn_blocking, time::interval};

use crate::bed::{
    load::Called,
    members::{CALLER, Member, Members},
    noticed::{Fault, HANGS, is_hardly_noticed},
};

/// What is done to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ails {
    /// Each answer takes 200 ms.
    Slow,
    /// Half of the answers are UNAVAILABLE.
    Erring,
    /// All packets between it and who calls are dropped.
    BlackHoled,
    /// What it sends to who calls is dropped; what it is sent arrives.
    Mute,
    /// A fifth of the packets between it and who calls is lost.
    Lossy,
    /// SIGSTOP.
    Stopped,
    /// Stopped and not, a second each.
    Flapping,
}

impl Fault for Ails {
    fn told(&self) -> &'static str {
        match self {
            Self::Slow => "each answer of one takes 200 ms",
            Self::Erring => "half of the answers of one are UNAVAILABLE",
            Self::BlackHoled => "packets to and from one are dropped",
            Self::Mute => "packets from one are dropped, and those to it arrive",
            Self::Lossy => "a fifth of the packets to and from one is lost",
            Self::Stopped => "one is stopped",
            Self::Flapping => "one is stopped and not, a second each",
        }
    }

    async fn happen(&self, members: &Members, member: &Member) {
        match self {
            Self::Slow => drop(member.frail().ail(200, 0).await.unwrap()),
            Self::Erring => drop(member.frail().ail(0, 50).await.unwrap()),
            Self::BlackHoled | Self::Mute | Self::Lossy => {
                let (hosts, host) = (members.hosts.clone().unwrap(), member.host);
                let ails = *self;
                let cut = move || match ails {
                    Self::Mute => hosts.drop_from(host, CALLER),
                    Self::Lossy => hosts.lose_between(host, CALLER, 20),
                    _ => hosts.drop_between(host, CALLER),
                };
                spawn_blocking(cut).await.unwrap().unwrap();
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

    async fn met(&self, members: &Members, member: &Member, calls: &[&Called<String>]) -> (u64, &'static str) {
        let hung = calls.iter().filter(|call| call.took > HANGS);
        let count = match self {
            Self::Slow => hung.filter(|call| call.came.as_ref() == Ok(&member.name())).count() as u64,
            Self::Erring => member.frail().seen().await.unwrap().failed,
            Self::BlackHoled if members.hosts.as_ref().unwrap().dropped(member.host).unwrap() == 0 => 0,
            Self::Mute | Self::Lossy => {
                let dropped = |to| members.hosts.as_ref().unwrap().dropped(to).unwrap();
                return (dropped(CALLER) + dropped(member.host), "packets");
            }
            Self::BlackHoled | Self::Stopped | Self::Flapping => hung.count() as u64,
        };
        (count, "calls")
    }
}

#[test]
fn a_member_that_is_slow_is_hardly_noticed() {
    is_hardly_noticed("a_member_that_is_slow_is_hardly_noticed", Ails::Slow, &Members::here());
}

#[test]
fn a_member_that_errs_is_hardly_noticed() {
    is_hardly_noticed("a_member_that_errs_is_hardly_noticed", Ails::Erring, &Members::here());
}

#[test]
fn a_member_that_a_black_hole_swallowed_is_hardly_noticed() {
    is_hardly_noticed("a_member_that_a_black_hole_swallowed_is_hardly_noticed", Ails::BlackHoled, &Members::apart());
}

#[test]
fn a_member_that_hears_and_is_not_heard_is_hardly_noticed() {
    is_hardly_noticed("a_member_that_hears_and_is_not_heard_is_hardly_noticed", Ails::Mute, &Members::apart());
}

#[test]
fn a_member_that_loses_packets_is_hardly_noticed() {
    is_hardly_noticed("a_member_that_loses_packets_is_hardly_noticed", Ails::Lossy, &Members::apart());
}

#[test]
fn a_member_that_is_stopped_is_hardly_noticed() {
    is_hardly_noticed("a_member_that_is_stopped_is_hardly_noticed", Ails::Stopped, &Members::here());
}

#[test]
fn a_member_that_flaps_is_hardly_noticed() {
    is_hardly_noticed("a_member_that_flaps_is_hardly_noticed", Ails::Flapping, &Members::here());
}
